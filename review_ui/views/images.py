"""The page of images: candidates of closed worklists beside their nearest real training images."""

from html import escape

import streamlit as st

from curation.image_store import ImageStore
from review_ui.context import current_project
from review_ui.figures.neighbours import CandidateNeighbours, neighbours_of
from review_ui.markup.pictures import marked_image
from review_ui.markup.plots import readable, section
from review_ui.security.permissions import Capability
from review_ui.views.parts import choose_worklist, reader_who_can
from screening.report.words import describe_check

PAGE = 12
BY = {"features": "by features", "pixels": "by pixels"}
NOTE = "Cosine distance: 0 for the same image, smaller is nearer. Two slices of one person are near too."


def images_page() -> None:
    """Show one page of candidates."""
    reader_who_can(Capability.SEE_NEIGHBOURS)
    with st.container(key="filters", horizontal=True):
        worklist = choose_worklist(closed_only=True)
        if worklist is None:
            return
        page = int(st.number_input("Page", 1, max(1, -(-worklist.size // PAGE)), 1, step=1)) - 1
    project = current_project()
    with project.database.read() as session:
        rows, total = neighbours_of(session, worklist.id, page, PAGE)
    shown = f"{page * PAGE + 1} to {page * PAGE + len(rows)} of {total} candidates. " if rows else "None here. "
    body = "".join(_candidate_card(project.store, row) for row in rows)
    st.html(section("Nearest real images", f'<p class="r-soft">{shown}</p><ul class="r-near">{body}</ul>', note=NOTE))


def _candidate_card(store: ImageStore, row: CandidateNeighbours) -> str:
    candidate = marked_image(store.pixels(row.file_sha256), f"Candidate, {readable(row.label)}")
    near = "".join(
        f"<figure>{marked_image(store.pixels(near.file_sha256), 'Training image')}"
        f"<figcaption>{near.distance:.3f}<small>{escape(BY.get(near.by, near.by))}</small></figcaption></figure>"
        for near in row.neighbours
    )
    facts = [f"image {row.image_id}, screening: {row.verdict}", *(describe_check(*check) for check in row.copy_checks)]
    return (
        f"<li><figure>{candidate}<figcaption>{escape(readable(row.label))}<small>{'<br>'.join(map(escape, facts))}"
        f"</small></figcaption></figure>{near or '<p class=r-soft>No neighbours kept.</p>'}</li>"
    )
