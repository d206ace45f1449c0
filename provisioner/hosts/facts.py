"""A host's facts: the answer of `observe` as typed values. Pure.

This is the one parser of the document that `playbooks/provisioner_host/observe/host.py` writes (`wire.FactsAnswer`).
Elements of our sets in a host's firewall have the names that the host gives them: `element SET VALUE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from ipaddress import IPv4Address, ip_address
from itertools import islice
from typing import Final, Literal, NamedTuple, get_args

from provisioner.base.host_answer import Fields, UnreadableError, parsed
from provisioner.desired.approval_terms import ApprovalTerms, TermsApprover, TermsRule
from provisioner.desired.owner import Owner, owner_of
from provisioner.desired.trust import AppliedPolicy, Trust
from provisioner.hosts.condition import HostFault, Surroundings, surroundings_in
from provisioner.inventory.model import ApprovedChanges

_MOST_EPOCHS = 10**12
_MOST_ROUTES = 20
RuleAction = Literal["create", "update", "delete"]
_MOST_RECEIPTS = 100
_MOST_BESIDE = 20
_RULE_ACTIONS: tuple[RuleAction, ...] = get_args(RuleAction)

_NAME: Final = re.compile(r"element (\S+) (.+)")
_DEVICE: Final = re.compile(r"([0-9.]+) \. ([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """A host's system by its os-release: its ID, those that it is like, the closest first, and its VERSION_ID."""

    id: str = ""
    like: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file on the host; `digest` is keyed."""

    digest: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """A unit as systemd has it.

    Attributes:
        reload: whether systemd has not read its file as it is now.
        drop_ins: files that override it.
    """

    active: str
    enabled: str
    reload: bool = False
    drop_ins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """A live peer: what of it is configuration, and where it was last seen. `psk` is a keyed digest."""

    psk: str | None
    endpoint: str | None
    allowed_ips: tuple[str, ...]
    keepalive_s: int | None


@dataclass(frozen=True, slots=True)
class SecondTunnelFacts:
    """The live tunnel with the key that follows a relay's own one.

    Attributes:
        alike: whether it has the same peers as the first one.
        moved: the peers whose later handshake was there, by public key, each with the moment of that.
    """

    public_key: str
    listen_port: int
    addresses: tuple[str, ...]
    mtu: int
    alike: bool
    moved: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TunnelFacts:
    """The live tunnel, its peers by public key, and the second one while a relay changes its own key."""

    public_key: str
    listen_port: int | None
    addresses: tuple[str, ...]
    routes: tuple[str, ...]
    mtu: int
    peers: Mapping[str, PeerFacts]
    following: SecondTunnelFacts | None = None


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """A chain, set, element or rule that differs between the intended file and what is loaded."""

    name: str
    action: RuleAction


@dataclass(frozen=True, slots=True)
class FirewallFacts:
    """Whether our table is loaded, and how it differs from the intended one."""

    present: bool = False
    differences: tuple[RuleDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class PathFacts:
    """A path in the relay's file: its settings without a login, and keyed digests of the whole and of its source."""

    settings: Mapping[str, object]
    digest: str
    source_digest: str

    @property
    def source(self) -> str | None:
        """The address of its source without its login, None where it has none."""
        source = self.settings.get("source")
        return source if isinstance(source, str) else None


@dataclass(frozen=True, slots=True)
class RelayFacts:
    """The relay's file; `foreign` counts the lines in it that we would not write."""

    settings: Mapping[str, object]
    paths: Mapping[str, PathFacts]
    sentinel: str | None
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class ReaderFacts:
    """Who reads a path: the name typed, the address, and how many sessions there are of it."""

    user: str
    address: str
    path: str
    readers: int


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """What the running relay says of itself; `viewers` are live readers by path.

    `readers` says who they are; None where the relay does not say it.
    """

    version: str
    sentinel: str | None
    viewers: Mapping[str, int]
    readers: tuple[ReaderFacts, ...] | None = None


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """MediaMTX's program in the desired version: there, the one that we installed, and its own word for its version."""

    present: bool
    whole: bool
    version: str = ""


