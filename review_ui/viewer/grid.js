// Pages: many images at a glance, the bad ones marked. Enter gives a page: marked is rejected, the rest accepted.

const PAGE_SIZES = [12, 24, 48];
const SIZE_KEY = "rounds-page-size";
const PAGES_KEPT = 20; // that can be taken back
const TOO_SOON_MS = 400; // Enter twice in a row must not accept a page nobody has seen

class Grid extends MarkedPage {
  constructor(viewer) {
    super();
    this.viewer = viewer;
    const { root } = viewer;
    [this.room, this.section, this.stageNode, this.strip] = [".room", ".pages", ".stage", ".strip"].map((name) => root.querySelector(name));
    this.side = new GridSide(root, {
      submit: () => this.submit(),
      mark: () => this.mark(this.cursor),
      undo: () => this.undo(),
      enlarge: () => this.enlarge(),
      size: (size) => this.resize(size),
    });
    const pick = (index, event) => this.click(index, event);
    const listbox = root.querySelector(".tiles");
    this.tiles = new Tiles(listbox, viewer.stage, { pick, enlarge: (index) => this.enlargeAt(index) });
    // After a click on a button beside the page, the keys are the page's again.
    root.querySelector(".panel").addEventListener("click", (event) => this.on && event.detail > 0 && this.focus());
    const remembered = Number(localStorage.getItem(SIZE_KEY));
    this.size = PAGE_SIZES.includes(remembered) ? remembered : 24;
    this.page = null; // { id, items }: what is on the screen until it is given
    this.large = false; // one image of it fills the stage
  }

  get on() {
    return this.viewer.mode === "grid";
  }

  close() {
    this.tiles.close();
  }

  // A worklist is opened, in pages or not.
  enter(worklist, reader) {
    this.possible = worklist.modes.includes("grid");
    this.memory = new PageMemory(reader, worklist.id);
    this.page = null;
    this.large = false;
    this.cursor = 0;
    this.anchor = 0; // where a range begins
    this.pinned = null; // how many images a page has that was taken back
    this.seen = false; // whether a page was shown since pages were turned on
    this.side.say("");
    this.lay();
  }

  // Whether a page, not an image, was given last on this worklist, and pages are left: undo takes back what came last.
  get isLast() {
    const single = this.viewer.sitting.entries.at(-1)?.at ?? 0;
    return this.possible && this.viewer.mode === "single" && this.memory.lastAt > single;
  }

  // The page on the screen and the next one.
  get ahead() {
    return this.on ? Math.max(AHEAD, 2 * this.size) : AHEAD;
  }

  toggle() {
    if (!this.possible) return;
    this.viewer.open(this.viewer.worklist.id, this.on ? "single" : "grid");
    this.viewer.panel.speak(this.on ? "Pages" : "One by one");
    this.focus();
  }

  // A page is painted when all of it is in memory, and stands until it is given.
  show() {
    const { queue, resting } = this.viewer;
    if (this.page && !resting && !queue.refusal) return;
    this.page = null;
    const wanted = this.pinned ?? this.size;
    const items = queue.items.slice(0, wanted);
    const whole = items.length === wanted || (queue.exhausted && items.length > 0);
    if (whole && !resting && !queue.refusal && items.every((item) => item.pixels)) return this.put(items);
    this.lay();
    this.viewer.panel.item(this.viewer.worklist, null);
    this.showNothing(queue.exhausted && items.length === 0);
  }

  showNothing(exhausted) {
    const { viewer } = this;
    const isEnd = exhausted && !viewer.queue.refusal && viewer.queue.thenSingle && viewer.outbox.waiting.length === 0 && !viewer.resting;
    if (isEnd && this.seen) return this.endOfPages();
    viewer.showNothing(exhausted);
    if (isEnd) viewer.panel.blank("The pages are done", "Some images come back one by one: press G.");
  }

  put(items) {
    const { viewer } = this;
    if (this.resized !== items[0].key) viewer.clock.start();
    Object.assign(this, { paintedAt: performance.now(), resized: null, seen: true });
    this.page = { id: randomHex(), items };
    this.cursor = this.anchor = Math.min(this.cursor, items.length - 1);
    viewer.panel.blank(null);
    viewer.panel.item(viewer.worklist, null);
    viewer.stage.show(items[this.cursor]); // the first image of a worklist sets the window of all of them
    this.lay();
    this.tiles.show(items, this.pinned ?? this.size);
    this.report();
    viewer.panel.state("reading");
    this.room.dataset.page = this.page.id;
    if (document.activeElement === document.body) this.focus();
  }

  // What is in the room: the page, one image of it enlarged, or the words that stand in for both.
  lay() {
    this.room.dataset.view = this.on ? (this.large ? "large" : "grid") : "single";
    if (!this.page) this.room.dataset.page = "";
    this.section.hidden = !this.on || !this.page || this.large;
    this.stageNode.hidden = this.on && this.page !== null && !this.large;
    this.strip.hidden = this.on;
    this.side.turn(this.on, this.possible);
    this.report();
  }

