// "Here": a point or a box on the image, in stored pixels from its upper left corner.

const DRAG_PX = 4; // a shorter drag is a click
const INK = "#ffd65c";

class Marker {
  // `set(mark)` is called with the point or box the reader has given, `changed(active)` when pointing begins or ends.
  constructor(set, changed) {
    this.set = set;
    this.changed = changed;
    this.active = false;
    this.mark = null; // what the verdict carries
    this.cross = null; // { x, y } while pointing
    this.corner = null; // the first corner of a box drawn by keyboard
    this.dragged = null;
  }

  toggle(stage) {
    if (this.active) this.end(stage);
    else this.begin(stage);
  }

  begin(stage) {
    const [rows, columns] = stage.item.shape;
    this.active = true;
    this.cross = { x: Math.round(columns / 2), y: Math.round(rows / 2) };
    this.corner = null;
    this.changed(true);
    stage.draw();
  }

  end(stage) {
    this.active = false;
    this.cross = this.corner = this.dragged = null;
    this.changed(false);
    stage.draw();
  }

  give(stage, mark) {
    this.mark = mark;
    this.set(mark);
    this.end(stage);
  }

  // Arrows move the cross, with Shift by ten pixels; Space holds a corner, Enter sets; Delete takes the mark away.
  key(event, stage) {
    const step = event.shiftKey ? 10 : 1;
    const steps = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in steps) return () => this.move(stage, ...steps[event.key]);
    if (event.key === " ") return () => this.hold(stage);
    if (event.key === "Enter") return () => this.give(stage, between(this.corner ?? this.cross, this.cross));
    if (event.key === "Delete" || event.key === "Backspace") return () => this.give(stage, null);
    if (event.key === "Escape" || event.key.toLowerCase() === "h") return () => this.end(stage);
    return null;
  }

  move(stage, dx, dy) {
    const [rows, columns] = stage.item.shape;
    this.cross = { x: clamp(this.cross.x + dx, columns), y: clamp(this.cross.y + dy, rows) };
    stage.draw();
  }

  hold(stage) {
    this.corner = { ...this.cross };
    stage.draw();
  }

  // Returns what follows the pointer: a click gives a point, a drag a box.
  drag(start) {
    const { stage } = this;
    const first = this.place(start, stage);
    return (event, last) => {
      const far = Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > DRAG_PX;
      const mark = between(first, far ? this.place(event, stage) : first);
      if (last) return this.give(stage, mark);
      this.dragged = mark;
      stage.draw();
    };
  }

  place(event, stage) {
    const ratio = window.devicePixelRatio || 1;
    const box = stage.canvas.getBoundingClientRect();
    const { left, top, scale, aspect } = stage.geometry();
    const [rows, columns] = stage.item.shape;
    const x = ((event.clientX - box.left) * ratio - left) / scale;
    const y = ((event.clientY - box.top) * ratio - top) / (scale * aspect);
    return { x: clamp(tenth(x), columns), y: clamp(tenth(y), rows) };
  }

  draw(context, stage) {
    this.stage = stage;
    const mark = this.dragged ?? (this.corner ? between(this.corner, this.cross) : this.mark);
    const { left, top, scale, aspect } = stage.geometry();
    const ratio = window.devicePixelRatio || 1;
    const at = ({ x, y }) => [left + x * scale, top + y * scale * aspect];
    if (mark?.kind === "point") outlined(context, ratio, (path) => path.arc(...at(mark), 9 * ratio, 0, 2 * Math.PI));
    if (mark?.kind === "box") {
      outlined(context, ratio, (path) => path.rect(...at(mark), mark.width * scale, mark.height * scale * aspect));
    }
    if (!this.active) return;
    const [x, y] = at(this.cross);
    const arm = 14 * ratio;
    outlined(context, ratio, (path) => {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        path.moveTo(x + dx * 4 * ratio, y + dy * 4 * ratio);
        path.lineTo(x + dx * arm, y + dy * arm);
      }
    });
  }
}

// A light line with a dark edge stands out on any gray.
function outlined(context, ratio, shape) {
  const path = new Path2D();
  shape(path);
  for (const [width, color] of [[4, "#000"], [2, INK]]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = color;
    context.stroke(path);
  }
}

function between(one, other) {
  const width = tenth(Math.abs(one.x - other.x));
  const height = tenth(Math.abs(one.y - other.y));
  if (width === 0 || height === 0) return { kind: "point", x: other.x, y: other.y };
  return { kind: "box", x: Math.min(one.x, other.x), y: Math.min(one.y, other.y), width, height };
}

function clamp(value, top) {
  return Math.min(top, Math.max(0, value));
}

function tenth(value) {
  return Math.round(value * 10) / 10;
}
