"""Adapt a backbone to a snapshot and save the run."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import BadInput, Conflict, Diverged, LeakRefused
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.config import AdaptationConfig
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.run_folder import read_card, read_cost, save_run
from train.adaptation.seen import collect_seen, seen_by_run
from train.adaptation.solved import seen_elsewhere
from train.adaptation.timing import estimate_runs
from train.adaptation.training import train
from train.backbones.load import Backbone, load_version
from train.backbones.provenance import describe_backbone, seen_by_backbone
from train.features.feature_cache import FeatureCache
from train.fitting.checkpoint import CHECKPOINTS, Checkpoint, remove_checkpoints
from train.fitting.curve import remove_curves
from train.fitting.device import choose_device
from train.fitting.timing import OnEstimate


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: its folder and its card."""

    directory: Path
    card: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics on the validation split."""
        return dict(self.card["metrics"])

    @property
    def cost(self) -> dict[str, float]:
        """Seconds of a step and bytes beside the weights, as measured when it was fitted."""
        return read_cost(self.directory)


def adapt(
    folder: SnapshotFolder,
    config: AdaptationConfig,
    out: Path,
    on_progress: OnProgress,
    features: FeatureCache | None = None,
    *,
    feature_directory: Path | None = None,
    allow_affected: bool = False,
    also_affected: Sequence[str] = (),
    on_checked: Callable[[], None] = lambda: None,
    on_estimate: OnEstimate | None = None,
    backbone_digest: str | None = None,
) -> RunResult:
    """Adapt `config.backbone` to the training split of `folder` and save it in `out`; a finished run is returned as is.

    Killed and called again, it continues from its checkpoint to the same weights. `features` shares cached features and
    the loaded backbone between runs of a frozen encoder; without it, `feature_directory` keeps features for others.
    `also_affected` names withdrawals that the caller knows of; `on_checked` is called when nothing stands against the
    fit, before its first step; then `on_estimate` is told how long it takes. `backbone_digest` asks for the version of
    the shipped backbone that has it.
    Raises Conflict when `out` holds another run, what `check_adaptation` raises, AffectedRefused when the snapshot or
    the backbone descends from a withdrawn subject and that is not allowed, Diverged when the fit gives no finite
    numbers; then nothing of it is left.
    """
    if (out / "card.json").is_file():
        result = _finished_run(folder, config, out, features)
        on_checked()
        return result
    if features is None:
        version = load_version(config.backbone, out, backbone_digest, choose_device())
        features = FeatureCache(version, feature_directory)
    backbone = features.backbone
    notes = [*folder.affected, *Tombstones.read(backbone.directory).notes, *also_affected]
    affected = refuse_affected(f"snapshot {folder.name!r} or its backbone", notes, allow_affected)
    seen = check_adaptation(folder, config, backbone)
    on_checked()
    checkpoint = Checkpoint(
        out / CHECKPOINTS / "adaptation.pt", f"{config.digest()} on {folder.digest} from {backbone.digest}"
    )
    if on_estimate is not None and not checkpoint.path.exists():
        on_estimate(estimate_runs([folder], config, backbone))
    try:
        model, history = train(folder, config, features, on_progress, checkpoint)
    except Diverged:
        remove_checkpoints(out)
        remove_curves(out)
        with suppress(OSError):  # whatever else lies there is not of this fit
            out.rmdir()
        raise
    card = _run_card(folder, config, backbone, seen) | {
        "parameters": model.parameter_counts(),
        **({"constant_features": model.head.n_constant} if model.head.n_constant else {}),
        **model.head.facts,
        **({"saw_elsewhere": seen_elsewhere(folder, config, backbone)} if config.method.row.summed else {}),
        "history": history.evaluations,
        "steps": history.steps,
        "best_step": history.best_step,
        "affected": affected,
        "metrics": history.metrics,
        **history.facts,
    }
    card = save_run(out, model, config, card, history.cost)
    remove_checkpoints(out)
    return RunResult(out, card)


def _finished_run(
    folder: SnapshotFolder, config: AdaptationConfig, out: Path, features: FeatureCache | None
) -> RunResult:
    card = read_card(out)
    if features is not None and features.backbone.digest != card["backbone"]["digest"]:
        raise Conflict(f"{out} holds a run of another version of {config.backbone!r}. Choose another directory.")
    if (card["config_digest"], card["snapshot"]["digest"]) != (config.digest(), folder.digest):
        raise Conflict(f"{out} holds a run of another snapshot or configuration. Choose another directory.")
    remove_checkpoints(out)
    return RunResult(out, card)


def check_adaptation(folder: SnapshotFolder, config: AdaptationConfig, backbone: Backbone) -> Seen:
    """Check that snapshot, configuration and backbone go together, and collect what the weights will have seen.

    Raises BadInput where they do not, LeakRefused for a held-out subject or unknown provenance.
    """
    earlier = config.method.earlier_run()
    if not earlier:
        _check_rows(folder)
    backbone.check_images(*folder.shape)
    if config.gradient_checkpointing and not backbone.model.supports_gradient_checkpointing:
        raise BadInput(
            f"{type(backbone.model).__name__} cannot compute its activations again on the way back. Leave out "
            "--gradient-checkpointing, and use --accumulation to take fewer images at once."
        )
    find_implementation(config.method).check(backbone, config.method)
    by_backbone = seen_by_backbone(backbone.directory, config.backbone)
    if by_backbone.unknown and not config.allow_unknown_provenance:
        raise LeakRefused(
            f"backbone {config.backbone!r} has no card.json that says what it saw, which may include held-out subjects."
            " Pass --allow-unknown-provenance to use it all the same; every report will say so."
        )
    seen = collect_seen(folder, by_backbone)
    if earlier:
        seen = seen | seen_by_run(Path(earlier))
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)
    return seen


def _check_rows(folder: SnapshotFolder) -> None:
    missing = sorted(set(folder.classes) - {row.label for row in folder.rows("train")})
    if len(folder.classes) < 2 or missing:
        raise BadInput(
            f"snapshot {folder.name!r}: expected two classes or more with training images of each; classes without any:"
            f" {', '.join(missing) or 'none'}. Build it from more images."
        )


def _run_card(folder: SnapshotFolder, config: AdaptationConfig, backbone: Backbone, seen: Seen) -> dict[str, Any]:
    """Describe what the run rests on."""
    origins = [row.origin for row in folder.rows("train")]
    return {
        "kind": "run",
        "config": config.model_dump(mode="json"),
        "config_digest": config.digest(),
        "classes": folder.classes,
        "shape": list(folder.shape),
        "bits": folder.bits,
        "notice": folder.notice,
        "mixed_scales": folder.mixed_scales,
        "backbone": describe_backbone(backbone, config.backbone),
        "snapshot": {"name": folder.name, "digest": folder.digest, "subjects": folder.subjects},
        "n_images": {origin: origins.count(origin) for origin in sorted(set(origins))},
        "readings": {key: value for key, value in folder.lineage.get("readings", {}).items() if key != "ids"},
        "saw": seen.as_entry(),
    }
