// The room around the reading: its parts, opening a worklist, the connection, and signing in again.

const CHOICE_KEY = "rounds-worklist";
const MODE_KEY = "rounds-mode";
const CONSENT = { text: "Purpose and consent", href: "/rounds/welcome" };

// A choice is the tab's own, so that two tabs may read two worklists; a new tab begins with the device's last one.
function kept(key) {
  return sessionStorage.getItem(key) ?? localStorage.getItem(key);
}

function keep(key, value) {
  for (const storage of [sessionStorage, localStorage]) storage.setItem(key, value);
}

class Room {
  constructor(root, data) {
    this.root = root;
    this.mode = "single"; // or "grid" or "adjudicate": how this worklist is read
    this.shown = null; // the image that a verdict would be on
    this.told = null; // a verdict whose answer stands beside its image: practice and adjudication
    this.lookedAt = null; // an entry of the filmstrip, shown again
    this.resting = false;
    this.undone = new Map(); // images that an undo under way has put back, by its op_id
    this.failures = 0; // tries to start that failed, in a row
    this.server = new Server();
    this.panel = new Panel(root, {
      verdict: (verdict) => this.verdict(verdict),
      tool: (name) => this.tool(name),
      worklist: (id, mode) => this.open(id, mode),
      signIn: (name, password) => this.signIn(name, password),
    });
    const { slots } = this.panel;
    this.strip = new Strip(slots.strip, (entry) => this.lookBack(entry));
    this.telling = new Telling(slots.telling, () => this.goOn());
    this.extras = new Extras(slots, { rate: (scale, score) => this.rate(scale, score) });
    this.theme = new Theme(this.panel.room, slots.theme, () => location.reload());
    this.references = new References(slots.references, this.server);
    this.scaleBar = new ScaleBar(slots.scale);
    this.clock = new Clock();
    this.marker = new Marker((mark) => this.pointed(mark), (active) => this.pointing(active));
    const canvas = root.querySelector(".stage canvas");
    const overlay = (context, stage) => this.marker.draw(context, stage);
    this.stage = new Stage(canvas, (stage) => this.painted(stage), overlay, (count) => this.following(count));
    this.pointer = new Pointer(this.stage, this.marker);
    this.outbox = new Outbox(this.server, {
      changed: () => this.report(),
      answered: (entry, result) => this.answered(entry, result),
      signedOut: () => this.ended(),
    });
    this.grid = new Grid(this);
    this.keys = new Keys(this);
    // Streamlit's "Connection error" dialog makes the whole page inert; reading goes on without a connection.
    this.dialogs = new MutationObserver(() => document.querySelector(".stDialog button")?.click());
    this.dialogs.observe(document.body, { childList: true });
    this.clicked = (event) => event.detail > 0 && event.target.closest?.("a") && setTimeout(() => this.takeFocus());
    document.addEventListener("click", this.clicked);
    this.update(data);
    this.start();
  }

  // Called again on every Streamlit rerun: only the list of worklists can have changed.
  update(data) {
    this.worklists = data.worklists;
    if (this.worklist) this.panel.worklists(this.worklists, this.worklist, this.mode);
  }

  async start() {
    this.panel.state("loading");
    try {
      const session = await this.server.open();
      this.panel.slots.account.textContent = session.name;
      await this.outbox.open();
      if (this.closed) return this.outbox.close();
      this.tabs ??= new Tabs(session.reader, {
        others: (there) => this.panel.say("other-tab", there && "Another tab of yours is open here. Read in one of them."),
        read: (key) => this.readElsewhere(key),
        gone: () => this.outbox.flush(),
      });
      const remembered = Number(kept(CHOICE_KEY));
      const chosen = this.worklists.find((worklist) => worklist.id === remembered);
      const disputed = this.worklists.find((worklist) => worklist.disputed > 0); // an adjudicator's own task
      const mode = chosen ? kept(MODE_KEY) : disputed && "adjudicate";
      this.open((chosen ?? disputed ?? this.worklists[0]).id, mode ?? "single");
      this.takeFocus();
      this.outbox.flush();
    } catch (error) {
      if (this.closed) return;
      if (error instanceof SignedOut) return location.assign("/rounds/sign-in");
      if (error instanceof Refused) return this.panel.blank("This page cannot be read", error.message);
      if (!(error instanceof Offline)) return this.unkept(error);
      this.panel.blank("No connection", "The server does not answer. Trying again.");
      this.timer = setTimeout(() => this.start(), pauseAfter(this.failures));
      this.failures += 1;
    }
  }

