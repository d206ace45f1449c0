"""Newest entries kept outside the database, compared with the record.

If the record lacks an entry that a holder has, the record was cut off or set back. A holder can lie: only a seal with
the vault's key proves an entry, and a false seal disproves it.

This machine keeps its own newest entry in a file beside the database. Whoever can write the folder can change both, so
the file shows only changes to the database alone: on its server, by hand, or by a restored backup. Heads on hosts and
in Git notes show more. A Git note is optional. It is on the inventory's commit, in this repository alone, and never
pushed; other repositories fetch `refs/notes/provisioner`.

Entries may also leave on purpose (`latest_cut`), if another entry says so.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

from sqlalchemy import Connection, select

from provisioner.base.errors import UsageError
from provisioner.base.files import replace_file
from provisioner.base.git import Checkout, ask_git, checkout_of
from provisioner.base.text import printable
from provisioner.record.database import seals_of
from provisioner.record.entries import Cut, EndedContent, EntryKind, Operation, cut_of, linked
from provisioner.record.state_folder import Head, RecordKeys, SealVerdict, StateFolder
from provisioner.record.tables import DAMAGE, entries, entry_content, stored

_Entry = tuple[int, str, str, str, str]
_LARGEST_FILE = 4096
_NUMBERS = 2**63
VARIABLE = "PROVISIONER_RECORD_NOTE"
REF = "refs/notes/provisioner"
_LARGEST_NOTE = 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_NO = frozenset({"", "0", "no", "false"})
_PERSON: Final = ("-c", "user.name=provisioner", "-c", "user.email=provisioner")
_RESTORED = (
    "if the record was put back from a backup, that is the reason: name the entries that went with it by"
    " --lost FIRST-LAST; if nobody did that, keep a copy of the database and of what holds the entry, and ask who could"
    " write it"
)
_FORGED = "look at who changed it there: the record is not doubted by it"
_EITHER = f"the entry is not keyed, so its holder may have made it up; {_RESTORED}"
_RUN_SHOWN = 63
_STRIPPED = "somebody took the seals out of the database: keep a copy of it, and ask who could write it"
UNKNOWN_RUN_HINT = (
    "either the run was recorded elsewhere (all have to record in one place: PROVISIONER_STATE), or the record was cut"
    " or set back, or that host's own files were changed: see provisioner history, and the run's receipt on the host"
)


@dataclass(frozen=True, slots=True)
class WitnessedHead:
    """An entry held outside the database, by a host or e.g. Git."""

    holder: str
    head: Head
    host: str = ""


@dataclass(frozen=True, slots=True)
class HeadFault:
    """A held entry that the record lacks or has in another form."""

    held: WitnessedHead
    message: str
    hint: str


# --- entries that left on purpose ------------------------------------------------------------------
def latest_cut(connection: Connection, inventory: str, keys: RecordKeys) -> Cut:
    """Return the latest times of all entries that record a cut."""
    cuts = list(_whole_cuts(connection, inventory, keys))
    documents = [cut.documents for cut in cuts if cut.documents]
    verdicts = [cut.verdicts for cut in cuts if cut.verdicts]
    return Cut(max(documents, default=None), max(verdicts, default=None))


def _whole_cuts(connection: Connection, inventory: str, keys: RecordKeys) -> Iterator[Cut]:
    number, run, text = stored(entries.c.number), stored(entries.c.run), stored(entries.c.content)
    previous, name = stored(entries.c.previous), stored(entries.c.hash)
    kind = entries.c.operation == Operation.PRUNE.value, entries.c.step == EntryKind.ENDED.value
    query = select(number, run, text, previous, name).where(entries.c.inventory == inventory, *kind)
    for row in connection.execute(query):
        with suppress(*DAMAGE):
            content = entry_content(row[2], row[0])
            if _is_whole(connection, inventory, keys, cast("_Entry", tuple(row))):
                yield cut_of(cast("EndedContent", content))


def _is_whole(connection: Connection, inventory: str, keys: RecordKeys, entry: _Entry) -> bool:
    number, run, text, previous, name = entry
    seal, _ = seals_of(connection, inventory, number).get(number, ("", ""))
    sealed = keys.judge_seal(seal, Head(run, number, name).message(inventory))
    return sealed is not SealVerdict.FALSE and linked(previous, text) == name


# --- this machine's newest entry -------------------------------------------------------------------
def remembered(folder: StateFolder) -> Head | None:
    """Return this machine's newest entry, or `None` if unreadable."""
    if folder.remembered is None:
        return None
    try:
        with folder.remembered.open("rb") as stream:
            return head_in(stream.read(_LARGEST_FILE).decode(), folder.inventory)
    except (OSError, ValueError):
        return None


def remember(folder: StateFolder, head: Head) -> None:
    """Write an entry to this machine's file; an error is ignored."""
    if folder.remembered is None:
        return
    with suppress(OSError):
        _make_folder(folder.remembered.parent)
        replace_file(folder.remembered, f"{head_text(head, folder.inventory)}\n".encode())


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)


# --- a head as a line of text ---------------------------------------------------------------------
def head_text(head: Head, inventory: str) -> str:
    """Return a head and its inventory as a line of JSON."""
    return json.dumps({"history": inventory, **asdict(head)}, sort_keys=True)


