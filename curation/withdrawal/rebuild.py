"""The plan to rebuild what descends from a withdrawn subject: commands in an order in which they can be run.

A thing can only have been made from older ones, so the order in which things were made is an order to make them again.
Names get a suffix: snapshots, runs and studies never change, so what replaces them is called otherwise.
"""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent, Found, arm_snapshots
from curation.tables.generation import Batch, Generator
from curation.tables.reading import Worklist
from curation.tables.training import Run, Snapshot, Study
from curation.withdrawal.affected_results import Gone
from curation.withdrawal.plan_step import Step, command_line
from curation.withdrawal.remeasure import measured_anew

Dated: TypeAlias = tuple[datetime, int, Step]


def rebuild_plan(session: Session, descent: Descent, suffix: str, descendants: bool) -> list[dict[str, Any]]:
    """The steps as JSON, oldest thing first; `suffix` is put behind the names of what is made again."""
    names = {found.name: f"{found.name}{suffix}" for found in descent.affected}
    steps = [*_data_steps(session, descent, names, suffix), *_model_steps(session, descent, names)]
    ordered = [step for _, _, step in sorted(steps, key=lambda entry: entry[:2])]
    ordered += _ending(descent, descendants)
    read_again = {one.name: f"{one.name}{suffix}" for one in descent.worklists if one.descendants}
    ordered += measured_anew(session, Gone.about_to(descent), {**names, **read_again}, suffix)
    if descent.images:
        words = "exports, releases and backups outside cannot be reached: tell those who hold them"
        ordered.append(Step("copies", None, words))
    return [{"step": number, **asdict(step)} for number, step in enumerate(ordered, 1)]


def _data_steps(session: Session, descent: Descent, names: dict[str, str], suffix: str) -> Iterator[Dated]:
    """Snapshots, generators, batches and worklists, each with when it was made."""
    by_studies = _built_by_studies(session, descent)
    for found in descent.snapshots:
        snapshot = session.get_one(Snapshot, found.id)
        if found.name not in by_studies:
            yield snapshot.created_at, 0, _snapshot(snapshot, names)
    for found in descent.generators:
        generator = session.get_one(Generator, found.id)
        yield generator.created_at, 1, _generator(generator, names, found)
    for found in descent.batches:
        batch = session.get_one(Batch, found.id)
        yield batch.created_at, 2, _batch(batch, names)
    for shown in descent.worklists:
        worklist = session.get_one(Worklist, shown.id)
        if shown.descendants and worklist.practice_for_id is None:
            yield worklist.created_at, 3, _worklist(worklist, suffix)


def _model_steps(session: Session, descent: Descent, names: dict[str, str]) -> Iterator[Dated]:
    """Runs and studies, each with when it was made."""
    for found in descent.runs:
        run = session.get_one(Run, found.id)
        yield run.created_at, 4, _run(session, run, names)
    for found in descent.studies:
        study = session.get_one(Study, found.id)
        yield study.created_at, 5, _study(session, study, names)


def _built_by_studies(session: Session, descent: Descent) -> set[str]:
    """Snapshots that `rounds study run` builds by itself, as far as nothing else needs them."""
    arms = {name for found in descent.studies for name in arm_snapshots(session.get_one(Study, found.id))}
    runs = [session.get_one(Run, found.id).snapshot_id for found in descent.runs]
    needed = set(session.scalars(select(Snapshot.name).where(Snapshot.id.in_(runs))))
    for found in descent.generators:
        needed.add(session.get_one(Generator, found.id).card.get("fitted_on", {}).get("snapshot"))
    return arms - needed


def _snapshot(snapshot: Snapshot, names: dict[str, str]) -> Step:
    recipe = snapshot.recipe
    words: list[object] = ["rounds", "snapshot", "build", names[snapshot.name]]
    words += ["--synthetic", recipe.get("synthetic", "approved"), "--extra-real", recipe.get("extra_real", "none")]
    for name in ("max_ratio", "real_per_class"):
        if recipe.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", recipe[name]]
    for worklist in recipe.get("worklists", ()):
        words += ["--worklist", worklist]
    if recipe.get("allow_unknown_provenance"):
        words.append("--allow-unknown-provenance")
    words += ["--seed", recipe.get("seed", 0)]
    note = "hold its other options against `rounds snapshot list`; name the worklists that were read again"
    return Step(f"snapshot {snapshot.name}", command_line(*words), note if recipe.get("synthetic") != "none" else "")


