"""`rounds backbone align`, `rounds backbone zero-shot`, `rounds search`: images and text in one space."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from cli.numbers import SEED
from cli.paths import LocalPath
from cli.snapshot_notes import warn_of_mixed_scales
from cli.terminal import (
    emit,
    emit_queued,
    find_project,
    json_option,
    now,
    pass_project,
    progress_bar,
    queue_option,
    tell,
    this_command,
    use_torch_threads,
)
from curation.errors import BadInput, NotFound
from curation.files import whole_file
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB
from curation.snapshots.build import open_snapshot
from curation.snapshots.folder import SnapshotFolder
from train.backbones.names import absolute_location, backbone_of_project
from train.image_text.affected import withdrawals_behind
from train.image_text.recipe import AlignmentRecipe, CaptionSource

MODEL_HELP = "A folder of `rounds backbone align`, or a CLIP or SigLIP: an id or a directory."
UNKNOWN = click.option(
    "--allow-unknown-provenance", is_flag=True, help="Use an image tower without a list of what it saw."
)


@click.command()
@click.option(
    "--image",
    help="The image tower, which stays as it is: `shipped`, a name from `rounds backbone list`, a Hugging Face id or a "
    "directory. Default: the one that rounds.toml names, else `shipped`.",
)
@click.option("--text", required=True, help="The text tower: a name from `rounds backbone list`, an id or a directory.")
@click.option("--snapshot", required=True, help="The snapshot whose training pairs are used.")
@click.option("--out", type=LocalPath(path_type=Path), required=True, help="The directory of the new model.")
@click.option("--recipe", type=LocalPath(exists=True, path_type=Path), help="A JSON recipe. Default: its defaults.")
@click.option(
    "--captions",
    type=click.Choice(get_args(CaptionSource)),
    help="What an image is paired with: the caption that came with it, its class name in words, or the name where "
    "there is no caption. Default: captions.",
)
@UNKNOWN
@click.option("--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject.")
@queue_option("aligning")
@json_option
@pass_project
def align(
    project: Project,
    /,
    image: str | None,
    text: str,
    out: Path,
    recipe: Path | None,
    captions: str | None,
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Align an image tower with a text tower on the training pairs of a snapshot.

    Two projections are trained by contrast, with a learned temperature; the image tower stays locked. If it was
    interrupted, run it again: it continues. Validation pairs are only looked at.

    \b
    Example:
      rounds backbone align --image dinov2-small --text all-minilm-l6 --snapshot first --out aligned
    """
    from train.image_text.request import AlignmentRequest, queue_alignment

    settings = AlignmentRecipe.parse(recipe.read_bytes()) if recipe else AlignmentRecipe()
    if captions:
        settings = AlignmentRecipe.checked(**settings.model_dump() | {"captions": captions})
    names = {"image": image or project.settings.train.backbone, "text": text}
    towers = {tower: absolute_location(name, project.root) for tower, name in names.items()}
    request = AlignmentRequest.checked(**towers, out=str(out.absolute()), recipe=settings, **options)
    folder = open_snapshot(project, request.snapshot)
    if queue:
        emit_queued(queue_alignment(project, request, now()), {"model": str(out)}, as_json)
        return
    from train.image_text.align import align_towers

    warn_of_mixed_scales(folder)
    use_torch_threads(project)
    with progress_bar("aligning", quiet=as_json) as report:
        affected = _withdrawals(project, request.image)
        align_towers(folder, request, report, this_command(), now().date().isoformat(), affected)
    card = json.loads((out / "card.json").read_text())
    facts = {key: card[key] for key in ("digest", "pairs", "without_caption", "captions_cut", "notice") if card[key]}
    emit({"model": str(out), **facts, "loss": card["losses"][-1]}, as_json, title=f"aligned {out.name}")


