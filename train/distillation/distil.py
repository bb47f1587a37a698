"""Distil a small convolutional network from a teacher on a snapshot's training subjects.

The labels are not read. The small network is saved in a layout of transformers, with card.json beside it: its teacher,
and everything that either of them saw.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from curation.errors import Conflict, Diverged, LeakRefused
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder
from train.backbones.load import Backbone, quiet_transformers, weights_digest
from train.backbones.provenance import seen_by_backbone
from train.distillation.recipe import DistilRecipe
from train.distillation.student import Student, make_student
from train.distillation.teacher_features import Standard, TeacherFeatures, compute_teacher_features
from train.distillation.timing import estimate_distillation
from train.fitting.checkpoint import Checkpoint, remove_unfinished_weights
from train.fitting.device import choose_device
from train.fitting.phase import FitProgress, Phase
from train.fitting.timing import OnEstimate
from train.pretraining.fit import FIT
from train.pretraining.from_nothing import PretrainingImages, choose_rows, split_images
from train.pretraining.masked_autoencoder import augment, learning_rate
from train.pretraining.objectives.feature_distillation import Features, feature_loss
from train.pretraining.result_folder import CARD, describe_fit, is_finished, remove_unfinished, write_card
from train.pretraining.sampling import choose_batch, pretraining_generator

TEACHER_FEATURES = "teacher"  # the folder inside FIT
HELD_OUT, FITTED = "held-out", "fitted"  # the folders inside that of the features
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Fit:
    """What a distillation learns from: the images, and the teacher's features of them."""

    folder: SnapshotFolder
    recipe: DistilRecipe
    teacher: Backbone
    images: PretrainingImages
    fitted: TeacherFeatures
    held_out: TeacherFeatures


def distil_backbone(
    folder: SnapshotFolder,
    teacher_location: str,
    recipe: DistilRecipe,
    out: Path,
    on_progress: OnProgress,
    made_by: str,
    date: str,
    *,
    allow_unknown_provenance: bool = False,
    allow_affected: bool = False,
    on_estimate: OnEstimate | None = None,
) -> Path:
    """Fit a student on the real training images of `folder` and save it in `out`; resumes if it was killed.

    `made_by` is the command and `date` the day for the card; `on_estimate` is told before a fit begins how long it
    takes. Raises NotFound without the teacher, Conflict when `out`
    holds another finished backbone, BadInput when there are too few images, LeakRefused when the teacher does not say
    what it saw or saw held-out subjects, Diverged when a loss is no finite number; then nothing is left.
    """
    teacher = Backbone.load(teacher_location, choose_device(), recipe.teacher_input_size)
    if is_finished(out, recipe, folder):
        _check_teacher_of(out, teacher)
        return out
    notes = [*folder.affected, *Tombstones.read(teacher.directory).notes]
    affected = refuse_affected(f"snapshot {folder.name!r} or the teacher", notes, allow_affected)
    seen = _check_teacher(folder, teacher, allow_unknown_provenance)
    rows = choose_rows(folder, recipe)
    images = split_images(folder, recipe, rows)
    teacher.check_images(*images.fitted.shape[1:])
    if on_estimate is not None and not (out / FIT / CHECKPOINT).exists():
        kept = out / FIT / TEACHER_FEATURES
        on_estimate(estimate_distillation(recipe, teacher, images, kept / FITTED, kept / HELD_OUT))
    try:
        fit = _with_teacher(folder, recipe, teacher, images, out, on_progress)
        student, losses = _fit(fit, out, on_progress)
    except Diverged:
        remove_unfinished(out)
        raise
    remove_unfinished_weights(out)
    with quiet_transformers():
        student.encoder.save_pretrained(out)
    (out / "preprocessor_config.json").write_text(json.dumps(images.preprocessing.as_config(), indent=2) + "\n")
    card = describe_fit(folder, recipe, recipe.name, len(rows), Seen.by_rows(rows) | seen, losses)
    card["metrics"]["explained"] = losses[-1]["explained"]
    facts = {"digest": weights_digest(out), "made_by": made_by, "date": date, "affected": affected}
    write_card(out, card | facts | {"teacher": _describe_teacher(teacher)})
    return out


def _check_teacher_of(out: Path, teacher: Backbone) -> None:
    """Raise Conflict when the finished backbone in `out` has another teacher."""
    if json.loads((out / CARD).read_text()).get("teacher", {}).get("digest") != teacher.digest:
        raise Conflict(f"{out} holds a backbone of another teacher. Choose another directory.")


