"""The frame of our own pages, outside Streamlit: the theme of the device before anything is painted."""

from html import escape
from string import Template

_SHELL = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · Rounds</title>
<script src="/rounds/static/theme.js"></script>
<link rel="icon" href="/rounds/static/icon.svg">
<link rel="stylesheet" href="/rounds/static/rounds.css">
$head
</head>
<body>
<main>
<p class="mark"><img src="/rounds/static/icon.svg" alt="" width="28" height="28">Rounds</p>
$content
</main>
</body>
</html>
""")


def page(title: str, content: str, head: str = "") -> str:
    """Wrap `content`, which is HTML, in the frame of our own pages."""
    return _SHELL.substitute(title=escape(title), head=head, content=content)
