// The viewer: key press, verdict into the outbox, next image painted from memory. The browser waits for nobody.

const CHOICE_KEY = "rounds-worklist";

class Viewer {
  constructor(root, data) {
    this.root = root;
    this.server = new Server();
    this.panel = new Panel(root, {
      verdict: (verdict) => this.verdict(verdict),
      tool: (name) => this.tool(name),
      worklist: (id) => this.open(id),
      signIn: (name, password) => this.signIn(name, password),
    });
    this.stage = new Stage(root.querySelector(".stage canvas"), (stage) => this.panel.view(stage));
    this.outbox = new Outbox(this.server, () => this.report(), () => this.ended());
    this.onKey = (event) => this.key(event);
    window.addEventListener("keydown", this.onKey, { capture: true });
    // Streamlit's "Connection error" dialog makes the whole page inert; reading goes on without a connection.
    this.dialogs = new MutationObserver(() => document.querySelector(".stDialog button")?.click());
    this.dialogs.observe(document.body, { childList: true });
    this.update(data);
    this.start();
  }

  // Called again on every Streamlit rerun: only the list of worklists can have changed.
  update(data) {
    this.worklists = data.worklists;
    if (this.worklist) this.panel.worklists(this.worklists, this.worklist);
  }

  async start() {
    this.panel.state("loading");
    try {
      const session = await this.server.open();
      this.panel.slots.account.textContent = session.name;
      await this.outbox.open();
      const remembered = Number(localStorage.getItem(CHOICE_KEY));
      const chosen = this.worklists.find((worklist) => worklist.id === remembered) ?? this.worklists[0];
      this.open(chosen.id);
      this.outbox.flush();
    } catch (error) {
      if (error instanceof SignedOut) return location.assign("/rounds/sign-in");
      this.panel.blank("No connection", "The server does not answer. Trying again.");
      this.timer = setTimeout(() => this.start(), 1500);
    }
  }

  close() {
    window.removeEventListener("keydown", this.onKey, { capture: true });
    clearTimeout(this.timer);
    this.dialogs.disconnect();
    this.queue?.close();
    this.outbox.close();
    this.stage.close();
  }

  open(worklistId) {
    this.worklist = this.worklists.find((worklist) => worklist.id === worklistId);
    localStorage.setItem(CHOICE_KEY, worklistId);
    this.queue?.close();
    this.shown = null;
    this.marked = new Set();
    this.pending = null;
    this.sitting = new Sitting(this.server.session.reader, worklistId);
    this.progress = null;
    this.outbox.progress = null;
    this.stage.forgetPreset();
    this.stage.show(null);
    this.queue = new Queue(this.server, this.outbox, worklistId, () => this.arrived(), (error) => this.troubled(error));
    this.panel.worklists(this.worklists, this.worklist);
    this.panel.strip(this.sitting.entries, false);
    this.show();
    this.queue.fill();
  }

  arrived() {
    if (this.queue.progress) {
      const underWay = this.outbox.waiting.filter((entry) => entry.worklist_id === this.worklist.id);
      const ahead = underWay.reduce((sum, entry) => sum + (entry.kind === "reading" ? 1 : -1), 0);
      const { done, left, total } = this.queue.progress;
      this.progress = { done: done + ahead, left: Math.max(0, left - ahead), total };
      this.queue.progress = null;
      this.panel.progress(this.progress);
    }
    if (!this.shown) this.show();
  }

  // Paint the head of the queue if its pixels are here; a verdict can only be given on what is painted.
  show() {
    const item = this.queue.head;
    if (item?.pixels) {
      this.shown = item;
      this.panel.blank(null);
      this.stage.show(item);
      this.shownAt = performance.now();
      this.panel.state("reading");
    } else {
      this.shown = null;
      this.stage.show(null);
      const done = !item && this.queue.exhausted;
      this.panel.state(done ? "done" : "loading");
      if (done) this.panel.blank("All read", "Nothing is waiting for you in this worklist.");
      else this.panel.blank("Loading", "The first images are on their way.");
    }
    this.panel.item(this.worklist, this.shown);
    this.showChoices();
  }

  showChoices() {
    this.panel.pending(this.pending);
    if (this.pending === "accept") {
      const classes = this.worklist.classes.map((name, index) => ({ key: String(index + 1), text: readable(name) }));
      return this.panel.choices("Which class is it?", classes, (index) => this.digit(index, false));
    }
    const reasons = this.worklist.reasons.map(({ key, code, text }) => ({ key, text, pressed: this.marked.has(code) }));
    const title = this.marked.size > 0 ? "X rejects with what is marked" : "Reject, with the reason";
    this.panel.choices(title, reasons, (index, shift) => this.digit(index, shift));
  }

