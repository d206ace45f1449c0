"""Errors with their exit codes, problems with positions, frozen facilities. Pure.

An exception means "could not do it"; a result means "did it, the answer is no". Each error has a sentence with object
and place, a hint with the next step, and an exit code by its branch (docs/reference/commands.md):

    ProvisionerError            70
    ├─ UsageError                2   wrong usage, or an empty selection
    ├─ InventoryError            3   the inventory is invalid: all problems at once
    ├─ RenderError               4   a template lacks a value
    ├─ HostError                 5   a host could not be reached or read, or lacks a precondition
    ├─ PolicyError               6   refused by policy
    ├─ ApplyError                7   apply failed; hosts are at their last-good state, or the plan is not fully applied
    ├─ StalePlanError            8   the plan is not of this inventory, or the host has changed
    ├─ LockedError               9   somebody else has locked the host
    ├─ RollbackError            11   rollback failed: a person is needed now
    ├─ SecretsError             12   secrets cannot be opened
    ├─ StateError               13   the history of runs cannot be opened or written
    ├─ NoticeError              14   a receiver was not reached
    └─ ReportError              15   a report, or standard output, cannot be written
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from provisioner.base.text import counted, msg

RECEIVERS = "receivers"  #: `Problem.object` for problems of `receivers.yml`.
REGO_RULES = "policy"  #: The Rego rules' folder; `Problem.object` of their problems begins with it.
INTERRUPTED: Final = 130  #: Exit code after an interrupt: 128 and the signal's number.

#: Meaning of each exit code, for people.
MEANINGS: Final[Mapping[int, str]] = {
    0: "done; for plan --exit-code and drift: no change",
    1: "verification: something is degraded, down or unknown; an agreed availability missed; an idle intent;"
    " a Rego test",
    2: "wrong usage, or nothing selected",
    3: "the inventory is invalid: all problems are listed; or a facility is held, and all others were done",
    4: "rendering failed",
    5: "a host could not be reached or read, lacks a precondition, or what became of its change is not known",
    6: "refused by policy, or because the new rules would lock SSH out",
    7: "apply failed; hosts are at their last-good state, or a fresh plan of what was applied is not empty",
    8: "stale plan, with what moved",
    9: "locked by someone else",
    10: "changes present (plan --exit-code, drift)",
    11: "rollback failed: a person is needed now",
    12: "secrets cannot be opened",
    13: "the history of runs cannot be opened, read or written; nothing was changed",
    14: "nightly, notify, forge: a receiver, or the forge, was not told",
    15: "standard output, a report or the metrics (nightly) cannot be written",
    70: "internal error, a defect of provisioner; the message names the file with the trace",
    130: "interrupted",
}

_WORST_FIRST: Final = (11, 7, 9, 8, 6, 5, INTERRUPTED, 14, 15, 3, 10, 1, 0)


class Severity(StrEnum):
    """Errors stop commands or freeze a facility; warnings do neither."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem at a position."""

    file: str  #: Path as the user would type it; empty if no file is concerned.
    line: int  #: 1-based, 0 if unknown.
    column: int  #: 1-based, 0 if unknown.
    code: str  #: A stable id, e.g. `facility-id-duplicate`.
    message: str  #: One sentence: which object, what is wrong.
    hint: str = ""
    object: str = ""  #: Id of the object, e.g. `facility/kcl-bg-001`.
    severity: Severity = Severity.ERROR
    concerns: tuple[str, ...] = ()  #: Ids of the facilities concerned, if `object` is no facility.

    @property
    def facilities(self) -> tuple[str, ...]:
        """Facilities that the problem freezes; empty if it concerns all."""
        kind, _, name = self.object.partition("/")
        return self.concerns or ((name,) if kind == "facility" else ())

    @property
    def stops(self) -> bool:
        """Whether the problem stops commands, or freezes a facility.

        Problems of receivers change no host. Problems of Rego rules stop plans only.
        """
        return self.severity is Severity.ERROR and self.object != RECEIVERS and not self.is_of_rego

    @property
    def stops_plans(self) -> bool:
        """Whether the problem forbids plan and apply."""
        return self.stops or (self.is_of_rego and self.severity is Severity.ERROR)

    @property
    def is_of_rego(self) -> bool:
        """Whether the problem is about the inventory's Rego rules."""
        return self.object.partition("/")[0] == REGO_RULES

    @property
    def position(self) -> str:
        """`file:line:column`, as far as known."""
        parts = [self.file or "inventory"]
        if self.line:
            parts += [str(self.line), str(self.column)]
        return ":".join(parts)


class ProvisionerError(Exception):
    """An expected failure: a sentence with the object, and the next step."""

    exit_code: ClassVar[int] = 70
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", object: str = "") -> None:  # noqa: A002 (the documents' own word)
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.object = object


