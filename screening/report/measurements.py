"""What a stored measurement of a set says, as rows: for commands, pages and files. Torch-free: it reads the record."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.check_names import ALL_CLASSES
from curation.errors import NotFound
from curation.tables.images import BuildStatus, Image
from curation.tables.measures import SetMeasurement
from curation.withdrawal.affected_results import WithdrawnSubjects, measurements_on

Cell = str | int | float | None
HEADER = ("part", "scope", "figure", "level", "value", "low_95", "high_95", "hits", "n", "outcomes_by", "note")


def list_measurements(session: Session) -> list[SetMeasurement]:
    """Every finished measurement, newest first."""
    ready = select(SetMeasurement).where(SetMeasurement.status == BuildStatus.READY)
    return list(session.scalars(ready.order_by(SetMeasurement.id.desc())))


def find_measurement(session: Session, measurement_id: int) -> SetMeasurement:
    """The measurement of this number; raises NotFound."""
    found = session.get(SetMeasurement, measurement_id)
    if found is None or found.status is not BuildStatus.READY:
        raise NotFound(f"there is no measurement {measurement_id}. `rounds measure list` shows those there are.")
    return found


def outcomes_by(result: dict[str, Any]) -> str:
    """By whom the outcomes are: people, a proxy alone, or both."""
    outcomes, proxy = int(result["outcomes"]), int(result["outcomes_by_proxy_alone"])
    if not outcomes and not proxy:
        return "nobody"
    if not proxy:
        return "people"
    return "proxy (a model) alone" if proxy >= outcomes else f"people, and {proxy} images by a proxy (a model) alone"


def medoid_files(session: Session, result: dict[str, Any]) -> dict[str, str]:
    """The file of the real image in the middle of each mode, by the mode's name; withdrawn ones are left out."""
    wanted = {int(mode["medoid_image_id"]): str(mode["level"]) for mode in result["map"]["modes"]}
    query = select(Image.id, Image.file_sha256).where(Image.id.in_(wanted), Image.withdrawn_at.is_(None))
    found = {wanted[image_id]: digest for image_id, digest in session.execute(query)}
    return {level: found[level] for level in wanted.values() if level in found}


def withdrawn_behind(session: Session, measurement_id: int) -> int:
    """On how many subjects that were withdrawn since a measurement rests."""
    return measurements_on(session, WithdrawnSubjects.recorded()).get(measurement_id, 0)


def every_figure(measurement: SetMeasurement, withdrawn: int) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Every figure with its interval as one long table: measures, membership, representation, odds.

    Where it rests on `withdrawn` subjects, the last row says so.
    """
    result = measurement.result
    who = outcomes_by(result)
    parts = (_measures, _membership, _representation, _odds)
    rows = [(*row[:-1], who, row[-1]) for part in parts for row in part(result)]
    if withdrawn:
        rows.append(("notice", "whole", "withdrawn subjects it rests on", "", withdrawn, *[None] * 4, who, ""))
    return HEADER, rows


def _ends(one: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    return (one["value"], one["low"], one["high"]) if one else (None, None, None)


def _measures(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    for scope in result["scopes"]:
        for one in scope["measures"]:
            for level, side in (("drawn", "value"), ("real against real", "floor"), ("difference", "excess")):
                yield "measure", scope["scope"], one["name"], level, *_ends(one[side]), None, scope["n"], one["note"]


def _membership(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    found = result["membership"]
    if not found["said"]:
        yield "membership", ALL_CLASSES, "cannot be said", "", None, None, None, None, None, found["reason"]
    for one in found["attacks"]:
        for figure in ("auc", "found_at_1_percent", "false_positives"):
            yield "membership", ALL_CLASSES, figure, one["name"], *_ends(one[figure]), None, found["n"], ""


def _representation(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    kept = result["map"]["kept_are"]
    for one in result["map"]["representation"]:
        scope = one["of_class"] or ALL_CLASSES
        level = f"{one['grouping']}: {one['level']}"
        for figure, count in (
            ("share of real", one["real"]),
            ("share of drawn", one["drawn"]),
            (f"share of {kept}", one["kept"]),
            (f"real images covered by {kept}", one["covered"]),
            ("real images covered by held-out real ones", one["covered_floor"]),
        ):
            if count is not None:
                yield "modes", scope, figure, level, *_ends(count["share"]), count["hits"], count["n"], ""
        yield "modes", scope, f"{kept} share by real share", level, *_ends(one["ratio"]), None, None, one["state"]


def _odds(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    for one in result["map"]["odds"]:
        level = f"{one['grouping']}: {one['level']}"
        n = one["approved"] + one["rejected"]
        yield (
            "odds",
            ALL_CLASSES,
            "odds ratio of approval",
            level,
            *_ends(one["ratio"]),
            one["approved"],
            n,
            one["note"],
        )
