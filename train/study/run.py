"""Run a study: one adaptation on several arms and seeds, compared on the same held-out subjects."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from curation.errors import Conflict
from curation.files import whole_file
from curation.progress import OnProgress, within_step
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.adapt import RunResult, adapt, check_adaptation
from train.adaptation.run_folder import load_run, read_card
from train.adaptation.timing import estimate_runs
from train.backbones.load import load_version
from train.evaluation.evaluate import predict, select_held_out_rows
from train.evaluation.intervals import SeedInterval, choose_resampling_units
from train.evaluation.near_copies import are_near_copies, why_not_measured
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device
from train.fitting.kept_array import read_kept_array, write_kept_array
from train.fitting.timing import OnEstimate
from train.study.arithmetic import Comparison
from train.study.comparison import check_arms
from train.study.draws import halved, unit_of
from train.study.plan import StudyPlan

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm: its training images, each seed's metrics, their means, and their paired differences to the reference."""

    snapshot: str
    snapshot_digest: str
    n_images: dict[str, int]
    readings: dict[str, int]
    per_seed: dict[str, list[float]]
    metrics: dict[str, SeedInterval]
    differences: dict[str, SeedInterval] | None


@dataclass(frozen=True, slots=True)
class ArmsWithoutNearCopies:
    """Every arm again without `left_out` images; `arms` is empty, and `why_none` says why, where too little is left."""

    left_out: int
    n_images: int
    n_units: int
    arms: dict[str, dict[str, Any]]
    why_none: str | None


@dataclass(frozen=True, slots=True)
class StudyResult:
    """The result of a study, with all that a report must say about it.

    `near_copies` counts the held-out images that look like a training image of another subject in any arm (None: they
    were not searched), and where there are any, `without_near_copies` has every arm on the others. `against` has the
    primary arm less each arm that a gain must also beat, `units_per_class` the held-out units with an image of a class,
    and `earlier_openings` how often this project's test split was opened before.
    """

    plan: StudyPlan
    arms: dict[str, ArmResult]
    plan_digest: str
    backbone: dict[str, str]
    subjects: str
    resampled: str
    n_units: int
    n_images: int
    notice: str | None
    unknown_provenance: list[str]
    public_web: list[str]
    affected: list[str]
    near_copies: int | None
    without_near_copies: ArmsWithoutNearCopies | None
    against: dict[str, SeedInterval]
    units_per_class: dict[str, int]
    earlier_openings: int

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file or a database row."""
        return asdict(self) | {"plan": self.plan.model_dump(mode="json") | {"primary": self.plan.primary_arm}}


def run_study(
    arms: Mapping[str, SnapshotFolder],
    plan: StudyPlan,
    out: Path,
    on_progress: OnProgress,
    *,
    feature_directory: Path | None = None,
    allow_affected: bool = False,
    also_affected: Sequence[str] = (),
    on_checked: Callable[[], None] = lambda: None,
    on_estimate: OnEstimate | None = None,
    earlier_openings: int = 0,
) -> StudyResult:
    """Adapt, predict and compare every (arm, seed) of `plan`; what is finished in `out` is not repeated.

    Reads the held-out split that the plan names; the caller records that. Writes `result.json`. `feature_directory`
    keeps features for others. `on_checked` is called when nothing stands against the study, before its first step; then
    `on_estimate` is told how long it takes. Raises BadInput when the arms differ in more than their training images,
    Conflict when `out` holds another study, Diverged when a fit gives no finite numbers, and what `check_adaptation`
    raises.
    """
    check_arms(arms, plan)
    digest = _digest_begun_with(plan, out)
    backbone = load_version(plan.adaptation.backbone, out, digest, choose_device())
    notes = [line for folder in arms.values() for line in folder.affected]
    notes += [*Tombstones.read(backbone.directory).notes, *also_affected]
    affected = refuse_affected(f"study {plan.name!r}", notes, allow_affected)
    for folder in arms.values():
        check_adaptation(folder, plan.adaptation, backbone)
    drawn = {(arm, seed): _drawn(arms[arm], plan, seed) for arm in plan.arms for seed in plan.seeds}
    shared = FeatureCache(backbone, feature_directory) if plan.adaptation.method.row.frozen_encoder else None
    _claim_folder(arms, plan, out)
    on_checked()
    if on_estimate is not None and not (out / "runs").exists():
        adaptation = plan.run_config(plan.seeds[0])
        on_estimate(estimate_runs([*arms.values()], adaptation, backbone, len(plan.seeds), plan.split))
    probabilities: dict[str, list[Floats]] = {arm: [] for arm in plan.arms}
    jobs = [(arm, seed) for arm in plan.arms for seed in plan.seeds]
    for done, (arm, seed) in enumerate(jobs):
        step = (done, len(jobs), f"{arm}, seed {seed}")
        on_progress(*step)
        run_dir = out / "runs" / arm / f"seed-{seed}"
        inside = within_step(on_progress, *step)
        run = adapt(
            drawn[arm, seed],
            plan.run_config(seed),
            run_dir,
            inside,
            shared,
            feature_directory=feature_directory,
            allow_affected=bool(affected),
            also_affected=affected,
            backbone_digest=backbone.digest,
        )
        probabilities[arm].append(_predict_run(run, drawn[arm, seed], plan.split, shared))
    on_progress(len(jobs), len(jobs), None)
    result = _compare(arms, plan, out, probabilities, earlier_openings)
    with whole_file(out / "result.json") as partial:
        partial.write_text(json.dumps(result.as_json(), indent=1, sort_keys=True) + "\n")
    return result


def _digest_begun_with(plan: StudyPlan, out: Path) -> str | None:
    """The digest of the backbone that the study's first finished run rests on; None before there is one."""
    cards = (out / "runs" / arm / f"seed-{seed}" / "card.json" for arm in plan.arms for seed in plan.seeds)
    return next((str(read_card(path.parent)["backbone"]["digest"]) for path in cards if path.is_file()), None)


