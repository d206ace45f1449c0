"""The source of boards: inventory, record and reports of watches. Read-only.

Pages use path history only as `Past`. Most paths look alike, so rendered rows of nights are cached. A feed loads a
board once for each recorded run; reports of watches and the age of verdicts change it in between.
"""

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from markupsafe import Markup

from provisioner.base.errors import ProvisionerError, UnreadableError
from provisioner.base.groups import gathered
from provisioner.base.language import Language
from provisioner.base.processes import without_collector
from provisioner.base.service import Stage, at_stage
from provisioner.base.vietnamese import fold
from provisioner.inventory.geography import ProvinceError
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model.devices import Camera
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import OutlinedInventory
from provisioner.record import read_history
from provisioner.record.availability.measured import Measured, Span
from provisioner.record.availability.path_state import PathState, WorstOfDay
from provisioner.record.entries import CHANGING, last_verifications
from provisioner.record.lifecycle.evidence import Evidence
from provisioner.record.lifecycle.status import FacilityStatus, statuses
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import History
from provisioner.record.verdicts import read_availability, read_nights, read_since
from provisioner.verify.document import VerifyDocument, recorded_verification
from provisioner.verify.watch_report import WatchReport, WatchWord, read_reports
from provisioner.verify.watch_report import words_of as words_of_watch
from provisioner.verify.work import NO_WORK, HostChanges, RunRow, Work
from provisioner.web import board as boards
from provisioner.web.board import merged
from provisioner.web.filters import incidents_of, with_facilities
from provisioner.web.readers import WebUser, scoped
from provisioner.web.texts import day_text, page_translator, words_of

NIGHTS = 30
_UP = Markup('<i class="up"></i>')
_OTHER = Markup('<i class="{tone}" title="{day}: {word}"></i>')
_STRIP = Markup('<span class="strip" role="img" aria-label="{words}">{squares}</span>')

_NEWEST: Final = 200  #: Runs that are searched for the last row of each path, enough for each province on its own.

_NO_HISTORY: Final = "none"  #: The mark of a place without runs.
INTERVAL_S: Final = 5.0

#: The time after which all files are read again, since the inventory changes without runs.
REREAD: Final = timedelta(minutes=15)

_ALIVE_S: Final = 15.0
MOST_LISTENERS: Final = 200
_MOST_SCOPES: Final = 256


