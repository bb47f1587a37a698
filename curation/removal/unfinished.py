"""Find the fits of generators that have not finished: a fit has no row until it has."""

import json
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.tables.generation import Generator


@dataclass(frozen=True, slots=True)
class UnfinishedFit:
    """A folder that a fit has claimed and not finished, and what it is fitted on and by.

    `autoencoder_from` is the generator whose autoencoder it takes over, if any.
    """

    name: str
    snapshot: str
    recipe_path: Path
    autoencoder_from: str | None


def list_unfinished_fits(session: Session, root: Path) -> list[UnfinishedFit]:
    """List the fits in the project at `root` that are under way or interrupted, by name."""
    finished = set(session.scalars(select(Generator.name)))
    claims = [path for path in sorted((root / "generators").glob("*/fit.json")) if path.parent.name not in finished]
    return [_read_claim(path) for path in claims]


def _read_claim(path: Path) -> UnfinishedFit:
    claim = json.loads(path.read_text())
    recipe = path.parent / "recipe.json"
    return UnfinishedFit(path.parent.name, str(claim["snapshot"]), recipe, claim.get("autoencoder_from"))


def find_unfinished_fit(session: Session, root: Path, name: str) -> UnfinishedFit:
    """Find the fit of this name that has not finished; raises NotFound."""
    fits = list_unfinished_fits(session, root)
    for fit in fits:
        if fit.name == name:
            return fit
    known = ", ".join(fit.name for fit in fits) or "none"
    raise NotFound(f"no unfinished fit named {name!r}; unfinished are: {known}. `rounds generator list` shows them.")
