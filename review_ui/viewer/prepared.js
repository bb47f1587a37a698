// Pictures of the images that come next, drawn in a worker before their turn. Enlarging one smoothly to 2,900 x 1,950 takes
// 64 ms without a GPU, most of the way from a key to the next image; copying it takes 5. They are as the stage would draw them.

const PREPARED_AHEAD = 2;
const PREPARED_BYTES = 100e6; // with the one on the screen; a larger screen gets fewer pictures, or none
const DRAW_REST_MS = 20; // after the last drawing: not while a window is dragged

class Prepared {
  // `next()` gives what is to be drawn: [{ signature, item, table, size, place }], the image on the screen first.
  constructor(next) {
    this.next = next;
    this.pictures = new Map(); // signature to ImageBitmap
    this.underWay = null; // the signature of what the worker draws
    this.worker = window.OffscreenCanvas ? startWorker() : null;
    if (!this.worker) return;
    this.worker.onmessage = ({ data }) => this.arrived(data);
    this.worker.onerror = () => this.close(); // a browser that draws in no worker: the stage draws every picture itself
  }

  close() {
    clearTimeout(this.timer);
    this.worker?.terminate();
    this.worker = null;
    this.keep([]);
  }

  picture(signature) {
    return this.pictures.get(signature);
  }

  // Called after each drawing, and when pixels have come.
  follow() {
    clearTimeout(this.timer);
    if (this.worker) this.timer = setTimeout(() => this.draw(), DRAW_REST_MS);
  }

  // One at a time, so that what is no longer wanted does not stand in the way.
  draw() {
    const wanted = this.wanted();
    this.keep(wanted);
    const missing = wanted.slice(1).find(({ signature }) => !this.pictures.has(signature));
    if (!missing || this.underWay) return;
    this.underWay = missing.signature;
    const { signature, item, table, size, place } = missing;
    const { shape, pixels } = item;
    this.worker.postMessage({ signature, item: { shape, pixels }, table, size, place });
  }

  wanted() {
    const jobs = this.next(PREPARED_AHEAD);
    const [width, height] = jobs[0]?.size ?? [1, 1];
    return jobs.slice(0, Math.floor(PREPARED_BYTES / (width * height * 4)));
  }

  arrived({ signature, picture }) {
    this.underWay = null;
    this.pictures.set(signature, picture);
    this.draw();
  }

  keep(wanted) {
    const signatures = new Set(wanted.map((job) => job.signature));
    for (const [signature, picture] of this.pictures) {
      if (signatures.has(signature)) continue;
      picture.close();
      this.pictures.delete(signature);
    }
  }
}

// The functions of painting.js, run in a worker: there is one way to draw an image.
function startWorker() {
  const answer = `
    const native = new OffscreenCanvas(1, 1);
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext("2d", { alpha: false });
    onmessage = ({ data: { signature, item, table, size, place } }) => {
      [canvas.width, canvas.height] = size;
      paintNative(native, item, table);
      drawEnlarged(context, native, place);
      const picture = canvas.transferToImageBitmap();
      postMessage({ signature, picture }, [picture]);
    };`;
  const address = URL.createObjectURL(new Blob([paintNative, "\n", drawEnlarged, "\n", answer], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  return worker;
}
