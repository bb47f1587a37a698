// Real training images of each class beside the image, through the same window. Loaded once for each worklist.

class References {
  constructor(node, server) {
    this.node = node;
    this.server = server;
    this.loaded = new Map(); // worklist id to [{ item, canvas }]
  }

  get open() {
    return !this.node.hidden;
  }

  close() {
    this.node.hidden = true;
  }

  toggle(worklistId, stage, label) {
    if (this.open) this.close();
    else this.show(worklistId, stage, label);
  }

  async show(worklistId, stage, label) {
    this.node.hidden = false;
    this.worklistId = worklistId;
    if (!this.loaded.has(worklistId)) await this.load(worklistId, stage);
    this.paint(stage);
    requestAnimationFrame(() => this.follow(label)); // once the pictures have their heights
  }

  // The examples of the class that the image is said to be of come to the top.
  follow(label) {
    if (!this.open || !label || !this.list) return;
    const section = [...this.list.children].find((each) => each.dataset.class === label);
    if (section) this.node.scrollTop = section.offsetTop - this.list.offsetTop;
  }

  async load(worklistId, stage) {
    this.list = this.node.querySelector("[data-slot=examples]");
    this.list.replaceChildren(note("Fetching examples"));
    const shown = [];
    try {
      const { classes } = await this.server.references(worklistId);
      this.list.replaceChildren(...Object.entries(classes).map(([name, keys]) => this.section(name, keys, shown)));
      if (shown.length === 0) this.list.replaceChildren(note("This worklist has no examples."));
      this.loaded.set(worklistId, shown);
      await Promise.all(shown.map((example) => this.fetch(example, stage)));
    } catch (error) {
      this.loaded.delete(worklistId);
      this.list.replaceChildren(note(error instanceof Refused ? error.message : "No examples without a connection."));
    }
  }

  section(name, keys, shown) {
    const section = document.createElement("section");
    section.dataset.class = name;
    section.append(Object.assign(document.createElement("h3"), { textContent: readable(name) }));
    const row = document.createElement("div");
    for (const key of keys) {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `A real image: ${readable(name)}`);
      row.append(canvas);
      shown.push({ key, canvas, item: null });
    }
    section.append(row);
    return section;
  }

  async fetch(example, stage) {
    example.item = await this.server.reference(example.key);
    this.paint(stage);
  }

  // With the next frame at the earliest: a window dragged over the image is painted on the image first.
  paint(stage) {
    if (!this.open || this.frame || stage.view.width === 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      for (const example of this.loaded.get(this.worklistId) ?? []) this.paintOne(example, stage);
    });
  }

  paintOne(example, stage) {
    const { center, width, invert } = stage.view;
    const signature = `${center} ${width} ${invert}`;
    if (!example.item || example.painted === signature) return;
    example.painted = signature;
    paintNative(example.canvas, example.item, stage.lookup(example.item.bits));
  }
}

function note(text) {
  return Object.assign(document.createElement("p"), { textContent: text });
}
