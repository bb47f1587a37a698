// Windows by modality, in stored units: what a reader of such images expects, the same for every image of a worklist.

// Hounsfield units; stored values follow through the rescale slope and intercept, where they are sent.
const HOUNSFIELD = [
  { name: "Soft tissue", center: 40, width: 400 },
  { name: "Lung", center: -600, width: 1500 },
  { name: "Bone", center: 400, width: 1800 },
  { name: "Brain", center: 40, width: 80 },
];

// Shares of the stored values of the first image, [below, above] what is shown.
const MIDDLE_99 = { name: "Middle 99 %", from: 0.005, to: 0.995 };
const MIDDLE_90 = { name: "Middle 90 %", from: 0.05, to: 0.95 };
const DARK = { name: "Dark parts", from: 0.005, to: 0.6 };
const BRIGHT = { name: "Bright parts", from: 0.4, to: 0.999 };

const BY_MODALITY = {
  general: [MIDDLE_99, MIDDLE_90],
  mr: [MIDDLE_99, MIDDLE_90, DARK],
  ct: [MIDDLE_99, MIDDLE_90],
  xray: [MIDDLE_99, DARK, BRIGHT],
  ultrasound: [MIDDLE_99, DARK],
  histology: [MIDDLE_99],
};

// [{ name, center, width }], the default first: the window of such images as they were imported, `opening`, where the
// worklist has one. Else 8 bit: as stored. 16 bit: the middle 99 % of the first image, or soft tissue for a CT with its
// rescale.
function presetsFor(modality, opening, item) {
  const top = item.bits === 16 ? 65535 : 255;
  const sorted = item.pixels.slice().sort();
  const whole = { name: item.bits === 16 ? "Full range" : "As stored", center: top / 2, width: top };
  const shares = (BY_MODALITY[modality] ?? BY_MODALITY.general).map((share) => ofShare(sorted, share));
  const [slope, intercept] = item.rescale ?? [1, 0];
  const isHounsfield = modality === "ct" && item.rescale && (slope !== 1 || intercept !== 0);
  const tissues = isHounsfield ? HOUNSFIELD.map((preset) => inStoredUnits(preset, slope, intercept)) : [];
  const imported = opening ? [{ name: "As imported", center: opening[0], width: opening[1] }] : [];
  if (item.bits === 16) return [...imported, ...tissues, ...shares, whole];
  return [...imported, whole, ...tissues, ...shares];
}

function ofShare(sorted, { name, from, to }) {
  const low = sorted[Math.floor(sorted.length * from)];
  const high = sorted[Math.ceil(sorted.length * to) - 1];
  return { name, center: (low + high) / 2, width: Math.max(1, high - low) };
}

function inStoredUnits({ name, center, width }, slope, intercept) {
  return { name, center: (center - intercept) / slope, width: Math.abs(width / slope) };
}

const VIEW_PREFIX = "rounds-view-";
const KEPT_DAYS = 60;

// The window, zoom, pan and invert of one reader and worklist, kept over a reload. With the time at which the worklist was
// made: another project at the same address numbers its worklists from 1 as well.
class KeptView {
  constructor(reader, worklist) {
    this.name = `${VIEW_PREFIX}${reader}-${worklist.id}-${worklist.created_at}`;
    KeptView.forget();
  }

  // What no one has looked through for two months goes, so that a device does not gather the views of all worklists.
  static forget() {
    const oldest = Date.now() - KEPT_DAYS * 24 * 3600 * 1000;
    const names = Object.keys(localStorage).filter((name) => name.startsWith(VIEW_PREFIX));
    for (const name of names) {
      const keptMs = JSON.parse(localStorage.getItem(name)).keptMs ?? 0;
      if (keptMs < oldest) localStorage.removeItem(name);
    }
  }

  read() {
    return JSON.parse(localStorage.getItem(this.name) ?? "null");
  }

  // Written when the hand rests, never on the way from a key to the next image.
  keep(state) {
    clearTimeout(this.timer);
    this.pending = state;
    this.timer = setTimeout(() => this.write(), 250);
  }

  write() {
    clearTimeout(this.timer);
    if (this.pending) localStorage.setItem(this.name, JSON.stringify({ ...this.pending, keptMs: Date.now() }));
    this.pending = null;
  }
}
