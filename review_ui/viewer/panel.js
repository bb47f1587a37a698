// Everything beside the image: question, choices, progress, and whether what was read is saved.

const MODE_WORDS = { single: "", adjudicate: ", to adjudicate" }; // pages are turned on with G, inside a worklist

// What a reader must know before the first verdict of a way of reading that is not the plain one.
const BEFORE = {
  practice: "Practice: the answer follows each verdict, and nothing here counts.",
  turing: "Some of these images are real, some synthetic. Nobody tells you which.",
  adjudicate: "Readers disagreed. Give your own verdict first; then you see theirs, without names.",
};

function notTaken(refused) {
  const undos = refused.filter((entry) => entry.kind === "undo").length;
  const what = undos === 0 ? "reading" : undos === refused.length ? "undo" : "reading or undo";
  if (refused.length === 1) return `1 ${what} was not taken`;
  return `${refused.length} ${what.replace("reading", "readings").replace("undo", "undos")} were not taken`;
}

class Panel {
  constructor(root, on) {
    this.room = root.querySelector(".room");
    this.on = on;
    this.slots = Object.fromEntries([...root.querySelectorAll("[data-slot]")].map((node) => [node.dataset.slot, node]));
    this.verdicts = [...root.querySelectorAll("[data-verdict]")];
    for (const button of this.verdicts) button.addEventListener("click", () => on.verdict(button.dataset.verdict));
    for (const button of root.querySelectorAll("[data-tool]"))
      button.addEventListener("click", () => on.tool(button.dataset.tool));
    this.slots.worklists.addEventListener("change", ({ target }) => {
      const [id, mode] = target.value.split(" ");
      on.worklist(Number(id), mode);
      target.blur();
    });
    this.slots["sign-in"].querySelector("form").addEventListener("submit", (event) => this.submitSignIn(event));
    this.slots["sign-in"].addEventListener("cancel", (event) => event.preventDefault());
  }

  get dialogOpen() {
    return this.slots.help.open || this.slots["sign-in"].open;
  }

  worklists(all, chosen, mode) {
    const options = all.flatMap((worklist) =>
      worklist.modes.filter((each) => each in MODE_WORDS).map((each) => {
        const isChosen = worklist.id === chosen.id && each === (mode in MODE_WORDS ? mode : "single");
        return new Option(`${worklist.name}${MODE_WORDS[each]}`, `${worklist.id} ${each}`, false, isChosen);
      }),
    );
    this.slots.worklists.replaceChildren(...options);
    this.slots.worklists.hidden = options.length < 2;
    this.slots.notice.textContent = chosen.notice ?? "";
    this.slots.notice.hidden = !chosen.notice;
    const before = mode === "adjudicate" ? BEFORE.adjudicate : BEFORE[chosen.kind];
    this.slots.before.textContent = before ?? "";
    this.slots.before.hidden = !before;
    Object.assign(this.room.dataset, { mode, kind: chosen.kind, rated: Boolean(chosen.ratings), labels: chosen.label_shown ? "shown" : "blind" });
  }

  // The class is said large below; a question that names it keeps a plain "this class" in the sentence.
  item(worklist, item) {
    const shown = worklist.label_shown ? item?.label : null;
    write(this.slots.question, worklist.question.replace("{label}", shown ? "the class below" : "its class"));
    this.class(worklist, item);
    this.room.dataset.shown = item?.key ?? "";
  }

  // Of the image that is on the screen: the one to read, one looked at again, or one of a page enlarged.
  class(worklist, item) {
    write(this.slots.class, worklist.label_shown && item?.label ? readable(item.label) : "");
  }

  // Built again only when it says something else: this runs on the way from a key to the next image.
  choices(title, list, pick) {
    const signature = JSON.stringify([title, list]);
    if (signature === this.listed) return;
    this.listed = signature;
    this.slots["choices-title"].textContent = title;
    const buttons = list.map(({ key, text, pressed }, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(line("kbd", key), text);
      if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
      button.addEventListener("click", (event) => pick(index, event.shiftKey));
      return button;
    });
    this.slots.choices.replaceChildren(...buttons);
  }

