"""Readers sign in at an OpenID provider: authorization code with PKCE, state and nonce, and sessions of this server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from provisioner.base.errors import UsageError
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.web.app import SIGN_IN
from provisioner.web.id_token import NoRoleError, TokenError, UnknownKeyError, claims_of, reader_of
from provisioner.web.provider import Provider, ProviderError
from provisioner.web.provider_settings import BACK, read_settings
from provisioner.web.readers import SignInError
from provisioner.web.scope import Reader

SESSION: Final = "__Host-session"
BEGUN: Final = "__Host-sign-in"
SIGN_OUT: Final = "sign-out"
SESSION_S: Final = 8 * 3600
_BEGUN_S: Final = 600
_MOST_SESSIONS: Final = 5000
_MOST_BEGUN: Final = 1000
_LONGEST_FILE: Final = 64 * 1024
_NO_STORE: Final = {"Cache-Control": "no-store"}

T = TypeVar("T")


class _Kept(Generic[T]):
    """Values by a name that is known to one browser alone, each for a while; the oldest go where there are too many."""

    def __init__(self, seconds: float, most: int, clock: Callable[[], float]) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._values: OrderedDict[bytes, tuple[float, T]] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, value: T) -> None:
        with self._lock:
            while len(self._values) >= self._most:
                self._values.popitem(last=False)
            self._values[_hash(name)] = (self._clock() + self._seconds, value)

    def get(self, name: str) -> T | None:
        with self._lock:
            until, value = self._values.get(_hash(name), (0.0, None))
            return value if self._clock() < until else None

    def take(self, name: str) -> T | None:
        value = self.get(name)
        with self._lock:
            self._values.pop(_hash(name), None)
        return value


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A sign-in that was begun: what the token has to repeat, and what the code is worth nothing without."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class SignInDoor:
    """Knows readers by a session that they signed in for."""

    def __init__(self, provider: Provider, clock: Callable[[], float] = monotonic) -> None:
        self._provider = provider
        self._sessions = _Kept[Reader](SESSION_S, _MOST_SESSIONS, clock)
        self._begun = _Kept[_Begun](_BEGUN_S, _MOST_BEGUN, clock)

    @property
    def host(self) -> str:
        """The host by which readers call this server."""
        return self._provider.settings.host

    @property
    def routes(self) -> list[BaseRoute]:
        """The addresses of signing in and out."""
        return [Route(SIGN_IN, self._begin), Route(BACK, self._back), Route(f"/{SIGN_OUT}", self._out)]

    def reader(self, request: Request) -> Reader:
        """Whose session it is."""
        reader = self._sessions.get(request.cookies.get(SESSION, ""))
        if reader is None:
            raise SignInError
        return reader

    def _begin(self, _: Request) -> Response:
        state, begun = secrets.token_urlsafe(32), _Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        settings = self._provider.settings
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "scope": "openid profile",
            "client_id": settings.client_id,
            "redirect_uri": settings.redirect,
            "state": state,
            "nonce": begun.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        try:
            endpoint = self._provider.endpoint("authorization_endpoint")
        except ProviderError as error:
            return _said(503, str(error))
        self._begun.put(state, begun)
        joint = "&" if "?" in endpoint else "?"
        answer = RedirectResponse(f"{endpoint}{joint}{urlencode(query)}", 302, _NO_STORE)
        _set(answer, BEGUN, state, _BEGUN_S)
        return answer

    def _back(self, request: Request) -> Response:
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        own = request.cookies.get(BEGUN, "")
        begun = self._begun.take(state) if state and hmac.compare_digest(own.encode(), state.encode()) else None
        issuer = self._provider.settings.issuer
        if begun is None or request.query_params.get("iss", issuer) != issuer:
            return _said(400, "this sign-in was not begun here, or too long ago: open the first page and sign in again")
        if not code:
            return _said(403, "the provider let nobody in")
        try:
            reader = reader_of(self._claims(code, begun), self._provider.settings)
        except NoRoleError as error:
            return _said(403, f"you have {error} here: ask whoever runs these pages")
        except (ProviderError, TokenError) as error:
            return _said(502, str(error))
        session = secrets.token_urlsafe(32)
        self._sessions.put(session, reader)
        answer = RedirectResponse("../", 302, _NO_STORE)
        _set(answer, SESSION, session, SESSION_S)
        _set(answer, BEGUN, "", 0)
        return answer

    def _claims(self, code: str, begun: _Begun) -> Mapping[str, object]:
        provider = self._provider
        token = provider.token(code, begun.verifier)
        try:
            return claims_of(token, provider.keys(), provider.settings, begun.nonce)
        except UnknownKeyError:
            return claims_of(token, provider.keys(again=True), provider.settings, begun.nonce)

    def _out(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site") == "cross-site":
            return _said(403, "another page cannot sign you out")
        self._sessions.take(request.cookies.get(SESSION, ""))
        answer = _said(200, "you are signed out of these pages")
        _set(answer, SESSION, "", 0)
        return answer


def open_sign_in(path: Path) -> SignInDoor:
    """The door that a file of settings describes.

    Raises:
        UsageError: a file of it cannot be read, is not as such files are, or anybody may read the secret.
    """
    settings = read_settings(_read(path), path.name)
    if not settings.secret_file:
        return SignInDoor(Provider(settings))
    secret_file = path.parent / settings.secret_file
    secret = Secret(_read(secret_file).strip())
    if secret_file.stat().st_mode & 0o077:
        raise UsageError(f"{secret_file} can be read by others", hint=f"chmod 600 {secret_file}")
    return SignInDoor(Provider(settings, secret))


def _read(path: Path) -> str:
    try:
        return read_regular(path, most=_LONGEST_FILE).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"{path} cannot be read: {why}", hint="name a file of text that this user can read") from None


def _set(answer: Response, name: str, value: str, seconds: int) -> None:
    """A cookie that goes to this host alone, over TLS alone, and that no script can read."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def _said(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(f"{sentence}\n", status, _NO_STORE)
