"""`rounds screen` and `rounds read` as a user meets them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import rounds
from cli.screening import false_blocks
from curation.errors import NotFound, RoundsError
from curation.project import Project
from tests.curation.screening.cohort import TRAIN, add_cohort, add_drawn, person
from tests.train.tiny import save_backbone


def run(project: Project, *arguments: str) -> Result:
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_screen_says_what_was_found_and_what_its_word_is_worth(project: Project, tmp_path: Path) -> None:
    backbone = save_backbone(tmp_path / "tiny-vit")
    add_cohort(project)
    batch_id = add_drawn(project, [person(TRAIN[0]), *(person(number) for number in range(3_000, 3_005))])
    [row] = json.loads(run(project, "screen", "--backbone", str(backbone), "--json").output)
    assert row["batch"] == batch_id
    assert row["pass"] + row["flag"] + row["block"] == 6
    assert row["block"] >= 1
    assert row["checks that spoke"]["near_copy_pixels"] >= 1
    assert " of 48 held-out real images (95 %: " in row["false blocks, near_copy_pixels"]
    assert "screening" in run(project, "screen", str(batch_id), "--backbone", str(backbone)).output
    with pytest.raises(NotFound, match="no batch 9"):
        run(project, "screen", "9", "--backbone", str(backbone))


def test_a_gate_that_could_not_be_set_is_said_aloud() -> None:
    said = false_blocks({"not_set": "5 real validation images, 40 are needed"})
    assert said == "no gate, everything is flagged: 5 real validation images, 40 are needed"