  pending(verdict) {
    for (const button of this.verdicts) {
      const pressed = String(button.dataset.verdict === verdict);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  }

  view(stage) {
    const { center, width, preset, invert } = stage.view;
    const { item } = stage;
    const window = `W ${Math.round(width)}  L ${Math.round(center)}${preset ? `  ${preset}` : ""}${invert ? "  inverted" : ""}`;
    write(this.slots.window, item ? window : "");
    write(this.slots.zoom, item ? `${stage.zoom.toFixed(stage.zoom < 10 ? 1 : 0)}×` : "");
    if (!item) return write(this.slots.geometry, "");
    const [rows, columns, channels] = item.shape;
    const [row, column] = item.spacing ?? [];
    const size = row ? `, ${(rows * row).toFixed(0)} × ${(columns * column).toFixed(0)} mm` : "";
    write(this.slots.geometry, `${columns} × ${rows}${size}, ${channels === 3 ? "colour" : `${item.bits} bit`}`);
  }

  // Where images come back unannounced what is left is said in tens: a count that stood still would give one away.
  progress({ done, left, total, about }, elapsed = []) {
    write(this.slots.done, `${done} read`);
    const { state, mode } = this.room.dataset;
    if (state === "done" && mode !== "grid") [left, total] = [0, done]; // "All read" stands beside it
    const none = this.room.dataset.shown ? "the last ones" : "none left";
    write(this.slots.left, left > 0 ? `${about ? "about " : ""}${left} left` : none);
    const time = timeLeft(elapsed, left);
    write(this.slots.time, time ? `, ${time}` : "");
    this.slots.bar.setAttribute("aria-valuemax", total);
    this.slots.bar.setAttribute("aria-valuenow", done);
    this.slots.bar.firstElementChild.style.width = `${total ? (100 * done) / total : 0}%`;
  }

  saved(outbox) {
    const waiting = outbox.waiting.length;
    const state = waiting === 0 ? "saved" : outbox.online ? "sending" : "offline";
    const unwritten = waiting - outbox.kept;
    const kept = unwritten ? `${outbox.kept} kept on this device, ${unwritten} being written` : `${waiting} kept on this device`;
    const offline = outbox.halted ? `${kept}, not taken: ${outbox.halted}` : `Offline, ${kept}`;
    const text = { saved: "Saved", sending: `Sending ${waiting}`, offline };
    write(this.slots.saved, text[state]);
    this.slots.saved.dataset.saved = state;
    this.room.dataset.pending = waiting;
    this.slots.refused.hidden = outbox.refused.length === 0;
    if (outbox.refused.length > 0) {
      write(this.slots.refused.firstElementChild, `${notTaken(outbox.refused)}: ${outbox.refused[0].refused}`);
    }
  }

  mayUndo(may) {
    const button = this.room.querySelector('[data-tool="undo"]');
    if (button.disabled === may) button.disabled = !may;
  }

  // A title and a sentence in place of the image; `step` is { text, href } or { text, act }.
  blank(title, text, step) {
    this.slots.blank.hidden = !title;
    if (!title) return;
    this.slots.blank.replaceChildren(line("strong", title), line("span", text));
    if (!step) return;
    const next = line(step.href ? "a" : "button", step.text);
    if (step.href) next.href = step.href;
    else next.addEventListener("click", step.act);
    this.slots.blank.append(next);
    next.focus({ preventScroll: true });
  }

  state(state, maySay = state === "reading") {
    this.room.dataset.state = state;
    for (const button of this.verdicts) if (button.disabled === maySay) button.disabled = !maySay;
  }

  say(slot, text) {
    this.slots[slot].hidden = !text;
    if (text) write(this.slots[slot].querySelector("p") ?? this.slots[slot], text);
  }

  speak(text) {
    this.slots.spoken.textContent = text;
  }

  askSignIn(name, waiting) {
    const dialog = this.slots["sign-in"];
    if (dialog.open) return;
    const kept = waiting === 1 ? "1 reading is kept on this device and will be sent." : `${waiting} readings are kept on this device and will be sent.`;
    this.slots["sign-in-why"].textContent = `Your session has ended. ${waiting ? kept : "Nothing is waiting to be sent."}`;
    this.slots["sign-in-error"].hidden = true;
    dialog.querySelector('[name="name"]').value = name;
    dialog.showModal();
    dialog.querySelector('[name="password"]').focus();
  }

  async submitSignIn(event) {
    event.preventDefault();
    const form = event.target;
    const error = this.slots["sign-in-error"];
    const wrong = await this.on.signIn(form.elements.name.value, form.elements.password.value);
    error.hidden = !wrong;
    error.textContent = wrong ?? "";
    form.elements.password.value = "";
    if (!wrong) this.slots["sign-in"].close();
  }
}

// A text node is written only when it changes, so that a press costs no layout it does not need.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
