"""A problem found in the inventory, with its place. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RECEIVERS = "receivers"
"""The object of problems of `receivers.yml`."""
REGO_RULES = "policy"
"""The folder of Rego rules, with which the objects of problems of theirs begin."""


class Severity(StrEnum):
    """How bad a problem is: an error stops every command, or holds the facility that it is about; a warning neither."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem in one place.

    Attributes:
        file: path as the user would type it; empty where no file is concerned.
        line: 1-based line, 0 where unknown.
        column: 1-based column, 0 where unknown.
        code: a stable id, e.g. `facility-id-duplicate`.
        message: one sentence: which object, what is wrong.
        hint: what to do next.
        object: id of the object, e.g. `facility/kcl-bg-001`.
        severity: error or warning.
        concerns: the facilities that it is about, where `object` does not say so: ids.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""
    object: str = ""
    severity: Severity = Severity.ERROR
    concerns: tuple[str, ...] = ()

    @property
    def facilities(self) -> tuple[str, ...]:
        """The facilities that it is about: it holds them, and nobody else; none where it concerns all."""
        kind, _, name = self.object.partition("/")
        return self.concerns or ((name,) if kind == "facility" else ())

    @property
    def stops(self) -> bool:
        """Whether it stops commands, or holds a facility.

        Who is told of nights changes nothing on any host, and rules that judge plans keep those alone back.
        """
        return self.severity is Severity.ERROR and self.object != RECEIVERS and not self.is_of_rego

    @property
    def stops_plans(self) -> bool:
        """Whether nothing is planned or applied for it."""
        return self.stops or (self.is_of_rego and self.severity is Severity.ERROR)

    @property
    def is_of_rego(self) -> bool:
        """Whether it is about the Rego rules of an inventory."""
        return self.object.partition("/")[0] == REGO_RULES

    @property
    def document(self) -> dict[str, str | int]:
        """The problem as documents have it."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "object": self.object,
        }

    @property
    def place(self) -> str:
        """`file:line:column`, as far as it is known."""
        parts = [self.file or "inventory"]
        if self.line:
            parts += [str(self.line), str(self.column)]
        return ":".join(parts)