  verdict(verdict, label = null) {
    if (!this.shown) return;
    if (verdict === "accept" && !this.worklist.label_shown && label === null) {
      this.pending = "accept";
      return this.showChoices();
    }
    const item = this.shown;
    const opId = randomHex();
    const body = {
      assignment_key: item.key,
      verdict,
      reasons: verdict === "reject" ? [...this.marked] : [],
      corrected_label: label,
      comment: null,
      elapsed_ms: Math.round(performance.now() - this.shownAt),
      mode: "single",
      read_at: new Date().toISOString(),
    };
    this.outbox.add(this.worklist.id, "reading", opId, body).catch((error) => this.unkept(error));
    const picture = miniature(this.stage.native);
    this.marked.clear();
    this.pending = null;
    this.queue.advance();
    this.show();
    this.sitting.add(opId, item, verdict, picture);
    this.count(1);
    this.panel.strip(this.sitting.entries, false);
    this.panel.speak(SAID[verdict]);
  }

  digit(index, shift) {
    if (!this.shown) return;
    if (this.pending === "accept") {
      const label = this.worklist.classes[index];
      return label && this.verdict("accept", label);
    }
    const reason = this.worklist.reasons[index];
    if (!reason) return;
    if (shift && this.marked.has(reason.code)) this.marked.delete(reason.code);
    else this.marked.add(reason.code);
    if (shift) this.showChoices();
    else this.verdict("reject");
  }

  undo() {
    if (this.pending) {
      this.pending = null;
      return this.showChoices();
    }
    const last = this.sitting.takeBack();
    if (!last) return;
    const opId = randomHex();
    this.outbox.add(this.worklist.id, "undo", opId, { voids_op_id: last.opId }).catch((error) => this.unkept(error));
    this.queue.putBack(last.item);
    this.marked.clear();
    this.show();
    this.queue.load();
    this.count(-1);
    this.panel.strip(this.sitting.entries, true);
    this.panel.speak("Undone");
  }

  tool(name) {
    if (name === "undo") this.undo();
    if (name === "invert") this.stage.invert();
    if (name === "fit") this.stage.toggleFit();
    if (name === "help") this.panel.slots.help.showModal();
    if (name === "dismiss") this.outbox.dismissRefused();
  }

  key(event) {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || this.panel.dialogOpen) return;
    const target = event.composedPath()[0];
    if (target instanceof Element && target.matches("input, textarea, select, [contenteditable='true']")) return;
    const act = this.action(event);
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  action(event) {
    const verdicts = { a: "accept", x: "reject", s: "unsure" };
    const tools = { u: "undo", i: "invert", f: "fit", "?": "help" };
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    const key = event.key.toLowerCase();
    if (digit) return () => this.digit(Number(digit[1]) - 1, event.shiftKey);
    if (key in verdicts) return () => this.verdict(verdicts[key]);
    if (key in tools) return () => this.tool(tools[key]);
    if (key === "escape" && this.pending) return () => this.undo();
    return null;
  }

  count(step) {
    if (!this.progress) return;
    const { done, left, total } = this.progress;
    this.progress = { done: done + step, left: left - step, total };
    this.panel.progress(this.progress);
  }

  report() {
    this.panel.saved(this.outbox);
    if (this.outbox.waiting.length > 0 || !this.outbox.progress) return;
    this.progress = this.outbox.progress;
    this.panel.progress(this.progress);
  }

  ended() {
    this.panel.askSignIn(this.server.session?.name ?? "", this.outbox.waiting.length);
  }

  troubled(error) {
    if (error instanceof SignedOut) return this.ended();
    if (error instanceof Refused) this.panel.blank("This worklist cannot be read", error.message);
    else if (!this.shown) this.panel.blank("No connection", "Images come as soon as the server answers.");
  }

  unkept(error) {
    this.panel.state("loading");
    this.panel.blank("This browser keeps nothing on this device", `Reading is off, since a verdict could be lost: ${error.message}`);
  }

  async signIn(name, password) {
    const before = this.server.session?.reader;
    try {
      await this.server.signIn(name, password);
    } catch (error) {
      return error instanceof Refused ? error.message : "The server does not answer.";
    }
    if (this.server.session.reader !== before) location.reload();
    this.outbox.flush();
    this.queue.load();
    this.queue.fill();
    return null;
  }
}

export default function ({ data, parentElement }) {
  if (parentElement.rounds) parentElement.rounds.update(data);
  else parentElement.rounds = new Viewer(parentElement, data);
  return () => {
    parentElement.rounds?.close();
    parentElement.rounds = null;
  };
}
