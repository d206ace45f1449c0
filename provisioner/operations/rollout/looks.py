"""The looks at one host after its switch: times, paths, verdicts."""

from dataclasses import replace
from math import ceil

from provisioner.desired.spec import MediaPath
from provisioner.operations.rollout.affected_paths import touched_names
from provisioner.operations.rollout.answers import ChangeReport, GateResult, Look, Watch, paths_in
from provisioner.operations.rollout.gate import Decision, GateRules, GateVerdict, decide
from provisioner.operations.rollout.job import RETURN_S, Job, LookOrder, RolloutOptions

# A confirmation later than this after the first look needs another new connection.
_ANEW_S = 10.0
# A look is sent so long before it is to begin: what takes it to the host and starts there goes on meanwhile.
_EARLY_S = 0.3
# Paths whose picture the last look asks for are read so long before its moment: a camera sends a key frame a second,
# and to see which paths flow and to start what reads takes the rest. At the moment their streams have to flow still.
_READ_EARLY_S = 1.7
# The tolerance between two sums of the same seconds.
_TICK_S = 0.001


class Looks:
    """The looks at one host, from its switch to the gate's verdict."""

    def __init__(self, job: Job, options: RolloutOptions) -> None:
        self._job, self._options, self._rules = job, options, options.gate
        self.watch = Watch()
        self.is_good = False
        self.not_up: tuple[str, ...] = ()  #: The plan's paths without a picture in it.
        self.wait_s = 0.0  #: How long the host waits with the last requested look.
        self.held_s = 0.0  #: The delay of the next look's call.
        self._touched = job.touched
        # The paths that no look has been asked to read yet.
        self._unread: frozenset[str] = frozenset()
        self._next: Decision | None = None
        self._since: float | None = None
        # The time of the first unanswered look.
        self._unseen_since: float | None = None
        # When the last one was asked for, and when the next one is to begin.
        self._asked = self._at = 0.0
        self._early_s = _EARLY_S
        # The time of the switch by the host's clock, or None; and the delay of its look.
        self._switched: float | None = None
        self._after_s = 0.0

    @property
    def are_gated(self) -> bool:
        """Whether the gate decides on them; else they only renew the switch."""
        return self._rules is not None and self._job.spec.relay is not None

    @property
    def took_long(self) -> bool:
        """Whether a new connection is needed to prove that one is possible."""
        return self._since is not None and self._options.clock() - self._since > _ANEW_S

    @property
    def are_in_vain(self) -> bool:
        """Whether answers are missing for longer than the gate waits."""
        if self._unseen_since is None or self._rules is None:
            return False
        return self._options.clock() - self._unseen_since > max(self._rules.patience_s, RETURN_S)

    def begin(self, report: ChangeReport, heard: float, *, is_waited_for: bool) -> None:
        """Begin, also again, with a report of the switch."""
        spec, watch_s = self._job.spec, self._rules.watch_s if self._rules is not None else 0.0
        if self._job.rollback is not None:
            self._touched = touched_names(spec, report.affected, report.removed)
        self.watch = Watch.since(paths_in(spec, self._touched.read, report.before), self._touched.served)
        reads_late = self._touched.live and not is_waited_for and self._next is None and watch_s > 0
        self._unread = frozenset(path.name for path in self._touched.read) if reads_late else frozenset()
        if report.switched is not None and self.are_gated:
            self._switched, self._since = report.switched, heard
            # Without a wait for the first look both go in one call, at once: it uses a new connection.
            self._at = heard + watch_s if reads_late else 0.0

    def renew(self) -> None:
        """Send the next look at once."""
        self._at, self.held_s = 0.0, 0.0

    def order(self) -> LookOrder:
        """Return the next look, timed by the host's clock if possible."""
        self._asked, self.held_s = self._options.clock() + self.held_s, 0.0
        left_s = self._at - self._asked
        self.wait_s = ceil(left_s * 1000) / 1000 + _TICK_S if left_s > 0 else 0.0
        self._since = self._asked if self._since is None else self._since
        self._unseen_since = self._asked if self._unseen_since is None else self._unseen_since
        order = LookOrder(self._paths_to_read(), self._away(), self.wait_s, min(self.wait_s, _READ_EARLY_S))
        self._after_s = 0.0
        if not self.wait_s or self._switched is None:
            return order
        self._after_s = round(self._asked + self.wait_s - self._since, 3)
        return order._replace(wait_s=self._after_s, since=self._switched, at_once=self._next is None)

    def _paths_to_read(self) -> tuple[MediaPath, ...]:
        """Return the next look's paths: first all, then those that matter.

        The first look reads none if all have to be read at the end of the watch anyway and no wave waits.
        """
        paths = self._touched.read
        if self._next is not None:
            paths = tuple(p for p in paths if p.name in self._next.read)
        elif self._unread and not self.wait_s:
            paths = ()
        self._unread -= {path.name for path in paths}
        return paths

    def _away(self) -> tuple[MediaPath, ...]:
        paths = self._touched.served.paths
        return () if self._next is None else tuple(paths[name] for name in self._next.away)

    def take(self, after: Look, heard: float) -> Decision | None:
        """Take a look's result; return the decision, `None` without a gate."""
        self._unseen_since = None
        if self._rules is None or not self.are_gated:
            return None
        decision = self._decide_by_look(after, heard, self._rules)
        self.is_good = decision.is_good and not self._unread
        if decision.verdict is GateVerdict.FAIL:
            self.is_good = False
            return decision
        self._next = decision
        if decision.verdict is GateVerdict.WAIT:
            self._at = heard + decision.again_s
            reads_early = decision.is_good and decision.read and self._early_s
            early_s = self._early_s + (_READ_EARLY_S if reads_early else 0.0)
            self.held_s = max(0.0, decision.again_s - early_s)
        return decision

    def _decide_by_look(self, after: Look, heard: float, rules: GateRules) -> Decision:
        """Add a look to the watch and return the gate's decision."""
        start_s = self._since if self._since is not None else heard
        if after.first is not None:
            # Only this look shows changes within the watch, such as a peer's reset session.
            self.watch = self.watch.after(GateResult(sessions=after.first), 0.0)
            unread = {path.name for path in self._touched.read}
            decision = decide(self._touched, self.watch, 0.0, rules, unread=unread)
            if decision.verdict is GateVerdict.FAIL:
                return replace(decision, notes=())
        result = paths_in(self._job.spec, self._touched.read, after)
        if self._was_waited(after.waited_s, heard):
            self._asked += self.wait_s
        else:
            # Its program, a node's own perhaps, looks as soon as it is asked.
            self._early_s = 0.0
        self.watch = self.watch.after(result, self._asked - start_s)
        decision = decide(self._touched, self.watch, heard - start_s, rules, unread=self._unread)
        self.not_up = decision.not_up
        return decision

    def _was_waited(self, waited_s: float, heard: float) -> bool:
        """Return whether a look was late enough, by the host's clock.

        At least half of the wait must have passed here too.
        """
        if self._after_s and self._since is not None:
            return waited_s >= self._after_s - _TICK_S and heard - self._since >= self._after_s / 2
        return waited_s >= self.wait_s and heard >= self._asked + self.wait_s
