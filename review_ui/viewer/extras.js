// What a reader may add to a verdict: another class, a comment, ratings, a place on the image.

class Extras {
  constructor(slots, on) {
    this.slots = slots;
    this.on = on;
    this.field = slots.comment;
    this.field.addEventListener("input", () => (this.draft.comment = this.field.value));
    this.field.addEventListener("blur", () => this.leave());
    this.build();
  }

  // The three scales, once: five buttons each.
  build() {
    this.scales = RATINGS.map(({ text }, scale) => {
      const row = document.createElement("div");
      row.setAttribute("role", "group");
      row.setAttribute("aria-label", text);
      row.append(line("span", text));
      for (let score = 1; score <= 5; score += 1) {
        const button = line("button", String(score));
        button.type = "button";
        button.addEventListener("click", () => this.on.rate(scale, score));
        row.append(button);
      }
      return row;
    });
    this.slots.ratings.replaceChildren(...this.scales);
  }

  enter(worklist, draft) {
    this.draft = draft;
    const isVerdict = worklist.kind === "verdict" || worklist.kind === "practice";
    this.slots.ratings.hidden = !worklist.ratings;
    this.slots["tool-rate"].hidden = !worklist.ratings;
    this.slots["tool-label"].hidden = !isVerdict || !worklist.label_shown;
    this.show();
  }

  show() {
    const { draft } = this;
    write(this.slots["said-label"], draft.label ? readable(draft.label) : "Other class");
    write(this.slots["said-here"], draft.mark ? (draft.mark.kind === "box" ? "Here: a box" : "Here: a point") : "Point here");
    write(this.slots["said-comment"], draft.comment ? "Commented" : "Comment");
    this.showRatings();
    if (this.field !== this.field.getRootNode().activeElement) {
      this.field.value = draft.comment;
      this.field.hidden = draft.comment === "";
    }
  }

  showRatings() {
    if (this.slots.ratings.hidden) return;
    for (const [index, row] of this.scales.entries()) {
      const score = this.draft.ratings[RATINGS[index].code];
      row.toggleAttribute("data-next", this.draft.asking === "rate" && this.draft.rated === index);
      for (const [at, button] of [...row.querySelectorAll("button")].entries())
        button.setAttribute("aria-pressed", String(score === at + 1));
    }
  }

  comment() {
    this.field.hidden = false;
    this.field.focus();
  }

  leave() {
    this.field.blur();
    this.draft.comment = this.field.value;
    this.show();
  }
}
