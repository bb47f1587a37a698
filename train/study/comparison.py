"""Check that the arms of a study differ in their training images and in nothing else."""

from collections.abc import Mapping

from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder
from train.evaluation.evaluate import select_held_out_rows
from train.study.plan import StudyPlan

EQUALLY_LARGE_ARMS = ("plus_approved", "plus_random", "plus_duplicated_real")


def check_arms(arms: Mapping[str, SnapshotFolder], plan: StudyPlan) -> None:
    """Raise BadInput unless the arms are those of the plan, with the same classes, format, held-out rows and sizes."""
    if set(arms) != set(plan.arms):
        raise BadInput(f"expected the arms {', '.join(plan.arms)}; got {', '.join(arms)}. Build a snapshot of each.")
    reference = arms[plan.reference]
    select_held_out_rows(reference, plan.split)
    for name, folder in arms.items():
        for attribute in ("classes", "shape", "bits", "subjects"):
            ours, theirs = getattr(folder, attribute), getattr(reference, attribute)
            if ours != theirs:
                raise BadInput(
                    f"arm {name}: {attribute} are {ours}, in {plan.reference} {theirs}. Build the arms together."
                )
        for split in ("validation", "test"):
            if _sorted_rows(folder, split) != _sorted_rows(reference, split):
                raise BadInput(
                    f"arm {name}: its {split} rows differ from those of {plan.reference}, so nothing can be compared."
                    " Build the arms together, from one import."
                )
    counts = {name: len(arms[name].rows("train")) for name in EQUALLY_LARGE_ARMS if name in arms}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise BadInput(f"expected arms of the same number of training images, got {listed}. Build the arms together.")


def _sorted_rows(folder: SnapshotFolder, split: str) -> list[tuple[str, str, str]]:
    return sorted((row.pixel_sha256, row.label, row.subject or "") for row in folder.rows(split))
