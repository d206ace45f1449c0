"""A carrier's node: accepts units, carries their calls, and reports.

A unit begins at most once: its id is on the node's disk before the first call. A repeated unit asks for its state and
gets the stored report. Relays' programs are sent once and kept by checksum; they are not secret. The node's own file
restricts the calls, so the carrier's people have the last word over every controller.
"""

import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioner import __version__
from provisioner.base.errors import ProvisionerError, StateError
from provisioner.base.files import make_own_folder, read_regular, replace_file
from provisioner.base.text import AnyNetwork, HostName, HostPlace, local_time, printable
from provisioner.desired.names import HostNames
from provisioner.desired.render.templates import load_templates
from provisioner.hosts.identity import SHOW_KEY, is_show_key
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner, call_refusal
from provisioner.nodes import envelope
from provisioner.nodes.approvals import NodeApprovals, to_carry
from provisioner.nodes.jetstream import Mailbox, MailboxError
from provisioner.nodes.unit import (
    LATEST_BEGIN_S,
    CallUnit,
    CarriedCall,
    UnitError,
    UnitReport,
    UnitState,
    is_sha256,
    pack_report,
    unit_in,
)

_BEGUN_LINE: Final = re.compile(r"([0-9a-f]{32}) ([0-9]{1,12}(?:\.[0-9]{1,4})?)")
_LIST_ITSELF: Final = "0" * 32  #: The id, as no unit has it, of the line with the start of a new list.

_MOST_BEGUN_BYTES: Final = 64 * 1024 * 1024

REMEMBERED_S: Final = 24 * 3600  #: Longer than any unit may be delayed; a clock that was set back further is noticed.

_MOST_ARTEFACTS: Final = 4
_MOST_ARTEFACT_BYTES: Final = 512 * 1024 * 1024

#: Operations without changes; a status query may end an interrupted run.
_LOOKS: Final = frozenset({"observe", "probe", "flow", SHOW_KEY})

#: Requests beside a script: they only name what it does.
_SCRIPT_REQUESTS: Final = tuple({"operation": name} for name in ("approach", "prepare"))

_SHOWN: Final = 80

_EARLY_S: Final = 30.0
_KEPT_S: Final = 300.0
_IDLE_S: Final = 300.0
_MOST_UNITS: Final = 64
_STILL_S: Final = 2.0
_RECEIVE_S: Final = 0.5

_QUIET: Final = 4  #: Quiet receives without failure before the broker counts as reached.


class StartedUnits:
    """Units begun in the last day, one per line of a file.

    A unit that may have been forgotten is refused: one from before a new list, or of a day before the newest entry.
    Raises `StateError` if the file cannot be read or written.
    """

    def __init__(self, file: Path, now: float) -> None:
        self._file = file
        try:
            lines = (
                read_regular(file, most=_MOST_BEGUN_BYTES).decode(errors="replace").splitlines()
                if file.exists()
                else []
            )
            matches = [match for line in lines if (match := _BEGUN_LINE.fullmatch(line))]
            self._begun = {match[1]: float(match[2]) for match in matches} or {_LIST_ITSELF: now}
            self._forget()
            # Without decimals of units: a node of before reads them, too.
            replace_file(file, "".join(f"{unit} {at:.14g}\n" for unit, at in self._begun.items()).encode())
            self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise self._failure(error) from None

    def __contains__(self, unit: str) -> bool:
        return unit in self._begun

    def refusal(self, sent: float) -> str:
        """Return why a unit may have been begun and forgotten, or empty."""
        if sent < (since := self._begun.get(_LIST_ITSELF, 0.0)):
            return f"it was sent before {_moment(since)}, when the node's list of begun units began: send it again"
        if sent < (newest := self._newest) - REMEMBERED_S:
            return (
                f"it is of {_moment(sent)}, and the node last began one by a clock of {_moment(newest)}: set its clock;"
                f" if the later one was wrong, remove {self._file}"
            )
        return ""

    def add(self, unit: str, now: float) -> None:
        """Record a begun unit durably, or raise `StateError`."""
        try:
            os.write(self._descriptor, f"{unit} {int(now)}\n".encode())
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._failure(error) from None
        self._begun[unit] = int(now)
        self._forget()

    def _forget(self) -> None:
        """Drop entries that are a day older than the newest one."""
        self._newest = max(self._begun.values(), default=0.0)
        self._begun = {unit: at for unit, at in self._begun.items() if at >= self._newest - REMEMBERED_S}

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _failure(self, error: OSError) -> StateError:
        hint = "nothing is begun without it: see that the disk has room and that the folder is the node's own"
        return StateError(f"{self._file} cannot be written: {error.strerror}", hint=hint)