@dataclass(frozen=True, slots=True)
class ArmedChange:
    """A change that waits for its confirmation; `who` is empty where the host does not know."""

    run: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """A state that the host can return to: that of before a run, and when it was kept."""

    run: str
    kept: datetime


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An entry of the record of runs that the host keeps: its word for it, which its seal proves or not."""

    run: str
    number: int
    hash: str
    seal: str = ""


@dataclass(frozen=True, slots=True)
class HeldFacts:
    """What the host has of facilities that are held: their files are compared without it.

    Attributes:
        paths: the ids of their facilities by paths' names.
        peers: the names of peers, by public key.
        addresses: what those peers are reached by: networks.
        cameras: elements of the set of cameras, `address . port`.
        unclear: why it cannot be told what in the host's files is whose; empty where it can.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    cameras: tuple[str, ...] = ()
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class QuarantinedPath:
    """A path that is out of the relay's file, since its device refuses the login.

    Attributes:
        since: the moment, by the host's clock.
        device: the address and port that were asked.
        login: a keyed digest of what was refused: user, password and device.
    """

    since: datetime
    device: str
    login: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host's facts, without secrets (files and pre-shared keys as keyed digests).

    Attributes:
        selinux: `enforcing`, `permissive` or `off`; empty where the host did not say.
        missing_programs: what the host lacks and never installs by itself.
        files: of desired and installed files those that are there.
        installed: the files that our manifest on the host lists.
        live_digest: one digest over what a plan rests on; a host that moved has another one.
        generations: the states that the host can return to, the newest first.
        ssh_peer: the address from which the host saw the controller come, empty where it did not say.
        owner: whose it is by its mark; None where it has none.
        beside: by their marks, the inventories that have sides of their own on it.
        epoch: the number of the run that began to change it last (`record.leases`); 0 where none did.
        proved: whether it has proved that it is the host that was managed before.
        trust: what it was trusted for when it was applied last; None where it never was.
        policy: what held plans back then.
        confirmed: the run that its manifest says was confirmed last; empty where it names none.
        recorded: that run's entry in the record, as the manifest has it.
        receipts: the entries of the record in its receipts; none where they were not asked for.
        held: what it has of facilities that are held; `files` and `relay` are without it.
        quarantine: by name, the paths whose devices refuse their login; `files` and `relay` are with them.
        faults: what is wrong with the host itself: full disks, a clock that is off.
        firewalls: those of others that are at work on a relay beside our table.
        routes_elsewhere: networks inside of the tunnel's that other interfaces have, each with the interface.
        surroundings: its way out, and who has ports that ours are to have.
    """

    host: str
    arch: str = ""
    system: OperatingSystem = OperatingSystem()
    selinux: str = ""
    missing_programs: tuple[str, ...] = ()
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    installed: frozenset[str] = frozenset()
    units: Mapping[str, UnitFacts] = field(default_factory=dict)
    tunnel: TunnelFacts | None = None
    firewall: FirewallFacts = FirewallFacts()
    armed: ArmedChange | None = None
    relay: RelayFacts | None = None
    runtime: RuntimeFacts | None = None
    program: ProgramFacts | None = None
    live_digest: str = ""
    ssh_peer: str = ""
    owner: Owner | None = None
    beside: tuple[Owner, ...] = ()
    epoch: int = 0
    proved: bool = True
    trust: Trust | None = None
    policy: AppliedPolicy | None = None
    generations: tuple[Generation, ...] = ()
    confirmed: str = ""
    recorded: HeldEntry | None = None
    receipts: tuple[HeldEntry, ...] = ()
    held: HeldFacts = HeldFacts()
    quarantine: Mapping[str, QuarantinedPath] = field(default_factory=dict)
    faults: tuple[HostFault, ...] = ()
    firewalls: tuple[str, ...] = ()
    routes_elsewhere: tuple[tuple[str, str], ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)

    @property
    def viewers(self) -> Mapping[str, int]:
        """Live readers by path; empty where the relay does not run, or does not say (`counted`)."""
        return self.runtime.viewers if self.runtime else {}

    @property
    def counted(self) -> bool:
        """Whether it is known who watches: the relay says it, or does not run. A centre has no viewers of its own."""
        states = (unit.active for name, unit in self.units.items() if name.startswith("provisioner-mediamtx"))
        return self.runtime is not None or all(state in {"inactive", "failed"} for state in states)


class ElementSet(StrEnum):
    """The sets of our table (docs/internals/host-program.md).

    `cameras` and `onvif` hold devices (`address . port`): where a relay may pull from, and what its probe may ask about
    itself. `management`, `management_v6`, `routed` and `publishers` hold networks, `centres` and `relays` addresses
    inside the tunnel.
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
    """An element of one of our sets; its value is as nftables writes it."""

    set: ElementSet
    value: str

    @property
    def name(self) -> str:
        """As hosts and plans name it."""
        return f"element {self.set} {self.value}"

    @property
    def device(self) -> tuple[str, int] | None:
        """The address and the port of a device; None where the value is none."""
        match = _DEVICE.fullmatch(self.value)
        return (match[1], int(match[2])) if match else None


