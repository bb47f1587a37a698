"""Generators of a project: registered from a directory with a card, found by name. Torch-free."""

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput, Conflict, Damaged, NotFound
from curation.project import Project
from curation.provenance.seen import UNKNOWN, Seen
from curation.provenance.withdrawn import mark_if_withdrawn
from curation.queries import unused_number
from curation.requests import check_name
from curation.tables.generation import Generator, GeneratorPixels, GeneratorSubject
from curation.tables.withdrawals import AffectedKind
from generate.card import read_card, weights_digest

SHIPPED = Path(__file__).parent / "shipped" / "virtual-brains-flow"
ALLOWED_SUFFIXES = frozenset({".json", ".safetensors", ".png", ".md"})
ALLOWED_LIBRARIES = frozenset({"diffusers", "generate.pipelines.autoencoder"})
CARD_KEYS = ("name", "classes", "digest", "fitted_on")
ANCESTOR_KEYS = ("name", "weights_digest", "provenance", "ancestors")  # kept of the lineage
CHUNK = 1_000


def resolve_directory(project: Project, generator: Generator) -> Path:
    """Find the directory of the weights: under the project, or the shipped ones beside the code."""
    return SHIPPED if generator.directory == "shipped" else project.root / generator.directory


def find_weights(project: Project, name: str) -> Path:
    """The directory of the weights of the generator called `name`; raises NotFound."""
    with project.database.read() as session:
        return resolve_directory(project, find_generator(session, name))


def add_generator(project: Project, now: datetime, source: Path | str, name: str | None = None) -> Generator:
    """Register the generator in `source` (`shipped` for ours), copied into the project; again, it changes nothing.

    Raises NotFound without a card, BadInput for files that could execute, Damaged when the weights are not the card's,
    Conflict when the name stands for other weights.
    """
    is_shipped = str(source) == "shipped"
    directory = SHIPPED if is_shipped else Path(source)
    card = check_generator(directory)
    name = check_name(name or str(card["name"]), "generator")
    inside = f"generators/{name}"
    with project.database.read() as session:
        known = _find_same_weights(session, name, card)
    if known is not None:
        return known
    if not is_shipped:
        _copy(directory, project.directory("generators") / name, card)
    with project.database.write() as session:
        return register_generator(session, project.chain, now, name, "shipped" if is_shipped else inside, card)


def check_generator(directory: Path) -> dict[str, Any]:
    """Return the card of a directory that is a generator and holds nothing that could execute."""
    if not directory.is_dir():
        raise NotFound(f"no directory {directory}: expected a generator in diffusers layout, or the word `shipped`.")
    card = read_card(directory)
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise BadInput(f"{directory}/card.json does not say {', '.join(missing)}: expected a card that a fit wrote.")
    strange = sorted(
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_symlink() or (path.is_file() and path.suffix not in ALLOWED_SUFFIXES)
    )
    if strange:
        raise BadInput(
            f"{directory}: expected only JSON, safetensors, PNG and Markdown files, got {', '.join(strange[:5])}. "
            "Loading must never execute; remove them."
        )
    _check_components(directory)
    digest = weights_digest(directory)
    if digest != card["digest"]:
        raise Damaged(f"{directory}: its card says weights {card['digest']}, its files are {digest}. Fetch it again.")
    return card


def _check_components(directory: Path) -> None:
    """Refuse a model_index.json that makes diffusers import anything but itself and our autoencoder."""
    path = directory / "model_index.json"
    if not path.is_file():
        raise BadInput(f"{directory} has no model_index.json: expected a generator in diffusers layout.")
    components = {name: value[0] for name, value in json.loads(path.read_text()).items() if isinstance(value, list)}
    strange = [f"{name} from {library}" for name, library in components.items() if library not in ALLOWED_LIBRARIES]
    if strange:
        raise BadInput(
            f"{path} loads {', '.join(strange)}: expected components of {' and '.join(sorted(ALLOWED_LIBRARIES))} only."
        )


def _copy(directory: Path, target: Path, card: dict[str, Any]) -> None:
    """Copy a checked generator into the project by rename; keep what an interrupted call copied."""
    if directory.resolve() == target.resolve():
        return
    if target.exists():
        if read_card(target) != card:
            raise Conflict(f"{target} exists already. Choose another --name, or remove that directory.")
        return
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(directory, partial)
    partial.rename(target)


def register_generator(
    session: Session, chain: Chain, now: datetime, name: str, directory: str, card: dict[str, Any]
) -> Generator:
    """Add the rows of a generator and of everything it saw, ancestors included; raises Conflict for a name in use."""
    existing = _find_same_weights(session, name, card)
    if existing is not None:
        return existing
    fitted_on = card["fitted_on"]
    ancestors = fitted_on.get("lineage", {}).get("generators", ())
    seen = Seen.by_generator(fitted_on)
    subjects, pixels = sorted(seen.subjects), sorted(seen.pixel_sha256)
    summary = {
        "n_images": len(pixels),
        "n_subjects": len(subjects),
        "snapshot": fitted_on["snapshot"],
        "digest": fitted_on.get("digest"),
        "ancestors": [{key: entry[key] for key in ANCESTOR_KEYS if key in entry} for entry in ancestors],
        "unknown": [entry["name"] for entry in ancestors if entry.get("provenance") == UNKNOWN],
    }
    card = card | {"fitted_on": summary}
    generator = Generator(
        id=unused_number(session, Generator, "generator"),
        name=name,
        directory=directory,
        weights_digest=card["digest"],
        card=card,
        created_at=now,
    )
    session.add(generator)
    session.flush()
    for start in range(0, len(subjects), CHUNK):
        rows = [{"generator_id": generator.id, "subject_key": key} for key in subjects[start : start + CHUNK]]
        session.execute(insert(GeneratorSubject), rows)
    for start in range(0, len(pixels), CHUNK):
        rows = [{"generator_id": generator.id, "pixel_sha256": digest} for digest in pixels[start : start + CHUNK]]
        session.execute(insert(GeneratorPixels), rows)
    mark_if_withdrawn(session, AffectedKind.GENERATOR, generator.id, subjects, pixels)
    chain.record_row(session, "generator.added", generator, {"weights": card["digest"]}, now)
    return generator


def find_generator(session: Session, name: str) -> Generator:
    """Find the generator called `name`; raises NotFound."""
    generator = _find_by_name(session, name)
    if generator is None:
        known = ", ".join(session.scalars(select(Generator.name).order_by(Generator.id))) or "none yet"
        raise NotFound(f"no generator named {name!r}; there are: {known}. `rounds generator add shipped` adds ours.")
    return generator


def list_generators(session: Session) -> Sequence[Generator]:
    """List every generator, oldest first."""
    return session.scalars(select(Generator).order_by(Generator.id)).all()


def _find_same_weights(session: Session, name: str, card: dict[str, Any]) -> Generator | None:
    existing = _find_by_name(session, name)
    if existing is not None and existing.weights_digest != card["digest"]:
        raise Conflict(f"generator {name!r} exists with other weights. Choose another --name.")
    return existing


def _find_by_name(session: Session, name: str) -> Generator | None:
    return session.scalars(select(Generator).where(Generator.name == name)).one_or_none()


def describe_generator(generator: Generator) -> dict[str, Any]:
    """Return the card for `rounds generator show`, without the long lists."""
    summary = {key: value for key, value in generator.card.items() if key not in ("losses", "validation")}
    return {"name": generator.name, "directory": generator.directory, **summary}
