"""Pretrain from a given backbone by any objective, and measure its frozen probe before and after."""

import re
import shutil
from pathlib import Path
from typing import Any

from curation.errors import BadInput
from curation.progress import OnProgress, within_step
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.backbones.load import BACKBONE_FILES, Backbone
from train.fitting.timing import OnEstimate, of_several
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.descent import collect_seen, describe_ancestors
from train.pretraining.fit import FIT, PROBES
from train.pretraining.from_nothing import check_counts
from train.pretraining.probe import ProbeSet
from train.pretraining.report import Report, VariantResult
from train.pretraining.result_folder import describe_fit
from train.pretraining.sampling import split_held_out
from train.pretraining.tokens import load_backbone
from train.pretraining.variant import FittedImages, fit_variant


def continue_pretraining(
    folder: SnapshotFolder,
    recipe: ContinuedRecipe,
    out: Path,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None = None,
) -> dict[str, Any]:
    """Fit the objective of `recipe` and save the backbone, a report and a plot in `out`; returns the card's content.

    Raises BadInput where images, network and objective do not go together, LeakRefused for a held-out subject or
    unknown provenance, Diverged.
    """
    start = load_backbone(recipe.backbone, recipe.input_size, folder.path)
    start.check_images(*folder.shape)
    rows = choose_rows(folder, recipe)
    seen = collect_seen(folder, recipe, rows)
    probes, why_no_probe = choose_probes(folder, recipe)
    images = split_images(folder, recipe, rows)
    results = _fit_variants(folder, recipe, images, start, probes, out, on_progress, on_estimate)
    best = max(results, key=lambda result: result.score)
    for path in sorted(path for pattern in BACKBONE_FILES for path in best.directory.glob(pattern)):
        shutil.copyfile(path, out / path.name)
    report = Report(recipe.name, recipe.objective.kind, recipe.backbone, results, best, why_no_probe)
    report.write(out, folder, seen)
    return describe_fit(folder, recipe, recipe.name, len(rows), seen, best.losses) | {
        "objective": recipe.objective.kind,
        "ancestors": describe_ancestors(recipe, folder.path),
        **report.findings(),
    }


def choose_rows(folder: SnapshotFolder, recipe: ContinuedRecipe) -> list[SnapshotRow]:
    """Choose the real training images and, if asked for, the approved synthetic ones; BadInput when too few."""
    rows = [
        row
        for row in folder.rows("train")
        if row.origin == "real" or (recipe.with_approved and row.why.startswith("approved"))
    ]
    if recipe.with_approved and all(row.origin == "real" for row in rows):
        raise BadInput(
            f"snapshot {folder.name!r} has no approved synthetic training image. Leave out --with-approved, or build a "
            "snapshot with --synthetic approved."
        )
    check_counts(len(rows), recipe.held_out, recipe.batch_size)
    return rows


def choose_probes(folder: SnapshotFolder, recipe: ContinuedRecipe) -> tuple[ProbeSet | None, str | None]:
    """Choose the images of the probes, or say why there are none.

    Raises BadInput where a weight is to be chosen by the probe, and there is none.
    """
    probes, why_none = ProbeSet.choose_or_explain(folder, recipe.probe_images, recipe.seed)
    if probes is None and len(recipe.objective.variants()) > 1:
        raise BadInput(f"validation chooses the weight, and cannot: {why_none} Or give one weight.")
    return probes, why_none


def split_images(folder: SnapshotFolder, recipe: ContinuedRecipe, rows: list[SnapshotRow]) -> FittedImages:
    """Read the images, and keep some from the fit to report a loss on."""
    fitted, held_out = split_held_out(recipe.seed, len(rows), recipe.held_out)
    pixels, labels = folder.pixels(rows), folder.labels(rows)
    if pixels.min() == pixels.max():
        raise BadInput("expected training images that differ, got one value in every pixel. Check the import.")
    return FittedImages(
        pixels[fitted], labels[fitted], pixels[held_out], labels[held_out], len(folder.classes), folder.path
    )


def _fit_variants(
    folder: SnapshotFolder,
    recipe: ContinuedRecipe,
    images: FittedImages,
    start: Backbone,
    probes: ProbeSet | None,
    out: Path,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None,
) -> list[VariantResult]:
    """Fit every variant of the objective, and probe each."""
    variants, kept = recipe.objective.variants(), out / FIT / PROBES
    total = len(variants) * recipe.steps
    report_before = within_step(on_progress, 0, total, "probe before")
    before = probes.probabilities(start, kept, report_before) if probes else None
    results = []
    for number, (name, settings) in enumerate(variants.items()):
        directory = out / FIT / re.sub(r"[^a-z0-9.]+", "-", name)
        report = _report_variant(on_progress, name, number * recipe.steps, total)
        on_total = of_several(on_estimate, len(variants)) if on_estimate and number == 0 else None
        losses = fit_variant(images, recipe, settings, directory, folder.digest, report, on_total)
        comparison = None
        if probes and before is not None:
            made = load_backbone(str(directory), None, folder.path)
            report_after = within_step(on_progress, (number + 1) * recipe.steps, total, f"{name}, probe after")
            after = probes.probabilities(made, kept, report_after)
            comparison = probes.compare(before, after, len(variants))
        results.append(VariantResult(name, directory, losses, comparison))
    return results


def _report_variant(on_progress: OnProgress, name: str, done_before: int, total: int) -> OnProgress:
    """The callback of one of several fits: it counts the steps of all."""

    def report(done: int, _: int, note: str | None) -> None:
        on_progress(done_before + done, total, f"{name}, {note}")

    return report
