// The verdict being formed on the image on the screen, and what the next digit means for it.

const RATINGS = [
  { code: "anatomy", text: "Anatomy" },
  { code: "typicality", text: "Typical of class" },
  { code: "quality", text: "Image quality" },
];
const CONFIDENCES = [
  "Surely synthetic",
  "Probably synthetic",
  "Rather synthetic",
  "Rather real",
  "Probably real",
  "Surely real",
];
const REAL_FROM = 4; // as the server has it: a confidence of 4 and more says real

class Draft {
  constructor(worklist) {
    this.worklist = worklist;
    this.clear();
  }

  clear() {
    this.asking = null; // null, "accept" (its class), "reject" (its reason), "label" or "rate"
    this.rated = 0; // which rating the next digit gives
    this.reasons = new Set();
    this.label = null;
    this.comment = "";
    this.ratings = {};
    this.mark = null;
  }

  // Esc: a list that is open closes; reasons are let go with the list they stand in, or without one open.
  cancel() {
    if (this.asking === null || this.asking === "reject") this.reasons.clear();
    this.asking = null;
    this.rated = 0;
  }

  get isTuring() {
    return this.worklist.kind === "turing";
  }

  ask(what) {
    this.asking = this.asking === what ? null : what;
    this.rated = 0;
  }

  // What stands in the list: a title, and choices by key.
  get choices() {
    const { worklist } = this;
    if (this.asking === "accept") return { title: "Which class is it?", list: this.classes };
    if (this.asking === "label") return { title: "Its class is rather", list: this.classes };
    if (this.isTuring) {
      const list = CONFIDENCES.map((text, index) => ({ key: String(index + 1), text }));
      return { title: "Synthetic, or real?", list };
    }
    const list = worklist.reasons.map(({ key, code, text }) => ({ key, text, pressed: this.reasons.has(code) }));
    if (this.asking === "reject") return { title: "Why? X again for no reason", list };
    if (this.reasons.size > 0) return { title: "X rejects with what is marked", list };
    return { title: worklist.label_shown ? "Reject, with the reason; Shift for several" : "Reject: X, then the reason", list };
  }

  get classes() {
    return this.worklist.classes.map((name, index) => ({
      key: String(index + 1),
      text: readable(name),
      pressed: this.asking === "label" ? this.label === name : undefined,
    }));
  }

  toggleReason(reason) {
    if (this.reasons.has(reason.code)) this.reasons.delete(reason.code);
    else this.reasons.add(reason.code);
  }

  rate(score) {
    if (score > 5) return;
    this.ratings[RATINGS[this.rated].code] = score;
    this.rated += 1;
    if (this.rated === RATINGS.length) this.ask(null);
  }

  correct(name) {
    this.label = this.label === name ? null : name;
    this.ask(null);
  }

  // The body of a reading, less what only the viewer knows. The class of a label-blind accept comes as `label`.
  body(verdict, label, confidence) {
    return {
      verdict,
      reasons: verdict === "reject" ? [...this.reasons] : [],
      corrected_label: label ?? this.label,
      comment: this.comment.trim() || null,
      mode: "single",
      ratings: Object.keys(this.ratings).length > 0 ? { ...this.ratings } : null,
      mark: this.mark,
      confidence,
    };
  }

  // What the filmstrip and the screen reader say of it.
  said(body) {
    if (body.confidence) return CONFIDENCES[body.confidence - 1];
    const texts = body.reasons.map((code) => this.worklist.reasons.find((reason) => reason.code === code).text);
    const label = body.corrected_label ? [readable(body.corrected_label)] : [];
    return [SAID[body.verdict], ...label, ...texts].join(", ");
  }
}

function readable(label) {
  const text = label.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
