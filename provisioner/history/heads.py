"""Entries that others hold, held against the record: what is there and not here was cut off, or set back. Pure.

A holder's word alone decides nothing. An entry whose seal is by the vault's key was written by who has that key, so a
record that does not have it lost it; one whose seal is false was made up where it was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from provisioner.history.seal import Head, RecordKeys, SealVerdict


@dataclass(frozen=True, slots=True)
class HeldHead:
    """An entry that somebody holds.

    Attributes:
        holder: who, in words for people, e.g. `relay-vnpt-1 (manifest)`.
        head: the entry.
        host: the host's id; empty where it is none.
    """

    holder: str
    head: Head
    host: str = ""


@dataclass(frozen=True, slots=True)
class HeadFault:
    """An entry that somebody holds and the record does not have as it is held."""

    held: HeldHead
    message: str
    hint: str


_RESTORED = (
    "if the record was put back from a backup, that is the reason: name the entries that went with it by"
    " --lost FIRST-LAST; if nobody did that, keep a copy of the database and of what holds the entry, and ask who could"
    " write it"
)
_FORGED = "look at who changed it there: the record is not doubted by it"
_EITHER = f"the entry is not keyed, so its holder may have made it up; {_RESTORED}"
_RUN_SHOWN = 63
_STRIPPED = "somebody took the seals out of the database: keep a copy of it, and ask who could write it"


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """What entries that others hold are held against.

    Attributes:
        inventory: the inventory's id.
        entries: the record's entries by their numbers.
        keys: what seals are held against.
        lost: the numbers of entries that people know to be lost, as the record was put back from a backup.
    """

    inventory: str
    entries: Mapping[int, Head]
    keys: RecordKeys
    lost: range = range(0)

    def lacking(self, held: Iterable[HeldHead]) -> Iterator[HeadFault]:
        """What is wrong, in the order of the holders."""
        for one in held:
            fault = self._fault(one)
            if fault is not None:
                yield fault

    def _fault(self, held: HeldHead) -> HeadFault | None:
        head, here = held.head, self.entries.get(held.head.number)
        verdict = self.keys.judge_seal(head.seal, head.message(self.inventory))
        what = f"{held.holder} holds entry {head.number} (run {head.run[:_RUN_SHOWN]})"
        if verdict is SealVerdict.FALSE:
            return HeadFault(held, f"{what} with a seal that is not by the vault's key: it was made up there", _FORGED)
        if here is not None and (here.hash, here.run) == (head.hash, head.run):
            if head.seal and not here.seal and verdict is SealVerdict.GENUINE:
                return HeadFault(held, f"{what} with a seal, and the record has it without one", _STRIPPED)
            return None
        if head.number in self.lost:
            return None
        lacks = f"and the record {self._instead(head)}"
        if verdict is SealVerdict.GENUINE:
            return HeadFault(held, f"{what}, genuine by the vault's key, {lacks}", _RESTORED)
        return HeadFault(held, f"{what}, {lacks}", _EITHER)

    def _instead(self, head: Head) -> str:
        if head.number in self.entries:
            return "has another one there: it was rewritten, or set back and gone on with"
        if not self.entries:
            return "is empty: it was emptied or removed"
        last = max(self.entries)
        return f"ends with entry {last}: its newest entries were cut off" if head.number > last else "lacks it"


def unknown_runs(confirmed: Mapping[str, str], runs: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Each host whose manifest names a confirmed run that the record does not have, with what that means."""
    for host, run in sorted(confirmed.items()):
        if run and run not in runs:
            yield host, f"{host} says that run {run} was confirmed there last, and the record has no such run"


UNKNOWN_RUN_HINT = (
    "either the run was recorded elsewhere (all have to record in one place: PROVISIONER_STATE), or the record was cut"
    " or set back, or that host's own files were changed: see provisioner history, and the run's receipt on the host"
)
