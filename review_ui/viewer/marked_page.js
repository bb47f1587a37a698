// Marking a page: clicks, ranges, a cursor that arrows move, one reason; and what each key does there.

const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };

const SHARED_KEYS = new Set(["u", "i", "w", "p", "g", "?"]); // as with one image at a time
const STAGE_KEYS = new Set(["f", "0", "-", "=", "+"]); // while one image of the page is large

class MarkedPage {
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
    this.giveReason(this.memory.reason === reason.code ? null : reason.code);
  }

  // The reason of every mark on the page, or none.
  giveReason(code) {
    this.memory.reason = code;
    this.memory.saveDraft();
    this.report();
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
      escape: () => (this.large ? this.enlarge() : this.giveReason(null)),
      home: () => this.move(-this.cursor, event.shiftKey),
      end: () => this.page && this.move(this.page.items.length - 1 - this.cursor, event.shiftKey),
      ",": () => this.resize(PAGE_SIZES[step - 1]),
      ".": () => this.resize(PAGE_SIZES[step + 1]),
    };
    if (key in acts) return acts[key];
    const shared = SHARED_KEYS.has(key) || (this.large && STAGE_KEYS.has(key));
    if (shared) return this.viewer.keys.view(event);
    return key.length === 1 ? () => {} : null; // a letter does nothing here, nor in Streamlit; Tab and F5 are the browser's
  }
}
