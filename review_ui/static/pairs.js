// Judging pairs: the next pair is in memory before it is needed; a judgement is kept on this device until it is saved.
const root = document.querySelector(".judging");
const at = (id) => document.getElementById(id);
const KEYS = { s: "same", d: "different", n: "unsure" };
const OUTBOX = `rounds-pairs-${root.dataset.reader}-`; // then the op_id: an entry has a key of its own, so two tabs lose nothing
const RETRY_MS = [500, 1000, 2000, 4000, 8000]; // longer with each failure in a row
const SOON_MS = 300;
const ANSWER_MS = 20_000;
const LOST = "No connection. Trying again.";
const PASSING = new Set([408, 425, 429]); // with the faults of a server, what may be answered otherwise after a while
const OF_THE_ENTRY = new Set([404, 409, 422]); // what is said of one judgement; any other refusal is of all of them

// Waiting does not change it, so it is not asked again by itself.
class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const ahead = []; // { key, first, second } with their pixels
const given = []; // { op_id, pair }, newest last: undo reaches back to the start of the sitting
const judged = new Set(); // keys: an answer that was on its way when a pair was judged must not bring it back
const gone = new Set(); // keys of pairs whose pictures are there no more
let list = null;
let done = 0;
let shownAt = 0;
let filling = false;
let sending = false;
let refused = ""; // what the server will never take stays on the page
let failures = 0;
const timers = {}; // one wait for each, however often something was asked for meanwhile

const hex = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// What waits, oldest first.
function outbox() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(OUTBOX));
  const entries = keys.map((key) => JSON.parse(localStorage.getItem(key)));
  return entries.filter(Boolean).sort((a, b) => a.kept_ms - b.kept_ms);
}

let lastKeptMs = 0;

function keep(entry) {
  lastKeptMs = Math.max(lastKeptMs + 0.001, Date.now());
  localStorage.setItem(OUTBOX + entry.op_id, JSON.stringify({ kept_ms: lastKeptMs, ...entry }));
  tellKept();
}

function drop(entry) {
  localStorage.removeItem(OUTBOX + entry.op_id);
  tellKept();
}

function tellKept() {
  const entries = outbox();
  const saved = at("saved");
  saved.dataset.saved = entries.length || refused ? "waiting" : "saved";
  saved.textContent = [entries.length ? `${entries.length} kept on this device` : "Saved", refused].filter(Boolean).join(". ");
}

function again(what, ms) {
  clearTimeout(timers[what.name]);
  timers[what.name] = setTimeout(what, ms);
}

function retry(what) {
  again(what, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
  failures += 1;
}

async function ask(path, options) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const response = await fetch(path, { credentials: "same-origin", signal, ...options });
  if (response.ok) {
    failures = 0;
    return response;
  }
  if (response.status === 401) location.assign("/rounds/sign-in");
  if (response.status >= 500 || PASSING.has(response.status)) throw new Error(`the server answered ${response.status}`);
  const answer = await response.json().catch(() => null); // a proxy on the way answers with a page of its own
  throw new Refused(answer?.error ?? `the server answered ${response.status}`, response.status);
}

async function fill() {
  if (filling || !list) return;
  const asked = list;
  filling = true;
  try {
    const answer = await (await ask(`/rounds/api/pairs/${list.id}`)).json();
    const underWay = new Set(outbox().filter((entry) => entry.verdict).map((entry) => entry.key));
    const held = new Set(ahead.map((pair) => pair.key));
    const pairs = answer.pairs.filter((pair) => !gone.has(pair.key));
    for (const pair of pairs.filter(({ key }) => ![held, underWay, judged].some((keys) => keys.has(key)))) {
      const pictures = await picturesOf(pair);
      if (list !== asked) return; // another list was chosen meanwhile
      if (!pictures) continue;
      ahead.push({ ...pair, pictures });
      if (ahead.length === 1) show();
    }
    if (list !== asked) return;
    if (at("told").textContent === LOST) at("told").textContent = "";
    if (ahead.length) return;
    if (pairs.some(({ key }) => !gone.has(key))) again(fill, SOON_MS); // the answer is from before those judgements came
    else tell("done", "All judged. Nothing is waiting in this list.");
  } catch (error) {
    if (!isRefused(error)) {
      tell(ahead.length ? "judging" : "loading", LOST);
      retry(fill);
    }
  } finally {
    filling = false;
    if (list !== asked) fill();
  }
}

// Says why nothing more comes, where waiting does not change it.
function isRefused(error) {
  if (error instanceof Refused) tell("done", error.message);
  return error instanceof Refused;
}

// Both pictures; null where one of them was withdrawn since the pair was listed.
async function picturesOf({ key, first, second }) {
  try {
    return await Promise.all([pixels(key, "first", first), pixels(key, "second", second)]);
  } catch (error) {
    if (error.status !== 404) throw error;
    gone.add(key);
    return null;
  }
}

