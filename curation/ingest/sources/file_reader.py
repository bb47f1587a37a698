"""Read one file of any kind as pictures, in the size and depth that the request asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import BadInput
from curation.ingest.burnt_in import looks_burnt_in
from curation.ingest.formats.dicom_files import read_dicom
from curation.ingest.formats.nifti_files import read_nifti
from curation.ingest.formats.picture_files import decode_picture, explain_shape_difference
from curation.ingest.formats.png_files import strip_png
from curation.ingest.formats.tables import TableEntry
from curation.ingest.incoming import FileEntry, IncomingImage, Rejected, find_labels
from curation.ingest.preparing import prepare
from curation.ingest.request import ImportRequest
from curation.ingest.sources.masks import MaskFiles, read_picture_mask
from curation.ingest.sources.source_files import FileKind, kind_of, read_picture_file
from curation.tables.images import Shape

MOST_FILES = "most files here"


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads files as pictures; called in threads."""

    directory: Path
    request: ImportRequest
    by_uid: Mapping[str, TableEntry]
    usual: Shape | None
    masks: MaskFiles
    others: str = MOST_FILES  # what has the usual shape

    def read(self, entry: FileEntry) -> Iterator[IncomingImage | Rejected]:
        """Yield the pictures of a file, then one refusal for each reason why some were left out."""
        faults: dict[str, list[Rejected]] = {}
        for item in self._read(entry):
            ready = item if isinstance(item, Rejected) else self._prepare(item)
            if isinstance(ready, Rejected):
                faults.setdefault(ready.reason, []).append(ready)
            else:
                yield ready
        for reason, [first, *more] in faults.items():
            yield replace(first, source_file=entry.file, reason=f"{len(more) + 1} frames: {reason}") if more else first

    def _read(self, entry: FileEntry) -> Iterator[IncomingImage | Rejected]:
        path = self.directory / entry.file
        try:
            kind = kind_of(path)
            masks = self.masks.of(entry.file)
            if kind is FileKind.PICTURE:
                yield self._picture(path, entry, masks)
                return
        except BadInput as error:
            yield Rejected.because(entry.file, error)
            return
        except OSError as error:
            yield Rejected(entry.file, f"cannot be read: {error.strerror}")
            return
        if kind is FileKind.NIFTI:
            yield from read_nifti(path, entry, self.request, masks)
        else:
            yield from read_dicom(path, entry, self.request, self.by_uid)

    def _picture(self, path: Path, entry: FileEntry, masks: Mapping[str, Path]) -> IncomingImage:
        content = read_picture_file(path)
        pixels, notes = decode_picture(content)
        mask_values = {name: read_picture_mask(mask, pixels.shape) for name, mask in masks.items()}
        return IncomingImage(
            entry.file,
            pixels,
            find_labels(entry, self.request, mask_values),
            entry.subject,
            entry.split,
            masks={name: mask for name, mask in mask_values.items() if mask.any()},
            covariates=entry.covariates,
            png=strip_png(content),
            notes=notes,
            caption=entry.caption,
        )

    def _prepare(self, image: IncomingImage) -> IncomingImage | Rejected:
        """Look for burnt-in text, bring the picture to the size asked for, and check its shape."""
        try:
            burnt_in = image.burnt_in or looks_burnt_in(image.pixels)
            ready = prepare(image, self.request)
        except BadInput as error:
            return Rejected.because(image.source_file, error)
        height, width, channels = ready.pixels.shape
        shape = (height, width, channels, ready.pixels.dtype.itemsize * 8)
        if self.usual is not None and shape != self.usual:
            return Rejected(image.source_file, explain_shape_difference(self.usual, shape, self.others))
        return replace(ready, burnt_in=burnt_in) if burnt_in else ready
