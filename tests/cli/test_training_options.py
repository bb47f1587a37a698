"""What the options of a fit do, by the command."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import rounds
from curation.errors import BadInput
from curation.project import Project
from tests.cli.queueing import run


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
                names = [line.split()[0] for line in text.splitlines() if line.startswith("  -")]
                assert names.count(parameter.opts[0]) == 1
