"""The preparation of a bare host: missing parts, steps, manual work. Pure.

Packages are a precondition. A host reports missing programs (`playbooks/provisioner_host/observe/host.py`), and a
person or `hosts prepare` installs them. Another family of systems is another entry of `FAMILIES`.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from provisioner.base.errors import HostError
from provisioner.base.ssh_signature import fingerprint_of
from provisioner.base.text import printable
from provisioner.desired.names import ALONE, HostNames
from provisioner.hosts.answers import wire
from provisioner.hosts.bare_host import Account, BareHost, Deeds, is_user
from provisioner.hosts.facts import HostFacts

_SHOWN, _LISTED = 40, 20
#: Needs that are not programs, in words.
_NO_PACKAGE: Final = {"ffmpeg-decoders": "ffmpeg's decoders of H.264 and H.265"}

_RPM_FUSION: Final = (
    "ffmpeg comes from RPM Fusion (free), which needs EPEL and CRB: add these three first; EPEL's own ffmpeg-free"
    " decodes no H.265"
)

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_OLDEST_PYTHON: Final = (3, 9)
_NO_SHELLS: Final = ("nologin", "false")
_INSTALLERS: Final = {"apt-get": "apt", "dnf": "dnf"}
_RULE: Final = re.compile(r"\((?:ALL|root)(?: : \w+)?\) (?:[A-Z]+: ?)*?NOPASSWD: (?:[A-Z]+: ?)*(.*)")
_HEAD: Final = "# Written by `provisioner hosts prepare`, which writes it anew.\n"


@dataclass(frozen=True, slots=True)
class Family:
    """Systems that share package names."""

    name: str
    install: str
    packages: Mapping[str, str]  #: By program.
    #: The source of packages outside the system's own, by package.
    origins: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)  #: The next step for programs without a package.
    ssh_unit: str = "ssh.service"  #: The SSH server's unit.
    selinux_tools: str = ""  #: The package with `semanage`; empty if SELinux is not usual.

    def line(self, programs: Iterable[str]) -> str:
        """Return the command that installs programs; empty without packages."""
        needed = sorted({self.packages[program] for program in programs if program in self.packages})
        return f"{self.install} {' '.join(needed)}" if needed else ""

    def knows(self, program: str) -> bool:
        """Return whether a program has a package or a next step."""
        return program in self.packages or program in self.without


_NAMESAKES: Final = {name: name for name in ("dbus", "ffmpeg", "python3", "sudo")}
_COMMON_PACKAGES: Final = _NAMESAKES | {"nft": "nftables", "wg": "wireguard-tools", "systemd-run": "systemd"}
_DEBIAN: Final = Family(
    name="Debian",
    install="apt-get install -y",
    packages=_COMMON_PACKAGES | {"ip": "iproute2", "ss": "iproute2", "wireguard-go": "wireguard-go"},
    without={"ffmpeg-decoders": "the ffmpeg that is first in its path (/usr/sbin:/usr/bin) has to be the system's own"},
)

_ENTERPRISE_LINUX: Final = Family(
    name="Enterprise Linux",
    install="dnf install -y",
    packages=_COMMON_PACKAGES | {"ip": "iproute", "ss": "iproute"},
    origins={"ffmpeg": _RPM_FUSION},
    without={
        "ffmpeg-decoders": "put RPM Fusion's ffmpeg in the place of EPEL's: dnf swap ffmpeg-free ffmpeg --allowerasing",
        "wireguard-go": "boot the system's own kernel, which has WireGuard; no package there brings wireguard-go",
    },
    ssh_unit="sshd.service",
    selinux_tools="policycoreutils-python-utils",
)
# By the ID of os-release; a system that names one in ID_LIKE counts as that one.
FAMILIES: Final[Mapping[str, Family]] = {
    "debian": _DEBIAN,
    "ubuntu": _DEBIAN,
    "rhel": _ENTERPRISE_LINUX,
    "centos": _ENTERPRISE_LINUX,
    "rocky": _ENTERPRISE_LINUX,
    "almalinux": _ENTERPRISE_LINUX,
    "ol": _ENTERPRISE_LINUX,
}


class Thing(StrEnum):
    """Parts of a preparation."""

    PACKAGES = "packages"
    BUS = "bus"
    USER = "user"
    KEY = "key"
    SUDO = "sudo"


@dataclass(frozen=True, slots=True)
class Step:
    """A requirement of a host: present and future state."""

    thing: Thing
    before: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """Manual work on the host, and the reason that it is manual."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted state of a host."""

    user: str
    port: int
    keys: tuple[str, ...]  #: Public keys; one is enough unless `are_named`.
    are_named: bool  #: Whether a person named the keys, so all are needed.
    is_relay: bool  #: Whether MediaMTX will run.
    networks: tuple[IPv4Network | IPv6Network, ...]  #: Allowed sources of SSH after an apply.
    source_fault: str = ""  #: Why MediaMTX is not available for the architecture; empty if it is or is unknown.
    names: HostNames = ALONE  #: Names of our files there.


