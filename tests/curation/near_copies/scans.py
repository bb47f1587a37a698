"""Scans whose subjects are not what their ids say: pictures, changed copies of them, and their import."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from curation.image_store import Pixels
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.tables.images import Split
from tests.rows import NOW

Entry = tuple[str, int, bool, Split | None]  # subject, number of the scan, whether it is a changed copy, split


def scan(number: int) -> Pixels:
    """The scan of a number: (48, 48, 1) uint8."""
    random = np.random.default_rng(number)
    tissue = gaussian_filter(random.normal(size=(48, 48)), 2)
    return np.clip(110 + 40 * tissue / tissue.std(), 0, 250).astype(np.uint8)[:, :, None]


def changed(number: int) -> Pixels:
    """The same scan saved by somebody else: mirrored, brighter, noisier and a pixel further down."""
    noise = np.random.default_rng(number + 10_000).normal(0, 2, (48, 48, 1))
    return np.clip(np.roll(scan(number), 1, axis=0)[:, ::-1] * 1.04 + noise, 0, 255).astype(np.uint8)


def import_scans(
    project: Project,
    entries: Sequence[Entry],
    name: str = "scans",
    *,
    group: bool = False,
    dry_run: bool = False,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Import them under one label each."""
    items = [
        IncomingImage(
            source_file=f"{name}-{place}.png",
            pixels=changed(number) if is_copy else scan(number),
            labels=("benign", "malignant")[number % 2],
            subject_key=subject,
            split=split,
        )
        for place, (subject, number, is_copy, split) in enumerate(entries)
    ]
    source = Source(name=name, content_digest=name, items=items, total=len(items), group_near_copies=group)
    return import_source(project, NOW, source, on_progress=on_progress, dry_run=dry_run)


def leaky() -> list[Entry]:
    """Twelve subjects in given splits; `v1` is `t1` again, `x2` and `x3` are `t2` and `r0`."""
    own: list[Entry] = [(f"t{n}", n, False, Split.TRAIN) for n in range(4)]
    own += [(f"r{n}", 10 + n, False, Split.RESERVE) for n in range(2)]
    own += [("v0", 20, False, Split.VALIDATION), ("v1", 1, True, Split.VALIDATION), ("v2", 22, False, Split.VALIDATION)]
    return [*own, ("x0", 30, False, Split.TEST), ("x2", 2, True, Split.TEST), ("x3", 10, True, Split.TEST)]
