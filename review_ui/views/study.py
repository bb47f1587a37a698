"""The pages of agreement and of readers: readers compared with each other and with known truth."""

from collections.abc import Sequence
from html import escape

import streamlit as st
from sqlalchemy import func, select

from curation.reader_study.report import AGREEMENT_KEYS, TURING_KEYS, Figure, ReaderStudy, Scale, reader_study
from curation.tables.images import Image
from curation.tables.reading import Reading, Worklist, WorklistItem
from review_ui.context import current_project
from review_ui.markup.pictures import consensus_gallery
from review_ui.markup.plots import section
from review_ui.markup.roc import detection_plot, rules_table
from review_ui.security.permissions import Capability
from review_ui.views.parts import choose_worklist, reader_who_can

BETWEEN_READERS = (*AGREEMENT_KEYS, *TURING_KEYS)
SIGNAL = ("d_prime", "criterion")
LEAST_SURE = 10
ROC_NOTE = (
    "Across: real images rejected. Upwards: planted defects rejected. Crosses: exact 95 % intervals (Clopper-Pearson). "
    "The diagonal is chance; top left is best. A hollow point is an excluded reader."
)
AGREEMENT_NOTE = (
    "Kappa, alpha and AC1 go from -1 over 0, agreement by chance (the tick in the middle), to 1, full agreement; AC1 "
    "also holds where nearly all verdicts are the same. Reader quality goes from 0 to 1. Line: 95 % interval, "
    "bootstrap over images. Excluded readers are left out."
)
CONSENSUS_NOTE = (
    "How sure the consensus is (CROWDLAB), from 0 to 1, for candidates that two people or more have read; the least "
    "sure first."
)


def agreement_page() -> None:
    """Show agreement, consensus and the Turing test."""
    study = _choose_study()
    if study is None:
        return
    figures = [figure for figure in study[1].figures() if figure.key in BETWEEN_READERS]
    _show_figures(study[0], figures, AGREEMENT_NOTE)
    _least_sure(study[1])
    if study[1].turing is not None:
        st.html(section("Indistinguishable?", f"<p>{escape(study[1].turing.sentence)}</p>"))


def readers_page() -> None:
    """Show each reader's defects found, real images rejected, repeats, drift, speed, and exclusions."""
    study = _choose_study()
    if study is None:
        return
    figures = [figure for figure in study[1].figures() if figure.key not in BETWEEN_READERS]
    signal = [figure for figure in figures if figure.key in SIGNAL]
    plot = detection_plot(study[1], _figure_tables(signal))
    st.html(section("Defects found, real images left alone", plot, note=ROC_NOTE))
    st.html(section("Exclusion rules", rules_table(study[1])))
    rest = [figure for figure in figures if figure.key not in SIGNAL]
    _show_figures(study[0], rest, "Line: 95 % interval. Blind single readings of people only.")


def _least_sure(study: ReaderStudy) -> None:
    if not study.consensus.images:
        reason = study.consensus.reason or "nothing read by two people yet"
        st.html(section("Least sure images", "", note=f"No consensus: {reason}."))
        return
    images = study.consensus.images[:LEAST_SURE]
    ids = [image.image_id for image in images]
    standing = select(Image.id, Image.file_sha256).where(Image.id.in_(ids), Image.withdrawn_at.is_(None))
    with current_project().database.read() as session:
        digests = dict(session.execute(standing).all())
    images = tuple(image for image in images if image.image_id in digests)
    cards = consensus_gallery(current_project().store, images, digests)
    st.html(section("Least sure images", cards, note=CONSENSUS_NOTE))


def _choose_study() -> tuple[Worklist, ReaderStudy] | None:
    reader_who_can(Capability.SEE_RESULTS)
    with st.container(key="filters", horizontal=True):
        worklist = choose_worklist()
    if worklist is None:
        return None
    with current_project().database.read() as session:
        newest_reading = select(func.max(Reading.id)).join(WorklistItem, WorklistItem.id == Reading.item_id)
        newest = session.scalar(newest_reading.where(WorklistItem.worklist_id == worklist.id))
        key = (worklist.id, newest)
        kept = st.session_state.get("reader_study")
        if kept is None or kept[0] != key:
            kept = st.session_state["reader_study"] = (key, reader_study(session, worklist.id))
    study: ReaderStudy = kept[1]
    people = "1 person" if len(study.readers) == 1 else f"{len(study.readers)} people"
    facts = f"{study.readings} blind single readings by {people}"
    if study.grid_readings:
        facts += f"; {study.grid_readings} in the grid left out"
    if study.withdrawn:
        facts += f"; {study.withdrawn} readers withdrew and are left out"
    facts += f"; excluded: {', '.join(study.excluded)}" if study.excluded else ""
    st.html(f'<div class="r-section r-facts"><p class="r-soft">{escape(facts)}.</p></div>')
    return worklist, study


