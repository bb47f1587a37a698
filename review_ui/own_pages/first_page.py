"""Serve Streamlit's HTML page with our scripts first: they set its theme and its server's address."""

from functools import cache
from importlib.resources import files

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from review_ui.security.guard import wants_page

OURS = '<script src="/rounds/static/theme.js"></script><script src="/rounds/static/address.js"></script>'
NOT_PAGES = ("/rounds/", "/_stcore/", "/media/", "/component/", "/static/")


class FirstPage:
    """Answers every navigation inside the application with that page; Streamlit's router shows the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the page, or pass the request on."""
        if scope["type"] == "http" and is_navigation(HTTPConnection(scope)):
            page = HTMLResponse(first_page(), headers={"Cache-Control": "no-cache"})
            return await page(scope, receive, send)
        await self.app(scope, receive, send)


def is_navigation(connection: HTTPConnection) -> bool:
    """Whether a browser asks for a page of the application: HTML, one level deep, and not a file."""
    path = connection.scope["path"]
    is_page = not path.startswith(NOT_PAGES) and path.count("/") == 1 and "." not in path
    return wants_page(connection) and is_page


@cache
def first_page() -> str:
    """The index.html of the installed Streamlit, with our scripts first in its head."""
    page = files("streamlit").joinpath("static", "index.html").read_text()
    head, tag, rest = page.partition("<head>")
    if not tag:
        raise RuntimeError(
            "expected <head> in Streamlit's index.html, found none. Use the Streamlit version of requirements.lock."
        )
    return f"{head}{tag}\n    {OURS}{rest}"
