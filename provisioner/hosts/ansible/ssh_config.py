"""What ssh is told, in two files of a play's own: its configuration and the host keys that it must see. Pure.

With `-F` ssh reads one file and nothing of the user's or the machine's, and hands that on to the ssh that it starts for
a jump host (`ssh -J`); what stands on the command line it does not hand on. So all of it stands in the file. Hosts have
names there that we make, the address stands beside: a name is what ssh looks for in known_hosts and says in its errors.
What comes out of the inventory is held against its form once more before it is written, since a line of this file may
run a program.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import HostError
from provisioner.desired.spec import HostSpec
from provisioner.inventory.model import Ssh

# What may stand in an Ansible variable: a `{{ lookup(…) }}` there runs code on the controller.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")
_KEY = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]+=*")
# ssh fills these in, or ends the quoted text at them: no path of ours needs one.
_NO_PATH = re.compile(r'["\\$\x00-\x1f\x7f]')
# ssh starts the one for a jump host by a shell, and names its configuration there without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
_MOST_PORT = 65_535
CONFIG, KNOWN_HOSTS = "ssh_config", "known_hosts"

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
    """The text of the two files."""

    config: str
    known_hosts: str


def ssh_files(specs: Sequence[HostSpec], folder: Path, key: str | None) -> SshFiles:
    """What ssh is told of some hosts.

    Args:
        specs: the hosts; their ids are the names by which ssh is to be started.
        folder: where they will stand, under `CONFIG` and `KNOWN_HOSTS`.
        key: the absolute path of the one key to log in with; None where the agent has it.

    Raises:
        HostError: a value is none that may stand in such a file.
    """
    jumps = list(dict.fromkeys(spec.jump for spec in specs if spec.jump is not None))
    if jumps and not _PLAIN.fullmatch(str(folder)):
        raise HostError(
            f"no jump host can be passed from a folder like {str(folder)!r}: ssh gives its path to a shell",
            hint="name a folder in XDG_RUNTIME_DIR that is written with letters, digits and / . _ - alone",
        )
    blocks, known = [], []
    for number, jump in enumerate(jumps):
        blocks.append(_block(_jump_name(number), jump.address, jump.ssh))
        known.append(_known(_jump_name(number), jump.ssh))
    for spec in specs:
        over = "none" if spec.jump is None else _jump_name(jumps.index(spec.jump))
        blocks.append([*_block(spec.id, spec.address, spec.ssh), f"ProxyJump {over}"])
        known.append(_known(spec.id, spec.ssh))
    blocks.append(["Host *", *_of_all(folder / KNOWN_HOSTS, key)])
    return SshFiles("\n".join("\n  ".join(block) + "\n" for block in blocks), "".join(known))


def refuse_unsafe(*values: str) -> None:
    """See that values may reach Ansible and ssh.

    Raises:
        HostError: one of them could be more than a value there.
    """
    for value in values:
        if not _SAFE.fullmatch(value):
            raise HostError(f"{value!r} may not reach Ansible: it could be a template that runs code here")


def _jump_name(number: int) -> str:
    """No id of a host has a dot in it."""
    return f"jump.{number}"


def _block(name: str, address: object, ssh: Ssh) -> list[str]:
    refuse_unsafe(name, ssh.user)
    place = ipaddress.ip_address(str(address))
    if not 0 < int(ssh.port) <= _MOST_PORT:
        raise HostError(f"{name}: {ssh.port} is no port")
    return [f"Host {name}", f"HostName {place}", f"Port {int(ssh.port)}", f"User {ssh.user}", f"HostKeyAlias {name}"]


def _known(name: str, ssh: Ssh) -> str:
    if not _KEY.fullmatch(ssh.host_key):
        raise HostError(f"{name}: its SSH host key is none that may stand in known_hosts")
    return f"{name} {ssh.host_key}\n"


def _of_all(known_hosts: Path, key: str | None) -> Iterable[str]:
    yield from (f"{name} {value}" for name, value in _OPTIONS)
    yield f"UserKnownHostsFile {_quoted(str(known_hosts))}"
    if key is not None:
        yield f"IdentityFile {_quoted(key)}"
        yield "IdentitiesOnly yes"


def _quoted(path: str) -> str:
    if _NO_PATH.search(path):
        raise HostError(
            f"ssh cannot be told a path like {path!r}",
            hint='name the key, and the folder of XDG_RUNTIME_DIR, without \\, ", $ and control characters',
        )
    return f'"{path.replace("%", "%%")}"'
