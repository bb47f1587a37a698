// Paints raw pixels through a lookup table: window and level in stored units, invert, zoom to the pointer, pan.

const MAX_SCALE = 64;

class Stage {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false, desynchronized: false });
    this.native = document.createElement("canvas");
    this.changed = changed;
    this.item = null;
    this.table = null;
    this.preset = null; // { center, width }, fixed by the first image of a worklist
    this.view = { center: 0, width: 0, invert: false, scale: null, x: 0, y: 0 };
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.dragStart(event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("dblclick", () => this.resetWindow());
  }

  close() {
    this.observer.disconnect();
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
    if (item && !this.preset) {
      this.preset = defaultWindow(item);
      Object.assign(this.view, this.preset);
    }
    this.render();
    this.draw();
  }

  forgetPreset() {
    this.preset = null;
    this.view = { ...this.view, scale: null, x: 0, y: 0, invert: false };
  }

  // Stored values to screen values, into a canvas of the image's own size.
  render() {
    if (!this.item) return;
    const [height, width, channels] = this.item.shape;
    if (this.native.width !== width || this.native.height !== height || !this.buffer) {
      this.native.width = width;
      this.native.height = height;
      this.buffer = this.native.getContext("2d").createImageData(width, height);
    }
    const table = this.lookup();
    const out = this.buffer.data;
    const pixels = this.item.pixels;
    const step = channels === 3 ? 1 : 0;
    for (let from = 0, to = 0; to < out.length; from += channels, to += 4) {
      out[to] = table[pixels[from]];
      out[to + 1] = table[pixels[from + step]];
      out[to + 2] = table[pixels[from + 2 * step]];
      out[to + 3] = 255;
    }
    this.native.getContext("2d").putImageData(this.buffer, 0, 0);
  }

  lookup() {
    const { center, width, invert } = this.view;
    const size = this.item.bits === 16 ? 65536 : 256;
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
    return this.table.values;
  }

  // Columns and rows of one stored pixel on screen; a pixel that is not square in millimetres is not drawn square.
  geometry() {
    const [height, width] = this.item.shape;
    const [row, column] = this.item.spacing ?? [1, 1];
    const aspect = row / column;
    const room = Math.min(this.canvas.width / width, this.canvas.height / (height * aspect));
    const fit = room * 0.97;
    const scale = this.view.scale === null ? fit : this.view.scale * (window.devicePixelRatio || 1);
    return { width: width * scale, height: height * aspect * scale, scale, fit };
  }

  draw() {
    const { context, canvas } = this;
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (this.item) {
      const { width, height } = this.geometry();
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      // Whole screen pixels: at 1:1 a stored pixel is then one screen pixel, untouched by smoothing.
      const left = Math.round((canvas.width - width) / 2 + this.view.x);
      const top = Math.round((canvas.height - height) / 2 + this.view.y);
      context.drawImage(this.native, left, top, width, height);
    }
    this.changed(this);
  }

  get zoom() {
    return this.item ? this.geometry().scale / (window.devicePixelRatio || 1) : 1;
  }

  invert() {
    this.view.invert = !this.view.invert;
    this.render();
    this.draw();
  }

  toggleFit() {
    const isFit = this.view.scale === null && this.view.x === 0 && this.view.y === 0;
    const onePixel = 1 / (window.devicePixelRatio || 1);
    Object.assign(this.view, { scale: isFit ? onePixel : null, x: 0, y: 0 });
    this.draw();
  }

  resetWindow() {
    Object.assign(this.view, this.preset, { invert: false });
    this.render();
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    if (!this.item) return;
    const ratio = window.devicePixelRatio || 1;
    const before = this.geometry().scale;
    const smallest = Math.min(this.geometry().fit, ratio) / 2;
    const after = Math.min(MAX_SCALE * ratio, Math.max(smallest, before * Math.exp(-event.deltaY * 0.0015)));
    const box = this.canvas.getBoundingClientRect();
    const px = (event.clientX - box.left) * ratio - this.canvas.width / 2;
    const py = (event.clientY - box.top) * ratio - this.canvas.height / 2;
    this.view.x = px - ((px - this.view.x) * after) / before;
    this.view.y = py - ((py - this.view.y) * after) / before;
    this.view.scale = after / ratio;
    this.draw();
  }

  dragStart(event) {
    if (!this.item || event.button > 1) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const start = { x: event.clientX, y: event.clientY, view: { ...this.view } };
    const panning = event.shiftKey || event.button === 1;
    const ratio = window.devicePixelRatio || 1;
    const move = (moved) => {
      const dx = moved.clientX - start.x;
      const dy = moved.clientY - start.y;
      if (panning) Object.assign(this.view, { x: start.view.x + dx * ratio, y: start.view.y + dy * ratio });
      else this.window(start.view, dx, dy);
      this.draw();
    };
    const stop = () => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", stop);
      this.canvas.removeEventListener("pointercancel", stop);
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", stop);
    this.canvas.addEventListener("pointercancel", stop);
  }

  // Right is a wider window, up is brighter, as on a workstation.
  window(from, dx, dy) {
    const unit = this.preset.width / 400;
    this.view.width = Math.max(1, Math.round(from.width + dx * unit));
    this.view.center = Math.round(from.center + dy * unit);
    this.render();
  }
}

// 8 bit: as stored. 16 bit: the middle 99 % of the first image, and the same for every image after it.
function defaultWindow(item) {
  if (item.bits !== 16) return { center: 127.5, width: 255 };
  const sorted = Uint16Array.from(item.pixels).sort();
  const low = sorted[Math.floor(sorted.length * 0.005)];
  const high = sorted[Math.ceil(sorted.length * 0.995) - 1];
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}
