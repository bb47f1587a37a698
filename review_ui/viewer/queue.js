// The images ahead: leased in runs, their pixels fetched before they are needed. The server is the truth about them.

const AHEAD = 48; // loaded or loading ahead of the one on screen
const REFILL_BELOW = 36;
const FETCHES = 6;
const RENEW_MS = 120_000; // well inside the server's lease of ten minutes
const ABSENT_MS = 900_000; // a reader gone for longer gives their images back to others
const LOOK_AGAIN_MS = 15_000; // others' leases may run out after we have read all there was

class Queue {
  // `changed()` is called when an image has arrived or the list has grown.
  constructor(server, outbox, worklistId, changed, failed) {
    this.server = server;
    this.outbox = outbox;
    this.worklistId = worklistId;
    this.changed = changed;
    this.failed = failed;
    this.items = [];
    this.read = new Set(); // keys answered since the page was opened
    this.exhausted = false;
    this.claiming = false;
    this.fetching = 0;
    this.closed = false;
    this.activeAt = Date.now();
    this.renewal = setInterval(() => this.renew(), RENEW_MS);
  }

  get head() {
    return this.items[0];
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.lookAgain);
    clearInterval(this.renewal);
  }

  // A claim renews our own leases first, whatever else it brings.
  renew() {
    if (this.attended && this.items.length > 0) this.claim();
  }

  get attended() {
    return Date.now() - this.activeAt < ABSENT_MS;
  }

  fill() {
    if (!this.exhausted && this.items.length < REFILL_BELOW) this.claim();
  }

  async claim() {
    if (this.claiming || this.closed) return;
    this.claiming = true;
    const underWay = this.outbox.keys();
    try {
      const count = Math.min(AHEAD + underWay.size, 200);
      const answer = await this.server.claim(this.worklistId, count);
      const held = new Set(this.items.map((item) => item.key));
      const fresh = answer.items.filter((item) => !held.has(item.key) && !this.read.has(item.key) && !underWay.has(item.key));
      this.items.push(...fresh.map((item) => ({ ...item, pixels: null, asked: false })));
      this.exhausted = answer.items.length < count;
      this.progress = answer.progress;
      if (this.exhausted && this.items.length === 0) this.watch();
      this.load();
      this.changed();
    } catch (error) {
      this.retry(error);
    } finally {
      this.claiming = false;
    }
  }

  watch() {
    clearTimeout(this.lookAgain);
    if (this.attended) this.lookAgain = setTimeout(() => this.claim(), LOOK_AGAIN_MS);
  }

  load() {
    for (const item of this.items.slice(0, AHEAD)) {
      if (this.fetching >= FETCHES) return;
      if (!item.asked) this.fetch(item);
    }
  }

  async fetch(item) {
    item.asked = true;
    this.fetching += 1;
    try {
      const content = await this.server.pixels(item.key);
      item.pixels = item.bits === 16 ? new Uint16Array(content) : new Uint8Array(content);
    } catch (error) {
      if (error instanceof Refused) this.items = this.items.filter((other) => other !== item);
      else {
        item.asked = false;
        this.retry(error);
      }
    } finally {
      this.fetching -= 1;
      if (!this.closed) {
        this.changed();
        if (!this.timer) this.load();
      }
    }
  }

  retry(error) {
    if (this.closed || this.timer) return;
    this.failed(error);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.load();
      this.fill();
    }, 1500);
  }

  // Take the answered image off the front; the next one is in memory already.
  advance() {
    const item = this.items.shift();
    this.read.add(item.key);
    this.activeAt = Date.now();
    if (this.exhausted && this.items.length === 0) this.watch();
    this.load();
    this.fill();
  }

  // Put an image back in front after an undo.
  putBack(item) {
    this.read.delete(item.key);
    this.items = this.items.filter((other) => other.key !== item.key);
    this.items.unshift(item);
    this.load();
  }
}
