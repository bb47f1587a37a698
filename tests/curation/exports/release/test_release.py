"""The release folder: what a sceptical reader looks for is there, and nothing that nobody measured."""

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import datasets
import mlcroissant
import pytest
from sqlalchemy import select

from curation.exports.facts.evidence import gather_evidence
from curation.exports.facts.snapshot import gather_facts
from curation.exports.options import ExportOptions
from curation.exports.pseudonyms import ExportPseudonyms
from curation.exports.release.answers import claim_answers, tripod_answers
from curation.exports.release.checklist_items import CLAIM, TRIPOD_AI
from curation.exports.release.scorecard import DIMENSIONS
from curation.exports.selection import select_images
from curation.project import EXPORT_KEY, Project
from curation.readers.consent import Experience, record_consent, withdraw_consent
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Reading
from tests.curation.reading_room import add_person
from tests.rows import DISPLAY, NOW, add_consent
from tests.worlds.exports import READERS, SNAPSHOT, export, fill
from tests.worlds.shared import copy_world

TRIPOD_PARTS = {
    3: "abc",
    5: "ab",
    6: "abc",
    8: "abc",
    9: "abc",
    12: "abcdefg",
    18: "abcdef",
    20: "abc",
    23: "ab",
    27: "abc",
}


@pytest.fixture(scope="module")
def release(filled: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of a project that two people read and nobody measured."""
    target = tmp_path_factory.mktemp("release") / "out"
    export(filled, "release", target, license="CC-BY-4.0", creator="A group")
    return target


def indicators(release: Path) -> dict[str, dict[str, object]]:
    """Every figure of the scorecard by its name."""
    dimensions = json.loads((release / "scorecard.json").read_text())["dimensions"]
    assert list(dimensions) == list(DIMENSIONS)
    return {indicator["name"]: indicator for dimension in dimensions.values() for indicator in dimension["indicators"]}


@pytest.mark.slow
def test_every_page_says_what_it_is_about_and_that_synthetic_is_not_anonymous(release: Path) -> None:
    pages = sorted(path.name for path in release.glob("*.md"))
    assert pages == ["CLAIM.md", "READING.md", "README.md", "SCORECARD.md", "SCREENING.md", "TRIPOD-AI.md"]
    for page in pages:
        text = (release / page).read_text()
        assert "Synthetic is not presumed anonymous" in text
        assert "not for diagnosis" in text
        assert "20 synthetic" in text


@pytest.mark.slow
def test_it_opens_in_the_tools_it_is_for(release: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(release), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 20}
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, capture_output=True)
    assert checked.returncode == 0
    listed = (release / "SHA256SUMS").read_text().splitlines()
    assert len(listed) == sum(path.is_file() for path in release.rglob("*")) - 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
def test_its_croissant_finds_the_data(release: Path) -> None:
    described = mlcroissant.Dataset(str(release / "croissant.json"))
    assert described.metadata.ctx.issues.errors == described.metadata.ctx.issues.warnings == set()
    assert len(list(described.records("train"))) == 20


def test_readers_stand_under_pseudonyms_with_what_they_read(release: Path) -> None:
    with (release / "readers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["candidates"], row["reject"]) for row in rows] in (
        [("human", "24", "0"), ("human", "24", "4")],
        [("human", "24", "4"), ("human", "24", "0")],
    )
    page = (release / "READING.md").read_text()
    assert "48 readings by 2 people" in page
    assert "| first | Anatomy implausible | 4 |" in page
    assert all(row["reader"] in page for row in rows)
    assert not any(name in page for name in READERS)


def test_agreement_comes_with_its_interval(release: Path) -> None:
    by_name = indicators(release)["Krippendorff's alpha, first"]
    assert by_name["n"] == 24
    assert isinstance(by_name["low"], float)
    assert isinstance(by_name["high"], float)
    with (release / "figures.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["figure"] == "Cohen's kappa"]
    (pair,) = rows
    first, second = pair["reader"].split(" and ")
    assert first.startswith("reader-")
    assert second.startswith("reader-")


def test_what_nobody_measured_has_no_value(release: Path) -> None:
    by_name = indicators(release)
    for name in (
        "error rates of the privacy gate",
        "membership inference",
        "measures in a backbone's features",
        "anatomy",
    ):
        assert by_name[name]["value"] is None
        assert by_name[name]["note"]
    assert "**Not measured.**" in (release / "SCREENING.md").read_text()
    assert by_name["rejected among readings by people"]["value"] == pytest.approx(4 / 48)
    assert by_name["images with spacing"]["value"] == 1.0
    assert by_name["pictures that occur twice"]["value"] == 0.0


def test_checklists_name_every_item_and_leave_open_what_the_database_cannot_know(release: Path) -> None:
    assert [item.number for item in CLAIM.items] == [str(number) for number in range(1, 45)]
    assert [item.number for item in TRIPOD_AI.items] == [
        f"{main}{part}" for main in range(1, 28) for part in TRIPOD_PARTS.get(main, ("",))
    ]
    assert len(TRIPOD_AI.items) == 52
    for page, checklist in (("CLAIM.md", CLAIM), ("TRIPOD-AI.md", TRIPOD_AI)):
        text = (release / page).read_text()
        assert text.count("\n| ") == len(checklist.items) + 2
        assert "to be filled in by the authors" in text
        assert "doi:10." in text


@pytest.mark.slow
def test_every_fact_stands_beside_an_item_that_the_checklist_has(filled: Project) -> None:
    selection = select_images(filled, SNAPSHOT, include_real=False)
    facts = gather_facts(selection, ExportOptions(), NOW)
    with filled.database.read() as session:
        evidence = gather_evidence(session, facts, selection.snapshot_id, selection.pseudonyms)
    for checklist, answers in ((CLAIM, claim_answers), (TRIPOD_AI, tripod_answers)):
        facts_by_item = answers(facts, evidence)
        assert len(facts_by_item) >= 10
        assert set(facts_by_item) <= {item.number for item in checklist.items}


@pytest.mark.slow
def test_a_proxy_alone_means_not_yet_read(tmp_path: Path, make_project: Callable[[Path], Project]) -> None:
    project = make_project(tmp_path / "project")
    fill(project, kind=ReaderKind.PROXY)
    export(project, "release", tmp_path / "out")
    card, page = ((tmp_path / "out" / name).read_text() for name in ("README.md", "READING.md"))
    assert "Not yet read by a person; 48 readings by 2 proxy models, on which no claim rests" in card
    assert "Not yet read by a clinician" in card
    assert "there is no agreement, and no sensitivity, to report" in page
    assert indicators(tmp_path / "out")["agreement between readers"]["value"] is None


def test_a_reader_of_the_card_alone_sees_what_is_weak(release: Path) -> None:
    gaps = (release / "README.md").read_text().split("## Known gaps")[1].split("## Columns")[0]
    for sentence in (
        "Not yet read by a clinician: no reader said to be a physician",
        "agreement on the verdict is not shown to be above chance (alpha -0.07",
        "too few planted defects were read",
        "How many copies of real images the privacy gate misses was not measured",
        "was not held against real images in a backbone's features",
        "16 real images the snapshot holds are not in this export",
    ):
        assert sentence in gaps, sentence


@pytest.mark.slow
def test_a_suspected_copy_that_was_not_blocked_is_told_of(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    with project.database.write() as session:
        screened = session.execute(select(ScreenedImage.screening_id, ScreenedImage.image_id)).all()
        for number, (screening, image) in enumerate(screened):
            verdict = ScreeningVerdict.FLAG if number == 0 else ScreeningVerdict.PASS
            check = {"name": "near_copy", "value": 0.2, "threshold": "0.1", "verdict": verdict}
            session.add(ScreeningCheck(screening_id=screening, image_id=image, **check))
    export(project, "release", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "1 synthetic images were flagged by “near copy by features” as possible copies" in card
    by_name = indicators(tmp_path / "out")
    assert by_name["flagged by “near copy by features”, and kept"]["value"] == pytest.approx(1 / 20)
    assert by_name["blocked by “near copy by features”"]["value"] == 0.0


@pytest.mark.slow
def test_a_reader_who_withdrew_has_no_pseudonym(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    with project.database.write() as session:
        reader = session.scalars(select(Reader.id).order_by(Reader.id)).first()
        assert reader is not None
        add_consent(session, project.chain, reader)
        withdraw_consent(session, project.chain, NOW, reader)
    export(project, "release", tmp_path / "out")
    page = (tmp_path / "out" / "READING.md").read_text()
    assert "1 readers withdrew" in page
    assert "| withdrew-1 |" in page
    assert ExportPseudonyms(project.secret(EXPORT_KEY)).reader(reader) not in page


@pytest.mark.slow
def test_experience_is_told_in_aggregate_from_three_readers_on(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    with project.database.write() as session:
        readers = list(session.scalars(select(Reader.id)))
        for reader in readers:
            add_consent(session, project.chain, reader)
    export(project, "release", tmp_path / "two")
    assert "too few to tell their experience" in (tmp_path / "two" / "READING.md").read_text()
    with project.database.write() as session:
        third = add_person(session, "Third Reader")
        record_consent(
            session, project.chain, NOW, third, Experience(profession="radiologist", years_reading=12), DISPLAY
        )
        reading = session.scalars(select(Reading).order_by(Reading.id)).first()
        assert reading is not None
        reading.reader_id = third
    export(project, "release", tmp_path / "three")
    page = (tmp_path / "three" / "READING.md").read_text()
    assert "3 readers: 2 researcher, 1 radiologist" in page
    assert "median 3, from 3 to 12" in page
    assert "1 of them physicians by their own word" in page
    assert "neuroradiology" not in page
