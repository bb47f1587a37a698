"""A stored measurement of a set as rows, for commands, pages and files; torch-free."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.check_names import ALL_CLASSES
from curation.errors import NotFound
from curation.provenance.public_web import describe_backbone, saw_public_web
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
    measurement = session.get(SetMeasurement, measurement_id)
    if measurement is None or measurement.status is not BuildStatus.READY:
        raise NotFound(f"there is no measurement {measurement_id}. `rounds measure list` shows those there are.")
    return measurement


def outcomes_by(result: dict[str, Any]) -> str:
    """The readers behind the outcomes: people, a proxy alone, or both."""
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
    file_by_level = {wanted[image_id]: digest for image_id, digest in session.execute(query)}
    return {level: file_by_level[level] for level in wanted.values() if level in file_by_level}


def withdrawn_behind(session: Session, measurement_id: int) -> int:
    """Count the withdrawn subjects that a measurement rests on."""
    return measurements_on(session, WithdrawnSubjects.recorded()).get(measurement_id, 0)


def every_figure(measurement: SetMeasurement, withdrawn: int) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Every figure with its interval as one long table: measures, membership, representation, odds.

    Where it rests on weights that saw public web images, or on `withdrawn` subjects, the last rows say so.
    """
    result = measurement.result
    readers = outcomes_by(result)
    parts = (_measures, _membership, _representation, _odds)
    rows = [(*row[:-1], readers, row[-1]) for part in parts for row in part(result)]
    if saw_public_web(measurement.request):
        rows.append(("notice", "whole", "features", *[None] * 6, readers, describe_backbone(measurement.request)))
    if withdrawn:
        rows.append(("notice", "whole", "withdrawn subjects it rests on", "", withdrawn, *[None] * 4, readers, ""))
    return HEADER, rows


def _ends(estimate: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    return (estimate["value"], estimate["low"], estimate["high"]) if estimate else (None, None, None)


def _measures(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    for scope in result["scopes"]:
        for row in scope["measures"]:
            for level, side in (("drawn", "value"), ("real against real", "floor"), ("difference", "excess")):
                yield "measure", scope["scope"], row["name"], level, *_ends(row[side]), None, scope["n"], row["note"]


def _membership(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    membership = result["membership"]
    if not membership["said"]:
        yield "membership", ALL_CLASSES, "cannot be said", "", None, None, None, None, None, membership["reason"]
    for attack in membership["attacks"]:
        for figure in ("auc", "found_at_1_percent", "false_positives"):
            yield "membership", ALL_CLASSES, figure, attack["name"], *_ends(attack[figure]), None, membership["n"], ""


def _representation(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    kept_are = result["map"]["kept_are"]
    for row in result["map"]["representation"]:
        scope = row["of_class"] or ALL_CLASSES
        level = f"{row['grouping']}: {row['level']}"
        for figure, count in (
            ("share of real", row["real"]),
            ("share of drawn", row["drawn"]),
            (f"share of {kept_are}", row["kept"]),
            (f"real images covered by {kept_are}", row["covered"]),
            ("real images covered by held-out real ones", row["covered_floor"]),
        ):
            if count is not None:
                yield "modes", scope, figure, level, *_ends(count["share"]), count["hits"], count["n"], ""
        yield "modes", scope, f"{kept_are} share by real share", level, *_ends(row["ratio"]), None, None, row["state"]


def _odds(result: dict[str, Any]) -> Iterator[tuple[Cell, ...]]:
    for row in result["map"]["odds"]:
        level = f"{row['grouping']}: {row['level']}"
        counts = row["approved"], row["approved"] + row["rejected"]
        yield "odds", ALL_CLASSES, "odds ratio of approval", level, *_ends(row["ratio"]), *counts, row["note"]