@dataclass(frozen=True, slots=True)
class BareHostFacts:
    """A host's observed state."""

    host: BareHost
    logs_in: bool
    proves: bool  #: Whether it proved to be this inventory's.
    is_by_program: bool = False  #: Whether our program answered, so its needs are met.


@dataclass(frozen=True, slots=True)
class Preparation:
    """The steps of a preparation, and what remains."""

    steps: tuple[Step, ...]
    by_hand: tuple[ByHand, ...]  #: Manual work without which the host is not ready.
    notes: tuple[str, ...]  #: Remarks that block nothing.
    deeds: Deeds
    lacks_key: bool = False  #: Whether the user needs a key that is unknown.

    @property
    def is_ready(self) -> bool:
        """Whether no step and no manual work is left."""
        return self.deeds.are_none and not self.by_hand


def family_of(system: wire.SystemAnswer) -> Family | None:
    """Return a system's family, from its id and related ids, if known."""
    return next((FAMILIES[name] for name in (system["id"], *system["like"]) if name in FAMILIES), None)


def lacks(host: str, system: wire.SystemAnswer, programs: Sequence[str]) -> HostError:
    """Return the error for missing programs, with the install command if known."""
    family = family_of(system)
    # A person runs the line as root: no word of a host's own stands in it.
    if family is None or not all(map(family.knows, programs)):
        named = ", ".join(printable(program, _SHOWN) for program in sorted(programs)[:_LISTED])
        system_name = printable(system["id"], _SHOWN) or "its system"
        return HostError(
            f"{host} lacks the programs {named}",
            hint=f"install on it what brings them: the package names of {system_name} are not known here",
            object=host,
        )
    needed = sorted({family.packages.get(program) or _NO_PACKAGE.get(program, program) for program in programs})
    origins = [family.origins[name] for name in needed if name in family.origins]
    without = [sentence for program, sentence in family.without.items() if program in programs]
    line, prepare = family.line(programs), f"provisioner hosts prepare {host}"
    return HostError(
        f"{host} lacks {', '.join(needed)}",
        hint="; ".join(
            [*([f"run on it, as root: {line}; or from here: {prepare}"] if line else []), *origins, *without]
        ),
        object=host,
    )


def rule_for_all(user: str) -> str:
    """Return the sudo rules for a first contact."""
    return f"{_HEAD}{user} ALL=(root) NOPASSWD: ALL"


def rule_for_program(user: str, names: HostNames = ALONE) -> str:
    """Return the sudo rules for a host with our program and key."""
    return f"{_HEAD}{user} ALL=(root) NOPASSWD: {names.host_program} prove, {names.host_program} call"


def arch_of(host: BareHost) -> str:
    """Return a host's architecture in the names of programs."""
    return _ARCHITECTURES.get(host.arch, host.arch)


def by_its_program(facts: HostFacts, user: str, names: HostNames = ALONE) -> BareHost:
    """Return a proved host's state if only our program is allowed."""
    return BareHost(
        facts.machine["os"],
        facts.machine["arch"],
        has_systemd=True,
        peer=facts.ssh_peer,
        python=_OLDEST_PYTHON,
        missing=(),
        is_half_installed=False,
        has_fusion=None,
        said_owner=b"",
        has_identity=True,
        account=Account(1, "", ""),
        keys=frozenset(),
        rule=rule_for_program(user, names),
        allowed=(f"(root) NOPASSWD: {', '.join(sorted(_words(names)))}",),
        sshd=(),
    )


def preparation(facts: BareHostFacts, wanted: Wanted) -> Preparation:
    """Return the preparation that a host needs."""
    host, user = facts.host, wanted.user
    family = family_of(host.system)
    if not facts.is_by_program and (refused := tuple(_refused(host, wanted, family))):
        return Preparation((), refused, (), Deeds(host.said_owner))
    packages, by_hand = _packages(host, family)
    adds = () if facts.is_by_program or (facts.logs_in and not wanted.are_named) else _keys_to_add(host, wanted)
    lacks_key = not facts.logs_in and not wanted.are_named and not adds and not (host.keys & set(wanted.keys))
    rule = _rule(facts, wanted)
    deeds = Deeds(
        host.said_owner,
        _INSTALLERS[family.install.split()[0]] if packages and family else "",
        packages,
        starts_bus="dbus" in host.missing,
        creates=host.account is None,
        adds=adds,
        rule=rule,
    )
    steps = (
        _packages_step(host, deeds, by_hand),
        *((Step(Thing.BUS, "the system's bus does not run", "is started"),) if deeds.starts_bus else ()),
        _user_step(host, user),
        *_key_steps(facts, wanted, adds),
        _rule_step(host, wanted, rule),
    )
    return Preparation(steps, by_hand, tuple(_preparation_notes(facts, wanted, rule)), deeds, lacks_key)


