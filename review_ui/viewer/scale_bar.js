// A bar of a round length in millimetres, where the spacing of the pixels is known.

const LENGTHS_MM = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];
const LONGEST_PX = 140;

class ScaleBar {
  constructor(node) {
    this.node = node;
    this.shown = "";
  }

  // Writes only what has changed: this runs after each painting.
  update(stage) {
    const column = stage.item?.spacing?.[1];
    const millimetre = column ? stage.zoom / column : 0; // in CSS pixels
    const length = LENGTHS_MM.findLast((mm) => mm * millimetre <= LONGEST_PX);
    const shown = length && millimetre ? `${length} mm, ${Math.round(length * millimetre)}` : "";
    if (shown === this.shown) return;
    this.shown = shown;
    this.node.hidden = shown === "";
    if (shown === "") return;
    this.node.firstElementChild.style.width = `${length * millimetre}px`;
    this.node.lastElementChild.textContent = length < 10 ? `${length} mm` : `${length / 10} cm`;
  }
}