class ArtefactCache:
    """A cache of files by SHA-256; a damaged file is a miss."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def names(self) -> frozenset[str]:
        """The checksums of the cached files."""
        try:
            return frozenset(path.name for path in self._folder.iterdir() if is_sha256(path.name))
        except OSError:
            return frozenset()

    def add(self, sha256: str, content: bytes) -> None:
        """Store a file and drop the least recently used ones."""
        with suppress(OSError):
            make_own_folder(self._folder)
            replace_file(self._folder / sha256, content)
            used = sorted((self._folder / name for name in self.names), key=lambda path: path.stat().st_mtime)
            for old in used[:-_MOST_ARTEFACTS]:
                old.unlink()

    def content(self, sha256: str) -> bytes | None:
        """Return an intact file, or `None`."""
        path = self._folder / sha256
        try:
            content = read_regular(path, most=_MOST_ARTEFACT_BYTES)
        except OSError:
            return None
        with suppress(OSError):
            if hashlib.sha256(content).hexdigest() == sha256:
                os.utime(path)
                return content
            path.unlink()
        return None


@dataclass(frozen=True, slots=True)
class NodeRules:
    """The calls that a node carries."""

    carrier: str  #: The hosts' carrier.
    networks: tuple[AnyNetwork, ...]  #: Networks of the hosts and their jump hosts.
    names: frozenset[str] = frozenset()  #: Permitted host names.
    changes: bool = True  #: Whether changes are allowed, or only looks.
    scripts: bool = False  #: Whether shell scripts may run on hosts without Python.
    mediamtx: frozenset[str] = frozenset()  #: SHA-256 of MediaMTX programs that need no approved plan.
    recovery: str = ""  #: The permitted recovery key in base64, or empty.
    approved: bool = False  #: Whether the carrier's people approve each change.
    #: The node's own host program by side; others are refused.
    program: Callable[[str], bytes] = lambda side: load_templates().for_side(side).host_program

    def refusal(self, call: CarriedCall) -> str:
        """Return why a call is refused, or empty."""
        host = call.spec
        if not envelope.is_carrier(host.id) or host.carriers != (self.carrier,):
            return f"it is no host of {self.carrier} alone"
        for place in [host.address, *([host.jump.address] if host.jump else [])]:
            if not self._is_within(place):
                return f"{printable(str(place), _SHOWN)} is in none of the networks of the node's file"
        if call.script is not None and not self.scripts:
            return "the node's file allows no scripts"
        operation = "a script" if call.script else str(call.request.get("operation"))
        if operation not in _LOOKS and not self.changes:
            return f"the node's file allows looks alone, and this is {printable(operation, _SHOWN)}"
        if call.script is not None or operation == SHOW_KEY:
            return _refusal_without_program(call)
        return self._refusal_of_content(call)

    def _refusal_of_content(self, call: CarriedCall) -> str:
        sizes = {name: len(content) for name, content in call.files.items()}
        if sizes.keys() & {"artefact", "request.json"}:
            return "it brings MediaMTX's program as another file"
        sizes["request.json"] = call.request_bytes
        if call.artefact_sha256:
            sizes["artefact"] = len(call.content or b"")
        if reason := call_refusal(call.request, sizes, call.spec.side):
            return f"no host takes it: it {reason}"
        program = call.files.get("program")
        if call.request["operation"] == "apply":
            put = call.request["files"].get(HostNames(call.spec.side).host_program)
            program = call.files[put["content"]] if put else None
        if program is not None and program != self.program(call.spec.side):
            return (
                "it brings another on-host program than the node's own, which alone is installed: install the same"
                " version at the node and at the controller"
            )
        sha256 = call.artefact_sha256
        if sha256 and not self.approved and sha256 not in self.mediamtx:
            return f'the node\'s file does not name this MediaMTX: its people write mediamtx = ["{sha256}"]'
        seal = call.request.get("seal")
        if seal is not None and seal["recovery"] != self.recovery:
            return "the node's file does not name this recovery key: its people write it as recovery, or correct it"
        return ""

    def _is_within(self, place: HostPlace) -> bool:
        if isinstance(place, HostName):
            return str(place) in self.names
        return any(place.version == network.version and place in network for network in self.networks)


def _refusal_without_program(call: CarriedCall) -> str:
    """Return the refusal of a call for ssh-keyscan or shell, or empty."""
    if call.files or call.artefact_sha256:
        return "it brings files that go nowhere"
    is_known = call.request in (_SCRIPT_REQUESTS if call.script else ({"operation": SHOW_KEY},))
    return "" if is_known else "no host takes it: it has another request than such a call has"


@dataclass
class _Carrying:
    """A unit begun since the node's start."""

    header: envelope.EnvelopeHeader
    answers: list[HostAnswer] = field(default_factory=list)
    state: UnitState = UnitState.GOING
    reported: float = 0.0
    ended: float = 0.0