# --- refusals ---------------------------------------------------------------------------------------
def _refused(host: BareHost, wanted: Wanted, family: Family | None) -> Iterator[ByHand]:
    user = wanted.user
    if family is None:
        names = ", ".join(sorted({known_family.name for known_family in FAMILIES.values()}))
        lacking = ", ".join(printable(name) for name in host.missing[:_LISTED]) or "nothing of it"
        yield ByHand(
            f"it calls itself {host.system['id'] or 'nothing'}, which is none of the systems known here ({names})",
            f"by hand there: install what brings the programs that it lacks ({lacking}); make the user {user}, whom"
            f" your key logs in; write `{user} ALL=(root) NOPASSWD: ALL` into {wanted.names.rule_file}, by visudo",
        )
    if not host.has_systemd:
        yield ByHand("systemd does not run it", "install a Debian, Ubuntu or Enterprise Linux that boots with systemd")
    if wanted.is_relay and arch_of(host) not in _ARCHITECTURES.values():
        yield ByHand(f"it is a {host.arch or 'machine that does not say what it is'}", "relays are of amd64 or arm64")
    if host.python is not None and host.python < _OLDEST_PYTHON:
        version = ".".join(map(str, host.python))
        yield ByHand(
            f"its python3 is {version}", "Python has to be 3.9 or newer: install a newer release of its system"
        )
    yield from _user_by_hand(host, user)
    yield from _sshd_by_hand(host)


def _user_by_hand(host: BareHost, user: str) -> Iterator[ByHand]:
    account = host.account
    if not is_user(user) or user == "root" or (account is not None and account.uid == 0):
        yield ByHand(
            f"the inventory's user {user} is root, or has a name that is none of a normal user",
            "name a normal user in ssh.user, of small letters, digits, - and _",
        )
    elif account is not None and account.shell.rpartition("/")[2] in _NO_SHELLS:
        yield ByHand(
            f"the shell of {user} is {account.shell}, which takes no command",
            f"see whose user that is; if it is meant: usermod -s /bin/sh {user}",
        )


def _sshd_by_hand(host: BareHost) -> Iterator[ByHand]:
    if "no" in host.setting("pubkeyauthentication"):
        yield ByHand("its SSH server takes no keys", "set PubkeyAuthentication yes in its sshd_config, and reload it")
    files = host.setting("authorizedkeysfile")
    if files and not any(".ssh/authorized_keys" in line.split() or "%h/.ssh/authorized_keys" in line for line in files):
        yield ByHand(
            "its SSH server does not read .ssh/authorized_keys of a user's home",
            "let AuthorizedKeysFile name it in its sshd_config, or enter the key where it says",
        )


# --- steps ------------------------------------------------------------------------------------------
def _packages(host: BareHost, family: Family | None) -> tuple[tuple[str, ...], tuple[ByHand, ...]]:
    """Return packages to install, and manual work for the others."""
    if family is None:
        return (), ()
    packages = {family.packages[program] for program in host.missing if program in family.packages}
    by_hand = [
        ByHand(
            f"it lacks {printable(program)}",
            family.without.get(program, f"install what brings it: no package of {family.name} is known to"),
        )
        for program in host.missing[:_LISTED]
        if program not in family.packages
    ]
    # A source of somebody else's is not added by us: what comes of it may take the place of the system's own.
    elsewhere = {name for name in packages if name in family.origins and host.has_fusion is not True}
    by_hand += [ByHand(f"it lacks {name}", family.origins[name]) for name in sorted(elsewhere)]
    return tuple(sorted(packages - elsewhere)), tuple(by_hand)


def _keys_to_add(host: BareHost, wanted: Wanted) -> tuple[str, ...]:
    if wanted.are_named:
        return tuple(key for key in wanted.keys if key not in host.keys)
    if host.keys & set(wanted.keys):
        return ()
    return wanted.keys if len(wanted.keys) == 1 else ()


def may_all(allowed: Collection[str]) -> int:
    """Count a user's sudo rules that allow all commands."""
    return sum(rule is not None and rule[1].strip() == "ALL" for rule in map(_RULE.fullmatch, allowed))


def _words(names: HostNames) -> frozenset[str]:
    return frozenset({f"{names.host_program} prove", f"{names.host_program} call"})


