"""The page on which the privacy role judges pairs: two pictures, one question, three keys."""

from html import escape
from string import Template

from review_ui.frame import page
from review_ui.security.sessions import SignedInReader

_HEAD = """<link rel="stylesheet" href="/rounds/static/pairs.css">
<script src="/rounds/static/pairs.js" type="module"></script>"""

_PAGE = Template("""<div class="judging" data-csrf="$csrf" data-reader="$reader" data-state="loading">
<header>
<h1>Do these two pictures show the same subject?</h1>
<p class="lead">The question is not whether they look alike: two slices of one person show the same subject, two
people with one disease do not. Some pairs have a known answer; how often yours agrees with it is shown with your
results.</p>
<div class="facts"><label for="list" class="hidden">List of pairs</label><select id="list" hidden></select>
<span id="left" role="status"></span><span id="saved" role="status" data-saved="saved"></span></div>
</header>
<div class="pair" id="pair"><canvas id="first" width="1" height="1" role="img" aria-label="One picture"></canvas>
<canvas id="second" width="1" height="1" role="img" aria-label="The other picture"></canvas></div>
<p id="told" class="told" role="status">Loading</p>
<div class="answers">
<button id="same" type="button"><kbd>S</kbd> Same subject</button>
<button id="different" type="button"><kbd>D</kbd> Different subjects</button>
<button id="unsure" type="button" class="quiet"><kbd>N</kbd> Not sure</button>
<button id="undo" type="button" class="quiet" disabled><kbd>U</kbd> Undo</button>
<button id="over" type="button" class="quiet"><kbd>Space</kbd> Lay over</button>
</div>
<p class="note">Hold <kbd>Space</kbd> to lay the right picture over the left one. Each picture has its own
brightness, stretched from its darkest to its brightest point. <a href="/">Back</a> ·
<a href="/rounds/account">Account, sign out</a></p>
</div>""")


def pair_page(reader: SignedInReader) -> str:
    """The judging page for one reader."""
    content = _PAGE.substitute(csrf=escape(reader.csrf_token), reader=reader.reader_id)
    return page("Pairs", content, _HEAD)
