// The viewer: key press, verdict into the outbox, next image painted from memory. The browser waits for nobody.

class Viewer extends Tools {
  // What others said has been seen, or what was right: there is no way back before that.
  get tells() {
    return this.worklist.kind === "practice" || this.mode === "adjudicate";
  }

  get mayUndo() {
    return !this.tells && (this.sitting.entries.length > 0 || this.grid.isLast);
  }

  // Paint the head of the queue if its pixels are here; a verdict can only be given on what is painted.
  show() {
    if (this.grid.on) return this.grid.show();
    const item = this.queue.refusal ? null : this.queue.head;
    this.shown = item?.pixels && !this.resting ? item : null;
    if (this.shown) {
      this.panel.blank(null);
      this.stage.show(item);
      this.clock.start();
      this.panel.state("reading");
    } else {
      this.stage.show(null);
      this.showNothing(!item && this.queue.exhausted);
    }
    this.panel.item(this.worklist, this.shown);
    this.references.follow(this.shown?.label);
    this.showDraft();
  }

  showNothing(exhausted) {
    const { panel } = this;
    if (this.resting) {
      panel.state("resting");
      return panel.blank("Paused", "The clock stands still.", { text: "Go on reading", act: () => this.rest(false) });
    }
    if (this.queue.refusal) return this.showRefusal(this.queue.refusal);
    panel.state(exhausted && this.queue.withOthers === 0 ? "done" : "loading");
    if (!exhausted) return panel.blank("Loading", "The first images are on their way.");
    if (this.queue.paused) return panel.blank("This worklist is paused", "It goes on once whoever organises the reading resumes it.");
    if (this.queue.withOthers > 0) return panel.blank("One moment", "The images that are left are with other readers. Asking again.");
    if (this.worklist.kind !== "practice") {
      const another = this.worklists.length > 1 ? " Another can be chosen at the top right." : "";
      return panel.blank("All read", `Nothing is waiting for you in this worklist.${another}`);
    }
    const step = { text: "Start reading", act: () => location.reload() };
    panel.blank("Practice is over", "From here you are not told whether you are right.", step);
  }

  showDraft() {
    const { asking } = this.draft;
    this.panel.pending(asking === "accept" || asking === "reject" ? asking : null);
    const { title, list } = this.draft.choices;
    this.panel.choices(title, list, (index, shift) => this.pick(index, shift));
    this.extras.show();
  }

  verdict(verdict, label = null, confidence = null) {
    const { draft } = this;
    const mayChange = this.told?.revealed;
    if (!this.shown || this.lookedAt || (this.told && !mayChange)) return;
    if (draft.isTuring && confidence === null) return;
    const isBlind = !this.worklist.label_shown && !draft.isTuring;
    if (isBlind && verdict === "accept" && label === null) return this.ask("accept");
    if (isBlind && verdict === "reject" && draft.asking !== "reject" && draft.reasons.size === 0) return this.ask("reject");
    this.give(draft.body(verdict, label, confidence));
  }

  give(body) {
    const item = this.shown;
    const opId = randomHex();
    const times = this.clock.stop();
    const fixed = { assignment_key: item.key, page_id: null, after_reveal: this.told !== null };
    const reading = { ...body, ...times, ...fixed, read_at: new Date().toISOString() };
    this.outbox.add(this.worklist.id, this.mode, "reading", opId, reading).catch((error) => this.unkept(error));
    const { verdict, mark: here, confidence } = body;
    const said = this.draft.said(body);
    const picture = miniature(this.stage.native);
    const sign = String(confidence ?? MARKS[verdict]);
    const entry = { opId, item, verdict, sign, said, here, comment: body.comment, picture, ...times };
    this.draft.clear();
    this.marker.mark = null;
    this.grid.side.read();
    this.tabs?.hasRead(item.key);
    if (this.told) return this.changed(entry);
    if (this.tells) this.waitFor(opId);
    else this.next();
    this.sitting.add(entry);
    this.strip.add(entry);
    this.panel.mayUndo(this.mayUndo);
    this.count(1);
    this.panel.speak(said);
    if (this.clock.breakDue) this.panel.say("rest", "You have read for half an hour. A short break keeps the eye fresh.");
  }

  next() {
    this.queue.advance();
    this.show();
  }

  // Practice and adjudication: the image stays until its answer has been read.
  waitFor(opId) {
    this.told = { opId, revealed: false };
    this.panel.state("told");
    this.telling.wait(this.mode);
    this.stage.draw();
    this.showDraft();
  }

