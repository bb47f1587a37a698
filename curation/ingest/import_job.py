"""Import a source named as `rounds import` names it, here or by a worker."""

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from curation.errors import BadInput, Busy, NotFound
from curation.ingest.import_report import ImportReport
from curation.ingest.names import Unmatched
from curation.ingest.request import NO_REQUEST, ImportRequest, flag_of
from curation.ingest.sources.hugging_face import import_hugging_face, is_hugging_face
from curation.ingest.sources.image_folder import import_image_folder
from curation.ingest.sources.medmnist import import_medmnist
from curation.ingest.sources.medmnist_catalogue import find_medmnist
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.jobs import enqueue_request, utc_now
from curation.locks import one_import_at_a_time
from curation.progress import OnProgress
from curation.project import Project
from curation.requests import FrozenRequest, check_title
from curation.tables.operations import Job

COHORT = "virtual-brains"
COHORT_SIZE = 400
MEDMNIST = "medmnist"
_SUBJECTS_PER_PROCESS = 100
_ASK_AGAIN_S = 1.0
_OF_ALL = ("public_subjects",)  # options that mean nothing to a source without subjects, and lose nothing


class SourceRequest(FrozenRequest):
    """One source to import: where it is, and how its files are read."""

    source: str = Field(min_length=1, description="a path, medmnist:NAME or virtual-brains[:N]")
    name: str | None = Field(default=None, description="what it is called; unset: like its file or directory")
    seed: int = Field(default=0, description="draws the splits of subjects that have none")
    manifest: Path | None = Field(default=None, description="a table given beside the source")
    options: ImportRequest = NO_REQUEST
    processes: int | None = Field(default=None, ge=1, description="for virtual-brains: how many draw")

    @property
    def kind(self) -> str:
        """`virtual-brains`, `medmnist` (by name), `npz` or `files`."""
        prefix = self.source.partition(":")[0]
        if prefix in (COHORT, MEDMNIST):
            return prefix
        return "npz" if self.source.lower().endswith(".npz") else "files"

    @property
    def argument(self) -> str:
        """What stands after the colon."""
        return self.source.partition(":")[2]

    def check(self) -> None:
        """Raise BadInput, or NotFound, for a source that does not exist, and options that it has no use for."""
        if self.name is not None:
            check_title(self.name, "source")
        useless = [flag_of(field) for field in self.options.options() if field not in _OF_ALL]
        if self.kind != "files" and useless:
            raise BadInput(
                f"{', '.join(useless)} is for a directory of images, and {self.source} is none. Leave it out."
            )
        if self.kind == COHORT and self.argument and not self.argument.isdecimal():
            raise BadInput(f"expected a number of subjects after {COHORT}:, got {self.argument!r}.")
        if self.kind == MEDMNIST:
            find_medmnist(self.argument)
        if self.kind == "files" and not Path(self.source).exists():
            raise NotFound(
                "expected virtual-brains[:N], medmnist:NAME, an .npz file, a directory, a table or a file; "
                f"got {self.source!r}."
            )


def import_requested(
    project: Project, request: SourceRequest, report: OnProgress, now: Callable[[], datetime], *, dry_run: bool = False
) -> ImportReport:
    """Import the source of `request`; raises what `check` and the source's own import raise."""
    request.check()
    options: dict[str, Any] = {"on_progress": report, "dry_run": dry_run}
    if request.kind == COHORT:
        count = int(request.argument or COHORT_SIZE)
        processes = request.processes or min(os.cpu_count() or 1, 1 + count // _SUBJECTS_PER_PROCESS)
        return import_virtual_brains(project, now(), count, workers=processes, **options)
    options["name"], path = request.name, Path(request.source)
    if request.kind != "files":
        return import_medmnist(project, now(), request.argument if request.kind == MEDMNIST else path, **options)
    options |= {"request": request.options, "seed": request.seed}
    if is_hugging_face(path):
        return import_hugging_face(project, now(), path, **options)
    return import_image_folder(project, now(), path, manifest=request.manifest, **options)


def queue_import(project: Project, request: SourceRequest, now: datetime) -> Job:
    """Queue an import for a worker, its paths in full; raises BadInput or NotFound for what is not there now."""
    request.check()
    if request.kind in ("npz", "files"):
        path = Path(request.source).resolve()
        if not path.exists():
            raise NotFound(f"{path} does not exist. A queued import needs its source where the worker finds it.")
        request = request.model_copy(update={"source": str(path)})
    if request.manifest is not None:
        request = request.model_copy(update={"manifest": request.manifest.resolve()})
    with project.database.write() as session:
        return enqueue_request(session, now, "import", request.model_dump(mode="json"))


def run_import_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Work off a queued import; raises NotFound when its source is gone, BadInput when nothing of it could be used."""
    request = SourceRequest.checked(**payload)
    for path in (Path(request.source) if request.kind in ("npz", "files") else None, request.manifest):
        if path is not None and not path.exists():
            raise NotFound(
                f"{path} is not there any more, or not on the machine of this worker. "
                "Put it back, or run `rounds import` where it is."
            )
    done = _import_in_turn(project, request, report)
    if not done.added and not done.already:
        raise BadInput(f"nothing in {done.source} could be imported: {'; '.join(done.reasons()) or 'it is empty'}.")
    report(done.added, done.added, f"{done.added} added, {done.already} here already, {len(done.rejected)} left out")


def _import_in_turn(project: Project, request: SourceRequest, report: OnProgress) -> ImportReport:
    """Import when no other import runs in the project any more."""
    while True:
        _wait_for_others(project, report)
        try:
            return import_requested(project, request, report, utc_now)
        except Unmatched as error:
            raise BadInput(f"{error.nameless} `rounds import` with --dry-run names some of them.") from error
        except Busy:  # another import began while this one hashed its files
            continue


def _wait_for_others(project: Project, report: OnProgress) -> None:
    """Wait until no import runs in the project; `report` ends the wait by raising, as it ends any work."""
    while True:
        try:
            with one_import_at_a_time(project):
                return
        except Busy:
            report(0, 0, "another import is running in this project: this one waits for it")
            time.sleep(_ASK_AGAIN_S)
