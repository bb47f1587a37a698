"""The report stands alone, says what it rests on, and keeps training patients in a file of their own."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from curation.check_names import CHECK_MEANS, check_name
from curation.errors import NotFound
from curation.image_store import decode_png
from curation.project import Project
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image
from screening.report.figures import Bin, CheckFigure, screened_batches, screening_figures, threshold_lines
from screening.report.plots import distribution
from screening.report.rates import KIND
from screening.report.tables import FIGURES, screening_table
from screening.report.write import PAIRS, REPORT, write_report
from tests.rows import NOW
from tests.screening.cohort import TRAIN, person
from tests.worlds.screened import measured, screened


class Addresses(HTMLParser):
    """Every address that a browser would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def pictures(html: str) -> list[bytes]:
    """The pixels of every picture in a page."""
    encoded = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return [decode_png(base64.b64decode(text)).tobytes() for text in encoded]


def test_the_report_needs_nothing_from_elsewhere_and_says_what_it_rests_on(
    project: Project, screening_id: int, tmp_path: Path
) -> None:
    measured(project)
    paths = write_report(project, NOW, tmp_path / "out")
    assert [path.name for path in paths] == [REPORT, PAIRS]
    for path in paths:
        parser = Addresses()
        parser.feed(path.read_text())
        assert all(address.startswith("data:image/png;base64,") for address in parser.found)
        assert "SIMULATED for a test" in path.read_text()
    report = paths[0].read_text()
    for words in ("tiny-vit", "2 real training images", "1 of 8 held-out real images flagged", "3 to 90, 2 of 4"):
        assert words in report, words
    assert "&lt;b&gt;" in report
    assert "<b>bold" not in report


def test_a_check_is_called_by_what_it_looks_at(project: Project, screening_id: int, tmp_path: Path) -> None:
    report, _ = write_report(project, NOW, tmp_path / "out")
    page = report.read_text()
    assert '<h3 title="manifold">Unlike its class<' in page
    assert not re.search(r">\s*manifold", page, re.IGNORECASE)
    assert all("_" not in check_name(check) for check in CHECK_MEANS)


def test_no_training_image_and_no_copy_of_one_is_in_the_report_itself(
    project: Project, screening_id: int, tmp_path: Path
) -> None:
    report, pairs = write_report(project, NOW, tmp_path / "out")
    patient = person(TRAIN[0]).tobytes()
    assert patient not in pictures(report.read_text())
    assert pictures(pairs.read_text()).count(patient) >= 2
    assert "never for readers" in pairs.read_text()


def test_a_copy_is_shown_with_the_distance_and_the_threshold_that_decided(
    project: Project, screening_id: int, tmp_path: Path
) -> None:
    _, pairs = write_report(project, NOW, tmp_path / "stored before")
    assert "Near copy by pixels 0.01, not below 0.2<" in pairs.read_text()
    with project.database.write() as session:
        block = ScreeningCheck.verdict == ScreeningVerdict.BLOCK
        check = session.scalars(select(ScreeningCheck).where(block)).one()
        check.value, check.threshold = 0.011, "not below 0.0123 with fine detail"
    _, pairs = write_report(project, NOW, tmp_path / "out")
    assert "Near copy by pixels 0.011, not below 0.0123 with fine detail<" in pairs.read_text()


def test_without_a_screening_there_is_no_report(project: Project, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no batch was screened"):
        write_report(project, NOW, tmp_path / "out")
    screened(project)
    with pytest.raises(NotFound, match="batch 7 has no finished screening"):
        write_report(project, NOW, tmp_path / "out", 7)
    assert not (tmp_path / "out").exists()


def test_figures_count_every_image_once_and_shares_add_up(project: Project, screening_id: int) -> None:
    with project.database.read() as session:
        assert screened_batches(session) == [(screening_id, 1, "drawn")]
        figures = screening_figures(session, screening_id)
        images = len(session.scalars(select(ScreenedImage.image_id)).all())
        checks = set(session.scalars(select(ScreeningCheck.name)))
        tables = {figure: screening_table(session, screening_id, figure) for figure in FIGURES}
        assert session.scalar(select(Image.id).where(Image.batch_id == 1)) is not None
    assert sum(counts.total() for counts in figures.by_class.values()) == images
    assert {check.name for check in figures.checks} == checks
    for check in figures.checks:
        if check.not_set is None:
            np.testing.assert_allclose(sum(part.drawn for part in check.bins), 1)
        if check.real_n:
            np.testing.assert_allclose(sum(part.real for part in check.bins), 1)
        assert all(check.left < at < check.right for at, _ in check.lines)
    for header, rows in tables.values():
        assert rows
        assert all(len(row) == len(header) for row in rows)


def test_a_line_says_what_the_copy_checks_do_beyond_it() -> None:
    parameters = {
        "near_copy": {"distance": 0.4, "sure_distance": 0.1, "ratio": 0.5},
        "near_copy_pixels": {"distance": 0.2, "ratio": 0.5},
    }
    assert threshold_lines(parameters, "near_copy") == [(0.4, "flag"), (0.1, "block")]
    assert threshold_lines(parameters, "near_copy_pixels") == [(0.2, "block")]


def test_the_ends_of_a_plot_are_values_that_there_are() -> None:
    share = CheckFigure("saturation", 1, 0, 0, None, 0, -0.02, 1.02, 0, [Bin(1.0, 0.0)], [])
    assert "<span>0</span>" in distribution(share)
    assert "<span>1</span>" in distribution(share)
    unset = replace(share, not_set="nothing before it to compare with")
    assert "<span></span><span>nothing before it to compare with</span><span></span>" in distribution(unset)


def test_a_measurement_that_is_not_of_the_checks_is_not_taken_for_one(
    project: Project, screening_id: int, tmp_path: Path
) -> None:
    measured(project, kind="privacy")
    assert KIND == "checks"
    assert "Not measured yet" in write_report(project, NOW, tmp_path / "out")[0].read_text()
