// Beside a page: how many are marked, what Enter will do, and plainly what reading pages is worth.

class GridSide {
  constructor(root, on) {
    this.node = root.querySelector(".page-side");
    this.message = root.querySelector(".view-message");
    this.tool = root.querySelector('[data-tool="grid"]');
    this.count = this.node.querySelector(".count");
    this.submit = this.node.querySelector('[data-page="submit"]');
    this.will = this.submit.querySelector("span");
    this.back = this.node.querySelector('[data-page="enlarge"] span');
    this.more = root.querySelector(".page-more");
    this.sizes = this.more.querySelector(".sizes");
    this.undo = this.node.querySelector('[data-page="undo"]');
    for (const name of ["submit", "mark", "enlarge", "undo"])
      this.node.querySelector(`[data-page="${name}"]`).addEventListener("click", on[name]);
    for (const button of this.sizes.querySelectorAll("button"))
      button.addEventListener("click", () => on.size(Number(button.value)));
  }

  turn(on, possible) {
    this.node.hidden = this.more.hidden = !on;
    this.tool.hidden = !possible;
    this.tool.lastChild.textContent = on ? "Singly" : "Pages";
    this.tool.setAttribute("aria-pressed", String(on));
  }

  page({ images, marked, size, large, undo }) {
    this.count.textContent = images === 0 ? "" : marked === 0 ? "None marked" : `${marked} marked`;
    this.will.textContent = marked === 0 ? `Accept all ${images}` : `Accept ${images - marked}, reject ${marked}`;
    for (const button of this.node.querySelectorAll("[data-page]")) button.disabled = images === 0;
    this.undo.disabled = !undo || large;
    this.submit.disabled = images === 0 || large;
    this.back.textContent = large ? "Back" : "Enlarge";
    for (const button of this.sizes.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(Number(button.value) === size));
  }

  // A message over the verdicts has been read once a verdict was given.
  read() {
    if (!this.message.hidden) this.say("");
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = text === "";
  }
}
