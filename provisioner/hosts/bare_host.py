"""A bare host: the script for its shell, and the answer.

The script is `playbooks/prepare.sh`, after lines that set the wanted values. Each value is validated and quoted, since
root runs them.

The answer is hostile text: words with hexadecimal digits. A missing, unknown, repeated or invalid word is the host's
error, with printable details only.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.errors import HostError, UnreadableError
from provisioner.base.text import printable
from provisioner.desired.names import ALONE, HostNames
from provisioner.desired.owner import Owner, owner_in
from provisioner.desired.render.templates import data_folder
from provisioner.hosts.answers import wire
from provisioner.hosts.runner import ShellScript

_LOOK: Final = frozenset(
    {
        *("id", "like", "version", "arch", "systemd", "peer"),
        *("python", "missing", "half", "fusion", "owner", "identity"),
        *("user", "keys", "rule", "allowed", "sshd"),
    }
)
_MAKE: Final = frozenset({"failed", "complaint"})
_PROOF: Final = frozenset({"login", "may"})
_PAIR: Final = re.compile(r"([a-z]{1,16}) ((?:[0-9a-f]{2})*)")
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PYTHON: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")
_MOST_DIGITS, _MOST_WORDS, _SHOWN, _COMPLAINT = 16_384, 64, 64, 1_500
_ENTRY_PARTS: Final = 7

#: Steps at which a preparation can fail.
FAILURES: Final = frozenset({"lock", "owner", "room", "packages", "bus", "user", "key", "sudo"})

#: Programs a host needs; the script finds the other needs itself.
PROGRAMS: Final = ("nft", "wg", "ip", "ss", "ffmpeg", "systemd-run", "sudo")
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


@dataclass(frozen=True, slots=True)
class Account:
    """A user from passwd."""

    uid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class BareHost:
    """The state of a host before or after preparation."""

    system: wire.SystemAnswer
    arch: str
    has_systemd: bool
    peer: str  #: The source address of this machine's SSH; empty if unknown.
    python: tuple[int, int] | None  #: Its Python with the needed modules, e.g. (3, 11), if any.
    missing: tuple[str, ...]
    is_half_installed: bool
    has_fusion: bool | None  #: Whether RPM Fusion is enabled; `None` without rpm.
    said_owner: bytes  #: Its owner's mark, unparsed.
    has_identity: bool  #: Whether it has our program and identity key from an earlier contact.
    account: Account | None
    keys: frozenset[str]  #: Those of the requested keys that the user's login accepts.
    rule: str  #: Our file of sudo rules.
    allowed: tuple[str, ...]  #: All of the user's sudo rules.
    sshd: tuple[tuple[str, str], ...]  #: Settings of the SSH server for the user; names may repeat.
    failed: str = ""
    complaint: str = ""  #: The last output of the failed step, printable.

    @property
    def owner(self) -> Owner | None:
        """The owner from its mark, if any."""
        return owner_in(self.said_owner.decode("ascii", "replace").strip())

    def setting(self, name: str) -> tuple[str, ...]:
        """Return the SSH server's values of a setting."""
        return tuple(value for key, value in self.sshd if key == name)


@dataclass(frozen=True, slots=True)
class LoginProof:
    """A host's login, and whether its user has the needed sudo rights."""

    login: str
    may: bool


@dataclass(frozen=True, slots=True)
class Deeds:
    """The steps of a preparation."""

    owner: bytes  #: The host's mark at the earlier look.
    installer: str = ""
    packages: tuple[str, ...] = ()
    starts_bus: bool = False
    creates: bool = False
    adds: tuple[str, ...] = ()  #: Public keys to authorize for the user.
    rule: str = ""

    @property
    def are_none(self) -> bool:
        """Whether there is no step."""
        return not (self.packages or self.starts_bus or self.creates or self.adds or self.rule)


@dataclass(frozen=True, slots=True)
class ScriptEnvironment:
    """The script's root folder and search path; only tests change them."""

    root: str = ""
    path: str = field(default=_PATH)


def bare_host_in(answer: wire.BareAnswer) -> BareHost:
    """Parse the state of a host, or raise `UnreadableError`."""
    fields = _fields_of(answer, _LOOK, _MAKE)
    texts = {name: _plain(value) for name, value in fields.items()}
    like = list(_checked_words("like", texts["like"]))
    failed = texts.get("failed", "")
    if failed and failed not in FAILURES:
        raise UnreadableError("said.failed is none of our words")
    return BareHost(
        {"id": _clean(texts["id"]), "version": _clean(texts["version"]), "like": like},
        _clean(texts["arch"]),
        _flag("systemd", texts["systemd"]),
        _clean(texts["peer"]),
        _python_version(texts["python"]),
        tuple(sorted(set(_checked_words("missing", texts["missing"])))),
        texts["half"] not in {"", "0"},
        _flag("fusion", texts["fusion"]) if texts["fusion"] else None,
        fields["owner"],
        _flag("identity", texts["identity"]),
        _account(texts["user"]),
        frozenset(key.replace("=", " ", 1) for key in texts["keys"].split()),
        texts["rule"],
        tuple(line.strip() for line in texts["allowed"].splitlines() if line.strip()),
        tuple((name, value) for line in texts["sshd"].splitlines() for name, _, value in [line.strip().partition(" ")]),
        failed,
        printable(" ".join(texts.get("complaint", "").split()), _COMPLAINT),
    )


