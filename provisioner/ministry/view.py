"""The view over a folder of reports: files, shown heads, boards.

A file is opened once. Of the reports before the last whole one only their place in the chain stays in memory. Of each
key a bounded number of bytes is opened, newest first, so that one controller takes neither the memory nor the time of
the others. The heads stand in one file, and only rise, so that a view that was started anew sees a sequence that goes
back.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

from prometheus_client import Metric as Family
from prometheus_client.metrics_core import GaugeMetricFamily
from pydantic import TypeAdapter, ValidationError

from provisioner.base.errors import HostError, StateError, UsageError
from provisioner.base.files import make_own_folder, read_regular, replace_file
from provisioner.base.text import msg, printable
from provisioner.ministry.bundle import (
    MOST_BYTES,
    MOST_FACILITIES,
    BundleError,
    Link,
    OpenedReport,
    ReportKind,
    UnknownKeyError,
    key_of,
    opened,
    unpacked,
    verified,
)
from provisioner.ministry.country import Country, country_of
from provisioner.ministry.transports import MOST_FILES, ReportFolder, StoredBundle, read_bundle
from provisioner.ministry.trust import (
    MOST_CHANGES,
    ControllerState,
    Doubt,
    Head,
    ReportFinding,
    Trust,
    read_trust,
    state_of,
)
from provisioner.record.availability.measured import Measured, Span
from provisioner.record.availability.path_state import WorstOfDay
from provisioner.verify.work import HostChanges, RunRow
from provisioner.web.board import Board

_HEADS: Final = TypeAdapter(dict[str, Head])
_MOST_FILE: Final = 4 * 2**20
_MOST_TOLD: Final = 200  #: Findings about files of a folder, which may be filled with such files.
_LONGEST_NAME: Final = 80
_KEPT_WHOLES: Final = 2
_MOST_OF_KEY: Final = 2 * 2**30  #: Bytes of JSON of one key's reports; a month of 50,000 facilities has fewer.


@dataclass
class _Read:
    """A file that was opened: its link, or why it is none."""

    link: Link | None = None
    report: OpenedReport | None = field(default=None, repr=False)  #: `None` if only its link is needed.
    finding: ReportFinding | None = None
    key: str = ""  #: The name of the key whose signature fits.
    size: int = 0  #: Bytes that its opening took.
    is_over: bool = False  #: Whether its key had used its bytes, so that it stayed shut.


@dataclass
class View:
    """A folder of reports with the file of keys."""

    folder: ReportFolder
    keys: Path
    memory: Path  #: The file of heads.
    _files: dict[StoredBundle, _Read] = field(default_factory=dict, repr=False)
    _keys: bytes = b""
    _trust: Trust | None = None

    @property
    def trust(self) -> Trust:
        """The file of keys as it is now, or raise `UsageError`."""
        try:
            text = read_regular(self.keys, most=_MOST_FILE)
            decoded = text.decode()
        except (OSError, UnicodeDecodeError):
            hint = "name the file that says whose reports count"
            raise UsageError(f"the file of keys {self.keys} cannot be read", hint=hint) from None
        if self._trust is None or text != self._keys:
            self._trust, self._keys = read_trust(decoded, str(self.keys)), text
            self._files.clear()
        return self._trust

    def country(self, now: datetime) -> Country:
        """Return the country at a moment, and remember the heads.

        Raises `StateError` or `UsageError`.
        """
        trust = self.trust
        return country_of(trust, self._standings(trust, now), now, self._told(trust))

    def _standings(
        self, trust: Trust, now: datetime, without: Collection[StoredBundle] = ()
    ) -> Sequence[ControllerState]:
        self._open_files(trust, without)
        heads = self._read_heads()
        standings = [self._standing(name, trust, heads.get(name), now) for name in trust.controllers]
        self._forget(standings)
        self._keep_heads(heads, standings)
        return standings

    def superseded(self, now: datetime) -> Sequence[StoredBundle]:
        """Return files from before each current controller's last two whole reports.

        Those of a doubted controller are evidence, and stay. Older files over a bound are counted after newer ones.
        """
        old = set[StoredBundle]()
        while found := self._superseded(now, old):
            old.update(found)
        return sorted(old, key=lambda one: one.file)

    def _superseded(self, now: datetime, without: Collection[StoredBundle]) -> Sequence[StoredBundle]:
        begins = {
            one.controller.inventory: one.whole_numbers[-_KEPT_WHOLES]
            for one in self._standings(self.trust, now, without)
            if one.is_current and len(one.whole_numbers) >= _KEPT_WHOLES
        }
        read = [(stored, one.link) for stored, one in self._files.items() if one.link]
        return [stored for stored, link in read if link.sequence < begins.get(link.inventory, 0)]

    def _open_files(self, trust: Trust, without: Collection[StoredBundle]) -> None:
        kept, self._files = self._files, {}
        used = Counter[str]()
        full: dict[str, Sequence[_Read]] = defaultdict(list)
        for stored in self.folder.bundles(without):
            one = kept.get(stored)
            if one is None or (one.is_over and used[one.key] < _MOST_OF_KEY):
                one = _read(stored, trust, used)
            self._files[stored] = one
            used[one.key] += one.size
            if one.report:
                name = one.report.report.inventory
                full[name] = _recent([*full[name], one])

    def _standing(self, name: str, trust: Trust, head: Head | None, now: datetime) -> ControllerState:
        own = {
            one.link.hash: (stored, one)
            for stored, one in self._files.items()
            if one.link and one.link.inventory == name
        }

        def load(hash_: str) -> OpenedReport:
            stored, one = own[hash_]
            try:
                report = one.report or opened(read_bundle(stored), trust.keys)
            except HostError as error:
                raise BundleError(str(error)) from None
            if report.hash != hash_:
                raise BundleError("its file was exchanged")
            return report

        links = [one.link for _, one in own.values() if one.link]
        return state_of(trust.controllers[name], links, load, head, now)

    def _told(self, trust: Trust) -> Iterator[ReportFinding]:
        """Yield the findings about files, of each folder a bounded number."""
        numbers, wrong = Counter(one.file.parent for one in self._files), Counter[Path]()
        for stored, one in self._files.items():
            if one.finding:
                wrong[stored.file.parent] += 1
                if wrong[stored.file.parent] <= _MOST_TOLD:
                    yield one.finding
        for folder, number in numbers.items():
            name = printable(folder.name, _LONGEST_NAME)
            if number >= MOST_FILES:
                text = msg("only the newest {n} files of it are read: provisioner view prune", MOST_FILES)
                yield ReportFinding(Doubt.UNREADABLE, "", name, text)
            if wrong[folder] > _MOST_TOLD:
                text = msg("further files of it that cannot be used: {n}", wrong[folder] - _MOST_TOLD)
                yield ReportFinding(Doubt.UNREADABLE, "", name, text)
        for key, number in Counter(one.key for one in self._files.values() if one.is_over).items():
            text = msg("its older files are too many to be opened: {n}; run provisioner view prune", number)
            yield ReportFinding(Doubt.UNREADABLE, trust.owners[key].inventory, "", text)

    def _forget(self, standings: Sequence[ControllerState]) -> None:
        needed = frozenset[str]().union(*(standing.needed for standing in standings))
        for one in self._files.values():
            if one.link and one.link.hash not in needed:
                one.report = None

    def _read_heads(self) -> Mapping[str, Head]:
        try:
            return _HEADS.validate_json(read_regular(self.memory, most=_MOST_FILE))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StateError(f"{self.memory} cannot be read: {error.strerror}", hint="see that it is yours") from None
        except ValidationError:
            hint = "take it away, and ask each controller for the number of its last report"
            raise StateError(f"{self.memory} is damaged: which reports were shown is not known", hint=hint) from None

    def _keep_heads(self, heads: Mapping[str, Head], standings: Sequence[ControllerState]) -> None:
        risen = dict(heads)
        for standing in standings:
            name, head = standing.controller.inventory, standing.head
            shown = risen.get(name, Head(0, ""))
            if head:
                head = replace(head, begins=max(head.begins, shown.begins))
                risen[name] = max(shown, head, key=lambda one: (one.begins, one.sequence))
        if risen == heads:
            return
        try:
            make_own_folder(self.memory.parent)
            replace_file(self.memory, _HEADS.dump_json(risen))
        except OSError as error:
            hint = "give yourself the folder, or name another file with --memory"
            raise StateError(f"{self.memory} cannot be written: {error.strerror}", hint=hint) from None


def _read(stored: StoredBundle, trust: Trust, used: Mapping[str, int]) -> _Read:
    """Open a file if its key has bytes left; faults are findings."""
    name, key = printable(stored.file.name, _LONGEST_NAME), ""
    try:
        bundle = read_bundle(stored)
        packed = verified(bundle, trust.keys)
        key = key_of(bundle)
        if used[key] >= _MOST_OF_KEY:
            return _Read(key=key, is_over=True)
        report = unpacked(packed, key)
    except (BundleError, HostError) as error:
        doubt = Doubt.UNKNOWN_KEY if isinstance(error, UnknownKeyError) else Doubt.UNREADABLE
        return _Read(finding=ReportFinding(doubt, "", name, str(error)), key=key, size=MOST_BYTES)
    owner = trust.owners[key].inventory
    if report.report.inventory != owner:
        text = f"it is signed by {owner}, and says that it is of {report.report.inventory}"
        finding = ReportFinding(Doubt.FOREIGN, owner, name, text, (report.report.inventory,))
        return _Read(finding=finding, key=key, size=report.size)
    return _Read(report.link, report, key=key, size=report.size)


def _recent(reads: Sequence[_Read]) -> Sequence[_Read]:
    """Return the last whole report and later ones; empty the others."""
    listed = sorted(((one.report, one) for one in reads if one.report), key=lambda both: both[0].report.sequence)
    whole = max((one.report.sequence for one, _ in listed if one.report.kind is ReportKind.WHOLE), default=0)
    recent: list[_Read] = []
    rows = 0
    for report, one in listed:
        rows += len(report.report.facilities) if recent else 0
        if report.report.sequence >= whole and rows <= MOST_FACILITIES and len(recent) <= MOST_CHANGES:
            recent.append(one)
        else:
            one.report = None
    return recent


# --- boards -----------------------------------------------------------------------------------------
class NoPast:
    """The path history of a view, which has none."""

    def nights(self, _prefix: str, _last: date, _number: int) -> Mapping[str, Sequence[WorstOfDay]]:
        """Return no nights."""
        return {}

    def measured(self, _prefix: str, _span: Span) -> Mapping[str, Measured]:
        """Return no times."""
        return {}

    def changes(self, _run: RunRow) -> Mapping[str, HostChanges]:
        """Return no changes."""
        return {}


@dataclass
class CountrySource:
    """Boards of a view, for pages."""

    view: View
    clock: Callable[[], datetime]
    name: str  #: The view's name on pages.

    _until: datetime | None = None  #: The time at which the next controller becomes silent.

    def mark(self) -> str:
        """Return a text that changes with each report, key, hour and silence."""
        files = sorted(f"{one.file} {one.size} {one.changed}" for one in self.view.folder.bundles())
        with suppress(OSError):
            files.append(str(self.view.keys.stat().st_mtime_ns))
        now = self.clock()
        is_over = self._until is not None and now > self._until
        return hashlib.sha256(repr([files, f"{now:%Y%m%d%H}", is_over]).encode()).hexdigest()[:16]

    def load(self) -> Board:
        """Return the board, or raise `UsageError` or `StateError`."""
        mark, country = self.mark(), self.view.country(self.clock())
        current = [one for one in country.standings if one.is_current and one.last]
        self._until = min((one.last.report.at + one.controller.longest for one in current if one.last), default=None)
        states = "".join(one.standing for one in country.standings)
        board = country.board(self.name, hashlib.sha256(f"{mark}{states}".encode()).hexdigest()[:16])
        return replace(board, sources=tuple(source_lines(country)))

    def joined(self, recorded: Board, shown: Board | None) -> Board:  # noqa: ARG002 (as the protocol's)
        """Return the board: silence changes the mark."""
        return recorded

    @property
    def past(self) -> NoPast:
        """The path history."""
        return NoPast()


def source_lines(country: Country) -> Sequence[tuple[str, str, datetime | None]]:
    """Return each controller's id, state and last report, current ones last."""
    rows = [
        (one.controller.inventory, one.standing.value, one.last.report.at if one.last else None)
        for one in country.standings
    ]
    return sorted(rows, key=lambda row: (row[1] == "current", row[0]))


def country_metrics(country: Country) -> Iterator[Family]:
    """Yield a view's metrics."""
    current = GaugeMetricFamily(
        "provisioner_controller_current", "1 if the controller's reports count now.", labels=("controller",)
    )
    reported = GaugeMetricFamily(
        "provisioner_controller_report_timestamp_seconds", "Time of its last report.", labels=("controller",)
    )
    findings = GaugeMetricFamily("provisioner_view_findings", "Findings about reports.", labels=("kind",))
    for one in country.standings:
        current.add_metric([one.controller.inventory], one.is_current)
        if one.last:
            reported.add_metric([one.controller.inventory], one.last.report.at.timestamp())
    for kind, number in Counter(finding.doubt.value for finding in country.findings).items():
        findings.add_metric([kind], number)
    paths = GaugeMetricFamily("provisioner_view_paths", "Paths of all controllers by verdict.", labels=("verdict",))
    for verdict, number in country.path_counts.items():
        paths.add_metric([verdict], number)
    written = GaugeMetricFamily("provisioner_view_timestamp_seconds", "Time of these metrics.")
    written.add_metric([], country.now.timestamp())
    yield from (current, reported, findings, paths, written)
