"""The sign-in page and the account page, outside Streamlit."""

from html import escape
from string import Template

from curation.readers.passwords import SHORTEST
from review_ui.frame import page
from review_ui.security.permissions import FIRST_TASK
from review_ui.security.sessions import SignedInReader

_SIGN_IN = Template("""<h1>Sign in to read</h1>
<p class="lead">$project</p>
$error
<form method="post" action="/rounds/sign-in">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus
 value="$name">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>
$provider
<p class="note">Accounts are made with <code>rounds reader add NAME</code> on the machine that runs this project.</p>
""")

_ACCOUNT = Template("""<h1>$name</h1>
<p class="lead">Signed in as $role. $hint</p>
<p id="message" class="message" role="status" hidden></p>
$password
<div class="row">
$back
<button id="sign-out" type="button" class="quiet" data-csrf="$csrf">Sign out</button>
</div>
<div class="row">
<span class="note inline">On a machine you no longer have?</span>
<button id="sign-out-everywhere" type="button" class="quiet">Sign out everywhere</button>
</div>
<div class="row">
<span class="note inline">For a bright office rather than a reading room</span>
<button id="theme" type="button" class="quiet">Use the light theme</button>
</div>
$consent
""")

_CONSENT = """<div class="row" id="consent">
<a href="/rounds/welcome">What you agreed to</a>
<button id="withdraw" type="button" class="quiet">Withdraw consent</button>
</div>
<div id="withdraw-confirm" class="message" role="group" aria-labelledby="withdraw-text" hidden>
<p id="withdraw-text">If you withdraw, you can no longer read, and you leave performance and agreement statistics.
Verdicts given stay in the record and in outcomes.</p>
<div class="row"><button id="withdraw-now" type="button" class="quiet">Withdraw</button>
<button id="withdraw-not" type="button">Keep reading</button></div>
</div>"""

_PASSWORD = Template("""<form id="password-form">
<label for="current">Current password</label>
<input id="current" ${focus}type="password" autocomplete="current-password" required>
<label for="new">New password, $shortest characters or more</label>
<input id="new" type="password" autocomplete="new-password" minlength="$shortest" required>
<button type="submit">Change password</button>
</form>""")

_REFUSED = Template("""<h1>Not signed in</h1>
<p class="message error" role="alert">$why</p>
<p><a href="/rounds/sign-in">Back to the sign-in page</a></p>
""")


def sign_in_page(project: str, name: str = "", error: str | None = None, provider: str | None = None) -> str:
    """The sign-in form; after a failure it keeps the name and says why in one sentence that reveals nothing.

    `provider` is the name of the identity provider, if there is one.
    """
    message = f'<p class="message error" role="alert">{escape(error)}</p>' if error else ""
    link = f'<a class="button" href="/rounds/oidc/sign-in">Sign in with {escape(provider)}</a>' if provider else ""
    content = _SIGN_IN.substitute(project=escape(project), name=escape(name), error=message, provider=link)
    return page("Sign in", content)


def refused_page(why: str) -> str:
    """The page that says in one sentence why a sign-in by the provider was refused."""
    return page("Not signed in", _REFUSED.substitute(why=escape(why)))


def continue_page() -> str:
    """The page after a sign-in by the provider; it leads on to the review page by itself."""
    content = '<h1>Signed in</h1>\n<p><a href="/">Go on to the review page</a></p>'
    return page("Signed in", content, '<meta http-equiv="refresh" content="0;url=/">')


def account_page(reader: SignedInReader, has_password: bool) -> str:
    """The account page: change the password, sign out here or everywhere, withdraw consent."""
    must_change = reader.must_change_password  # then there is no reading to go back to
    focus = "autofocus " if must_change else ""
    back = "Back to reading" if FIRST_TASK[reader.role] == "Read" else "Back"
    content = _ACCOUNT.substitute(
        name=escape(reader.name),
        role=escape(reader.role.value),
        hint="Choose a password of your own before you read." if must_change else "",
        csrf=escape(reader.csrf_token),
        password=_PASSWORD.substitute(focus=focus, shortest=SHORTEST) if has_password else "",
        back="<span></span>" if must_change else f'<a href="/">{back}</a>',
        consent=_CONSENT if reader.consented else "",
    )
    script = '<script src="/rounds/static/account.js" defer></script>'
    script += '<script src="/rounds/static/consent.js" defer></script>' if reader.consented else ""
    return page("Account", content, script)
