"""A host's facts: the answer of `observe` as typed values. Pure.

This is the only parser of `wire.FactsAnswer`, which `playbooks/provisioner_host/observe/host.py` writes. Elements
of our firewall sets have the host's names: `element SET VALUE`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Address, ip_address
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from provisioner.base.errors import UnreadableError, raised_as
from provisioner.base.text import msg, printable, words_of_end
from provisioner.desired.owner import Owner, owner_of
from provisioner.desired.spec import ReaderEncryption
from provisioner.desired.trust import AppliedPolicy, Trust
from provisioner.hosts.answers import parsed, wire

_MOST_OFF_S = 30.0
_LEAST_FREE = 32 * 2**20
_LEAST_SHARE = 0.05
_SECONDS_SAID = 120
_MIB = 2**20
_OPENS = {"firewalld": "firewall-cmd --permanent --add-port=PORT/udp", "ufw": "ufw allow PORT/udp"}


class Condition(StrEnum):
    """Faults of a host in documents; values never change their meaning."""

    DISK_FULL = "disk full"
    CLOCK_OFF = "clock off"
    ANOTHER_FIREWALL = "another firewall"
    CERTIFICATE_ENDS = "certificate ends"
    RELAY_RESTARTS = "relay restarts"
    RELAY_STRAINED = "relay lacks resources"
    FOREIGN_ACCESS = "foreign access"


@dataclass(frozen=True, slots=True)
class HostFault:
    """A fault of a host and the next step."""

    condition: Condition
    detail: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The machine around our software."""

    device: str = ""
    mtu: int = 0  #: The interface's largest packet in bytes; 0 if unknown.
    taken: tuple[wire.PortAnswer, ...] = ()  #: Ports that we need and other programs use.


def findings(
    disks: Sequence[wire.DiskAnswer], clock: Sequence[float] | None, requested: datetime, answered: datetime
) -> tuple[HostFault, ...]:
    """Return faults of disks and clock (the host's, ours around it)."""
    return (*_disk_faults(disks), *_clock_faults(clock, requested.timestamp(), answered.timestamp()))


def other_firewalls(names: Sequence[str]) -> tuple[HostFault, ...]:
    """Return other known firewalls as faults: they may block allowed traffic."""
    return tuple(HostFault(Condition.ANOTHER_FIREWALL, _beside(name)) for name in _OPENS if name in names)


def ending_certificate(host: str, tls: ReaderEncryption | None, now: datetime) -> tuple[HostFault, ...]:
    """Return a fault if a certificate for readers ends soon."""
    if tls is None or not (ending := words_of_end(tls.until, tls.warn_days, now)):
        return ()
    hint = msg("make another one with provisioner certificate renew {host}, or have one signed, and apply", host)
    return (
        HostFault(
            Condition.CERTIFICATE_ENDS, msg("the certificate that it shows readers {words}: {hint}", ending, hint)
        ),
    )


def _beside(name: str) -> str:
    return msg(
        "{name} filters beside our table: open our ports there too ({opens}), or switch it off", name, _OPENS[name]
    )