def _generator(generator: Generator, names: dict[str, str], found: Found) -> Step:
    fitted_on = generator.card.get("fitted_on", {}).get("snapshot")
    if generator.directory == "shipped" or fitted_on not in names:
        note = f"it was fitted elsewhere ({fitted_on or 'no card'}): ask for one that was fitted without this subject"
        return Step(f"generator {generator.name}", None, note)
    words = ["rounds", "generator", "fit", "--snapshot", names[fitted_on], "--name", names[generator.name]]
    return Step(
        f"generator {generator.name}", command_line(*words, "--recipe", f"{generator.directory}/recipe.json"), found.why
    )


def _batch(batch: Batch, names: dict[str, str]) -> Step:
    request = batch.request
    name = request.get("generator", batch.generator.name)
    counts = ",".join(f"{label}={count}" for label, count in request.get("counts", {}).items())
    words: list[object] = ["rounds", "generate", "--generator", names.get(name, name), "--count", counts]
    options = {
        "seed": "--seed",
        "num_inference_steps": "--steps",
        "guidance_scale": "--guidance",
        "sampler": "--sampler",
    }
    for key, option in options.items():
        if key in request:
            words += [option, request[key]]
    return Step(f"batch {batch.id}", command_line(*words, "--wait"), "draws and screens")


def _worklist(worklist: Worklist, suffix: str) -> Step:
    words = [
        "rounds",
        "worklist",
        "create",
        f"{worklist.name}{suffix}",
        "--readers-per-image",
        worklist.readers_per_image,
    ]
    return Step(
        f"worklist {worklist.name}",
        command_line(*words, "--rule", worklist.rule.get("kind", "single")),
        "over the new batches, with the options of the old one; then it is read (`rounds review`). Old readings stay.",
    )


def _run(session: Session, run: Run, names: dict[str, str]) -> Step:
    snapshot = session.get_one(Snapshot, run.snapshot_id).name
    config = run.config
    backbone = str(config.get("backbone", "shipped"))
    for old, new in names.items():
        backbone = backbone.replace(f"runs/{old}/", f"runs/{new}/")
    words: list[object] = ["rounds", "train", "--snapshot", names.get(snapshot, snapshot), "--name", names[run.name]]
    words += ["--adaptation", config.get("adaptation", "linear-probe"), "--backbone", backbone]
    for key in ("epochs", "steps", "learning_rate", "batch_size", "seed"):
        if config.get(key) is not None:
            words += [f"--{key.replace('_', '-')}", config[key]]
    return Step(f"run {run.name}", command_line(*words), f"then rounds evaluate {shlex.quote(names[run.name])}")


def _study(session: Session, study: Study, names: dict[str, str]) -> Step:
    """Which images its arms take is not in the plan of a study, but in the recipe of its arms."""
    plan = study.plan
    arms = session.scalars(select(Snapshot.recipe).where(Snapshot.name.in_(arm_snapshots(study)))).all()
    recipe = arms[0] if arms else {}
    adaptation = plan.get("adaptation", {})
    words: list[object] = ["rounds", "study", "run", names[study.name], "--seeds", len(plan.get("seeds", ()))]
    words += ["--adaptation", adaptation.get("adaptation", "linear-probe")]
    words += ["--backbone", adaptation.get("backbone", "shipped"), "--split", plan.get("split", "test")]
    if adaptation.get("steps") is not None:
        words += ["--steps", adaptation["steps"]]
    words += ["--real-per-class", recipe["real_per_class"]] if recipe.get("real_per_class") is not None else []
    words += ["--allow-unknown-provenance"] if recipe.get("allow_unknown_provenance") else []
    for worklist in recipe.get("worklists", ()):
        words += ["--worklist", worklist]
    for arm in plan.get("arms", ()):
        words += ["--arm", arm]
    return Step(f"study {study.name}", command_line(*words), "builds its arms and its report")


def _ending(descent: Descent, descendants: bool) -> list[Step]:
    """What no command rebuilds, and what is screened anew."""
    steps = []
    if descent.batches and not descendants:
        words = (
            f"{descent.synthetic} synthetic images that descend from it stay; withdraw with --descendants removes them"
        )
        steps.append(Step("synthetic images", None, words))
    if descent.images:
        steps.append(Step("screenings", "rounds screen", "thresholds and references without the subject"))
    return steps
