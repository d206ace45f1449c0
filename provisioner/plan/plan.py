"""The plan: its basis, its changes, its totals, and items seen. Pure.

The basis is digests: with another one of these it is another plan.

A plan keeps, item by item, its view of a host, so that a host that moved can say what moved. No secret is in it: files
and pre-shared keys are there as the beginnings of keyed digests, enough to tell two apart, and not enough to guess a
password from.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from provisioner import __version__
from provisioner.base.errors import Problem
from provisioner.base.frozen import HeldFacility
from provisioner.base.secret import keyed_digest
from provisioner.base.text import canonical_json, msg
from provisioner.desired.render.host import RenderedFile
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.policy_rules.engine import RegoVerdict
from provisioner.plan.change import Action, Audience, Change, Impact, cut_by, pending
from provisioner.plan.diff import Quarantined, SitePackageNeed
from provisioner.plan.diff.comparison import owner_of_path
from provisioner.plan.guards.approvals import ApprovalNeed
from provisioner.plan.guards.policy import PlanRefusal

_K = TypeVar("_K", bound=Hashable)

CENTRES = "centres"
"""The row of monitoring centres, which belong to no single carrier; no carrier has this id."""

HostItems = Mapping[str, str]
"""Item to what it was, e.g. `unit provisioner-nft.service` to `active, enabled`; what is not there has no item."""

_SHORT = 12
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan rests on. Commit, times, viewers, counters and handshakes are not in it.

    Attributes:
        inventory: digest of the inventory's content.
        templates: digest of the templates and the on-host program.
        live: each host's live digest; these hosts and no others are in the plan.
        version: of this program.
        desired: each host's digest over the files that it should hold.
        planned: each host's digest over what is to be done there: what a relay runs on, or a tunnel's port, may
            move without a file or a unit.
        allow: limits that were raised for this plan, by name: what was reviewed is what is allowed.
        held: the facilities that were held: nothing of them is in the plan.
        requests: by host that changes, and by operation, the digest over the whole call that the host gets
            (`hosts.call_rules.call_digest`): nothing else is approved than what the host reads. `host` is the digest
            of which machine that is (`hosts.call_target.target_digest`).
    """

    inventory: str
    templates: str
    live: Mapping[str, str]
    version: str = __version__
    desired: Mapping[str, str] = field(default_factory=dict)
    planned: Mapping[str, str] = field(default_factory=dict)
    allow: Mapping[str, int] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    requests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The plan's digest: one over all of it."""
        document = asdict(self)
        for name in ("held", "requests"):
            if not document[name]:
                del document[name]
        return _sha256(document)

    @property
    def changing(self) -> dict[str, str]:
        """By host that changes, the digest over what is to be done there."""
        return {host: digest for host, digest in self.planned.items() if digest != _NOTHING}

    @property
    def meaning(self) -> str:
        """A digest over what is done: on the hosts that change what they are to hold and each change, and with what.

        Another commit, an edit that moves nothing on those hosts and what is seen of hosts that do not change are not
        in it, so that what was approved stays approved where only those are others.
        """
        changing = self.changing
        return _sha256(
            {
                "templates": self.templates,
                "version": self.version,
                "desired": {host: self.desired.get(host, "") for host in changing},
                "planned": changing,
                "allow": self.allow,
                "held": self.held,
            }
            | ({"requests": self.requests} if self.requests else {})
        )


@dataclass(frozen=True, slots=True)
class Against:
    """The older revision that a plan without hosts was compared with.

    Attributes:
        name: as it was asked for.
        digest: of the inventory's content then.
    """

    name: str
    commit: str
    digest: str


