// What each key does. Alt, Ctrl and Meta belong to the browser; C and R to Streamlit.

const VERDICT_KEYS = { a: "accept", x: "reject", s: "unsure" };
const TOOL_KEYS = {
  u: "undo", i: "invert", f: "fit", w: "preset", l: "label", m: "comment", enter: "comment", q: "rate", h: "here",
  p: "references", g: "grid", "?": "help", "0": "fit-all", "+": "closer", "=": "closer", "-": "farther",
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const REPEATED = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "+", "=", "-"]);
const WINDOW_STEP = 10;
const TEXT_FIELDS = "input, textarea, select, [contenteditable='true']";

class Keys {
  constructor(viewer) {
    this.viewer = viewer;
    this.pressed = (event) => this.press(event);
    window.addEventListener("keydown", this.pressed, { capture: true });
  }

  close() {
    window.removeEventListener("keydown", this.pressed, { capture: true });
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    const isText = target instanceof Element && target.matches(TEXT_FIELDS);
    if (isText) return this.typing(event, target);
    if (this.viewer.panel.dialogOpen) return;
    if (event.repeat && !REPEATED.has(event.key)) return;
    const act = this.action(event, target);
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  // Streamlit takes C and R outside its own text fields; in ours they are letters.
  typing(event, field) {
    if (!this.viewer.root.contains(field)) return;
    event.stopImmediatePropagation();
    const leaves = event.key === "Escape" || (event.key === "Enter" && !event.isComposing);
    if (field.matches("[data-slot=comment]") && leaves) {
      event.preventDefault();
      this.viewer.leaveComment();
    }
  }

  action(event, target) {
    const { viewer } = this;
    const onButton = target instanceof Element && target.matches("button, a, summary");
    if (onButton && (event.key === "Enter" || event.key === " ")) return null;
    if (viewer.grid.on) return viewer.grid.action(event);
    if (viewer.lookedAt) return this.lookingBack(event);
    if (viewer.told) return this.told(event);
    if (viewer.marker.active) return viewer.marker.key(event, viewer.stage);
    return this.reading(event);
  }

  lookingBack(event) {
    const view = this.view(event);
    return view ?? (["Escape", "Enter", " "].includes(event.key) ? () => this.viewer.lookBack(null) : null);
  }

  // After practice and adjudication verdicts: go on, or, having seen what the others said, change the verdict.
  told(event) {
    const { viewer } = this;
    if (["Enter", " ", "n", "N"].includes(event.key)) return () => viewer.goOn();
    if (viewer.mode === "adjudicate") return this.reading(event);
    return this.view(event);
  }

  reading(event) {
    const { viewer } = this;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    const key = event.key.toLowerCase();
    if (digit) return () => viewer.digit(Number(digit[1]) - 1, event.shiftKey);
    if (key in VERDICT_KEYS) return () => viewer.verdict(VERDICT_KEYS[key]);
    if (key === "escape") return () => viewer.escape();
    return this.view(event);
  }

  view(event) {
    const { viewer } = this;
    const key = event.key.toLowerCase();
    if (key === "w") return () => viewer.stage.cycle(event.shiftKey ? -1 : 1);
    if (event.key in ARROWS && event.shiftKey) {
      const [dx, dy] = ARROWS[event.key];
      return () => viewer.stage.window(viewer.stage.view, dx * WINDOW_STEP, -dy * WINDOW_STEP);
    }
    if (event.key in ARROWS) return () => viewer.stage.pan(...ARROWS[event.key]);
    if (key in TOOL_KEYS) return () => viewer.tool(TOOL_KEYS[key]);
    return null;
  }
}
