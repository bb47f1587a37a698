// What was read in this sitting, for the filmstrip and for undo; survives a reload of the tab.

const SITTING_LENGTH = 200;

class Sitting {
  constructor(reader, worklistId) {
    this.name = `rounds-sitting-${reader}-${worklistId}`;
    this.entries = JSON.parse(sessionStorage.getItem(this.name) ?? "[]"); // { opId, item, verdict, picture? }
  }

  add(opId, item, verdict, picture) {
    this.entries.push({ opId, item, verdict, picture });
    this.save();
  }

  // The last entry with its image as the queue wants it; after a reload its pixels have to be fetched again.
  takeBack() {
    const last = this.entries.pop();
    if (!last) return null;
    this.save();
    const pixels = last.item.pixels ?? null;
    return { ...last, item: { ...last.item, pixels, asked: pixels !== null } };
  }

  save() {
    const kept = this.entries.slice(-SITTING_LENGTH).map(({ opId, item, verdict }) => {
      const { pixels: _, ...known } = item;
      return { opId, item: known, verdict };
    });
    sessionStorage.setItem(this.name, JSON.stringify(kept));
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
