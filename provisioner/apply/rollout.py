"""A rollout: waves of hosts, each on its own way, the journal beside it. An effect stage.

The receipt on the host is the result of record; what a host did not confirm returns to last-good by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.apply.dispatcher import Dispatcher
from provisioner.apply.host_change import HostChange
from provisioner.apply.job import Job, RolloutOptions
from provisioner.apply.journal import Journal, JournalStep, MemoryJournal, StartedHost
from provisioner.apply.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.apply.waves import Wave, waves_of
from provisioner.hosts.runner import HostRunner

# So many hosts are on their way at once; an interrupt starts none of those that wait.
_AT_ONCE = 50


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What is known of a run that goes on: which hosts are through, and which were started.

    Attributes:
        results: what became of hosts that are through.
        started: hosts that were started and whose end is not known, by id: they are asked first.
    """

    results: Mapping[str, HostResult] = field(default_factory=dict)
    started: Mapping[str, StartedHost] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """What became of all hosts, and whether and why it ended before its end.

    Attributes:
        ended: `done`, `paused`, `stopped` (too many failures) or `interrupted`.
    """

    results: tuple[HostResult, ...]
    ended: str
    cause: str = ""


def apply(
    jobs: Sequence[Job],
    run_id: str,
    runner: HostRunner,
    options: RolloutOptions | None = None,
    *,
    journal: Journal | None = None,
    stop: Callable[[], bool] = _never,
) -> tuple[HostResult, ...]:
    """Change every host of the jobs: what became of each. Never raises for a single host."""
    return roll_out(jobs, run_id, runner, options or RolloutOptions(), journal or MemoryJournal(), stop=stop).results


def roll_out(
    jobs: Sequence[Job],
    run_id: str,
    runner: HostRunner,
    options: RolloutOptions,
    journal: Journal,
    *,
    waves: Sequence[Wave] = (),
    progress: RunProgress | None = None,
    stop: Callable[[], bool] = _never,
    abort: str = "",
) -> Rollout:
    """Change the hosts of the jobs, wave by wave: what became of each.

    Args:
        jobs: one a host.
        run_id: the run.
        runner: carries the calls.
        options: how strict, how patient, whether to pause.
        journal: where each step is written down.
        waves: those of the run that goes on; else they are made from the jobs.
        progress: what is known of the run that goes on.
        stop: whether somebody asked to stop: no host is started any more, those on their way finish.
        abort: why hosts that wait return to last-good instead of being confirmed; empty lets them go on.
    """
    progress = progress or RunProgress()
    changes = {
        job.spec.id: HostChange(job, run_id, options, before=progress.started.get(job.spec.id), abort=abort)
        for job in jobs
        if job.spec.id not in progress.results
    }
    work = _Work(changes, dict(progress.results), Dispatcher(runner, options.clock, options.sleep), journal, stop)
    ended, cause = _through_waves(work, waves or waves_of(job.spec for job in jobs), options, progress)
    held_back = {
        host: HostResult(host, HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.HELD_BACK)
        for host in changes
        if host not in work.results
    }
    results = work.results | held_back
    return Rollout(tuple(results[job.spec.id] for job in jobs), ended, cause)


@dataclass
class _Work:
    """The hosts on their way, and those that are through."""

    changes: Mapping[str, HostChange]
    results: dict[str, HostResult]
    dispatcher: Dispatcher
    journal: Journal
    stop: Callable[[], bool]

    @property
    def failures(self) -> list[str]:
        """The hosts that failed, by id."""
        return sorted(host for host, result in self.results.items() if result.is_failure)


def _through_waves(
    work: _Work, waves: Sequence[Wave], options: RolloutOptions, progress: RunProgress
) -> tuple[str, str]:
    # Hosts that were started before are looked after first, whatever wave they were in.
    open_hosts = [host for host in work.changes if host in progress.started]
    if open_hosts:
        _wave(work, Wave("resumed", tuple(open_hosts)))
    for wave in waves:
        if len(work.failures) > options.max_failed:
            failed = ", ".join(work.failures[:3])
            return "stopped", f"not started: {len(work.failures)} failed before wave {wave.name} ({failed})"
        if work.stop():
            return "interrupted", "not started: the rollout was interrupted"
        hosts = tuple(host for host in wave.hosts if host in work.changes and host not in work.results)
        if hosts and not _wave(work, Wave(wave.name, hosts)):
            return "interrupted", "not started: the rollout was interrupted"
        if hosts and wave.name == options.pause_after and not work.failures:
            return "paused", f"not started: the rollout pauses after wave {wave.name}"
    return ("interrupted", "") if work.stop() else ("done", "")


def _wave(work: _Work, wave: Wave) -> bool:
    """Bring a wave's hosts through: whether all of them were started."""
    work.journal.write(JournalStep("", "wave", "begin", {"wave": wave.name, "hosts": list(wave.hosts)}))
    waiting, under_way = list(wave.hosts), set[str]()
    while waiting or under_way:
        if waiting and not work.stop():
            for host in waiting[: _AT_ONCE - len(under_way)]:
                waiting.remove(host)
                under_way.add(host)
                work.changes[host].wave = wave.name
                _send(work, work.changes[host], 0.0)
        elif not under_way:
            break
        answer = work.dispatcher.receive()
        if answer is None or answer.host not in under_way:
            continue
        change = work.changes[answer.host]
        steps, wait_s = change.take(answer)
        for step in steps:
            work.journal.write(step)
        if change.result is not None:
            work.results[change.host] = change.result
            under_way.discard(change.host)
        else:
            _send(work, change, wait_s)
    work.journal.write(JournalStep("", "wave", "done" if not waiting else "interrupted", {"wave": wave.name}))
    return not waiting


def _send(work: _Work, change: HostChange, wait_s: float) -> None:
    call, timeout_s = change.next_call()
    work.journal.write(JournalStep(change.host, change.phase.value, "begin"))
    work.dispatcher.send(call, timeout_s, after_s=wait_s)