def parse_facts(host: str, document: object) -> HostFacts:
    """A host's facts from the answer of its `observe`.

    Raises:
        HostError: the answer cannot be read.
    """
    return parsed(host, document, lambda answer: facts_in(host, answer))


def facts_in(host: str, answer: Fields) -> HostFacts:
    """A host's facts, where they are a part of another answer.

    Raises:
        UnreadableError: they cannot be read.
    """
    machine = answer.below("host")
    manifest = answer.below_or_none("manifest")
    return HostFacts(
        host=host,
        arch=machine.text("arch"),
        system=_system(machine.below_or_none("os")),
        selinux=machine.sentence("selinux", ""),
        missing_programs=answer.texts("missing_programs"),
        files=_files(answer.below("files"), answer.below_or_none("held")),
        installed=frozenset(manifest.texts("files")) if manifest and manifest.has("files") else frozenset(),
        units={name: _unit(unit) for name, unit in answer.named("units")},
        tunnel=_tunnel(answer.below_or_none("tunnel")),
        firewall=_firewall(answer.below("firewall")),
        armed=_armed(answer.below_or_none("armed")),
        relay=_relay(answer.below_or_none("relay")),
        runtime=_runtime(answer.below_or_none("runtime")),
        program=_program(answer.below_or_none("program")),
        live_digest=answer.text("live_digest"),
        ssh_peer=_address(machine.values.get("ssh_peer")),
        owner=owner_of(answer.values["owner"]) if answer.has("owner") else None,
        beside=tuple(map(owner_of, answer.list_of("beside")[:_MOST_BESIDE])) if answer.has("beside") else (),
        epoch=_epoch(answer),
        trust=_trust(answer.below_or_none("trust")),
        policy=_policy(answer.below_or_none("policy")),
        generations=tuple(map(_generation, answer.each("generations"))) if answer.has("generations") else (),
        confirmed=manifest.text("run", "") if manifest else "",
        recorded=_entry(manifest.below_or_none("record")) if manifest else None,
        receipts=_receipts(answer) if answer.has("receipts") else (),
        held=_held(answer.below_or_none("held")),
        quarantine=_quarantine(answer),
        firewalls=answer.texts("firewalls") if answer.has("firewalls") else (),
        routes_elsewhere=_routes(answer) if answer.has("routes_elsewhere") else (),
        surroundings=surroundings_in(answer),
    )


def _epoch(answer: Fields) -> int:
    number = answer.amount("epoch") if answer.has("epoch") else 0
    # The next one has to be a number of the database's; no host has been changed so often.
    if number > _MOST_EPOCHS:
        raise UnreadableError(f"{answer.place_of('epoch')} is more than any host can have had")
    return number


def _routes(answer: Fields) -> tuple[tuple[str, str], ...]:
    """Some of the routes, as the host's own part gives no more: what they are put into is read by people."""
    routes = islice(answer.each("routes_elsewhere"), _MOST_ROUTES)
    return tuple((route.sentence("network"), route.sentence("device")) for route in routes)


def _trust(trust: Fields | None) -> Trust | None:
    if trust is None:
        return None
    return Trust(
        address=trust.text("address"),
        port=trust.number("port"),
        user=trust.text("user"),
        host_key=trust.text("host_key"),
        program=trust.text("program"),
        ssh_from=trust.texts("ssh_from"),
        readers=trust.texts("readers"),
        keys=_keys(trust.below_or_none("keys")),
        jump=trust.text("jump") if trust.has("jump") else "",
        endpoint=trust.text("endpoint") if trust.has("endpoint") else "",
        ports=trust.counts("ports") if trust.has("ports") else {},
        publishers=trust.texts("publishers") if trust.has("publishers") else (),
    )


