"""Frozen facilities: their hosts keep the state until the files are valid."""

from dataclasses import dataclass

from provisioner.base.errors import Problem
from provisioner.base.text import counted, msg


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
