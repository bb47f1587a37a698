"""Security headers for every response: two content policies, no framing, no caching of data."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

OWN_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@cache
def streamlit_policy() -> str:
    """The policy of Streamlit's pages: own origin, `blob:` scripts for components, inline script by hash."""
    page = files("streamlit").joinpath("static", "index.html").read_text()
    inline = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in inline]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' blob: {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'self'; object-src 'none'"
    )


def security_headers(path: str, secure: bool) -> dict[str, str]:
    """The headers to add to the response for `path`; `secure` for a request by https."""
    is_own_page = path.startswith("/rounds/")
    headers = {
        "Content-Security-Policy": OWN_POLICY if is_own_page else streamlit_policy(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    if is_own_page or path.startswith("/media/"):
        headers["Cache-Control"] = "no-store"
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
