"""A watch: relays are asked repeatedly whether their paths flow.

It changes no host and takes no lease. Its state is in memory, served as metrics, and reported to pages in a file. Each
relay gets one request at a time, over one open connection, and silent relays delay no others. A look is cheap; a visit
finds out why a path stands still.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Metric as Family

from provisioner.base.errors import HostError, ProvisionerError
from provisioner.desired.limit import Limit
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.hosts.observe import observe_request
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, OpenRunner
from provisioner.integrations.alerting.metrics import Labels, PublishedSeries, WatchFacts, broken, watch_sheet
from provisioner.operations.apply.journal import changes_since
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import windows_of
from provisioner.plan.diff import changes_of
from provisioner.record.state_folder import state_folder_of
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import judge
from provisioner.verify.path_history import Window
from provisioner.verify.paths import PathToCheck, select, with_logins_in_use
from provisioner.verify.requests import ObserveCall, ProbeLimits, probe_calls
from provisioner.verify.result import PathVerdict
from provisioner.verify.watch_report import file_of, report_of, write_report
from provisioner.verify.watch_states import LEVEL, FlowLook, PathStates, WatchView, flow_call, flow_in

LOOK_TIMEOUT_S = 20.0  #: After this time a relay is silent; a dead connection is detected after 15 s.

_VISIT = ProbeLimits(deadline_s=40.0, sample_s=4.0)
_VISIT_TIMEOUT_S = 60.0

MOST_TOGETHER: Final = 50  #: Hosts that share open connections (`hosts.ansible.play.MAX_WORKERS`).

_AT_ONCE: Final = 32
_MOMENT_S: Final = 0.25
_NEWS_S: Final = 1.0
_REPORT_S: Final = 3.0

# Grouping faults of a country with a third of its paths down takes most of a second.
_NEWS_SHARE: Final = 10

_MOST_FAILURES: Final = 3


@dataclass
class Watched:
    """An inventory to watch; `targets` are its paths that are always pulled."""

    session: Session
    runner: HostRunner
    targets: tuple[PathToCheck, ...]
    windows: tuple[Window, ...]
    limit: Limit = field(default_factory=Limit)
    _files: dict[str, tuple[RenderedFile, ...]] = field(default_factory=dict)

    @property
    def inventory(self) -> str:
        """The inventory's id."""
        return self.session.inventory.settings.id

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return self.session.digest

    def changes(self) -> tuple[Window, ...]:
        """Return a window for the paths that each relay change cuts."""
        relays = {target.relay.id for target in self.targets}
        windows = changes_since(self.session, datetime.now(UTC))
        # A centre's loss does not stop the flow into its relay, which is all that is watched.
        return tuple(window for window in windows if window.cut is not None and window.cut.host in relays)

    def look(self, targets: Mapping[str, Mapping[str, PathToCheck]]) -> Iterator[FlowLook]:
        """Ask relays in parallel; yield answers as they arrive; or raise `HostError`."""
        calls = [flow_call(of_relay) for of_relay in targets.values()]
        at, started_s = datetime.now(UTC), time.monotonic()
        for answer in _answers(self.runner, calls, LOOK_TIMEOUT_S):
            yield flow_in(answer, targets[answer.host].keys(), at, time.monotonic() - started_s)

    def visit(self, targets: Sequence[PathToCheck]) -> tuple[PathVerdict, ...]:
        """Ask why paths stand still, like `verify --level 4`; or raise `HostError`."""
        relay, at = targets[0].relay, datetime.now(UTC)
        relay_targets = [replace(target, centres=(), closed_centres=()) for target in targets]
        if relay.id not in self._files:
            self._files[relay.id] = render_host(relay, self.session.templates)
        files = self._files[relay.id]
        observe = {relay.id: ObserveCall(*observe_request(relay, files))}
        calls = probe_calls(relay_targets, observe, _VISIT, read=False)
        answer = self.runner.call(calls, timeout_s=_VISIT_TIMEOUT_S)[relay.id]
        if answer.outcome is not CallOutcome.ANSWERED:
            return ()
        evidence = parse_evidence(answer)
        if evidence.facts is None:
            return judge(relay_targets, {relay.id: evidence}, {}, at, max_level=LEVEL)
        pulled = with_logins_in_use(relay_targets, {relay.id: evidence.facts})
        live_relay = pulled[0].relay
        files = files if live_relay is relay else render_host(live_relay, self.session.templates)
        drift = {relay.id: changes_of(live_relay, files, evidence.facts)}
        return judge(pulled, {relay.id: evidence}, drift, at, max_level=LEVEL)


