"""A rollout in waves: order, begin, confirmation. An effect stage.

One canary a carrier comes first, then 10 %, 50 %, the rest. The rules (docs/daily/apply.md):

- Waves are confirmed in order: no host is before all of the earlier waves.
- A wave begins when the one before is finished. If neither the plan nor its rollback cuts streams, it begins when each
  host of the earlier waves has had a good look; their watch goes on.
- If too many hosts fail, no further wave begins, and unconfirmed hosts of later waves are rolled back.

The host's receipt is the result of record: an unconfirmed host rolls back by itself.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.base.groups import grouped
from provisioner.base.text import msg
from provisioner.desired.names import CANARY, LATER
from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import HostAnswer, HostRunner
from provisioner.operations.rollout.dispatcher import Dispatcher, Journal, StartedHost
from provisioner.operations.rollout.host_change import HostChange
from provisioner.operations.rollout.job import Job, RolloutOptions
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.operations.rollout.states import State
from provisioner.record.entries import JournalStep

_SHARES = tuple(zip(LATER, (0.1, 0.5, 1.0), strict=True))

WAVES_AT_ONCE = 2  #: Limit of unconfirmed waves: a late failure meets no more hosts than these.

# The number of hosts at once; an interrupt starts no waiting host.
_AT_ONCE = 50

# A host that waits for others has its switch renewed that often: a third of the time after which it would return.
_RENEWED_SHARE = 1 / 3

_NAMED = 3
_INTERRUPTED = msg("the rollout was interrupted")


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts that change together."""

    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Results of a resumed run; its started hosts are asked first."""

    results: Mapping[str, HostResult] = field(default_factory=dict)
    started: Mapping[str, StartedHost] = field(default_factory=dict)


class Calls:
    """Calls of hosts' changes, each written to the journal first."""

    def __init__(self, runner: HostRunner, journal: Journal, options: RolloutOptions) -> None:
        self._dispatcher = Dispatcher(runner, options.clock, options.sleep)
        self._journal = journal

    def send(self, change: HostChange, wait_s: float = 0.0) -> None:
        """Send a host's next call, maybe delayed."""
        call, timeout_s = change.next_call()
        self.write(JournalStep(change.host, change.state.step, "begin"))
        self._dispatcher.send(call, timeout_s, after_s=wait_s, waits=change.host_waits)

    def withdraw(self, host: str) -> bool:
        """Withdraw a host's unsent call; return whether there was one."""
        return self._dispatcher.withdraw(host)

    def receive(self) -> HostAnswer | None:
        """Return the next answer, or `None` after a moment."""
        return self._dispatcher.receive()

    def write(self, *steps: JournalStep) -> None:
        """Write steps."""
        for step in steps:
            self._journal.write(step)


@dataclass
class _OpenWave:
    wave: Wave
    waiting: list[str]
    under_way: set[str] = field(default_factory=set)  #: Started hosts without a result.
    started: set[str] = field(default_factory=set)
    is_taken_up: bool = False  #: Whether an earlier controller began it, whose hosts are asked first.


