// Keeps every verdict and undo in IndexedDB from the key press until the server says it is committed.

const OUTBOX_NAME = "rounds-outbox";
const BATCH = 25;
const RESUMED_BY = ["online", "focus"]; // after another tab signed in, this one is looked at again

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

// One tab at a time sends. Without https there are no locks; then two tabs may send the same entry, and its op_id
// makes the second time harmless.
function alone(name, work) {
  return navigator.locks ? navigator.locks.request(name, work) : work();
}

class Outbox {
  // on.changed(outbox): what waits, what was refused, or the connection has changed. on.answered(entry, result): the
  // server's word on one entry. on.signedOut(): nothing can be sent before somebody signs in.
  constructor(server, on) {
    this.server = server;
    this.on = on;
    this.waiting = []; // this reader's operations, oldest first
    this.refused = []; // what the server will never take, kept until the reader has seen it
    this.online = true;
    this.signedOut = false; // nothing is sent until somebody has signed in
    this.halted = null; // why the server takes nothing, where waiting does not change it: kept until the next verdict
    this.failures = 0;
    this.sending = false;
    this.progress = null;
    this.resume = () => this.flush();
    for (const name of RESUMED_BY) window.addEventListener(name, this.resume);
  }

  async open() {
    const request = indexedDB.open(OUTBOX_NAME, 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore("operations", { keyPath: "sequence", autoIncrement: true });
    this.database = await settled(request);
    await this.readDisk();
    this.on.changed(this);
  }

  close() {
    for (const name of RESUMED_BY) window.removeEventListener(name, this.resume);
    clearTimeout(this.timer);
    this.database?.close();
    this.database = null;
  }

  store(mode) {
    return this.database.transaction("operations", mode, { durability: "strict" }).objectStore("operations");
  }

  // What is on disk is what waits, whichever tab wrote it: entries that another tab has sent go, its unsent ones come.
  async readDisk() {
    const rows = (await settled(this.store("readonly").getAll())).filter((row) => row.reader === this.server.session.reader);
    const known = new Map(this.waiting.map((entry) => [entry.op_id, entry]));
    const onDisk = rows
      .filter((row) => !row.refused)
      .map((row) => Object.assign(known.get(row.op_id) ?? row, { sequence: row.sequence, kept: true }));
    this.waiting = [...onDisk, ...this.waiting.filter((entry) => !entry.kept)];
    this.refused = rows.filter((row) => row.refused);
  }

  // How many are safe on this device's disk; the others are still being written there.
  get kept() {
    return this.waiting.filter((entry) => entry.kept).length;
  }

  // Assignment keys whose verdict is still under way: the server may lease them to us again meanwhile.
  keys() {
    return new Set(this.waiting.filter((entry) => entry.kind === "reading").map((entry) => entry.body.assignment_key));
  }

  add(worklistId, claimMode, kind, opId, body) {
    return this.addAll(worklistId, claimMode, [{ kind, op_id: opId, body }]);
  }

  // Several operations in one transaction: a page is kept whole or not at all.
  async addAll(worklistId, claimMode, operations) {
    const reader = this.server.session.reader;
    const entries = operations.map((operation) => ({ reader, worklist_id: worklistId, claim_mode: claimMode, ...operation }));
    const rows = entries.map((entry) => ({ ...entry }));
    this.waiting.push(...entries);
    this.on.changed(this);
    const store = this.store("readwrite");
    const added = Promise.all(rows.map((row) => settled(store.add(row))));
    store.transaction.commit?.(); // now, not after the answers: a tab that closes at once still keeps them
    const [sequences] = await Promise.all([added, committed(store.transaction)]);
    entries.forEach((entry, index) => Object.assign(entry, { sequence: sequences[index], kept: true }));
    this.on.changed(this);
    this.flush();
  }

  async flush() {
    if (this.sending || !this.database) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      await alone(`${OUTBOX_NAME}-${this.server.session.reader}`, () => this.sendAll());
      this.connected();
    } catch (error) {
      this.failed(error);
    } finally {
      this.sending = false;
      this.on.changed(this);
    }
    if (this.online && !this.signedOut && this.next().length > 0) this.flush();
  }

  async sendAll() {
    if (!this.database) return;
    await this.readDisk();
    for (let batch = this.next(); batch.length > 0; batch = this.next()) await this.sendBatch(batch);
  }

  // The leading run of one worklist and way of reading that is safe on disk: order is kept across undos.
  next() {
    const [first] = this.waiting;
    const other = (entry) => entry.worklist_id !== first.worklist_id || entry.claim_mode !== first.claim_mode;
    const end = this.waiting.findIndex((entry) => !entry.kept || other(entry));
    return this.waiting.slice(0, Math.min(end < 0 ? this.waiting.length : end, BATCH));
  }

  async sendBatch(batch) {
    const [{ worklist_id: worklistId, claim_mode: mode }] = batch;
    const operations = batch.map(({ kind, op_id, body }) => ({ kind, op_id, body }));
    const answer = await this.server.send(worklistId, mode ?? "single", operations);
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
    this.on.changed(this);
    for (const entry of batch) if (states.has(entry.op_id)) this.on.answered(entry, states.get(entry.op_id));
  }

  connected() {
    this.online = true;
    this.signedOut = false;
    this.halted = null;
    this.failures = 0;
  }

  // Tried again by itself only where waiting may help; all stays on this device meanwhile.
  failed(error) {
    if (error instanceof SignedOut) {
      this.signedOut = true;
      return this.on.signedOut();
    }
    this.online = false;
    this.halted = error instanceof Refused ? error.message : null;
    if (this.halted) return;
    const delay = pauseAfter(this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.flush(), delay);
  }

  async dismissRefused() {
    const store = this.store("readwrite");
    for (const entry of this.refused) store.delete(entry.sequence);
    await committed(store.transaction);
    this.refused = [];
    this.on.changed(this);
  }
}
