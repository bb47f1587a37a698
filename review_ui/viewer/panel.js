// Everything beside the image: question, reasons, progress, what was just read, and whether it is saved.

const MARKS = { accept: "✓", reject: "✕", unsure: "?" };
const SAID = { accept: "Accepted", reject: "Rejected", unsure: "Unsure" };
const STRIP_LENGTH = 24;

class Panel {
  constructor(root, on) {
    this.room = root.querySelector(".room");
    this.on = on;
    this.slots = Object.fromEntries([...root.querySelectorAll("[data-slot]")].map((node) => [node.dataset.slot, node]));
    for (const button of root.querySelectorAll("[data-verdict]"))
      button.addEventListener("click", () => on.verdict(button.dataset.verdict));
    for (const button of root.querySelectorAll("[data-tool]"))
      button.addEventListener("click", () => on.tool(button.dataset.tool));
    this.slots.worklists.addEventListener("change", (event) => on.worklist(Number(event.target.value)));
    this.slots["sign-in"].querySelector("form").addEventListener("submit", (event) => this.submitSignIn(event));
    this.slots["sign-in"].addEventListener("cancel", (event) => event.preventDefault());
  }

  get dialogOpen() {
    return this.slots.help.open || this.slots["sign-in"].open;
  }

  worklists(all, chosen) {
    const options = all.map((worklist) => new Option(worklist.name, worklist.id, false, worklist.id === chosen.id));
    this.slots.worklists.replaceChildren(...options);
    this.slots.worklists.hidden = all.length < 2;
    this.slots.notice.textContent = chosen.notice ?? "";
    this.slots.notice.hidden = !chosen.notice;
  }

  // The class is said large below; a question that names it keeps a plain "this class" in the sentence.
  item(worklist, item) {
    const shown = worklist.label_shown ? item?.label : null;
    this.slots.question.textContent = worklist.question.replace("{label}", shown ? "the class below" : "its class");
    this.slots.class.textContent = shown ? readable(shown) : "";
    this.room.dataset.shown = item?.key ?? "";
  }

  choices(title, choices, pick) {
    this.slots["choices-title"].textContent = title;
    const buttons = choices.map(({ key, text, pressed }, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(Object.assign(document.createElement("kbd"), { textContent: key }), text);
      if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
      button.addEventListener("click", (event) => pick(index, event.shiftKey));
      return button;
    });
    this.slots.choices.replaceChildren(...buttons);
  }

  pending(verdict) {
    for (const button of this.room.querySelectorAll("[data-verdict]"))
      button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }

  view(stage) {
    const { center, width, invert } = stage.view;
    this.slots.window.textContent = stage.item ? `W ${Math.round(width)}  L ${Math.round(center)}${invert ? "  inverted" : ""}` : "";
    this.slots.zoom.textContent = stage.item ? `${stage.zoom.toFixed(stage.zoom < 10 ? 1 : 0)}×` : "";
    if (!stage.item) return void (this.slots.geometry.textContent = "");
    const [rows, columns, channels] = stage.item.shape;
    const [row, column] = stage.item.spacing ?? [];
    const size = row ? `, ${(rows * row).toFixed(0)} × ${(columns * column).toFixed(0)} mm` : "";
    this.slots.geometry.textContent = `${columns} × ${rows}${size}, ${channels === 3 ? "colour" : `${stage.item.bits} bit`}`;
  }

  progress({ done, left, total }) {
    this.slots.done.textContent = `${done} read`;
    this.slots.left.textContent = left === 0 ? "none left" : `${left} left`;
    this.slots.bar.setAttribute("aria-valuemax", total);
    this.slots.bar.setAttribute("aria-valuenow", done);
    this.slots.bar.firstElementChild.style.width = `${total ? (100 * done) / total : 0}%`;
  }

  saved(outbox) {
    const waiting = outbox.waiting.length;
    const state = waiting === 0 ? "saved" : outbox.online ? "sending" : "offline";
    const text = { saved: "Saved", sending: `Sending ${waiting}`, offline: `Offline, ${waiting} kept on this device` };
    this.slots.saved.textContent = text[state];
    this.slots.saved.dataset.saved = state;
    this.room.dataset.pending = waiting;
    this.slots.refused.hidden = outbox.refused.length === 0;
    if (outbox.refused.length > 0) {
      const many = outbox.refused.length === 1 ? "1 reading was not taken" : `${outbox.refused.length} readings were not taken`;
      this.slots.refused.firstElementChild.textContent = `${many}: ${outbox.refused[0].refused}`;
    }
  }

  strip(history, undone) {
    this.slots.strip.replaceChildren(...history.slice(-STRIP_LENGTH).reverse().map(thumbnail));
    if (history.length === 0) {
      const hint = undone ? "Nothing left to undo" : "What you have just read appears here";
      this.slots.strip.append(Object.assign(document.createElement("li"), { className: "empty", textContent: hint }));
    }
    this.room.querySelector('[data-tool="undo"]').disabled = history.length === 0;
  }

  blank(title, text) {
    this.slots.blank.hidden = !title;
    if (!title) return;
    const strong = Object.assign(document.createElement("strong"), { textContent: title });
    this.slots.blank.replaceChildren(strong, Object.assign(document.createElement("span"), { textContent: text }));
  }

  state(state) {
    this.room.dataset.state = state;
    for (const button of this.room.querySelectorAll("[data-verdict]")) button.disabled = state !== "reading";
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

function thumbnail(entry) {
  const item = document.createElement("li");
  item.dataset.mark = entry.verdict;
  item.title = SAID[entry.verdict];
  if (entry.picture) item.append(entry.picture);
  const mark = Object.assign(document.createElement("span"), { textContent: MARKS[entry.verdict] });
  mark.setAttribute("aria-label", SAID[entry.verdict]);
  item.append(mark);
  return item;
}

function readable(label) {
  const text = label.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
