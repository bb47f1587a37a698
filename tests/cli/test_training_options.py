"""What the options of a fit do, by the command."""

import json
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import select

from cli.main import rounds
from cli.run_facts import facts_of_run
from curation.errors import BadInput, Conflict
from curation.progress import silent
from curation.project import Project
from curation.tables.training import Run
from tests.cli.curated import train_command
from tests.cli.queueing import run
from tests.train.snapshots import write_snapshot
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig


def test_what_a_preset_does_is_drawn_and_nothing_is_trained(curated: Project, tmp_path: Path) -> None:
    out = tmp_path / "views.png"
    shown = ("train", "--snapshot", "real", "--show-augmentation", str(out))
    assert str(out) in run(curated, *shown, "--augment", "brain_mr", "--seed", "3")
    with Image.open(out) as picture:
        assert picture.width > picture.height > 4 * 190
    first = out.read_bytes()
    run(curated, *shown, "--augment", "brain_mr", "--seed", "3")
    assert out.read_bytes() == first
    assert json.loads(run(curated, "run", "list", "--json")) == []
    result = CliRunner().invoke(rounds, ["--project", str(curated.root), *shown])
    assert "give one with --augment" in result.output


def test_a_head_on_kept_features_refuses_changed_images(curated: Project, backbone: Path) -> None:
    with pytest.raises(BadInput, match=r"augment: .* linear-probe fits a head alone, on features that are computed"):
        run(curated, "train", "--snapshot", "real", "--augment", "brain_mr", "--backbone", str(backbone))


def test_a_run_of_an_earlier_version_is_found_again_with_its_own_settings(curated: Project, backbone: Path) -> None:
    run(curated, *train_command(backbone, "--adaptation", "lora"))
    config = json.loads((curated.root / "runs/mine/config.json").read_text())
    assert (config["start"], config["precision"], config["validation_weighting"]) == ("probe", "auto", "training")
    before = AdaptationConfig.checked(
        **{name: value for name, value in config.items() if name not in ("start", "precision", "validation_weighting")}
    )
    with curated.database.write() as session:
        stored = session.scalars(select(Run)).one()
        stored.config, stored.config_digest, stored.status = before.model_dump(mode="json"), before.digest(), "building"
    shutil.rmtree(curated.root / "runs/mine")
    run(curated, *train_command(backbone, "--adaptation", "lora"))
    assert AdaptationConfig.parse((curated.root / "runs/mine/config.json").read_text()) == before


@pytest.mark.parametrize(
    ("options", "saved"),
    [
        (("--balance", "loss", "--clip", "1", "--ema", "0.9"), {"weighting": "loss", "max_gradient_norm": 1.0}),
        (("--balance", "none", "--patience", "2", "--min-epochs", "1"), {"class_balanced": False, "min_epochs": 1}),
        (("--no-early-stopping", "--schedule", "linear", "--warmup", "0"), {"patience": None, "schedule": "linear"}),
    ],
)
def test_what_is_set_stands_in_the_configuration(
    options: tuple[str, ...], saved: dict[str, object], curated: Project, backbone: Path
) -> None:
    run(curated, *train_command(backbone, *options))
    config = json.loads((curated.root / "runs/mine/config.json").read_text())
    assert saved.items() <= config.items()


def test_options_stand_under_headings_each_once() -> None:
    for path in (["train"], ["study", "run"]):
        text = CliRunner().invoke(rounds, [*path, "--help"]).output
        assert text.index("The adaptation:") < text.index("Images in training:") < text.index("\nOptions:")
        command: click.Command = rounds
        for word in path:
            assert isinstance(command, click.Group)
            child = command.get_command(click.Context(command), word)
            assert child is not None
            command = child
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                names = [line.split()[0].rstrip(",") for line in text.splitlines() if line.startswith("  -")]
                assert names.count(parameter.opts[0]) == 1


def test_the_best_of_several_tries_becomes_the_run(curated: Project, backbone: Path) -> None:
    command = train_command(backbone, "--tune", "3", "--json")
    facts = json.loads(run(curated, *command))
    tries = [json.loads(path.read_text()) for path in sorted((curated.root / "runs/mine/tries").glob("*-0*.json"))]
    best = min(tries, key=lambda attempt: attempt["metrics"]["validation_loss"])
    assert len(tries) == 3
    assert facts["validation"] == best["metrics"]
    assert facts["chosen on validation"].startswith("the best of 3 tries: learning_rate ")
    assert json.loads(run(curated, *command)) == facts
    assert json.loads(run(curated, "run", "list", "--json"))[0]["status"] == "ready"
    result = CliRunner().invoke(rounds, ["--project", str(curated.root), *command, "--learning-rate", "0.1"])
    assert "--tune chooses learning_rate: leave it out" in result.output
    run(curated, *train_command(backbone, "--name", "plain"))
    with pytest.raises(Conflict, match="run 'plain' exists with another snapshot or configuration"):
        run(curated, *command, "--name", "plain")
    assert not (curated.root / "runs/plain/tries").exists()


def test_each_use_of_synthetic_images_is_tried_and_the_best_becomes_the_run(curated: Project, backbone: Path) -> None:
    run(curated, "snapshot", "build", "raw", "--synthetic", "raw", "--allow-unknown-provenance")
    command = [word.replace("real", "raw") for word in train_command(backbone, "--synthetic", "auto", "--json")]
    facts = json.loads(run(curated, *command, "--tune", "2"))
    assert facts["chosen on validation"].startswith("the best of 6 tries: synthetic images ")
    tries = sorted(path.stem for path in (curated.root / "runs/mine/tries").glob("*-0*.json"))
    assert tries == ["mixed-000", "mixed-001", "pretrain-000", "pretrain-001", "weighted-000", "weighted-001"]
    result = CliRunner().invoke(rounds, ["--project", str(curated.root), *command])
    assert "--synthetic auto chooses use and share by trying: give --tune" in result.output
    with pytest.raises(BadInput, match="snapshot 'real' has no synthetic training images"):
        run(curated, *train_command(backbone, "--synthetic", "pretrain", "--name", "other"))


def test_a_class_that_validation_lacks_is_named(backbone: Path, tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "snapshot", {"train": 4, "validation": 4})
    metadata = tmp_path / "snapshot/validation/metadata.jsonl"
    lines = [line for line in metadata.read_text().splitlines() if '"label": "upper"' in line]
    assert len(lines) == 4
    metadata.write_text("\n".join(lines) + "\n")
    settings = {"backbone": str(backbone), "steps": 2, "allow_unknown_provenance": True}
    config = AdaptationConfig.checked(**settings, validation_weighting="training")
    made = adapt(folder, config, tmp_path / "run", silent)
    facts = facts_of_run("run", made, folder)
    assert facts["validation has no"] == "lower: what validation chose is blind to that"
