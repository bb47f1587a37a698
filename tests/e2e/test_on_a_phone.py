"""On a phone the lines of administration keep their words whole, and no figure leaves the page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from curation.estimates import Estimate
from curation.tables.people import Reader, ReaderKind, Role
from review_ui.markup.overview import account_line
from review_ui.markup.plots import dot_plot, section
from tests.rows import NOW

pytestmark = pytest.mark.e2e

STYLE = Path(__file__).parents[2] / "review_ui" / "static" / "streamlit.css"
NAMES = ("dr-lindqvist", "the-administrator")

LINES_OF = """(name) => {
  const names = [...document.querySelectorAll(".r-line b")].map((node) => node.firstChild);
  const words = names.find((node) => node.data === name);
  const range = document.createRange();
  range.selectNodeContents(words);
  return range.getClientRects().length;
}"""
BEYOND = """() => [...document.querySelectorAll("*")]
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.textContent.slice(0, 40))"""


@pytest.mark.parametrize("width", [390, 768])
def test_names_stay_whole_and_figures_on_the_page(new_context: Callable[..., BrowserContext], width: int) -> None:
    accounts = [
        Reader(
            name=name,
            role=Role.ADJUDICATOR,
            kind=ReaderKind.HUMAN,
            active=True,
            failed_sign_ins=0,
            must_change_password=True,
        )
        for name in NAMES
    ]
    lines = "".join(account_line(account, NOW) for account in accounts)
    share = Estimate(-0.123, -0.456, 1.0, 3600, "bootstrap")
    plots = section("Figures", dot_plot("By class", {"symmetry_implausible": share, "normal": share}))
    manage = f'<div class="st-key-accounts">{lines}</div>'
    page = new_context(width, 844).new_page()
    style = f"* {{ box-sizing: border-box; }} body {{ margin: 0; }} {STYLE.read_text()}"
    page.set_content(f'<style>{style}</style><div class="stApp">{plots}{manage}</div>')
    assert [page.evaluate(LINES_OF, name) for name in NAMES] == [1, 1]
    assert page.evaluate(BEYOND) == []
