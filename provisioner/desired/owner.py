"""Whose a host is: the mark that an inventory leaves on it, which no other inventory passes over. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Final

from provisioner.base.text import printable

NOTHING: Final = "nothing"
"""What a host says instead of a mark where nothing of anybody's is on it."""

_SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"
_FORMS: Final = {
    "inventory": re.compile(rf"(?=.{{1,63}}\Z){_SLUG}"),
    "key": re.compile(r"[0-9a-f]{32}"),
    "at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
}
_WORD, _PERSON = 64, 120
_SHAPES: Final = {
    "alone": "who has the host for itself alone",
    "shared": "who shares the host with others",
}
"""What a host's door says before a mark of the other shape, and what that means."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner, by its mark; who is unknown has no inventory.

    Attributes:
        inventory: the inventory's id.
        key: a public fingerprint of what the inventory knows the host by; from it follows no secret.
        at: when the mark was written, in UTC by the host's clock, to the second; empty where that is not known.
        host: what the host is called there.
        run: the run that was confirmed last.
        who: who carried that out.
        released: whether the owner has let go of it.
        shape: `alone` or `shared`, where that is how somebody else has the host and not how we would: it can neither be
            taken over nor be used beside him then; empty where it is no matter.
    """

    inventory: str = ""
    key: str = ""
    at: str = ""
    host: str = ""
    run: str = ""
    who: str = ""
    released: bool = False
    shape: str = ""

    def is_same(self, other: Owner) -> bool:
        """Whether the mark of another one is of the same inventory with the same key."""
        return bool(self.inventory) and (self.inventory, self.key) == (other.inventory, other.key)

    @property
    def claim(self) -> Owner:
        """What has to stay as it is for a host to be the same owner's still: a run of the owner's makes it another."""
        return Owner(self.inventory, self.key, self.at)

    @property
    def words(self) -> str:
        """The owner in words, for people."""
        if not self.inventory and self.shape:
            return f"somebody unknown, {_SHAPES[self.shape]}"
        if not self.inventory:
            return "somebody unknown (provisioner's files are there, and no mark of whose they are)"
        known = f"inventory {self.inventory}, key {self.key[:8]}"
        known += f", as {self.host}" if self.host else ""
        known += f", {_SHAPES[self.shape]}" if self.shape else ""
        last = f"run {self.run}, " if self.run else ""
        by = f" by {self.who}" if self.who else ""
        return f"{known} (last: {last}{self.at}{by})"


UNMARKED: Final = Owner()
"""The owner of what lies on a host without a mark: of an earlier version, or damaged."""


def owner_in(text: str) -> Owner | None:
    """Whose a host says that it is, in the line that its door prints; None where nothing of ours is on it.

    Whatever else the line holds is no mark. Never raises.
    """
    if text == NOTHING:
        return None
    shape, _, mark = text.partition(" ")
    if shape in _SHAPES:
        return replace(_marked(mark), shape=shape)
    return _marked(text)


def _marked(text: str) -> Owner:
    try:
        return owner_of(json.loads(text))
    except (ValueError, RecursionError):
        return UNMARKED


def owner_of(document: object) -> Owner:
    """The owner by a mark's document, which a host may have made up; one that is not of our form is none."""
    if not isinstance(document, dict):
        return UNMARKED
    for name, form in _FORMS.items():
        value = document.get(name)
        if not (isinstance(value, str) and form.fullmatch(value)):
            return UNMARKED
    return Owner(
        document["inventory"],
        document["key"],
        document["at"],
        host=_shown(document.get("host"), _WORD),
        run=_shown(document.get("run"), _WORD),
        who=_shown(document.get("who"), _PERSON),
        released=document.get("released") is True,
    )


def _shown(word: object, longest: int) -> str:
    return printable(word, longest) if isinstance(word, str) else ""
