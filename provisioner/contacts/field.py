"""What the reader of a field returns: a value, problems, or both. Neither shows a person's data by accident."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from provisioner.base.diagnostics import Severity
from provisioner.base.secret import Secret
from provisioner.contacts.messages import CATALOGUE, Language, Wording


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field.

    Attributes:
        code: a stable id, e.g. `phone-several`; `wording` has its sentences.
        severity: an error leaves no value, a warning leaves one.
        suggestion: what may have been meant; only a person may decide that, and it is personal data too.
    """

    code: str
    severity: Severity = Severity.ERROR
    suggestion: Secret | None = None

    def wording(self, language: Language = Language.EN) -> Wording:
        """Message and hint in a language."""
        return CATALOGUE[language][self.code]


@dataclass(frozen=True, slots=True)
class FieldReading:
    """A field as it was understood.

    Attributes:
        value: the value in its normal form, masked; None where an error stands against it.
        problems: one error, or any number of warnings.
    """

    value: Secret | None
    problems: tuple[FieldProblem, ...] = ()


def refused(code: str, suggestion: str | None = None) -> FieldReading:
    """The reading of a field that cannot be taken."""
    return FieldReading(None, (FieldProblem(code, suggestion=Secret(suggestion) if suggestion else None),))


def warning(code: str) -> FieldProblem:
    """A problem that leaves the value as it is."""
    return FieldProblem(code, Severity.WARNING)


def visible(text: str) -> str:
    """A text without what nobody sees in it.

    Copied phone numbers and names hold zero-width spaces, no-break spaces and direction marks.
    """
    characters = (" " if unicodedata.category(c) == "Zs" else c for c in text if unicodedata.category(c) != "Cf")
    return "".join(characters).strip()