def login_proof_in(answer: wire.BareAnswer) -> LoginProof:
    """Parse the proof of a login, or raise `UnreadableError`."""
    fields = {name: _plain(value) for name, value in _fields_of(answer, _PROOF, frozenset()).items()}
    if fields["may"] not in {"all", "yes", "no"}:
        raise UnreadableError("said.may is none of our words")
    return LoginProof(_clean(fields["login"]), fields["may"] != "no")


def _fields_of(answer: wire.BareAnswer, needed: frozenset[str], more: frozenset[str]) -> dict[str, bytes]:
    text, fields = answer["said"], dict[str, bytes]()
    for part in text.removesuffix(";").split(";"):
        pair = _PAIR.fullmatch(part)
        if pair is None or pair[1] in fields or pair[1] not in needed | more or len(pair[2]) > _MOST_DIGITS:
            raise UnreadableError("said is not what our script writes")
        fields[pair[1]] = bytes.fromhex(pair[2])
    if missing := sorted(needed - fields.keys()):
        raise UnreadableError(f"said.{missing[0]} is missing")
    return fields


def _plain(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _clean(text: str) -> str:
    return printable(text.strip(), _SHOWN)


def _flag(name: str, text: str) -> bool:
    if text not in {"yes", "no"}:
        raise UnreadableError(f"said.{name} is neither yes nor no")
    return text == "yes"


def _checked_words(name: str, text: str) -> list[str]:
    words = text.split()
    if len(words) > _MOST_WORDS or not all(map(_WORD.fullmatch, words)):
        raise UnreadableError(f"said.{name} is no list of words")
    return words


def _python_version(text: str) -> tuple[int, int] | None:
    if not text.strip():
        return None
    version = _PYTHON.fullmatch(text.strip())
    if version is None:
        raise UnreadableError("said.python is no version")
    return int(version[1]), int(version[2])


def _account(entry: str) -> Account | None:
    if not entry.strip():
        return None
    parts = entry.strip().split(":")
    if len(parts) != _ENTRY_PARTS or not (parts[2].isascii() and parts[2].isdigit()):
        raise UnreadableError("said.user is no line of passwd")
    return Account(int(parts[2][:10]), _clean(parts[5]), _clean(parts[6]))


def is_user(name: str) -> bool:
    """Return whether a user name is portable, and plain for sudo."""
    return _USER.fullmatch(name) is not None


def is_public_key(text: str) -> bool:
    """Return whether a text is a public key's kind and base64 only."""
    return _KEY.fullmatch(text) is not None


def looking(
    user: str, keys: Sequence[str], environment: ScriptEnvironment | None = None, names: HostNames = ALONE
) -> ShellScript:
    """Return a script that only reports a host's state, or raise `HostError`."""
    return ShellScript(_script_text("look", user, keys, {}, environment=environment, names=names), as_root=True)


def making(
    user: str, keys: Sequence[str], deeds: Deeds, environment: ScriptEnvironment | None = None, names: HostNames = ALONE
) -> ShellScript:
    """Return a script that prepares a host, or raise `HostError`."""
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
    return ShellScript(_script_text("make", user, keys, values, environment=environment, names=names), as_root=True)


def proving(user: str, environment: ScriptEnvironment | None = None, names: HostNames = ALONE) -> ShellScript:
    """Return a script that only reports login and sudo, or raise `HostError`."""
    return ShellScript(_script_text("prove", user, (), {}, environment=environment, names=names), as_root=False)


def _script_text(
    mode: str,
    user: str,
    keys: Sequence[str],
    more: Mapping[str, str],
    *,
    environment: ScriptEnvironment | None,
    names: HostNames,
) -> str:
    _refuse(is_user(user))
    environment = environment or ScriptEnvironment()
    values = {
        "mode": mode,
        "root": environment.root,
        "PATH": environment.path,
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
    return "".join(lines) + 'peer="${1-}"\n' + (data_folder("playbooks") / "prepare.sh").read_text(encoding="ascii")


def _keys(keys: Sequence[str]) -> str:
    """Join keys, with `=` in place of the blank inside each."""
    _refuse(all(map(is_public_key, keys)))
    return " ".join(key.replace(" ", "=") for key in keys)


def _refuse(is_sound: object) -> None:
    if not is_sound:
        raise HostError("a value may not reach a host's shell: it is no user, package or public key")
