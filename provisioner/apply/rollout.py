"""A rollout: a plan's hosts brought through their changes, the journal beside it. An effect stage.

The receipt on the host is the result of record; what a host did not confirm returns to last-good by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioner.apply.course import Calls, RunProgress, WavesCourse
from provisioner.apply.host_change import HostChange
from provisioner.apply.job import Job, RolloutOptions
from provisioner.apply.journal import Journal, MemoryJournal
from provisioner.apply.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.apply.waves import Wave, waves_of
from provisioner.hosts.runner import HostRunner


def _never() -> bool:
    return False


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
    carried = waves or waves_of(job.spec for job in jobs)
    overlapping = not options.apart and all(job.is_harmless for job in jobs)
    course = WavesCourse(changes, progress, carried, options, Calls(runner, journal, options), overlapping=overlapping)
    ended, cause = course.run(stop)
    held_back = {
        host: HostResult(host, HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.HELD_BACK)
        for host in changes
        if host not in course.results
    }
    results = course.results | held_back
    return Rollout(tuple(results[job.spec.id] for job in jobs), ended, cause)
