"""The path gate: which paths a change touches, and whether they are as good after it as before. Pure.

The rules (docs/apply.md):

- What the plan names is read before and after: a path that gave a decoded key frame before has to give one
  after. One that gave none before decides nothing, unless it is required by name.
- A new path has no before. It is waited for a little, and told when it does not come: a camera that is
  unplugged must not block a rollout. `min_new_up` asks for a share of them.
- What the plan does not name stays as it was: paths with their sources and readers, peers with their
  sessions. A source or two of a large relay may come and go by itself: one in fifty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from provisioner.apply.answer import Look, PathSession, Sessions
from provisioner.base.counted import counted
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.runner import CallOutcome
from provisioner.plan.changes import Action, Change, Impact, Resource
from provisioner.verify.case import Case
from provisioner.verify.evidence import HostEvidence
from provisioner.verify.levels import GATE_LEVELS
from provisioner.verify.wanted import PathToCheck

# Paths that are read because everything on the relay may be touched: so many, spread over the sites.
_SAMPLE = 48
# One in so many may come or go by itself while a change is made.
_BY_ITSELF = 50


@dataclass(frozen=True, slots=True)
class GateRules:
    """How strict the gate is, and how long it waits.

    Attributes:
        patience_s: how long paths that were up before may take to come back.
        settle_s: how long new paths are waited for before they are only told.
        max_lost: the share of paths that were up before and need not come back.
        min_new_up: the share of new paths that have to come up.
        required: paths that have to be up whatever they were before, each a path or the start of one.
    """

    patience_s: float = 60.0
    settle_s: float = 20.0
    max_lost: float = 0.0
    min_new_up: float = 0.0
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change of one host touches.

    Attributes:
        read: pulled paths that are read, those that the plan names before those that are a sample.
        new: of these, those that the relay does not have yet.
        named: every path that the plan names, read or not.
        peers: public keys of the peers that the plan names.
        everything: whether every path of the relay may reconnect by this plan.
        left: paths whose readers the plan ends, some or all of them, without touching the path.
    """

    read: tuple[MediaPath, ...] = ()
    new: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    peers: frozenset[str] = frozenset()
    everything: bool = False
    left: frozenset[str] = frozenset()


def touched_by(spec: HostSpec, changes: Iterable[Change]) -> Touched:
    """What a host's changes touch; nothing on a host without a relay."""
    pending = [c for c in changes if c.host == spec.id and c.action is not Action.NOOP]
    if spec.relay is None or not pending:
        return Touched()
    named = {c.name for c in pending if c.resource is Resource.PATH}
    new = {c.name for c in pending if c.resource is Resource.PATH and c.action is Action.CREATE}
    peers = {c.name for c in pending if c.resource is Resource.PEER}
    sites = {name.removeprefix("site/") for name in peers if name.startswith("site/")}
    devices = _devices(pending)
    direct = [p for p in spec.paths if p.name in named or p.facility in sites or _device(p) in devices]
    everything = any(c.impact is Impact.ALL for c in pending)
    indirect = spec.paths if everything or _touches_rules(pending) else ()
    read = {p.name: p for p in (*direct, *_spread(indirect)) if not p.on_demand}
    return Touched(
        read=tuple(read.values()),
        new=frozenset(new & set(read)),
        named=frozenset(named),
        peers=frozenset(peer.public_key for peer in spec.tunnel.peers if peer.name in peers),
        everything=everything,
        left=frozenset(path for c in pending for path in c.cut.get(spec.id, ())),
    )


def touched_names(spec: HostSpec, names: Iterable[str], removed: Iterable[str]) -> Touched:
    """What is touched where a host itself says which paths differ (a rollback), and which go."""
    named, gone = frozenset(names), frozenset(removed)
    read = tuple(p for p in spec.paths if p.name in named - gone and not p.on_demand)
    return Touched(read=read, named=named, everything=True)


def _devices(pending: Iterable[Change]) -> set[str]:
    prefix = "element cameras "
    return {c.name.removeprefix(prefix) for c in pending if c.resource is Resource.RULE and c.name.startswith(prefix)}


