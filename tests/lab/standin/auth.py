"""Who may do what: the internal users of the configuration."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .schema import Permission, User

LONGEST_DELAY: Final = 4.0
FAILURE: Final = "failed to authenticate: authentication failed"

_PATH_ACTIONS: Final = frozenset({"publish", "read", "playback"})
# Constructs of Python's patterns that RE2 refuses; a permission with one of them matches nothing.
_NOT_RE2: Final = re.compile(r"\(\?(?:[=!#(]|<[=!]|P=)|\\[1-9Z]|[*+?}]\+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client typed."""

    user: str = ""
    password: str = ""

    def __bool__(self) -> bool:
        """Whether anything was typed."""
        return bool(self.user or self.password)


def credentials_from(authorization: str | None) -> Credentials:
    """Read an Authorization header; what is not understood counts as nothing."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme == "Bearer":
        user, _, password = token.partition(":")
        return Credentials(user, password)
    if scheme != "Basic":
        return Credentials()
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return Credentials()
    user, _, password = text.partition(":")
    return Credentials(user, password)


async def pause_after_failure() -> None:
    """Wait as long as the real relay does before it says no to wrong credentials."""
    await asyncio.sleep(random.uniform(0, LONGEST_DELAY))  # noqa: S311 (not a secret)


class Authenticator:
    """Checks credentials against the users, in their order."""

    def __init__(self, users: tuple[User, ...]) -> None:
        """Take the users of the configuration."""
        self.users = users

    def allows(self, credentials: Credentials, address: str, action: str, path: str = "") -> bool:
        """Whether some user grants the action to these credentials from this address."""
        return any(
            _address_matches(user.ips, address)
            and any(_permits(permission, action, path) for permission in user.permissions)
            and (user.user == "any" or _matches(user, credentials))
            for user in self.users
        )


def _address_matches(networks: Iterable[str], address: str) -> bool:
    allowed = [ipaddress.ip_network(network) for network in networks]
    host = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    return not allowed or any(host in network for network in allowed)


def _permits(permission: Permission, action: str, path: str) -> bool:
    if permission.action != action:
        return False
    if action not in _PATH_ACTIONS or not permission.path:
        return True
    if not permission.path.startswith("~"):
        return permission.path == path
    pattern = permission.path[1:]
    if _NOT_RE2.search(pattern):
        return False
    try:
        return re.search(pattern.replace(r"\z", r"\Z"), path) is not None
    except re.error:
        return False


def _matches(user: User, credentials: Credentials) -> bool:
    return _same(user.user, credentials.user) and _same(user.password, credentials.password)


def _same(expected: str, guess: str) -> bool:
    if not expected:
        return True
    kind, hashed, digest = expected.partition("sha256:")
    if hashed and not kind:
        guess = base64.b64encode(hashlib.sha256(guess.encode()).digest()).decode()
        expected = digest
    return hmac.compare_digest(expected.encode(), guess.encode())
