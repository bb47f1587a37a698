"""The Streamlit script: who is signed in, then the pages they may see."""

from pathlib import Path

import streamlit as st

from review_ui.context import reader_or_stop
from review_ui.views.overview import overview_page
from review_ui.views.review import review_page

STATIC = Path(__file__).parent / "static"

st.set_page_config(page_title="Rounds", page_icon=str(STATIC / "icon.svg"), layout="wide")
st.html(STATIC / "streamlit.css")
reader_or_stop()
pages = [
    st.Page(review_page, title="Read", url_path="read", default=True),
    st.Page(overview_page, title="Overview", url_path="overview"),
]
st.navigation(pages, position="top").run()
