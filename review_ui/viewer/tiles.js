// Paints a page of images, one canvas each, and says which are marked: by a cross and a word as well as by colour.

const GAP_PX = 8;

class Tiles {
  // on.pick(index, event): a tile was clicked; on.enlarge(index): it was clicked twice.
  constructor(node, stage, on) {
    this.node = node;
    this.stage = stage;
    this.items = [];
    this.size = 1;
    this.native = document.createElement("canvas");
    this.buffer = null;
    this.painted = "";
    node.addEventListener("click", (event) => this.at(event, on.pick));
    node.addEventListener("dblclick", (event) => this.at(event, on.enlarge));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(node);
  }

  close() {
    this.observer.disconnect();
  }

  at(event, act) {
    const tile = event.target.closest(".tile");
    if (tile) act(Number(tile.dataset.index), event);
  }

  // `size` is what a full page holds: the last, shorter one keeps the tiles as large as before.
  show(items, size) {
    this.items = items;
    this.size = Math.max(size, items.length);
    while (this.node.children.length > items.length) this.node.lastChild.remove();
    while (this.node.children.length < items.length) this.node.append(newTile(this.node.children.length));
    items.forEach((item, index) => {
      this.node.children[index].querySelector(".caption").textContent = item.label ? readable(item.label) : "";
    });
    this.layOut();
    this.paint();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const size = `${this.node.clientWidth} ${this.node.clientHeight} ${ratio}`;
    if (size === this.measured || this.node.clientWidth === 0 || this.items.length === 0) return;
    this.layOut();
    this.paint();
  }

  // A caption is shown whole: on one line, or where the tiles are too narrow for that, on several smaller ones.
  layOut() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.node;
    this.measured = `${width} ${height} ${ratio}`;
    const extents = this.items.map(extent);
    const widest = Math.max(...extents.map((one) => one.width));
    const highest = Math.max(...extents.map((one) => one.height));
    const line = Math.min(40, Math.max(26, Math.round(width / 70)));
    const settings = captionSettings(line).map((setting) => ({ ...setting, ...this.arrange(setting.height, widest, highest) }));
    const captions = [...this.node.querySelectorAll(".caption")].map((node) => node.textContent);
    const { fontFamily } = getComputedStyle(this.node);
    const chosen = settings.find((one) => captionsFit(captions, one, widest * one.scale, fontFamily)) ?? settings.at(-1);
    this.columns = chosen.columns;
    this.scale = chosen.scale * ratio;
    this.node.classList.toggle("wrapped", chosen.lines > 1);
    this.node.style.setProperty("--columns", this.columns);
    this.node.style.setProperty("--line", `${line}px`);
    this.node.style.setProperty("--caption", `${chosen.height}px`);
    this.node.style.setProperty("--caption-font", `${chosen.font}px`);
    this.node.style.setProperty("--tile", `${widest * chosen.scale}px`);
    this.node.style.setProperty("--image", `${highest * chosen.scale}px`);
  }

  // As many columns as make the images largest. Every tile has the same size and every image the same scale.
  arrange(caption, widest, highest) {
    const { clientWidth: width, clientHeight: height } = this.node;
    const scaleOf = (columns) => {
      const rows = Math.ceil(this.size / columns);
      const across = (width - GAP_PX * (columns + 1)) / columns / widest;
      return Math.min(across, ((height - GAP_PX * (rows + 1)) / rows - caption) / highest);
    };
    const all = [...Array(this.size).keys()].map((index) => index + 1);
    const columns = all.reduce((best, one) => (scaleOf(one) > scaleOf(best) ? one : best), 1);
    // Smooth, as on the stage, and never rounded to whole multiples: a page is to look like the image enlarged from it.
    return { columns, scale: Math.max(scaleOf(columns), 4 / widest) };
  }

  // Through the table of the stage's window: 16 bit and colour go the same way as one image at a time.
  paint() {
    this.painted = this.signature;
    const { scale } = this;
    const ratio = window.devicePixelRatio || 1;
    this.items.forEach((item, index) => {
      this.buffer = paintNative(this.native, item, this.stage.lookup(item.bits), this.buffer);
      const canvas = this.node.children[index].firstChild;
      const { width, height } = extent(item);
      canvas.width = Math.max(1, Math.round(width * scale));
      canvas.height = Math.max(1, Math.round(height * scale));
      canvas.style.width = `${canvas.width / ratio}px`;
      canvas.style.height = `${canvas.height / ratio}px`;
      const context = canvas.getContext("2d", { alpha: false });
      context.imageSmoothingQuality = "high";
      context.drawImage(this.native, 0, 0, canvas.width, canvas.height);
    });
  }

  // The window or the grays were changed while the page was on the screen.
  follow() {
    if (this.items.length > 0 && this.painted !== this.signature) this.paint();
  }

  get signature() {
    const { center, width, invert } = this.stage.view;
    return `${center} ${width} ${invert}`;
  }

  marks(isMarked, cursor) {
    this.items.forEach((item, index) => {
      const tile = this.node.children[index];
      const marked = isMarked(item.key);
      tile.setAttribute("aria-selected", String(marked));
      const name = item.label ? `, ${readable(item.label)}` : "";
      tile.setAttribute("aria-label", `Image ${index + 1} of ${this.items.length}${name}${marked ? ", marked: reject" : ""}`);
      tile.classList.toggle("cursor", index === cursor);
    });
    this.node.setAttribute("aria-activedescendant", `tile-${cursor}`);
  }
}

// Height and width as drawn at scale 1: a pixel that is not square in millimetres is not drawn square.
function extent(item) {
  const [height, width] = item.shape;
  const [row, column] = item.spacing ?? [1, 1];
  return { width, height: (height * row) / column };
}

function newTile(index) {
  const tile = document.createElement("div");
  tile.className = "tile";
  tile.id = `tile-${index}`;
  tile.dataset.index = index;
  tile.setAttribute("role", "option");
  const span = (className, textContent) => Object.assign(document.createElement("span"), { className, textContent });
  const foot = span("foot", "");
  foot.append(span("caption", ""), span("said", "Reject"));
  const cross = span("cross", "✕");
  for (const hidden of [cross, foot]) hidden.setAttribute("aria-hidden", "true");
  tile.append(document.createElement("canvas"), cross, foot);
  return tile;
}
