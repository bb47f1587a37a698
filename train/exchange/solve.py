"""Make a run of the project from a file of sums: the validation images are the project's own."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from curation.errors import BadInput, Conflict, LeakRefused
from curation.locks import being_made
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.seen import Seen
from curation.provenance.withdrawn import refuse_affected
from curation.requests import check_name
from curation.snapshots.build import find_snapshot, open_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import BuildStatus
from curation.tables.training import Run
from train.adaptation.adapt import RunResult
from train.adaptation.config import AdaptationConfig
from train.adaptation.methods.ridge import RidgeHead, read_rows
from train.adaptation.model import AdaptedModel
from train.adaptation.records import close_run, open_run
from train.adaptation.run_folder import read_card, save_run
from train.adaptation.seen import find_withdrawals_behind, seen_by_run
from train.adaptation.solved import measure_head
from train.adaptation.summed_runs import describe_solved, prior_of
from train.backbones.load import Backbone, load_version
from train.backbones.provenance import describe_backbone, seen_by_backbone
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device
from train.sums.kept_sums import KeptSums
from train.sums.privacy import composed, epsilon_of
from train.sums.site_file import SiteSums


def solve_sums(
    project: Project,
    path: Path,
    snapshot: str,
    name: str,
    config: AdaptationConfig,
    report: OnProgress,
    now: Callable[[], datetime],
    *,
    allow_affected: bool = False,
) -> RunResult:
    """Make the run `name` from the sums in `path`; the snapshot gives the validation images, never training images.

    Raises Conflict for the name of another run and for sums of another backbone, LeakRefused for a part that was not
    exported from this project, unless unknown provenance is allowed.
    """
    site = SiteSums.read(path)
    with being_made(project, "run", check_name(name, "run")):
        out = project.directory("runs") / name
        if (out / "card.json").is_file():
            return _finished_run(out, site, config)
        with project.database.read() as session:
            row = find_snapshot(session, snapshot)
            notes = find_withdrawals_behind(session, [row], config, project.root)
            finished = session.scalars(select(Run.directory).where(Run.status == BuildStatus.READY)).all()
        affected = refuse_affected(f"snapshot {snapshot!r} or its backbone", notes, allow_affected)
        folder = open_snapshot(project, snapshot)
        cache = FeatureCache(
            load_version(config.backbone, out, site.backbone, choose_device()), project.directory("embeddings")
        )
        _check(site, cache.backbone, folder)
        seen = _seen(site, config, cache.backbone, folder, [project.root / place for place in finished])
        with project.database.write() as session:
            open_run(session, now(), name, find_snapshot(session, snapshot), config)
        result = _solve(site, folder, config, cache, out, report, seen, affected)
        with project.database.write() as session:
            close_run(session, project.chain, now(), name, result.metrics)
    return result


def _finished_run(out: Path, site: SiteSums, config: AdaptationConfig) -> RunResult:
    card = read_card(out)
    if (card["config_digest"], card.get("parts")) != (config.digest(), _parts(site)):
        raise Conflict(f"{out} holds a run of other sums or settings. Choose another --name.")
    return RunResult(out, card)


def _parts(site: SiteSums) -> list[dict[str, str]]:
    return [{"run": part.run, "identity": part.identity} for part in site.parts]


def _check(site: SiteSums, backbone: Backbone, folder: SnapshotFolder) -> None:
    if site.backbone != backbone.digest:
        raise BadInput(
            f"the sums are of the backbone {site.backbone_name} ({site.backbone[:12]}), got {backbone.name} "
            f"({backbone.digest[:12]}). Name theirs with --backbone."
        )
    foreign = sorted(set(folder.classes) - set(site.sums.classes))
    if foreign or not folder.rows("validation"):
        raise BadInput(
            f"expected validation images of the classes {', '.join(site.sums.classes)}, got "
            f"{', '.join(foreign) or 'no validation image'}. Name a snapshot of the same classes."
        )


def _seen(
    site: SiteSums, config: AdaptationConfig, backbone: Backbone, folder: SnapshotFolder, runs: list[Path]
) -> Seen:
    """What the sums saw: of parts exported from runs of this project their lists, of others nothing is known."""
    seen = seen_by_backbone(backbone.directory, config.backbone)
    by_digest = {read_card(directory)["digest"]: directory for directory in runs if (directory / "card.json").is_file()}
    for part in site.parts:
        directory = by_digest.get(part.run_digest)
        name = f"sums of {part.run} ({part.identity[:8]})"
        seen = seen | (seen_by_run(directory) if directory else Seen(frozenset(), frozenset(), (name,)))
    if seen.unknown and not config.allow_unknown_provenance:
        raise LeakRefused(
            f"nobody here knows which subjects are behind {', '.join(seen.unknown)}: held-out subjects may be among "
            "them. Pass --allow-unknown-provenance to use them all the same; every report will say so."
        )
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)
    return seen


def _solve(
    site: SiteSums,
    folder: SnapshotFolder,
    config: AdaptationConfig,
    cache: FeatureCache,
    out: Path,
    report: OnProgress,
    seen: Seen,
    affected: list[str],
) -> RunResult:
    classes = folder.classes if set(folder.classes) == set(site.sums.classes) else list(site.sums.classes)
    rows = read_rows(folder, cache, report, ("validation",))
    validation = rows.sums(classes)
    kept = KeptSums(site.sums.with_classes(classes), validation, rows, bool(site.guarantees))
    solved, chosen_by = kept.solve(prior_of(kept, {}))
    head = RidgeHead(kept, solved)
    metrics = measure_head(head, folder, cache, classes, config.batch_size, report)
    card: dict[str, Any] = {
        "kind": "run",
        "config": config.model_dump(mode="json"),
        "config_digest": config.digest(),
        "shape": list(folder.shape),
        "bits": folder.bits,
        "notice": " ".join(sorted({*site.notices, *filter(None, [folder.notice])})) or None,
        "mixed_scales": folder.mixed_scales,
        "backbone": describe_backbone(cache.backbone, config.backbone),
        "snapshot": {"name": folder.name, "digest": folder.digest, "subjects": folder.subjects},
        "n_images": {},
        "readings": {},
        "saw": seen.as_entry(),
        "saw_elsewhere": seen.as_entry(),
        "classes": classes,
        "class_weights": {},
        "parts": _parts(site),
        "privacy": describe_privacy(site),
        **describe_solved(solved, chosen_by),
        "history": [metrics],
        "steps": 0,
        "best_step": 0,
        "affected": affected,
        "metrics": metrics,
    }
    backbone = cache.backbone
    backbone.model.requires_grad_(False)
    model = AdaptedModel(backbone, head)
    card["parameters"] = model.parameter_counts()
    return RunResult(out, save_run(out, model, config, card))


def describe_privacy(site: SiteSums) -> dict[str, Any]:
    """What a head from these sums promises a subject that was trained on."""
    plain = [part.run for part in site.parts if part.guarantee is None]
    if plain:
        return {"private": False, "why": f"the sums of {', '.join(plain)} are exact: a subject can be found in them"}
    worst = max(site.guarantees, key=lambda guarantee: guarantee.total_epsilon)
    together = composed(guarantee.mu for guarantee in site.guarantees)
    return {
        "private": True,
        "unit": "subject",
        "epsilon": worst.epsilon,
        "delta": worst.delta,
        "epsilon_over_all_releases_of_its_site": worst.total_epsilon,
        "epsilon_if_a_subject_is_in_every_part": epsilon_of(together, worst.delta),
        "covers": "training subjects; validation images set scale, penalty and slope and are not covered",
    }
