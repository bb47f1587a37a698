"""`rounds screen` and `rounds read` as a user meets them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import rounds
from cli.screening import false_blocks
from curation.alterations.faults import ALL_FAULTS
from curation.errors import BadInput, NotFound, RoundsError
from curation.project import Project
from screening.error_rates import checks
from tests.screening.cohort import TRAIN, add_cohort, add_drawn, person
from tests.train.tiny import save_backbone


def run(project: Project, *arguments: str) -> Result:
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.slow
def test_screen_says_what_was_found_and_what_its_word_is_worth(project: Project, tmp_path: Path) -> None:
    backbone = save_backbone(tmp_path / "tiny-vit")
    add_cohort(project)
    batch_id = add_drawn(project, [person(TRAIN[0]), *(person(number) for number in range(3_000, 3_005))])
    [row] = json.loads(run(project, "screen", "--backbone", str(backbone), "--json").stdout)
    assert row["batch"] == batch_id
    assert row["pass"] + row["flag"] + row["block"] == 6
    assert row["block"] >= 1
    assert sum(row["left_out_by_default"].values()) == row["block"]
    assert sum(sum(counts.values()) for counts in row["by_class"].values()) == 6
    assert " of 48 held-out real images flagged by one check or more" in row["false alarms of the other checks"]
    assert row["features"].startswith("tiny-vit, digest ")
    assert row["checks that spoke"]["near_copy_pixels"] >= 1
    assert " of 48 held-out real images (95 %: " in row["false blocks, near_copy_pixels"]
    printed = " ".join(run(project, "screen", str(batch_id), "--backbone", str(backbone)).output.split())
    assert "a worklist takes what passed or was flagged: that leaves out " in printed
    with pytest.raises(NotFound, match="no batch 9"):
        run(project, "screen", "9", "--backbone", str(backbone))


def test_a_gate_that_could_not_be_set_is_said_aloud() -> None:
    text = false_blocks({"not_set": "5 real validation images, 40 are needed"})
    assert text == "no gate, everything is flagged: 5 real validation images, 40 are needed"


@pytest.mark.slow
def test_error_rates_and_the_report_are_written_and_printed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ALL_FAULTS", ALL_FAULTS[:2])
    backbone = str(save_backbone(tmp_path / "tiny-vit"))
    with pytest.raises(NotFound, match="no batch was screened"):
        run(project, "screening", "report", "--out", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="the project has none"):
        run(project, "screening", "error-rates", "--backbone", backbone)
    add_cohort(project)
    add_drawn(project, [person(number) for number in range(3_000, 3_005)])
    run(project, "screen", "--backbone", backbone)
    measured = json.loads(run(project, "screening", "error-rates", "--backbone", backbone, "--json").stdout)
    assert [row["n"] for row in measured["result"]["planted"]] == [48, 48]
    printed = run(project, "screening", "error-rates", "--backbone", backbone).output
    assert "95 % intervals (Clopper-Pearson)" in printed
    assert "label probe: Right on" in printed
    out = tmp_path / "report"
    paths = json.loads(run(project, "screening", "report", "1", "--out", str(out), "--json").stdout)
    assert [Path(path).is_file() for path in paths.values()] == [True, True]
