"""The plan: basis, changes, totals, and seen items. Pure.

The basis consists of digests: another digest means another plan.

A plan stores its view of each host item by item, to show later differences. It contains no secret: of files and
pre-shared keys it has short prefixes of keyed digests, enough to distinguish them, and too short to guess a password.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, TypeVar

from provisioner import __version__
from provisioner.base.document import Digest, form
from provisioner.base.errors import FrozenFacility, Problem
from provisioner.base.secret import keyed_digest
from provisioner.base.text import canonical_json, msg
from provisioner.desired.render.host import RenderedFile
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.policy_rules.engine import RegoVerdict
from provisioner.plan.change import Action, Audience, Change, Impact, cut_by, pending
from provisioner.plan.diff.comparison import owner_of_path
from provisioner.plan.diff.packages import SitePackageNeed
from provisioner.plan.diff.paths import Quarantined
from provisioner.plan.guards.approvals import ApprovalNeed
from provisioner.plan.guards.policy import PlanRefusal

_K = TypeVar("_K", bound=Hashable)

CENTRES = "centres"  #: Row of centres, which belong to no single carrier; no carrier has this id.
HostItems = Mapping[str, str]  #: States of existing items, e.g. `unit provisioner-nft.service`: `active, enabled`.

_SHORT = 12
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Basis:
    """Basis of a plan, without commit, times, readers, counters and handshakes."""

    inventory: str  #: Digest of the inventory's content.
    templates: str  #: Digest of the templates and the on-host program.
    live: Mapping[str, str]  #: Live digest of each host in the plan.
    version: str = __version__
    desired: Mapping[str, str] = field(default_factory=dict)  #: Digest of each host's desired files.
    #: Digest of each host's changes; MediaMTX's start or a tunnel's port can change without a file or unit.
    planned: Mapping[str, str] = field(default_factory=dict)
    allow: Mapping[str, int] = field(default_factory=dict)  #: Raised limits by name, as reviewed.
    held: tuple[str, ...] = ()
    #: By changing host and operation, the digest of the host's whole call (`hosts.call_rules.call_digest`), so that
    #: exactly this is approved. `host` is the machine's digest (`hosts.call_target.target_digest`).
    requests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The plan's digest."""
        document = asdict(self)
        for name in ("held", "requests"):
            if not document[name]:
                del document[name]
        return _sha256(document)

    @property
    def changing(self) -> dict[str, str]:
        """Digests of changes, by changing host."""
        return {host: digest for host, digest in self.planned.items() if digest != _NOTHING}

    @property
    def meaning(self) -> str:
        """Digest of the plan's effect: desired state and changes of changing hosts.

        It does not contain the commit, edits without effect on these hosts, and facts of other hosts. So an approval
        remains valid if only these differ.
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
    """The older revision."""

    name: str  #: The name as requested.
    commit: Annotated[str, form(pattern="^[0-9a-f]{40,64}$")]
    digest: Digest


@dataclass(frozen=True, slots=True)
class FrozenInPlan:
    """A frozen facility, whose configuration no plan changes."""

    facility: FrozenFacility
    hosts: tuple[str, ...] = ()  #: Readable hosts with its configuration.
    chosen: bool = True  #: Whether the limit selects it; otherwise it is only noted.


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes of the chosen hosts, with no-ops."""

    basis: Basis
    changes: tuple[Change, ...]
    commit: str = ""  #: The inventory's commit, which is not in the digest; empty outside Git.
    left_out: tuple[str, ...] = ()  #: Hosts outside the limit, which were not read.
    outside: tuple[Change, ...] = ()  #: Pending changes of chosen hosts outside the limit.
    carriers: Mapping[str, str] = field(default_factory=dict)  #: The carrier of each relay; other hosts are centres.
    refused: tuple[PlanRefusal, ...] = ()
    uncounted: tuple[str, ...] = ()  #: Hosts with unknown readers.
    #: Errors of unreadable hosts, whose changes are missing.
    unreadable: Mapping[str, str] = field(default_factory=dict)
    #: Unreadable hosts that did not prove that they were managed before; they got no request.
    unproved: tuple[str, ...] = ()
    site_packages: tuple[SitePackageNeed, ...] = ()  #: Sites that need a new package after the apply.
    notes: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()  #: Warnings of the machines, with positions in the inventory's files.
    lacking: tuple[str, ...] = ()  #: Needed programs that an apply from here cannot ship, with the reason.
    #: The revision of a comparison without hosts; such a plan cannot be applied and has no readers.
    against: Against | None = None
    noops_elsewhere: int = 0  #: Number of no-ops on uncompared hosts, which are not in `changes`.
    held: tuple[FrozenInPlan, ...] = ()
    #: Paths that relays do not pull, since their devices refused the password.
    quarantined: tuple[Quarantined, ...] = ()
    approvals: tuple[ApprovalNeed, ...] = ()
    rego: RegoVerdict | None = None

    @property
    def resources(self) -> int:
        """Number of resources, also uncompared ones."""
        return len(self.changes) + self.noops_elsewhere

    @property
    def frozen_in_limit(self) -> tuple[FrozenInPlan, ...]:
        """Frozen facilities in the limit; commands that show them exit with 3."""
        return tuple(entry for entry in self.held if entry.chosen)

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes without no-ops."""
        return pending(self.changes)

    @property
    def is_empty(self) -> bool:
        """Whether all changes are no-ops."""
        return not any(change.pending for change in self.changes)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The changing hosts, sorted."""
        return tuple(sorted({change.host for change in self.pending}))


