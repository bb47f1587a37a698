// Pages: many images at a glance, the bad ones marked. Enter gives a page: marked is rejected, the rest accepted.

const PAGE_SIZES = [12, 24, 48];
const SIZE_KEY = "rounds-page-size";
const PAGES_KEPT = 20; // that can be taken back
const TOO_SOON_MS = 400; // Enter twice in a row must not accept a page nobody has seen
const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };

const SHARED_KEYS = new Set(["u", "i", "w", "p", "g", "?"]); // as with one image at a time
const STAGE_KEYS = new Set(["f", "0", "-", "=", "+"]); // while one image of the page is large

class Grid {
  constructor(viewer) {
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
    if (this.page && !resting) return;
    this.page = null;
    const wanted = this.pinned ?? this.size;
    const items = queue.items.slice(0, wanted);
    const whole = items.length === wanted || (queue.exhausted && items.length > 0);
    if (whole && !resting && items.every((item) => item.pixels)) return this.put(items);
    this.lay();
    this.viewer.panel.item(this.viewer.worklist, null);
    this.showNothing(queue.exhausted && items.length === 0);
  }

  showNothing(exhausted) {
    const { viewer } = this;
    const isEnd = exhausted && viewer.queue.thenSingle && viewer.outbox.waiting.length === 0 && !viewer.resting;
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
    this.room.dataset.marked = this.large && memory.marks.has(items[this.cursor].key);
    const reasons = viewer.worklist.reasons.map(({ key, code, text }) => ({ key, text, pressed: memory.reason === code }));
    viewer.panel.choices("Reason, for all that are marked", reasons, (index) => this.reason(index));
  }

  mark(index, marked = null) {
    if (!this.page) return;
    const { marks } = this.memory;
    const { key } = this.page.items[index];
    const will = marked ?? !marks.has(key);
    if (will) marks.add(key);
    else marks.delete(key);
    this.anchor = index;
    this.viewer.queue.activeAt = Date.now();
    this.memory.saveDraft();
    this.report();
    this.viewer.panel.speak(will ? "Marked: reject" : "Not marked");
  }

  // Every tile from the last one touched to this one.
  range(index) {
    const { marks } = this.memory;
    const [from, to] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
    for (const item of this.page.items.slice(from, to + 1)) marks.add(item.key);
    this.memory.saveDraft();
    this.report();
    this.viewer.panel.speak(`Images ${from + 1} to ${to + 1} marked: reject`);
  }

  click(index, event) {
    if (event.detail > 1) return; // the second click of a double click
    this.cursor = index;
    if (event.shiftKey) this.range(index);
    else this.mark(index);
    this.focus();
  }

  move(step, extend) {
    const next = this.cursor + step;
    if (!this.page || next < 0 || next >= this.page.items.length) return;
    if (extend) this.mark(this.cursor, true);
    this.cursor = next;
    this.viewer.queue.activeAt = Date.now();
    if (extend) this.mark(next, true);
    else this.anchor = next;
    if (this.large) this.viewer.stage.show(this.page.items[next]);
    this.report();
  }

  reason(index) {
    const reason = this.viewer.worklist.reasons[index];
    if (!reason || !this.page) return;
    this.memory.reason = this.memory.reason === reason.code ? null : reason.code;
    this.memory.saveDraft();
    this.report();
  }

  // The whole page goes into the outbox in one transaction. Every reading carries the time of the page: the time of one
  // image in it is not known, and page_id says which readings share it.
  submit() {
    const { viewer, page, memory } = this;
    if (!page || this.large) return;
    if (performance.now() - this.paintedAt < TOO_SOON_MS) return viewer.panel.speak("This page has only just come");
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
    viewer.outbox.addAll(viewer.worklist.id, "grid", undos).catch((error) => viewer.unkept(error));
    for (const { item } of said.reverse()) viewer.queue.putBack(item);
    Object.assign(this, { page: null, pinned: said.length || null, cursor: 0 });
    this.show();
    viewer.queue.load();
    viewer.count(-said.length);
    viewer.panel.speak("Page taken back");
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

  // What a key does on a page; a key of single reading alone does nothing here.
  action(event) {
    const key = event.key.toLowerCase();
    if (event.key in STEPS) return () => this.move(STEPS[event.key](this.large ? 1 : this.tiles.columns), event.shiftKey);
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    if (digit) return () => this.reason(Number(digit[1]) - 1);
    const step = PAGE_SIZES.indexOf(this.size);
    const acts = {
      " ": () => this.mark(this.cursor),
      x: () => this.mark(this.cursor),
      enter: () => (this.large ? this.enlarge() : this.submit()),
      z: () => this.enlarge(),
      escape: () => this.large && this.enlarge(),
      home: () => this.move(-this.cursor, event.shiftKey),
      end: () => this.page && this.move(this.page.items.length - 1 - this.cursor, event.shiftKey),
      ",": () => this.resize(PAGE_SIZES[step - 1]),
      ".": () => this.resize(PAGE_SIZES[step + 1]),
    };
    if (key in acts) return acts[key];
    const shared = SHARED_KEYS.has(key) || (this.large && STAGE_KEYS.has(key));
    return shared ? this.viewer.keys.view(event) : () => {};
  }
}
