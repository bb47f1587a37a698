"""Plan how to rebuild what descends from a withdrawn subject, as commands in order.

A thing can only have been made from older ones, so the order in which things were made is an order to make them again.
Names get a suffix: snapshots, runs and studies never change, so what replaces them gets another name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent, arm_snapshots
from curation.tables.generation import Batch, Generator
from curation.tables.reading import Worklist
from curation.tables.training import Run, Snapshot, Study
from curation.withdrawal.affected_results import WithdrawnSubjects
from curation.withdrawal.plan_step import PlannedCommand, RebuildStep
from curation.withdrawal.remeasure import remeasuring_steps

Dated: TypeAlias = tuple[datetime, int, RebuildStep]


def rebuild_plan(
    session: Session, descent: Descent, suffix: str, descendants: bool, subtracted: frozenset[int] = frozenset()
) -> list[dict[str, Any]]:
    """List the steps as JSON, oldest thing first; `suffix` is put behind the names of what is made again.

    The subject is taken out of the runs `subtracted`, which are only measured again.
    """
    measured = [_measure_run(row.name) for row in descent.runs if row.id in subtracted]
    descent = replace(descent, runs=[row for row in descent.runs if row.id not in subtracted])
    names = {affected.name: f"{affected.name}{suffix}" for affected in descent.affected}
    steps = [*_data_steps(session, descent, names, suffix), *_model_steps(session, descent, names)]
    ordered = [step for _, _, step in sorted(steps, key=lambda entry: entry[:2])]
    ordered += [*measured, *_final_steps(descent, descendants)]
    read_again = {shown.name: f"{shown.name}{suffix}" for shown in descent.worklists if shown.descendants}
    ordered += remeasuring_steps(session, WithdrawnSubjects.planned(descent), {**names, **read_again}, suffix)
    if descent.images:
        note = "exports, releases and backups outside cannot be reached: tell those who hold them"
        ordered.append(RebuildStep("copies", None, note))
    return [step.as_json(number) for number, step in enumerate(ordered, 1)]


def _data_steps(session: Session, descent: Descent, names: dict[str, str], suffix: str) -> Iterator[Dated]:
    """Plan snapshots, generators, batches and worklists, each with the time it was made."""
    by_studies = _built_by_studies(session, descent)
    for descendant in descent.snapshots:
        snapshot = session.get_one(Snapshot, descendant.id)
        if descendant.name not in by_studies:
            yield snapshot.created_at, 0, _build_snapshot(snapshot, names)
    for descendant in descent.generators:
        generator = session.get_one(Generator, descendant.id)
        yield generator.created_at, 1, _fit_generator(generator, names, descendant.why)
    for descendant in descent.batches:
        batch = session.get_one(Batch, descendant.id)
        yield batch.created_at, 2, _generate_batch(batch, names)
    for shown in descent.worklists:
        worklist = session.get_one(Worklist, shown.id)
        if shown.descendants and worklist.practice_for_id is None:
            yield worklist.created_at, 3, _create_worklist(worklist, suffix)


def _model_steps(session: Session, descent: Descent, names: dict[str, str]) -> Iterator[Dated]:
    """Plan runs and studies, each with the time it was made."""
    for descendant in descent.runs:
        run = session.get_one(Run, descendant.id)
        yield run.created_at, 4, _train_run(session, run, names)
    for descendant in descent.studies:
        study = session.get_one(Study, descendant.id)
        yield study.created_at, 5, _run_study(session, study, names)


def _built_by_studies(session: Session, descent: Descent) -> set[str]:
    """Name the snapshots that `rounds study run` builds by itself, as far as nothing else needs them."""
    arms = {name for descendant in descent.studies for name in arm_snapshots(session.get_one(Study, descendant.id))}
    runs = [session.get_one(Run, descendant.id).snapshot_id for descendant in descent.runs]
    needed = set(session.scalars(select(Snapshot.name).where(Snapshot.id.in_(runs))))
    for descendant in descent.generators:
        needed.add(session.get_one(Generator, descendant.id).card.get("fitted_on", {}).get("snapshot"))
    return arms - needed


def _build_snapshot(snapshot: Snapshot, names: dict[str, str]) -> RebuildStep:
    recipe = snapshot.recipe
    options = {
        "synthetic": recipe.get("synthetic", "approved"),
        "extra_real": recipe.get("extra_real", "none"),
        "max_ratio": recipe.get("max_ratio"),
        "real_per_class": recipe.get("real_per_class"),
        "worklist": recipe.get("worklists", ()),
        "allow_unknown_provenance": bool(recipe.get("allow_unknown_provenance")),
        "seed": recipe.get("seed", 0),
    }
    note = "hold its other options against `rounds snapshot list`; name the worklists that were read again"
    command = PlannedCommand("snapshot build", (names[snapshot.name],), options)
    return RebuildStep(f"snapshot {snapshot.name}", command, note if recipe.get("synthetic") != "none" else "")


def _fit_generator(generator: Generator, names: dict[str, str], why: str) -> RebuildStep:
    of = f"generator {generator.name}"
    fitted_on = generator.card.get("fitted_on", {}).get("snapshot")
    autoencoder = generator.card.get("autoencoder_from", {}).get("name")
    if generator.directory == "shipped" or not (fitted_on in names or (fitted_on and autoencoder)):
        note = f"it was fitted elsewhere ({fitted_on or 'no card'}): ask for one that was fitted without this subject"
        return RebuildStep(of, None, note)
    recipe = f"{generator.directory}/recipe.json"
    options = {"snapshot": names.get(fitted_on, fitted_on), "name": names[generator.name], "recipe": recipe}
    options |= {"autoencoder_from": names.get(autoencoder, autoencoder)} if autoencoder else {}
    return RebuildStep(of, PlannedCommand("generator fit", options=options), why)


def _generate_batch(batch: Batch, names: dict[str, str]) -> RebuildStep:
    request = batch.request
    generator = request.get("generator", batch.generator.name)
    options = {
        "generator": names.get(generator, generator),
        "count": ",".join(f"{label}={count}" for label, count in request.get("counts", {}).items()),
        "seed": request.get("seed"),
        "steps": request.get("num_inference_steps"),
        "guidance": request.get("guidance_scale"),
        "sampler": request.get("sampler"),
        "wait": True,
    }
    return RebuildStep(f"batch {batch.id}", PlannedCommand("generate", options=options), "draws and screens")


def _create_worklist(worklist: Worklist, suffix: str) -> RebuildStep:
    options = {"readers_per_image": worklist.readers_per_image, "rule": worklist.rule.get("kind", "single")}
    return RebuildStep(
        f"worklist {worklist.name}",
        PlannedCommand("worklist create", (f"{worklist.name}{suffix}",), options),
        "over the new batches, with the options of the old one; then it is read (`rounds review`). Old readings stay.",
    )


def _train_run(session: Session, run: Run, names: dict[str, str]) -> RebuildStep:
    snapshot = session.get_one(Snapshot, run.snapshot_id).name
    config = run.config
    backbone = str(config.get("backbone", "shipped"))
    for old, new in names.items():
        backbone = backbone.replace(f"runs/{old}/", f"runs/{new}/")
    options = {
        "snapshot": names.get(snapshot, snapshot),
        "name": names[run.name],
        **_adaptation_options(config),
        "backbone": backbone,
        **{key: config.get(key) for key in ("epochs", "steps", "learning_rate", "batch_size", "seed")},
    }
    note = f"then {PlannedCommand('evaluate', (names[run.name],)).as_line()}"
    return RebuildStep(f"run {run.name}", PlannedCommand("train", options=options), note)


def _adaptation_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options that name a method, its settings and its start; what an earlier version saved starts at random."""
    method = str(config.get("adaptation", "linear-probe"))
    own = f"{method.replace('-', '_')}_"
    return {
        "adaptation": method,
        "set": tuple(f"{name}={value}" for name, value in config.items() if name.startswith(own) and value),
        "start": config.get("start", "random"),
        "interpolate": bool(config.get("interpolate")),
        "soup": config.get("soup"),
    }


