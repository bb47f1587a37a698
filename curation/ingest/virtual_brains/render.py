"""Render virtual subjects: axial T1 slices simulated from one template, each a function of its number.

With them the whole loop runs on a machine without data. They show the loop, not medicine: see `NOTICE`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.ingest.in_threads import map_batches
from curation.ingest.virtual_brains.anatomy import FIELD_OF_VIEW_MM, Field, Warp, frame_mm, smooth_field
from curation.ingest.virtual_brains.captions import Finding, describe_lesion, write_caption
from curation.ingest.virtual_brains.lesions import OldInfarct, RingLesion

NOTICE = "SIMULATED from one template; intervals cover warps, not patients; not for diagnosis"
CLASSES = ("normal", "ring_lesion", "old_infarct")
LESIONS: dict[str, type[RingLesion] | type[OldInfarct]] = {"ring_lesion": RingLesion, "old_infarct": OldInfarct}
SPLIT_SHARES = {"train": 0.60, "validation": 0.15, "test": 0.15, "reserve": 0.10}
SHIPPED_RANGE = range(900_000, 1_000_000)  # fitted into the shipped weights: always training subjects
_COHORT = "virtual-brains/1"
_OVERSAMPLING = 2
_BATCH = 16  # subjects that a process renders at once


@dataclass(frozen=True)
class VirtualSlice:
    """The only image of a subject. Anterior is up; the left of the image is the subject's right."""

    number: int
    subject: str
    label: str
    split: str
    pixels: NDArray[np.uint8]  # (H, W)
    mask: NDArray[np.uint8]  # (H, W) 1 in the lesion: rim and core of a ring, the wedge of an infarct
    spacing_mm: float
    caption: str  # in words, from the parameters of the lesion


def label_of(number: int) -> str:
    """The class of a subject; each class has a share of one third."""
    return CLASSES[int.from_bytes(_digest(number)[:8], "big") % len(CLASSES)]


def split_of(number: int) -> str:
    """The split of a subject, fixed by its number; the shipped range is always train."""
    if number in SHIPPED_RANGE:
        return "train"
    position = int.from_bytes(_digest(number)[8:16], "big") / 2**64
    for split, share in SPLIT_SHARES.items():
        if position < share:
            return split
        position -= share
    return "reserve"


def cohort_numbers(count: int, first: int = 0) -> range:
    """The numbers of `count` consecutive subjects."""
    return range(first, first + count)


def check_ordinary(numbers: Iterable[int]) -> None:
    """Raise BadInput for a number that cannot be imported: a negative one, or one the shipped weights saw."""
    for number in numbers:
        if number < 0 or number in SHIPPED_RANGE:
            raise BadInput(
                f"expected virtual subject numbers from 0 to {SHIPPED_RANGE.start - 1:,}, got {number:,}: "
                f"{SHIPPED_RANGE.start:,} to {SHIPPED_RANGE.stop - 1:,} are kept for the weights that Rounds ships. "
                "Ask for fewer subjects, or for a smaller first number."
            )


def render(number: int, size: int = 64) -> VirtualSlice:
    """Render the slice of a subject, `size` pixels square; the same number always gives the same pixels."""
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(_digest(number)[16:], "big")))
    label = label_of(number)
    warp = Warp.draw(rng)
    fine = size * _OVERSAMPLING
    lesion, finding = _draw_lesion(label, rng, warp)
    tissue = warp.sample(fine, lesion.push(fine) if lesion else None)
    tissue = tissue._replace(t1=_contrast(tissue.t1, tissue.gray, rng))
    t1, share = lesion.paint(tissue) if lesion else (tissue.t1, np.zeros_like(tissue.t1))
    brain = _area_mean(tissue.brain)
    mask = (_area_mean(share) > 0.5) & (brain > 0.5)
    return VirtualSlice(
        number=number,
        subject=f"vb-{number:06d}",
        label=label,
        split=split_of(number),
        pixels=_acquire(_area_mean(t1), brain, rng),
        mask=mask.astype(np.uint8),
        spacing_mm=FIELD_OF_VIEW_MM / size,
        caption=write_caption(label, finding, _digest(number)[1]),
    )


def _draw_lesion(
    label: str, rng: np.random.Generator, warp: Warp
) -> tuple[RingLesion | OldInfarct | None, Finding | None]:
    """Draw the lesion of a class, and describe where it lies in this brain; a normal one has none."""
    if label not in LESIONS:
        return None, None
    coarse = warp.sample(64)
    lesion = LESIONS[label].draw(rng, coarse)
    x, y = frame_mm(64)
    brain = coarse.brain > 0.5
    return lesion, describe_lesion(
        label, lesion, float(x[brain].mean()), (float(y[brain].min()), float(y[brain].max()))
    )


def render_many(numbers: Iterable[int], workers: int = 1, size: int = 64) -> Iterator[VirtualSlice]:
    """Render subjects in the order given, as a stream; more than one worker uses that many processes."""
    if workers <= 1:
        for number in numbers:
            yield render(number, size)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from map_batches(pool, workers, partial(_render_batch, size=size), numbers, _BATCH)


def _render_batch(numbers: list[int], size: int) -> list[VirtualSlice]:
    return [render(number, size) for number in numbers]


def _digest(number: int) -> bytes:
    return hashlib.sha256(f"{_COHORT}:{number}".encode()).digest()


def _contrast(t1: Field, gray: Field, rng: np.random.Generator) -> Field:
    """Vary the contrast between gray and white matter, as sequences and ages do."""
    return (t1 - rng.uniform(0.02, 0.12) * gray).astype(np.float32)


def _area_mean(picture: Field) -> Field:
    """Average blocks of pixels, so that edges are anti-aliased: (k * n, k * n) to (n, n)."""
    n = picture.shape[0] // _OVERSAMPLING
    mean: Field = picture.reshape(n, _OVERSAMPLING, n, _OVERSAMPLING).mean(axis=(1, 3))
    return mean


def _acquire(t1: Field, brain: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make gray levels as a scanner would: coil bias, gamma, exposure, Rician noise (Gudbjartsson 1995), rounding."""
    n = t1.shape[0]
    bias = np.exp(smooth_field(rng.normal(0, 0.16, (5, 5)), n))
    gamma, exposure, noise = rng.uniform(0.85, 1.3), rng.uniform(0.60, 0.74), rng.uniform(0.008, 0.024)
    signal = exposure * np.clip(t1 * bias, 0, None) ** gamma
    real, imaginary = rng.normal(0, noise, (2, n, n))
    picture = np.hypot(signal + real, imaginary) * np.clip(brain, 0, 1)
    pixels: NDArray[np.uint8] = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return pixels
