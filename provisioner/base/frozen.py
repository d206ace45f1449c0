"""A facility that is held: what hosts have of it stays as it is until its own files are in order again."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.base.errors import Problem
from provisioner.base.text import counted, msg


@dataclass(frozen=True, slots=True)
class HeldFacility:
    """A facility with errors that concern it, and nobody else.

    Attributes:
        id: its id: that of its file, whatever the file says.
        problems: the errors, sorted by place.
        province: the province by its file or by the folder of it; empty where nothing says it.
        carriers: the carriers by its file or by the lock; none where nothing says it.
        names: its id, and the ids that it had (`moved`).
    """

    id: str
    problems: tuple[Problem, ...]
    province: str = ""
    carriers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why it is held, in a sentence: the first error, and how many more there are."""
        more = len(self.problems) - 1
        first = self.problems[0].message if self.problems else "it is invalid"
        first = first.removeprefix(msg("facility {id}", self.id) + ": ")
        return msg("{first} (and {more_errors})", first, counted(more, "more error")) if more > 0 else first

    @property
    def hint(self) -> str:
        """What to do next."""
        return self.problems[0].hint if self.problems else ""

    @property
    def file(self) -> str:
        """The file that has to be corrected."""
        return self.problems[0].file if self.problems else ""

    @property
    def line(self) -> int:
        """The line there, 0 where there is none."""
        return self.problems[0].line if self.problems else 0

    @property
    def place(self) -> str:
        """File and line, as far as they are known."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    @property
    def text(self) -> str:
        """The facility, why it is held, and where that is mended, in one line."""
        return msg("{id} is held: {reason}", self.id, self.reason) + (f" ({self.place})" if self.place else "")
