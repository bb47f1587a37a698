"""Options of `rounds import` that say how files are read, and the request they make."""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from click.core import ParameterSource

from cli.paths import LocalPath
from cli.terminal import with_options
from curation.errors import BadInput
from curation.ingest.request import ImportRequest, Plane, Window

C = TypeVar("C", bound=Callable[..., Any])

described_options = with_options(  # whose a file is and what it shows
    click.option(
        "--manifest",
        type=LocalPath(exists=True, dir_okay=False, path_type=Path),
        help="CSV, Parquet or JSON lines with a column that names the files, or their SOPInstanceUID.",
    ),
    click.option("--label", help="One label for every image."),
    click.option(
        "--label-from",
        metavar="WHERE",
        help="Where labels come from: folder, manifest, mask (present or not) or keyword:NAME of DICOM. Default: "
        "folder and table, which must agree.",
    ),
    click.option(
        "--label-column",
        "label_columns",
        multiple=True,
        metavar="COLUMN",
        help="The column of labels. Repeat it for several labels: then each column is one label and holds 0, 1, a "
        "probability or nothing.",
    ),
    click.option(
        "--label-separator", metavar="TEXT", help="The text between several labels in one column, as in 'a|b'."
    ),
    click.option(
        "--file-column", metavar="COLUMN", help="The column of file names, relative to the folder of the table."
    ),
    click.option("--subject-column", metavar="COLUMN", help="The column of subjects."),
    click.option(
        "--subject-pattern",
        metavar="REGEX",
        help="A pattern with one group, which gives the subject from the path of each file.",
    ),
    click.option(
        "--allow-unmatched",
        is_flag=True,
        help="Go on where a table that gives subjects, labels or splits misses images, or no image has a mask.",
    ),
    click.option(
        "--mask",
        multiple=True,
        metavar="NAME=PATTERN",
        help="The path of a mask below the folder, as in 'lesion=labels/{stem}.nii.gz'. {dir} and {name} work too.",
    ),
)
preparing_options = with_options(  # what is done to a picture
    click.option(
        "--size",
        metavar="N|HxW",
        help="Resize every image to fit this size and pad it. Spacing and masks are changed with it.",
    ),
    click.option(
        "--window",
        metavar="CENTRE:WIDTH|file",
        help="Convert 16 bit gray to 8 bit by this window, in the units of the file, or by the window in the file. "
        "CENTRE:WIDTH brings files of several scales to one, also 8 bit gray with a slope.",
    ),
    click.option(
        "--gray", is_flag=True, help="Convert RGB images that show only gray to gray. Images with colour are left out."
    ),
    click.option(
        "--plane",
        type=click.Choice(get_args(Plane)),
        default="axial",
        show_default=True,
        help="NIfTI: the plane of the slices.",
    ),
    click.option(
        "--volume",
        type=click.IntRange(0, 1_000_000),
        metavar="N",
        help="NIfTI: which volume of a series (time, diffusion), from 0. Without it, files with a series are left out.",
    ),
    click.option("--slices", metavar="FROM:TO[:STEP]", help="NIfTI: which slices, from 0. Default: all."),
    click.option("--quantise", is_flag=True, help="NIfTI: store each floating-point volume in 65,536 steps."),
)
_of_imports = with_options(
    click.option("--split-column", metavar="COLUMN", help="The column of splits: train, validation, test, reserve."),
    click.option(
        "--caption-column",
        metavar="COLUMN",
        help="The column of captions or reports: free text that is kept with the image, and not searched for names.",
    ),
    click.option(
        "--public-subjects",
        is_flag=True,
        help="Keep subjects and file names as they are published. Default: keep only keyed pseudonyms.",
    ),
    click.option(
        "--covariate",
        "covariates",
        multiple=True,
        metavar="NAME",
        help="Keep this column or DICOM keyword for subgroups. Ages are kept by decade; nothing that identifies is "
        "kept.",
    ),
    click.option(
        "--group-near-copies",
        is_flag=True,
        help="Bind subjects whose images look like copies of each other into one before the split. Default: only say "
        "how many held-out images look like a training image of another subject.",
    ),
)


def file_options(command: C) -> C:
    """Give a command every option that says how files are read."""
    return described_options(preparing_options(_of_imports(command)))


def request_from(
    manifest: Path | None = None,
    mask: Sequence[str] = (),
    size: str | None = None,
    window: str | None = None,
    slices: str | None = None,
    **plain: Any,
) -> ImportRequest:
    """The request that the options make; raises BadInput."""
    request = ImportRequest.checked(
        **plain,
        masks=tuple(_mask(text) for text in mask),
        size=_size(size),
        window=_window(window),
        slices=_slices(slices),
        manifest_digest=hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest else None,
    )
    request.check()
    return request


def asked_on_top(base: ImportRequest, options: dict[str, Any]) -> ImportRequest:
    """The request that the options of this command line make on top of `base`: what is not asked for stays."""
    context = click.get_current_context()
    asked = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    request = request_from(**options)
    fields = {"mask": "masks", "manifest": "manifest_digest"}
    values = {fields.get(name, name): getattr(request, fields.get(name, name)) for name in asked}
    return base.model_copy(update=values)


def _mask(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals or not name.strip() or len(name) > 100 or not pattern.strip():
        raise BadInput(f"expected --mask NAME=PATTERN, as in lesion=labels/{{stem}}.nii.gz, got {text!r}.")
    return name.strip(), pattern.strip()


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", text)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (8 <= height <= 8192 and 8 <= width <= 8192):
        raise BadInput(f"expected --size N or HxW between 8 and 8192 pixels, got {text!r}.")
    return height, width


def _window(text: str | None) -> Window | None:
    if text is None or text == "file":
        return text if text is None else "file"
    try:
        center, width = (float(part) for part in text.split(":"))
    except ValueError:
        raise BadInput(f"expected --window CENTRE:WIDTH, as in 40:400, or file; got {text!r}.") from None
    if not (width > 0 and abs(center) < 1e9 and width < 1e9):
        raise BadInput(f"expected a --window with a width above 0, got {text!r}.")
    return center, width


def _slices(text: str | None) -> tuple[int | None, int | None, int]:
    if text is None:
        return None, None, 1
    match = re.fullmatch(r"(\d{0,9}):(\d{0,9})(?::(\d{1,9}))?", text)
    if not match or (match[3] and not int(match[3])):
        raise BadInput(f"expected --slices FROM:TO or FROM:TO:STEP, as in 20:60:2, got {text!r}.")
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] else None, int(match[3] or 1)
