// The filmstrip of what was just read: one button for each verdict, newest first.

const MARKS = { accept: "✓", reject: "✕", unsure: "?" };
const SAID = { accept: "Accepted", reject: "Rejected", unsure: "Unsure" };
const STRIP_LENGTH = 24;

class Strip {
  constructor(node, look) {
    this.node = node;
    this.look = look;
  }

  // One new entry in front, without building the others again: this runs on the way from a key to the next image.
  add(entry) {
    this.node.querySelector(".empty")?.remove();
    this.node.prepend(this.thumbnail(entry));
    if (this.node.children.length > STRIP_LENGTH) this.node.lastElementChild.remove();
  }

  all(entries, undone) {
    this.node.replaceChildren(...entries.slice(-STRIP_LENGTH).reverse().map((entry) => this.thumbnail(entry)));
    if (entries.length > 0) return;
    const hint = undone ? "Undone; there is nothing more to undo" : "What you have just read appears here";
    this.node.append(Object.assign(line("li", hint), { className: "empty" }));
  }

  thumbnail(entry) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    item.dataset.mark = entry.verdict;
    button.type = "button";
    button.title = entry.said;
    button.setAttribute("aria-label", `Look again: ${entry.said}`);
    if (entry.picture) button.append(entry.picture);
    button.append(Object.assign(line("span", entry.sign), { ariaHidden: "true" }));
    button.addEventListener("click", () => this.look(entry));
    item.append(button);
    return item;
  }
}
