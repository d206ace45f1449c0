"""ssh's configuration and known host keys, in files of a play. Pure.

With `-F` ssh reads one file, ignores the user's and the machine's, and passes the option on to the ssh for a jump host
(`ssh -J`). It does not pass on other options, so the file has all settings. Host names in it are ours, with the address
beside: ssh uses the name for known_hosts and in errors.

Values of the inventory are checked again before they are written, since a line of this file may run a program.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from provisioner.base.errors import HostError
from provisioner.base.text import HostName, is_host_name
from provisioner.hosts.call_target import CallTarget
from provisioner.inventory.model.base import HOST_KEY_FORM
from provisioner.inventory.model.hosts import Ssh

# Texts allowed in an Ansible variable: a `{{ lookup(…) }}` there runs code on the controller.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")
_KEY = re.compile(HOST_KEY_FORM)
# ssh fills these in, or ends the quoted text at them: no path of ours needs one.
_NO_PATH = re.compile(r'["\\$\x00-\x1f\x7f]')
# ssh starts the one for a jump host by a shell, and names its configuration there without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
_MOST_PORT = 65_535
ALONE, KNOWN_HOSTS, LINKS = "ssh_config.alone", "known_hosts", "links"
LONGEST_SOCKET = 107 - 20  #: The longest path of a socket (unix(7)), less ssh's temporary suffix.

_OPTIONS = (
    ("BatchMode", "yes"),
    ("CanonicalizeHostname", "no"),
    ("ConnectTimeout", "10"),
    ("ControlMaster", "no"),
    ("ControlPath", "none"),
    ("ForwardAgent", "no"),
    ("ForwardX11", "no"),
    ("GlobalKnownHostsFile", "/dev/null"),
    ("PasswordAuthentication", "no"),
    ("PermitLocalCommand", "no"),
    ("ServerAliveCountMax", "3"),
    ("ServerAliveInterval", "5"),
    ("StrictHostKeyChecking", "yes"),
    ("UpdateHostKeys", "no"),
)


@dataclass(frozen=True, slots=True)
class SshFiles:
    """The texts of the files."""

    config: str  #: Uses an open connection to a jump host if there is one.
    alone: str  #: Connects to the jump host anew for each call, which explains failures.
    known_hosts: Mapping[str, str]
    jumps: tuple[str, ...]
    over: Mapping[str, str]  #: The socket of the jump host's shared connection, by name of the host behind it.


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The one key for logins."""

    path: str
    certificate: str | None = None  #: Its certificate, if ssh does not find it by itself.


def ssh_files(specs: Sequence[CallTarget], folder: Path, key: OwnKey | None) -> SshFiles:
    """Return ssh's files for some hosts by id, or raise `HostError`.

    `folder` gets the files `CONFIG`, `ALONE` and `KNOWN_HOSTS`, and sockets in `LINKS`. Without `key`, all keys of the
    agent count.
    """
    jumps = list(dict.fromkeys(spec.jump for spec in specs if spec.jump is not None))
    if jumps and not _PLAIN.fullmatch(str(folder)):
        raise HostError(
            f"no jump host can be passed from a folder like {str(folder)!r}: ssh gives its path to a shell",
            hint="name a folder in XDG_RUNTIME_DIR that is written with letters, digits and / . _ - alone",
        )
    legs = [_Leg(_jump_name(number), jump.address, jump.ssh) for number, jump in enumerate(jumps)]
    legs += [
        _Leg(spec.id, spec.address, spec.ssh, _jump_name(jumps.index(spec.jump)) if spec.jump else "none")
        for spec in specs
    ]
    jump_names = tuple(leg.name for leg in legs[: len(jumps)])
    blocks = {leg.name: _host_block(leg, folder / KNOWN_HOSTS) for leg in legs}
    last = ["Host *", *_common_lines(key)]
    alone = _text([*blocks.values(), last])
    links = {name: link for name in jump_names if len(link := str(folder / LINKS / name)) <= LONGEST_SOCKET}
    for name, link in links.items():
        blocks[name].append(f"ControlPath {_quoted(link)}")
    sockets = {leg.name: links[leg.over] for leg in legs if leg.over in links}
    known_hosts = {leg.name: _known_hosts_line(leg) for leg in legs}
    return SshFiles(_text([*blocks.values(), last]), alone, known_hosts, jump_names, sockets)


def _text(blocks: Iterable[list[str]]) -> str:
    return "\n".join("\n  ".join(block) + "\n" for block in blocks)


@dataclass(frozen=True, slots=True)
class _Leg:
    """One connection of ssh: its name, address, login and jump host."""

    name: str
    address: object
    ssh: Ssh
    over: str = "none"

    @property
    def alias(self) -> str:
        """The name for known_hosts and certificates."""
        return self.name if self.ssh.host_key is not None else str(self.ssh.principal)


def refuse_unsafe(*values: str) -> None:
    """Refuse values that Ansible or ssh could run as code (`HostError`)."""
    for value in values:
        if not _SAFE.fullmatch(value):
            raise HostError(f"{value!r} may not reach Ansible: it could be a template that runs code here")


def _jump_name(number: int) -> str:
    """Return a name with a dot, which ids of hosts never have."""
    return f"jump.{number}"


def _host_block(leg: _Leg, known_hosts: Path) -> list[str]:
    refuse_unsafe(leg.name, leg.alias, leg.ssh.user)
    if not 0 < int(leg.ssh.port) <= _MOST_PORT:
        raise HostError(f"{leg.name}: {leg.ssh.port} is no port")
    return [
        f"Host {leg.name}",
        f"HostName {_ssh_target(leg)}",
        f"Port {int(leg.ssh.port)}",
        f"User {leg.ssh.user}",
        f"HostKeyAlias {leg.alias}",
        # A file of its own: what one host is known by counts for no other, whatever name a certificate is for.
        f"UserKnownHostsFile {_quoted(str(known_hosts / leg.name))}",
        f"ProxyJump {leg.over}",
    ]


def _ssh_target(leg: _Leg) -> str:
    text = str(leg.address)
    if isinstance(leg.address, HostName):
        is_sound = is_host_name(text)
    else:
        # A zone begins with the sign of what ssh fills in, and is no part of an address here.
        text = str(ip_address(text))
        is_sound = "%" not in text
    if not is_sound:
        raise HostError(f"{leg.name}: {text!r} is neither an address nor a host name")
    return text


def _known_hosts_line(leg: _Leg) -> str:
    key = leg.ssh.host_key or leg.ssh.host_ca or ""
    if not _KEY.fullmatch(key):
        raise HostError(f"{leg.name}: its SSH host key is none that may stand in known_hosts")
    mark = "" if leg.ssh.host_key else "@cert-authority "
    return f"{mark}{leg.alias} {key}\n"


def _common_lines(key: OwnKey | None) -> Iterable[str]:
    yield from (f"{name} {value}" for name, value in _OPTIONS)
    if key is not None:
        yield f"IdentityFile {_quoted(key.path)}"
        yield "IdentitiesOnly yes"
        if key.certificate is not None:
            yield f"CertificateFile {_quoted(key.certificate)}"


def _quoted(path: str) -> str:
    if _NO_PATH.search(path):
        raise HostError(
            f"ssh cannot be told a path like {path!r}",
            hint='name the key, and the folder of XDG_RUNTIME_DIR, without \\, ", $ and control characters',
        )
    return f'"{path.replace("%", "%%")}"'
