"""The page of the first visit: purpose and consent on the left, three short steps on the right."""

from html import escape
from string import Template

from curation.readers.consent import CONSENT_VERSION, PROFESSIONS, PURPOSE, RECORDED
from review_ui.frame import page
from review_ui.security.sessions import SignedInReader

PLACES = 6  # where a faint square of the display check may be

_HEAD = """<link rel="stylesheet" href="/rounds/static/welcome.css">
<script src="/rounds/static/welcome.js" defer></script>"""

_WELCOME = Template("""<div class="welcome">
<section class="told" aria-labelledby="told">
<h1 id="told">Before you read</h1>
<p class="purpose">$purpose</p>
<dl>$recorded</dl>
<p><a href="/rounds/account">Your account</a></p>
</section>
<form id="consent-form" data-csrf="$csrf" data-version="$version" aria-label="Your consent">
<fieldset class="step">
<legend><span class="count" aria-hidden="true">1</span>About you</legend>
<div class="fields">
<p><label for="profession">Profession</label>
<select id="profession" required><option value="">Choose</option>$professions</select></p>
<p><label for="years">Years of reading</label>
<input id="years" type="number" min="0" max="70" step="1" inputmode="numeric" required></p>
<p><label for="specialty">Specialty, if any</label>
<input id="specialty" maxlength="100" autocomplete="off"></p>
</div>
</fieldset>
<fieldset class="step">
<legend><span class="count" aria-hidden="true">2</span>Your screen</legend>
<p class="hint">Count the faint squares in each field. Type the number or click it.</p>
$fields
<p id="screen-warning" class="message warning" role="status" hidden></p>
</fieldset>
<div class="step last">
<p class="hint" id="agreement"><span class="count" aria-hidden="true">3</span>I have read how my reading is recorded,
and I agree.</p>
<p id="message" class="message error" role="alert" hidden></p>
<p class="end"><button type="submit" aria-describedby="agreement">Agree and start reading</button>
<button id="sign-out" type="button" class="quiet">Sign out instead</button></p>
</div>
</form>
</div>
""")

_FIELD = Template("""<div class="check" role="radiogroup" aria-labelledby="$name-label" data-field="$name">
<div class="field $name" aria-hidden="true">$squares</div>
<p class="answer"><span id="$name-label">$title</span>
<span class="numbers">$numbers</span></p>
</div>
""")

_AGREED = Template("""<div class="welcome agreed">
<section class="told" aria-labelledby="told">
<h1 id="told">What you agreed to</h1>
<p class="purpose">$purpose</p>
<dl>$recorded</dl>
<p class="end"><a class="button" href="/">Start reading</a><a href="/rounds/account">Your account</a></p>
</section>
</div>
""")


def welcome_page(reader: SignedInReader) -> str:
    """The page before the first image; later it shows what the reader agreed to."""
    recorded = "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(text)}</dd></div>" for what, text in RECORDED)
    fields = {"purpose": escape(PURPOSE), "recorded": recorded}
    if reader.consented:
        return page("What you agreed to", _AGREED.substitute(fields), head=_HEAD)
    content = _WELCOME.substitute(
        fields,
        csrf=escape(reader.csrf_token),
        version=escape(CONSENT_VERSION),
        professions="".join(f'<option value="{key}">{escape(name)}</option>' for key, name in PROFESSIONS.items()),
        fields=_field("dark", "Squares in the black field") + _field("light", "Squares in the white field"),
    )
    return page("Before you read", content, head=_HEAD)


def _field(name: str, title: str) -> str:
    numbers = "".join(
        f'<label><input type="radio" name="{name}" value="{number}" required><span>{number}</span></label>'
        for number in range(PLACES + 1)
    )
    return _FIELD.substitute(name=name, title=title, squares="<span></span>" * PLACES, numbers=numbers)