@click.command("zero-shot")
@click.argument("model")
@click.option("--snapshot", required=True, help="The snapshot whose validation subjects are measured.")
@click.option(
    "--template", "templates", multiple=True, help="A wording with {} for the class name. Repeat it for more."
)
@click.option("--shots", multiple=True, type=click.IntRange(1, 10_000), help="Labelled images a class. Repeat it.")
@click.option("--out", type=LocalPath(path_type=Path), help="Write the report to this new JSON file.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@UNKNOWN
@json_option
@pass_project
def measure_zero_shot(
    project: Project,
    /,
    model: str,
    snapshot: str,
    templates: tuple[str, ...],
    shots: tuple[int, ...],
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure MODEL on validation subjects: retrieval both ways, classes by words alone and with few labels.

    MODEL is a folder of `rounds backbone align`, or a CLIP or SigLIP as an id or a directory. Beside it stands the
    linear probe on its image tower. Test subjects are not read.

    \b
    Example:
      rounds backbone zero-shot aligned --snapshot first
    """
    from train.image_text.measure import measure_two_towers
    from train.image_text.measure_request import ImageTextMeasureRequest

    chosen = {key: value for key, value in {"templates": templates, "shots": shots}.items() if value}
    request = ImageTextMeasureRequest.checked(model=absolute_location(model, project.root), **chosen, **options)
    use_torch_threads(project)
    with progress_bar("measuring", quiet=as_json) as report:
        result = measure_two_towers(open_snapshot(project, snapshot), request, report)
    result["affected"] = _withdrawals(project, request.model)
    if out is not None:
        with whole_file(out) as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n")
    if as_json:
        emit(result, as_json)
        return
    _print_measures(result)


def _withdrawals(project: Project, name: str) -> list[str]:
    """Describe the withdrawals that reach a model."""
    with project.database.read() as session:
        return withdrawals_behind(session, Path(backbone_of_project(project, name)), name)


def _print_measures(result: dict[str, Any]) -> None:
    retrieval = [
        {
            "direction": row["direction"],
            "first": row["k"],
            "found": _interval(row["recall"]),
            "chance": f"{row['chance']:.3f}",
        }
        for row in result["retrieval"]
    ]
    if retrieval:
        emit(retrieval, as_json=False, title="retrieval")
    click.echo(result["captions"])
    rows = [
        {
            "head": row["head"],
            "labels a class": "all" if row["shots"] is None else row["shots"],
            "AUROC": _interval(row["auroc"]),
            "balanced accuracy": _interval(row["balanced_accuracy"]),
        }
        for row in result["classification"]
    ]
    chance = {"head": "chance", "labels a class": "", "AUROC": "0.500"}
    rows.append(chance | {"balanced accuracy": f"{result['chance']['balanced_accuracy']:.3f}"})
    emit(
        rows, as_json=False, title=f"{result['n_images']} validation images, {result['n_units']} {result['resampled']}s"
    )
    unknown = (f"UNKNOWN provenance: {name}" for name in result["unknown_provenance"])
    web = (f"{PUBLIC_WEB}: {name}; {OVERLAP}" for name in result["public_web"])
    for line in (result["notice"], *unknown, *web, *result["affected"]):
        if line:
            click.echo(line)


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return str(estimate["how"])
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


@click.command()
@click.argument("words")
@click.option("--model", required=True, help=MODEL_HELP)
@click.option("--snapshot", help="Search this snapshot. Default: the images of the project.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="SPLIT",
    help="train, validation or reserve; repeat it. Default: all of them, and synthetic images. Test is never shown.",
)
@click.option("--count", type=click.IntRange(1, 1_000), default=12, show_default=True, help="How many images to list.")
@click.option("--sheet", type=LocalPath(path_type=Path), help="Draw them on a contact sheet, in this PNG file.")
@json_option
@click.pass_context
def search(
    ctx: click.Context,
    words: str,
    model: str,
    snapshot: str | None,
    splits: tuple[str, ...],
    count: int,
    sheet: Path | None,
    as_json: bool,
) -> None:
    """Rank images by how well they fit WORDS. Images of test subjects are neither shown nor opened.

    The similarity is the cosine of two vectors: it orders images and says nothing of how sure the model is.

    \b
    Example:
      rounds search "ring lesion, left" --model aligned --sheet found.png
    """
    from train.fitting.device import choose_device
    from train.image_text.gallery import check_splits
    from train.image_text.search import check_query, search_images
    from train.image_text.two_towers import load_two_towers

    project = find_project(ctx)
    check_splits(splits)
    query = check_query(words)
    use_torch_threads(project)
    towers = load_two_towers(backbone_of_project(project, model), choose_device())
    with progress_bar("searching", quiet=as_json) as report:
        folder = open_snapshot(project, snapshot) if snapshot else None
        hits = search_images(towers, query, _gallery(project, folder, splits, report), count)
    rows = [
        {
            "id": hit.image.key,
            "label": hit.image.label,
            "split": hit.image.split or "-",
            "origin": hit.image.origin,
            "similarity": round(hit.similarity, 4),
            "caption": hit.image.caption or "",
        }
        for hit in hits
    ]
    emit(rows, as_json, title=f"{query!r}")
    for line in _withdrawals(project, model):
        tell(line)
    if sheet is not None:
        _draw(query, [(hit.pixels, row) for hit, row in zip(hits, rows, strict=True)], sheet)


def _gallery(
    project: Project, folder: SnapshotFolder | None, splits: Sequence[str], report: OnProgress
) -> Iterator[tuple[Any, Any]]:
    from train.image_text.gallery import images_of_project, images_of_snapshot, read_chunks, read_folder_chunks

    if folder is not None:
        images = images_of_snapshot(folder, splits)
        if not images:
            raise NotFound(f"snapshot {folder.name!r} has no image in the splits asked for.")
        yield from read_folder_chunks(folder, images, report)
        return
    with project.database.read() as session:
        shapes = images_of_project(session, splits)
    if not shapes:
        raise BadInput("the project has no image to search. `rounds import` brings some.")
    for images in shapes:
        yield from read_chunks(project.store, images, report)


def _draw(query: str, found: list[tuple[Any, dict[str, Any]]], sheet: Path) -> None:
    from train.figures.contact_sheet import draw_sheet

    pictures = [
        (
            pixels,
            (f"{place}. {row['similarity']:.3f}  {row['label']}", f"{row['id'][:24]}  {row['split']}", row["caption"]),
        )
        for place, (pixels, row) in enumerate(found, 1)
    ]
    click.echo(f"{draw_sheet(query, pictures, sheet)}: the images, in this order", err=True)
