"""Stages of a command's work as they begin, go on and end: whoever looks on is told, and nothing is decided by it.

Who looks on is named once for a command (`watched_by`), so that no function has to hand it down. Only the thread that
named it tells of stages: what is forked, and what runs beside, tells nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """What is done with files and values; hosts have stages of their own."""

    READ = "read"
    BUILD = "build"
    RULES = "rules"
    SECRETS = "secrets"
    DESIRE = "desire"
    RENDER = "render"
    RECORD = "record"
    COUNT = "count"
    SHEETS = "sheets"
    PROPOSE = "propose"
    DOCUMENTS = "documents"
    PAGES = "pages"
    WAIT = "wait"


FORKING = frozenset({Stage.READ, Stage.RECORD, Stage.SECRETS})
"""Stages in which processes are forked, which is not safe beside another thread: no clock of a display may run."""


class StageWatcher(Protocol):
    """Whoever wants to know how far stages are."""

    def stage_begun(self, stage: Stage, total: int) -> None:
        """A stage was begun, of so many things; 0 where they are not counted."""
        ...

    def stage_advanced(self, stage: Stage, number: int) -> None:
        """So many more of them are done."""
        ...

    def stage_ended(self, stage: Stage) -> None:
        """It is over, however it ended."""
        ...


_WATCHER: ContextVar[tuple[StageWatcher, int, int] | None] = ContextVar("stage_watcher", default=None)


@contextmanager
def watched_by(watcher: StageWatcher) -> Iterator[None]:
    """Tell somebody of all stages until the end of the block."""
    token = _WATCHER.set((watcher, os.getpid(), threading.get_ident()))
    try:
        yield
    finally:
        _WATCHER.reset(token)


@contextmanager
def at_stage(stage: Stage, total: int = 0) -> Iterator[Callable[[int], None]]:
    """Be at a stage until the end of the block; what is yielded is told how many things more are done."""
    watcher = _watcher()
    if watcher is None:
        yield unwatched
        return
    watcher.stage_begun(stage, total)
    try:
        yield lambda number: watcher.stage_advanced(stage, number)
    finally:
        watcher.stage_ended(stage)


def _watcher() -> StageWatcher | None:
    named = _WATCHER.get()
    if named is None or named[1:] != (os.getpid(), threading.get_ident()):
        return None
    return named[0]


def unwatched(_number: int) -> None:
    """Tell nobody that so many things more are done."""
