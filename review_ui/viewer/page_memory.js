// What a page needs to survive a reload of the tab: its marks and reason, and the pages that can be taken back.

class PageMemory {
  constructor(reader, worklistId) {
    this.name = `rounds-pages-${reader}-${worklistId}`;
    const draft = JSON.parse(sessionStorage.getItem(`${this.name}-draft`) ?? "{}");
    this.marks = new Set(draft.marks ?? []); // assignment keys
    this.reason = draft.reason ?? null; // of every mark on the page
    this.pages = JSON.parse(sessionStorage.getItem(this.name) ?? "[]"); // each { at, reason, said: [{ item, opId, marked }] }
    this.pixels = new Map(); // of the last page only
  }

  // When the last page that can be taken back was given.
  get lastAt() {
    return this.pages.at(-1)?.at ?? 0;
  }

  saveDraft() {
    const { marks, reason } = this;
    sessionStorage.setItem(`${this.name}-draft`, JSON.stringify({ marks: [...marks], reason }));
  }

  given(said) {
    this.pixels = new Map(said.map(({ item }) => [item.key, item.pixels]));
    const kept = said.map(({ item: { pixels: _, ...item }, opId, marked }) => ({ item, opId, marked }));
    this.pages = [...this.pages, { at: Date.now(), reason: this.reason, said: kept }].slice(-PAGES_KEPT);
    for (const { item } of said) this.marks.delete(item.key);
    this.reason = null;
    this.save();
  }

  // The last page as the queue wants it; pixels that are not in memory have to be fetched again.
  takeBack() {
    const last = this.pages.pop();
    if (!last) return null;
    this.reason = last.reason;
    for (const { item, marked } of last.said) if (marked) this.marks.add(item.key);
    this.save();
    return last.said.map(({ item, opId }) => {
      const pixels = this.pixels.get(item.key) ?? null;
      return { opId, item: { ...item, pixels, asked: pixels !== null } };
    });
  }

  save() {
    this.saveDraft();
    sessionStorage.setItem(this.name, JSON.stringify(this.pages));
  }
}
