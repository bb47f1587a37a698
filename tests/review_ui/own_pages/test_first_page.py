"""The page of the application carries our script first, and only navigations get it."""

import pytest
from starlette.requests import HTTPConnection

from review_ui.own_pages.first_page import OURS, first_page, is_navigation


def connection(path: str, method: str = "GET", accept: str = "text/html,*/*") -> HTTPConnection:
    """A request as far as the decision needs it."""
    headers = [(b"accept", accept.encode())]
    return HTTPConnection({"type": "http", "method": method, "path": path, "headers": headers})


def test_our_script_comes_before_any_of_streamlits() -> None:
    page = first_page()
    assert 0 < page.index(OURS) < page.index("<script>")
    assert page.count(OURS) == 1


@pytest.mark.parametrize("path", ["/", "/overview", "/start"])
def test_a_navigation_gets_the_page(path: str) -> None:
    assert is_navigation(connection(path))


@pytest.mark.parametrize(
    ("path", "method", "accept"),
    [
        ("/rounds/account", "GET", "text/html"),
        ("/_stcore/health", "GET", "text/html"),
        ("/media/a", "GET", "text/html"),
        ("/static/js/index.js", "GET", "text/html"),
        ("/favicon.png", "GET", "text/html"),
        ("/overview", "GET", "*/*"),
        ("/overview", "POST", "text/html"),
        ("/a/b", "GET", "text/html"),
    ],
)
def test_anything_else_goes_on(path: str, method: str, accept: str) -> None:
    assert not is_navigation(connection(path, method, accept))
