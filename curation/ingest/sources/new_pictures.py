"""Read pictures that stay outside the project, prepared as an import prepares them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, NotFound
from curation.ingest.formats.picture_files import quiet_decoders
from curation.ingest.in_threads import map_in_threads
from curation.ingest.incoming import FileEntry, IncomingImage, Part, Rejected
from curation.ingest.preparing import check_not_blank
from curation.ingest.request import NO_REQUEST, ImportRequest
from curation.ingest.sources.file_reader import FileReader
from curation.ingest.sources.masks import MaskFiles
from curation.ingest.sources.source_files import Listing, list_folder, reason_to_refuse
from curation.provenance.value_scales import ValueScale
from curation.tables.images import Image, Import, Shape, Split
from curation.tables.training import SnapshotItem

LIKE_TRAINING = "the images that the run was trained on"
KEPT = ("size", "window", "gray", "plane", "quantise", "public_subjects")  # of an import: what holds for others, too
_NO_LABEL = {"unlabelled": 1.0}


def preparing_of(session: Session, snapshot_id: int) -> ImportRequest:
    """The options that the real training images of a snapshot were prepared with; the defaults where imports differ."""
    trained = select(SnapshotItem.image_id).where(
        SnapshotItem.snapshot_id == snapshot_id, SnapshotItem.split == Split.TRAIN
    )
    imports = select(Image.import_id).where(Image.id.in_(trained), Image.import_id.is_not(None)).distinct()
    reports = session.scalars(select(Import.report).where(Import.id.in_(imports))).all()
    options = [{name: report.get("options", {}).get(name) for name in KEPT} for report in reports]
    if not options or any(other != options[0] for other in options):
        return NO_REQUEST
    return ImportRequest.checked(**{name: value for name, value in options[0].items() if value is not None})


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What the images that a run was trained on look like: their shape, and the scale of their values if it is one."""

    shape: Shape
    scale: ValueScale | None

    @classmethod
    def of(cls, shape: Shape, manifest: Mapping[str, Any]) -> Self:
        """Take the scale from the manifest of the run's snapshot."""
        scales = [(entry["slope"], entry["intercept"]) for entry in manifest.get("value_scales", ())]
        is_one = len(set(scales)) == 1 and shape[2] == 1
        return cls(shape, ValueScale(shape[3], *scales[0]) if is_one else None)

    def check(self, image: IncomingImage) -> None:
        """Raise BadInput for a picture of one value everywhere, and for one whose values stand for something else.

        A file that states no scale, such as a PNG, passes.
        """
        check_not_blank(image.pixels)
        scale = image.value_scale
        plain = ValueScale(self.shape[3], 1.0, 0.0)
        if self.scale in (None, plain) or scale in (None, plain, self.scale):
            return
        raise BadInput(
            f"its values are on another scale ({scale}) than those of {LIKE_TRAINING} ({self.scale}). A run from "
            "images imported with --window CENTRE:WIDTH reads files of every scale"
        )


def read_new_pictures(path: Path, request: ImportRequest, trained_on: TrainedOn) -> Iterator[IncomingImage | Rejected]:
    """Yield every picture of a file, or of a folder and those below it, and every file that is left out, with why.

    A picture unlike the images in `trained_on` is left out. Labels and tables are not looked at. Raises NotFound
    without a file or folder at `path`, BadInput where it is empty or of another kind.
    """
    directory, listing = _list(path.resolve())
    yield from listing.rejected
    reader = FileReader(
        directory, request, {}, trained_on.shape, MaskFiles(directory, (), request), f"{LIKE_TRAINING} have"
    )
    entries = (FileEntry(file, _NO_LABEL, None, None) for file in listing.files)
    yield from read_parts((partial(reader.read, entry) for entry in entries), trained_on)


def read_parts(parts: Iterable[Part], trained_on: TrainedOn) -> Iterator[IncomingImage | Rejected]:
    """Read the parts of a source in threads, in order; a picture unlike the images in `trained_on` is left out."""
    with quiet_decoders():
        for items in map_in_threads(partial(_read, trained_on), parts, "read"):
            yield from items


def _read(trained_on: TrainedOn, part: Part) -> list[IncomingImage | Rejected]:
    items = part() if callable(part) else [part]
    return [item if isinstance(item, Rejected) else _checked(item, trained_on) for item in items]


def _checked(image: IncomingImage, trained_on: TrainedOn) -> IncomingImage | Rejected:
    try:
        trained_on.check(image)
    except BadInput as error:
        return Rejected.because(image.source_file, error)
    return image


def _list(path: Path) -> tuple[Path, Listing]:
    """The folder, and its files; a file is one in its folder."""
    if path.is_dir():
        listing = list_folder(path)
        if not listing.files and not listing.rejected:
            raise BadInput(f"{path} is empty: expected pictures, DICOM or NIfTI files in it.")
        return path, listing
    if not path.is_file():
        raise NotFound(f"expected a file or a folder of pictures at {path}, found nothing there.")
    reason = reason_to_refuse(path, path.parent)
    if reason:
        raise BadInput(f"{path}: {reason}.")
    return path.parent, Listing([path.name], [], [])