def _show_figures(worklist: Worklist, figures: Sequence[Figure], note: str) -> None:
    parts = _figure_tables(figures)
    body = f'<div class="r-multiples">{parts}</div>' if parts else "<p class='r-soft'>Nothing read yet.</p>"
    st.html(section("Figures", body, f"/rounds/exports/worklists/{worklist.id}/study.csv", note))


def _figure_tables(figures: Sequence[Figure]) -> str:
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.key, []).append(figure)
    # Long tables first, so that tables of one length are side by side; d' before the criterion.
    ordered = sorted(groups.values(), key=lambda lines: (-len(lines), lines[0].key != "d_prime", lines[0].figure))
    with_values = [lines for lines in ordered if any(line.value is not None for line in lines)]
    tables = "".join(
        f"<div><h3>{escape(_title(lines[0]))}</h3>"
        f'<table class="r-table r-dots">{"".join(_rows_of(lines))}</table></div>'
        for lines in with_values
    )
    return tables + _rows_without_value([lines for lines in ordered if lines not in with_values])


def _rows_without_value(groups: Sequence[list[Figure]]) -> str:
    """Write what cannot be said yet, a line for each figure rather than one for every reader."""
    if not groups:
        return ""
    rows = "".join(
        f'<tr><th>{escape(_title(lines[0]))}</th><td class="r-soft">{escape(lines[0].note)}'
        f"{f'; and so for {len(lines) - 1} more' if len(lines) > 1 else ''}</td></tr>"
        for lines in groups
    )
    return f'<div><h3>Too little read so far</h3><table class="r-table">{rows}</table></div>'


def _title(figure: Figure) -> str:
    return figure.figure if figure.key == "d_prime" else figure.figure[:1].upper() + figure.figure[1:]


def _rows_of(figures: list[Figure]) -> list[str]:
    low, high = _axis(figures)
    rows = [_figure_row(figure, low, high) for figure in figures if figure.value is not None]
    names_by_note: dict[str, list[str]] = {}
    for figure in figures:
        if figure.value is None:
            names_by_note.setdefault(figure.note, []).append(_reader_and_group(figure))
    return rows + [
        f'<tr><th>{escape(", ".join(names))}</th><td colspan="2" class="r-soft">{escape(note)}</td></tr>'
        for note, names in names_by_note.items()
    ]


def _reader_and_group(figure: Figure) -> str:
    return ", ".join(part for part in (figure.reader, figure.group.replace("_", " ")) if part) or "everybody"


def _axis(figures: list[Figure]) -> tuple[float, float]:
    scale = figures[0].scale
    if scale is Scale.SHARE:
        return 0.0, 1.0
    if scale is Scale.AGREEMENT:
        return -1.0, 1.0
    ends = [abs(end) for line in figures for end in (line.value, line.low, line.high) if end is not None]
    most = max(ends, default=1.0) or 1.0
    return (0.0 if scale is Scale.POSITIVE else -most), most


def _figure_row(figure: Figure, low: float, high: float) -> str:
    assert figure.value is not None

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    line, words = "", ", ".join(part for part in (escape(figure.note), f"n\u00a0{figure.n}") if part)
    if figure.low is not None and figure.high is not None:
        line = f'<u style="left:{place(figure.low):.2f}%;width:{place(figure.high) - place(figure.low):.2f}%"></u>'
        words = f"{figure.low:z.2f} to {figure.high:z.2f}, n\u00a0{figure.n}"
    return (
        f'<tr><th>{escape(_reader_and_group(figure))}</th><td class="r-plot"><div class="r-scale">{line}'
        f'<b style="left:{place(figure.value):.2f}%"></b></div></td>'
        f'<td class="r-number">{figure.value:z.2f}<small>{words}</small></td></tr>'
    )
