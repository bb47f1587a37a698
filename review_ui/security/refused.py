"""The pages that stand in for one that is not shown: a refusal, or the database is away."""

from html import escape

from review_ui.frame import page


def cannot_show_page(why: str) -> str:
    """Say in one sentence why a page is not shown, and lead to the pages of this reader."""
    sentence = escape(why[:1].upper() + why[1:])
    links = '<a href="/">To your pages</a>\n<a href="/rounds/account">Your account</a>'
    content = f'<h1>This page is not shown</h1>\n<p class="lead">{sentence}</p>\n<div class="row">{links}</div>'
    return page("Not shown", content)


def database_away_page(again_s: int) -> str:
    """Say that the database does not answer; the page asks again by itself."""
    content = """<h1>The database does not answer</h1>
<p class="lead">This page tries again by itself. Nothing that was read is lost.</p>"""
    return page("Waiting", content, f'<meta http-equiv="refresh" content="{again_s}">')
