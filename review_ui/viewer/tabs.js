// Other tabs of the same reader: both save, but they share leases, so each hears what the other has read.

const ASK_AGAIN_MS = 5_000;
const ANSWER_MS = 1_500;

class Tabs {
  // `others(there)` when another tab starts or stops reading, `read(key)` when it has read an image, `gone()` when one
  // was closed: what it had not sent yet is ours to send.
  constructor(reader, on) {
    this.on = on;
    this.there = false;
    this.channel = new BroadcastChannel(`rounds-reading-${reader}`);
    this.channel.onmessage = ({ data }) => this.hear(data);
    this.leave = () => this.channel.postMessage({ kind: "gone" });
    window.addEventListener("pagehide", this.leave);
    this.ask();
    this.asking = setInterval(() => this.there && this.ask(), ASK_AGAIN_MS);
  }

  close() {
    this.leave();
    window.removeEventListener("pagehide", this.leave);
    clearInterval(this.asking);
    clearTimeout(this.silence);
    this.channel.close();
  }

  ask() {
    this.channel.postMessage({ kind: "ask" });
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.set(false), ANSWER_MS);
  }

  hear({ kind, key }) {
    if (kind === "ask") this.channel.postMessage({ kind: "here" });
    if (kind === "ask" || kind === "here") {
      clearTimeout(this.silence);
      this.set(true);
    }
    if (kind === "gone") {
      this.on.gone();
      this.ask(); // there may be a third
    }
    if (kind === "read") this.on.read(key);
  }

  set(there) {
    if (this.there === there) return;
    this.there = there;
    this.on.others(there);
  }

  hasRead(key) {
    this.channel.postMessage({ kind: "read", key });
  }
}
