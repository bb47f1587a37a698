"""Build the arms of a study as snapshots that differ only in the training images added."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from curation.errors import BadInput
from curation.progress import OnProgress, within_step
from curation.project import Project
from curation.requests import check_name
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.mix import MixRecipe
from curation.tables.training import arm_snapshot_name

ADDED_IMAGES: dict[str, dict[str, Any]] = {
    "real_only": {"synthetic": "none"},
    "plus_raw": {"synthetic": "raw"},
    "plus_approved": {"synthetic": "approved"},
    "plus_random": {"synthetic": "random"},
    "plus_duplicated_real": {"synthetic": "none", "extra_real": "duplicated"},
    "plus_reserve_real": {"synthetic": "none", "extra_real": "reserve"},
}


def build_arms(
    project: Project, study: str, arms: Sequence[str], base: MixRecipe, now: datetime, report: OnProgress
) -> dict[str, SnapshotFolder]:
    """Build one snapshot per arm, named `STUDY-ARM`; `base` gives the seed, the worklists and the real images to keep.

    Raises BadInput for an unknown arm or a name that cannot be a directory, and whatever building a snapshot raises.
    """
    check_arm_names(study, arms)
    folders = {}
    for done, arm in enumerate(arms):
        report(done, len(arms), arm)
        recipe = base.model_copy(update=ADDED_IMAGES[arm])
        name = arm_snapshot_name(study, arm)
        folders[arm] = build_snapshot(project, name, recipe, now, within_step(report, done, len(arms), arm))
    report(len(arms), len(arms), None)
    return folders


def base_of(arm: str, recipe: MixRecipe) -> MixRecipe:
    """Give the mix that an arm's recipe was made from: the same without what the arm adds."""
    default = MixRecipe()
    return recipe.model_copy(update={name: getattr(default, name) for name in ADDED_IMAGES[arm]})


def check_arm_names(study: str, arms: Sequence[str]) -> None:
    """Raise BadInput for an unknown arm, or for a study whose name, alone or with an arm's, cannot be a directory."""
    check_name(study, "study")
    unknown = [arm for arm in arms if arm not in ADDED_IMAGES]
    if unknown:
        raise BadInput(f"expected arms of {', '.join(ADDED_IMAGES)}; got {', '.join(unknown)}.")
    for arm in arms:
        check_name(arm_snapshot_name(study, arm), "snapshot")
