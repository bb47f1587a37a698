// Stored values to gray values, and those to a canvas. The worker of `prepared.js` runs the same functions.

// An image enlarged smoothly on black.
function drawEnlarged(context, native, [left, top, width, height]) {
  context.fillStyle = "#000";
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(native, left, top, width, height);
}

// A picture as large as the canvas, pixel by pixel.
function drawPrepared(context, picture) {
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0);
}

// Stored values to screen values, into a canvas of the image's own size; returns the buffer for the next one.
function paintNative(canvas, item, table, buffer = null) {
  const [height, width, channels] = item.shape;
  const context = canvas.getContext("2d");
  let target = buffer;
  if (canvas.width !== width || canvas.height !== height || !buffer) {
    canvas.width = width;
    canvas.height = height;
    target = context.createImageData(width, height);
  }
  const out = target.data;
  const pixels = item.pixels;
  const step = channels === 3 ? 1 : 0;
  for (let from = 0, to = 0; to < out.length; from += channels, to += 4) {
    out[to] = table[pixels[from]];
    out[to + 1] = table[pixels[from + step]];
    out[to + 2] = table[pixels[from + 2 * step]];
    out[to + 3] = 255;
  }
  context.putImageData(target, 0, 0);
  return target;
}
