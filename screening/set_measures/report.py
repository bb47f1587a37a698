"""Write a measurement as files: its result, a table of every figure, and plots."""

import csv
import io
import json
from pathlib import Path

from curation.files import whole_file
from curation.project import Project
from curation.provenance.public_web import describe_backbone
from curation.tables.measures import SetMeasurement
from curation.withdrawal.affected_results import withdrawn_subjects_note
from screening.report.measurements import every_figure, medoid_files, withdrawn_behind
from screening.set_measures.figures import (
    notices,
    plot_curation,
    plot_map,
    plot_measures,
    plot_medoids,
    plot_odds,
    plot_spectra,
)


def write_report(project: Project, measurement: SetMeasurement, out: Path) -> list[str]:
    """Write the result, its table and its plots into `out`, each by rename; returns the names of the files.

    Every plot names the backbone. The plot of medoids shows real training images; withdrawn ones are left out.
    """
    result = measurement.result
    with project.database.read() as session:
        files = medoid_files(session, result)
        withdrawn = withdrawn_behind(session, measurement.id)
    lines = notices(result, describe_backbone(measurement.request))
    medoids = {level: project.store.pixels(digest) for level, digest in files.items()}
    plots = {
        "measures.png": plot_measures(result, lines),
        "spectra.png": plot_spectra(result, lines),
        "map.png": plot_map(result, lines),
        "modes.png": plot_curation(result, lines),
        "odds.png": plot_odds(result, lines),
        "medoids.png": plot_medoids(result, lines, medoids),
    }
    record = {"request": measurement.request, "result": result, "withdrawals": withdrawn_subjects_note(withdrawn)}
    contents = {
        "measurement.json": json.dumps(record, indent=1).encode(),
        "figures.csv": _csv(measurement, withdrawn),
        **{name: content for name, content in plots.items() if content is not None},
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
