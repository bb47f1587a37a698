"""A study compares equal runs of its arms, and its report claims no more than it can."""

import json
import shutil
from pathlib import Path

import pytest
from matplotlib.image import imread

from curation.errors import BadInput, Conflict, NotFound
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import mark_near_copies, write_snapshot
from tests.train.study.claims import clear_gain
from tests.train.tiny import save_backbone
from train.adaptation.config import AdaptationConfig
from train.adaptation.rows.peft_adapters import Lora
from train.study.claim import reasons_against_a_claim
from train.study.plan import ARMS, ReportFacts, StudyPlan
from train.study.report import write_report
from train.study.run import StudyResult, run_study

SIZES = {"train": 6, "validation": 6, "test": 12}
EXTRA = {
    "real_only": {},
    "plus_raw": {"synthetic": ["upper", "lower", "lower", "upper"]},
    "plus_approved": {"synthetic": ["upper", "lower"]},
    "plus_random": {"synthetic": ["lower", "upper"]},
    "plus_duplicated_real": {"duplicates": 2},
}


class Killed(Exception):
    pass


def build_arms(tmp_path: Path, **kind: object) -> dict[str, SnapshotFolder]:
    return {arm: write_snapshot(tmp_path / arm, SIZES, strength=0.2, **EXTRA[arm], **kind) for arm in ARMS}