def _keys(keys: Fields | None) -> dict[str, str]:
    return {name: keys.text(name) for name in keys.names()} if keys else {}


def _policy(policy: Fields | None) -> AppliedPolicy | None:
    if policy is None:
        return None
    signing = policy.texts("signing") if policy.has("signing") else ()
    protected = policy.texts("protected") if policy.has("protected") else ()
    approvals = _terms(policy.below_or_none("approvals"))
    rego = policy.texts("rego") if policy.has("rego") else ()
    return AppliedPolicy(policy.counts("limits"), policy.texts("freeze"), signing, protected, approvals, rego)


def _terms(terms: Fields | None) -> ApprovalTerms | None:
    """Who has to approve plans, as the host remembers it."""
    if terms is None:
        return None
    rules = (TermsRule(_changes(one), one.text("role"), one.amount("people")) for one in terms.each("rules"))
    return ApprovalTerms(terms.amount("valid_hours"), tuple(rules), tuple(map(_approver, terms.each("approvers"))))


def _changes(rule: Fields) -> ApprovedChanges:
    try:
        return ApprovedChanges(rule.text("changes"))
    except ValueError:
        raise UnreadableError(f"{rule.place_of('changes')} is no kind of changes") from None


def _approver(one: Fields) -> TermsApprover:
    return TermsApprover(
        one.text("id"),
        one.text("key"),
        one.texts("roles"),
        one.texts("carriers"),
        _day(one, "since"),
        _day(one, "until") if one.text("until") else None,
    )


def _day(fields: Fields, name: str) -> date:
    try:
        return date.fromisoformat(fields.text(name))
    except ValueError:
        raise UnreadableError(f"{fields.place_of(name)} is no day") from None


def _system(os: Fields | None) -> OperatingSystem:
    return OperatingSystem(os.text("id"), os.texts("like"), os.sentence("version", "")) if os else OperatingSystem()


def _files(files: Fields, held: Fields | None) -> dict[str, FileFacts]:
    """Files by path; the digest of one that has something in it that is held is that of the rest."""
    known = {path: _file(files.below(path)) for path in files.names() if files.has(path)}
    without = held.below("digests") if held else None
    rest = {path: without.text(path) for path in without.names()} if without else {}
    return {path: replace(file, digest=rest.get(path, file.digest)) for path, file in known.items()} if rest else known


def _held(held: Fields | None) -> HeldFacts:
    if held is None:
        return HeldFacts()
    paths, peers = held.below("paths"), held.below("peers")
    return HeldFacts(
        paths={name: paths.text(name) for name in paths.names()},
        peers={key: peers.text(key) for key in peers.names()},
        addresses=frozenset(held.texts("addresses")),
        cameras=held.texts("cameras"),
        unclear=held.sentence("unclear", ""),
    )


def _quarantine(answer: Fields) -> dict[str, QuarantinedPath]:
    return {name: _quarantined(path) for name, path in answer.named("quarantine")} if answer.has("quarantine") else {}


