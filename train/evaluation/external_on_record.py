"""Find the external set that a request names, evaluate a run on it, and record that."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from curation.digests import digest_of
from curation.errors import BadInput, NotFound
from curation.ingest.incoming import Rejected
from curation.ingest.pseudonyms import Pseudonyms
from curation.ingest.request import ImportRequest
from curation.ingest.sources.hugging_face import is_hugging_face
from curation.ingest.sources.image_folder import open_image_folder
from curation.ingest.sources.new_pictures import LIKE_TRAINING, read_parts
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.aliases import all_aliases
from curation.snapshots.build import find_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import Split
from train.adaptation.records import find_run
from train.evaluation.external import (
    EXTERNAL,
    ExternalEvaluation,
    ExternalSet,
    PredictedSet,
    check_snapshot,
    evaluate_external,
    predict_files,
    predict_snapshot,
)
from train.evaluation.records import record_opening
from train.evaluation.request import EvaluationRequest
from train.prediction.of_run import RunOfProject

EVALUATED = "run.evaluated_elsewhere"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where an external set is, and how its files are read: a snapshot of the project, a snapshot folder, or files."""

    on: str
    options: ImportRequest
    manifest: Path | None = None


def evaluate_elsewhere(
    project: Project, request: EvaluationRequest, where: Elsewhere, report: OnProgress, now: Callable[[], datetime]
) -> tuple[ExternalEvaluation, list[Rejected]]:
    """Evaluate a run on an external set and record it as that; also return the files that were left out.

    The opening of a split of a snapshot of the project is recorded before it is read. Raises NotFound where `where` is
    nothing, BadInput for the run's own snapshot, and what `predict_snapshot` and `predict_files` raise.
    """
    run = RunOfProject.find(project, request.run)
    folder = _find_snapshot(project, run, request, where, now)
    if folder is not None:
        on = ExternalSet(folder.name, "snapshot", folder.digest, request.split, folder.subjects, folder.notice)
        predicted = predict_snapshot(run.load(), folder, request.split)
    else:
        on, predicted = _predict_files(project, run, where, report)
    evaluation = evaluate_external(run, on, predicted, request.n_bootstrap, request.seed, report)
    with project.database.write() as session:
        row = find_run(session, request.run)
        facts = {"run": row.id, "set": on.digest, "kind": on.kind, "split": on.split}
        facts |= {"result_digest": digest_of(json.loads(json.dumps(evaluation.as_json())))}
        project.chain.record(session, EVALUATED, facts, now())
    return evaluation, predicted.left_out


def _find_snapshot(
    project: Project, run: RunOfProject, request: EvaluationRequest, where: Elsewhere, now: Callable[[], datetime]
) -> SnapshotFolder | None:
    """Open the snapshot that is named, and record that a split of one of the project is opened; None for files."""
    path = Path(where.on)
    try:
        with project.database.write() as session:
            snapshot, row = find_snapshot(session, where.on), find_run(session, request.run)
            if snapshot.id == row.snapshot_id:
                raise BadInput(
                    f"{where.on!r} is the run's own snapshot. `rounds evaluate {run.name}` measures it on its held-out "
                    "subjects; --on is for another set."
                )
            folder = SnapshotFolder.open(project.root / snapshot.directory)
            check_snapshot(run.card, folder)
            record_opening(session, project.chain, now(), "run", row.id, Split(request.split), snapshot=snapshot.id)
            return folder
    except NotFound as error:
        if not path.exists():
            raise NotFound(
                f"--on {where.on!r}: no finished snapshot of this name in the project, and no folder or table there. "
                "`rounds snapshot list` shows the snapshots."
            ) from error
    if not (path / "snapshot.json").is_file():
        return None
    folder = SnapshotFolder.open(path)
    check_snapshot(run.card, folder)
    return folder


def _predict_files(
    project: Project, run: RunOfProject, where: Elsewhere, report: OnProgress
) -> tuple[ExternalSet, PredictedSet]:
    """Predict labelled files that are read as an import reads them, and kept out of the project.

    What stays in the run's folder has pseudonyms of file names, as an import keeps them.
    """
    path = Path(where.on)
    if is_hugging_face(path):
        raise BadInput(f"{path} is a Hugging Face data set. Import it, build a snapshot of it and name that with --on.")
    trained_on = run.trained_on
    source = open_image_folder(
        path,
        request=where.options,
        manifest=where.manifest,
        on_progress=report,
        usual=(trained_on.shape, f"{LIKE_TRAINING} have"),
    )
    names = Pseudonyms.of(project) if source.private else None
    with project.database.read() as session:
        aliases = all_aliases(session)

    def subject_of(published: str) -> str:
        key = names.subject(published) if names else published
        return aliases.get(key, key)

    predicted = predict_files(run.load(), read_parts(source.items, trained_on), subject_of, report)
    rows = predicted.predictions.rows
    subjects = "known" if all(row.subject is not None for row in rows) else "unknown"
    if names:
        kept = [replace(row, file_name=names.file(row.file_name)) for row in rows]
        predicted = replace(predicted, predictions=replace(predicted.predictions, rows=kept))
    digest = digest_of({"content": source.content_digest, "options": dict(source.options)})
    return ExternalSet(source.name, "files", digest, EXTERNAL, subjects), predicted
