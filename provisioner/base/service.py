"""A service's environment: systemd, settings, pipeline job, stages.

A command sets its stage watcher once (`watched_by`). Only the thread that set it reports stages; forked processes and
other threads do not.
"""

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
    """Notifications to systemd (sd_notify(3)); silent if systemd did not start the service."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get(_SOCKET, "")
        # A name that begins with @ is one of the abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address if address.startswith("/") else ""
        watchdog_us = environment.get(_WATCHDOG, "")
        self.watchdog_s: float = int(watchdog_us) / 1_000_000 if watchdog_us.isdecimal() else 0.0

    def ready(self, status: str) -> None:
        """Report that the service is ready."""
        self._send(f"READY=1\nSTATUS={printable(status, _LONGEST_STATUS)}")

    def status(self, text: str) -> None:
        """Set the text that `systemctl status` shows."""
        self._send(f"STATUS={printable(text, _LONGEST_STATUS)}")

    def alive(self) -> None:
        """Reset systemd's watchdog."""
        self._send("WATCHDOG=1")

    def leaving(self) -> None:
        """Report that the service stops."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # The listener may have ended, which is not a failure.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(text.encode(), self._address)


class JobSystem(StrEnum):
    """A pipeline system, detected from its jobs' environment; Gitea counts as Forgejo."""

    GITLAB = "gitlab"
    FORGEJO = "forgejo"
    GITHUB = "github"
    JENKINS = "jenkins"


@dataclass(frozen=True, slots=True)
class JobNames:
    """Variables that describe a job; others may hold tokens."""

    marks: tuple[str, ...]  #: Each of them identifies the system.
    project: str
    number: str
    login: str  #: The forge's name of the person who started the job.


#: By system, in order of detection.
JOB_NAMES: Final[Mapping[JobSystem, JobNames]] = {
    JobSystem.GITLAB: JobNames(("GITLAB_CI",), "CI_PROJECT_PATH", "CI_JOB_ID", "GITLAB_USER_LOGIN"),
    # Runners of Forgejo and Gitea set GitHub's names besides their own mark: they are looked for first.
    JobSystem.FORGEJO: JobNames(
        ("FORGEJO_ACTIONS", "GITEA_ACTIONS"), "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR"
    ),
    JobSystem.GITHUB: JobNames(("GITHUB_ACTIONS",), "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR"),
    JobSystem.JENKINS: JobNames(("JENKINS_URL",), "JOB_NAME", "BUILD_NUMBER", "BUILD_USER_ID"),
}


class Stage(StrEnum):
    """A stage of work on files and values, not on hosts."""

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


#: Stages that fork, which is unsafe beside another thread: a progress display may not run.
FORKING = frozenset({Stage.READ, Stage.RECORD, Stage.SECRETS})


class StageWatcher(Protocol):
    """Receiver of stages' progress."""

    def stage_started(self, stage: Stage, total: int) -> None:
        """A stage begins; `total` is 0 if items are not counted."""

    def stage_advanced(self, stage: Stage, number: int) -> None:
        """So many more items are done."""

    def stage_ended(self, stage: Stage) -> None:
        """The stage ended, with success or not."""


_WATCHER: ContextVar[tuple[StageWatcher, int, int] | None] = ContextVar("stage_watcher", default=None)


def toml_settings(text: str, file: str, settings: Collection[str], example: str) -> Document:
    """Parse settings; unknown names raise `UsageError`, values are not checked."""
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message, hint = f"{file}: {printable(str(error), _LONGEST_SHOWN)}", f"write it in TOML, {example}"
        raise UsageError(message, hint=hint) from None
    for name in values:
        if name not in settings:
            hint = did_you_mean(name, sorted(settings), f"the settings are: {', '.join(sorted(settings))}")
            raise UsageError(f"{file}: {printable(name, _LONGEST_SHOWN)} is no setting", hint=hint)
    return values


def job_system(environment: Mapping[str, str]) -> JobSystem | None:
    """Return the system of the current pipeline job; `None` outside known systems."""
    return next((system for system, names in JOB_NAMES.items() if any(map(environment.get, names.marks))), None)


@contextmanager
def watched_by(watcher: StageWatcher) -> Iterator[None]:
    """Report all stages to a watcher until the end of the block."""
    token = _WATCHER.set((watcher, os.getpid(), threading.get_ident()))
    try:
        yield
    finally:
        _WATCHER.reset(token)


@contextmanager
def at_stage(stage: Stage, total: int = 0) -> Iterator[Callable[[int], None]]:
    """Report a stage until the block ends; yields a counter of items."""
    watcher = _watcher_of_thread()
    if watcher is None:
        yield unwatched
        return
    watcher.stage_started(stage, total)
    try:
        yield lambda number: watcher.stage_advanced(stage, number)
    finally:
        watcher.stage_ended(stage)


def _watcher_of_thread() -> StageWatcher | None:
    named = _WATCHER.get()
    if named is None or named[1:] != (os.getpid(), threading.get_ident()):
        return None
    return named[0]


def unwatched(_number: int) -> None:
    """Ignore progress."""
