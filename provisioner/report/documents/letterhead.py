"""What a person fills into a document's head and foot, read from `KEY=TEXT` texts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.base.vietnamese import clean
from provisioner.report.documents.official import Letterhead

KEYS: Final = {
    "parent": "parent",
    "issuer": "issuer",
    "number": "number",
    "place": "place",
    "date": "dated",
    "to": "addressees",
    "recipient": "recipients",
    "position": "position",
    "signer": "signer",
    "dic": "dic",
}
"""What can be filled in, and which attribute of `Letterhead` it is."""

_LISTS: Final = frozenset({"to", "recipient"})
_LONGEST: Final = 200
_YEARS: Final = range(2000, 2101)


def letterhead_of(filled: Sequence[str]) -> Letterhead:
    """What was filled in.

    Raises:
        UsageError: a text is no `KEY=TEXT`, its key is none, it is there twice, or what it says cannot be.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    for one in filled:
        key, equals, text = one.partition("=")
        _refuse_unknown(key, equals)
        texts[key].append(_line(key, text))
    for key, listed in texts.items():
        if len(listed) > 1 and key not in _LISTS:
            raise UsageError(f"--fill {key} is there {len(listed)} times", hint=f"write --fill {key}=TEXT once")
    days = texts.pop("date", None)
    plain = {KEYS[key]: listed[0] for key, listed in texts.items() if key not in _LISTS}
    return Letterhead(
        **plain,
        dated=_day(days[0]) if days else None,
        addressees=tuple(texts.get("to", ())),
        recipients=tuple(texts.get("recipient", ())),
    )


def _refuse_unknown(key: str, equals: str) -> None:
    keys = f"the keys are: {', '.join(KEYS)}"
    if key not in KEYS:
        message = f"--fill {printable(key, 80)!r}: there is no such key"
        raise UsageError(message, hint=did_you_mean(key, KEYS, keys))
    if not equals:
        raise UsageError(f"--fill {key} says nothing", hint=f"write --fill {key}=TEXT; {keys}")


def _line(key: str, text: str) -> str:
    line = printable(clean(text))
    if not line:
        raise UsageError(f"--fill {key} is empty", hint="leave it out for a dotted line")
    if len(line) > _LONGEST:
        hint = f"a line of a document's head has {_LONGEST} characters at most"
        raise UsageError(f"--fill {key} has {len(line)} characters", hint=hint)
    return line


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise UsageError(f"--fill date: {text!r} is no day", hint="write it as YYYY-MM-DD, e.g. 2021-05-17")
    return day