@dataclass
class TotalsRow:
    """Counts of one carrier, province or facility."""

    hosts: set[str] = field(default_factory=set)
    actions: Counter[Action] = field(default_factory=Counter)
    impact: Impact = Impact.NONE
    viewers: int = 0

    @property
    def severity(self) -> tuple[int, int, int]:
        """Sort key of rows."""
        return self.impact.rank, self.viewers, sum(self.actions.values())

    def add(self, change: Change) -> None:
        """Count a change."""
        self.hosts.add(change.host)
        self.actions[change.action] += 1
        self.impact = max(self.impact, change.impact, key=lambda impact: impact.rank)

    def document(self) -> dict[str, object]:
        """Return the row in a plan's document."""
        counts = {action.value: self.actions[action] for action in Action if action is not Action.NOOP}
        return {**counts, "hosts": len(self.hosts), "impact": self.impact.value, "viewers": self.viewers}


@dataclass(frozen=True)
class Totals:
    """A plan's totals; each reader counts once."""

    carriers: Mapping[str, TotalsRow]
    provinces: Mapping[str, TotalsRow]
    facilities: Mapping[tuple[str, str], TotalsRow]
    cut: Audience
    worst: Impact

    @property
    def viewers(self) -> int:
        """Number of cut live readers."""
        return sum(sum(paths.values()) for paths in self.cut.values())


def _sha256(document: object) -> str:
    return "sha256:" + hashlib.sha256(canonical_json(document)).hexdigest()


def planned_digest(pending: Iterable[Change]) -> str:
    """Return a digest of a host's pending changes, without readers."""
    return _sha256(sorted([c.resource.value, c.name, c.action.value, c.impact.value, c.reason] for c in pending))


_NOTHING = planned_digest(())


def desired_digest(spec: HostSpec, files: Iterable[RenderedFile]) -> str:
    """Return a keyed digest of a host's secret files and program checksums."""
    programs = program_sums(spec)
    state = hashlib.sha256(canonical_json(programs) if programs else b"")
    for file in sorted(files, key=lambda file: file.path):
        head = f"{file.path}\0{file.mode:o}\0{file.owner}:{file.group}\0{len(file.content)}\0"
        state.update(head.encode() + file.content)
    return keyed_digest(spec.digest_key, state.digest())


def program_sums(spec: HostSpec) -> dict[str, str]:
    """Return MediaMTX's checksums by architecture, if the host has it."""
    return {str(arch): sha256 for arch, sha256 in spec.media.artefact.sha256.items()} if spec.media else {}


