"""`rounds lineage` and `rounds withdraw`, as a user types them."""

import json
import shlex

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from cli.main import rounds
from curation.errors import AffectedRefused, BadInput, NotFound
from curation.lineage.descent import descent_of
from curation.project import Project
from curation.tables.generation import Batch
from curation.tables.images import Image
from curation.tables.training import Run, Snapshot, Study
from curation.tables.withdrawals import Withdrawal
from curation.withdrawal.rebuild import rebuild_plan
from curation.withdrawal.withdraw import withdraw
from tests.curation.lineage.measured import add_measurement, add_pairs, add_report, drawn_in, image_of
from tests.curation.snapshots.filled import approve
from tests.rows import NOW


def run(project: Project, *words: str) -> Result:
    """A command on the project; errors meant for the user are raised."""
    return CliRunner().invoke(rounds, ["--project", str(project.root), *words], catch_exceptions=False)


@pytest.mark.slow
def test_the_tree_goes_both_ways_and_counts_instead_of_listing(lived: Project) -> None:
    shown = run(lived, "lineage", "generator:g2").output
    assert "descends from\n" in shown
    assert "and from it descend\n" in shown
    assert "18 real images: of import 1  [10 train, 4 validation, 4 test]" in shown
    assert "generator g1" in shown
    assert "generator g3" in shown
    assert "image 1:" not in shown
    up = run(lived, "lineage", "g2", "--up").output
    assert "generator g3" not in up


def test_full_lists_every_image_and_json_holds_the_same_graph(lived: Project) -> None:
    shown = run(lived, "lineage", "batch:1", "--full").output
    assert "image 19: " in shown
    record = json.loads(run(lived, "lineage", "batch:1", "--full", "--json").stdout)
    assert record["start"] == "batch:1"
    assert len(record["members"]["images:batch/1"]) == 4
    assert {"from": "batch:1", "to": "images:batch/1", "what": ""} in record["edges"]


def test_dot_is_for_graphviz(lived: Project) -> None:
    shown = run(lived, "lineage", "study:trial", "--up", "--dot").output
    assert shown.startswith("digraph lineage {")
    assert '"snapshot:base" -> "study:trial"' in shown


def test_what_names_nothing_is_refused(lived: Project) -> None:
    with pytest.raises(NotFound, match="there is no snapshot 'none'"):
        run(lived, "lineage", "snapshot:none")
    with pytest.raises(BadInput, match="expected a number after image:"):
        run(lived, "lineage", "image:x")


def test_without_yes_everything_is_listed_and_nothing_changes(lived: Project) -> None:
    shown = run(lived, "withdraw", "s0").output
    for line in ("subject s0 (train)", "2 images, 1 altered", "generator g3: saw it, also through g2", "study trial"):
        assert line in shown
    assert "rounds generator fit --snapshot second-w --name g2-w" in shown
    assert "Nothing was changed" in shown
    with lived.database.read() as session:
        assert session.scalars(select(Withdrawal)).all() == []
        assert session.scalars(select(Image.id).where(Image.withdrawn_at.is_not(None))).all() == []


@pytest.mark.slow
def test_with_yes_it_is_done_listed_and_marked_everywhere(lived: Project) -> None:
    done = json.loads(run(lived, "withdraw", "s0", "--yes", "--reason", "consent withdrawn", "--json").stdout)
    assert (done["withdrawn"], done["images_removed"], done["removed"]["files"]) == (True, 3, 4)
    listed = json.loads(run(lived, "withdraw", "--list", "--json").stdout)
    assert [(row["subject"], row["images"], row["reason"]) for row in listed] == [("s0", 3, "consent withdrawn")]
    assert listed[0]["plan"] == done["plan"]
    note = "AFFECTED by withdrawal 1"
    for words in (["generator", "list"], ["snapshot", "list"], ["study", "list"], ["generator", "show", "g2"]):
        assert note in run(lived, *words, "--json").output, words
    assert f"snapshot base: {note}" in run(lived, "status", "--json").output
    assert note in run(lived, "lineage", "snapshot:base").output
    assert "withdrawal 1 finished again: 0 tombstones made" in run(lived, "withdraw", "s0", "--yes").output


@pytest.mark.slow
def test_an_affected_snapshot_is_trained_and_its_generator_drawn_from_on_request_only(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "")
    with pytest.raises(AffectedRefused, match="--allow-affected"):
        run(lived, "train", "--snapshot", "base")
    with pytest.raises(AffectedRefused, match="--allow-affected"):
        run(lived, "generate", "--generator", "g1", "--count", "a=2")
    drawn = run(lived, "generate", "--generator", "g1", "--count", "a=2", "--allow-affected", "--json").output
    assert "AFFECTED by withdrawal 1" in json.loads(drawn)["withdrawals"]