// Stretched over each picture, so that a change of brightness hides nothing.
async function pixels(key, side, [height, width, channels, bits]) {
  const response = await ask(`/rounds/pairs/${key}/${side}`, { cache: "no-store" });
  const buffer = await response.arrayBuffer();
  const values = bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const scale = 255 / Math.max(1, high - low);
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    for (let band = 0; band < 3; band += 1) {
      image.data[4 * place + band] = (values[place * channels + (channels === 3 ? band : 0)] - low) * scale;
    }
    image.data[4 * place + 3] = 255;
  }
  return image;
}

function show() {
  const pair = ahead[0];
  if (!pair) return fill();
  ["first", "second"].forEach((side, place) => {
    const canvas = at(side);
    const picture = pair.pictures[place];
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").putImageData(picture, 0, 0);
  });
  root.dataset.shown = pair.key;
  shownAt = performance.now();
  tell("judging", "");
  progress();
}

function tell(state, words) {
  root.dataset.state = state;
  at("told").textContent = words;
  for (const id of Object.values(KEYS)) at(id).disabled = state !== "judging";
}

function progress() {
  at("left").textContent = list ? `${done} of ${list.total} judged` : "";
  at("undo").disabled = given.length === 0;
}

function judge(verdict) {
  if (root.dataset.state !== "judging") return;
  const pair = ahead.shift();
  const opId = hex();
  const elapsed = Math.round(performance.now() - shownAt);
  keep({ op_id: opId, key: pair.key, verdict, elapsed_ms: elapsed, read_at: new Date().toISOString() });
  given.push({ opId, pair });
  judged.add(pair.key);
  done += 1;
  send();
  if (ahead.length < 6) fill();
  if (ahead.length) show();
  else tell("loading", "The next pair is on its way.");
  progress();
}

function undo() {
  const last = given.pop();
  if (!last) return;
  keep({ op_id: hex(), key: last.pair.key, voids_op_id: last.opId, read_at: new Date().toISOString() });
  ahead.unshift(last.pair);
  judged.delete(last.pair.key);
  done -= 1;
  send();
  show();
}

async function sendOne({ kept_ms: _, ...judgement }) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": root.dataset.csrf };
  try {
    await ask("/rounds/api/pairs", { method: "POST", headers, body: JSON.stringify(judgement) });
  } catch (error) {
    if (error.status === 403 && (await signedInElsewhere())) location.reload(); // the page brings the new token
    if (!OF_THE_ENTRY.has(error.status)) throw error;
    refused = `Not saved: ${error.message}`;
    judged.delete(judgement.key);
  }
}

async function signedInElsewhere() {
  const session = await (await ask("/rounds/api/session")).json();
  return session.csrf !== root.dataset.csrf;
}

async function send() {
  if (sending) return;
  sending = true;
  try {
    for (let [entry] = outbox(); entry; [entry] = outbox()) {
      await sendOne(entry);
      drop(entry);
    }
  } catch (error) {
    if (!isRefused(error)) retry(send);
  } finally {
    sending = false;
  }
}

function over(on) {
  at("pair").dataset.over = on ? "yes" : "no";
}

async function open(id) {
  const { lists } = await (await ask("/rounds/api/pairs")).json();
  const select = at("list");
  select.replaceChildren(...lists.map((one) => new Option(one.name, one.id)));
  select.hidden = lists.length < 2;
  list = lists.find((one) => one.id === id) ?? lists.find((one) => one.done < one.total) ?? lists[0] ?? null;
  if (!list) return tell("done", "There is no open list of pairs. A curator makes one with “rounds pairs create NAME”.");
  select.value = list.id;
  done = list.done + outbox().reduce((sum, entry) => sum + (entry.verdict ? 1 : -1), 0);
  ahead.length = given.length = 0;
  tell("loading", "Loading"); // until its first pair is there, a key is no judgement
  progress();
  fill();
}

for (const verdict of Object.values(KEYS)) at(verdict).addEventListener("click", () => judge(verdict));
at("undo").addEventListener("click", undo);
at("list").addEventListener("change", (event) => open(Number(event.target.value)).catch(failed));
for (const name of ["pointerdown", "pointerup", "pointerleave"]) at("over").addEventListener(name, () => over(name === "pointerdown"));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("select")) return;
  const key = event.key.toLowerCase();
  if (key === " " && event.target.matches("button:not(#over), a")) return;
  if (key in KEYS) judge(KEYS[key]);
  else if (key === "u") undo();
  else if (key === " ") {
    event.preventDefault();
    over(true);
  }
});
addEventListener("keyup", (event) => event.key === " " && over(false));
// What an earlier sitting left is sent first, so that the server's count is whole.
function start() {
  send()
    .then(() => open())
    .catch(failed);
}

function failed(error) {
  if (isRefused(error)) return;
  tell("loading", LOST);
  retry(start);
}

tellKept();
addEventListener("storage", tellKept); // another tab sent what both show
start();