  answered(entry, result) {
    if (entry.kind === "undo") return this.undoAnswered(entry, result);
    if (this.told?.opId !== entry.op_id) return;
    if (result.state === "refused") return this.telling.refuse(result.error);
    if (result.feedback) this.telling.feedback(result.feedback);
    if (!result.reveal) return;
    this.told.revealed = true;
    this.telling.reveal(result.reveal, this.draft);
    this.clock.start();
    this.panel.state("told", true);
  }

  // An undo that was not taken: the reading stands, so its image goes again.
  undoAnswered(entry, result) {
    const key = this.undone.get(entry.op_id);
    this.undone.delete(entry.op_id);
    if (!key || result.state !== "refused" || !this.queue) return;
    if (this.shown?.key === key) this.draft.clear();
    this.readElsewhere(key);
  }

  changed(entry) {
    this.strip.add(entry);
    this.panel.speak(`Changed: ${entry.said}`);
    this.goOn();
  }

  goOn() {
    this.told = null;
    this.draft.clear();
    this.marker.mark = null;
    this.telling.hide();
    this.next();
  }

  ask(what) {
    if (!this.shown) return;
    this.draft.ask(what);
    this.showDraft();
  }

  // A digit does what the list says, but in label-blind reading a reason only follows X.
  digit(index, shift) {
    const isBlind = !this.worklist.label_shown && !this.draft.isTuring;
    if (this.draft.asking === "rate") return this.rate(this.draft.rated, index + 1);
    if (isBlind && !this.draft.asking && !shift) return;
    this.pick(index, shift);
  }

  pick(index, shift) {
    const { draft, worklist } = this;
    if (!this.shown || this.lookedAt || (this.told && !this.told.revealed)) return;
    const label = worklist.classes[index];
    if (draft.asking === "accept") return label && this.verdict("accept", label);
    if (draft.asking === "label") return label && this.correct(label);
    if (draft.isTuring) {
      const confidence = index + 1;
      return confidence <= CONFIDENCES.length && this.verdict(confidence >= REAL_FROM ? "accept" : "reject", null, confidence);
    }
    const reason = worklist.reasons[index];
    if (!reason) return;
    if (shift) draft.toggleReason(reason);
    else draft.reasons.add(reason.code);
    if (shift) this.showDraft();
    else this.verdict("reject");
  }

  correct(label) {
    this.draft.correct(label);
    this.showDraft();
  }

  rate(scale, score) {
    if (!this.shown) return;
    this.draft.rated = scale;
    this.draft.rate(score);
    this.showDraft();
  }

  undo() {
    if (this.grid.on) return this.grid.undo();
    if (this.lookedAt) return this.lookBack(null);
    if (this.draft.asking) return this.ask(this.draft.asking);
    if (this.grid.isLast) return this.grid.undoFromOutside();
    const last = this.mayUndo ? this.sitting.takeBack() : null;
    if (!last) return;
    const opId = randomHex();
    this.undone.set(opId, last.item.key);
    const undone = this.outbox.add(this.worklist.id, this.mode, "undo", opId, { voids_op_id: last.opId });
    undone.catch((error) => this.unkept(error));
    this.queue.putBack(last.item);
    this.draft.clear();
    this.draft.comment = last.comment ?? "";
    this.marker.mark = this.draft.mark = last.here ?? null;
    this.show();
    this.queue.load();
    this.count(-1);
    this.strip.all(this.sitting.entries, true);
    this.panel.mayUndo(this.mayUndo);
    this.panel.speak("Undone");
  }

  readElsewhere(key) {
    if (this.told || !this.queue) return;
    this.queue.drop(key);
    if (this.grid.on) return this.grid.readElsewhere(key);
    if (this.shown?.key === key && !this.lookedAt) this.show();
  }
}

// Streamlit calls this on every change of data or theme. When one follows another while the module still loads, it calls
// both and then cleans up after the first: only the newest call's clean-up may close the viewer that they share.
export default function ({ data, parentElement }) {
  const call = (parentElement.roundsCall ?? 0) + 1;
  parentElement.roundsCall = call;
  if (parentElement.rounds) parentElement.rounds.update(data);
  else parentElement.rounds = new Viewer(parentElement, data);
  return () => {
    if (parentElement.roundsCall !== call) return;
    parentElement.rounds?.close();
    parentElement.rounds = null;
  };
}