def _may_program(allowed: Collection[str], names: HostNames = ALONE) -> bool:
    listed = [rule[1].split(",") for rule in map(_RULE.fullmatch, allowed) if rule is not None]
    return {command.strip() for commands in listed for command in commands} >= _words(names)


def _rule(facts: BareHostFacts, wanted: Wanted) -> str:
    """Return the new file of sudo rules; empty for no change."""
    host, names = facts.host, wanted.names
    everything, program = rule_for_all(wanted.user), rule_for_program(wanted.user, names)
    may_call = _may_program(host.allowed, names)
    if host.has_identity and facts.proves:
        is_ours = host.rule.strip() not in {"", program}
        return program if is_ours or not (may_all(host.allowed) or may_call) else ""
    if may_all(host.allowed) or (host.has_identity and may_call):
        return ""
    return everything


# --- in words ---------------------------------------------------------------------------------------
def _packages_step(host: BareHost, deeds: Deeds, by_hand: Collection[ByHand]) -> Step:
    half = ", some half installed" if host.is_half_installed else ""
    if not deeds.packages:
        return Step(Thing.PACKAGES, "not all are there" if by_hand else f"all are there{half}")
    first = "what is half installed is finished, then " if host.is_half_installed else ""
    return Step(
        Thing.PACKAGES,
        f"lacks {', '.join(deeds.packages)}{half}",
        f"{first}these are installed, and what they need; nothing is removed",
    )


def _user_step(host: BareHost, user: str) -> Step:
    if host.account is None:
        return Step(Thing.USER, f"{user} is not there", "is made: a group and a home of its own, no password")
    return Step(Thing.USER, f"{user} is there")


def _key_steps(facts: BareHostFacts, wanted: Wanted, adds: Collection[str]) -> Iterator[Step]:
    if facts.logs_in and not adds:
        yield Step(Thing.KEY, f"this machine logs {wanted.user} in")
        return
    for key in wanted.keys:
        if key in adds:
            yield Step(Thing.KEY, f"{_called(key)} does not log {wanted.user} in", "is added to its authorized_keys")
        elif key in facts.host.keys:
            yield Step(Thing.KEY, f"{_called(key)} is among the keys of {wanted.user}")


def _called(key: str) -> str:
    return f"{key.partition(' ')[0]} {fingerprint_of(key)}"


def _rule_step(host: BareHost, wanted: Wanted, rule: str) -> Step:
    user, names = wanted.user, wanted.names
    if may_all(host.allowed):
        now = f"{user} may do anything"
    elif _may_program(host.allowed, names):
        now = f"{user} may call provisioner's program, and nothing else of ours"
    else:
        now = f"{user} may not do what is needed"
    if not rule:
        return Step(Thing.SUDO, now)
    if rule == rule_for_program(user, names):
        return Step(
            Thing.SUDO, now, f"may call provisioner's program by {names.rule_file}, which is enough from now on"
        )
    return Step(Thing.SUDO, now, f"may do anything by {names.rule_file}, as the first contact needs it")


def _preparation_notes(facts: BareHostFacts, wanted: Wanted, rule: str) -> Iterator[str]:
    host, user = facts.host, wanted.user
    if facts.is_by_program and wanted.are_named:
        yield f"whether the keys of --public-key are among those of {user} only another login can see: --user root"
    narrow = rule_for_program(user, wanted.names) in {rule, host.rule.strip()}
    other_rules = may_all(host.allowed) - (host.rule.strip() == rule_for_all(user))
    if host.has_identity and facts.proves and (other_rules > 0):
        more = "" if narrow else f", and {wanted.names.host_program} with `prove` and with `call` is enough now"
        yield f"a sudo rule of others, which stays, gives {user} all rights{more}"
    if "yes" in (*host.setting("passwordauthentication"), *host.setting("kbdinteractiveauthentication")):
        yield "its SSH server takes passwords, too; PasswordAuthentication and KbdInteractiveAuthentication say whether"
    ports = host.setting("port")
    if ports and str(wanted.port) not in ports:
        yield (
            f"its SSH server listens at {', '.join(printable(port, 8) for port in ports[:3])}, and the inventory says"
            f" {wanted.port}: our rules let new SSH in at the inventory's port alone"
        )
    if host.peer and not _is_in_networks(host.peer, wanted.networks):
        yield (
            f"it sees this machine come from {host.peer}, which is in no management network: a plan would refuse rules"
            " that shut it out"
        )
    if wanted.is_relay and wanted.source_fault:
        yield f"MediaMTX for {arch_of(host)} cannot be had here: {wanted.source_fault}"


def _is_in_networks(peer: str, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain.version == network.version and plain in network for network in networks)
