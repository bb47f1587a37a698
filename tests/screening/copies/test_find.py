"""Feature files keep the names under which projects already hold them."""

from pathlib import Path

import numpy as np

from screening.copies.aligned_search import AlignedSearch
from screening.copies.find import search_file
from screening.copies.thumbnails import thumbnail_file, thumbnails
from screening.features.descriptors import pixel_fact_file
from tests.screening.cohort import person


def test_feature_files_keep_their_names_and_widths(tmp_path: Path) -> None:
    search = AlignedSearch(thumbnails(np.stack([person(0), person(1)])), np.array([1, 2]))
    files = [pixel_fact_file(tmp_path), thumbnail_file(tmp_path), search_file(tmp_path, ["a", "b"], [1, 2], search)]
    expected = [("pixel-facts-1", 1_029), ("thumbnails-2", 2_304), ("laid-over-1-cb9eca83cb2592a6", 4)]
    assert [(file.name, file.width) for file in files] == expected
