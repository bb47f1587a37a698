"""Pretrain a backbone on training images: from a given one by any objective, or from nothing.

What is saved is a stock Hugging Face folder: config.json, model.safetensors, preprocessor_config.json, and card.json
beside them with everything the weights saw.
"""

from pathlib import Path

from curation.errors import Diverged
from curation.progress import OnProgress
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder
from train.backbones.load import weights_digest
from train.fitting.timing import OnEstimate
from train.pretraining.continued import continue_pretraining
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.descent import withdrawal_notes
from train.pretraining.from_nothing import pretrain_from_nothing
from train.pretraining.recipe import PretrainRecipe
from train.pretraining.result_folder import is_finished, remove_unfinished, write_card


def pretrain_backbone(
    folder: SnapshotFolder,
    recipe: PretrainRecipe | ContinuedRecipe,
    out: Path,
    on_progress: OnProgress,
    made_by: str,
    date: str,
    *,
    allow_affected: bool = False,
    from_nothing: bool = False,
    on_estimate: OnEstimate | None = None,
) -> Path:
    """Fit what the recipe asks for and save the backbone in `out`; resumes if it was killed.

    `made_by` is the command and `date` the day for the card; `from_nothing` forces random weights on few images;
    `on_estimate` is told before the first step how long it takes. Raises Conflict when `out` holds another finished
    backbone, BadInput when images, network and recipe do not go together, AffectedRefused, Diverged when a loss is no
    finite number; then nothing is left.
    """
    notes = list(folder.affected)
    if isinstance(recipe, ContinuedRecipe):
        notes += withdrawal_notes(recipe, folder.path)
    affected = refuse_affected(f"snapshot {folder.name!r} or its backbone", notes, allow_affected)
    if is_finished(out, recipe, folder):
        return out
    try:
        if isinstance(recipe, ContinuedRecipe):
            card = continue_pretraining(folder, recipe, out, on_progress, on_estimate)
        else:
            card = pretrain_from_nothing(folder, recipe, out, on_progress, on_estimate, force=from_nothing)
    except Diverged:
        remove_unfinished(out)
        raise
    facts = {"digest": weights_digest(out), "made_by": made_by, "date": date, "affected": affected}
    write_card(out, card | facts)
    return out
