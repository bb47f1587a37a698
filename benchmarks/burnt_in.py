"""How often the test for burnt-in text finds text written over cohort slices, and finds none.

python benchmarks/burnt_in.py [DIRECTORY] [--slices 100] [--size 256]

Names and dates in Pillow's built-in font, white or black with a contrasting edge, in corners and anywhere; through PNG
and through JPEG. DIRECTORY holds pictures without text: their false alarms are counted too.
"""

import argparse
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from statsmodels.stats.proportion import proportion_confint

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.burnt_in import looks_burnt_in
from curation.ingest.formats.picture_files import SUFFIXES, decode_picture
from curation.ingest.virtual_brains.render import render

WORDS = ("MUSTERMANN ERIKA", "Smith, John 12.08.1964", "ID 4711-0815", "1964-08-12 F 60Y", "Klinikum Nord CT2")
HEIGHTS = (8, 10, 14, 20)
FIRST = 1_000  # the test was tuned on slices 0 to 39
LEAST_HITS, MOST_ALARMS = 0.9, 0.05


def main() -> None:
    """Print hits by height of the letters, and false alarms, with 95 % Clopper-Pearson intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    planes = [render(FIRST + number, options.size).pixels for number in range(options.slices)]
    start = time.perf_counter()
    alarms = [looks_burnt_in(plane[:, :, None]) is not None for plane in planes]
    each_ms = (time.perf_counter() - start) / len(planes) * 1000
    print(f"false alarms, cohort slices of {options.size}: {share(alarms)}; {each_ms:.1f} ms a picture")
    hits = {}
    for height in HEIGHTS:
        rng = np.random.default_rng(height)
        flagged = [looks_burnt_in(written(plane, height, rng)) is not None for plane in planes]
        hits[height] = float(np.mean(flagged))
        print(f"found, letters of {height} points: {share(flagged)}")
    if options.directory:
        strangers = [looks_burnt_in(pixels) is not None for pixels in pictures(options.directory)]
        print(f"false alarms, {options.directory.name}: {share(strangers)}")
    assert min(hits[height] for height in HEIGHTS[1:]) >= LEAST_HITS
    assert float(np.mean(alarms)) <= MOST_ALARMS


def written(plane: NDArray[np.uint8], height: int, rng: np.random.Generator) -> Pixels:
    """The slice with one line of text: half of them in a corner, half through JPEG."""
    picture = Image.fromarray(plane)
    font = ImageFont.load_default(height)
    word = WORDS[rng.integers(len(WORDS))]
    draw = ImageDraw.Draw(picture)
    _, _, width, depth = draw.textbbox((0, 0), word, font)
    room = max(1, plane.shape[1] - int(width) - 4), max(1, plane.shape[0] - int(depth) - 4)
    corner = (2 + room[0] * rng.integers(2), 2 + room[1] * rng.integers(2))
    anywhere = (2 + rng.integers(room[0]), 2 + rng.integers(room[1]))
    draw.text(corner if rng.random() < 0.5 else anywhere, word, 255, font, stroke_width=1, stroke_fill=0)
    if rng.random() < 0.5:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        return decode_picture(buffer.getvalue())[0]
    return np.asarray(picture)[:, :, None]


def pictures(directory: Path) -> Iterator[Pixels]:
    """Every readable picture below a folder."""
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            try:
                yield decode_picture(path.read_bytes())[0]
            except BadInput:
                continue


def share(flagged: list[bool]) -> str:
    """k of n with its interval."""
    low, high = proportion_confint(sum(flagged), len(flagged), method="beta")
    return f"{sum(flagged)} of {len(flagged)} ({100 * low:.0f} to {100 * high:.0f} %)"


if __name__ == "__main__":
    main()
