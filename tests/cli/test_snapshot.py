"""`rounds snapshot` previews, builds, compares, shows, and says what is stale."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from cli.main import rounds
from cli.snapshot_notes import stale_snapshots
from curation.errors import BadInput, Conflict
from curation.project import Project
from curation.tables.images import Image
from tests.curation.snapshots.filled import approve, fill

Run = Callable[..., Result]


@pytest.fixture
def run(project: Project) -> Run:
    """Run a command on a project with approved images."""
    fill(project)

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(rounds, ["--project", str(project.root), "snapshot", *arguments])
        assert result.exit_code == 0 or isinstance(result.exception, BadInput | Conflict), result.output
        return result

    return invoke


def test_a_preview_is_printed_and_as_json_holds_everything(run: Run, project: Project) -> None:
    shown = run("preview", "--max-ratio", "0.3", "--target", "9").output
    for words in ("by class", "short of 9", "0.22", "reader of first", "added images over the ratio", "no outcome yet"):
        assert words in shown
    preview = json.loads(run("preview", "--json", "--class", "a").stdout)
    assert [row["label"] for row in preview["classes"]] == ["a"]
    assert preview["refused"] == []
    assert not (project.root / "snapshots" / "preview").exists()
    refused = run("preview", "--min-agreement", "1")
    assert refused.exit_code == 0
    assert "a build is refused: no candidate that the recipe admits" in refused.output


def test_every_option_reaches_the_recipe(run: Run, project: Project) -> None:
    options = (
        "--synthetic raw --class a --class b --outcomes unadjudicated --no-grid --no-proxy --admit any --max-ratio 1"
        " --max-per-generator 3 --max-generator-share 1 --balance weights --weight synthetic=0.5 --weight b=2"
        " --normalise-weights --asked-labels --seed 4 --real-per-class 3 --worklist first --allow-unknown-provenance"
    )
    run("build", "one", *options.split())
    recipe = json.loads(run("show", "one", "--json").stdout)["recipe"]
    assert recipe == {
        "synthetic": "raw", "extra_real": "none", "max_ratio": 1.0, "real_per_class": 3, "worklists": ["first"],
        "corrected_labels": False, "allow_unknown_provenance": True, "seed": 4, "classes": ["a", "b"],
        "outcomes": "unadjudicated", "allow_grid": False, "allow_proxy": False, "min_agreement": None,
        "screening": {"admit": "any", "checks": []}, "max_per_generator": 3, "max_generator_share": 1.0,
        "balance": "weights", "weights": {"origins": {"synthetic": 0.5}, "classes": {"b": 2.0}, "normalise": True},
    }  # fmt: skip


@pytest.mark.slow
def test_the_recipe_of_a_snapshot_builds_another_and_options_have_the_last_word(run: Run, project: Project) -> None:
    run("build", "one", "--max-ratio", "0.3", "--weight", "synthetic=0.5")
    manifest = project.root / "snapshots" / "one" / "snapshot.json"
    run("build", "two", "--recipe", str(manifest))
    run("build", "three", "--recipe", str(manifest), "--max-ratio", "1")
    diffs = [json.loads(run("diff", "one", name, "--json").stdout) for name in ("two", "three")]
    assert (diffs[0]["same_content"], diffs[0]["recipe"]) == (True, {})
    assert diffs[1]["recipe"] == {"max_ratio": [0.3, 1.0]}
    assert diffs[1]["counts"]["added"] == 2
    printed = run("diff", "one", "three").output
    assert "max_ratio" in printed
    assert "train, " in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--check", "sharp"], "expected a limit like"),
        (["--weight", "synthetic"], "expected a weight like"),
        (["--weight", "synthetic=heavy"], "weights.origins.synthetic"),
        (["--weight", "synthetic=inf"], "weights.origins.synthetic: Input should be a finite number"),
        (["--class", "zebra"], "no class named zebra"),
        (["--worklist", "nowhere"], "no worklist named nowhere"),
        (["--recipe", "{folder}/list.json"], "expected a recipe as a JSON object"),
        (["--recipe", "{folder}/broken.json"], "expected a recipe as JSON"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(run: Run, tmp_path: Path, options: list[str], words: str) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    for command in (["build", "one"], ["preview"]):
        result = run(*command, *(option.replace("{folder}", str(tmp_path)) for option in options))
        assert isinstance(result.exception, BadInput)
        assert words in str(result.exception)


@pytest.mark.slow
def test_stale_snapshots_say_so_in_list_show_and_diff_and_before_training(run: Run, project: Project) -> None:
    run("build", "one")
    run("build", "real", "--synthetic", "none")
    assert stale_snapshots(project, ["one", "real"]) == []
    with project.database.write() as session:
        unread = session.scalars(select(Image).where(Image.batch_index == 7)).one()
        approve(session, [unread], "second")
    listed = {row["name"]: row["stale"] for row in json.loads(run("list", "--json").stdout)}
    assert listed == {"one": True, "real": False}
    assert json.loads(run("show", "one", "--json").stdout)["stale"] == [
        "outcomes have changed since: readings were added or taken back"
    ]
    assert "snapshot 'one' is stale" in " ".join(run("diff", "one", "real").output.split())
    (line,) = stale_snapshots(project, ["one", "real"])
    assert "build a new one" in line