class InventoryOverview(Protocol):
    """The part of an overview that pages need."""

    @property
    def root(self) -> Path:
        """The inventory's folder."""

    @property
    def loaded(self) -> Loaded:
        """The inventory's files."""

    @property
    def inventory(self) -> OutlinedInventory:
        """The readable part, with facilities in outline."""

    @property
    def whole_inventory(self) -> Inventory:
        """The readable part, with whole facilities."""

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The ids of facilities with unreadable files."""

    @property
    def evidence(self) -> Evidence:
        """Recorded runs of facilities."""

    @property
    def place(self) -> StateFolder:
        """The location of the history."""

    @property
    def now(self) -> datetime:
        """The time of the overview."""


_Overview = TypeVar("_Overview", bound=InventoryOverview)


class Past(Protocol):
    """The path history."""

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[WorstOfDay]]:
        """Return the last days of each path with this prefix, earliest first."""

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        """Return the measured times of each path with this prefix."""

    def changes(self, run: RunRow) -> Mapping[str, HostChanges]:
        """Return what a run changed, by host."""


class Source(Protocol):
    """A source of boards."""

    def mark(self) -> str:
        """Return a text that changes with each recorded run."""

    def load(self) -> boards.Board:
        """Return the recorded board."""

    def joined(self, recorded: boards.Board, shown: boards.Board | None) -> boards.Board:
        """Return a recorded board as of now, if changed."""

    @property
    def past(self) -> Past:
        """The path history."""


@dataclass
class RecordedSource(Generic[_Overview]):
    """Boards from an inventory and its history."""

    overview: Callable[[], _Overview]  #: Reads the inventory and the records of its facilities.
    clock: Callable[[], datetime]
    read_work: Callable[[_Overview, Sequence[VerifyDocument]], Work]
    read_changes: Callable[[StateFolder, str], Mapping[str, HostChanges]]
    _place: StateFolder | None = None
    _changes: dict[str, Mapping[str, HostChanges]] = field(default_factory=dict)  #: Of runs that ended.

    def mark(self) -> str:
        """Return a text that changes with each recorded run, or raise `StateError`."""
        if self._place is None:
            return ""
        return read_history(self._place, _mark, _NO_HISTORY)

    def load(self) -> boards.Board:
        """Return the recorded board, or raise `InventoryError` or `StateError`."""
        try:
            with without_collector():
                return self._load_board()
        finally:
            gc.unfreeze()  # a server loads again and again: what is left of earlier boards has to go

    def joined(self, recorded: boards.Board, shown: boards.Board | None) -> boards.Board:
        """Return a recorded board with the reports of running watches."""
        now = self.clock()
        reports, unreadable = read_reports(self._place, now) if self._place else ((), ())
        return as_of(recorded, now, reports, unreadable, shown)

    def _load_board(self) -> boards.Board:
        overview = self.overview()
        self._place = overview.place
        with at_stage(Stage.RECORD):
            documents, mark = read_history(overview.place, _documents_and_mark, ([], _NO_HISTORY))
        with at_stage(Stage.COUNT):
            work = self.read_work(overview, documents)
            content = f"{overview.loaded.digest} {mark} {work.plans}"
            return build_board(
                overview.whole_inventory,
                statuses(overview.inventory, overview.evidence, overview.now),
                merged(documents),
                since=read_since(overview.place) if documents else {},
                unread=overview.unreadable,
                revision=hashlib.sha256(content.encode()).hexdigest()[:16],
                work=work,
            )

    @property
    def past(self) -> Past:
        """The recorded path history."""
        return _RecordedPast(self._place, self.read_changes, self._changes)


@dataclass(frozen=True, slots=True)
class _RecordedPast:
    """The path history of a place; `None` before the first board."""

    place: StateFolder | None
    read_changes: Callable[[StateFolder, str], Mapping[str, HostChanges]]
    known: dict[str, Mapping[str, HostChanges]] = field(default_factory=dict)

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[WorstOfDay]]:
        return {} if self.place is None else read_nights(self.place, prefix, last, number)

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        return {} if self.place is None else read_availability(self.place, prefix, span)

    def changes(self, run: RunRow) -> Mapping[str, HostChanges]:
        if self.place is None or run.operation not in CHANGING:
            return {}
        changes = self.known.get(run.id)
        if changes is None:
            changes = self.read_changes(self.place, run.id)
            if run.finished:
                self.known[run.id] = changes
        return changes


@dataclass
class Feed:
    """The newest board, and events for later ones."""

    source: Source
    interval_s: float = INTERVAL_S  #: The pause between two looks for a new record.
    trouble: str = ""  #: Why no newer board can be loaded, in a sentence; empty if one can.
    listeners: int = 0  #: Open event streams.
    closing: bool = False
    _board: boards.Board | None = None
    _recorded: boards.Board | None = None  #: The board without reports of watches.
    _mark: str = ""
    _loaded_s: float = 0.0
    _scoped: dict[WebUser, boards.Board] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def board(self) -> boards.Board:
        """The newest board, without limits of a user."""
        if self._board is None:
            self.load()
        if self._board is None:
            raise TypeError("a board that was loaded is there")
        return self._board

    def of(self, user: WebUser) -> boards.Board:
        """Return the newest board of a user, cached by scope."""
        board, key = self.board, WebUser(user.scope)
        with self._lock:
            cached = self._scoped.get(key)
        if cached is not None and cached.revision == board.revision:
            return cached
        made = scoped(board, key)
        with self._lock:
            if len(self._scoped) >= _MOST_SCOPES:
                self._scoped.clear()
            self._scoped[key] = made
        return made

    def load(self) -> None:
        """Load the newest board, or raise `InventoryError` or `StateError`."""
        self._load_recorded()
        self._join()

    def _load_recorded(self) -> None:
        mark = self.source.mark()  # before the board: a run recorded meanwhile is loaded at the next refresh
        self._recorded = self.source.load()
        self._mark = mark
        self._loaded_s = monotonic()

    def _join(self) -> None:
        """Show the recorded board as of now."""
        if self._recorded is None:
            return
        board = self.source.joined(self._recorded, self._board)
        if board is not self._board:
            with self._lock:
                self._board = board
                self._scoped.clear()

    def refresh(self) -> bool:
        """Show a newer board if any; on an error set `trouble`."""
        before = self._board.revision if self._board else ""
        try:
            if self.source.mark() != self._mark or monotonic() - self._loaded_s >= REREAD.total_seconds():
                self._load_recorded()
            self.trouble = ""
        except ProvisionerError as error:
            self.trouble = error.message
        self._join()
        return self.board.revision != before

    async def watch(self) -> None:
        """Refresh the board until the server ends."""
        while True:
            await asyncio.sleep(self.interval_s)
            if await asyncio.to_thread(self.refresh):
                self._tell()

    def close(self) -> None:
        """End all event streams."""
        self.closing = True
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def events(self, may_read: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """Stream this and each later revision while `may_read` allows it."""
        self.listeners += 1
        try:
            last = ""
            while True:
                changed = self._changed
                if self.closing or not await may_read():
                    return
                if self.board.revision != last:
                    last = self.board.revision
                    yield f"event: recorded\ndata: {last}\n\n".encode()
                try:
                    await asyncio.wait_for(changed.wait(), _ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1


def build_board(
    inventory: Inventory,
    statuses: Iterable[FacilityStatus],
    merged: boards.Merged,
    *,
    since: Mapping[str, PathState],
    unread: Sequence[str] = (),
    revision: str = "",
    work: Work = NO_WORK,
) -> boards.Board:
    """Combine the inventory, verifications, and path states of the history."""
    by_facility = gathered((path.facility, _dated(path, since.get(path.name))) for path in merged.paths)
    names = {carrier.id: carrier.name for carrier in inventory.carriers.values()}
    rows = []
    for status in statuses:
        facility = inventory.facilities[status.facility.id]
        province = inventory.province_counted(facility)
        names[province] = _province_name(inventory, facility)
        rows.append(_facility_row(status, facility, province, by_facility.pop(facility.id, [])))
    rows.sort(key=lambda row: (row.province, row.id))
    incidents = incidents_of(rows, merged.findings)
    return boards.Board(
        inventory=inventory.settings.id,
        scheme=inventory.settings.province_scheme,
        verified_at=merged.verified_at,
        oldest_at=merged.oldest_at,
        engine=merged.engine,
        counts=boards.total(row.counts for row in rows),
        provinces=boards.by_province(rows, incidents, names),
        carriers=boards.by_carrier(rows, incidents, names),
        facilities=tuple(rows),
        incidents=incidents,
        unread=tuple(unread),
        revision=revision,
        work=work,
    )


def as_of(
    recorded: boards.Board,
    now: datetime,
    reports: Iterable[WatchReport] = (),
    unreadable: Sequence[str] = (),
    shown: boards.Board | None = None,
) -> boards.Board:
    """Return a board with watches' words and old verdicts, if changed.

    Of two watches of a path the worse word counts.
    """
    words: dict[tuple[str, str], WatchWord] = {}
    for key, new in chain.from_iterable(map(words_of_watch, reports)):
        if key not in words or boards.rank(new.verdict) < boards.rank(words[key].verdict):
            words[key] = new
    changes = [
        (path.name, path.relay, path.is_old(now), word and (word.verdict, word.cause, word.since))
        for path in recorded.paths
        if (word := words.get((path.name, path.relay))) or path.is_old(now)
    ]
    if not changes and not unreadable:
        return recorded
    revision = hashlib.sha256(repr((recorded.revision, changes, unreadable)).encode()).hexdigest()[:16]
    if shown is not None and shown.revision == revision:
        return shown
    findings = [incident for incident in recorded.incidents if not incident.paths]
    facilities = [
        boards.with_paths(facility, [path.as_of(now, words.get((path.name, path.relay))) for path in facility.paths])
        for facility in recorded.facilities
    ]
    board = with_facilities(recorded, facilities, findings)
    return replace(board, revision=revision, unread_reports=tuple(unreadable))


def _dated(path: boards.BoardPath, state: PathState | None) -> boards.BoardPath:
    start = state.since_as(path.would_be or path.verdict) if state else None
    return replace(path, since=start) if start else path


def _province_name(inventory: Inventory, facility: Facility) -> str:
    try:
        return inventory.province_today(facility).name
    except ProvinceError:
        return facility.province


def _facility_row(
    status: FacilityStatus, facility: Facility, province: str, paths: list[boards.BoardPath]
) -> boards.FacilityRow:
    cameras = {camera.id: camera for camera in facility.cameras}
    placed = [_placed(path, cameras.get(path.camera)) for path in paths]
    plans = [plan.carrier for plan in (facility.plan, facility.successor) if plan]
    location = facility.location
    address = [part for part in (location.street, location.ward, location.district) if part] if location else []
    row = boards.FacilityRow(
        id=facility.id,
        name=facility.name,
        key=f"{fold(facility.name)}-{facility.id}",
        province=province,
        carriers=tuple(sorted({*plans, *(path.carrier for path in placed)})),
        folder=facility.province,
        kind=facility.kind.value,
        managing_body=facility.managing_body.value,
        operating=facility.operating.value,
        address=", ".join(address),
        state=status.standing.state.value,
        timeliness=status.timeliness.value,
        cameras=len(facility.cameras),
    )
    return boards.with_paths(row, placed)


def _placed(path: boards.BoardPath, camera: Camera | None) -> boards.BoardPath:
    return replace(path, zone=camera.zone.value, where=camera.location or "") if camera else path


def days_until(last: date, number: int) -> tuple[date, ...]:
    """Return consecutive days up to the last, earliest first."""
    return tuple(last - timedelta(days=back) for back in reversed(range(number)))


@lru_cache(maxsize=4096)
def strip(squares: tuple[WorstOfDay, ...], language: Language) -> Markup:
    """Render the row of nights, with tooltips for other verdicts than up."""
    return _STRIP.format(
        words=strip_words(squares, language),
        squares=Markup("").join(_night_square(square, language) for square in squares),
    )


def _night_square(square: WorstOfDay, language: Language) -> Markup:
    if square.verdict == "up":
        return _UP
    translate, labels = page_translator(language), words_of(language)["Verdict"]
    label = labels.get(square.verdict, square.verdict) if square.verdict else translate("not measured")
    tone = square.verdict if square.verdict in boards.WORST_FIRST else "blank"
    return _OTHER.format(tone=tone, day=day_text(square.day, language), word=label)


def strip_words(squares: Sequence[WorstOfDay], language: Language) -> str:
    """Count the nights of a row in words, best verdict first."""
    translate, labels = page_translator(language), words_of(language)["Verdict"]
    verdicts = [square.verdict for square in squares]
    counted = [
        f"{verdicts.count(verdict)} {labels[verdict]}"
        for verdict in reversed(boards.WORST_FIRST)
        if verdict in verdicts
    ]
    if unseen := verdicts.count(""):
        counted.append(translate("{n} not measured", n=unseen))
    return f"{translate('The last {n} nights:', n=len(squares))} {', '.join(counted)}"


def _documents_and_mark(history: History) -> tuple[list[VerifyDocument], str]:
    documents = []
    for recorded in reversed(last_verifications(history.past(_NEWEST).runs)):
        with suppress(UnreadableError):
            documents.append(recorded_verification(history.document(recorded.run.id)))
    return documents, _mark(history)


def _mark(history: History) -> str:
    newest = history.past(3).runs
    return " ".join(f"{recorded.run.id}:{recorded.finished and recorded.finished.isoformat()}" for recorded in newest)