@dataclass(frozen=True, slots=True)
class HeldInPlan:
    """A facility that is held: what hosts have of it is no part of a plan.

    Attributes:
        hosts: of those that were read, the ones that have something of it.
        chosen: whether a limit takes it; where none does, it is said as a note.
    """

    facility: HeldFacility
    hosts: tuple[str, ...] = ()
    chosen: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change of the chosen hosts, no-ops included.

    Attributes:
        commit: the inventory's commit, shown and not in the digest; empty outside Git.
        left_out: hosts that a limit leaves out; they were not read.
        outside: pending changes of chosen hosts that the limit does not name.
        carriers: the carrier of each relay; what is not in it is a centre.
        refused: why it is not to be applied as it stands.
        uncounted: hosts of which it is not known who watches.
        unreadable: hosts that could not be read, and why: their changes are not in the plan.
        unproved: those of them that did not prove that they were managed before; nothing was sent to them.
        site_packages: the sites whose gateways need a new package once this is applied.
        notes: what else a reader has to know, e.g. what could not be checked.
        warnings: what the machines themselves have against it, each with its place in the inventory's files.
        lacking: programs that changes need and that an apply from here would not ship, each with why.
        against: the revision that was compared with instead of hosts; such a plan cannot be applied, and knows
            of no viewers.
        noops_elsewhere: how many no-ops there are on hosts that need not be compared; they are not among the changes.
        held: facilities with errors of their own: nothing of them changes.
        quarantined: paths that relays do not pull, since their devices refuse the password.
        approvals: who has to approve it before it is applied.
        rego: what Rego rules said of it; None where none was asked.
    """

    basis: Basis
    changes: tuple[Change, ...]
    commit: str = ""
    left_out: tuple[str, ...] = ()
    outside: tuple[Change, ...] = ()
    carriers: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[PlanRefusal, ...] = ()
    uncounted: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unproved: tuple[str, ...] = ()
    site_packages: tuple[SitePackageNeed, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lacking: tuple[str, ...] = ()
    against: Against | None = None
    noops_elsewhere: int = 0
    held: tuple[HeldInPlan, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    approvals: tuple[ApprovalNeed, ...] = ()
    rego: RegoVerdict | None = None

    @property
    def resources(self) -> int:
        """How many resources were compared, or need not be."""
        return len(self.changes) + self.noops_elsewhere

    @property
    def held_back(self) -> tuple[HeldInPlan, ...]:
        """What is held of what was chosen: the plan did without it, and a command that shows it ends with 3."""
        return tuple(one for one in self.held if one.chosen)

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that are no no-ops."""
        return pending(self.changes)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but no-ops."""
        return not any(change.pending for change in self.changes)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that change, in order."""
        return tuple(sorted({change.host for change in self.pending}))


@dataclass
class TotalsRow:
    """What is done with the resources of one carrier, province or facility, and whom it cuts."""

    hosts: set[str] = field(default_factory=set)
    actions: Counter[Action] = field(default_factory=Counter)
    impact: Impact = Impact.NONE
    viewers: int = 0

    @property
    def severity(self) -> tuple[int, int, int]:
        """What rows are ordered by."""
        return self.impact.rank, self.viewers, sum(self.actions.values())

    def add(self, change: Change) -> None:
        """Count a change."""
        self.hosts.add(change.host)
        self.actions[change.action] += 1
        self.impact = max(self.impact, change.impact, key=lambda impact: impact.rank)

    def document(self) -> dict[str, object]:
        """The row as it stands in a plan's document."""
        counts = {action.value: self.actions[action] for action in Action if action is not Action.NOOP}
        return {**counts, "hosts": len(self.hosts), "impact": self.impact.value, "viewers": self.viewers}


@dataclass(frozen=True)
class Totals:
    """A plan's totals; a viewer is counted once, however many changes cut the path.

    Attributes:
        cut: live readers that are cut, by relay and path.
        worst: the worst impact of all.
    """

    carriers: Mapping[str, TotalsRow]
    provinces: Mapping[str, TotalsRow]
    facilities: Mapping[tuple[str, str], TotalsRow]
    cut: Audience
    worst: Impact

    @property
    def viewers(self) -> int:
        """How many live readers are cut."""
        return sum(sum(paths.values()) for paths in self.cut.values())


def _sha256(document: object) -> str:
    return "sha256:" + hashlib.sha256(canonical_json(document)).hexdigest()


def planned_digest(pending: Iterable[Change]) -> str:
    """A digest over a host's pending changes; viewers are not in it."""
    return _sha256(sorted([c.resource.value, c.name, c.action.value, c.impact.value, c.reason] for c in pending))


_NOTHING = planned_digest(())


def desired_digest(spec: HostSpec, files: Iterable[RenderedFile]) -> str:
    """A digest over all that a host should hold: its files, and the checksums of its program by architecture.

    It is keyed, as some of that is secret.
    """
    programs = program_sums(spec)
    state = hashlib.sha256(canonical_json(programs) if programs else b"")
    for file in sorted(files, key=lambda file: file.path):
        head = f"{file.path}\0{file.mode:o}\0{file.owner}:{file.group}\0{len(file.content)}\0"
        state.update(head.encode() + file.content)
    return keyed_digest(spec.digest_key, state.digest())


def program_sums(spec: HostSpec) -> dict[str, str]:
    """The checksums of a host's MediaMTX by architecture; none of a host that has no MediaMTX."""
    return {str(arch): sha256 for arch, sha256 in spec.media.artefact.sha256.items()} if spec.media else {}


def totals_of(changes: Iterable[Change], carriers: Mapping[str, str]) -> Totals:
    """Count a plan's pending changes.

    Args:
        changes: the pending ones.
        carriers: the carrier of each relay; a host that is not in it is a centre.
    """
    changes = list(changes)
    cut = cut_by(changes)
    by_carrier = _rows(changes, lambda change: carriers.get(change.host) or CENTRES)
    by_province = _rows((c for c in changes if c.province), lambda change: change.province)
    by_facility = _rows((c for c in changes if c.facility), lambda change: (change.province, change.facility))
    for relay, paths in cut.items():
        for path, viewers in paths.items():
            province, facility = owner_of_path(path)
            by_carrier.setdefault(carriers.get(relay) or CENTRES, TotalsRow()).viewers += viewers
            if facility:
                by_province.setdefault(province, TotalsRow()).viewers += viewers
                by_facility.setdefault((province, facility), TotalsRow()).viewers += viewers
    worst = max((c.impact for c in changes), key=lambda impact: impact.rank, default=Impact.NONE)
    return Totals(_ordered(by_carrier), _ordered(by_province), _ordered(by_facility), cut, worst)


