"""What is fed to the shell of a host that is to be made ready, and the forms of what may stand in it.

The text itself is `playbooks/prepare.sh`. Before it stand lines that set what is wanted: each value is held against its
form and quoted, since root reads them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.errors import HostError
from provisioner.desired.names import ALONE, HostNames
from provisioner.hosts.runner import ShellScript
from provisioner.render.templates import data_folder

PROGRAMS: Final = ("nft", "wg", "ip", "ss", "ffmpeg", "systemd-run", "sudo")
"""What a host has to have by name; the script looks for the rest by itself."""
SSHD_SETTINGS: Final = (
    "port",
    "pubkeyauthentication",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "authorizedkeysfile",
)
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_KEY: Final = re.compile(r"([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/]{40,4096}={0,2})")
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{0,63}")


def is_user(name: str) -> bool:
    """Whether a name is one that every system makes a user of, and that means nothing else to sudo."""
    return _USER.fullmatch(name) is not None


def is_public_key(text: str) -> bool:
    """Whether a text is a public key, its kind and what it is in base64, and nothing else."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Deeds:
    """What is to be done on a host.

    Attributes:
        owner: whose the host was when it was looked at, as it said so.
        installer: what installs packages there, `apt` or `dnf`.
        packages: the packages to be installed.
        starts_bus: whether systemd's bus is to be started.
        creates: whether the user is to be made.
        adds: public keys that the user is to be logged in by, too.
        rule: what is to stand in the user's file of sudo's rules; empty where that stays.
    """

    owner: bytes
    installer: str = ""
    packages: tuple[str, ...] = ()
    starts_bus: bool = False
    creates: bool = False
    adds: tuple[str, ...] = ()
    rule: str = ""

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.packages or self.starts_bus or self.creates or self.adds or self.rule)


@dataclass(frozen=True, slots=True)
class ScriptPlace:
    """Where the script runs; what stands here differs in tests alone.

    Attributes:
        root: what stands before each path.
        path: where programs are.
    """

    root: str = ""
    path: str = field(default=_PATH)


def looking(user: str, keys: Sequence[str], place: ScriptPlace | None = None, names: HostNames = ALONE) -> ShellScript:
    """A script that says what a host is, and changes nothing.

    Raises:
        HostError: a value is none that may stand there.
    """
    return ShellScript(_text("look", user, keys, {}, place=place, names=names), as_root=True)


def making(
    user: str, keys: Sequence[str], deeds: Deeds, place: ScriptPlace | None = None, names: HostNames = ALONE
) -> ShellScript:
    """A script that does what is to be done, and says then what the host is.

    Raises:
        HostError: a value is none that may stand there.
    """
    _refuse(all(map(_PACKAGE.fullmatch, deeds.packages)) and deeds.installer in {"", "apt", "dnf"})
    values = {
        "owner": deeds.owner.hex(),
        "installer": deeds.installer,
        "packages": " ".join(deeds.packages),
        "starts": "dbus" if deeds.starts_bus else "",
        "creates": "yes" if deeds.creates else "no",
        "adds": _keys(deeds.adds),
        "rule": deeds.rule,
    }
    return ShellScript(_text("make", user, keys, values, place=place, names=names), as_root=True)


def proving(user: str, place: ScriptPlace | None = None, names: HostNames = ALONE) -> ShellScript:
    """A script that says as whom it is read and what that user may do by sudo, and changes nothing.

    Raises:
        HostError: a value is none that may stand there.
    """
    return ShellScript(_text("prove", user, (), {}, place=place, names=names), as_root=False)


def _text(
    mode: str, user: str, keys: Sequence[str], more: Mapping[str, str], *, place: ScriptPlace | None, names: HostNames
) -> str:
    _refuse(is_user(user))
    place = place or ScriptPlace()
    values = {
        "mode": mode,
        "root": place.root,
        "PATH": place.path,
        "user": user,
        "programs": " ".join(PROGRAMS),
        "keys": _keys(keys),
        "ours": names.ours,
        "rule_file": names.rule_file,
        "host_program": names.host_program,
        "sshd_settings": "|".join(SSHD_SETTINGS),
        **more,
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items()]
    text = (data_folder("playbooks") / "prepare.sh").read_text(encoding="ascii")
    return "".join(lines) + 'peer="${1-}"\n' + text


def _keys(keys: Sequence[str]) -> str:
    """Keys as words without blanks in them: `=` stands between what a key is and the key."""
    _refuse(all(map(is_public_key, keys)))
    return " ".join(key.replace(" ", "=") for key in keys)


def _refuse(is_sound: object) -> None:
    if not is_sound:
        raise HostError("a value may not reach a host's shell: it is no user, package or public key")