def head_in(text: str, inventory: str) -> Head | None:
    """Parse a line of JSON; `None` if invalid or of another inventory."""
    try:
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.pop("history") != inventory:
            return None
        run, number, name, seal = (plain[key] for key in ("run", "number", "hash", "seal"))
    except (ValueError, LookupError, RecursionError):
        return None
    texts = all(isinstance(value, str) and value.isprintable() for value in (run, name, seal))
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < _NUMBERS
    return Head(run, number, name, seal) if texts and is_number else None


# --- Git notes -------------------------------------------------------------------------------------
def note_head(root: Path, environment: Mapping[str, str], inventory: str, commit: str, head: Head | None) -> str:
    """Append an entry to the commit's Git note, or return why not."""
    if head is None or environment.get(VARIABLE, "").lower() in _NO:
        return ""
    if not _COMMIT.fullmatch(commit):
        return f"no Git note was written ({VARIABLE}): the inventory is in no Git repository"
    line = head_text(head, inventory).encode()
    try:
        _git_output(root, "notes", f"--ref={REF}", "append", "--file=-", commit, stdin=line)
    except _GitError as error:
        return f"no Git note was written ({VARIABLE}): {error}"
    return ""


def replace_note(clone: Checkout, reference: str, commit: str, text: str) -> bool:
    """Set a commit's only note; return whether Git could write it."""
    arguments = ("notes", f"--ref={reference}", "add", "--force", "--file=-", commit)
    return ask_git(clone, *_PERSON, *arguments, stdin=text.encode()).code == 0


def noted(root: Path, inventory: str) -> tuple[tuple[str, Head], ...]:
    """Return the entries in Git notes with their commits; empty outside Git."""
    try:
        listed = _git_output(root, "notes", f"--ref={REF}", "list").decode("ascii", "replace")
        blobs = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
        return tuple(
            (blobs[blob], head)
            for blob, text in _blobs(root, list(blobs))
            for head in (head_in(line, inventory) for line in text.splitlines())
            if head is not None
        )
    except _GitError:
        return ()


def _blobs(root: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the notes' texts; skip notes larger than this program writes."""
    if not names:
        return
    checked = _git_output(root, "cat-file", "--batch-check", stdin=_lines(names)).decode("ascii", "replace")
    described = [line.split() for line in checked.splitlines()]
    small = [line[0] for line in described if line[1:2] == ["blob"] and int(line[2]) <= _LARGEST_NOTE]
    output, position = _git_output(root, "cat-file", "--batch", stdin=_lines(small)), 0
    for name in small:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        yield name, output[end + 1 : end + 1 + size].decode("utf-8", "replace")
        position = end + size + 2


def _lines(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


class _GitError(Exception):
    """Git failed; the message is Git's."""


def _git_output(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    checkout = checkout_of(root)
    if checkout is None:
        raise _GitError("the inventory is in no Git repository")
    try:
        done = ask_git(checkout, *_PERSON, *arguments, stdin=stdin)
    except UsageError as error:
        raise _GitError(error.message) from None
    if done.code != 0:
        lines = done.said.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise _GitError("git says: " + printable(lines[-1]))
    return done.output


# --- heads that others hold ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Witnesses:
    """The record to compare entries with; `lost` ones left before a restore."""

    inventory: str
    entries: Mapping[int, Head]
    keys: RecordKeys
    lost: range = range(0)

    def lacking(self, heads: Iterable[WitnessedHead]) -> Iterator[HeadFault]:
        """Yield the faults of held entries, in the holders' order."""
        for head in heads:
            fault = self._fault_of(head)
            if fault is not None:
                yield fault

    def _fault_of(self, witnessed: WitnessedHead) -> HeadFault | None:
        head, here = witnessed.head, self.entries.get(witnessed.head.number)
        verdict = self.keys.judge_seal(head.seal, head.message(self.inventory))
        claim = f"{witnessed.holder} holds entry {head.number} (run {head.run[:_RUN_SHOWN]})"
        if verdict is SealVerdict.FALSE:
            return HeadFault(
                witnessed, f"{claim} with a seal that is not by the vault's key: it was made up there", _FORGED
            )
        if here is not None and (here.hash, here.run) == (head.hash, head.run):
            if head.seal and not here.seal and verdict is SealVerdict.GENUINE:
                return HeadFault(witnessed, f"{claim} with a seal, and the record has it without one", _STRIPPED)
            return None
        if head.number in self.lost:
            return None
        lacks = f"and the record {self._record_text(head)}"
        if verdict is SealVerdict.GENUINE:
            return HeadFault(witnessed, f"{claim}, genuine by the vault's key, {lacks}", _RESTORED)
        return HeadFault(witnessed, f"{claim}, {lacks}", _EITHER)

    def _record_text(self, head: Head) -> str:
        if head.number in self.entries:
            return "has another one there: it was rewritten, or set back and gone on with"
        if not self.entries:
            return "is empty: it was emptied or removed"
        last = max(self.entries)
        return f"ends with entry {last}: its newest entries were cut off" if head.number > last else "lacks it"


def unknown_runs(confirmed: Mapping[str, str], runs: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield hosts whose confirmed run the record lacks, with a message."""
    for host, run in sorted(confirmed.items()):
        if run and run not in runs:
            yield host, f"{host} says that run {run} was confirmed there last, and the record has no such run"
