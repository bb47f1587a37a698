"""The display window of a worklist, from real training images that look like its candidates.

It is chosen when the worklist is made and is the same for every item. An image's own window is never sent: real images
have one and synthetic ones have none, so it would tell them apart.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.provenance.real_images import is_ready_real
from curation.queries import has_shape
from curation.tables.images import Image, ImageLabel, Label, Split, Subject
from curation.worklists.items import Item

Window = tuple[float, float]  # centre and width, in stored values


def choose_opening_window(session: Session, items: Sequence[Item]) -> Window | None:
    """Choose the window that half or more of these training images share, else the medians of centre and width.

    None for colour, for several shapes, where fewer than half of the images have a window, and where the window covers
    every value that can be stored.
    """
    shapes = {item.shape for item in items}
    if len(shapes) != 1:
        return None
    shape = shapes.pop()
    _, _, channels, bits = shape
    if channels != 1:
        return None
    of_classes = (
        select(ImageLabel.image_id)
        .join(Label, Label.id == ImageLabel.label_id)
        .where(ImageLabel.value >= 0.5, Label.name.in_({item.label for item in items}))
    )
    values = (Image.window_center, Image.window_width, Image.rescale_slope, Image.rescale_intercept)
    rows = session.execute(
        select(*values, Image.signed_offset, func.count())
        .join(Subject, Subject.id == Image.subject_id)
        .where(is_ready_real(), Subject.split == Split.TRAIN, Image.id.in_(of_classes))
        .where(has_shape(shape))
        .group_by(*values, Image.signed_offset)
    ).all()
    windows = Counter[Window]()
    for center, extent, slope, intercept, offset, count in rows:
        if center is not None and extent is not None:
            windows[round((center - intercept) / slope + offset, 3), round(abs(extent / slope), 3)] += count
    if not windows or 2 * windows.total() < sum(row[-1] for row in rows):
        return None
    center, width = _typical(windows)
    shows_all = center - width / 2 <= 0 and center + width / 2 >= 2**bits - 1
    return None if shows_all else (center, width)


def _typical(windows: Counter[Window]) -> Window:
    [(commonest, count)] = windows.most_common(1)
    if 2 * count >= windows.total():
        return commonest
    return _median(center for center, _ in windows.elements()), _median(width for _, width in windows.elements())


def _median(values: Iterable[float]) -> float:
    return round(float(np.median(list(values))), 3)