def _device(path: MediaPath) -> str:
    return f"{path.source.address} . {path.source.port}"


def _touches_rules(pending: Iterable[Change]) -> bool:
    """Whether rules change that are no single camera's, or the link of the tunnel: any path may be hit."""
    return any(
        (c.resource is Resource.RULE and not c.name.startswith("element cameras "))
        or (c.resource is Resource.FILE and c.name.endswith("/tunnel.json"))
        for c in pending
    )


def _spread(paths: Sequence[MediaPath]) -> list[MediaPath]:
    """Choose paths one site after the other, so that every site is in a sample before any is in it twice."""
    by_site: dict[str, list[MediaPath]] = defaultdict(list)
    for path in paths:
        if not path.on_demand:
            by_site[path.facility].append(path)
    turns = max((len(of) for of in by_site.values()), default=0)
    ordered = [of[turn] for turn in range(turns) for of in by_site.values() if turn < len(of)]
    return ordered[:_SAMPLE]


# --- what was seen --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathsSeen:
    """One look at a host: which of the read paths gave a picture, why the others did not, and who reads what."""

    up: frozenset[str] = frozenset()
    why_not: Mapping[str, str] = field(default_factory=dict)
    sessions: Sessions | None = None

    def also(self, later: PathsSeen) -> PathsSeen:
        """This look and a later one as one: a picture that was seen once was seen."""
        up = self.up | later.up
        why_not = {name: why for name, why in {**self.why_not, **later.why_not}.items() if name not in up}
        return PathsSeen(up, why_not, later.sessions or self.sessions)


def paths_in(spec: HostSpec, paths: Iterable[MediaPath], look: Look) -> PathsSeen:
    """What a look at a host shows; a path counts as up from level 5, a decoded key frame on the relay.

    Nobody asks here where a picture comes from: a change may move it, and one camera that redirects must not hold up
    all changes of its relay.
    """
    if look.relay is None:
        return PathsSeen(sessions=look.sessions)
    evidence = HostEvidence(spec.id, CallOutcome.ANSWERED, relay=look.relay)
    up, why_not = set(), {}
    for path in paths:
        if path.name not in look.relay.samples:
            continue
        target = PathToCheck(spec, path, ())
        case = Case(target, look.relay, {spec.id: evidence}, {}, frozenset(), None, asks_origin=False)
        checks = [level.check(case) for level in GATE_LEVELS]
        failed = next((c.finding for c in checks if not c.passed and c.finding), None)
        if failed is None:
            up.add(path.name)
        else:
            why_not[path.name] = f"{failed.cause.value}: {failed.detail}" if failed.detail else failed.cause.value
    return PathsSeen(frozenset(up), why_not, look.sessions)


# --- the decision ---------------------------------------------------------------------------------


