"""Write the screening report: two HTML files that need nothing from elsewhere.

`report.html` has the verdicts, the checks with their error rates, and images. `nearest-pairs.html` shows candidates
beside their nearest training images, and those that a copy gate flagged or blocked: it is a file of its own, since it
shows patients.
"""

from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.files import whole_file
from curation.image_store import ImageStore
from curation.project import Project
from curation.provenance.public_web import describe_backbone
from curation.tables.measures import CheckReport
from curation.withdrawal.affected_results import withdrawn_subjects_note
from screening.report.figures import ScreeningFigures, notices, screened_batches, screening_figures
from screening.report.images import MOST, Screened, data_url, nearest_pairs, planted_faults, screened_images
from screening.report.plots import class_table, distribution, rates_table, readable, reliability_table
from screening.report.rates import checks_of, newest_report, rates_of, withdrawn_behind
from screening.report.words import PLOTS_MEAN, describe_check, describe_probe, screening_basis

REPORT, PAIRS = "report.html", "nearest-pairs.html"
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title><style>
$css</style></head><body>
<h1>$title</h1>
$content
</body></html>
""")
FOR_CURATORS = (
    "For people who may see real images of this project: the planted faults further down are made from validation "
    "images."
)
FOR_PRIVACY = (
    "Shows training images of real subjects. For the curator and the privacy role only: never for readers, never "
    "passed on."
)
MEASURE_FIRST = "Not measured yet: <code>rounds screening error-rates</code> does it."


def write_report(project: Project, now: datetime, directory: Path, batch_id: int | None = None) -> list[Path]:
    """Write both files for one batch or all screened ones into `directory`; returns their paths.

    Reads stored rows and images, and no model. Raises NotFound when nothing was screened.
    """
    with project.database.read() as session:
        chosen = [row for row in screened_batches(session) if batch_id in (None, row[1])]
        if not chosen:
            what = "no batch was screened yet" if batch_id is None else f"batch {batch_id} has no finished screening"
            raise NotFound(f"{what}. Run `rounds screen` first; `rounds status` shows the batches.")
        figures = [screening_figures(session, screening_id) for screening_id, _, _ in chosen]
        images = {figure.screening_id: screened_images(session, figure.screening_id) for figure in figures}
        head = _head(session, now)
        rates = newest_report(session)
        reached = withdrawn_subjects_note(withdrawn_behind(session, rates))
        parts = [head, _callout("notice", FOR_CURATORS)]
        parts += [_batch(project.store, figure, images[figure.screening_id]) for figure in figures]
        parts += [_rates(rates, reached), _planted(session, project.store, rates)]
        pairs = [head, _callout("private", FOR_PRIVACY)]
        pairs += [_pairs(session, project.store, figure, images[figure.screening_id]) for figure in figures]
    directory.mkdir(parents=True, exist_ok=True)
    name = project.settings.name
    return [
        _write(directory / REPORT, f"Screening of {name}", "".join(parts)),
        _write(directory / PAIRS, f"Nearest training images, {name}", "".join(pairs)),
    ]


def _write(path: Path, title: str, content: str) -> Path:
    css = files("screening.report").joinpath("report.css").read_text()
    with whole_file(path) as partial:
        partial.write_text(_PAGE.substitute(title=escape(title), css=css, content=content))
    return path


def _head(session: Session, now: datetime) -> str:
    notes = "".join(_callout("notice", notice) for notice in notices(session))
    return f'{notes}<p class="soft">Written {now:%Y-%m-%d %H:%M} UTC. No model was run for this page.</p>'


def _callout(kind: str, text: str) -> str:
    return f'<p class="{kind}">{escape(text)}</p>'


def _batch(store: ImageStore, figure: ScreeningFigures, images: list[Screened]) -> str:
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(what)}</td></tr>" for name, what in screening_basis(figure.parameters)
    )
    plots = "".join(distribution(check) for check in figure.checks)
    shown = [image for image in images if not image.is_copy]
    passed = [image for image in shown if image.verdict == "pass"]
    hidden = len(images) - len(shown)
    aside = f"{hidden} that a copy gate flagged or blocked are in {PAIRS} only." if hidden else ""
    return (
        f"<h2>Batch {figure.batch_id}, {escape(figure.generator)}</h2>{class_table(figure)}<h3>It rests on</h3>"
        f"<table>{facts}</table><h2>Checks of batch {figure.batch_id}</h2>"
        f'<p class="soft">{escape(PLOTS_MEAN)}</p><div class="multiples">{plots}</div>'
        f"<h2>Label probe</h2>{_probe(figure)}"
        + _cards(store, f"Blocked in batch {figure.batch_id}", [i for i in shown if i.verdict == "block"], aside)
        + _cards(store, f"Flagged in batch {figure.batch_id}", [i for i in shown if i.verdict == "flag"], aside)
        + _cards(store, f"Passed in batch {figure.batch_id}", passed[: MOST // 4], "")
    )


def _probe(figures: ScreeningFigures) -> str:
    probe = figures.parameters.get("label_probe", {"not_set": "screened before there was one"})
    held_out = probe.get("on_validation")
    table = reliability_table(held_out["bins"]) if held_out else ""
    return f'<p class="soft">{escape(describe_probe(probe))}</p>{table}'


def _cards(store: ImageStore, title: str, images: list[Screened], aside: str) -> str:
    cards = "".join(
        f'<figure><img src="{data_url(store.pixels(image.file_sha256))}" alt="">'
        f"<figcaption>{escape(readable(image.label))}, image {image.image_id}<br>{_spoken(image)}</figcaption></figure>"
        for image in images[:MOST]
    )
    more = f"{len(images)} in all, the first {MOST} shown. " if len(images) > MOST else f"{len(images)} shown. "
    return f'<h2>{escape(title)}</h2><p class="soft">{more}{aside}</p><div class="cards">{cards}</div>'


def _spoken(image: Screened) -> str:
    return "<br>".join(escape(describe_check(*check)) for check in image.spoke) or "no check flagged it"


def _rates(report: CheckReport | None, reached: str | None) -> str:
    title = "<h2>How often the checks err</h2>"
    if report is None:
        return f'{title}<p class="soft">{MEASURE_FIRST}</p>'
    parameters = report.parameters
    words = (
        f"Measured {report.created_at:%Y-%m-%d} with {describe_backbone(parameters)} "
        f"({parameters['backbone_digest'][:16]}) on {parameters['real_validation_images']} real validation images of "
        f"{parameters['subjects']} subjects, each "
        "under thresholds that no image of its subject set. Caught: flagged or blocked by any check, with the exact "
        "95 % interval (Clopper-Pearson). Then what each check alone catches, in percent. A fault that is caught as "
        "often as untouched images are flagged is not seen. The copy gates have error rates of their own."
    )
    table = rates_table(rates_of(report.result), checks_of(report.result))
    again = "Measure again: rounds screening error-rates."
    notice = _callout("notice", f"AFFECTED: this report {reached}. {again}") if reached else ""
    return f'{title}{notice}<p class="soft">{escape(words)}</p>{table}'


def _planted(session: Session, store: ImageStore, report: CheckReport | None) -> str:
    if report is None:
        return ""
    rows = "".join(
        f'<h3>{escape(readable(name))}</h3><div class="cards">'
        + "".join(
            f'<figure><img src="{data_url(pixels)}" alt=""><figcaption>{escape(checks)}</figcaption></figure>'
            for pixels, checks in examples
        )
        + "</div>"
        for name, examples in planted_faults(session, store, report.result["planted"])
    )
    return f"<h2>Planted faults, and the checks that caught them</h2>{rows}"


def _pairs(session: Session, store: ImageStore, figures: ScreeningFigures, images: list[Screened]) -> str:
    copies = [image for image in images if image.is_copy]
    content = _cards(store, f"A copy gate flagged or blocked these, batch {figures.batch_id}", copies, "")
    for by in ("features", "pixels"):
        cards = "".join(
            '<figure class="wide"><div class="pair">'
            f'<img src="{data_url(store.pixels(image.file_sha256))}" alt="candidate">'
            f'<img src="{data_url(pixels)}" alt="training image"></div>'
            f"<figcaption>image {image.image_id} ({image.verdict}) and training image {near['image_id']}, distance "
            f"{float(near['distance']):.4f}</figcaption></figure>"
            for image, near, pixels in nearest_pairs(session, store, images, by)
        )
        content += f'<h2>Nearest by {by}, batch {figures.batch_id}</h2><div class="cards">{cards}</div>'
    return content