class UsageError(ProvisionerError):
    """A command line that names an unknown object or selects none."""

    exit_code = 2
    code = "usage"


class ListedProblemsError(ProvisionerError):
    """Base of errors with a list of `problems`."""

    def __init__(
        self,
        message: str,
        *,
        problems: tuple[Problem, ...] = (),
        hint: str = "",
        object: str = "",  # noqa: A002
    ) -> None:
        super().__init__(message, hint=hint, object=object)
        self.problems = problems


class InventoryError(ListedProblemsError):
    """The inventory is invalid; `problems` lists all of its problems."""

    exit_code = 3
    code = "inventory-invalid"


class RenderError(ProvisionerError):
    """A template lacks a value, or is invalid."""

    exit_code = 4
    code = "render-failed"


class HostError(ProvisionerError):
    """A host could not be reached or read, or lacks a precondition."""

    exit_code = 5
    code = "host-failed"


class PolicyError(ProvisionerError):
    """Policy refuses a change; the hosts are unchanged."""

    exit_code = 6
    code = "refused"


class ApplyError(ProvisionerError):
    """An apply failed; the hosts are at their last-good state."""

    exit_code = 7
    code = "apply-failed"


class StalePlanError(ProvisionerError):
    """A saved plan no longer fits the inventory or the host."""

    exit_code = 8
    code = "stale-plan"


class LockedError(ProvisionerError):
    """Somebody else is changing the host."""

    exit_code = 9
    code = "locked"


class RollbackError(ProvisionerError):
    """A host could not be returned to its last-good state."""

    exit_code = 11
    code = "rollback-failed"


class SecretsError(ProvisionerError):
    """An encrypted file cannot be opened, or a secret is missing."""

    exit_code = 12
    code = "secrets-closed"


class StateError(ProvisionerError):
    """The history of runs cannot be opened, read or written."""

    exit_code = 13
    code = "state-closed"


class NoticeError(ListedProblemsError):
    """A receiver was not reached; `problems` lists invalid receivers, if any."""

    exit_code = 14
    code = "notice-failed"


class ReportError(ProvisionerError):
    """A report or standard output cannot be written; the command's effects stay."""

    exit_code = 15
    code = "report-failed"


@contextmanager
def os_errors(fault: str, hint: str, kind: type[ProvisionerError] = UsageError) -> Iterator[None]:
    """Raise each `OSError` as an error of ours."""
    try:
        yield
    except OSError as error:
        raise kind(f"{fault}: {error.strerror}", hint=hint) from None


@contextmanager
def raised_as(error: Exception, *kinds: type[Exception]) -> Iterator[None]:
    """Raise `error` in the place of these kinds."""
    try:
        yield
    except kinds:
        raise error from None


def worst_of(*codes: int) -> int:
    """Return the worst exit code; 0 without codes."""
    return min(codes, key=rank_of, default=0)


def rank_of(code: int) -> int:
    """Return an exit code's rank, worst first; unlisted codes rank before all."""
    return _WORST_FIRST.index(code) if code in _WORST_FIRST else -1


class UnreadableError(Exception):
    """A part of another program's document is missing or invalid."""


@dataclass(frozen=True, slots=True)
class FrozenFacility:
    """A facility whose errors concern it alone."""

    id: str  #: From the file's name, whatever the file says.
    problems: tuple[Problem, ...]  #: The errors, sorted by position.
    province: str = ""  #: From the file, its folder or the lock; empty if unknown.
    carriers: tuple[str, ...] = ()  #: From the file, its folder or the lock; empty if unknown.
    names: tuple[str, ...] = ()  #: The id and former ids (`moved`).

    @property
    def reason(self) -> str:
        """The first error and the number of further ones, in a sentence."""
        more = len(self.problems) - 1
        first = self.problems[0].message if self.problems else "it is invalid"
        first = first.removeprefix(msg("facility {id}", self.id) + ": ")
        return msg("{first} (and {more_errors})", first, counted(more, "more error")) if more > 0 else first

    @property
    def hint(self) -> str:
        """The next step."""
        return self.problems[0].hint if self.problems else ""

    @property
    def file(self) -> str:
        """The file to correct."""
        return self.problems[0].file if self.problems else ""

    @property
    def line(self) -> int:
        """The line in the file, 0 if unknown."""
        return self.problems[0].line if self.problems else 0

    @property
    def position(self) -> str:
        """File and line, as far as they are known."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    @property
    def text(self) -> str:
        """The facility, the reason and the position, in one line."""
        return msg("{id} is held: {reason}", self.id, self.reason) + (f" ({self.position})" if self.position else "")