def _disk_faults(disks: Sequence[wire.DiskAnswer]) -> Iterator[HostFault]:
    for disk in disks:
        if not disk["writable"]:
            detail = msg(
                "{folder} is on a disk that is read-only: see the kernel's log (dmesg), and mount it anew",
                disk["folder"],
            )
        elif not disk["inodes"]:
            detail = msg(
                "{folder} is on a disk where no more files can be made (df -i {folder_2}): remove some",
                disk["folder"],
                disk["folder"],
            )
        elif disk["free"] < _LEAST_FREE and disk["free"] < disk["size"] * _LEAST_SHARE:
            free = msg("{free} of {size} MiB free", disk["free"] // _MIB, disk["size"] // _MIB)
            detail = msg(
                "{folder} is on a disk that is full, {free}: make room there (df -h {folder_2})",
                disk["folder"],
                free,
                disk["folder"],
            )
        else:
            continue
        yield HostFault(Condition.DISK_FULL, detail)


def _clock_faults(clock: Sequence[float] | None, requested: float, answered: float) -> Iterator[HostFault]:
    if clock is None:
        return
    began, ended = clock
    # It began after it was asked, and ended before its answer was there: by so much it is ahead or behind at least.
    ahead, behind = ended - answered, requested - began
    if max(ahead, behind) > _MOST_OFF_S:
        offset = msg("ahead of the controller's by {ahead}", _span(ahead))
        offset = offset if ahead > behind else msg("behind of the controller's by {behind}", _span(behind))
        detail = msg("its clock is {by} or more: times in logs and pictures are wrong", offset)
        yield HostFault(Condition.CLOCK_OFF, msg("{detail} (timedatectl)", detail))


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _SECONDS_SAID else msg("{seconds} minutes", f"{seconds / 60:.0f}")


_NAME: Final = re.compile(r"element (\S+) (.+)")
_TRUST: Final = TypeAdapter(Trust | None)
_POLICY: Final = TypeAdapter(AppliedPolicy | None)
_NO_MACHINE: Final[wire.MachineAnswer] = {
    "arch": "",
    "python": "",
    "boot_id": "",
    "ssh_peer": None,
    "selinux": "off",
    "os": {"id": "", "version": "", "like": []},
}
_DEVICE: Final = re.compile(r"([0-9.]+) \. ([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class QuarantinedPath:
    """A path outside the relay's file, since its device refuses the login."""

    since: datetime  #: By the host's clock.
    device: str
    login: str  #: A keyed digest of user, password and device.


def _no_rules() -> wire.FirewallAnswer:
    return {"present": False, "differences": []}


def no_frozen_parts() -> wire.FrozenAnswer:
    """Return the answer of a host without frozen facilities."""
    return {"paths": {}, "peers": {}, "addresses": [], "cameras": [], "digests": {}, "unclear": ""}


def source_in(path: wire.PathAnswer) -> str | None:
    """Return a path's source address without login, if any."""
    source = path["settings"].get("source")
    return source if isinstance(source, str) else None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host's facts without secrets: files and pre-shared keys are keyed digests."""

    host: str
    machine: wire.MachineAnswer = field(default_factory=_NO_MACHINE.copy)
    missing_programs: tuple[str, ...] = ()  #: Missing needs, which a host never installs itself.
    files: Mapping[str, wire.FileAnswer] = field(default_factory=dict)  #: Present files that are desired or installed.
    installed: frozenset[str] = frozenset()  #: The files in the host's manifest.
    units: Mapping[str, wire.UnitAnswer] = field(default_factory=dict)
    tunnel: wire.TunnelAnswer | None = None
    firewall: wire.FirewallAnswer = field(default_factory=_no_rules)
    armed: wire.Armed | None = None
    relay: wire.RelayAnswer | None = None
    runtime: wire.RuntimeAnswer | None = None
    program: wire.ProgramAnswer | None = None
    live_digest: str = ""  #: The digest of a plan's basis on the host.
    ssh_peer: str = ""  #: The controller's address as the host saw it; empty if unknown.
    owner: Owner | None = None
    beside: tuple[Owner, ...] = ()  #: Other inventories with a side on the host.
    epoch: int = 0
    proved: bool = True  #: Whether it proved its identity.
    trust: Trust | None = None
    policy: AppliedPolicy | None = None
    generations: Sequence[wire.GenerationAnswer] = ()  #: The states for a rollback, newest first.
    confirmed: str = ""  #: The last confirmed run in its manifest; empty if unknown.
    recorded: wire.RecordHead | None = None  #: That run's entry in the record, from the manifest.
    receipts: Sequence[wire.RecordHead] = ()  #: Entries of the record in its receipts, if requested.
    #: Parts of frozen facilities; `files` and `relay` exclude them.
    held: wire.FrozenAnswer = field(default_factory=no_frozen_parts)
    #: Quarantined paths by name; `files` and `relay` include them.
    quarantine: Mapping[str, QuarantinedPath] = field(default_factory=dict)
    disks: Sequence[wire.DiskAnswer] = ()  #: The file systems of our folders.
    #: Its time at start and end, in seconds since 1970; `None` if unknown.
    clock: Sequence[float] | None = field(default=None, compare=False)
    faults: tuple[HostFault, ...] = ()
    firewalls: tuple[str, ...] = ()  #: Other active firewalls on a relay.
    #: Networks of the tunnel that other interfaces have, with the interface.
    routes_elsewhere: tuple[tuple[str, str], ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)  #: Its default route, and ports in use.

    @property
    def marked(self) -> str:
        """The time of its owner's mark; empty without a valid one."""
        return self.owner.at if self.owner else ""

    @property
    def version(self) -> str:
        """The running media server's version, else the installed one's; empty if unknown."""
        running = self.runtime["version"] if self.runtime else ""
        return running or (self.program["version"] if self.program else "")

    @property
    def system(self) -> str:
        """The operating system, e.g. `debian 12`; empty if unknown."""
        return f"{self.machine['os']['id']} {self.machine['os']['version']}".strip()

    @property
    def viewers(self) -> Mapping[str, int]:
        """Live readers by path; empty if unknown."""
        return self.runtime["viewers"] if self.runtime else {}

    @property
    def counted(self) -> bool:
        """Whether viewers are known; so without a running relay."""
        states = (unit["active"] for name, unit in self.units.items() if name.startswith("provisioner-mediamtx"))
        return self.runtime is not None or all(state in {"inactive", "failed"} for state in states)


class ElementSet(StrEnum):
    """The sets of our table (docs/internals/host-program.md).

    `cameras` and `onvif` contain devices (`address . port`) that a relay may pull from, or its probe may question.
    `management`, `management_v6`, `routed` and `publishers` contain networks. `centres` and `relays` contain
    addresses in the tunnel.
    """

    CAMERAS = "cameras"
    ONVIF = "onvif"
    MANAGEMENT = "management"
    MANAGEMENT_V6 = "management_v6"
    CENTRES = "centres"
    RELAYS = "relays"
    ROUTED = "routed"
    PUBLISHERS = "publishers"


_SETS: Final = frozenset(ElementSet)


class SetElement(NamedTuple):
    """An element of our sets, with nftables' text of its value."""

    set: ElementSet
    value: str

    @property
    def name(self) -> str:
        """The name in plans and on hosts."""
        return f"element {self.set} {self.value}"

    @property
    def device(self) -> tuple[str, int] | None:
        """A device's address and port; `None` for other values."""
        match = _DEVICE.fullmatch(self.value)
        return (match[1], int(match[2])) if match else None


def parse_facts(host: str, document: object) -> HostFacts:
    """Parse the answer of `observe`, or raise `HostError`."""
    return parsed(host, wire.FactsAnswer, document, lambda answer: facts_in(host, answer))


def facts_in(host: str, answer: wire.FactsAnswer) -> HostFacts:
    """Convert facts inside another answer, or raise `UnreadableError`."""
    machine, manifest, runtime = answer["host"], answer["manifest"] or {}, answer.get("runtime")
    way_out = answer.get("way_out") or {"device": "", "mtu": 0}
    return HostFacts(
        host=host,
        machine=machine,
        missing_programs=tuple(answer["missing_programs"]),
        files=_files(answer["files"], answer.get("held")),
        installed=frozenset(manifest.get("files", ())),
        units=answer["units"],
        tunnel=answer["tunnel"],
        firewall=answer["firewall"],
        armed=answer["armed"],
        relay=answer.get("relay"),
        runtime=runtime,
        program=answer.get("program"),
        live_digest=answer["live_digest"],
        ssh_peer=_address(machine["ssh_peer"]),
        owner=owner_of(answer["owner"]) if answer.get("owner") is not None else None,
        beside=tuple(map(owner_of, answer.get("beside", ()))),
        epoch=answer.get("epoch", 0),
        trust=_TRUST.validate_python(answer["trust"]),
        policy=_policy(answer["policy"]),
        generations=answer["generations"],
        confirmed=manifest.get("run", ""),
        recorded=manifest.get("record"),
        receipts=answer.get("receipts", ()),
        held=answer.get("held") or no_frozen_parts(),
        quarantine={name: _quarantined_path(name, path) for name, path in answer.get("quarantine", {}).items()},
        disks=answer.get("disks", ()),
        clock=answer.get("clock"),
        firewalls=tuple(answer.get("firewalls", ())),
        routes_elsewhere=tuple((route["network"], route["device"]) for route in answer.get("routes_elsewhere", ())),
        surroundings=Surroundings(way_out["device"], way_out["mtu"], tuple(answer.get("ports_taken", ()))),
    )


def _policy(policy: wire.PolicyAnswer | None) -> AppliedPolicy | None:
    with raised_as(UnreadableError("policy.approvals.approvers has what is no day"), ValidationError):
        return _POLICY.validate_python(policy)


def _files(files: Mapping[str, wire.FileAnswer | None], frozen: wire.FrozenAnswer | None) -> dict[str, wire.FileAnswer]:
    """Return files by path; a digest excludes parts of frozen facilities."""
    digests = frozen["digests"] if frozen else {}
    present = {path: file for path, file in files.items() if file is not None}
    return {path: {**file, "digest": digests.get(path, file["digest"])} for path, file in present.items()}


def _quarantined_path(name: str, path: wire.QuarantineAnswer) -> QuarantinedPath:
    with raised_as(UnreadableError(f"quarantine.{printable(name, 60)}.since is no time"), ValueError):
        since = datetime.strptime(path["since"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return QuarantinedPath(since, path["device"], path["login"])


def _address(text: object) -> str:
    """Return an address without zone; empty if invalid.

    IPv4 in IPv6 form becomes IPv4, which the rules compare.
    """
    try:
        address = ip_address(text.partition("%")[0]) if isinstance(text, str) else None
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address or "")


def engine_name(versions: list[str]) -> str:
    """Return the media server's name from programs' versions.

    MediaMTX prints `v1.20.1`; the lab's stand-in prints `v1.20.1+standin` and is never called MediaMTX.
    """
    names = sorted({_engine(version) for version in versions if version})
    return ", ".join(names) or "none"


def _engine(version: str) -> str:
    number, _, kind = version.removeprefix("v").partition("+")
    return f"stand-in {number} (not MediaMTX)" if kind == "standin" else f"mediamtx {number}"


def device_value(address: IPv4Address | str, port: int) -> str:
    """Return a device as an element's value."""
    return f"{address} . {port}"


def element_of(name: str) -> SetElement | None:
    """Parse the name of an element; `None` if not of our sets."""
    match = _NAME.fullmatch(name)
    return SetElement(ElementSet(match[1]), match[2]) if match and match[1] in _SETS else None
