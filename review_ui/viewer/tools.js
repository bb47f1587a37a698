// What the keys and buttons beside the verdicts do: the view, a place, a comment, a break, a look back.

class Tools extends Room {
  pointed(mark) {
    this.draft.mark = mark;
    this.extras.show();
  }

  pointing(active) {
    this.panel.room.toggleAttribute("data-pointing", active);
    this.panel.say("pointing", active && "Click a point or drag a box. By keys: arrows, then Enter; Space begins a box; Delete removes it.");
  }

  leaveComment() {
    this.extras.leave();
  }

  // What was begun last goes first: the list that is open, then the reasons marked, then the examples.
  escape() {
    const { draft, references } = this;
    if (draft.asking || draft.reasons.size > 0) {
      draft.cancel();
      this.showDraft();
    } else if (references.open) references.close();
  }

  tool(name) {
    const { stage } = this;
    const tools = {
      undo: () => this.undo(),
      invert: () => stage.invert(),
      fit: () => stage.toggleFit(),
      "fit-all": () => stage.fit(),
      closer: () => stage.zoomBy(1.25),
      farther: () => stage.zoomBy(0.8),
      preset: () => stage.cycle(1),
      label: () => !this.panel.slots["tool-label"].hidden && this.ask("label"),
      rate: () => this.worklist.ratings && this.ask("rate"),
      comment: () => this.shown && !this.lookedAt && this.extras.comment(),
      here: () => this.shown && !this.lookedAt && this.marker.toggle(stage),
      references: () => this.references.toggle(this.worklist.id, stage, this.shown?.label),
      grid: () => this.grid.toggle(),
      help: () => this.panel.slots.help.showModal(),
      dismiss: () => this.outbox.dismissRefused(),
      rest: () => this.rest(true),
      "no-rest": () => this.rest(false),
      back: () => this.lookBack(null),
    };
    tools[name]();
  }

  // A break: nothing to see, nothing counted.
  rest(resting) {
    const wasResting = this.resting;
    this.resting = resting;
    this.clock.rested();
    this.panel.say("rest", "");
    if (resting || wasResting) this.show();
  }

  // An image of the filmstrip once more, with what was said of it; null returns to reading.
  async lookBack(entry) {
    if (!this.lookedAt && entry) this.clock.pause();
    if (this.lookedAt && !entry) this.clock.resume();
    this.lookedAt = entry;
    this.panel.say("looking", entry && `Looking back: ${entry.said}`);
    this.marker.mark = entry ? entry.here : this.draft.mark;
    this.panel.blank(null);
    this.panel.class(this.worklist, entry ? entry.item : this.shown);
    if (!entry) return this.comeBack();
    this.panel.state("looking");
    if (entry.item.pixels) return this.stage.show(entry.item);
    this.stage.show(null);
    const pixels = typed(await this.server.pixels(entry.item.key), entry.item.bits);
    if (this.lookedAt === entry) this.stage.show({ ...entry.item, pixels });
  }

  comeBack() {
    this.stage.show(this.shown);
    if (this.told) this.panel.state("told", this.told.revealed);
    else if (this.shown) this.panel.state("reading");
    else this.show();
  }
}
