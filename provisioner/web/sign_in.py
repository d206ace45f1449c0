"""Sign-in at an OpenID provider, and sessions of this server.

The flow is the authorization code with PKCE, state and nonce. Messages quote no token and no answer of the provider.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import tomllib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Lock
from time import monotonic, time
from typing import Final, NoReturn
from urllib.parse import urlencode, urlsplit

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet, InvalidToken
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from urllib3.exceptions import HTTPError

from provisioner.base.errors import UsageError, raised_as
from provisioner.base.files import read_regular
from provisioner.base.http import ReachError, ending_session, within
from provisioner.base.secret import Secret
from provisioner.base.text import Document, printable
from provisioner.web.app import SIGN_IN
from provisioner.web.readers import SignInError, WebUser, read_web_user
from provisioner.web.server import address_in, source_of

CLAIM: Final = "provisioner_role"
BACK: Final = "/sign-in/back"
_REQUIRED: Final = ("issuer", "client_id", "redirect")
_SHAPE: Final = (
    f'with {", ".join(sorted(_REQUIRED))} as texts and a table [roles], e.g. issuer = "https://login.example.com/realm"'
)
_KNOWN: Final = frozenset({*_REQUIRED, "client_secret_file", "claim", "roles"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT_S: Final = (5, 10)
_MOST_ANSWER_BYTES: Final = 512 * 1024
_KEPT_S: Final = 3600.0

_AGAIN_S: Final = 60.0  #: The least time between two requests for keys, whatever tokens name.

#: Asymmetric signatures only. With a shared secret, a person who reads ours could make tokens.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")

#: Errors of PyJWT and cryptography for invalid tokens and keys; `RuntimeError` is too deep nesting.
_NO_PROOF: Final = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

_LEEWAY_S: Final = 60
_REFUSALS: Final = (400, 401, 403)  #: Status codes of a refusal; other codes do not end a session.
ASK_S: Final = 300.0  #: The time after which the provider is asked about a session again.
WORD_S: Final = 600.0  #: The time for which the provider's last confirmation counts.

_AGAIN_ABOUT_S: Final = 30.0
_MOST_ASKED: Final = 8
_MOST_SIGN_INS: Final = 64
#: Sign-ins of one address that wait at once. Loopback is exempt: a proxy there serves many users.
_MOST_OF_SOURCE: Final = 16

_FAILED_S: Final = 10.0  #: The pause after a provider did not answer.

_LONGEST_NAME: Final = 200
SESSION: Final = "__Host-session"
BEGUN: Final = "__Host-sign-in"
SIGN_OUT: Final = "sign-out"
SESSION_S: Final = 8 * 3600
_BEGUN_S: Final = 600
_MOST_SESSIONS: Final = 5000
_MOST_OF_PERSON: Final = 20
_MOST_SETTINGS_BYTES: Final = 64 * 1024
_NO_STORE: Final = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Settings of an OpenID provider."""

    issuer: str  #: The provider's own identifier.
    client_id: str  #: This server's identifier at the provider.
    redirect: str  #: This server's address for returning users.
    claim: str  #: The claim with a user's groups.
    roles: Mapping[str, WebUser]  #: By group.
    secret_file: str = ""  #: The client secret; empty for a public client.

    @property
    def host(self) -> str:
        """The host in users' addresses of this server."""
        return urlsplit(self.redirect).netloc


class ProviderError(Exception):
    """No valid answer from the provider; the message quotes no answer."""


class RefusedError(ProviderError):
    """The provider refuses."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a provider's answer; a missing token is empty."""

    id: str = field(default="", repr=False)
    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)


