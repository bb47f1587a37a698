"""A measurement as files: one table of every figure, and the pictures, drawn anew from what is stored."""

import csv
import io
import json
from pathlib import Path

from curation.files import whole_file
from curation.project import Project
from curation.tables.measures import SetMeasurement
from curation.withdrawal.affected_results import rests_on
from screening.report.measurements import every_figure, medoid_files, withdrawn_behind
from screening.set_measures.pictures import (
    curation_picture,
    map_picture,
    measures_picture,
    medoids_picture,
    odds_picture,
    spectra_picture,
)


def write_report(project: Project, measurement: SetMeasurement, out: Path) -> list[str]:
    """Write the result, its table and its pictures into `out`, each by rename; returns the names of the files.

    A mode's picture is a real training image: one that was withdrawn meanwhile is left out.
    """
    result = measurement.result
    with project.database.read() as session:
        files = medoid_files(session, result)
        withdrawn = withdrawn_behind(session, measurement.id)
    pictures = {level: project.store.pixels(digest) for level, digest in files.items()}
    drawn = {
        "measures.png": measures_picture(result),
        "spectra.png": spectra_picture(result),
        "map.png": map_picture(result),
        "modes.png": curation_picture(result),
        "odds.png": odds_picture(result),
        "medoids.png": medoids_picture(result, pictures),
    }
    contents = {
        "measurement.json": json.dumps(
            {"request": measurement.request, "result": result, "withdrawals": rests_on(withdrawn)}, indent=1
        ).encode(),
        "figures.csv": _csv(measurement, withdrawn),
        **{name: content for name, content in drawn.items() if content is not None},
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with whole_file(out / name) as partial:
            partial.write_bytes(content)
    return list(contents)


def _csv(measurement: SetMeasurement, withdrawn: int) -> bytes:
    header, rows = every_figure(measurement, withdrawn)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
