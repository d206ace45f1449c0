"""The error tree. Each branch has its own exit code (docs/design.md, part 8).

An exception means "could not do it"; a result means "did it, the answer is no". Every error carries
one sentence that names the object and the place, and a hint that says what to do next.

    ProvisionerError            70
    ├─ UsageError                2   wrong usage, or nothing selected
    ├─ InventoryError            3   the inventory is invalid: all problems at once
    ├─ RenderError               4   a template lacks a value
    ├─ HostError                 5   a host could not be reached or read, or lacks a precondition
    ├─ PolicyError               6   refused by policy
    ├─ ApplyError                7   apply failed; hosts are at their last-good state, or not all of the plan is there
    ├─ StalePlanError            8   the plan is not of this inventory, or the host has moved
    ├─ LockedError               9   somebody else holds the host
    ├─ RollbackError            11   rollback failed: a person is needed now
    ├─ SecretsError             12   secrets cannot be opened
    ├─ StateError               13   the history of runs cannot be opened or written
    ├─ NoticeError              14   somebody who was to be told was not reached
    └─ ReportError              15   a report, or standard output, cannot be written
"""

from __future__ import annotations

from typing import ClassVar

from provisioner.base.diagnostics import Problem


class ProvisionerError(Exception):
    """An expected failure: one sentence, a hint, and the object it is about.

    Attributes:
        message: one sentence with the object and the place.
        hint: what to do next.
        object: the id of the object concerned, or an empty string.
    """

    exit_code: ClassVar[int] = 70
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", object: str = "") -> None:  # noqa: A002 (the documents' own word)
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.object = object


class UsageError(ProvisionerError):
    """The command line asks for something that does not exist or selects nothing."""

    exit_code = 2
    code = "usage"


class ListedProblemsError(ProvisionerError):
    """An error with its `problems`, each with its place; of itself it is none that is raised."""

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
    """The inventory is invalid; `problems` lists every one of them, with its place."""

    exit_code = 3
    code = "inventory-invalid"


class RenderError(ProvisionerError):
    """A template could not be rendered: it lacks a value, or is not a template."""

    exit_code = 4
    code = "render-failed"


class HostError(ProvisionerError):
    """A host could not be reached or read, or lacks a precondition."""

    exit_code = 5
    code = "host-failed"


class PolicyError(ProvisionerError):
    """A change is refused by policy; nothing was touched."""

    exit_code = 6
    code = "refused"


class ApplyError(ProvisionerError):
    """An apply failed; the hosts are at their last-good state."""

    exit_code = 7
    code = "apply-failed"


class StalePlanError(ProvisionerError):
    """A saved plan does not fit the inventory or the host any more."""

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
    """A receiver was not told; `problems` has what is wrong with receivers, where that is why."""

    exit_code = 14
    code = "notice-failed"


class ReportError(ProvisionerError):
    """A report, or what a command says, cannot be written; what it was to show stands."""

    exit_code = 15
    code = "report-failed"