@dataclass
class Provider:
    """An OpenID provider."""

    settings: ProviderSettings
    secret: Secret | None = None  #: The client secret; `None` for a public client.
    _metadata: Document = field(default_factory=dict)
    _keys: Document = field(default_factory=dict)
    _asked_s: dict[str, float] = field(default_factory=dict)
    _failed: tuple[float, str] = (0.0, "")
    _lock: Lock = field(default_factory=Lock)

    def endpoint(self, name: str) -> str:
        """Return a safe endpoint from the provider's metadata, or raise `ProviderError`."""
        with self._lock:
            if self._is_old("metadata", _KEPT_S):
                self._load_metadata()
            address = _text(self._metadata.get(name))
        if not is_safe(address):
            raise ProviderError(f"the provider's {name} is no https:// address")
        return address

    def _load_metadata(self) -> None:
        failed_s, failure = self._failed
        if failure and monotonic() - failed_s < _FAILED_S:
            raise ProviderError(failure)
        address = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            metadata = _provider_answer(requests.Request("GET", address))
        except ProviderError as error:
            self._failed = monotonic(), str(error)
            raise
        if metadata.get("issuer") != self.settings.issuer:
            raise ProviderError("the provider calls itself something else than issuer says")
        self._metadata = metadata
        self._asked_s["metadata"] = monotonic()

    def keys(self, *, again: bool = False) -> Document:
        """Return the signing keys, `again` maybe anew, or raise `ProviderError`."""
        address = self.endpoint("jwks_uri")
        with self._lock:
            if self._is_old("keys", _AGAIN_S if again else _KEPT_S):
                self._keys = _provider_answer(requests.Request("GET", address))
                self._asked_s["keys"] = monotonic()
            return self._keys

    def _is_old(self, kind: str, seconds: float) -> bool:
        last_s = self._asked_s.get(kind)
        return last_s is None or monotonic() - last_s > seconds

    def tokens(self, code: str, verifier: str) -> Tokens:
        """Exchange a code for tokens, or raise `ProviderError`."""
        grant = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return self._request_tokens(grant | {"redirect_uri": self.settings.redirect})

    def refreshed(self, refresh: str) -> Tokens:
        """Renew tokens; raise `RefusedError` if that ended, `ProviderError` without an answer."""
        return self._request_tokens({"grant_type": "refresh_token", "refresh_token": refresh})

    def person(self, access: str) -> Document:
        """Read a person's claims (UserInfo); errors as in `refreshed`."""
        headers = {"Authorization": f"Bearer {access}"}
        return _provider_answer(requests.Request("GET", self.endpoint("userinfo_endpoint"), headers=headers))

    def can_say(self, tokens: Tokens) -> bool:
        """Return whether these tokens allow later questions to the provider."""
        return bool(tokens.refresh or (tokens.access and self._metadata.get("userinfo_endpoint")))

    def _request_tokens(self, grant: dict[str, str]) -> Tokens:
        form = grant | {"client_id": self.settings.client_id}
        login = (self.settings.client_id, self.secret.reveal()) if self.secret else None
        answer = _provider_answer(requests.Request("POST", self.endpoint("token_endpoint"), data=form, auth=login))
        return Tokens(*(_text(answer.get(f"{name}_token")) for name in ("id", "access", "refresh")))


class TokenError(Exception):
    """An invalid token; the message does not quote it."""


class UnknownKeyError(TokenError):
    """The token's key is not among the published keys."""


class NoRoleError(Exception):
    """A signed-in person has no role here, or several."""


@dataclass
class _Session:
    user: WebUser
    person: str  #: The subject at the provider.
    nonce: str = field(repr=False)
    tokens: Tokens
    is_vouched: bool  #: Whether the provider can be asked again.
    ends_s: float  #: The latest end.
    token_ends_s: float  #: The end of the ID token.
    vouched_s: float  #: The provider's last confirmation.
    asked_s: float  #: The last question to the provider.
    lock: Lock = field(default_factory=Lock)


