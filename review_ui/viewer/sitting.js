// What was read in this sitting, for the filmstrip and for undo; survives a reload of the tab. A sitting begins when
// the tab is opened, or after half an hour without a verdict.

const GAP_MS = 30 * 60_000;
const PAINTED = 30; // newest entries that keep their pixels and their picture
const TIMED = 50; // newest entries that say how fast this reader is

class Sitting {
  static pictures = new Map(); // of this tab, by opId: going to pages and back keeps the filmstrip

  constructor(reader, worklistId, mode) {
    this.name = `rounds-sitting-${reader}-${worklistId}-${mode}`;
    const { count, lastAt } = JSON.parse(sessionStorage.getItem(this.name) ?? '{"count":0,"lastAt":0}');
    this.lastAt = lastAt;
    this.entries = []; // { at, opId, item, verdict, sign, said, here, elapsed_ms, picture? }
    for (let index = 0; index < count; index += 1) {
      this.entries.push(JSON.parse(sessionStorage.getItem(`${this.name}-${index}`)));
    }
    for (const entry of this.entries) entry.picture = Sitting.pictures.get(entry.opId);
    if (count > 0) this.beginAnewAfterGap();
  }

  add(entry) {
    this.beginAnewAfterGap();
    this.lastAt = entry.at = Date.now();
    this.entries.push(entry);
    Sitting.pictures.set(entry.opId, entry.picture);
    const old = this.entries.at(-PAINTED - 1);
    if (old) this.unpaint(old);
    this.save(this.entries.length - 1);
  }

  beginAnewAfterGap() {
    if (Date.now() - this.lastAt <= GAP_MS) return;
    for (const index of this.entries.keys()) sessionStorage.removeItem(`${this.name}-${index}`);
    this.entries = [];
    sessionStorage.removeItem(this.name);
  }

  unpaint(entry) {
    entry.item = { ...entry.item, pixels: null };
    entry.picture = null;
    Sitting.pictures.delete(entry.opId);
  }

  // The last entry with its image as the queue wants it; without its pixels they have to be fetched again.
  takeBack() {
    const last = this.entries.pop();
    if (!last) return null;
    sessionStorage.removeItem(`${this.name}-${this.entries.length}`);
    this.saveCount();
    const pixels = last.item.pixels ?? null;
    return { ...last, item: { ...last.item, pixels, asked: pixels !== null } };
  }

  get elapsed() {
    return this.entries.slice(-TIMED).map((entry) => entry.elapsed_ms);
  }

  // One small entry for each verdict: the whole list is never written on the way from a key to the next image.
  save(index) {
    const { picture: _, item, ...said } = this.entries[index];
    const { pixels: __, ...known } = item;
    sessionStorage.setItem(`${this.name}-${index}`, JSON.stringify({ ...said, item: known }));
    this.saveCount();
  }

  saveCount() {
    sessionStorage.setItem(this.name, JSON.stringify({ count: this.entries.length, lastAt: this.lastAt }));
  }
}

function miniature(source) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, 96 / Math.max(source.width, source.height));
  canvas.width = Math.max(1, Math.round(source.width * scale));
  canvas.height = Math.max(1, Math.round(source.height * scale));
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// crypto.randomUUID exists on https and localhost only; a hospital's plain http intranet has getRandomValues.
function randomHex() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