def _measure_run(name: str) -> RebuildStep:
    note = "the subject is taken out of its sums, which is training without it; what was measured before is history"
    return RebuildStep(f"run {name}", PlannedCommand("evaluate", (name,)), note)


def _run_study(session: Session, study: Study, names: dict[str, str]) -> RebuildStep:
    """Plan a study again: which images its arms take is not in its plan, but in the recipe of its arms."""
    plan = study.plan
    arms = session.scalars(select(Snapshot.recipe).where(Snapshot.name.in_(arm_snapshots(study)))).all()
    recipe = arms[0] if arms else {}
    adaptation = plan.get("adaptation", {})
    options = {
        "seeds": str(len(plan.get("seeds", ()))),
        "no_redraw": plan.get("redraw", "none") == "none",
        "smallest_effect": plan.get("smallest_effect"),
        **_adaptation_options(adaptation),
        "backbone": adaptation.get("backbone", "shipped"),
        "split": plan.get("split", "test"),
        "steps": adaptation.get("steps"),
        "real_per_class": recipe.get("real_per_class"),
        "allow_unknown_provenance": bool(recipe.get("allow_unknown_provenance")),
        "worklist": recipe.get("worklists", ()),
        "arm": plan.get("arms", ()),
    }
    command = PlannedCommand("study run", (names[study.name],), options)
    return RebuildStep(f"study {study.name}", command, "builds its arms and its report")


def _final_steps(descent: Descent, descendants: bool) -> list[RebuildStep]:
    """Plan what no command rebuilds, and what is screened again."""
    steps = []
    if descent.batches and not descendants:
        stay = f"{descent.synthetic} synthetic images that descend from it stay"
        steps.append(RebuildStep("synthetic images", None, f"{stay}; withdraw with --descendants removes them"))
    if descent.images:
        screen = PlannedCommand("screen")
        steps.append(RebuildStep("screenings", screen, "thresholds and references without the subject"))
    return steps