def test_a_subject_or_the_list_but_not_both(lived: Project) -> None:
    assert run(lived, "withdraw").exit_code == 2
    assert run(lived, "withdraw", "s0", "--list").exit_code == 2
    with pytest.raises(NotFound, match="no subject 'who'"):
        run(lived, "withdraw", "who")


@pytest.mark.slow
def test_snapshot_verify_tells_withdrawn_from_damaged(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "", purge=True)
    facts = json.loads(run(lived, "snapshot", "verify", "base", "--json").stdout)
    assert (facts["faults"], facts["withdrawn"]) == ([], "2 rows, 2 purged")
    assert run(lived, "verify", "--json").exit_code == 0


def parse(line: str) -> click.Context:
    """Parse a command line with the real commands, without running anything; raises UsageError."""
    first, *words = shlex.split(line)
    context = rounds.make_context(first, words)
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


def ask_for_every_option(project: Project) -> None:
    """Give what the plan rebuilds every option that the plan repeats."""
    add_report(project, "privacy")
    add_report(project, "checks")
    add_measurement(project, images="snapshot", snapshot="second")
    add_measurement(project, images="approved", worklists=["first"], batches=[1, 2])
    add_pairs(project, "pairs", drawn_in(project, 1), image_of(project, "s0"))
    for generator in ("g1", "g2", "g3"):
        (project.root / "generators" / generator / "recipe.json").write_text("{}")
    with project.database.write() as session:
        approve(session, list(session.scalars(select(Image).where(Image.batch_id == 1))))
        batch = session.get_one(Batch, 1)
        batch.request = batch.request | {
            "num_inference_steps": 12,
            "guidance_scale": 1.5,
            "sampler": "unipc",
            "seed": 0,
        }
        snapshot = session.scalars(select(Snapshot).where(Snapshot.name == "base")).one()
        choice = {"max_ratio": 0.5, "real_per_class": 4, "worklists": ["first"], "allow_unknown_provenance": True}
        snapshot.recipe = snapshot.recipe | choice
        run = session.scalars(select(Run).where(Run.name == "direct")).one()
        run.config = run.config | {"steps": 5, "learning_rate": 0.001, "batch_size": 8}
        study = session.scalars(select(Study)).one()
        study.plan = study.plan | {"adaptation": {"adaptation": "lora", "backbone": "shipped", "steps": 5}}


def test_every_command_of_a_plan_is_one_that_rounds_takes(lived: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_for_every_option(lived)
    monkeypatch.chdir(lived.root)
    with lived.database.read() as session:
        plan = rebuild_plan(session, descent_of(session, lived.root, "s0"), "-w", False)
    parsed = {step["of"]: parse(step["command"]) for step in plan if step["command"]}
    assert {context.command_path for context in parsed.values()} == {
        "rounds snapshot build", "rounds generator fit", "rounds generate", "rounds worklist create", "rounds train",
        "rounds study run", "rounds screen", "rounds privacy error-rates", "rounds screening error-rates",
        "rounds measure run", "rounds pairs create",
    }  # fmt: skip
    batch = parsed["batch 1"].params
    assert (batch["generator_name"], batch["seed"], batch["steps"], batch["guidance"]) == ("g1-w", 0, 12, 1.5)
    assert (batch["sampler"], batch["wait"]) == ("unipc", True)
    snapshot = parsed["snapshot base"].params
    assert (snapshot["name"], snapshot["max_ratio"], snapshot["real_per_class"]) == ("base-w", 0.5, 4)
    assert (snapshot["worklists"], snapshot["allow_unknown_provenance"]) == (("first",), True)
    run = parsed["run direct"].params
    assert (run["steps"], run["learning_rate"], run["batch_size"], run["seed"]) == (5, 0.001, 8, 1)
    study = parsed["study trial"].params
    assert (study["adaptation"], study["arms"]) == ("lora", ("real_only", "plus_raw"))
    assert parsed["measurement 2"].params["batches"] == (1, 2)
    assert parsed["worklist first"].params["readers_per_image"] == 1
    for step in plan:
        if step["of"].startswith("run "):
            parse(step["note"].removeprefix("then "))


def test_a_plan_is_stored_as_lines_and_an_earlier_one_is_listed_as_it_was(lived: Project) -> None:
    earlier = {"step": 1, "of": "batch 1", "command": "rounds generate --generator g --wait", "note": "draws"}
    withdraw(lived, NOW, "s0", "")
    with lived.database.write() as session:
        withdrawal = session.scalars(select(Withdrawal)).one()
        assert all(set(step) == set(earlier) for step in withdrawal.plan)
        withdrawal.plan = [earlier]
    assert "1. batch 1: rounds generate --generator g --wait  # draws" in run(lived, "withdraw", "--list").output
