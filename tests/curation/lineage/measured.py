"""Rows of error rates, measurements and pairs with their events, for tests."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from curation.project import Project
from curation.tables.content import CONTENT, measurement_content, pairs_content, report_content
from curation.tables.images import BuildStatus, Image
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair, PairList, PairTruth
from tests.rows import NOW
from tests.worlds.lineage import images_of

SHAPE = [16, 16, 1, 8]


def add_report(project: Project, kind: str = "checks", at: datetime = NOW, shape: list[int] = SHAPE) -> int:
    """A report of error rates on real images of one shape."""
    parameters: dict[str, Any] = {"shape": shape, "backbone": "vit", "images": 60, "seed": 3}
    if kind == "privacy":
        parameters |= {"plan": {"copies": 50, "seed": 2}, "autoencoder": "g1, weights 0123456789ab"}
    with project.database.write() as session:
        row = CheckReport(kind=kind, parameters=parameters, **_ready(session, CheckReport, at))
        number = _kept(session, row)
        payload = {"check_report": number, CONTENT: report_content(row)}
        project.chain.record(session, f"{kind}.measured", payload, at)
        return number


def add_measurement(project: Project, at: datetime = NOW, **asked: Any) -> int:
    """A measurement of a set, with a result as short as a list can show it."""
    request = {"images": "raw", "snapshot": None, "worklists": [], "batches": [], "n": 60, "resamples": 20, "seed": 0}
    result = {
        "set": "raw", "scopes": [{"scope": "whole", "n": 60, "measures": []}], "outcomes": 0,
        "outcomes_by_proxy_alone": 0, "membership": {"said": False, "reason": "", "sentence": "", "attacks": []},
        "map": {"kept_are": "raw", "representation": [], "odds": [], "modes": [], "points": []},
        "scopes_left_out": {}, "intervals": "subject-level", "notice": None,
    }  # fmt: skip
    with project.database.write() as session:
        values = _ready(session, SetMeasurement, at) | {"result": result}
        row = SetMeasurement(request={**request, "backbone": "vit", **asked}, **values)
        number = _kept(session, row)
        project.chain.record(session, "set.measured", {"measurement": number, CONTENT: measurement_content(row)}, at)
        return number


def add_pairs(project: Project, name: str, first: int, second: int) -> int:
    """A list of one pair, of two images."""
    recipe = {"name": name, "suspects": 5, "same": 0, "different": 0, "seed": 4}
    with project.database.write() as session:
        listed = PairList(name=name, recipe=recipe, size=1, status=BuildStatus.READY, created_at=NOW)
        number = _kept(session, listed)
        sides = {"first_image_id": first, "second_image_id": second}
        pair = Pair(key=name, pair_list_id=number, position=0, truth=PairTruth.SUSPECT, **sides)
        session.add(pair)
        payload = {"pair_list": number, CONTENT: pairs_content(listed, [pair])}
        project.chain.record(session, "pairs.created", payload, NOW)
        return number


def image_of(project: Project, key: str) -> int:
    """The first image of a subject."""
    return images_of(project, key)[0].id


def drawn_in(project: Project, batch: int) -> int:
    """The first image of a batch."""
    with project.database.read() as session:
        return session.scalars(select(Image.id).where(Image.batch_id == batch).order_by(Image.id)).first() or 0


def _ready(session: Any, model: Any, at: datetime) -> dict[str, Any]:
    number = len(session.scalars(select(model.id)).all())
    digest = "parameters_digest" if model is CheckReport else "request_digest"
    return {"status": BuildStatus.READY, "result": {}, "created_at": at, digest: f"{number:064d}"}


def _kept(session: Any, row: Any) -> int:
    session.add(row)
    session.flush()
    return int(row.id)
