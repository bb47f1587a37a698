"""Signing in with an identity provider: the whole way, and every way in which it must fail."""

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from starlette.testclient import TestClient

from curation.errors import NotAllowed
from curation.project import STATE_KEY, Project
from curation.readers.accounts import add_reader, deactivate_reader
from curation.settings import OidcSettings
from review_ui.security.oidc import SECRET_FILE, Provider, Trip
from tests.review_ui.conftest import Browser, Clock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from oidc_provider_mock import run_server_in_thread

pytestmark = pytest.mark.filterwarnings("ignore")  # the provider in the thread uses what its own libraries deprecate

PAGE = {"Accept": "text/html"}
FROM_PROVIDER = {
    **PAGE,
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """A provider on loopback that lets anybody in under any name."""
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def clock() -> Clock:
    """The provider's tokens carry the real time."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def linked(project: Project, clock: Clock, issuer: str) -> str:
    """The project trusts the provider, where `carol` is the reader carol, who has no password."""
    object.__setattr__(
        project.settings, "oidc", OidcSettings(issuer=issuer, client_id="rounds", name="the <b>clinic</b>")
    )
    (project.root / "secrets" / SECRET_FILE).write_text("a client secret\n")
    with project.database.write() as session:
        add_reader(session, project.chain, clock(), "carol", None, oidc_subject=f"{issuer} carol")
    return issuer


@pytest.fixture
def browser(linked: str, open_browser: Callable[[], Browser]) -> TestClient:
    """A stranger's browser."""
    return open_browser().client


def to_provider(browser: TestClient) -> str:
    answer = browser.get("/rounds/oidc/sign-in", headers=PAGE)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def as_account(address: str, subject: str = "carol") -> str:
    """Press the provider's button; returns the callback with its query."""
    answer = httpx.post(address, data={"sub": subject}, trust_env=False)
    location = urlsplit(answer.headers["location"])
    return f"{location.path}?{location.query}"


def refused(answer: httpx.Response, said: str, status: int = 403) -> bool:
    assert "rounds_session" not in answer.headers.get("set-cookie", "")
    return answer.status_code == status and said in answer.text


def test_a_linked_account_signs_in_and_reads_on_a_page_of_ours(browser: TestClient) -> None:
    assert "Sign in with the &lt;b&gt;clinic" in browser.get("/rounds/sign-in").text
    answer = browser.get(as_account(to_provider(browser)), headers=FROM_PROVIDER)
    assert answer.status_code == 200
    assert 'content="0;url=/"' in answer.text
    session = browser.get("/rounds/api/session")
    assert session.json()["name"] == "carol"
    account = browser.get("/rounds/account").text
    assert "password-form" not in account


def test_the_way_there_carries_a_challenge_and_leaves_a_cookie_for_the_way_back(browser: TestClient) -> None:
    answer = browser.get("/rounds/oidc/sign-in", headers=PAGE)
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert asked["redirect_uri"] == ["http://testserver/rounds/oidc/callback"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))


def test_a_forged_or_missing_state_is_refused(browser: TestClient) -> None:
    callback = as_account(to_provider(browser))
    code = parse_qs(urlsplit(callback).query)["code"][0]
    forged = browser.get(f"/rounds/oidc/callback?code={code}&state=forged", headers=FROM_PROVIDER)
    assert refused(forged, "another sign-in")
    assert refused(browser.get(callback, headers=FROM_PROVIDER), "not started in this browser")


def test_another_browser_cannot_finish_a_sign_in(browser: TestClient, open_browser: Callable[[], Browser]) -> None:
    callback = as_account(to_provider(browser))
    assert refused(open_browser().client.get(callback, headers=FROM_PROVIDER), "not started in this browser")


def test_a_changed_or_old_cookie_is_refused(browser: TestClient, project: Project, clock: Clock) -> None:
    key = project.secret(STATE_KEY)
    sealed = Trip("s", "n", "v", clock().timestamp()).sealed(key)
    for value in (sealed[:-1], "x" + sealed, sealed.split(".")[0], ".", "é"):
        cookie = {"Cookie": f"rounds_oidc={value}".encode()}
        assert refused(browser.get("/rounds/oidc/callback?state=s&code=c", headers=cookie), "Start again")
    callback = as_account(to_provider(browser))
    clock.move(timedelta(minutes=11))
    assert refused(browser.get(callback, headers=FROM_PROVIDER), "longer than ten minutes")