def plan(tmp_path: Path, **changes: object) -> StudyPlan:
    backbone = tmp_path / "backbone"
    if not backbone.exists():
        save_backbone(backbone)
    adaptation = AdaptationConfig(backbone=str(backbone), steps=20, batch_size=8)
    return StudyPlan(**{"name": "first", "adaptation": adaptation, "seeds": (0, 1), "n_bootstrap": 100} | changes)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with arms and a finished study, which no test changes."""
    directory = tmp_path_factory.mktemp("studied")
    run_study(build_arms(directory), plan(directory), directory / "study", silent)
    return directory


@pytest.fixture
def result(studied: Path) -> StudyResult:
    """A finished study is read again, so that each test gets a new result."""
    arms = {arm: SnapshotFolder.open(studied / arm) for arm in ARMS}
    return run_study(arms, plan(studied), studied / "study", silent)


def test_every_arm_and_seed_takes_the_same_steps_and_is_read_on_the_same_images(
    result: StudyResult, studied: Path
) -> None:
    cards = [json.loads(path.read_text()) for path in (studied / "study").glob("runs/*/*/card.json")]
    assert len(cards) == 10
    assert {card["steps"] for card in cards} == {20}
    assert result.arms["plus_raw"].n_images == {"real": 12, "synthetic": 4}
    assert result.arms["plus_duplicated_real"].n_images == {"real": 14}
    assert (result.resampled, result.n_units, result.n_images) == ("subject", 12, 24)


def test_differences_are_paired_by_seed_and_the_reference_has_none(result: StudyResult) -> None:
    reference = result.arms["real_only"]
    assert reference.differences is None
    for name, arm in result.arms.items():
        if name == "real_only":
            continue
        expected = [a - b for a, b in zip(arm.per_seed["auroc"], reference.per_seed["auroc"], strict=True)]
        difference = arm.differences["auroc"]
        assert difference.value == pytest.approx(sum(expected) / 2)
        assert difference.low <= difference.value <= difference.high


@pytest.mark.slow
def test_a_study_killed_half_way_goes_on_where_it_was_with_the_same_result(tmp_path: Path) -> None:
    arms = build_arms(tmp_path)
    whole = run_study(arms, plan(tmp_path), tmp_path / "whole", silent)

    def killed(done: int, total: int, message: str | None) -> None:
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        run_study(arms, plan(tmp_path), tmp_path / "resumed", killed)
    first = tmp_path / "resumed" / "runs" / "real_only" / "seed-0" / "card.json"
    written = first.stat().st_mtime_ns
    resumed = run_study(arms, plan(tmp_path), tmp_path / "resumed", silent)
    assert first.stat().st_mtime_ns == written
    assert resumed.as_json() == whole.as_json()


def test_replicates_of_halves_differ_by_what_they_are_trained_on_and_their_intervals_know_it(tmp_path: Path) -> None:
    arms = build_arms(tmp_path)
    halves = run_study(arms, plan(tmp_path, redraw="halves"), tmp_path / "study", silent, earlier_openings=2)
    cards = [json.loads(path.read_text()) for path in sorted((tmp_path / "study").glob("runs/plus_raw/*/card.json"))]
    saw = [set(card["saw"]["subjects"]) for card in cards]
    assert not saw[0] & saw[1]
    assert saw[0] | saw[1] == {row.subject for row in arms["plus_raw"].rows("train") if row.subject}
    assert halves.arms["plus_raw"].n_images == {"real": 12, "synthetic": 4}
    assert set(halves.against) == {"plus_random", "plus_duplicated_real"}
    first, second = halves.arms["real_only"].per_seed["auroc"]
    variance = halves.arms["real_only"].metrics["auroc"].seed_variance
    assert variance == pytest.approx((first - second) ** 2 / 4)  # one pair: half of s²
    write_report(tmp_path / "study", ReportFacts())
    text = (tmp_path / "study" / "report.md").read_text()
    assert "after 2 openings before it" in text
    assert "minus `plus_random`" in text
    assert "two halves of every arm's subjects" in text


def test_a_folder_holds_one_study(studied: Path) -> None:
    arms = {arm: SnapshotFolder.open(studied / arm) for arm in ARMS}
    with pytest.raises(Conflict, match="another plan"):
        run_study(arms, plan(studied, seeds=(0, 1, 2)), studied / "study", silent)


def test_arms_that_differ_in_more_than_what_is_added_are_refused(tmp_path: Path) -> None:
    arms = build_arms(tmp_path)
    with pytest.raises(BadInput, match="expected the arms"):
        run_study({"real_only": arms["real_only"]}, plan(tmp_path), tmp_path / "study", silent)
    fewer = write_snapshot(tmp_path / "fewer", SIZES, strength=0.2, synthetic=["upper"])
    with pytest.raises(BadInput, match="same number of training images"):
        run_study(arms | {"plus_random": fewer}, plan(tmp_path), tmp_path / "study", silent)
    metadata = tmp_path / "plus_raw" / "test" / "metadata.jsonl"
    metadata.write_text("".join(metadata.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(BadInput, match="plus_raw: its test rows differ"):
        run_study(arms, plan(tmp_path), tmp_path / "study", silent)
    shallow = write_snapshot(tmp_path / "deep", SIZES, bits=16)
    with pytest.raises(BadInput, match="bits are 16"):
        run_study(arms | {"plus_raw": shallow}, plan(tmp_path), tmp_path / "study", silent)


@pytest.mark.slow
def test_lora_studies_run_too(tmp_path: Path) -> None:
    arms = {arm: folder for arm, folder in build_arms(tmp_path).items() if arm in ("real_only", "plus_raw")}
    lora = plan(tmp_path).adaptation.model_copy(update={"method": Lora(), "steps": 2})
    study = plan(tmp_path, adaptation=lora, arms=("real_only", "plus_raw"))
    outcome = run_study(arms, study, tmp_path / "study", silent)
    assert outcome.as_json()["plan"]["primary"] == "plus_raw"


@pytest.mark.parametrize(
    "changes",
    [
        {"adaptation": AdaptationConfig()},
        {"arms": ("plus_raw", "plus_approved")},
        {"arms": ("real_only",)},
        {"seeds": ()},
        {"seeds": (1, 1)},
        {"primary": "real_only"},
        {"primary": "plus_anything"},
        {"redraw": "halves", "seeds": (0, 1, 2)},
        {"redraw": "halves", "seeds": (1, 2)},
    ],
)
def test_plans_that_compare_nothing_fairly_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        StudyPlan(**{"name": "first"} | changes)


def test_requests_read_from_json_name_the_entry_at_fault() -> None:
    with pytest.raises(BadInput, match=r"adaptation config cannot be used: .*rank: .* greater than or equal to 1"):
        AdaptationConfig.parse('{"adaptation": "lora", "lora_rank": 0}')
    assert AdaptationConfig.parse("{}").digest() == AdaptationConfig().digest()


def test_the_report_has_a_table_a_plot_and_says_who_read(studied: Path, tmp_path: Path) -> None:
    finished = Path(shutil.copytree(studied / "study", tmp_path / "study"))
    path = write_report(finished, ReportFacts(human_readings=7, readers=("reader-1",), made_by="rounds study"))
    text = path.read_text()
    assert sum(line.startswith("| ") for line in text.splitlines()) == 2 + len(ARMS)
    assert "7 readings by people, 0 by proxy readers. Readers: reader-1." in text
    assert "seeds 0, 1" in text
    assert imread(path.with_name("report.png")).std() > 0
    with pytest.raises(NotFound, match="no result"):
        write_report(tmp_path, ReportFacts())


def test_a_study_gives_every_figure_again_without_near_copies_and_claims_nothing_that_rests_on_them(
    studied: Path, tmp_path: Path
) -> None:
    arms = {arm: SnapshotFolder.open(shutil.copytree(studied / arm, tmp_path / arm)) for arm in ARMS}
    names = [row.file_name for row in arms["plus_raw"].rows("test")]
    arms = {arm: mark_near_copies(folder, test=names[:3]) for arm, folder in arms.items()}
    arms["plus_raw"] = mark_near_copies(arms["plus_raw"], test=names[2:6])
    finished = Path(shutil.copytree(studied / "study", tmp_path / "study"))
    result = run_study(arms, plan(studied), finished, silent)
    others = result.without_near_copies
    assert others is not None
    assert (result.near_copies, others.left_out, others.n_images) == (6, 6, 18)
    assert others.arms["real_only"]["differences"] is None
    assert others.arms["plus_raw"]["per_seed"]["auroc"] != result.arms["plus_raw"].per_seed["auroc"]
    text = write_report(finished, ReportFacts()).read_text()
    assert "**6 of the 24 test images look like a training image of another subject.**" in text
    assert sum(line.startswith("| real_only") for line in text.splitlines()) == 2
    changed, read = clear_gain(result.as_json()), ReportFacts(human_readings=9)
    difference = changed["without_near_copies"]["arms"]["plus_approved"]["differences"]["auroc"]
    difference |= {"value": 0.01, "low": -0.02, "high": 0.04}
    assert reasons_against_a_claim(changed, read) == [
        "without the images that look like training images no gain is left"
    ]
    difference |= {"value": 0.04, "low": 0.02, "high": 0.06}
    assert reasons_against_a_claim(changed, read) == []
