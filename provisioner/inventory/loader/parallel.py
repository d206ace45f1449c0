"""Many facilities, read in several processes while this one reads the rest of the inventory.

Few files are read here: to start a process takes as long as to read some hundred of them. The processes
are forked, and all is read here where that is not safe, that is where another thread could hold a lock at
that moment: one that is started afresh would look for its modules in the caller's folder first. One that is
killed takes nothing with it: what it had not read is read here.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.cache import Cache
from provisioner.inventory.loader.known_sites import part_of, write_part
from provisioner.inventory.loader.site import Site, read_site

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

MANY: Final = 256
"""From so many files on, other processes help."""
_CHUNK: Final = 64
_MOST: Final = 8

T = TypeVar("T")
R = TypeVar("R")
Collect = Callable[[], dict[str, Site]]


@contextmanager
def sites_of(
    files: Sequence[File], today: date, *, cache: Cache | None = None, known: bool = True, workers: int | None = None
) -> Iterator[Collect]:
    """Begin to read facilities' files; the function that is yielded waits for them, and returns them by path.

    Args:
        files: the files.
        today: the day on which rules judge them.
        cache: where a process keeps what it has read, so that texts need not be handed over.
        known: whether the cache knows any other file: then what is new has to be put between that.
        workers: how many processes; by default as many as there are cores, or none for a few files.
    """
    count = _workers(len(files)) if workers is None else workers
    if not count or not _can_fork():
        yield lambda: _read_chunk(_Chunk(files), today)
        return
    # A run that finds most files known does without these, and without the time that they take.
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    chunks = _chunks(files) if known or cache is None else _parts(files, cache)
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("fork"), initializer=_begin)
    try:
        begun = [_submitted(pool, chunk, today) for chunk in chunks]
        yield lambda: _collected(begun, chunks, today)
    finally:
        pool.shutdown(cancel_futures=True)


def in_parallel(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R | None]:
    """What a function comes to for each item, worked out in other processes; None where one of them was killed.

    Nothing where there is but one core, or where it is not safe to fork.
    """
    count = min(_workers(max(len(items), MANY)), len(items))
    if not count or not _can_fork():
        return
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    def work(number: int) -> R:
        return function(items[number])

    # The work is handed over by the fork itself: what it holds is not copied for each item.
    fork = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=fork, initializer=_begin_with, initargs=(work,))
    try:
        for begun in [pool.submit(_work_out, number) for number in range(len(items))]:
            try:
                yield cast("R", begun.result())
            except BrokenProcessPool:
                yield None
    except BrokenProcessPool:
        return
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, chunk: _Chunk, today: date) -> Future[dict[str, Site]] | None:
    """Hand files over to a process; None where one was killed before all were handed over."""
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    try:
        return pool.submit(_read_chunk, chunk, today)
    except BrokenProcessPool:
        return None


def _workers(files: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST) if files >= MANY and cores > 1 else 0


def _can_fork() -> bool:
    return sys.platform == "linux" and threading.active_count() == 1


def _begin() -> None:
    """Prepare a process: Ctrl-C ends the one that started it, and the collector finds nothing worth its time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


_WORK: list[Callable[[int], object]] = []


def _begin_with(work: Callable[[int], object]) -> None:
    _begin()
    _WORK.append(work)


def _work_out(number: int) -> object:
    return _WORK[-1](number)


class _Chunk(NamedTuple):
    """Files for one process to read at once; a whole part of the cache where there is one to write."""

    files: Sequence[File]
    cache: Cache | None = None
    part: int = 0


def _chunks(files: Sequence[File]) -> list[_Chunk]:
    return [_Chunk(files[start : start + _CHUNK]) for start in range(0, len(files), _CHUNK)]


def _parts(files: Sequence[File], cache: Cache) -> list[_Chunk]:
    parts: dict[int, list[File]] = {}
    for file in files:
        parts.setdefault(part_of(file.relative), []).append(file)
    return [_Chunk(below, cache, part) for part, below in sorted(parts.items())]


def _read_chunk(chunk: _Chunk, today: date) -> dict[str, Site]:
    sites = {file.relative: read_site(file, today) for file in chunk.files}
    if chunk.cache is None:
        return sites
    write_part(chunk.cache, chunk.part, sites)
    return {relative: site if site.faults else site._replace(text="", brief="") for relative, site in sites.items()}


def _collected(
    futures: Sequence[Future[dict[str, Site]] | None], chunks: Sequence[_Chunk], today: date
) -> dict[str, Site]:
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    sites: dict[str, Site] = {}
    for future, chunk in zip(futures, chunks, strict=True):
        try:
            sites |= future.result() if future else _read_chunk(chunk, today)
        except BrokenProcessPool:
            sites |= _read_chunk(chunk, today)
    return sites