class WaveProgress:
    """Brings the waves' hosts through their changes."""

    def __init__(
        self,
        changes: Mapping[str, HostChange],
        progress: RunProgress,
        waves: Sequence[Wave],
        options: RolloutOptions,
        calls: Calls,
        *,
        overlapping: bool,
    ) -> None:
        self.results = dict(progress.results)
        self._changes, self._options, self._calls = changes, options, calls
        self._at_once = WAVES_AT_ONCE if overlapping else 1
        self._open: list[_OpenWave] = []
        # Hosts that wait for those of earlier waves, and when their switch is to be renewed; None of one not started.
        self._held: dict[str, float | None] = {}
        listed = {host for wave in waves for host in wave.hosts}
        unvouched_rows = tuple(host for host in changes if host not in listed)
        all_waves = [*([Wave("resumed", unvouched_rows)] if unvouched_rows else []), *waves]
        self._place = {host: number for number, wave in enumerate(all_waves) for host in wave.hosts}
        # A wave without remaining hosts is done.
        remaining = (Wave(wave.name, tuple(host for host in wave.hosts if host in changes)) for wave in all_waves)
        self._left = [wave for wave in remaining if wave.hosts]
        self._last = ""
        self._end: tuple[str, str] | None = None
        self._resume_waves(progress)

    def run(self, stop: Callable[[], bool]) -> tuple[str, str]:
        """Run all waves; return how it ended, and an early end's cause."""
        while True:
            self._begin_next(stop)
            self._start_hosts(stop)
            self._close_waves(stop)
            if not self._open:
                if self._end is not None:
                    return self._end
                continue
            self._settle_hosts()
            if (answer := self._calls.receive()) is not None:
                self._process_answer(answer)

    # --- waves --------------------------------------------------------------------------------------
    def _resume_waves(self, progress: RunProgress) -> None:
        started_waves = [number for number, wave in enumerate(self._left) if set(wave.hosts) & set(progress.started)]
        for wave in self._left[: started_waves[-1] + 1] if started_waves else ():
            started = [host for host in wave.hosts if host in progress.started]
            open_wave = self._begin(wave, [host for host in wave.hosts if host not in progress.started], taken_up=True)
            for host in started:
                self._start_host(open_wave, host)
        self._left = self._left[started_waves[-1] + 1 :] if started_waves else self._left

    def _begin(self, wave: Wave, waiting: Sequence[str], *, taken_up: bool = False) -> _OpenWave:
        self._calls.write(JournalStep("", "wave", "begin", {"wave": wave.name, "hosts": list(wave.hosts)}))
        self._open.append(_OpenWave(wave, list(waiting), is_taken_up=taken_up))
        return self._open[-1]

    def _begin_next(self, stop: Callable[[], bool]) -> None:
        """Begin the next wave if possible, or set the end's cause."""
        while self._end is None and (not self._open or self._may_overlap()):
            failed = self._failed_hosts()
            if self._last and self._last == self._options.pause_after and not failed:
                self._end = ("paused", msg("the rollout pauses after wave {last}", self._last))
            elif not self._left:
                if not self._open:
                    self._end = self._end_of_all(stop)
                return
            elif self._too_many(failed):
                self._end = ("stopped", msg("{failed} before wave {wave}", _counted(failed), self._left[0].name))
            elif stop():
                self._end = ("interrupted", _INTERRUPTED)
            else:
                wave = self._left.pop(0)
                self._start_hosts_of(self._begin(wave, wave.hosts))

    def _end_of_all(self, stop: Callable[[], bool]) -> tuple[str, str]:
        if any(result.taken_back for result in self.results.values()):
            failed = _counted(self._failed_hosts())
            return "stopped", msg("{failed} before wave {wave} was confirmed", failed, self._last)
        return ("interrupted", "") if stop() else ("done", "")

    def _may_overlap(self) -> bool:
        """Return whether the next wave may begin beside those watched."""
        if not self._open or len(self._open) >= self._at_once or self._open[-1].wave.name == self._options.pause_after:
            return False
        return not any(wave.waiting for wave in self._open) and all(
            self._changes[host].looks_well for wave in self._open for host in wave.under_way
        )

    def _close_waves(self, stop: Callable[[], bool]) -> None:
        while self._open and not self._open[0].under_way:
            first = self._open[0]
            has_failed = self._is_given_up(first)
            if first.waiting and not (has_failed or stop()):
                return
            state = "interrupted" if first.waiting else "done"
            self._calls.write(JournalStep("", "wave", state, {"wave": first.wave.name}))
            if first.waiting and self._end is None:
                failed = _counted(self._failed_hosts())
                cause = msg("{failed} before all of wave {wave} was started", failed, first.wave.name)
                self._end = ("stopped", cause) if has_failed else ("interrupted", _INTERRUPTED)
            del self._open[0]
            self._last = first.wave.name

    def _is_given_up(self, wave: _OpenWave) -> bool:
        """Return whether a wave's waiting hosts stay unstarted, after too many failures.

        In a resumed wave its own hosts count too, since their results come first.
        """
        return self._too_many(self._failed_hosts(before=None if wave.is_taken_up else wave))

    # --- hosts --------------------------------------------------------------------------------------
    def _start_hosts(self, stop: Callable[[], bool]) -> None:
        for number, wave in enumerate(self._open):
            if not wave.waiting or stop() or self._is_given_up(wave):
                continue
            # Waves that the earlier controller had not started wait for its started ones, and for all before those.
            if not (wave.is_taken_up and (number or wave.under_way - wave.started)):
                self._start_hosts_of(wave)

    def _start_hosts_of(self, wave: _OpenWave) -> None:
        free = _AT_ONCE - sum(len(open_wave.under_way) for open_wave in self._open)
        for host in wave.waiting[: max(0, free)]:
            wave.waiting.remove(host)
            wave.started.add(host)
            self._start_host(wave, host)

    def _start_host(self, wave: _OpenWave, host: str) -> None:
        change = self._changes[host]
        wave.under_way.add(host)
        change.wave = wave.wave.name
        change.holds = wave is not self._open[0]
        # Only a wave that may begin beside this one waits for a good look.
        change.is_waited_for = self._at_once > 1 and bool(self._left)
        self._calls.send(change)

    def _process_answer(self, answer: HostAnswer) -> None:
        wave = next((candidate for candidate in self._open if answer.host in candidate.under_way), None)
        if wave is None:
            return
        change = self._changes[answer.host]
        steps, wait_s = change.take(answer)
        self._calls.write(*steps)
        if change.result is not None:
            self._close_host(wave, change)
        elif change.waits_for_waves:
            renewed_s = self._options.confirm_s * _RENEWED_SHARE
            self._held[change.host] = None if change.state is State.WAITING else self._options.clock() + renewed_s
        else:
            self._calls.send(change, wait_s)

    def _close_host(self, wave: _OpenWave, change: HostChange) -> None:
        if change.result is not None:
            self.results[change.host] = change.result
        wave.under_way.discard(change.host)
        self._held.pop(change.host, None)

    def _settle_hosts(self) -> None:
        """Roll back hosts after earlier failures, continue the first wave, renew others."""
        for number, wave in enumerate(self._open):
            failed = self._failed_hosts(before=wave)
            for host in sorted(wave.under_way):
                change = self._changes[host]
                change.holds = number > 0
                if self._too_many(failed):
                    self._take_back(wave, change, f"returned: {_counted(failed)} in an earlier wave")
                elif host in self._held:
                    self._continue_host(change)

    def _take_back(self, wave: _OpenWave, change: HostChange, cause: str) -> None:
        if change.goes_back:
            return
        # One that waits has no call on its way; of another one the answer comes first, if its call has been sent.
        is_free = change.host in self._held or self._calls.withdraw(change.host)
        self._held.pop(change.host, None)
        self._calls.write(*change.take_back(cause, is_free=is_free))
        if change.result is not None:
            self._close_host(wave, change)
        elif is_free:
            self._calls.send(change)

    def _continue_host(self, change: HostChange) -> None:
        renew_at_s = self._held[change.host]
        if not change.holds:
            change.go_on()
        elif renew_at_s is not None and renew_at_s <= self._options.clock():
            change.look_again()
        else:
            return
        del self._held[change.host]
        self._calls.send(change)

    # --- failures -----------------------------------------------------------------------------------
    def _failed_hosts(self, *, before: _OpenWave | None = None) -> list[str]:
        failed = sorted(host for host, result in self.results.items() if result.is_failure)
        if before is None:
            return failed
        number = self._place[before.wave.hosts[0]]
        return [host for host in failed if self._place.get(host, -1) < number]

    def _too_many(self, failed: Sequence[str]) -> bool:
        return len(failed) > self._options.max_failed


