"""Owner's mark on a host, respected by other inventories. Pure."""

import json
import re
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from provisioner.base.document import unprinted
from provisioner.base.text import local_time, printable

NOTHING: Final = "nothing"  #: A host's answer without a mark and without our files.

_SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"
_FORMS: Final = {
    "inventory": re.compile(rf"(?=.{{1,63}}\Z){_SLUG}"),
    "key": re.compile(r"[0-9a-f]{32}"),
    "at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
}
_WORD, _PERSON = 64, 120
#: Prefix of a mark whose owner uses the host differently.
_OTHER_USES: Final = {"alone": "who has the host for itself alone", "shared": "who shares the host with others"}


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner of a host, from its mark; an unknown owner lacks `inventory`."""

    inventory: str = ""
    key: str = ""  #: A public fingerprint of the inventory's key for the host; no secret follows from it.
    _: KW_ONLY
    host: str = ""  #: The host's id in that inventory.
    run: str = ""  #: The last confirmed run.
    at: str = ""  #: Time of the mark, in UTC by the host's clock, to the second; empty if unknown.
    who: str = ""  #: The person of that run.
    released: Annotated[bool, unprinted] = False
    #: `alone` or `shared` if the owner's use differs from ours and excludes a takeover or sharing, else empty.
    shape: Annotated[str, unprinted] = ""

    def is_same(self, other: "Owner") -> bool:
        """Return whether inventory and key are the same."""
        return bool(self.inventory) and (self.inventory, self.key) == (other.inventory, other.key)

    @property
    def claim(self) -> "Owner":
        """Inventory, key and time of the mark; another run changes it."""
        return Owner(self.inventory, self.key, at=self.at)

    @property
    def words(self) -> str:
        """The owner in words, for people."""
        if not self.inventory and self.shape:
            return f"somebody unknown, {_OTHER_USES[self.shape]}"
        if not self.inventory:
            return "somebody unknown (provisioner's files are there, and no mark of whose they are)"
        text = f"inventory {self.inventory}, key {self.key[:8]}"
        text += f", as {self.host}" if self.host else ""
        text += f", {_OTHER_USES[self.shape]}" if self.shape else ""
        last = f"run {self.run}, " if self.run else ""
        by = f" by {self.who}" if self.who else ""
        at = self.at
        with suppress(ValueError):  # a mark's form allows a thirteenth month
            at = local_time(datetime.fromisoformat(at))
        return f"{text} (last: {last}{at}{by})"


UNMARKED: Final = Owner()  #: Owner of our files without a valid mark: of an earlier version, or damaged.


def owner_in(text: str) -> Owner | None:
    """Parse an untrusted answer: `None` if it is `NOTHING`, `UNMARKED` if invalid."""
    if text == NOTHING:
        return None
    shape, _, mark = text.partition(" ")
    if shape in _OTHER_USES:
        return replace(_marked(mark), shape=shape)
    return _marked(text)


def _marked(text: str) -> Owner:
    try:
        return owner_of(json.loads(text))
    except (ValueError, RecursionError):
        return UNMARKED


def owner_of(document: object) -> Owner:
    """Parse a mark's untrusted document; `UNMARKED` if invalid."""
    if not isinstance(document, dict):
        return UNMARKED
    for name, form in _FORMS.items():
        value = document.get(name)
        if not (isinstance(value, str) and form.fullmatch(value)):
            return UNMARKED
    return Owner(
        document["inventory"],
        document["key"],
        at=document["at"],
        host=_printable(document.get("host"), _WORD),
        run=_printable(document.get("run"), _WORD),
        who=_printable(document.get("who"), _PERSON),
        released=document.get("released") is True,
    )


def _printable(text: object, longest: int) -> str:
    return printable(text, longest) if isinstance(text, str) else ""