def totals_of(changes: Iterable[Change], carriers: Mapping[str, str]) -> Totals:
    """Count a plan's pending changes; hosts outside `carriers` are centres."""
    changes = list(changes)
    cut = cut_by(changes)
    by_carrier = _totals_rows(changes, lambda change: carriers.get(change.host) or CENTRES)
    by_province = _totals_rows((c for c in changes if c.province), lambda change: change.province)
    by_facility = _totals_rows((c for c in changes if c.facility), lambda change: (change.province, change.facility))
    for relay, paths in cut.items():
        for path, viewers in paths.items():
            province, facility = owner_of_path(path)
            by_carrier.setdefault(carriers.get(relay) or CENTRES, TotalsRow()).viewers += viewers
            if facility:
                by_province.setdefault(province, TotalsRow()).viewers += viewers
                by_facility.setdefault((province, facility), TotalsRow()).viewers += viewers
    worst = max((c.impact for c in changes), key=lambda impact: impact.rank, default=Impact.NONE)
    return Totals(_ordered(by_carrier), _ordered(by_province), _ordered(by_facility), cut, worst)


def _totals_rows(changes: Iterable[Change], key: Callable[[Change], _K]) -> dict[_K, TotalsRow]:
    rows: dict[_K, TotalsRow] = {}
    for change in changes:
        rows.setdefault(key(change), TotalsRow()).add(change)
    return rows


def _ordered(rows: Mapping[_K, TotalsRow]) -> dict[_K, TotalsRow]:
    return dict(sorted(rows.items()))


def items_of(facts: HostFacts, names: Mapping[str, str] | None = None) -> HostItems:
    """Return the facts of a host's live digest, with named peers."""
    items = (
        *_files(facts),
        *_unit_texts(facts),
        *_tunnel_texts(facts, names or {}),
        *_rule_texts(facts),
        *_other_texts(facts),
    )
    return dict(sorted(items))


def moved_items(then: HostItems, now: HostItems) -> list[str]:
    """Return differing items, with both states."""
    moved = []
    for item in sorted(then.keys() | now.keys()):
        before, after = then.get(item), now.get(item)
        if before == after:
            continue
        if before is None:
            moved.append(msg("{item} was not there and is {is_now}", item, after))
        elif after is None:
            moved.append(msg("{item} was {was} and is gone", item, before))
        else:
            moved.append(msg("{item} was {was} and is {is_now}", item, before, after))
    return moved


def first_few(items: list[str]) -> str:
    """Return the first items, and the number of others, as text."""
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


def _unit_texts(facts: HostFacts) -> Iterator[tuple[str, str]]:
    for name, unit in facts.units.items():
        parts = [unit["active"], unit["enabled"]]
        parts += ["its file not read by systemd"] if unit["reload"] else []
        parts += [msg("overridden by {path}", path) for path in unit["drop_ins"]]
        yield msg("unit {name}", name), ", ".join(parts)


def _tunnel_texts(facts: HostFacts, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
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
        text = msg(
            "allowed IPs {allowed}, keepalive {keepalive_s}, pre-shared key {psk}",
            allowed,
            peer["keepalive_s"] or "off",
            psk,
        )
        yield f"peer {names.get(key, f'unknown/{key}')}", text


def _rule_texts(facts: HostFacts) -> Iterator[tuple[str, str]]:
    texts = {"create": "missing", "update": "another one", "delete": "one that should not be there"}
    if facts.firewall["differences"] and not facts.firewall["present"]:
        yield "rule table inet provisioner", "missing"
        return
    for difference in facts.firewall["differences"]:
        yield msg("rule {name}", difference["name"]), texts[difference["action"]]


def _other_texts(facts: HostFacts) -> Iterator[tuple[str, str]]:
    if facts.program is not None:
        state = "whole" if facts.program["whole"] else "not whole" if facts.program["present"] else "not installed"
        yield "program MediaMTX", f"{facts.program['version'] or 'no version'}, {state}"
    if facts.armed is not None:
        yield "change", msg("waiting for the confirmation of run {run}", facts.armed["run"])


def saved_items(document: Mapping[str, Mapping[str, object]]) -> dict[str, HostItems]:
    """Return a saved plan's seen items, by host."""
    return {str(host): {str(k): str(v) for k, v in items.items()} for host, items in document.items()}
