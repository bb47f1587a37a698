// Reading time: how long an image was looked at, without the time nobody was there, and when a break is due.

const IDLE_MS = 60_000; // what goes beyond this without a key or the mouse is not reading
const BREAK_AFTER_MS = 30 * 60_000;
const RESTED_MS = 5 * 60_000; // away this long is a break
const READ_KEY = "rounds-read-ms";
const SIGNS_OF_LIFE = ["keydown", "pointermove", "pointerdown", "wheel"];

class Clock {
  constructor() {
    this.readMs = Number(sessionStorage.getItem(READ_KEY) ?? 0); // since the last break
    this.alive = () => this.sign();
    for (const name of SIGNS_OF_LIFE) window.addEventListener(name, this.alive, { capture: true, passive: true });
    this.start();
  }

  close() {
    for (const name of SIGNS_OF_LIFE) window.removeEventListener(name, this.alive, { capture: true });
  }

  // An image is on the screen.
  start() {
    this.startedAt = this.lastAt = performance.now();
    this.idleMs = 0;
  }

  sign() {
    const now = performance.now();
    const away = now - this.lastAt;
    if (away > IDLE_MS) this.idleMs += away - IDLE_MS;
    if (away > RESTED_MS) this.rested();
    this.lastAt = now;
  }

  // Another image is looked at meanwhile.
  pause() {
    this.sign();
    this.pausedAt = this.lastAt;
  }

  resume() {
    this.lastAt = performance.now();
    this.startedAt += this.lastAt - this.pausedAt;
  }

  // A verdict: both parts of the time since the image appeared, as a reading carries them.
  stop() {
    this.sign();
    const idle_ms = Math.round(this.idleMs);
    const elapsed_ms = Math.max(0, Math.round(this.lastAt - this.startedAt) - idle_ms);
    this.readMs += elapsed_ms;
    sessionStorage.setItem(READ_KEY, this.readMs);
    return { elapsed_ms, idle_ms };
  }

  get breakDue() {
    return this.readMs >= BREAK_AFTER_MS;
  }

  rested() {
    this.readMs = 0;
    sessionStorage.setItem(READ_KEY, 0);
  }
}

// "About 12 min left" from the median of what was read last; null while that says too little.
function timeLeft(elapsed, left) {
  if (elapsed.length < 5 || left === 0) return null;
  const sorted = [...elapsed].sort((one, other) => one - other);
  const minutes = (sorted[Math.floor(sorted.length / 2)] * left) / 60_000;
  if (minutes < 1) return "under a minute";
  if (minutes < 90) return `about ${Math.round(minutes)} min`;
  return `about ${(minutes / 60).toFixed(1)} h`;
}
