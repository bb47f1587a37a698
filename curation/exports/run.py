"""Export a finished snapshot: whole or not at all, with an event in the chain."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from curation.digests import digest_of
from curation.errors import BadInput
from curation.exports.checksums import digest_of_files
from curation.exports.facts.evidence import gather_evidence
from curation.exports.facts.gaps import known_gaps
from curation.exports.facts.snapshot import SnapshotFacts, gather_facts
from curation.exports.formats import croissant, dicom, image_folder, nifti, parquet
from curation.exports.formats.dataset_card import dataset_card
from curation.exports.options import ExportOptions, ExportSummary
from curation.exports.release import write as release
from curation.exports.selection import Selection, count_origins, select_images
from curation.files import new_folder
from curation.progress import OnProgress
from curation.project import Project
from curation.tables.images import Origin

Writer: TypeAlias = Callable[[Path, Selection, SnapshotFacts, OnProgress], None]


def export_snapshot(
    project: Project, name: str, format: str, target: Path, options: ExportOptions, now: datetime, report: OnProgress
) -> ExportSummary:
    """Write snapshot `name` to the new directory `target`.

    Raises BadInput for an unknown format, Conflict when `target` exists or images were withdrawn, Damaged when a file
    was changed; nothing is left at `target` then.
    """
    if format not in FORMATS:
        raise BadInput(f"expected a format of {', '.join(FORMATS)}, got {format!r}.")
    write, opens_with = FORMATS[format]
    selection = select_images(project, name, options.include_real)
    facts = gather_facts(selection, options, now)
    with new_folder(target) as directory:
        write(directory, selection, facts, report)
        files, digest = digest_of_files(directory)
    with project.database.write() as session:
        payload = {
            "snapshot": selection.snapshot_id,
            "digest": facts.digest,
            "format": format,
            "real": facts.real,
            "synthetic": facts.made,
            "options": digest_of(options.model_dump(mode="json")),
            "files": digest,
        }
        project.chain.record(session, "export", payload, now)
    return ExportSummary(
        format=format,
        snapshot=name,
        directory=str(target),
        files=files,
        synthetic=count_origins(facts.counts, Origin.SYNTHETIC.value),
        altered=count_origins(facts.counts, Origin.ALTERED.value),
        real=facts.real,
        real_left_out=facts.real_left_out,
        counts=facts.counts,
        digest=digest,
        opens_with=opens_with.format(directory=target),
        warnings=known_gaps(facts),
    )


def _with_card(write: Writer, layout: str) -> Writer:
    """Add the dataset card to what `write` writes."""

    def write_with_card(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
        write(directory, selection, facts, report)
        (directory / "README.md").write_text(dataset_card(facts, layout), encoding="utf-8")

    return write_with_card


_image_folder = _with_card(image_folder.write_image_folder, "imagefolder")


def _croissant(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
    _image_folder(directory, selection, facts, report)
    with selection.project.database.read() as session:
        evidence = gather_evidence(session, facts, selection.snapshot_id, selection.pseudonyms)
    croissant.write_croissant(directory, facts, evidence)


FORMATS: dict[str, tuple[Writer, str]] = {  # what writes each, and what opens the result
    "imagefolder": (_image_folder, image_folder.OPENS_WITH),
    "parquet": (_with_card(parquet.write_parquet, "parquet"), parquet.OPENS_WITH),
    "croissant": (_croissant, croissant.OPENS_WITH),
    "dicom": (_with_card(dicom.write_dicom, "dicom"), dicom.OPENS_WITH),
    "nifti": (_with_card(nifti.write_nifti, "nifti"), nifti.OPENS_WITH),
    "release": (release.write_release, release.OPENS_WITH),
}
