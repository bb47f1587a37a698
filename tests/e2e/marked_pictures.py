"""Pictures that carry their number, so that a test reads off the screen itself which image was on it."""

import numpy as np

from curation.image_store import Pixels

SIZE = 64  # pixels: a white frame of 4, black 3, then 5 x 5 cells of 10
CELLS, CELL, INSET = 5, 10, 7
NUMBER_BITS, CHECK_BITS = 13, 12
MOST = 2**NUMBER_BITS

# In the page: the number painted on the canvas, or null when there is none or the checksum is wrong.
PAINTED_NUMBER = """
() => {
  const host = [...document.querySelectorAll("*")].find((node) => node.shadowRoot?.querySelector(".stage canvas"));
  const canvas = host?.shadowRoot.querySelector(".stage canvas");
  if (!canvas) return null;
  const context = canvas.getContext("2d");
  const bounds = (line) => [line.findIndex((value) => value > 127), line.findLastIndex((value) => value > 127) + 1];
  const reds = (...box) => [...context.getImageData(...box).data].filter((_, n) => n % 4 === 0);
  const [left, right] = bounds(reds(0, canvas.height >> 1, canvas.width, 1));
  const [top, bottom] = bounds(reds(canvas.width >> 1, 0, 1, canvas.height));
  if (left < 0 || top < 0 || right - left < 64) return null;
  let bits = "";
  for (let cell = 0; cell < 25; cell += 1) {
    const x = left + ((7 + 10 * (cell % 5) + 5) / 64) * (right - left);
    const y = top + ((7 + 10 * Math.floor(cell / 5) + 5) / 64) * (bottom - top);
    bits += context.getImageData(Math.round(x), Math.round(y), 1, 1).data[0] > 127 ? "1" : "0";
  }
  const number = parseInt(bits.slice(0, 13), 2);
  return parseInt(bits.slice(13), 2) === (number * 37 + 11) % 4096 ? number : null;
}
"""


def marked_picture(number: int) -> Pixels:
    """The picture of a number below 8192: (64, 64, 1) uint8."""
    if not 0 <= number < MOST:
        raise ValueError(f"expected a number from 0 to {MOST - 1}, got {number}")
    check = (number * 37 + 11) % 2**CHECK_BITS
    bits = [int(bit) for bit in f"{number:0{NUMBER_BITS}b}{check:0{CHECK_BITS}b}"]
    picture = np.zeros((SIZE, SIZE, 1), dtype=np.uint8)
    picture[:4] = picture[-4:] = 255
    picture[:, :4] = picture[:, -4:] = 255
    cells = np.kron(np.array(bits).reshape(CELLS, CELLS), np.ones((CELL, CELL), dtype=int))
    picture[INSET:-INSET, INSET:-INSET, 0] = 255 * cells
    return picture
