"""Captions of virtual subjects say what is in the picture."""

import numpy as np
import pytest

from curation.ingest.virtual_brains.captions import WORDINGS, Finding, write_caption
from curation.ingest.virtual_brains.render import CLASSES, render


def test_each_class_has_several_wordings_and_all_can_be_written() -> None:
    finding = Finding("left", "frontal", "small", 31.4)
    for label in CLASSES:
        written = {write_caption(label, finding, wording) for wording in range(8)}
        assert len(written) == len(WORDINGS[label]) >= 4
        assert not any("{" in text for text in written)
    assert write_caption("ring_lesion", finding, 2).startswith("Ring lesion of 3.1 cm in the left frontal region")


@pytest.mark.parametrize("number", [2, 3, 5, 12, 14, 15, 21, 22])
def test_the_side_and_the_region_are_those_of_the_mask(number: int) -> None:
    virtual = render(number)
    rows, columns = np.nonzero(virtual.mask)
    brain_rows, brain_columns = np.nonzero(virtual.pixels)
    side = (
        "right" if columns.mean() < brain_columns.mean() else "left"
    )  # the left of the picture is the subject's right
    from_front = (rows.mean() - brain_rows.min()) / np.ptp(brain_rows)
    assert side in virtual.caption
    if abs(from_front - 1 / 3) > 0.06 and abs(from_front - 2 / 3) > 0.06:
        assert ("frontal", "temporoparietal", "occipital")[int(3 * from_front)] in virtual.caption


def test_the_caption_of_a_number_is_always_the_same() -> None:
    assert render(5).caption == render(5, size=32).caption
    assert "no " not in render(5).caption
    assert render(0).label == "normal"
    assert "lesion" not in render(0).caption or "no focal lesion" in render(0).caption
