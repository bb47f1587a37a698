"""Read a DICOM file as pictures: one for each frame, with geometry, label and subject."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from curation.errors import BadInput
from curation.ingest.burnt_in import burnt_in_by_header
from curation.ingest.captions import refuse_identifying
from curation.ingest.covariates import covariates_of_dataset
from curation.ingest.formats.dicom_attributes import explain_failure, read_code
from curation.ingest.formats.dicom_frames import Values, decode_frames, to_stored_values
from curation.ingest.formats.dicom_geometry import read_affine, read_spacing_mm
from curation.ingest.formats.dicom_header import count_frames, find_identifying_texts, fold_text, read_header
from curation.ingest.formats.dicom_preamble import BARE, is_bare
from curation.ingest.formats.tables import TableEntry
from curation.ingest.incoming import NO_LABEL, FileEntry, Geometry, IncomingImage, Rejected
from curation.ingest.request import ImportRequest


def read_dicom(
    path: Path, entry: FileEntry, request: ImportRequest, by_uid: Mapping[str, TableEntry]
) -> Iterator[IncomingImage | Rejected]:
    """Yield every frame of a file; a frame that fails ends the file with one refusal."""
    name, number, header = entry.file, 0, None
    try:
        header = read_header(path)
        facts = _file_facts(header, entry, request, by_uid)
        several = count_frames(header) > 1
        for number, frame in enumerate(decode_frames(path, header)):
            name = f"{entry.file}#{number}" if several else entry.file
            yield _image(name, header, number, to_stored_values(frame, header, number), facts)
    except BadInput as error:
        yield Rejected.because(entry.file if number == 0 else name, error)
    except Exception as error:  # a damaged attribute fails when it is looked at, with nearly every type there is
        yield Rejected.because(entry.file, explain_failure(error, header))


def _image(name: str, header: FileDataset, number: int, values: Values, facts: dict[str, Any]) -> IncomingImage:
    modality = read_code(header, "Modality")[:16] or None
    spacing, spacing_notes = read_spacing_mm(header, number)
    affine, place_notes = read_affine(header, number, spacing)
    geometry = Geometry(
        spacing_mm=spacing,
        rescale_slope=values.slope,
        rescale_intercept=values.intercept,
        signed_offset=values.signed_offset,
        value_unit=values.unit,
        modality=modality,
        window=values.window,
        frame=number,
        affine=affine,
    )
    bare = (BARE,) if is_bare(header) else ()
    return IncomingImage(
        name,
        values.pixels,
        geometry=geometry,
        **facts | {"notes": (*values.notes, *spacing_notes, *place_notes, *bare, *facts["notes"])},
    )


def _file_facts(
    header: FileDataset, entry: FileEntry, request: ImportRequest, by_uid: Mapping[str, TableEntry]
) -> dict[str, Any]:
    """What the header and the table say of all frames of a file: fields of `IncomingImage` by name."""
    row = by_uid.get(str(header.get("SOPInstanceUID")))
    labels = _labels(header, entry, request, row)
    identifying = find_identifying_texts(header)
    for label in [labels] if isinstance(labels, str) else labels:
        if any(text == fold_text(label) or (len(text) > 3 and text in fold_text(label)) for text in identifying):
            raise BadInput("its label names the patient or the study. Take labels from a manifest or another keyword")
    covariates, notes = covariates_of_dataset(header, request.covariates)
    covariates |= (row.covariates if row else None) or entry.covariates or {}
    for value in covariates.values():
        if fold_text(str(value)) in identifying:
            raise BadInput("a covariate identifies the patient or the study")
    caption = (row.caption if row else None) or entry.caption
    refuse_identifying(caption, identifying)
    patient = str(header.get("PatientID") or "").strip()
    subject = (row.subject if row else None) or entry.subject or patient or None
    study = str(header.get("StudyInstanceUID") or "") or entry.file
    split = (row.split if row else None) or entry.split
    facts = {"labels": labels, "subject_key": subject, "split": split, "group": study, "caption": caption}
    return facts | {"covariates": covariates or None, "burnt_in": burnt_in_by_header(header), "notes": notes}


def _labels(
    header: FileDataset, entry: FileEntry, request: ImportRequest, row: TableEntry | None
) -> str | dict[str, float]:
    if request.label_keyword:
        value = header.get(request.label_keyword)
        if value is None or not str(value).strip():
            raise BadInput(f"no label: it has no {request.label_keyword}")
        return str(value).strip()
    labels = (row.labels if row else None) or entry.labels
    if not labels:
        raise BadInput(NO_LABEL)
    return dict(labels)
