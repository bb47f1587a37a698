// The mouse on the image: drag is window and level, with Shift or the middle button it pans, the wheel zooms.

class Pointer {
  constructor(stage, marker) {
    this.stage = stage;
    this.marker = marker;
    stage.canvas.addEventListener("pointerdown", (event) => this.down(event));
    stage.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.canvas.addEventListener("dblclick", () => marker.active || stage.resetWindow());
  }

  wheel(event) {
    event.preventDefault();
    const { canvas } = this.stage;
    const ratio = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect();
    const px = (event.clientX - box.left) * ratio - canvas.width / 2;
    const py = (event.clientY - box.top) * ratio - canvas.height / 2;
    this.stage.zoomBy(Math.exp(-event.deltaY * 0.0015), px, py);
  }

  down(event) {
    if (!this.stage.item || event.button > 1) return;
    event.preventDefault();
    this.stage.canvas.focus({ preventScroll: true });
    const panning = event.shiftKey || event.button === 1;
    if (this.marker.active && !panning) return this.follow(event, this.marker.drag(event));
    const view = { ...this.stage.view };
    const ratio = window.devicePixelRatio || 1;
    this.follow(event, (moved) => {
      const dx = moved.clientX - event.clientX;
      const dy = moved.clientY - event.clientY;
      if (!panning) return this.stage.window(view, dx, dy);
      this.stage.move(view, dx * ratio, dy * ratio);
    });
  }

  // Calls move(event, last) until the button is up; the last time with last true.
  follow(start, move) {
    const { canvas } = this.stage;
    canvas.setPointerCapture(start.pointerId);
    const moved = (event) => move(event, false);
    const stop = (event) => {
      canvas.removeEventListener("pointermove", moved);
      canvas.removeEventListener("pointerup", stop);
      canvas.removeEventListener("pointercancel", stop);
      move(event, true);
    };
    canvas.addEventListener("pointermove", moved);
    canvas.addEventListener("pointerup", stop);
    canvas.addEventListener("pointercancel", stop);
  }
}
