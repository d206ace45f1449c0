"""Which language a person reads. Pure.

The option, then PROVISIONER_LANGUAGE, then English. `LANG` and `LC_ALL` are not asked: they are the machine's and not
the reader's, nightly runs have none, and a script that reads a text would break on the day somebody sets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from provisioner.base.errors import UsageError

VARIABLE = "PROVISIONER_LANGUAGE"


class Language(StrEnum):
    """Engineers read English, provinces read Vietnamese."""

    EN = "en"
    VI = "vi"


class UnknownLanguageError(UsageError):
    """A language that no catalogue is in."""


def language_of(option: str | None, environment: Mapping[str, str]) -> Language:
    """The language that is asked for.

    Args:
        option: what the command line says; None where it says nothing.
        environment: the caller's.

    Raises:
        UnknownLanguageError: there is no such language.
    """
    named, where = (option, "--language") if option else (environment.get(VARIABLE, ""), VARIABLE)
    if not named:
        return Language.EN
    try:
        return Language(named.lower())
    except ValueError:
        message = f"{where} is {named[:40]!r}, which is no language here"
        raise UnknownLanguageError(message, hint=f"write {' or '.join(Language)}") from None
