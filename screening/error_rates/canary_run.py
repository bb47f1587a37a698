"""Run a canary experiment in a project: plant, fit with and without, count, write report and figure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import open_snapshot
from generate.fit_job import make_fit_reporter
from generate.registry import find_weights
from screening.checks.check import Unset
from screening.copies.find import CopyGates
from screening.error_rates.canaries import CanaryPlan, fit_both, plant
from screening.error_rates.canary_evidence import plot_canaries, weigh
from screening.error_rates.privacy_run import describe, project_gates
from train.backbones.provenance import backbone_facts


def measure_canaries(
    project: Project,
    snapshot: str,
    plan: CanaryPlan,
    out: Path,
    report: OnProgress,
    *,
    autoencoder: str | None = None,
    backbone_path: str | None = None,
) -> dict[str, Any]:
    """Fit both generators of `plan` in `out`, count returned canaries, and write canaries.json and canaries.png there.

    `autoencoder` is a generator of the project whose autoencoder is used. Killed, the next call continues. Raises
    NotFound, and BadInput where there are too few subjects or the privacy gate cannot be set.
    """
    folder = open_snapshot(project, snapshot)
    planted = plant(folder, plan)
    directory = find_weights(project, autoencoder) if autoencoder else None
    drawn, control = fit_both(planted, plan, out, make_fit_reporter(report), directory)
    backbone, gates, searched = project_gates(project, (*folder.shape, folder.bits), report, backbone_path)
    _check_gates(gates, len(set(planted.file_sha256) - searched))

    def blocked(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        by_gate = gates.blocked(gates.nearest(describe(backbone, pixels)))
        return by_gate[:, 0] | by_gate[:, 1]

    result = {
        "plan": plan.model_dump(mode="json"),
        "autoencoder": autoencoder or "fitted here",
        **backbone_facts(backbone),
        **weigh(planted, drawn, control, blocked),
    }
    (out / "canaries.json").write_text(json.dumps(result, indent=1) + "\n")
    plot_canaries(planted, drawn, control, out / "canaries.png")
    return result


def _check_gates(gates: CopyGates, missing: int) -> None:
    """Raise BadInput when the gates cannot judge the planted images."""
    if missing:
        raise BadInput(
            f"{missing} planted images are no training images of this project any more, and the gate cannot know them. "
            "Build a new snapshot."
        )
    for gate in (gates.features, gates.pixels):
        if isinstance(gate, Unset):
            raise BadInput(f"the privacy gate cannot be set: {gate.reason}. Import more validation subjects.")
