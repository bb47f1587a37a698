"""Make, find and close a list of pairs; files are stored before the one transaction of its rows."""

import uuid
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.alterations.moved_copies import NAME, draw_copy, replay_copy
from curation.alterations.on_record import record_altered
from curation.audit import Chain
from curation.errors import BadInput, Conflict, NotFound
from curation.image_store import pixel_sha256
from curation.pairs.choose import (
    ChosenPair,
    TrainingImage,
    find_suspects,
    find_training_images,
    pair_across_subjects,
    pair_within_subjects,
)
from curation.pairs.recipe import PairRecipe
from curation.project import Project
from curation.requests import check_name
from curation.tables.content import CONTENT, pairs_content
from curation.tables.images import BuildStatus, Image, Origin, Shape
from curation.tables.pairs import Pair, PairList, PairTruth
from curation.worklists.plant import GEOMETRY


def create_pair_list(project: Project, now: datetime, recipe: PairRecipe) -> PairList:
    """Choose the pairs, store moved copies where they are needed, and write the list in one transaction.

    Where too few subjects have two images, a pair of one subject is an image and a moved copy of it. Raises Conflict
    for a name in use, BadInput when nothing is suspected or there are too few real images that look like the suspects.
    """
    with project.database.read() as session:
        _check_name(session, check_name(recipe.name, "list of pairs"))
        suspected = find_suspects(session, recipe.suspects, recipe.seed)
        if not suspected:
            raise BadInput(
                "no privacy check blocked or flagged a candidate, so there is nothing to judge. "
                "`rounds screen` checks finished batches."
            )
        images = find_training_images(session, _shape(session, suspected), recipe.seed)
    same = pair_within_subjects(images, recipe.same)
    different = pair_across_subjects(images, recipe.different)
    copied = images[: recipe.same - len(same)]
    if len(different) < recipe.different or len(same) + len(copied) < recipe.same:
        raise BadInput(
            f"expected {recipe.same} pairs of one subject and {recipe.different} of two of one class among training "
            f"images like the suspects; there are {len(same) + len(copied)} and {len(different)}. Ask for fewer."
        )
    same += [_copy_pair(project, now, image, recipe.seed) for image in copied]
    with project.database.write() as session:
        _check_name(session, recipe.name)
        return _write(session, project.chain, now, recipe, suspected + same + different)


def _write(session: Session, chain: Chain, now: datetime, recipe: PairRecipe, pairs: list[ChosenPair]) -> PairList:
    """Write the rows; the seed draws their places and sides."""
    random = np.random.default_rng(recipe.seed)
    listed = PairList(
        name=recipe.name,
        recipe=recipe.model_dump(mode="json"),
        status=BuildStatus.READY,
        size=len(pairs),
        created_at=now,
    )
    session.add(listed)
    session.flush()
    rows = []
    for pair, place in zip(pairs, random.permutation(len(pairs)), strict=True):
        first, second = (pair.first_id, pair.second_id) if random.random() < 0.5 else (pair.second_id, pair.first_id)
        row = Pair(key=uuid.uuid4().hex, pair_list_id=listed.id, position=int(place), truth=pair.truth)
        row.first_image_id, row.second_image_id = first, second
        rows.append(row)
    session.add_all(rows)
    payload = {"pair_list": listed.id, "pairs": len(pairs), CONTENT: pairs_content(listed, rows)}
    chain.record(session, "pairs.created", payload, now)
    return listed


def _copy_pair(project: Project, now: datetime, image: TrainingImage, seed: int) -> ChosenPair:
    """Pair an image with a moved copy of it, and make the copy unless this seed made it before."""
    with project.database.read() as session:
        is_copy = (Image.origin == Origin.ALTERED, Image.altered_from_id == image.image_id)
        for copy_id, alteration in session.execute(select(Image.id, Image.alteration).where(*is_copy)):
            if alteration["name"] == NAME and alteration["seed"] == seed:
                return ChosenPair(image.image_id, copy_id, PairTruth.SAME)
    return ChosenPair(image.image_id, _store_copy(project, now, image, seed), PairTruth.SAME)


def _store_copy(project: Project, now: datetime, image: TrainingImage, seed: int) -> int:
    store = project.store
    pixels = store.pixels(image.file_sha256)
    alteration = draw_copy(pixels, seed)
    moved = replay_copy(pixels, alteration)
    columns = {"file_sha256": store.put_pixels(moved), "pixel_sha256": pixel_sha256(moved), "alteration": alteration}
    with project.database.write() as session:
        original = session.get_one(Image, image.image_id)
        geometry = {name: getattr(original, name) for name in GEOMETRY}
        copy = Image(origin=Origin.ALTERED, altered_from_id=original.id, created_at=now, **geometry, **columns)
        session.add(copy)
        session.flush()
        record_altered(session, project.chain, now, [copy.id])
        return copy.id


def _shape(session: Session, suspected: list[ChosenPair]) -> Shape:
    ids = [pair.first_id for pair in suspected]
    shapes = {image.shape for image in session.scalars(select(Image).where(Image.id.in_(ids)))}
    if len(shapes) != 1:
        raise BadInput(f"expected suspects of one size and depth, got {len(shapes)}. Screen batches of one.")
    return shapes.pop()


def _check_name(session: Session, name: str) -> None:
    if session.scalars(select(PairList.id).where(PairList.name == name)).first() is not None:
        raise Conflict(f"a list of pairs named {name!r} exists already. Choose another name.")


def find_pair_list(session: Session, name: str) -> PairList:
    """Find a list by name; raises NotFound."""
    listed = session.scalars(select(PairList).where(PairList.name == name)).one_or_none()
    if listed is None:
        raise NotFound(f"no list of pairs named {name!r}. `rounds pairs list` shows those there are.")
    return listed


def close_pair_list(session: Session, chain: Chain, now: datetime, name: str) -> PairList:
    """Close a list; its judgements stay. Closing it again changes nothing."""
    listed = find_pair_list(session, name)
    if listed.closed_at is None:
        listed.closed_at = now
        chain.record(session, "pairs.closed", {"pair_list": listed.id}, now)
    return listed


def list_pair_lists(session: Session) -> Sequence[PairList]:
    """Every list of pairs, the oldest first."""
    return session.scalars(select(PairList).order_by(PairList.id)).all()
