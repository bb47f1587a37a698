"""Count the real training images that a mix comes near, from the neighbours that screening stored.

An image reaches a real training image that is among its nearest by features (three are kept). What all synthetic images
reach stands beside what the mix reaches: the difference is what the recipe, and curation, discard. No model runs here;
a synthetic image that was never screened reaches nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.queries import chunks, newest_screenings
from curation.snapshots.pool import CHUNK, Pool
from curation.tables.generation import ScreenedImage
from curation.tables.images import Image

MAX_VALUES = 20


@dataclass(frozen=True, slots=True)
class Reach:
    """The real training images of one group, and how many of them the mix and all synthetic images reach."""

    group: str
    real: int
    by_mix: int
    by_drawn: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Reach by class and by subgroup; `screened` of `synthetic` images of the mix have stored neighbours."""

    synthetic: int
    screened: int
    classes: list[Reach]
    subgroups: list[Reach]


_REACHED = """
SELECT train.label, COUNT(*), SUM(train.id IN (SELECT neighbour FROM near WHERE taken)),
    SUM(train.id IN (SELECT neighbour FROM near)) FROM train GROUP BY train.label ORDER BY train.label
"""


def coverage_of(session: Session, pool: Pool) -> Coverage:
    """Count which real training images in the pool's `train` the synthetic ones in its `rows` reach."""
    pool.execute("CREATE TABLE taken (image INTEGER PRIMARY KEY)")
    pool.execute("INSERT INTO taken SELECT DISTINCT image FROM rows WHERE origin = 'synthetic'")
    synthetic = pool.value("SELECT COUNT(*) FROM taken")
    pool.execute("CREATE TABLE near (image INTEGER, neighbour INTEGER, taken INTEGER)")
    if pool.value("SELECT EXISTS (SELECT 1 FROM images WHERE origin = 'synthetic')"):
        pool.insert(
            "INSERT INTO near SELECT ?1, ?2, EXISTS (SELECT 1 FROM taken WHERE image = ?1)"
            " WHERE EXISTS (SELECT 1 FROM images WHERE id = ?1)",
            _neighbours(session),
        )
    screened = pool.value("SELECT COUNT(DISTINCT image) FROM near WHERE taken")
    return Coverage(synthetic, screened, [Reach(*row) for row in pool.rows(_REACHED)], _subgroups(session, pool))


def _neighbours(session: Session) -> Iterator[tuple[int, int]]:
    query = select(ScreenedImage.image_id, ScreenedImage.neighbours).execution_options(yield_per=CHUNK)
    for image_id, neighbours in session.execute(query.where(ScreenedImage.screening_id.in_(newest_screenings()))):
        for neighbour in neighbours:
            if neighbour.get("by", "features") == "features":
                yield image_id, neighbour["image_id"]


def _subgroups(session: Session, pool: Pool) -> list[Reach]:
    """Count reach by each value of covariates that have few values; ages and the like are no subgroups."""
    real, by_mix, by_drawn = (Counter[tuple[str, str]]() for _ in range(3))
    query = "SELECT id, id IN (SELECT neighbour FROM near WHERE taken), id IN (SELECT neighbour FROM near) FROM train"
    for chunk in chunks(pool.rows(query)):
        reached = {key: (mix, drawn) for key, mix, drawn in chunk}
        for image_id, covariates in session.execute(select(Image.id, Image.covariates).where(Image.id.in_(reached))):
            for name, value in (covariates or {}).items():  # none is stored as JSON's null, which SQL takes for a value
                if isinstance(value, str | bool | int):
                    real[name, str(value)] += 1
                    by_mix[name, str(value)] += reached[image_id][0]
                    by_drawn[name, str(value)] += reached[image_id][1]
    values = Counter(name for name, _ in real)
    return [
        Reach(f"{name} {value}", real[name, value], by_mix[name, value], by_drawn[name, value])
        for name, value in sorted(real)
        if values[name] <= MAX_VALUES
    ]
