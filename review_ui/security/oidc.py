"""OpenID Connect: sign in with the account of an identity provider, by authorization code with PKCE.

OpenID Connect Core 1.0, section 3.1. State, nonce and code verifier are kept in a signed HttpOnly cookie for ten
minutes, so that any process of the server can handle the callback. An account that is linked to no reader is refused:
signing in does not make a reader.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from curation.errors import BadInput, NotAllowed, RoundsError
from curation.project import Project
from curation.settings import OidcSettings

SECRET_FILE = "oidc.secret"
TRIP = timedelta(minutes=10)
METADATA_AGE = timedelta(minutes=10)
LEEWAY_S = 60
TIMEOUT_S = 10.0
# Only signatures by the provider's own key: never `none`, never one keyed with the client's secret.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]


class ProviderDown(RoundsError):
    """The identity provider cannot be reached, or its response is not valid."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One sign-in at the provider, from the button to the callback."""

    state: str
    nonce: str
    verifier: str
    started_at: float

    @classmethod
    def begin(cls, now: datetime) -> "Trip":
        """Start a sign-in with fresh random values."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), now.timestamp())

    def sealed(self, key: bytes) -> str:
        """The value of the cookie: signed, not encrypted."""
        body = base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()
        return f"{body}.{_seal(key, body)}"

    @classmethod
    def unsealed(cls, key: bytes, value: str, now: datetime) -> "Trip":
        """Read the trip from a cookie; raises NotAllowed when it is missing, changed or too old."""
        body, _, seal = value.partition(".")
        if not hmac.compare_digest(_seal(key, body).encode(), seal.encode()):
            raise NotAllowed("this sign-in was not started in this browser. Start again.")
        try:
            trip = cls(**json.loads(base64.urlsafe_b64decode(body)))
        except (binascii.Error, ValueError, TypeError) as error:
            raise NotAllowed("this sign-in cannot be read. Start again.") from error
        if not 0 <= now.timestamp() - trip.started_at <= TRIP.total_seconds():
            raise NotAllowed("this sign-in took longer than ten minutes. Start again.")
        return trip


class Provider:
    """The identity provider that `[oidc]` in rounds.toml names."""

    def __init__(self, settings: OidcSettings, client_secret: str) -> None:
        self.settings = settings
        self._client_secret = client_secret
        self._metadata: tuple[datetime, dict[str, Any]] | None = None

    def address(self, trip: Trip, callback: str, now: datetime) -> str:
        """The address where the browser signs in; raises ProviderDown."""
        endpoint = self._read_metadata(now)["authorization_endpoint"]
        with self._client(callback) as client:
            address, _ = client.create_authorization_url(
                endpoint, state=trip.state, nonce=trip.nonce, code_verifier=trip.verifier
            )
        return str(address)

    def subject(self, trip: Trip, code: str, callback: str, now: datetime) -> str:
        """Exchange the code for an ID token, check it, return "issuer subject"; raises NotAllowed, ProviderDown."""
        metadata = self._read_metadata(now)
        try:
            with self._client(callback) as client:
                answer = client.fetch_token(metadata["token_endpoint"], code=code, code_verifier=trip.verifier)
            keys = httpx.get(metadata["jwks_uri"], timeout=TIMEOUT_S).raise_for_status().json()
        except AuthlibBaseError as error:
            raise NotAllowed("the identity provider did not accept this sign-in. Start again.") from error
        except (httpx.HTTPError, ValueError) as error:
            raise self._down() from error
        claims = self._checked(answer.get("id_token"), keys, trip.nonce, now)
        return f"{self.settings.issuer} {claims['sub']}"

    def _checked(self, id_token: object, keys: Any, nonce: str, now: datetime) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            token = jwt.decode(str(id_token), KeySet.import_key_set(keys), algorithms=ALGORITHMS)
            registry.validate(token.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotAllowed(f"the identity provider's token is not valid: {error}. Start again.") from error
        audience = token.claims["aud"]
        if audience not in (self.settings.client_id, [self.settings.client_id]):
            raise NotAllowed("the identity provider's token is meant for others too. Start again.")
        return dict(token.claims)

    def _read_metadata(self, now: datetime) -> dict[str, Any]:
        """The metadata of the provider, fetched every ten minutes; its issuer must be the configured one."""
        if self._metadata is not None and now - self._metadata[0] < METADATA_AGE:
            return self._metadata[1]
        address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            metadata: dict[str, Any] = httpx.get(address, timeout=TIMEOUT_S).raise_for_status().json()
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            is_complete = metadata["issuer"] == self.settings.issuer and all(metadata[name] for name in needed)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._down() from error
        if not is_complete:
            raise self._down()
        self._metadata = (now, metadata)
        return metadata

    def _client(self, callback: str) -> OAuth2Client:
        return OAuth2Client(
            self.settings.client_id,
            self._client_secret,
            scope="openid",
            redirect_uri=callback,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )

    def _down(self) -> ProviderDown:
        return ProviderDown(f"{self.settings.name} cannot be reached. Try again later, or sign in with a password.")


def open_provider(project: Project) -> Provider | None:
    """The identity provider of a project, if it has one; raises BadInput when its secret is missing."""
    settings = project.settings.oidc
    if settings is None:
        return None
    path = project.root / project.settings.secrets_directory / SECRET_FILE
    if not path.is_file():
        raise BadInput(f"expected the identity provider's client secret in {path}, got no file. Write it there.")
    return Provider(settings, path.read_text().strip())


def _seal(key: bytes, body: str) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
