// Keeps every verdict and undo in IndexedDB from the key press until the server says it is committed.

const OUTBOX_NAME = "rounds-outbox";
const BATCH = 25;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

class Outbox {
  // `changed(outbox)` is called whenever what waits, what was refused, or the connection changes.
  constructor(server, changed, signedOut) {
    this.server = server;
    this.changed = changed;
    this.signedOut = signedOut;
    this.waiting = []; // this reader's operations, oldest first
    this.refused = []; // what the server will never take, kept until the reader has seen it
    this.online = true;
    this.failures = 0;
    this.sending = false;
    this.progress = null;
    this.resume = () => this.flush();
    window.addEventListener("online", this.resume);
  }

  async open() {
    const request = indexedDB.open(OUTBOX_NAME, 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore("operations", { keyPath: "sequence", autoIncrement: true });
    this.database = await settled(request);
    const kept = await settled(this.store("readonly").getAll());
    for (const entry of kept.filter((entry) => entry.reader === this.server.session.reader)) {
      (entry.refused ? this.refused : this.waiting).push({ ...entry, kept: true });
    }
    this.changed(this);
  }

  close() {
    window.removeEventListener("online", this.resume);
    clearTimeout(this.timer);
    this.database?.close();
    this.database = null;
  }

  store(mode) {
    return this.database.transaction("operations", mode, { durability: "strict" }).objectStore("operations");
  }

  // Assignment keys whose verdict is still under way: the server may lease them to us again meanwhile.
  keys() {
    return new Set(this.waiting.filter((entry) => entry.kind === "reading").map((entry) => entry.body.assignment_key));
  }

  async add(worklistId, kind, opId, body) {
    const entry = { reader: this.server.session.reader, worklist_id: worklistId, kind, op_id: opId, body };
    this.waiting.push(entry);
    this.changed(this);
    const { kept: _, ...row } = entry;
    entry.sequence = await settled(this.store("readwrite").add(row));
    entry.kept = true;
    this.flush();
  }

  async flush() {
    if (this.sending || !this.database) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      for (let batch = this.next(); batch.length > 0; batch = this.next()) await this.sendBatch(batch);
      this.connected();
    } catch (error) {
      this.failed(error);
    } finally {
      this.sending = false;
      this.changed(this);
    }
    if (this.online && this.next().length > 0) this.flush();
  }

  // The leading run of one worklist that is safe on disk: order is kept across undos.
  next() {
    const end = this.waiting.findIndex((entry) => !entry.kept || entry.worklist_id !== this.waiting[0].worklist_id);
    return this.waiting.slice(0, Math.min(end < 0 ? this.waiting.length : end, BATCH));
  }

  async sendBatch(batch) {
    const operations = batch.map(({ kind, op_id, body }) => ({ kind, op_id, body }));
    const answer = await this.server.send(batch[0].worklist_id, operations);
    const states = new Map(answer.results.map((result) => [result.op_id, result]));
    if (!this.database) return;
    const store = this.store("readwrite");
    for (const entry of batch) {
      const result = states.get(entry.op_id);
      if (result?.state === "saved") store.delete(entry.sequence);
      else if (result?.state === "refused") {
        entry.refused = result.error;
        this.refused.push(entry);
        store.put({ ...entry });
      }
    }
    await committed(store.transaction);
    this.waiting = this.waiting.filter((entry) => !states.has(entry.op_id));
    this.progress = answer.progress;
    this.connected();
    this.changed(this);
  }

  connected() {
    this.online = true;
    this.failures = 0;
  }

  failed(error) {
    if (error instanceof SignedOut) return this.signedOut();
    this.online = false;
    const delay = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.flush(), delay);
  }

  async dismissRefused() {
    const store = this.store("readwrite");
    for (const entry of this.refused) store.delete(entry.sequence);
    await committed(store.transaction);
    this.refused = [];
    this.changed(this);
  }
}