  report() {
    if (!this.on) return;
    const { viewer, memory } = this;
    const items = this.page?.items ?? [];
    const marked = items.filter((item) => memory.marks.has(item.key)).length;
    if (this.page) this.tiles.marks((key) => memory.marks.has(key), this.cursor);
    this.side.page({ images: items.length, marked, size: this.size, large: this.large, undo: memory.pages.length > 0 });
    viewer.panel.class(viewer.worklist, this.large ? items[this.cursor] : null);
    this.room.dataset.marked = this.large && memory.marks.has(items[this.cursor].key);
    const reasons = viewer.worklist.reasons.map(({ key, code, text }) => ({ key, text, pressed: memory.reason === code }));
    viewer.panel.choices("Reason, for all that are marked", reasons, (index) => this.reason(index));
  }

  // The whole page goes into the outbox in one transaction. Every reading carries the time of the page: the time of one
  // image in it is not known, and page_id says which readings share it.
  submit() {
    const { viewer, page, memory } = this;
    if (!page || this.large) return;
    if (performance.now() - this.paintedAt < TOO_SOON_MS) return viewer.panel.speak("This page has just opened");
    const times = viewer.clock.stop();
    const said = page.items.map((item) => ({ item, opId: randomHex(), marked: memory.marks.has(item.key) }));
    const operations = said.map((one) => ({ kind: "reading", op_id: one.opId, body: this.body(one, times) }));
    viewer.outbox.addAll(viewer.worklist.id, "grid", operations).catch((error) => viewer.unkept(error));
    memory.given(said);
    Object.assign(this, { page: null, pinned: null, cursor: 0, anchor: 0, unasked: true });
    for (const _ of said) viewer.queue.advance();
    this.show();
    viewer.count(said.length);
    for (const { item } of said) viewer.tabs?.hasRead(item.key);
    const rejected = said.filter((one) => one.marked).length;
    viewer.panel.speak(`${said.length - rejected} accepted, ${rejected} rejected`);
  }

  body({ item, marked }, times) {
    return {
      assignment_key: item.key,
      verdict: marked ? "reject" : "accept",
      reasons: marked && this.memory.reason ? [this.memory.reason] : [],
      ...times,
      mode: "grid",
      page_id: this.page.id,
      read_at: new Date().toISOString(),
    };
  }

  // The last page comes back with its marks. What the server never took needs no taking back.
  undo() {
    if (this.large) return this.enlarge();
    const { viewer } = this;
    const last = this.memory.takeBack();
    if (!last) return;
    const refused = new Set(viewer.outbox.refused.map((entry) => entry.op_id));
    const said = last.filter((one) => !refused.has(one.opId));
    const undos = said.map(({ opId }) => ({ kind: "undo", op_id: randomHex(), body: { voids_op_id: opId } }));
    undos.forEach((undo, index) => viewer.undone.set(undo.op_id, said[index].item.key));
    viewer.outbox.addAll(viewer.worklist.id, "grid", undos).catch((error) => viewer.unkept(error));
    for (const { item } of said.reverse()) viewer.queue.putBack(item);
    Object.assign(this, { page: null, pinned: said.length || null, cursor: 0 });
    this.show();
    viewer.queue.load();
    viewer.count(-said.length);
    viewer.panel.speak("Page taken back");
  }

  undoFromOutside() {
    this.toggle();
    this.undo();
  }

  resize(size) {
    if (!PAGE_SIZES.includes(size) || size === this.size) return;
    this.resized = this.page?.items[0].key ?? null;
    Object.assign(this, { size, page: null, pinned: null });
    localStorage.setItem(SIZE_KEY, size);
    Object.assign(this.viewer.queue, { ahead: this.ahead, refillBelow: this.ahead });
    this.show();
    this.viewer.queue.load();
    this.viewer.queue.fill();
    this.viewer.panel.speak(`${size} images a page`);
  }

  // The first click of the two has turned the mark over.
  enlargeAt(index) {
    this.mark(index);
    this.enlarge();
  }

  enlarge() {
    if (!this.page) return;
    this.large = !this.large;
    this.lay();
    this.viewer.stage.show(this.page.items[this.cursor]);
    this.tiles.follow();
    this.focus();
  }

  focus() {
    const node = this.large ? this.viewer.stage.canvas : this.tiles.node;
    node.focus({ preventScroll: true });
  }

  // Called on every change of the outbox: when the last page is safe, what is left is asked for once more.
  sent() {
    if (!this.on || this.page || !this.unasked || this.viewer.outbox.waiting.length > 0) return;
    const { queue } = this.viewer;
    if (queue.items.length > 0 || !queue.exhausted || queue.claiming) return;
    this.unasked = false;
    queue.claim();
  }

  endOfPages() {
    this.toggle();
    this.side.say("The pages are done. Some images come back one by one.");
  }

  // Another tab of this reader has read it.
  readElsewhere(key) {
    if (!this.page?.items.some((item) => item.key === key)) return;
    Object.assign(this, { page: null, pinned: null, large: false });
    this.show();
  }
}
