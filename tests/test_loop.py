"""The whole loop of `make demo-auto` at a reduced size, with real models and a real database."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli.demo
import cli.main

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]
SOAK = os.environ.get("ROUNDS_SOAK") == "1"  # `make soak`: the study of the demo as users get it
SMALLEST = ("--auto", "--subjects", "200", "--per-class", "4")


def rounds(*words: str) -> str:
    """Run the command as a user would; returns its standard output."""
    finished = CliRunner(env={"ROUNDS_TORCH_THREADS": "1"}).invoke(cli.main.rounds, words, catch_exceptions=False)
    assert finished.exit_code == 0, finished.output
    return finished.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A small demo run to its end: its project, and what it printed."""
    root = tmp_path_factory.mktemp("loop") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        if not SOAK:
            patch.setattr(cli.demo, "STEPS", 10)
            patch.setattr(cli.demo, "SEEDS", 2)
            patch.setattr(cli.demo, "EPOCHS", 1)
        yield root, rounds("demo", str(root), *SMALLEST)


def test_the_report_compares_five_arms_and_claims_nothing(demo: tuple[Path, str]) -> None:
    root, printed = demo
    report = (root / "studies" / "demo" / "report.md").read_text()
    assert report.strip() in printed
    assert "No gain is claimed" in report
    assert "SIMULATED" in report
    assert "0 readings by people" in report
    for arm in ("real_only", "plus_raw", "plus_approved", "plus_random", "plus_duplicated_real"):
        assert f"| {arm} |" in report
    assert (root / "studies" / "demo" / "report.png").stat().st_size > 10_000


def test_what_was_kept_is_whole(demo: tuple[Path, str]) -> None:
    root, _ = demo
    verified = json.loads(rounds("--project", str(root), "verify", "--pixels", "--json"))
    assert verified["faults"] == []
    for snapshot in json.loads(rounds("--project", str(root), "snapshot", "list", "--json")):
        assert snapshot["status"] == "ready"
        assert not snapshot["stale"]
        checked = json.loads(rounds("--project", str(root), "snapshot", "verify", snapshot["name"], "--json"))
        assert checked["faults"] == []


def test_every_reading_is_marked_as_a_proxys(demo: tuple[Path, str]) -> None:
    root, _ = demo
    (worklist,) = json.loads(rounds("--project", str(root), "worklist", "list", "--json"))
    assert worklist["read_by_people"] == 0
    assert worklist["read_by_proxies"] == worklist["images"]
    (reader,) = json.loads(rounds("--project", str(root), "reader", "list", "--json"))
    assert reader["kind"] == "proxy"


def test_running_it_again_goes_on_where_it_was(demo: tuple[Path, str]) -> None:
    root, printed = demo
    before = json.loads(rounds("--project", str(root), "status", "--json"))
    again = rounds("demo", str(root), *SMALLEST)
    after = json.loads(rounds("--project", str(root), "status", "--json"))
    assert before == after
    assert (
        again.split("# Study demo")[1].split("minutes in all")[0].splitlines()[:20]
        == (printed.split("# Study demo")[1].splitlines()[:20])
    )


def test_a_run_is_measured_on_the_test_subjects_with_intervals(demo: tuple[Path, str]) -> None:
    root, _ = demo
    measured = json.loads(rounds("--project", str(root), "evaluate", "demo-lora", "--bootstrap", "200", "--json"))
    assert measured["split"] == "test"
    assert measured["resampled"] == "subject"
    auroc = measured["metrics"]["auroc"]
    assert auroc["low"] <= auroc["value"] <= auroc["high"]