class _Sessions:
    """Sessions by a secret name that only one browser knows.

    Above a bound the oldest ends; above a person's bound, that person's oldest.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, _Session] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, session: _Session) -> None:
        with self._lock:
            keys = [key for key, stored in self._values.items() if stored.person == session.person]
            for key in keys[: len(keys) + 1 - _MOST_OF_PERSON]:
                del self._values[key]
            while len(self._values) >= _MOST_SESSIONS:
                self._values.popitem(last=False)
            self._values[_hash(name)] = session

    def get(self, name: str) -> _Session | None:
        with self._lock:
            return self._values.get(_hash(name))

    def take(self, name: str) -> None:
        with self._lock:
            self._values.pop(_hash(name), None)


@dataclass(frozen=True, slots=True)
class _StartedSignIn:
    """A started sign-in, with the nonce and the code's verifier."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class SessionIdentification:
    """Identifies users by their session.

    A started sign-in is sealed in the browser's cookie, so other sign-ins cannot displace it.
    """

    def __init__(self, provider: Provider, clock: Callable[[], float] = monotonic) -> None:
        self._provider = provider
        self._clock = clock
        self._sessions = _Sessions()
        self._seal = Fernet(Fernet.generate_key())
        self._asking = BoundedSemaphore(_MOST_ASKED)
        self._turns = asyncio.Semaphore(_MOST_ASKED)
        self._signing_in: Counter[str] = Counter()

    @property
    def host(self) -> str:
        """The host in users' addresses of this server."""
        return self._provider.settings.host

    @property
    def routes(self) -> list[BaseRoute]:
        """The addresses for sign-in and sign-out."""
        begin, back = (partial(self._in_turn, answer) for answer in (self._begin_sign_in, self._finish_sign_in))
        return [Route(SIGN_IN, begin), Route(BACK, back), Route(f"/{SIGN_OUT}", self._sign_out)]

    def user(self, request: Request) -> WebUser:
        """Return the session's user."""
        name = _cookie(request, SESSION)
        session = self._sessions.get(name)
        if session is None:
            raise SignInError
        if not self._is_valid(session):
            self._sessions.take(name)
            raise SignInError
        return session.user

    def _is_valid(self, session: _Session) -> bool:
        now = self._clock()
        is_old = now - session.vouched_s >= ASK_S or now >= session.token_ends_s
        if session.is_vouched and is_old and now < session.ends_s and session.lock.acquire(timeout=1):
            try:
                self._ask_again(session, now)
            finally:
                session.lock.release()
        has_word = not session.is_vouched or now - session.vouched_s < WORD_S
        return has_word and now < min(session.token_ends_s, session.ends_s)

    def _ask_again(self, session: _Session, now: float) -> None:
        # Threads that answer pages do not all wait for a slow provider.
        if now - session.asked_s < _AGAIN_ABOUT_S or not self._asking.acquire(blocking=False):
            return
        session.asked_s = now
        try:
            self._ask_provider(session, now)
        except (RefusedError, TokenError, NoRoleError):
            session.ends_s = now
        except ProviderError:
            pass
        finally:
            self._asking.release()

    def _ask_provider(self, session: _Session, now: float) -> None:
        """Ask the provider about a session, with the refresh token if any."""
        provider, settings, old = self._provider, self._provider.settings, session.tokens
        if old.refresh:
            new = provider.refreshed(old.refresh)
            session.tokens = Tokens(new.id, new.access or old.access, new.refresh or old.refresh)
            if new.id:
                claims = self._claims_in(new.id, session.nonce, again=True)
                _same_person(claims, session)
                session.user, session.token_ends_s = user_of(claims, settings), self._end_of(claims)
        else:
            userinfo = provider.person(old.access)
            _same_person(userinfo, session)
            # A provider may say groups in the ID token alone.
            if settings.claim in userinfo:
                session.user = user_of(userinfo, settings)
        session.vouched_s = now

    def _end_of(self, claims: Mapping[str, object]) -> float:
        """Return a token's end on the monotonic clock, with leeway."""
        return self._clock() + float(str(claims["exp"])) - time() + _LEEWAY_S

    async def _in_turn(self, answer: Callable[[Request], Response], request: Request) -> Response:
        """Answer in a thread; few wait, so pages keep other threads."""
        address = address_in(request.client.host if request.client else "::1")
        source = source_of(address)
        is_alike = self._signing_in[source] >= _MOST_OF_SOURCE and not address.is_loopback
        if is_alike or self._signing_in.total() >= _MOST_SIGN_INS:
            return _sentence_response(503, "too many people sign in now: try it again in a minute")
        self._signing_in[source] += 1
        try:
            async with self._turns:
                return await run_in_threadpool(answer, request)
        finally:
            self._signing_in[source] -= 1
            self._signing_in += Counter()

    def _begin_sign_in(self, _: Request) -> Response:
        started = _StartedSignIn(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        settings = self._provider.settings
        digest = hashlib.sha256(started.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "scope": "openid profile",
            "client_id": settings.client_id,
            "redirect_uri": settings.redirect,
            "state": started.state,
            "nonce": started.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        try:
            endpoint = self._provider.endpoint("authorization_endpoint")
        except ProviderError as error:
            return _sentence_response(503, str(error))
        joint = "&" if "?" in endpoint else "?"
        answer = RedirectResponse(f"{endpoint}{joint}{urlencode(query)}", 302, _NO_STORE)
        sealed = self._seal.encrypt(json.dumps([started.state, started.nonce, started.verifier]).encode())
        _set(answer, BEGUN, sealed.decode(), _BEGUN_S)
        return answer

    def _finish_sign_in(self, request: Request) -> Response:
        started = self._started_sign_in(_cookie(request, BEGUN))
        state = request.query_params.get("state", "")
        issuer = self._provider.settings.issuer
        if (
            started is None
            or not hmac.compare_digest(started.state.encode(), state.encode())
            or request.query_params.get("iss", issuer) != issuer
        ):
            return _sentence_response(
                400, "this sign-in was not begun here, or too long ago: open the first page and sign in again"
            )
        answer = self._signed_in(request, started)
        _set(answer, BEGUN, "", 0)
        return answer

    def _started_sign_in(self, sealed: str) -> _StartedSignIn | None:
        try:
            return _StartedSignIn(*json.loads(self._seal.decrypt(sealed.encode(), ttl=_BEGUN_S)))
        except InvalidToken:
            return None

    def _signed_in(self, request: Request, started: _StartedSignIn) -> Response:
        code = request.query_params.get("code", "")
        if not code:
            return _sentence_response(403, "the provider let nobody in")
        try:
            tokens = self._provider.tokens(code, started.verifier)
            claims = self._claims_in(tokens.id, started.nonce)
            user = user_of(claims, self._provider.settings)
        except NoRoleError as error:
            return _sentence_response(403, f"you have {error} here: ask whoever runs these pages")
        except (ProviderError, TokenError) as error:
            return _sentence_response(502, str(error))
        now = self._clock()
        session = _Session(
            user=user,
            person=_text(claims.get("sub")),
            nonce=started.nonce,
            tokens=tokens,
            is_vouched=self._provider.can_say(tokens),
            ends_s=now + SESSION_S,
            token_ends_s=self._end_of(claims),
            vouched_s=now,
            asked_s=now,
        )
        name = secrets.token_urlsafe(32)
        self._sessions.take(_cookie(request, SESSION))
        self._sessions.put(name, session)
        answer = RedirectResponse("../", 302, _NO_STORE)
        _set(answer, SESSION, name, SESSION_S)
        return answer

    def _claims_in(self, token: str, nonce: str, *, again: bool = False) -> Mapping[str, object]:
        provider = self._provider
        try:
            return claims_of(token, provider.keys(), provider.settings, nonce, again=again)
        except UnknownKeyError:
            return claims_of(token, provider.keys(again=True), provider.settings, nonce, again=again)

    def _sign_out(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site") == "cross-site":
            return _sentence_response(403, "another page cannot sign you out")
        self._sessions.take(_cookie(request, SESSION))
        answer = _sentence_response(200, "you are signed out of these pages")
        _set(answer, SESSION, "", 0)
        return answer


def read_settings(text: str, file: str) -> ProviderSettings:
    """Parse settings in TOML from `file`, or raise `UsageError`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _refuse(f"{file}: {error}", f"write it in TOML, {_SHAPE}")
    if unknown := sorted(set(values) - _KNOWN):
        _refuse(f"{file}: {printable(unknown[0], 60)} is no setting", f"the settings are: {', '.join(sorted(_KNOWN))}")
    texts = {key: values[key] for key in _KNOWN - {"roles"} if key in values}
    for key, value in texts.items():
        if not isinstance(value, str) or not value or not value.isprintable():
            _refuse(f"{file}: {key} is no text", 'write it in quotes, e.g. client_id = "provisioner"')
    for key in _REQUIRED:
        if key not in texts:
            _refuse(f"{file}: {key} is missing", f"write it, {_SHAPE}")
    for key in ("issuer", "redirect"):
        if not is_safe(texts[key]):
            _refuse(f"{file}: {key} is no https:// address", "write it whole, e.g. https://login.example.com/realm")
    if urlsplit(texts["redirect"]).path != BACK:
        _refuse(f"{file}: redirect does not end in {BACK}", f"write https://NAME{BACK}, and tell the provider the same")
    return ProviderSettings(
        issuer=texts["issuer"],
        client_id=texts["client_id"],
        redirect=texts["redirect"],
        claim=texts.get("claim", CLAIM),
        roles=_users_by_group(values.get("roles"), file),
        secret_file=texts.get("client_secret_file", ""),
    )


def _users_by_group(listed: object, file: str) -> Mapping[str, WebUser]:
    if not isinstance(listed, dict) or not listed:
        _refuse(f"{file}: no group has a role", 'write [roles] and below it e.g. "noc-engineers" = "noc"')
    roles = {}
    for group, role in listed.items():
        user = read_web_user(role) if isinstance(role, str) else None
        if user is None:
            hint = "roles are noc, ministry, steering, and dic:, health: (a province), carrier: or facility: with an id"
            _refuse(f"{file}: {printable(str(role), 60)} is no role", hint)
        roles[str(group)] = user
    return roles


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint)


def is_safe(address: str) -> bool:
    """Return whether an address is https or on loopback, without login."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    host = parts.hostname or ""
    has_login = bool(parts.username or parts.password)
    return bool(host) and not has_login and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def claims_of(
    token: str, keys: Document, settings: ProviderSettings, nonce: str, *, again: bool = False
) -> Mapping[str, object]:
    """Verify an ID token and return its claims.

    With `again` the token renews an earlier one, and so may lack the nonce. Raises `UnknownKeyError` if the key is not
    among `keys`, else `TokenError`.
    """
    try:
        key = _token_key(jwt.get_unverified_header(token), keys)
        claims: Mapping[str, object] = jwt.decode(
            token,
            key.key,
            algorithms=_ALGORITHMS,
            audience=settings.client_id,
            issuer=settings.issuer,
            leeway=_LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
        returned_nonce = (nonce if again and "nonce" not in claims else _text(claims.get("nonce"))).encode()
    except _NO_PROOF as error:
        raise TokenError(f"the token proves nothing ({type(error).__name__})") from None
    if not hmac.compare_digest(returned_nonce, nonce.encode()):
        raise TokenError("the token is of another sign-in")
    several = isinstance(claims.get("aud"), list) and len(_listed(claims["aud"])) > 1
    if claims.get("azp", settings.client_id if not several else None) != settings.client_id:
        raise TokenError("the token is for another client")
    return claims


def _token_key(header: Mapping[str, object], keys: Document) -> jwt.PyJWK:
    all_keys = jwt.PyJWKSet.from_dict(keys).keys
    name = header.get("kid")
    chosen = [key for key in all_keys if (key.key_id == name if name is not None else len(all_keys) == 1)]
    usable = [key for key in chosen if key.public_key_use in {None, "sig"}]
    if not usable:
        raise UnknownKeyError("the token is of a key that the provider did not publish")
    return usable[0]


def user_of(claims: Mapping[str, object], settings: ProviderSettings) -> WebUser:
    """Return the user with the role of their groups.

    Raises `NoRoleError` if their groups have no role, or different roles; the program does not choose.
    """
    claim = claims.get(settings.claim)
    groups = [claim] if isinstance(claim, str) else [_text(text) for text in _listed(claim)]
    users = {settings.roles[group] for group in groups if group in settings.roles}
    if len(users) != 1:
        raise NoRoleError("several roles" if users else "no role")
    name = _text(claims.get("preferred_username")) or _text(claims.get("sub"))
    return WebUser(next(iter(users)).scope, name[:_LONGEST_NAME] if name.isprintable() else "")


def open_sign_in(path: Path) -> SessionIdentification:
    """Create the door from a private settings file, or raise `UsageError`."""
    settings = read_settings(_read_file(path), path.name)
    if not settings.secret_file:
        return SessionIdentification(Provider(settings))
    secret_file = path.parent / settings.secret_file
    secret = Secret(_read_file(secret_file).strip())
    if secret_file.stat().st_mode & 0o077:
        raise UsageError(f"{secret_file} can be read by others", hint=f"chmod 600 {secret_file}")
    return SessionIdentification(Provider(settings, secret))


def _read_file(path: Path) -> str:
    try:
        return read_regular(path, most=_MOST_SETTINGS_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(
            f"{path} cannot be read: {reason}", hint="name a file of text that this user can read"
        ) from None


def _provider_answer(request: requests.Request) -> Document:
    with raised_as(ProviderError("the provider does not answer in time"), ReachError):
        return within(sum(_TIMEOUT_S), partial(_provider_document, request))


def _provider_document(request: requests.Request) -> Document:
    try:
        with ending_session() as session:
            request.headers["Accept"] = "application/json"
            prepared = session.prepare_request(request)
            with session.send(prepared, timeout=_TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                content = answer.raw.read(_MOST_ANSWER_BYTES + 1, decode_content=True)
                if answer.status_code != requests.codes.ok or len(content) > _MOST_ANSWER_BYTES:
                    kind = RefusedError if answer.status_code in _REFUSALS else ProviderError
                    raise kind(f"the provider answers {answer.status_code}")
                return _part(json.loads(content))
    except (requests.RequestException, HTTPError, OSError, ValueError, RecursionError) as error:
        raise ProviderError(f"the provider does not answer as one does ({type(error).__name__})") from None


def _same_person(claims: Mapping[str, object], session: _Session) -> None:
    if claims.get("sub") != session.person:
        raise TokenError("the provider speaks of another person")


def _cookie(request: Request, name: str) -> str:
    """Return a cookie's value; empty unless the browser sends exactly one.

    Starlette strips no-break spaces from names: a neighbour host's cookie would pass for one with the prefix.
    """
    pairs = (pair.strip(" \t").partition("=") for pair in request.headers.get("cookie", "").split(";"))
    values = [value.strip('"') for key, _, value in pairs if key == name]
    return values[0] if len(values) == 1 else ""


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _set(answer: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie for this host, TLS only, hidden from scripts."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def _sentence_response(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(f"{sentence}\n", status, _NO_STORE)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _part(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