@dataclass(frozen=True, slots=True)
class Rollout:
    """Results of all hosts, and the cause of an early end."""

    results: tuple[HostResult, ...]
    ended: str  #: `done`, `paused`, `stopped` (too many failures) or `interrupted`.
    cause: str = ""


def waves_of(specs: Iterable[HostSpec]) -> tuple[Wave, ...]:
    """Return the waves of changing hosts; the shares are cumulative.

    A carrier's canary is its relay with the fewest paths. Carriers take turns. Centres come last, since they serve
    several carriers.
    """
    specs = list(specs)
    ordered = _in_turn_by_carrier([s for s in specs if s.relay is not None])
    carriers = len({spec.carriers[0] for spec in ordered})
    hosts = [spec.id for spec in ordered] + sorted(spec.id for spec in specs if spec.relay is None)
    waves, done = [], carriers
    if carriers:
        waves.append(Wave(CANARY, tuple(hosts[:carriers])))
    for name, share in _SHARES:
        until = max(done, math.ceil(share * len(hosts)))
        if until > done:
            waves.append(Wave(name, tuple(hosts[done:until])))
        done = until
    return tuple(waves)


def _in_turn_by_carrier(relays: Sequence[HostSpec]) -> list[HostSpec]:
    by_carrier = grouped(sorted(relays, key=lambda s: (len(s.paths), s.id)), lambda s: s.carriers[0])
    ranked = [
        (rank, carrier, spec) for carrier, of_carrier in by_carrier.items() for rank, spec in enumerate(of_carrier)
    ]
    return [spec for _, _, spec in sorted(ranked, key=lambda r: r[:2])]


def roll_out(
    jobs: Sequence[Job],
    run_id: str,
    runner: HostRunner,
    options: RolloutOptions,
    journal: Journal,
    *,
    waves: Sequence[Wave] = (),
    progress: RunProgress | None = None,
    stop: Callable[[], bool] = bool,  # never
    abort: str = "",
) -> Rollout:
    """Change the hosts of the jobs, wave by wave.

    `waves` and `progress` are a resumed run's. After `stop` no more hosts start; started ones finish. `abort` is why
    waiting hosts are rolled back; empty to go on.
    """
    progress = progress or RunProgress()
    changes = {
        job.spec.id: HostChange(job, run_id, options, before=progress.started.get(job.spec.id), abort=abort)
        for job in jobs
        if job.spec.id not in progress.results
    }
    carried = waves or waves_of(job.spec for job in jobs)
    overlapping = not options.apart and all(job.is_harmless for job in jobs)
    wave_progress = WaveProgress(
        changes, progress, carried, options, Calls(runner, journal, options), overlapping=overlapping
    )
    ended, cause = wave_progress.run(stop)
    reason = msg("not started: {reason}", cause)
    not_started = {
        host: HostResult(host, HostOutcome.NOT_STARTED, reason, refusal=NotStartedBecause.HELD_BACK)
        for host in changes
        if host not in wave_progress.results
    }
    results = wave_progress.results | not_started
    return Rollout(tuple(results[job.spec.id] for job in jobs), ended, cause)


def _counted(failed: Sequence[str]) -> str:
    return msg("{count} failed ({names})", len(failed), ", ".join(failed[:_NAMED]))