class GateVerdict(StrEnum):
    """What the gate says."""

    WAIT = "wait"
    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says, why, and what a person should know.

    Attributes:
        waiting: the paths that are worth another look.
        not_up: new paths without a picture.
    """

    verdict: GateVerdict
    cause: str = ""
    notes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    not_up: tuple[str, ...] = ()


def decide(touched: Touched, before: PathsSeen, after: PathsSeen, elapsed_s: float, rules: GateRules) -> Decision:
    """Decide on a host's change.

    Args:
        touched: what the change touches.
        before: the look before the switch.
        after: all looks after it.
        elapsed_s: seconds since the first look after the switch was asked for.
        rules: how strict it is.
    """
    if undeclared := undeclared_changes(touched, before.sessions, after.sessions):
        return Decision(GateVerdict.FAIL, f"undeclared change: {undeclared[0]}", undeclared[1:])
    required = {p.name for p in touched.read if p.name.startswith(rules.required)} if rules.required else set()
    must = ((before.up & {p.name for p in touched.read}) | required) - touched.new
    missing = sorted(must - after.up) + sorted((required & touched.new) - after.up)
    new_missing = sorted(touched.new - required - after.up)
    allowed = 0 if required & set(missing) else int(rules.max_lost * len(must))
    new_needed = rules.min_new_up * len(touched.new)
    enough = len(touched.new & after.up) >= new_needed
    if len(missing) > allowed or not enough:
        if elapsed_s < rules.patience_s:
            return Decision(GateVerdict.WAIT, waiting=(*missing, *new_missing))
        return Decision(GateVerdict.FAIL, _lost(missing, new_missing, after), not_up=tuple(new_missing))
    if new_missing and elapsed_s < rules.settle_s:
        return Decision(GateVerdict.WAIT, waiting=tuple(new_missing))
    notes = [f"new, and gives no picture: {_why(name, after)}" for name in new_missing]
    notes += [f"gave a picture before and gives none now, as allowed: {_why(name, after)}" for name in missing]
    notes += _readers_left(touched, before.sessions, after.sessions)
    return Decision(GateVerdict.PASS, notes=tuple(notes), not_up=tuple(new_missing))


def _lost(missing: Sequence[str], new_missing: Sequence[str], after: PathsSeen) -> str:
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""  # noqa: PLR2004 (what fits a line)
        return f"no picture after the change: {'; '.join(_why(name, after) for name in missing[:3])}{more}"
    return f"no picture of {counted(len(new_missing), 'new path')}: {_why(new_missing[0], after)}"


def _why(name: str, after: PathsSeen) -> str:
    why = after.why_not.get(name, "")
    return f"{name} ({why})" if why else name


# --- nothing undeclared ---------------------------------------------------------------------------


def undeclared_changes(touched: Touched, before: Sessions | None, after: Sessions | None) -> tuple[str, ...]:
    """What changed although the plan does not name it: paths, their sources, all their readers, peers."""
    if touched.everything or before is None or after is None:
        return ()
    return (*_relay_changes(touched, before, after), *_peer_changes(touched, before, after))


def _unnamed(touched: Touched, sessions: Sessions) -> dict[str, PathSession]:
    return {name: path for name, path in (sessions.paths or {}).items() if name not in touched.named}


def _relay_changes(touched: Touched, before: Sessions, after: Sessions) -> list[str]:
    if before.paths is None:
        return []
    if after.paths is None:
        return ["the relay does not answer"]
    if before.started != after.started:
        return ["the relay was restarted"]
    was, now = _unnamed(touched, before), _unnamed(touched, after)
    undeclared = [f"path {name} is gone" for name in sorted(set(was) - set(now))]
    undeclared += [f"path {name} is there, and was not" for name in sorted(set(now) - set(was))]
    direct = {p.name for p in touched.read}
    online = sorted(name for name in was if was[name].online and name in now and name not in direct)
    broken = [name for name in online if not now[name].online or now[name].since != was[name].since]
    if len(broken) > len(online) // _BY_ITSELF:
        undeclared += [f"path {name} lost its source" for name in broken]
    kept = [name for name in online if name not in broken and name not in touched.left]
    readers = {(name, reader) for name in kept for reader in was[name].readers}
    left = {(name, reader) for name, reader in readers if reader not in now[name].readers}
    if readers and left == readers:
        undeclared.append(f"every reader of paths that the plan does not name was cut ({len(left)})")
    return undeclared


def _peer_changes(touched: Touched, before: Sessions, after: Sessions) -> list[str]:
    was = {key: at for key, at in before.peers.items() if key not in touched.peers}
    now = after.peers
    reset = [key for key, at in was.items() if key in now and at and not now[key]]
    return [f"the session of peer {key} was reset" for key in sorted(reset)]


def _readers_left(touched: Touched, before: Sessions | None, after: Sessions | None) -> list[str]:
    if touched.everything or before is None or after is None or not before.paths or not after.paths:
        return []
    was, now = _unnamed(touched, before), _unnamed(touched, after)
    left = sum(len(was[name].readers - now[name].readers) for name in (set(was) & set(now)) - touched.left)
    return [f"{counted(left, 'reader')} of paths that the plan does not name left meanwhile"] if left else []
