"""The path gate: whether a change made a host worse. Pure.

The rules (docs/daily/apply.md):

- A path in the plan is read before and after. If it gave a decoded key frame before, it has to give one after, and
  still at the end of the watch. If not, it decides only if required by name.
- A new path is waited for a little, then only reported: an unplugged camera must not block a rollout. `min_new_up`
  requires a share of them.
- All else stays as it was. Different configuration fails at once. A lost stream is waited for; it counts if it stays
  away without a cause of its own.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from provisioner.base.text import counted
from provisioner.hosts.answers import wire
from provisioner.operations.rollout import affected
from provisioner.operations.rollout.affected_paths import Touched
from provisioner.operations.rollout.answers import Watch

# The least time for a path that is lost while the gate waits for others, even after its patience.
_LATE_S = 30.0
# The first looks come quickly; each one that follows is a connection more to a host that is well.
_LOOK_AGAIN_S, _LOOK_LATER_S, _LATER_S = 1.0, 3.0, 10.0
_PORTS = 200
#: The time of a host's watch after its switch. A still stream shows after two seconds (`watch.py`), a first look over a
#: new connection takes half a second. A source dialled anew is up, or refused, well before.
WATCH_S: Final = 2.5


@dataclass(frozen=True, slots=True)
class GateRules:
    """Strictness and patience of the gate."""

    patience_s: float = 60.0  #: How long paths that were up may take to come back.
    settle_s: float = 20.0  #: How long the plan's other dark paths are waited for before they are only reported.
    max_lost: float = 0.0
    min_new_up: float = 0.0
    required: tuple[str, ...] = ()  #: Paths, or their beginnings, that have to be up in any case.
    #: Earliest time of the last look after the switch, or after the first look if the switch is unknown.
    watch_s: float = WATCH_S


class GateVerdict(StrEnum):
    """Verdict of the gate."""

    WAIT = "wait"
    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's verdict with cause and notes."""

    verdict: GateVerdict
    cause: str = ""
    notes: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    again_s: float = _LOOK_AGAIN_S  #: Seconds until it.
    is_good: bool = False  #: Whether only the watch goes on, or the gate has passed.
    not_up: tuple[str, ...] = ()  #: The plan's new or formerly dark paths without a picture.


def decide(
    touched: Touched, watch: Watch, elapsed_s: float, rules: GateRules, *, unread: Collection[str] = ()
) -> Decision:
    """Decide on a host's change; `unread` paths delay only a pass."""
    if undeclared := affected.undeclared_changes(touched, watch):
        return Decision(GateVerdict.FAIL, f"undeclared change: {undeclared[0]}", undeclared[1:])
    unnamed = affected.unnamed_streams(touched, watch)
    if not touched.everything and (together := affected.more_than_chance(unnamed, watch)):
        return Decision(GateVerdict.FAIL, f"undeclared change: {together}")
    return _Question(touched, watch, unnamed, elapsed_s, rules, unread=unread).decision()


