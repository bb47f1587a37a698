"""Error rates of the privacy gate, measured once: the slowest of what the tests of screening compute."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.project import Project
from tests.rows import NOW
from tests.screening.cohort import add_cohort
from tests.worlds.shared import make_once


@pytest.fixture(scope="session")
def privacy_world(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Path:
    """A folder with the measured `project` and with what the measurement returned, for `read_measured`."""
    from screening.error_rates.privacy import PrivacyPlan
    from screening.error_rates.privacy_run import measure_privacy
    from tests.train.tiny import save_backbone

    def make(root: Path) -> None:
        project = make_project(root / "project")
        add_cohort(project, train=range(20), validation=range(1_000, 1_082))
        plan, backbone = PrivacyPlan(copies=1), save_backbone(root / "tiny-vit")
        measured, examples = measure_privacy(project, NOW, plan, lambda *_: None, backbone_path=str(backbone))
        project.database.dispose()
        facts = [(example.kind, example.severity, example.caught) for example in examples]
        (root / "measured.json").write_text(json.dumps({"measured": measured, "examples": facts}))
        pixels = [(example.copy, example.source) for example in examples]
        np.savez(root / "examples.npz", *[picture for pair in pixels for picture in pair])

    return make_once(tmp_path_factory, "privacy", make)


def read_measured(world: Path) -> tuple[dict[str, Any], list[Any]]:
    """Return what the measurement returned: its row's content, and example pairs."""
    from screening.error_rates.privacy import Example

    stored = json.loads((world / "measured.json").read_text())
    with np.load(world / "examples.npz", allow_pickle=False) as arrays:
        pictures = list(arrays.values())
    pairs = zip(stored["examples"], pictures[::2], pictures[1::2], strict=True)
    return stored["measured"], [Example(*facts, copy, source) for facts, copy, source in pairs]
