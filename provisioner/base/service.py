"""A service's surroundings: systemd, settings, pipeline job, stages.

sd_notify(3) tells systemd that a service is ready, what it does, and that it lives. Whoever looks on at stages is named
once for a command (`watched_by`), so that no function has to hand it down. Only the thread that named it tells of
stages; forked processes and other threads do not.
"""

from __future__ import annotations

import os
import socket
import threading
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from provisioner.base.errors import UsageError
from provisioner.base.text import Document, did_you_mean, printable

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_LONGEST_STATUS: Final = 200
_LONGEST_SHOWN: Final = 80


class ServiceNotice:
    """The way to systemd, where a service was started by it; else nothing is said."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Find out where it listens."""
        named = environment.get(_SOCKET, "")
        # A name that begins with @ is one of the abstract namespace.
        self._place = f"\0{named[1:]}" if named.startswith("@") else named if named.startswith("/") else ""
        asked = environment.get(_WATCHDOG, "")
        self.watchdog_s: float = int(asked) / 1_000_000 if asked.isdecimal() else 0.0

    def ready(self, status: str) -> None:
        """Say that the service has begun its work."""
        self._send(f"READY=1\nSTATUS={printable(status, _LONGEST_STATUS)}")

    def status(self, text: str) -> None:
        """Say what it does, as `systemctl status` shows it."""
        self._send(f"STATUS={printable(text, _LONGEST_STATUS)}")

    def alive(self) -> None:
        """Say that it lives."""
        self._send("WATCHDOG=1")

    def leaving(self) -> None:
        """Say that it ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._place:
            return
        # Nobody may be listening any more: that is nobody's failure.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.sendto(text.encode(), self._place)


class JobSystem(StrEnum):
    """A system whose jobs are told by their environment; Gitea's jobs are Forgejo's."""

    GITLAB = "gitlab"
    FORGEJO = "forgejo"
    GITHUB = "github"
    JENKINS = "jenkins"


@dataclass(frozen=True, slots=True)
class JobNames:
    """The variables in which a runner says what it runs. Others hold addresses with tokens: only these are read.

    Attributes:
        marks: each of them tells that the job is of this system.
        project: the project's path or name.
        number: the job's.
        login: the forge's own name of whoever began it.
    """

    marks: tuple[str, ...]
    project: str
    number: str
    login: str


JOB_NAMES: Final[Mapping[JobSystem, JobNames]] = {
    JobSystem.GITLAB: JobNames(("GITLAB_CI",), "CI_PROJECT_PATH", "CI_JOB_ID", "GITLAB_USER_LOGIN"),
    # Runners of Forgejo and Gitea set GitHub's names besides their own mark: they are looked for first.
    JobSystem.FORGEJO: JobNames(
        ("FORGEJO_ACTIONS", "GITEA_ACTIONS"), "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR"
    ),
    JobSystem.GITHUB: JobNames(("GITHUB_ACTIONS",), "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR"),
    JobSystem.JENKINS: JobNames(("JENKINS_URL",), "JOB_NAME", "BUILD_NUMBER", "BUILD_USER_ID"),
}
"""By system, in the order in which they are looked for."""


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


def toml_settings(text: str, file: str, known: Collection[str], example: str) -> Document:
    """The settings of a file by their names; what their values are nobody has looked at.

    Args:
        text: what the file says.
        file: its name.
        known: the names that there are.
        example: what a hint shows, e.g. `e.g. branch = "main"`.

    Raises:
        UsageError: it is no TOML, or has another name.
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message, hint = f"{file}: {printable(str(error), _LONGEST_SHOWN)}", f"write it in TOML, {example}"
        raise UsageError(message, hint=hint) from None
    for name in values:
        if name not in known:
            hint = did_you_mean(name, sorted(known), f"the settings are: {', '.join(sorted(known))}")
            raise UsageError(f"{file}: {printable(name, _LONGEST_SHOWN)} is no setting", hint=hint)
    return values


def job_system(environment: Mapping[str, str]) -> JobSystem | None:
    """The system whose job this process is of; None outside of the ones that are known."""
    return next((one for one, names in JOB_NAMES.items() if any(map(environment.get, names.marks))), None)


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
