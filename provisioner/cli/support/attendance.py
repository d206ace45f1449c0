"""A command's progress display, its log, and its age at calls."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from provisioner import __version__
from provisioner.base.errors import INTERRUPTED, ProvisionerError, UsageError
from provisioner.base.service import watched_by
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.onlookers import Progress, ProgressForm
from provisioner.cli.support.running import LogFile

if TYPE_CHECKING:
    from provisioner.verify.result import Incident

#: Commands whose errors may contain personal data, so the log has only their code.
_OF_PERSONS: Final = ("contacts", "import")

_STAT = Path("/proc/self/stat")
_LOADED = time.monotonic()

# In /proc/self/stat, behind the program's name in its brackets (proc(5)).
_STARTED = 19


class FirstAnswerClock:
    """Measures how long a command ran before it called hosts (`before_s`)."""

    def __init__(self) -> None:
        self.before_s = 0.0

    def hosts_called(self, paths: Mapping[str, int]) -> None:  # noqa: ARG002 (of no interest here)
        """All hosts were called."""
        self.before_s = self.before_s or running_s()

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """A host answered, or is given up."""

    def so_far(self, seconds: float, up: int, of_paths: int, incidents: "Sequence[Incident]") -> None:
        """Part of the result is certain."""


def progress_of(invocation: Invocation, log: Path | None, *, quiet: bool) -> Progress:
    """Return a command's progress display; an unwritable log raises `UsageError`."""
    file = None
    if log is not None:
        file = LogFile(log)
    return Progress(
        invocation.say, _progress_form(invocation, quiet=quiet), verbose=invocation.verbose, log=file, quiet=quiet
    )


def _progress_form(invocation: Invocation, *, quiet: bool) -> ProgressForm:
    if quiet or invocation.json:
        return ProgressForm.NOTHING
    return ProgressForm.ROWS if sys.stderr.isatty() and invocation.env.get("TERM") != "dumb" else ProgressForm.LINES


def attended(progress: Progress, command: str, call: Callable[[], object]) -> object:
    """Call a command with progress display; log its begin and end."""
    with closing(progress), progress.displayed(), watched_by(progress):
        progress.log(f"provisioner {__version__}: {command} begins")
        try:
            code = call()
        except ProvisionerError as error:
            progress.log(f"{command} ends with {error.exit_code}: {_log_text(error, command)}")
            raise
        except click.ClickException:
            progress.log(f"{command} ends with {UsageError.exit_code}: wrong usage")
            raise
        except (KeyboardInterrupt, click.Abort):
            progress.log(f"{command} ends with {INTERRUPTED}: interrupted")
            raise
        except BaseException as error:
            progress.log(f"{command} ends with {type(error).__name__}")
            raise
        progress.log(f"{command} ends with {code if isinstance(code, int) else 0}")
        return code


def _log_text(error: ProvisionerError, command: str) -> str:
    """Return an error for the log, without a user's words."""
    is_typed = isinstance(error, UsageError) or any(word in _OF_PERSONS for word in command.split())
    return error.code if is_typed else f"{error.code}: {error.message}"


def running_s() -> float:
    """Return the process's age, or else this module's."""
    try:
        ticks = int(_STAT.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[_STARTED])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - _LOADED