@pytest.mark.slow
def test_a_callback_that_is_replayed_with_its_cookie_is_refused(browser: TestClient) -> None:
    callback = as_account(to_provider(browser))
    kept = browser.cookies["rounds_oidc"]
    assert browser.get(callback, headers=FROM_PROVIDER).status_code == 200
    browser.cookies.clear()
    replayed = browser.get(callback, headers={**FROM_PROVIDER, "Cookie": f"rounds_oidc={kept}"})
    assert refused(replayed, "did not accept")


@pytest.mark.slow
def test_a_token_with_another_nonce_is_refused(browser: TestClient) -> None:
    address = to_provider(browser)
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    callback = as_account(address.replace(nonce, "another"))
    assert refused(browser.get(callback, headers=FROM_PROVIDER), "is not valid")


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CLAIMS = {
    "iss": "https://login.example.org",
    "aud": "rounds",
    "sub": "1234",
    "nonce": "n",
    "iat": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 300,
}
KEY, OTHER_KEY = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})
SECRET = OctKey.import_key("a secret that is 32 bytes in size")


def checked(claims: dict[str, object], header: dict[str, str], key: Any) -> dict[str, Any]:
    settings = OidcSettings(issuer="https://login.example.org", client_id="rounds")
    token = jwt.encode(header, claims, key, algorithms=[header["alg"]])
    return Provider(settings, "secret")._checked(token, KeySet([KEY]).as_dict(), "n", NOON)


def test_a_token_that_holds_says_who_it_is() -> None:
    assert checked(CLAIMS, {"alg": "RS256", "kid": "1"}, KEY)["sub"] == "1234"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"},
        {"aud": ["rounds", "other"]},
        {"iss": "https://evil.example"},
        {"exp": int(NOON.timestamp()) - 120},
        {"iat": int(NOON.timestamp()) + 3600},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
    ],
)
def test_a_token_with_one_wrong_claim_does_not_hold(change: dict[str, object]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **change}.items() if value is not None}
    with pytest.raises(NotAllowed):
        checked(claims, {"alg": "RS256", "kid": "1"}, KEY)


@pytest.mark.parametrize(
    ("algorithm", "key"), [("RS256", OTHER_KEY), ("HS256", SECRET)], ids=["another key", "the client's secret"]
)
def test_a_token_signed_by_somebody_else_does_not_hold(algorithm: str, key: Any) -> None:
    with pytest.raises(NotAllowed):
        checked(CLAIMS, {"alg": algorithm, "kid": "1"}, key)


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["mallory", "Carol", "carol "])
def test_an_account_without_a_reader_is_refused_and_makes_none(browser: TestClient, subject: str) -> None:
    answer = browser.get(as_account(to_provider(browser), subject), headers=FROM_PROVIDER)
    assert refused(answer, "no active reader")


@pytest.mark.slow
def test_a_deactivated_reader_stays_out(browser: TestClient, project: Project, clock: Clock) -> None:
    with project.database.write() as session:
        deactivate_reader(session, project.chain, clock(), "carol")
    assert refused(browser.get(as_account(to_provider(browser)), headers=FROM_PROVIDER), "no active reader")


def test_a_provider_that_is_down_is_said_so(project: Project, linked: str, request: pytest.FixtureRequest) -> None:
    object.__setattr__(project.settings, "oidc", OidcSettings(issuer="http://127.0.0.1:9", client_id="rounds"))
    open_browser: Callable[[], Browser] = request.getfixturevalue("open_browser")
    assert refused(open_browser().client.get("/rounds/oidc/sign-in", headers=PAGE), "cannot be reached", 502)


def test_without_a_provider_there_is_nothing(stranger: Browser) -> None:
    assert stranger.client.get("/rounds/oidc/sign-in").status_code == 404
    assert stranger.client.get("/rounds/oidc/callback?code=c&state=s").status_code == 404
    assert "oidc" not in stranger.client.get("/rounds/sign-in").text