Reload = Callable[[Watched], Watched | None]  #: Returns the present inventory; `None` if unchanged.


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals of looks, of inventory reloads and of reads of hosts' changes."""

    every: timedelta = timedelta(seconds=10)
    reload: timedelta = timedelta(minutes=5)
    changes: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class News:
    """Incidents that began or ended: their labels, and the number of paths."""

    at: datetime
    begun: tuple[tuple[Labels, int], ...] = ()
    ended: tuple[Labels, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()  #: Messages with their hints.


@dataclass
class PathWatch:
    """A watch over one inventory."""

    inventory: Watched
    pace: Pace
    reload: Reload
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    current: bool = True  #: Whether the watch uses it.
    looks: int = 0  #: Number of answered looks.

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._states = PathStates(self.inventory.targets, self.inventory.windows)
        self._busy: set[str] = set()
        self._shown = PublishedSeries()
        self._reloaded = self.began
        self._changes_read: datetime | None = None
        self._changes: tuple[Window, ...] = ()
        self._failures = 0
        self._failure: Exception | None = None
        self._warnings: list[tuple[str, str]] = []
        self._ended = False
        self._is_reported = True
        # The folder of the first inventory, whose pages show this watch.
        session, limit = self.inventory.session, self.inventory.limit.wanted
        self._report = file_of(state_folder_of(session.environment, self.inventory.inventory), limit)

    # --- state ------------------------------------------------------------------------------------
    def view(self) -> WatchView:
        """Return the present state."""
        with self._lock:
            return self._states.view(datetime.now(UTC))

    def families(self) -> Iterable[Family]:
        """Return the present state as metrics."""
        with self._lock:
            view = self._states.view(datetime.now(UTC))
            facts = WatchFacts(self.inventory.inventory, self.began, self.pace.every.total_seconds(), self.current)
            sheet, self._shown = watch_sheet(view, facts, self._shown)
        return sheet.families()

    # --- the loop ---------------------------------------------------------------------------------
    def run(self, stop: threading.Event, tell: Callable[[News], None], *, until_s: float | None = None) -> None:
        """Watch until stopped or for `until_s`, or raise `HostError`."""
        end = None if until_s is None else time.monotonic() + until_s
        failing: dict[Labels, int] = {}
        next_news = next_report = 0.0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self._open_connections()
            try:
                while not stop.is_set() and (end is None or time.monotonic() < end):
                    self._submit_due_work(pool)
                    if time.monotonic() >= next_news:
                        started_s = time.monotonic()
                        failing = self._report_news(tell, failing)
                        took_s = time.monotonic() - started_s
                        next_news = started_s + max(_NEWS_S, _NEWS_SHARE * took_s)
                    if time.monotonic() >= next_report:
                        self._write_report()
                        next_report = time.monotonic() + _REPORT_S
                    stop.wait(_MOMENT_S)
                    if self._failure is not None:
                        raise self._failure
            finally:
                self._ended = True
                pool.shutdown(wait=False, cancel_futures=True)
                if self._report is not None:
                    with suppress(OSError):
                        self._report.unlink()
                self._close()

    def _open_connections(self) -> None:
        """Open connections to all relays, in groups."""
        runner, relays = self.inventory.runner, {t.relay.id: t.relay for t in self.inventory.targets}
        specs = list(relays.values())
        if isinstance(runner, OpenRunner):
            for first in range(0, len(specs), MOST_TOGETHER):
                runner.expect(specs[first : first + MOST_TOGETHER])

    def _close(self) -> None:
        if isinstance(self.inventory.runner, OpenRunner):
            self.inventory.runner.close()

    def _submit_due_work(self, pool: ThreadPoolExecutor) -> None:
        now = datetime.now(UTC)
        looks: list[tuple[str, Mapping[str, PathToCheck]]] = []
        with self._lock:
            for host in self._states.hosts:
                if host in self._busy:
                    continue
                if targets := self._states.to_visit(host, now):
                    self._busy.add(host)
                    pool.submit(self._run_guarded, self._visit_host, host, targets)
                elif (due_s := self._states.next_look_at(host, self.pace.every)) is None or due_s <= now:
                    self._busy.add(host)
                    looks.append((host, self._states.targets(host)))
        for first in range(0, len(looks), MOST_TOGETHER):
            pool.submit(self._run_guarded, self._look_at_hosts, dict(looks[first : first + MOST_TOGETHER]))
        if now - self._reloaded >= self.pace.reload:
            self._reloaded = now
            pool.submit(self._run_guarded, self._reload_inventory)
        if self._changes_read is None or now - self._changes_read >= self.pace.changes:
            self._changes_read = now
            pool.submit(self._run_guarded, self._see_changes)

    def _run_guarded(self, work: Callable[..., None], *arguments: object) -> None:
        """Do work in the pool; an error ends the watch."""
        try:
            if not self._ended:
                work(*arguments)
        except Exception as error:  # noqa: BLE001 (raised again where the loop runs)
            self._failure = self._failure or error

    def _look_at_hosts(self, targets: Mapping[str, Mapping[str, PathToCheck]]) -> None:
        at, waiting = datetime.now(UTC), set(targets)
        try:
            for look in self.inventory.look(targets):
                waiting.discard(look.host)
                self._add_look(look)
            self._failures = 0
        except (HostError, OSError) as error:
            self._note_failure(error)
            reason = error.message if isinstance(error, HostError) else str(error.strerror)
            for host in waiting:
                self._add_look(FlowLook(host, at, 0.0, CallOutcome.FAILED, f"it was not asked: {reason}"))

    def _add_look(self, look: FlowLook) -> None:
        with self._lock:
            self._states.look(look)
            self._busy.discard(look.host)
            self.looks += look.is_answered

    def _visit_host(self, host: str, targets: tuple[PathToCheck, ...]) -> None:
        at = datetime.now(UTC)
        verdicts: tuple[PathVerdict, ...] = ()
        try:
            verdicts = self.inventory.visit(targets)
        except (HostError, OSError) as error:
            self._note_failure(error)
        finally:
            with self._lock:
                self._states.visit(host, verdicts, at)
                self._busy.discard(host)

    def _note_failure(self, error: HostError | OSError) -> None:
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            self._failure = self._failure or error

    def _reload_inventory(self) -> None:
        """Switch to a changed inventory; keep the last valid one on errors."""
        try:
            changed = self.reload(self.inventory)
        except ProvisionerError as error:
            if self.current:
                message = f"the watch goes on by the inventory of before: {error.message}"
                self._warnings.append((message, "provisioner validate lists what is wrong"))
            self.current = False
            return
        self.current = True
        if changed is not None:
            with self._lock:
                self.inventory = changed
                self._states.replace_targets(changed.targets, (*changed.windows, *self._changes))
            self._open_connections()

    def _see_changes(self) -> None:
        """Treat paths cut by hosts' changes in progress as in maintenance."""
        changes = self.inventory.changes()
        with self._lock:
            if changes != self._changes:
                self._changes = changes
                self._states.replace_windows((*self.inventory.windows, *changes))

    def _write_report(self) -> None:
        """Write the present state for pages; warn once if that fails."""
        if self._report is None:
            return
        with self._lock:
            view = self._states.view(datetime.now(UTC))
            paths = {host: self._states.targets(host).keys() for host in self._states.hosts}
        try:
            write_report(self._report, report_of(view, paths, self.inventory.limit.wanted, self.began))
            self._is_reported = True
        except OSError as error:
            if self._is_reported:
                message = f"pages do not show this watch: {self._report} cannot be written: {error.strerror}"
                self._warnings.append((message, "make room or correct the folder's permissions"))
            self._is_reported = False

    def _report_news(self, tell: Callable[[News], None], before: Mapping[Labels, int]) -> dict[Labels, int]:
        now = dict(broken(self.view()))
        started = tuple((labels, size) for labels, size in now.items() if labels not in before)
        ended = tuple(labels for labels in before if labels not in now)
        warnings, self._warnings = self._warnings, []
        if started or ended or warnings:
            tell(News(datetime.now(UTC), started, ended, tuple(warnings)))
        return now


def watched(session: Session, limit: Limit, runner: HostRunner) -> Watched:
    """Return the paths of an inventory to watch."""
    targets = select(session.state, session.read_limit(limit))
    pulled = tuple(target for target in targets if not target.path.on_demand)
    return Watched(session, runner, pulled, windows_of(session), limit)


def _answers(runner: HostRunner, calls: Sequence[HostCall], timeout_s: float) -> Iterable[HostAnswer]:
    if isinstance(runner, OpenRunner):
        return runner.stream(calls, timeout_s=timeout_s)
    return runner.call(calls, timeout_s=timeout_s).values()