@dataclass
class _CarriedSession:
    runner: OpenRunner
    used: float
    units: int = 0
    is_over: bool = False


@dataclass(frozen=True)
class NodeParts:
    """Parts of a node."""

    mailbox: Mailbox  #: The link to controllers.
    key: envelope.ExchangeKey
    controllers: Mapping[str, envelope.PublicExchangeKey]  #: Accepted controllers by key name.
    rules: NodeRules  #: The permitted calls.
    begun: StartedUnits  #: The record of begun units.
    runner: Callable[[], OpenRunner]  #: Creates the runner of a session.
    folder: Callable[[], Path]  #: Creates a private folder in memory for large files.
    tell: Callable[[str], None]  #: Logs a line.
    artefacts: ArtefactCache  #: The cache of large files.
    scans: OpenRunner  #: Queries hosts' SSH keys.
    approvals: NodeApprovals | None = None  #: Required approvals of the carrier's people, or `None`.
    reaches: Callable[[bool], None] = lambda _: None  #: Is called if the broker's reachability changes.


class Node:
    """A node from start to end."""

    def __init__(self, parts: NodeParts) -> None:
        self._parts = parts
        self._units: dict[str, _Carrying] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        self._sessions: dict[tuple[str, str], _CarriedSession] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_reached: bool | None = None
        self._silent_rounds = 0

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Run until `stop`, then finish begun units; call `alive` regularly."""
        while not stop.is_set():
            self.step()
            alive()
        for thread in self._threads:
            thread.join()
        self._close_sessions(lambda _: True)

    def step(self) -> None:
        """Receive a message and report progress."""
        try:
            message = self._parts.mailbox.receive(_RECEIVE_S)
            self._note_reception(message)
        except MailboxError as error:
            before, self._is_reached, self._silent_rounds = self._is_reached, False, 0
            if before is not False:
                self._parts.tell(f"{error.message}; tried again")
                self._parts.reaches(self._is_reached)
            time.sleep(_RECEIVE_S)
            message = None
        if message is not None:
            self._process_message(message)
        self._report_and_expire()

    def _note_reception(self, message: bytes | None) -> None:
        # Between two failures of a way that is tried again there is silence, too.
        self._silent_rounds = _QUIET if message is not None else self._silent_rounds + 1
        if self._is_reached or self._silent_rounds < _QUIET:
            return
        if self._is_reached is False:
            self._parts.tell("the broker is reached again")
        self._is_reached = True
        self._parts.reaches(self._is_reached)

    # --- what comes ---------------------------------------------------------------------------------
    def _process_message(self, message: bytes) -> None:
        try:
            header, payload = envelope.open_envelope(message, self._parts.key, self._parts.controllers)
        except envelope.EnvelopeError as error:
            self._parts.tell(f"a message is passed over: {error}")
            return
        if header.carrier != self._parts.rules.carrier:
            self._parts.tell(f"a message is passed over: it is for the node of {header.carrier}")
        elif header.kind is envelope.EnvelopeKind.END:
            self._end_session(header)
        elif header.kind is envelope.EnvelopeKind.ASK:
            self._report_known(header)
        elif header.kind is envelope.EnvelopeKind.UNIT and not self._report_known(header):
            self._process_unit(header, payload)

    def _report_known(self, header: envelope.EnvelopeHeader) -> bool:
        """Report a begun unit; return whether it was begun."""
        if (carrying := self._unit_of_sender(header)) is not None:
            self._send_report(header, carrying.state, list(carrying.answers))
        elif header.unit in self._parts.begun:
            self._send_report(header, UnitState.LOST)
        else:
            return False
        return True

    def _process_unit(self, header: envelope.EnvelopeHeader, payload: bytes) -> None:
        _, refusal = self._refused.get(header.unit, (0.0, ""))
        if reason := refusal or self._untimely_reason(header):
            self._refuse_unit(header, reason)
        else:
            try:
                unit = unit_in(payload)
                if lacks := self._missing_files(unit):
                    self._refuse_unit(
                        header, "it has to bring a file along that the node does not keep any more", lacks
                    )
                else:
                    self._start_unit(header, unit)
            except (UnitError, ProvisionerError) as error:
                self._refuse_unit(header, str(error))

    def _unit_of_sender(self, header: envelope.EnvelopeHeader) -> _Carrying | None:
        with self._lock:
            carrying = self._units.get(header.unit)
        # Other writers of units must not learn of this one.
        same = carrying is not None and carrying.header.sender == header.sender
        return carrying if same else None

    def _untimely_reason(self, header: envelope.EnvelopeHeader) -> str:
        now = time.time()
        if now > header.until:
            late = f"it was to be begun until {_moment(header.until)}, and by the node's clock it is"
            return f"{late} {_moment(now)}: see whether the clocks agree, or what held it up"
        if header.sent > now + _EARLY_S or header.until > header.sent + LATEST_BEGIN_S:
            sent = f"it is of {_moment(header.sent)}, and by the node's clock it is {_moment(now)}"
            return f"{sent}: see whether the clocks agree"
        if forgotten := self._parts.begun.refusal(header.sent):
            return forgotten
        with self._lock:
            going = sum(carried.state is UnitState.GOING for carried in self._units.values())
        return f"it carries {going} units already" if going >= _MOST_UNITS else ""

    def _missing_files(self, unit: CallUnit) -> frozenset[str]:
        """Store a unit's large files; return checksums of missing ones."""
        contents = {
            call.artefact_sha256: call.content
            for call in unit.calls
            if call.content is not None and not self._parts.rules.refusal(call)
        }
        for sha256, content in contents.items():
            self._parts.artefacts.add(sha256, content)
        needed = {call.artefact_sha256 for call in unit.calls if call.content is None and call.artefact_sha256}
        return frozenset(needed - self._parts.artefacts.names) if needed else frozenset()

    def _refuse_unit(self, header: envelope.EnvelopeHeader, reason: str, lacks: frozenset[str] = frozenset()) -> None:
        # A refusal is final: a unit must not start after a report of its refusal.
        if header.unit not in self._refused:
            self._parts.tell(f"unit {header.unit[:8]} is refused: {reason}")
        self._refused[header.unit] = (time.monotonic(), reason)
        self._send_report(header, UnitState.REFUSED, reason=reason, lacks=lacks)

    def _start_unit(self, header: envelope.EnvelopeHeader, unit: CallUnit) -> None:
        if reason := version_gap(__version__, unit.version):
            raise UnitError(reason)
        self._parts.begun.add(header.unit, time.time())
        carrying = _Carrying(header)
        with self._lock:
            self._units[header.unit] = carrying
        operations = ", ".join(sorted({str(call.request.get("operation", "script")) for call in unit.calls}))
        hosts = ", ".join(sorted(call.spec.id for call in unit.calls))
        self._parts.tell(f"unit {header.unit[:8]} is begun: {operations} on {hosts}")
        self._send_report(header, UnitState.GOING)
        thread = threading.Thread(target=self._run_unit, args=(carrying, unit))
        self._threads = [*(running for running in self._threads if running.is_alive()), thread]
        thread.start()

    # --- a unit -------------------------------------------------------------------------------------
    def _run_unit(self, carrying: _Carrying, unit: CallUnit) -> None:
        missing = {call.spec.id for call in unit.calls}
        error = "the node's run ended without an answer"
        try:
            for answer in self._answers(carrying.header, unit):
                missing.discard(answer.host)
                self._add_answers(carrying, [answer], UnitState.GOING)
        except ProvisionerError as failure:
            error = failure.message
        except Exception as failure:  # noqa: BLE001 (a thread's end must reach whoever waits for it)
            error = f"{type(failure).__name__} at the node while hosts were called"
        unanswered = [HostAnswer(host, CallOutcome.UNREACHABLE, error=error) for host in sorted(missing)]
        self._add_answers(carrying, unanswered, UnitState.OVER)
        self._parts.tell(f"unit {carrying.header.unit[:8]} is over" + (f": {error}" if missing else ""))

    def _answers(self, header: envelope.EnvelopeHeader, unit: CallUnit) -> Iterator[HostAnswer]:
        """Yield the answers of a unit's calls, refusals first."""
        allowed = []
        for call in unit.calls:
            approvals, now = self._parts.approvals, datetime.now(UTC)
            if refusal := self._parts.rules.refusal(call) or (approvals.refusal(call, now) if approvals else ""):
                self._parts.tell(f"unit {header.unit[:8]}: {call.spec.id} is refused: {refusal}")
                error = f"the node of {header.carrier} refuses: {refusal}"
                yield HostAnswer(call.spec.id, CallOutcome.REFUSED, error=error)
            else:
                allowed.append(call if self._parts.approvals is None else to_carry(call))
        scan_calls = [host_call for host_call in (call.host_call(None) for call in allowed) if is_show_key(host_call)]
        if scan_calls:
            yield from self._parts.scans.stream(scan_calls, timeout_s=unit.timeout_s)
        hosts = {host_call.spec.id for host_call in scan_calls}
        if carried := [call for call in allowed if call.spec.id not in hosts]:
            with self._open_session(header) as runner, self._with_written_artefacts(carried) as calls:
                yield from runner.stream(calls, timeout_s=unit.timeout_s)

    @contextmanager
    def _with_written_artefacts(self, calls: Iterable[CarriedCall]) -> Iterator[list[HostCall]]:
        folder: Path | None = None
        places: dict[str, Path] = {"": Path()}
        try:
            laid = []
            for call in calls:
                sha256 = call.artefact_sha256
                if sha256 not in places:
                    folder = folder or self._parts.folder()
                    places[sha256] = folder / str(len(places))
                    places[sha256].write_bytes(self._artefact_content(call))
                laid.append(call.host_call(places[sha256] if sha256 else None))
            yield laid
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _artefact_content(self, call: CarriedCall) -> bytes:
        content = call.content if call.content is not None else self._parts.artefacts.content(call.artefact_sha256)
        if content is None:
            raise UnitError("a file that the node kept is not there any more, or was changed")
        return content

    def _add_answers(self, carrying: _Carrying, answers: list[HostAnswer], state: UnitState) -> None:
        with self._lock:
            carrying.answers += answers
            carrying.state = state
            carrying.ended = time.monotonic() if state is UnitState.OVER else 0.0
        self._send_report(carrying.header, state, answers)

    def _send_report(
        self,
        header: envelope.EnvelopeHeader,
        state: UnitState,
        answers: Iterable[HostAnswer] = (),
        *,
        reason: str = "",
        lacks: frozenset[str] = frozenset(),
    ) -> None:
        controller = self._parts.controllers[header.sender]
        report = UnitReport(state, tuple(answers), reason, __version__, self._parts.artefacts.names, lacks)
        written = envelope.EnvelopeHeader(
            kind=envelope.EnvelopeKind.REPORT,
            carrier=header.carrier,
            sender=self._parts.key.public.name,
            recipient=controller.name,
            unit=header.unit,
            session=header.session,
            sent=time.time(),
        )
        with self._lock:
            if (carrying := self._units.get(header.unit)) is not None:
                carrying.reported = time.monotonic()
        # The controller asks again for a lost report.
        with suppress(MailboxError):
            sealed = envelope.seal_envelope(written, pack_report(report), self._parts.key, controller)
            self._parts.mailbox.send(header.reply, sealed)

    # --- storage ------------------------------------------------------------------------------------
    @contextmanager
    def _open_session(self, header: envelope.EnvelopeHeader) -> Iterator[OpenRunner]:
        name = (header.sender, header.session)
        with self._lock:
            if (session := self._sessions.get(name)) is None:
                session = self._sessions[name] = _CarriedSession(self._parts.runner(), time.monotonic())
            session.units += 1
        try:
            yield session.runner
        finally:
            with self._lock:
                session.units -= 1
                session.used = time.monotonic()

    def _end_session(self, header: envelope.EnvelopeHeader) -> None:
        with self._lock:
            if (session := self._sessions.get((header.sender, header.session))) is not None:
                session.is_over = True

    def _report_and_expire(self) -> None:
        """Report units in progress, and drop expired data."""
        now = time.monotonic()
        with self._lock:
            quiet = [
                entry.header
                for entry in self._units.values()
                if entry.state is UnitState.GOING and entry.reported < now - _STILL_S
            ]
            for unit in [unit for unit, entry in self._units.items() if entry.ended and entry.ended < now - _KEPT_S]:
                del self._units[unit]
        self._refused = {unit: entry for unit, entry in self._refused.items() if entry[0] > now - _KEPT_S}
        for header in quiet:
            self._send_report(header, UnitState.GOING)
        self._close_sessions(lambda entry: not entry.units and (entry.is_over or entry.used < now - _IDLE_S))

    def _close_sessions(self, is_due: Callable[[_CarriedSession], bool]) -> None:
        with self._lock:
            names = [name for name, candidate in self._sessions.items() if is_due(candidate)]
            sessions = [self._sessions.pop(name) for name in names]
        for session in sessions:
            session.runner.close()


def version_gap(node_version: str, controller_version: str) -> str:
    """Return why two versions are incompatible: more than one minor apart."""
    ours, theirs = _major_and_minor(node_version), _major_and_minor(controller_version)
    if ours is None or theirs is None or ours[0] != theirs[0] or abs(ours[1] - theirs[1]) > 1:
        older = "the node" if ours is not None and theirs is not None and ours < theirs else "the controller"
        return (
            f"the controller has provisioner {printable(controller_version, 40)} and the node {node_version}:"
            f" install a newer one at {older}"
        )
    return ""


def _major_and_minor(version: str) -> tuple[int, int] | None:
    parts: Sequence[str] = version.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):  # noqa: PLR2004 (major and minor)
        return None
    return int(parts[0]), int(parts[1])


def _moment(seconds: float) -> str:
    return local_time(datetime.fromtimestamp(seconds, tz=UTC))