def _drawn(folder: SnapshotFolder, plan: StudyPlan, replicate: int) -> SnapshotFolder:
    return halved(folder, replicate) if plan.redraw == "halves" else folder


def _claim_folder(arms: Mapping[str, SnapshotFolder], plan: StudyPlan, out: Path) -> None:
    """Write what this study compares into its folder; raises Conflict when the folder holds another study."""
    comparison = {"plan": plan.model_dump(mode="json"), "arms": {name: arms[name].digest for name in plan.arms}}
    path = out / "plan.json"
    if path.is_file():
        if json.loads(path.read_text()) != comparison:
            raise Conflict(f"{out} holds a study of another plan or of other snapshots. Choose another name.")
        return
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(comparison, indent=1, sort_keys=True) + "\n")


def _predict_run(run: RunResult, folder: SnapshotFolder, split: str, shared: FeatureCache | None) -> Floats:
    """Predict with one run: class probabilities (N, n_classes), read from its folder when it has them."""
    path = run.directory / f"predictions-{split}.safetensors"
    belongs_to = f"{run.card['digest']} from {run.card['backbone']['digest']} on {folder.digest}"
    kept = read_kept_array(path, belongs_to)
    kept = _read_earlier_predictions(path, folder, split) if kept is None else kept
    if kept is not None:
        return kept
    saved = load_run(run.directory, choose_device(), shared.backbone if shared else None)
    probabilities = predict(saved, folder, split, shared).probabilities
    write_kept_array(path, probabilities, belongs_to)
    return probabilities


def _read_earlier_predictions(path: Path, folder: SnapshotFolder, split: str) -> Floats | None:
    """Read predictions of release 0.1, which do not say what they belong to; None unless they fit these images."""
    probabilities: Floats | None = load_file(path).get("probabilities") if path.is_file() else None
    expected = (len(folder.rows(split)), len(folder.classes))
    return probabilities if probabilities is not None and probabilities.shape == expected else None


def _compare(
    arms: Mapping[str, SnapshotFolder],
    plan: StudyPlan,
    out: Path,
    probabilities: Mapping[str, list[Floats]],
    earlier_openings: int,
) -> StudyResult:
    """Compute metrics of every arm and their paired differences under the same resamples of the held-out subjects."""
    reference = arms[plan.reference]
    rows = select_held_out_rows(reference, plan.split)
    labels = reference.labels(rows)
    resampled, units = choose_resampling_units(rows, reference.subjects)
    comparison = Comparison(plan, labels, units, len({unit_of(row) for row in reference.rows("train")}))
    measured = comparison.measure(probabilities)
    copies = are_near_copies(list(arms.values()), rows)
    cards = {arm: read_card(out / "runs" / arm / f"seed-{plan.seeds[0]}") for arm in plan.arms}
    results = {
        arm: ArmResult(
            snapshot=arms[arm].name,
            snapshot_digest=arms[arm].digest,
            n_images=dict(Counter(row.origin for row in arms[arm].rows("train"))),
            readings=cards[arm]["readings"],
            **measured[arm],
        )
        for arm in plan.arms
    }
    return StudyResult(
        plan=plan,
        plan_digest=plan.digest(),
        arms=results,
        backbone=cards[plan.reference]["backbone"],
        subjects=reference.subjects,
        resampled=resampled,
        n_units=int(units.max()) + 1,
        n_images=len(rows),
        notice=next((folder.notice for folder in arms.values() if folder.notice), None),
        unknown_provenance=sorted({name for card in cards.values() for name in card["saw"]["unknown"]}),
        public_web=sorted({name for card in cards.values() for name in card["saw"].get("public_web", ())}),
        affected=sorted({line for card in cards.values() for line in card.get("affected", ())}),
        near_copies=None if copies is None else int(copies.sum()),
        without_near_copies=_compare_others(reference, comparison, probabilities, rows, copies),
        against=comparison.against(probabilities),
        units_per_class={name: len(set(units[labels == place])) for place, name in enumerate(reference.classes)},
        earlier_openings=earlier_openings,
    )


def _compare_others(
    reference: SnapshotFolder,
    comparison: Comparison,
    probabilities: Mapping[str, list[Floats]],
    rows: list[SnapshotRow],
    copies: NDArray[np.bool_] | None,
) -> ArmsWithoutNearCopies | None:
    """Compare the arms on the images that are no near copies; None where none is one."""
    if copies is None or not copies.any():
        return None
    labels, left_out, n_images = reference.labels(rows), int(copies.sum()), int((~copies).sum())
    if why_none := why_not_measured(labels, ~copies, reference.classes):
        return ArmsWithoutNearCopies(left_out, n_images, 0, {}, why_none)
    others = [row for row, copy in zip(rows, copies, strict=True) if not copy]
    _, units = choose_resampling_units(others, reference.subjects)
    without = replace(comparison, labels=labels[~copies], units=units)
    kept = {arm: [run[~copies] for run in runs] for arm, runs in probabilities.items()}
    return ArmsWithoutNearCopies(left_out, n_images, int(units.max()) + 1, without.measure(kept), None)