class _Question:
    """Decides whether required paths are up, or are to be waited for."""

    def __init__(
        self,
        touched: Touched,
        watch: Watch,
        unnamed: Mapping[str, wire.SessionAnswer],
        elapsed_s: float,
        rules: GateRules,
        *,
        unread: Collection[str],
    ) -> None:
        self.touched, self.watch, self.unnamed, self.elapsed_s, self.rules = touched, watch, unnamed, elapsed_s, rules
        names = {path.name for path in touched.read}
        self.unread = names & set(unread)
        self.required = {n for n in names if n.startswith(rules.required)} if rules.required else set()
        # One of many that had lost its stream before the switch did not lose it by the switch.
        before = watch.before.sessions
        lost_before = set((before["paths"] if before else None) or ()) - set(watch.steady) - touched.direct
        self.must = ((watch.before.up & names - lost_before) | self.required) - touched.new
        self.own = affected.own_causes(touched, watch)
        self.missing = {n for n in self.must - watch.up - self.unread if not self._is_excused(n)}
        self.new_missing = touched.new - watch.up - self.unread
        # The plan may be meant to bring up a named path: the gate waits for it as for a new one, and does not return
        # the host.
        self.dark = (touched.named & names) - self.must - touched.new - watch.up - self.unread
        self.lost = {n: absence for n, absence in affected.lost_at_switch(unnamed, watch).items() if n not in self.own}
        self.left, self.nobody_reads = affected.readers_left(touched, watch)

    def decision(self) -> Decision:
        if cause := self._failure_cause():
            return Decision(GateVerdict.FAIL, cause, not_up=self._not_up())
        waits = len(self.missing) > self._allowed() or self._lacks_new() or len(self.lost) > self._allowed_lost()
        waits = waits or self.nobody_reads or self._is_silent() or self._has_stopped_reporting()
        settles = self._not_up() and self.elapsed_s < self.rules.settle_s
        unproved = self._paths_without_new_picture() | self.unread
        if not (waits or settles or unproved or self._too_soon()):
            return Decision(GateVerdict.PASS, notes=tuple(self._gate_notes()), is_good=True, not_up=self._not_up())
        is_urgent = waits or bool(settles)
        again_s = self._again_s(urgent=is_urgent)
        read = self.missing | self.new_missing | self.dark
        if not is_urgent or self.elapsed_s + again_s >= self.rules.watch_s:
            read |= unproved
        absent = tuple(self._tried())
        return Decision(GateVerdict.WAIT, read=tuple(sorted(read)), away=absent, again_s=again_s, is_good=not is_urgent)

    def _not_up(self) -> tuple[str, ...]:
        return tuple(sorted(self.new_missing | self.dark))

    def _again_s(self, *, urgent: bool) -> float:
        if not urgent:
            return max(0.0, self.rules.watch_s - self.elapsed_s)
        return _LOOK_AGAIN_S if self.elapsed_s < _LATER_S else _LOOK_LATER_S

    def _is_excused(self, name: str) -> bool:
        """Return whether a dark path has a cause of its own.

        A path of the plan must have given a picture at the end of the watch. A sampled path has the excuses of unread
        ones, and its later failures are its own.
        """
        absence = self.watch.absent.get(name)
        if absence is None or name in self.required:
            return False
        proved = self._is_proved(name)
        if name in self.touched.direct | self.touched.named:
            return proved and name in self.own
        return name in self.own or (proved and not absence.at_switch)

    def _is_proved(self, name: str) -> bool:
        reading = self.watch.readings.get(name)
        return reading is not None and reading.good_s is not None and reading.good_s >= self.rules.watch_s

    # --- absent paths -----------------------------------------------------------------------------

    def _allowed(self) -> int:
        return 0 if self.required & self.missing else int(self.rules.max_lost * len(self.must))

    def _lacks_new(self) -> bool:
        up = len(self.touched.new & (self.watch.up | self.unread))
        return up < self.rules.min_new_up * len(self.touched.new) or bool(self.required & self.new_missing)

    def _allowed_lost(self) -> int:
        """Return the allowed lost streams: 0 unless any path may be hit."""
        any_path = self.touched.everything or self.touched.bars or self.touched.link
        return int(self.rules.max_lost * len(self.unnamed)) if any_path else 0

    def _too_soon(self) -> bool:
        """Return whether running programs may still fail on new configuration."""
        return self.touched.live and (self.watch.asked_s or 0.0) < self.rules.watch_s

    def _paths_without_new_picture(self) -> set[str]:
        """Return paths whose picture is older than the end of the watch."""
        if not self.touched.live:
            return set()
        readings = self.watch.readings
        return {n for n in self.must & self.watch.up if readings[n].asked_s < self.rules.watch_s}

    def _tried(self) -> Iterable[str]:
        """Return absent paths without a cause, to try their devices."""
        excusable = (n for n in self.watch.absent if n in self.unnamed or self._is_proved(n))
        return sorted(n for n in excusable if n not in self.own)[:_PORTS]

    # --- vain waits -------------------------------------------------------------------------------
    def _failure_cause(self) -> str:
        late = {n for n in self.missing if self.elapsed_s >= min(self._dark_since(n), _LATE_S) + self.rules.patience_s}
        if len(late) > self._allowed() or (self._lacks_new() and self.elapsed_s >= self.rules.patience_s):
            return self._no_picture_text(sorted(late) + sorted(self.required & self.new_missing))
        patience = max(self.rules.patience_s, affected.OWN_S)
        lasting = {n for n, absence in self.lost.items() if self.elapsed_s >= absence.since_s + patience}
        if len(lasting) > self._allowed_lost():
            return f"undeclared change: {self._lost_source_text(lasting)}"
        if self.nobody_reads and self.elapsed_s >= patience:
            return f"undeclared change: every reader of paths that the plan does not name was cut ({self.left})"
        if self._has_stopped_reporting() and self.elapsed_s >= patience:
            return "the host does not say what became of its paths since the switch"
        silent = (
            self.watch.last is not None and self.watch.last["paths"] is None and self.watch.before.sessions is not None
        )
        if silent and self.touched.everything and self.watch.before.up and self.elapsed_s >= patience:
            return "the relay does not answer"
        return ""

    def _is_silent(self) -> bool:
        """Return whether a relay stopped answering; it may be restarting."""
        before, last = self.watch.before.sessions, self.watch.last
        return last is not None and last["paths"] is None and before is not None and before["paths"] is not None

    def _has_stopped_reporting(self) -> bool:
        before = self.watch.before.sessions
        return before is not None and before["paths"] is not None and self.watch.last is None

    def _dark_since(self, name: str) -> float:
        reading, absence = self.watch.readings.get(name), self.watch.absent.get(name)
        if reading is not None and not reading.up:
            return reading.dark_s
        return absence.since_s if absence is not None else 0.0

    def _lost_source_text(self, names: Collection[str]) -> str:
        first = min(names)
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        port = self.watch.absent[first].port
        tried = f" (its device: {port})" if port else ""
        return f"path {first} lost its source and stays without one{tried}{more}"

    def _no_picture_text(self, missing: list[str]) -> str:
        if not missing:
            new = sorted(self.new_missing)
            return f"no picture of {counted(len(new), 'new path')}: {self._why(new[0])}"
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""  # noqa: PLR2004 (what fits a line)
        return f"no picture after the change: {'; '.join(map(self._why, missing[:3]))}{more}"

    def _why(self, name: str) -> str:
        if self._is_unconnected(name):
            return f"{name} (its gateway has not connected to this relay yet)"
        reason = self.watch.why_not.get(name, "") or ("it lost its source" if name in self.watch.absent else "")
        return f"{name} ({reason})" if reason else name

    def _is_unconnected(self, name: str) -> bool:
        """Return whether a path's gateway has never dialled this relay."""
        served, last = self.touched.served, self.watch.last
        path = served.paths.get(name)
        peer = last["peers"].get(served.peers.get(path.facility, "")) if path and last else None
        return peer is not None and not peer["handshake"]

    # --- what a person should know ----------------------------------------------------------------
    def _gate_notes(self) -> Iterable[str]:
        """Yield what a person should know of paths that are not up."""
        yield from (f"new, and gives no picture: {self._why(name)}" for name in sorted(self.new_missing))
        yield from (f"gave no picture before and gives none now: {self._why(name)}" for name in sorted(self.dark))
        for name in sorted(self.missing):
            yield f"gave a picture before and gives none now, as allowed: {self._why(name)}"
        back = self.watch.back & set(self.unnamed)
        if back and not self.touched.everything:
            unnamed_paths = f"{counted(len(back), 'path')} that the plan does not name"
            yield f"{unnamed_paths} reconnected meanwhile: {affected.listed_paths(back)}"
        absent = {n: a for n, a in self.watch.absent.items() if n in self.unnamed}
        yield from (
            f"lost its source by itself: {name} ({self.own[name]})" for name in sorted(absent) if name in self.own
        )
        for name in sorted(n for n in absent if n in self.lost):
            yield f"had a source before and has none now, as allowed: {name}"
        if later := {n for n, a in absent.items() if n not in self.own and not a.at_switch}:
            yield f"{counted(len(later), 'path')} lost the source long after the switch: {affected.listed_paths(later)}"
        if self.left:
            yield f"{counted(self.left, 'reader')} of paths that the plan does not name left meanwhile"
