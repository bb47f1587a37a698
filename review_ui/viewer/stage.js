// Paints raw pixels through a lookup table: window and level in stored units, invert, zoom to the pointer, pan.

const STORED = "stored"; // a zoom: one screen pixel for each stored one
const MAX_SCALE = 64;
const FIT_SHARE = 0.97;
const PAN_SHARE = 0.08;

class Stage {
  // `changed(stage)` is called after each painting, `overlay(context, stage)` draws on top of the image, and `next(count)`
  // gives so many of the images that come after it.
  constructor(canvas, changed, overlay, next) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false, desynchronized: false });
    this.native = document.createElement("canvas");
    this.changed = changed;
    this.overlay = overlay;
    this.prepared = new Prepared((count) => (this.item ? [this.item, ...next(count)] : []).map((item) => this.drawing(item)));
    this.item = null;
    this.table = null;
    this.presets = []; // from the first image of a worklist, for all of them
    this.view = newView();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
  }

  close() {
    this.observer.disconnect();
    this.prepared.close();
    this.kept?.write();
  }

  // A worklist's presets and view: as it was left, or from the window it opens at and its first image.
  enter(modality, opening, kept) {
    this.kept?.write();
    this.modality = modality;
    this.opening = opening;
    this.kept = kept;
    const left = kept.read();
    this.presets = left?.presets ?? [];
    this.view = left?.view ?? newView();
    this.show(null);
  }

  keep() {
    this.kept?.keep({ presets: this.presets, view: this.view });
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.draw();
  }

  show(item) {
    this.item = item;
    if (item && this.presets.length === 0) {
      this.presets = presetsFor(this.modality, this.opening, item);
      this.choose(0);
    }
    this.repaint();
  }

  choose(index) {
    const { name, center, width } = this.presets[index];
    Object.assign(this.view, { preset: name, center, width });
  }

  // The next preset, or the one before; from a window set by hand, the first.
  cycle(step) {
    if (!this.item) return;
    const at = this.presets.findIndex((preset) => preset.name === this.view.preset);
    this.choose(at < 0 ? 0 : (at + step + this.presets.length) % this.presets.length);
    this.repaint();
    this.keep();
  }

  // By hand, in four-hundredths of the first preset: right is wider, up is brighter, as on a workstation.
  window(from, dx, dy) {
    if (!this.item) return;
    const unit = this.presets[0].width / 400;
    const width = Math.max(1, Math.round(from.width + dx * unit));
    Object.assign(this.view, { preset: null, width, center: Math.round(from.center + dy * unit) });
    this.repaint();
    this.keep();
  }

  resetWindow() {
    if (!this.item) return;
    this.choose(0);
    this.view.invert = false;
    this.repaint();
    this.keep();
  }

  invert() {
    this.view.invert = !this.view.invert;
    this.repaint();
    this.keep();
  }

  repaint() {
    if (this.item) {
      this.buffer = paintNative(this.native, this.item, this.lookup(this.item.bits), this.buffer);
    }
    this.draw();
  }

  lookup(bits) {
    return this.lookupTable(bits).values;
  }

  lookupTable(bits) {
    const { center, width, invert } = this.view;
    const size = bits === 16 ? 65536 : 256;
    const signature = `${center} ${width} ${invert} ${size}`;
    if (this.table?.signature !== signature) {
      const values = new Uint8ClampedArray(size);
      const low = center - width / 2;
      for (let value = 0; value < size; value += 1) {
        const level = ((value - low) / width) * 255;
        values[value] = invert ? 255 - level : level;
      }
      this.table = { signature, values };
    }
    return this.table;
  }

  // Where the image lies on the canvas; a pixel that is not square in millimetres is not drawn square.
  geometry(item = this.item) {
    const { canvas, view } = this;
    const [rows, columns] = item.shape;
    const [row, column] = item.spacing ?? [1, 1];
    const aspect = row / column;
    const fit = Math.min(canvas.width / columns, canvas.height / (rows * aspect)) * FIT_SHARE;
    const scale = view.zoom === STORED ? 1 : fit * view.zoom;
    const width = columns * scale;
    const height = rows * aspect * scale;
    // Whole screen pixels: at 1:1 a stored pixel is then one screen pixel, untouched by smoothing.
    const left = Math.round((canvas.width - width) / 2 + view.x * width);
    const top = Math.round((canvas.height - height) / 2 + view.y * height);
    return { left, top, width, height, scale, fit, aspect };
  }

  // All that decides how an image looks on this canvas, and its name.
  drawing(item) {
    const size = [this.canvas.width, this.canvas.height];
    const { left, top, width, height } = this.geometry(item);
    const { signature, values } = this.lookupTable(item.bits);
    const place = [left, top, width, height];
    return { signature: [item.key, ...size, ...place, signature].join(" "), item, table: values, size, place };
  }

  draw() {
    const { context, canvas } = this;
    if (this.item) {
      const { signature, place } = this.drawing(this.item);
      const picture = this.prepared.picture(signature);
      if (picture) drawPrepared(context, picture);
      else drawEnlarged(context, this.native, place);
      this.overlay(context, this);
    } else {
      context.fillStyle = "#000";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    this.changed(this);
    this.prepared.follow();
  }

  get zoom() {
    return this.item ? this.geometry().scale / (window.devicePixelRatio || 1) : 1;
  }

  fit() {
    Object.assign(this.view, { zoom: 1, x: 0, y: 0 });
    this.draw();
    this.keep();
  }

  toggleFit() {
    const isFit = this.view.zoom === 1 && this.view.x === 0 && this.view.y === 0;
    if (!isFit) return this.fit();
    this.view.zoom = STORED;
    this.draw();
    this.keep();
  }

  // What lies under (px, py), canvas pixels from the middle of the canvas, stays under it.
  zoomBy(factor, px = 0, py = 0) {
    if (!this.item) return;
    const ratio = window.devicePixelRatio || 1;
    const { scale: before, fit, width, height } = this.geometry();
    const smallest = Math.min(fit, ratio) / 2;
    const after = Math.min(MAX_SCALE * ratio, Math.max(smallest, before * factor));
    const { x, y } = this.view;
    const moved = (at, pan) => pan + at * (before / after - 1);
    Object.assign(this.view, { x: moved(px / width, x), y: moved(py / height, y), zoom: after / fit });
    this.draw();
    this.keep();
  }

  // Arrows look further to that side: the image moves the other way.
  pan(columns, rows) {
    const step = Math.min(this.canvas.width, this.canvas.height) * PAN_SHARE;
    this.move(this.view, -columns * step, -rows * step);
  }

  // So many canvas pixels away from where the view `from` has the image.
  move(from, dx, dy) {
    if (!this.item) return;
    const { width, height } = this.geometry();
    Object.assign(this.view, { x: from.x + dx / width, y: from.y + dy / height });
    this.draw();
    this.keep();
  }
}

// `zoom` is in multiples of the fitted size and the pan (x, y) in shares of the drawn image: the next image may have
// another size, and the window of the browser too, and the same part of the image is still what is looked at.
function newView() {
  return { center: 0, width: 0, preset: null, invert: false, zoom: 1, x: 0, y: 0 };
}