def _check_teacher(folder: SnapshotFolder, teacher: Backbone, allow_unknown_provenance: bool) -> Seen:
    """Collect what the teacher saw; raises LeakRefused where that is unknown or holds a held-out subject."""
    seen = seen_by_backbone(teacher.directory, teacher.name)
    if seen.unknown and not allow_unknown_provenance:
        raise LeakRefused(
            f"the teacher {teacher.name!r} does not list what it saw, so it may have seen held-out subjects."
            " Pass --allow-unknown-provenance to use it all the same; the card will say so."
        )
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)
    return seen


def _describe_teacher(teacher: Backbone) -> dict[str, Any]:
    """What the card says of the teacher; of its own card all but the lists of what it saw."""
    path = teacher.directory / CARD
    card = json.loads(path.read_text()) if path.is_file() else {}
    kept = {key: card[key] for key in ("name", "source", "licence", "notice", "provenance") if key in card}
    return {"name": teacher.name, "digest": teacher.digest, "input_size": list(teacher.preprocessing.size), **kept}


def _with_teacher(
    folder: SnapshotFolder,
    recipe: DistilRecipe,
    teacher: Backbone,
    images: PretrainingImages,
    out: Path,
    on_progress: OnProgress,
) -> Fit:
    """Compute the teacher's features of the fitted and of the held-out images, or read those kept."""
    features = [
        compute_teacher_features(
            teacher,
            pixels,
            recipe.grid,
            out / FIT / TEACHER_FEATURES / name,
            f"{name} images of {folder.digest}, seed {recipe.seed}, {recipe.held_out} held out",
            on_progress,
        )
        for name, pixels in ((HELD_OUT, images.held_out), (FITTED, images.fitted))
    ]
    return Fit(folder, recipe, teacher, images, fitted=features[1], held_out=features[0])


def _fit(fit: Fit, out: Path, on_progress: OnProgress) -> tuple[Student, list[dict[str, float]]]:
    """Fit a student; returns it and its losses at every checkpoint."""
    recipe, images = fit.recipe, fit.images
    standard = Standard.over(fit.fitted)
    device = choose_device()
    student = make_student(recipe, fit.fitted.whole.shape[1], fit.fitted.patches.shape[2]).to(device)
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
    )
    phase = Phase(
        "distillation",
        student,
        optimizer,
        recipe.steps,
        learning_rate=lambda step, initial: learning_rate(recipe, step, initial),
        checkpoint=Checkpoint(
            out / FIT / CHECKPOINT, f"{recipe.digest()} on {fit.folder.digest} from {fit.teacher.digest}"
        ),
        remedy=f"Lower learning_rate, now {recipe.learning_rate:g}, in the recipe (--recipe) and repeat.",
    )

    def wanted(features: TeacherFeatures, chosen: Any) -> Features:
        standardised = standard(features.of(chosen))
        return Features(standardised.whole.to(device), standardised.patches.to(device))

    def objective(step: int) -> torch.Tensor:
        generator = pretraining_generator(recipe.seed, step)
        chosen = choose_batch(recipe.seed, recipe.batch_size, len(images.fitted), step)
        batch = augment(images.preprocessing(images.fitted[chosen]), recipe.shift_pixels, False, generator)
        return feature_loss(student(batch.to(device)), wanted(fit.fitted, chosen), recipe.patch_weight)

    @torch.inference_mode()
    def evaluate(step: int) -> dict[str, float]:
        predicted = student(images.preprocessing(images.held_out).to(device))
        features = wanted(fit.held_out, np.arange(len(images.held_out)))
        loss = float(feature_loss(predicted, features, recipe.patch_weight))
        left = float((predicted.whole - features.whole).square().mean() / features.whole.square().mean())
        train = sum(phase.recent_losses) / len(phase.recent_losses)
        return {"train": train, "held_out": loss, "explained": 1 - left}

    def report(progress: FitProgress) -> None:
        on_progress(progress.step, progress.steps, f"loss {progress.loss:.4f}")

    every = recipe.checkpoint_every
    phase.run(objective, evaluate, report, evaluate_every=every, report_every=1, checkpoint_every=every)
    return student, [{"step": step, **losses} for step, losses in phase.evaluations]