def _quarantined(path: Fields) -> QuarantinedPath:
    try:
        since = datetime.strptime(path.text("since"), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise UnreadableError(f"{path.place}.since is no time") from None
    return QuarantinedPath(since, path.sentence("device"), path.text("login"))


def _file(file: Fields) -> FileFacts:
    return FileFacts(file.text("digest"), file.amount("mode"), file.text("owner"), file.text("group"))


def _unit(unit: Fields) -> UnitFacts:
    return UnitFacts(unit.text("active"), unit.text("enabled"), unit.flag("reload"), unit.texts("drop_ins"))


def _tunnel(tunnel: Fields | None) -> TunnelFacts | None:
    if tunnel is None:
        return None
    return TunnelFacts(
        public_key=tunnel.text("public_key"),
        listen_port=tunnel.number_or_none("listen_port"),
        addresses=tunnel.texts("addresses"),
        routes=tunnel.texts("routes"),
        mtu=tunnel.amount("mtu"),
        peers={key: _peer(peer) for key, peer in tunnel.named("peers")},
        following=_following(tunnel.below_or_none("following")),
    )


def _following(second: Fields | None) -> SecondTunnelFacts | None:
    if second is None:
        return None
    moved = second.below("moved")
    return SecondTunnelFacts(
        public_key=second.text("public_key"),
        listen_port=second.amount("listen_port"),
        addresses=second.texts("addresses"),
        mtu=second.amount("mtu"),
        alike=second.flag("alike"),
        moved={key: moved.amount(key) for key in moved.names()},
    )


def _peer(peer: Fields) -> PeerFacts:
    return PeerFacts(
        psk=peer.text_or_none("psk"),
        endpoint=peer.text_or_none("endpoint"),
        allowed_ips=peer.texts("allowed_ips"),
        keepalive_s=peer.number_or_none("keepalive_s"),
    )


def _firewall(firewall: Fields) -> FirewallFacts:
    return FirewallFacts(firewall.flag("present"), tuple(map(_difference, firewall.each("differences"))))


def _difference(difference: Fields) -> RuleDifference:
    action = difference.text("action")
    for known in _RULE_ACTIONS:
        if action == known:
            return RuleDifference(difference.text("name"), known)
    raise UnreadableError(f"{difference.place}.action is none of {', '.join(_RULE_ACTIONS)}")


def _armed(armed: Fields | None) -> ArmedChange | None:
    return ArmedChange(armed.sentence("run"), armed.sentence("who", "")) if armed else None


def _relay(relay: Fields | None) -> RelayFacts | None:
    if relay is None:
        return None
    return RelayFacts(
        settings=relay.plain("settings"),
        paths={name: _path(path) for name, path in relay.named("paths")},
        sentinel=relay.text_or_none("sentinel"),
        foreign=relay.amount("foreign"),
    )


def _path(path: Fields) -> PathFacts:
    return PathFacts(path.plain("settings"), path.text("digest"), path.text("source_digest"))


def _runtime(runtime: Fields | None) -> RuntimeFacts | None:
    if runtime is None:
        return None
    readers = tuple(map(_reader, runtime.each("readers"))) if runtime.has("readers") else None
    return RuntimeFacts(
        runtime.sentence("version"), runtime.text_or_none("sentinel"), runtime.counts("viewers"), readers
    )


def _reader(reader: Fields) -> ReaderFacts:
    user, address, path = (reader.text(name) for name in ("user", "address", "path"))
    return ReaderFacts(user, address, path, reader.amount("readers"))


def _program(program: Fields | None) -> ProgramFacts | None:
    if program is None:
        return None
    return ProgramFacts(program.flag("present"), program.flag("whole"), program.sentence("version", ""))


def _generation(generation: Fields) -> Generation:
    try:
        kept = datetime.fromtimestamp(generation.number("at"), UTC)
    except (ValueError, OverflowError, OSError):
        raise UnreadableError(f"{generation.place}.at is no time") from None
    return Generation(generation.text("run"), kept)


def _receipts(answer: Fields) -> tuple[HeldEntry, ...]:
    """The entries in a host's receipts: it keeps fifty, whatever it says."""
    return tuple(_held_entry(entry) for entry in islice(answer.each("receipts"), _MOST_RECEIPTS))


def _entry(entry: Fields | None) -> HeldEntry | None:
    return None if entry is None else _held_entry(entry)


def _held_entry(entry: Fields) -> HeldEntry:
    return HeldEntry(entry.text("run"), entry.number("sequence"), entry.text("head"), entry.text("seal"))


def _address(text: object) -> str:
    """An address without its zone, empty where it is none: a host may say anything.

    One of IPv4 in IPv6's form is that of IPv4: so rules see what comes from it.
    """
    try:
        address = ip_address(text.partition("%")[0]) if isinstance(text, str) else None
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address or "")


def engine_name(versions: list[str]) -> str:
    """The name of the relay engine for every output, from what the programs say of themselves.

    MediaMTX prints `v1.20.1`; the lab's stand-in prints `v1.20.1+standin` and is never called MediaMTX.
    """
    names = sorted({_engine(version) for version in versions if version})
    return ", ".join(names) or "none"


def _engine(version: str) -> str:
    number, _, kind = version.removeprefix("v").partition("+")
    return f"stand-in {number} (not MediaMTX)" if kind == "standin" else f"mediamtx {number}"


def device_value(address: IPv4Address | str, port: int) -> str:
    """A device as the value of an element."""
    return f"{address} . {port}"


def element_of(name: str) -> SetElement | None:
    """The element that a rule's name is one of; None where it names something else, or an element of another set."""
    match = _NAME.fullmatch(name)
    return SetElement(ElementSet(match[1]), match[2]) if match and match[1] in _SETS else None
