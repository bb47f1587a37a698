"""Rounds are added to a run, subjects leave it, sites exchange it and release it privately."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from curation.errors import BadInput, Conflict, LeakRefused
from curation.progress import silent
from curation.project import Project
from curation.verification.verify import verify_project
from tests.cli.queueing import run
from tests.train.sums.rounds_of import differ
from tests.train.tiny import save_backbone
from train.adaptation.run_folder import load_run
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.site_file import SiteSums


def ridge(backbone: Path, *more: str) -> tuple[str, ...]:
    return ("train", "--adaptation", "ridge", "--backbone", str(backbone), "--allow-unknown-provenance", *more)


def faults(project: Project) -> list[str]:
    """What `rounds verify` finds; the rows of this project were put in without their events."""
    return verify_project(project, silent).faults


@pytest.mark.slow
def test_a_round_is_added_to_a_run_and_nothing_is_counted_twice(curated: Project, backbone: Path) -> None:
    before = faults(curated)
    run(curated, "snapshot", "build", "few", "--synthetic", "none", "--real-per-class", "2")
    run(curated, *ridge(backbone, "--snapshot", "few"))
    told = json.loads(
        run(curated, "train", "--continue", "few-ridge-s0", "--snapshot", "real", "--name", "both", "--json")
    )
    assert "4 images added" in told["continues"]
    run(curated, *ridge(backbone, "--snapshot", "real"))
    runs = curated.root / "runs"
    assert differ(runs / "both", runs / "real-ridge-s0") < 1e-9
    run(
        curated,
        "train",
        "--snapshot",
        "real",
        "--backbone",
        str(backbone),
        "--allow-unknown-provenance",
        "--steps",
        "1",
    )
    with pytest.raises(BadInput, match="keeps no sums"):
        run(curated, "train", "--continue", "real-linear-probe-s0", "--snapshot", "real")
    assert faults(curated) == before


@pytest.mark.slow
def test_a_withdrawn_subject_is_taken_out_of_a_run_which_is_whole_again(curated: Project, backbone: Path) -> None:
    before = faults(curated)
    run(curated, *ridge(backbone, "--snapshot", "real"))
    directory = curated.root / "runs" / "real-ridge-s0"
    planned = run(curated, "withdraw", "s2")
    assert "rounds evaluate real-ridge-s0" in planned
    for key in ("s2", "s9"):  # a training and a validation subject
        told = json.loads(run(curated, "withdraw", key, "--yes", "--json"))
        assert told["subtracted"] == ["real-ridge-s0"]
    run(curated, "snapshot", "build", "without", "--synthetic", "none")
    run(curated, *ridge(backbone, "--snapshot", "without"))
    assert differ(directory, curated.root / "runs" / "without-ridge-s0") < 1e-9
    card, refitted = (
        json.loads((place / "card.json").read_text())
        for place in (directory, curated.root / "runs" / "without-ridge-s0")
    )
    assert card["saw"] == refitted["saw"]
    assert card["taken_out"] == [1, 2]
    for measure in ("validation_loss", "validation_accuracy"):
        assert card["metrics"][measure] == pytest.approx(refitted["metrics"][measure], abs=1e-6)
    assert not (directory / "withdrawn.json").exists()
    assert json.loads(run(curated, "run", "list", "--json"))[0]["withdrawals"] is None
    rows = KeptSums.read(directory / KEPT_SUMS).rows
    assert {"s2", "s9"}.isdisjoint({image.subject for image in rows.images})
    assert json.loads(run(curated, "withdraw", "s2", "--yes", "--json"))["subtracted"] == []
    assert load_run(directory, "cpu").card["digest"] == card["digest"]
    assert faults(curated) == before


def test_a_withdrawal_killed_between_sums_and_mark_is_finished_by_running_it_again(
    curated: Project, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(curated, *ridge(backbone, "--snapshot", "real"))
    directory = curated.root / "runs" / "real-ridge-s0"
    with monkeypatch.context() as patch:
        patch.setattr("curation.withdrawal.subtraction._record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(AssertionError):
            run(curated, "withdraw", "s2", "--yes")
    digest = json.loads((directory / "card.json").read_text())["digest"]
    assert json.loads(run(curated, "withdraw", "s2", "--yes", "--json"))["subtracted"] == ["real-ridge-s0"]
    assert json.loads((directory / "card.json").read_text())["digest"] == digest
    assert json.loads(run(curated, "run", "list", "--json"))[0]["withdrawals"] is None


def test_sites_exchange_sums_by_file_and_get_the_pooled_head(curated: Project, backbone: Path, tmp_path: Path) -> None:
    run(curated, *ridge(backbone, "--snapshot", "real"))
    run(curated, "sums", "export", "real-ridge-s0", "--out", str(tmp_path / "a.sums"))
    shown = json.loads(run(curated, "sums", "show", str(tmp_path / "a.sums"), "--json"))
    assert "8 images of 8 subjects, exact" in shown["parts"][0]
    assert b"s2" not in (tmp_path / "a.sums").read_bytes()[:2000]
    with pytest.raises(Conflict, match="counted twice"):
        run(curated, "sums", "merge", str(tmp_path / "a.sums"), str(tmp_path / "a.sums"), "--out", str(tmp_path / "b"))
    solved = ("sums", "solve", str(tmp_path / "a.sums"), "--snapshot", "real", "--name", "solved")
    run(curated, *solved, "--backbone", str(backbone))
    assert differ(curated.root / "runs" / "solved", curated.root / "runs" / "real-ridge-s0") < 1e-9
    assert (
        "a subject can be found" in json.loads((curated.root / "runs/solved/card.json").read_text())["privacy"]["why"]
    )
    run(curated, "evaluate", "solved", "--split", "validation", "--bootstrap", "100")
    with pytest.raises(BadInput, match="no training images of its own"):
        run(curated, "sums", "export", "solved", "--out", str(tmp_path / "again.sums"))
    site = SiteSums.read(tmp_path / "a.sums")
    replace(site, parts=(replace(site.parts[0], run_digest="e" * 64),)).write(tmp_path / "b.sums")
    foreign = ("sums", "solve", str(tmp_path / "b.sums"), "--snapshot", "real", "--backbone", str(backbone))
    with pytest.raises(LeakRefused, match="nobody here knows"):
        run(curated, *foreign, "--name", "foreign")
    run(curated, *foreign, "--name", "foreign", "--allow-unknown-provenance")
    assert json.loads((curated.root / "runs/foreign/card.json").read_text())["saw"]["unknown"]
    other = save_backbone(tmp_path / "other-vit")
    (other / "preprocessor_config.json").write_text(
        (other / "preprocessor_config.json").read_text().replace("0.25", "0.5")
    )
    with pytest.raises((BadInput, Conflict)):
        run(curated, *solved[:-1], "wrong", "--backbone", str(other), "--allow-unknown-provenance")


def test_a_private_release_is_on_the_card_and_accounted_over_releases(
    curated: Project, backbone: Path, tmp_path: Path
) -> None:
    run(curated, *ridge(backbone, "--snapshot", "real"))
    budget = ("--epsilon", "500", "--delta", "1e-5")
    for number in (1, 2):
        told = json.loads(
            run(
                curated, "sums", "export", "real-ridge-s0", "--out", str(tmp_path / f"{number}.sums"), *budget, "--json"
            )
        )
    assert "with all 2 releases of its project" in told["parts"][0]
    assert "images" not in told["parts"][0]
    options = ("--snapshot", "real", "--backbone", str(backbone), "--allow-unknown-provenance")
    run(curated, "sums", "solve", str(tmp_path / "2.sums"), "--name", "private", *options)
    privacy = json.loads((curated.root / "runs/private/card.json").read_text())["privacy"]
    assert (privacy["private"], privacy["epsilon"], privacy["delta"]) == (True, 500.0, 1e-5)
    assert 500 < privacy["epsilon_over_all_releases_of_its_site"] < 1000
    with pytest.raises(BadInput, match="below one in 8 subjects"):
        run(
            curated, "sums", "export", "real-ridge-s0", "--out", str(tmp_path / "c"), "--epsilon", "1", "--delta", "0.2"
        )
