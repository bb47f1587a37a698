"""The overview: progress of reading, acceptance, readers, and batches being generated."""

import math

import numpy as np
import streamlit as st

from curation.errors import RoundsError
from curation.image_store import ImageStore, Pixels
from curation.tables.images import BuildStatus
from review_ui.asgi import utc_now
from review_ui.context import current_project, reader_or_stop
from review_ui.figures.batches import BatchFigures, batch_figures
from review_ui.figures.jobs import newest_jobs
from review_ui.figures.worklists import worklist_figures
from review_ui.markup.overview import batch_heading, empty_overview, job_table, worklist_section
from review_ui.security.permissions import Capability

REFRESH_S = 3
BATCHES = 3
PREVIEWS = 24
PREVIEW_COLUMNS = 12
JOBS = 8


def overview_page() -> None:
    """Show worklists to everybody, and batches and jobs to curators and administrators."""
    _worklists()
    if reader_or_stop().can(Capability.MANAGE):
        _generation()
        _jobs()


@st.fragment(run_every=REFRESH_S)
def _worklists() -> None:
    reader = reader_or_stop(active=False)
    reader_id = None if reader.can(Capability.MANAGE) else reader.reader_id
    with current_project().database.read() as session:
        figures = worklist_figures(session, reader_id)
    whose = "Readings of candidates by people" if reader_id is None else "Your readings"
    st.html("".join(worklist_section(figure, whose) for figure in figures) or empty_overview())


@st.fragment(run_every=REFRESH_S)
def _generation() -> None:
    if reader_or_stop(active=False).can(Capability.MANAGE):
        show_batches()


def show_batches() -> None:
    """Show the newest batches with their newest images."""
    project = current_project()
    with project.database.read() as session:
        batches = batch_figures(session, utc_now(), BATCHES, PREVIEWS)
    for batch in batches:
        st.html(batch_heading(batch))
        if batch.newest:
            try:
                sheet = _sheet_of(project.store, batch)
            except RoundsError as error:
                st.error(str(error))
                continue
            st.image(sheet, width="stretch", alt=f"The newest images of batch {batch.batch_id}")


def _sheet_of(store: ImageStore, batch: BatchFigures) -> Pixels:
    finished = batch.status is BuildStatus.READY
    key = (batch.batch_id, batch.drawn) if finished else None
    sheets = st.session_state.setdefault("contact_sheets", {})
    if key not in sheets or not finished:
        sheets[key] = contact_sheet([store.pixels(digest) for digest in batch.newest], PREVIEW_COLUMNS)
    sheet: Pixels = sheets[key]
    return sheet


@st.fragment(run_every=REFRESH_S)
def _jobs() -> None:
    if not reader_or_stop(active=False).can(Capability.MANAGE):
        return
    with current_project().database.read() as session:
        jobs = newest_jobs(session, JOBS)
    if jobs:
        st.html(job_table(jobs))


def contact_sheet(images: list[Pixels], columns: int) -> Pixels:
    """Lay out (H, W, C) images in rows, 8 bit, with a narrow gap; 16 bit is scaled by its maximum.

    A cell is as high as the highest image and as wide as the widest; a smaller image lies in its middle.
    """
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    gap = max(2, width // 24)
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 10, dtype=np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        scaled = image if image.dtype == np.uint8 else (image / max(1, image.max()) * 255).astype(np.uint8)
        top = row * (height + gap) + (height - image.shape[0]) // 2
        left = column * (width + gap) + (width - image.shape[1]) // 2
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = scaled  # one channel becomes all three
    return sheet
