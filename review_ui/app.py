"""The script that Streamlit runs: find the signed-in reader, then show the pages they may see."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from review_ui.context import reader_or_stop
from review_ui.markup.overview import account_link
from review_ui.security.permissions import FIRST_TASK, Capability
from review_ui.views.accounts import accounts_page
from review_ui.views.generate import generate_page
from review_ui.views.images import images_page
from review_ui.views.lineage import lineage_page
from review_ui.views.measures import measures_page
from review_ui.views.overview import overview_page
from review_ui.views.pairs import pairs_page
from review_ui.views.parts import with_role_check
from review_ui.views.results import results_page
from review_ui.views.review import review_page
from review_ui.views.screening import screening_page
from review_ui.views.snapshots import snapshots_page
from review_ui.views.study import agreement_page, readers_page
from review_ui.views.worklists import worklists_page

STATIC = Path(__file__).parent / "static"
PAGES: tuple[tuple[str, Callable[[], None], Capability], ...] = (
    ("Read", review_page, Capability.READ),
    ("Overview", overview_page, Capability.READ),
    ("Results", results_page, Capability.SEE_RESULTS),
    ("Agreement", agreement_page, Capability.SEE_RESULTS),
    ("Readers", readers_page, Capability.SEE_RESULTS),
    ("Measures", measures_page, Capability.SEE_RESULTS),
    ("Images", images_page, Capability.SEE_NEIGHBOURS),
    ("Pairs", pairs_page, Capability.SEE_PAIRS),
    ("Lineage", lineage_page, Capability.SEE_LINEAGE),
    ("Generate", generate_page, Capability.MANAGE),
    ("Screening", screening_page, Capability.MANAGE),
    ("Worklists", worklists_page, Capability.MANAGE),
    ("Snapshots", snapshots_page, Capability.MANAGE),
    ("Accounts", accounts_page, Capability.ADMINISTER),
)

st.set_page_config(page_title="Rounds", page_icon=str(STATIC / "icon.svg"), layout="wide")
st.html(STATIC / "streamlit.css")
reader = reader_or_stop()
st.html(account_link(reader))
first = FIRST_TASK[reader.role]
shown = [
    st.Page(page, title=title, url_path="start" if title == first else title.lower(), default=title == first)
    for title, page, capability in PAGES
    if reader.can(capability)
]
# Every page has its own address, also the start page; a page that the role may not see says so.
others = [
    st.Page(with_role_check(page, capability), title=title, url_path=title.lower(), visibility="hidden")
    for title, page, capability in PAGES
    if title == first or not reader.can(capability)
]
st.navigation([*shown, *others], position="top").run()
