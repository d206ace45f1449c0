"""The file that says where readers sign in, and which role each group of theirs has. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import SplitResult, urlsplit

from provisioner.base.errors import UsageError
from provisioner.base.printable import printable
from provisioner.web.readers import read_role
from provisioner.web.scope import Reader

CLAIM: Final = "provisioner_role"
BACK: Final = "/sign-in/back"
_REQUIRED: Final = ("issuer", "client_id", "redirect")
_SHAPE: Final = (
    f'with {", ".join(sorted(_REQUIRED))} as texts and a table [roles], e.g. issuer = "https://login.example.com/realm"'
)
_KNOWN: Final = frozenset({*_REQUIRED, "client_secret_file", "claim", "roles"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where readers sign in.

    Attributes:
        issuer: the provider, as it names itself.
        client_id: this server, as the provider knows it.
        redirect: where the provider sends readers back to.
        claim: which claim says a reader's groups.
        roles: by group, the role that it has here.
        secret_file: the file with what this server proves itself by; empty for a public client.
    """

    issuer: str
    client_id: str
    redirect: str
    claim: str
    roles: Mapping[str, Reader]
    secret_file: str = ""

    @property
    def host(self) -> str:
        """The host by which readers call this server."""
        return urlsplit(self.redirect).netloc


def read_settings(text: str, file: str) -> ProviderSettings:
    """The settings of a file.

    Args:
        text: what it says, in TOML.
        file: its name, for messages.

    Raises:
        UsageError: it is not as such files are.
    """
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
        if not is_safe(urlsplit(texts[key])):
            _refuse(f"{file}: {key} is no https:// address", "write it whole, e.g. https://login.example.com/realm")
    if urlsplit(texts["redirect"]).path != BACK:
        _refuse(f"{file}: redirect does not end in {BACK}", f"write https://NAME{BACK}, and tell the provider the same")
    return ProviderSettings(
        issuer=texts["issuer"],
        client_id=texts["client_id"],
        redirect=texts["redirect"],
        claim=texts.get("claim", CLAIM),
        roles=_roles(values.get("roles"), file),
        secret_file=texts.get("client_secret_file", ""),
    )


def is_safe(address: SplitResult) -> bool:
    """Whether nobody on the way can read or change what is sent there: over TLS, or on this machine."""
    host = address.hostname or ""
    has_login = bool(address.username or address.password)
    return (
        bool(host) and not has_login and (address.scheme == "https" or (address.scheme == "http" and host in _LOOPBACK))
    )


def _roles(listed: object, file: str) -> Mapping[str, Reader]:
    if not isinstance(listed, dict) or not listed:
        _refuse(f"{file}: no group has a role", 'write [roles] and below it e.g. "noc-engineers" = "noc"')
    roles = {}
    for group, role in listed.items():
        reader = read_role(role) if isinstance(role, str) else None
        if reader is None:
            hint = "roles are noc, ministry, steering, and dic:, health: (a province), carrier: or facility: with an id"
            _refuse(f"{file}: {printable(str(role), 60)} is no role", hint)
        roles[str(group)] = reader
    return roles


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint)
