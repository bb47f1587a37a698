"""Our own HTML pages, outside Streamlit: sign-in and account. No script on the first, no remote anything on either."""

from html import escape
from string import Template

from review_ui.sessions import SignedInReader

_SHELL = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · Rounds</title>
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
<p class="note">Accounts are made with <code>rounds reader add NAME</code> on the machine that runs this project.</p>
""")

_ACCOUNT = Template("""<h1>$name</h1>
<p class="lead">Signed in as $role. $hint</p>
<p id="message" class="message" role="status" hidden></p>
<form id="password-form" data-csrf="$csrf">
<label for="current">Current password</label>
<input id="current" type="password" autocomplete="current-password" required>
<label for="new">New password, 10 characters or more</label>
<input id="new" type="password" autocomplete="new-password" minlength="10" required>
<button type="submit">Change password</button>
</form>
<div class="row">
<a href="/">Back to reading</a>
<button id="sign-out" type="button" class="quiet">Sign out</button>
</div>
""")


def sign_in_page(project: str, name: str = "", error: str | None = None) -> str:
    """The sign-in form; after a failure with the name kept and one sentence that gives nothing away."""
    message = f'<p class="message error" role="alert">{escape(error)}</p>' if error else ""
    content = _SIGN_IN.substitute(project=escape(project), name=escape(name), error=message)
    return _SHELL.substitute(title="Sign in", head="", content=content)


def account_page(reader: SignedInReader) -> str:
    """Change the password, sign out."""
    hint = "Choose a password of your own before you read." if reader.must_change_password else ""
    content = _ACCOUNT.substitute(
        name=escape(reader.name), role=escape(reader.role.value), hint=hint, csrf=escape(reader.csrf_token)
    )
    script = '<script src="/rounds/static/account.js" defer></script>'
    return _SHELL.substitute(title="Account", head=script, content=content)
