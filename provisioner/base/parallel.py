"""Work for several processes at once.

They are forked, and there are none where that is not safe, that is where another thread could hold a lock at that
moment: a process that is started afresh would look for its modules in the caller's folder first.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar, cast

_MOST: Final = 8

T = TypeVar("T")
R = TypeVar("R")


class Helpers:
    """Forked processes, at work on what they are given.

    Args:
        count: how many.
        work: inherited by the fork itself, so that what it holds is not copied for each piece; `inherited` calls it.
    """

    def __init__(self, count: int, work: Callable[[int], object] | None = None) -> None:
        # Who has little to do does without these, and without the time that they take.
        import multiprocessing  # noqa: PLC0415
        from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

        fork = multiprocessing.get_context("fork")
        self._pool = ProcessPoolExecutor(count, mp_context=fork, initializer=_begin, initargs=(work,))

    def submit(self, function: Callable[..., R], *arguments: object) -> Callable[[], R | None]:
        """Hand a piece of work over: a function that waits for what it comes to; None where a process was killed."""
        from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

        try:
            begun = self._pool.submit(function, *arguments)
        except BrokenProcessPool:
            return _nothing

        def result() -> R | None:
            try:
                return begun.result()
            except BrokenProcessPool:
                return None

        return result

    def end(self) -> None:
        """Wait for what has begun, and begin nothing more."""
        self._pool.shutdown(cancel_futures=True)


def in_parallel(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R | None]:
    """What a function comes to for each item, worked out in other processes; None where one of them was killed.

    Nothing where there is but one core, or where it is not safe to fork.
    """
    count = min(processes(), len(items))
    if not count or not can_fork():
        return
    helpers = Helpers(count, lambda number: function(items[number]))
    try:
        for result in [helpers.submit(inherited, number) for number in range(len(items))]:
            yield cast("R | None", result())
    finally:
        helpers.end()


def processes() -> int:
    """How many processes can help: as many as there are cores, up to eight; none where there is but one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST) if cores > 1 else 0


def can_fork() -> bool:
    """Whether a fork is safe."""
    return sys.platform == "linux" and threading.active_count() == 1


_WORK: list[Callable[[int], object]] = []


def _begin(work: Callable[[int], object] | None) -> None:
    """Prepare a process: Ctrl-C ends the one that started it, and the collector finds nothing worth its time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    if work is not None:
        _WORK.append(work)


def inherited(number: int) -> object:
    """Do a piece of the work that this process has inherited."""
    return _WORK[-1](number)


def _nothing() -> None:
    return None