def _rows(changes: Iterable[Change], key: Callable[[Change], _K]) -> dict[_K, TotalsRow]:
    rows: dict[_K, TotalsRow] = {}
    for change in changes:
        rows.setdefault(key(change), TotalsRow()).add(change)
    return rows


def _ordered(rows: Mapping[_K, TotalsRow]) -> dict[_K, TotalsRow]:
    return dict(sorted(rows.items()))


def seen_of(facts: HostFacts, names: Mapping[str, str] | None = None) -> HostItems:
    """What of a host's facts its live digest rests on, in words.

    Args:
        facts: what was read.
        names: peers by public key; one that is not in it is told by its key.
    """
    items = (*_files(facts), *_units(facts), *_tunnel(facts, names or {}), *_rules(facts), *_others(facts))
    return dict(sorted(items))


def moved_items(then: HostItems, now: HostItems) -> list[str]:
    """Name what moved, with what the plan had and what is there now."""
    moved = []
    for item in sorted(then.keys() | now.keys()):
        was, is_now = then.get(item), now.get(item)
        if was == is_now:
            continue
        if was is None:
            moved.append(msg("{item} was not there and is {is_now}", item, is_now))
        elif is_now is None:
            moved.append(msg("{item} was {was} and is gone", item, was))
        else:
            moved.append(msg("{item} was {was} and is {is_now}", item, was, is_now))
    return moved


def first_few(items: list[str]) -> str:
    """A list as one text: the first few, and how many more there are."""
    more = ("; " + msg("and {items} more", len(items) - _LISTED)) if len(items) > _LISTED else ""
    return "; ".join(items[:_LISTED]) + more


def _files(facts: HostFacts) -> Iterator[tuple[str, str]]:
    for path, file in facts.files.items():
        yield (
            f"file {path}",
            msg(
                "content {digest}, {mode} {owner}:{group}",
                _short(file["digest"]),
                f"{file['mode']:04o}",
                file["owner"],
                file["group"],
            ),
        )


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:_SHORT]


def _units(facts: HostFacts) -> Iterator[tuple[str, str]]:
    for name, unit in facts.units.items():
        words = [unit["active"], unit["enabled"]]
        words += ["its file not read by systemd"] if unit["reload"] else []
        words += [msg("overridden by {path}", path) for path in unit["drop_ins"]]
        yield msg("unit {name}", name), ", ".join(words)


def _tunnel(facts: HostFacts, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    live = facts.tunnel
    if live is None:
        return
    routes = " ".join(live["routes"]) or "none"
    addresses = " ".join(live["addresses"]) or "none"
    yield (
        "tunnel",
        msg(
            "{addresses}, MTU {mtu}, routes {routes}, key {public_key}",
            addresses,
            live["mtu"],
            routes,
            live["public_key"][:_SHORT],
        ),
    )
    for key, peer in live["peers"].items():
        psk = _short(peer["psk"]) if peer["psk"] else "none"
        allowed = " ".join(peer["allowed_ips"]) or "none"
        words = msg(
            "allowed IPs {allowed}, keepalive {keepalive_s}, pre-shared key {psk}",
            allowed,
            peer["keepalive_s"] or "off",
            psk,
        )
        yield f"peer {names.get(key, f'unknown/{key}')}", words


def _rules(facts: HostFacts) -> Iterator[tuple[str, str]]:
    words = {"create": "missing", "update": "another one", "delete": "one that should not be there"}
    if facts.firewall["differences"] and not facts.firewall["present"]:
        yield "rule table inet provisioner", "missing"
        return
    for difference in facts.firewall["differences"]:
        yield msg("rule {name}", difference["name"]), words[difference["action"]]


def _others(facts: HostFacts) -> Iterator[tuple[str, str]]:
    if facts.program is not None:
        state = "whole" if facts.program["whole"] else "not whole" if facts.program["present"] else "not installed"
        yield "program MediaMTX", f"{facts.program['version'] or 'no version'}, {state}"
    if facts.armed is not None:
        yield "change", msg("waiting for the confirmation of run {run}", facts.armed["run"])


def seen_in(document: Mapping[str, Mapping[str, object]]) -> dict[str, HostItems]:
    """What a saved plan saw, by host."""
    return {str(host): {str(k): str(v) for k, v in items.items()} for host, items in document.items()}
