// The images ahead: leased in runs, their pixels fetched before they are needed. The server is the truth about them.

const AHEAD = 48; // loaded or loading ahead of the one on screen
const REFILL_BELOW = 36;
const FETCHES = 6;
const RENEW_MS = 120_000; // well inside the server's lease of ten minutes
const ABSENT_MS = 900_000; // a reader gone for longer gives their images back to others
const LOOK_AGAIN_MS = [400, 1000, 2000, 5000, 15_000]; // others' leases may run out after we have read all there was

class Queue {
  // `changed()` is called when an image has arrived or the list has grown.
  // `ahead` images are held at a time: more of them for pages.
  constructor(server, outbox, worklistId, mode, changed, failed, ahead = AHEAD) {
    this.server = server;
    this.outbox = outbox;
    this.worklistId = worklistId;
    this.mode = mode;
    this.changed = changed;
    this.failed = failed;
    this.ahead = ahead;
    this.refillBelow = mode === "grid" ? ahead : REFILL_BELOW;
    this.thenSingle = false; // there are no more pages, but images that wait to be read one by one
    this.known = new Map(); // pixels that are in memory from another way of reading, by key
    this.items = [];
    this.read = new Set(); // keys answered since the page was opened
    this.exhausted = false; // the last claim brought less than was asked for
    this.paused = false; // whoever organises the reading has paused the worklist
    this.withOthers = 0; // images that are left to this reader but were not to be had
    this.looks = 0; // claims in a row that brought nothing
    this.failures = 0; // in a row, of claims and of pixels
    this.claiming = false;
    this.fetching = 0;
    this.closed = false;
    this.halted = null; // why nothing is asked any more: a refusal, or an ended session
    this.activeAt = Date.now();
    this.renewal = setInterval(() => this.renew(), RENEW_MS);
  }

  // Another way of reading has a list of its own; what is in memory is not fetched again.
  inherit(before) {
    this.known = new Map(before.items.filter((item) => item.pixels).map((item) => [item.key, item.pixels]));
    this.read = before.read;
    return this;
  }

  get head() {
    return this.items[0];
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.lookAgain);
    clearInterval(this.renewal);
  }

  get silent() {
    return this.closed || this.halted !== null;
  }

  // Somebody has signed in again.
  resume() {
    this.halted = null;
    this.load();
    if (this.exhausted && this.items.length === 0) this.watch();
    this.fill();
  }

  get refusal() {
    return this.halted instanceof Refused ? this.halted : null;
  }

  // A claim renews our own leases first, whatever else it brings.
  renew() {
    if (this.attended && this.items.length > 0) this.claim();
  }

  get attended() {
    return Date.now() - this.activeAt < ABSENT_MS;
  }

  fill() {
    if (!this.exhausted && this.items.length < this.refillBelow) this.claim();
  }

  async claim() {
    if (this.claiming || this.silent) return;
    this.claiming = true;
    const underWay = this.outbox.keys();
    try {
      const count = Math.min(this.ahead + underWay.size, 200);
      this.take(await this.server.claim(this.worklistId, count, this.mode), count, underWay);
      this.failures = 0;
      this.load();
      this.changed();
    } catch (error) {
      this.trouble(error);
    } finally {
      this.claiming = false;
    }
  }

  take({ items, progress, then_single: thenSingle, paused }, count, underWay) {
    const held = new Set(this.items.map((item) => item.key));
    const fresh = items.filter((item) => !held.has(item.key) && !this.read.has(item.key) && !underWay.has(item.key));
    this.items.push(...fresh.map((item) => ({ ...item, pixels: this.known.get(item.key) ?? null, asked: this.known.has(item.key) })));
    this.exhausted = items.length < count;
    this.thenSingle = thenSingle;
    this.paused = paused;
    this.looks = fresh.length > 0 ? 0 : this.looks + 1;
    this.withOthers = Math.max(0, progress.left - underWay.size - this.items.length);
    this.progress = progress;
    if (this.exhausted && this.items.length === 0) this.watch();
  }

  // What is left may be leased to others, or locked for the moment of their claim: ask again, soon and then less often.
  watch() {
    clearTimeout(this.lookAgain);
    const looks = this.withOthers > 0 ? Math.max(0, this.looks - 1) : LOOK_AGAIN_MS.length;
    const delay = LOOK_AGAIN_MS[Math.min(looks, LOOK_AGAIN_MS.length - 1)];
    if (this.attended) this.lookAgain = setTimeout(() => this.claim(), delay);
  }

  load() {
    if (this.silent) return;
    for (const item of this.items.slice(0, this.ahead)) {
      if (this.fetching >= FETCHES) return;
      if (!item.asked) this.fetch(item);
    }
  }

  async fetch(item) {
    item.asked = true;
    this.fetching += 1;
    try {
      item.pixels = typed(await this.server.pixels(item.key), item.bits);
      this.failures = 0;
    } catch (error) {
      item.asked = false;
      if (error.status === 404) this.drop(item.key); // withdrawn meanwhile
      else this.trouble(error);
    } finally {
      this.fetching -= 1;
      if (!this.closed) {
        this.changed();
        if (!this.timer) this.load();
      }
    }
  }

  // A lost connection is tried again; what waiting does not change ends the asking.
  trouble(error) {
    if (this.silent) return;
    if (!(error instanceof Refused || error instanceof SignedOut)) return this.retry(error);
    this.halted = error;
    clearTimeout(this.lookAgain);
    this.failed(error);
  }

  retry(error) {
    if (this.timer) return;
    this.failed(error);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.load();
      this.fill();
    }, pauseAfter(this.failures));
    this.failures += 1;
  }

  // Take the answered image off the front; the next one is in memory already.
  advance() {
    const item = this.items.shift();
    this.read.add(item.key);
    this.activeAt = Date.now();
    if (this.exhausted && this.items.length === 0) this.watch();
    this.load();
    this.fill();
  }

  // Put an image back in front after an undo.
  putBack(item) {
    this.read.delete(item.key);
    this.items = this.items.filter((other) => other.key !== item.key);
    this.items.unshift(item);
    this.load();
  }

  // Another tab of this reader has read it, or it is there no more.
  drop(key) {
    this.read.add(key);
    this.items = this.items.filter((item) => item.key !== key);
    if (this.exhausted && this.items.length === 0) this.watch();
    this.fill();
  }
}