  // Who came by a link of the bar, or clicked it, goes on with the keys of reading: it would keep Enter and Space to itself.
  takeFocus() {
    if (this.closed || !document.activeElement?.closest("a")) return;
    this.root.querySelector(this.mode === "grid" ? ".tiles" : ".stage canvas").focus({ preventScroll: true });
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.dialogs.disconnect();
    document.removeEventListener("click", this.clicked);
    this.queue?.close();
    for (const part of [this.keys, this.clock, this.outbox, this.stage, this.grid, this.tabs]) part?.close();
  }

  open(worklistId, mode) {
    this.worklist = this.worklists.find((worklist) => worklist.id === worklistId);
    this.mode = this.worklist.modes.includes(mode) ? mode : this.worklist.modes[0];
    keep(CHOICE_KEY, worklistId);
    keep(MODE_KEY, this.mode);
    const { reader } = this.server.session;
    const before = this.queue?.worklistId === worklistId ? this.queue : null;
    this.queue?.close();
    this.shown = this.told = this.lookedAt = null;
    this.draft = new Draft(this.worklist);
    this.sitting = new Sitting(reader, worklistId, this.mode);
    this.progress = this.outbox.progress = null;
    this.marker.mark = null;
    this.references.close();
    this.telling.hide();
    this.stage.enter(this.worklist.modality, this.worklist.window, new KeptView(reader, this.worklist));
    this.extras.enter(this.worklist, this.draft);
    this.panel.worklists(this.worklists, this.worklist, this.mode);
    this.strip.all(this.sitting.entries, false);
    const failed = (error) => this.troubled(error);
    this.grid.enter(this.worklist, reader);
    this.panel.mayUndo(this.mayUndo);
    this.queue = new Queue(this.server, this.outbox, worklistId, this.mode, () => this.arrived(), failed, this.grid.ahead);
    if (before) this.queue.inherit(before);
    this.show();
    this.queue.fill();
  }

  arrived() {
    if (this.queue.progress) {
      const underWay = this.outbox.waiting.filter((entry) => entry.worklist_id === this.worklist.id);
      const ahead = underWay.reduce((sum, entry) => sum + (entry.kind === "reading" ? 1 : -1), 0);
      const { done, left, total, about } = this.queue.progress;
      this.progress = { done: done + ahead, left: about ? left : Math.max(0, left - ahead), total, about };
      this.queue.progress = null;
    }
    if (!this.shown) this.show();
    else this.stage.prepared.follow();
    if (this.progress) this.showProgress(); // its words depend on whether an image is there
  }

  // The images after the one on the screen whose pixels are here; pages are not drawn on the stage.
  following(count) {
    const items = this.grid?.on ? [] : (this.queue?.items ?? []);
    return items.slice(1, count + 1).filter((item) => item.pixels);
  }

  painted(stage) {
    if (this.mode === "grid") this.grid.tiles.follow();
    this.panel.view(stage);
    this.scaleBar.update(stage);
    this.references.paint(stage);
  }

  showProgress() {
    this.panel.progress(this.progress, this.sitting.elapsed);
  }

  count(step) {
    if (!this.progress) return;
    const { done, left, total, about } = this.progress;
    this.progress = { done: done + step, left: about ? left : Math.max(0, left - step), total, about };
    this.showProgress();
  }

  report() {
    this.panel.saved(this.outbox);
    this.grid?.sent();
    if (this.outbox.waiting.length > 0 || !this.outbox.progress) return;
    this.progress = this.outbox.progress;
    this.showProgress();
  }

  ended() {
    this.panel.askSignIn(this.server.session?.name ?? "", this.outbox.waiting.length);
  }

  troubled(error) {
    if (error instanceof SignedOut) return this.ended();
    if (error instanceof Refused) return this.told ? null : this.show();
    if (!this.shown) this.panel.blank("No connection", "Images come as soon as the server answers.");
  }

  showRefusal({ message }) {
    this.panel.state("loading");
    if (!message.includes(CONSENT.href)) return this.panel.blank("This worklist cannot be read", message);
    this.panel.blank("Before you read", "One page says what is recorded and asks for your consent.", CONSENT);
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
    this.queue.resume();
    if (!this.shown && !this.told) this.show();
    return null;
  }
}
