"""Calls to hosts through carriers' nodes, or from here.

A node calls the hosts of its carrier; all others are called from here. A call is sent as a unit, queried again, and
abandoned after a time. A missing answer is no host failure: the host counts as unreachable until the next look. A unit
has a latest start time, so a delayed one is not run later.
"""

import queue
import secrets as random
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner import __version__
from provisioner.base.errors import HostError
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.nodes import envelope
from provisioner.nodes.jetstream import Mailbox, MailboxError
from provisioner.nodes.unit import LATEST_BEGIN_S, UnitError, UnitReport, UnitState, pack_unit, report_in

_RECEIVE_S: Final = 0.5

_SOON_S: Final = 0.5  #: Wait for answers that are missing at the unit's end.

_NO_UNIT: Final = "0" * 32

_SLOWEST_LINK: Final = 10**6  #: Bytes a second to the slowest node; a unit is not sent again while it travels.

_MOST_BEGIN_S: Final = LATEST_BEGIN_S - 5


@dataclass(frozen=True, slots=True)
class NodePace:
    """Timeouts for nodes, in seconds."""

    begin: float = 15.0  #: Latest start of a unit.
    ask: float = 3.0  #: First interval of queries about a silent unit; it doubles each time.
    most_ask: float = 24.0  #: The longest interval.
    margin: float = 20.0  #: Extra time for Ansible at the node and for transport.

    def with_transit(self, size: int) -> "NodePace":
        """Return the pace until the node has a unit of `size` bytes."""
        transit = min(size / _SLOWEST_LINK, max(0.0, _MOST_BEGIN_S - self.begin))
        return NodePace(self.begin + transit, self.ask + transit, self.most_ask + transit, self.margin + transit)


@dataclass
class _Waiting:
    carrier: str
    reports: queue.SimpleQueue[UnitReport | MailboxError] = field(default_factory=queue.SimpleQueue)


class _LacksError(Exception):
    """The node no longer has a file that it reported."""


class NodeRunner(OpenRunner):
    """Carries calls to carriers' hosts through their nodes."""

    def __init__(
        self,
        mailbox: Mailbox,
        key: envelope.ExchangeKey,
        nodes: Mapping[str, envelope.PublicExchangeKey],
        pace: NodePace | None = None,
    ) -> None:
        self._mailbox, self._key, self._nodes, self._pace = mailbox, key, nodes, pace or NodePace()
        self._senders = {node.name: node for node in nodes.values()}
        self._session = random.token_hex(16)
        self._waiting: dict[str, _Waiting] = {}
        self._used: set[str] = set()
        self._kept: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()
        self._listener: threading.Thread | None = None
        self._closed = threading.Event()

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield an answer per call of one carrier's hosts."""
        (carrier,) = {call.spec.carriers[0] for call in calls}
        try:
            yield from self._unit_answers(carrier, calls, timeout_s, self._kept.get(carrier, frozenset()))
        except _LacksError:
            # The node dropped a file meanwhile. No unit started, so all files go along.
            yield from self._unit_answers(carrier, calls, timeout_s, frozenset())

    def close(self) -> None:
        """End the session; nodes drop its data."""
        if self._closed.is_set():
            return
        self._closed.set()
        for carrier in sorted(self._used):
            try:
                self._send(envelope.EnvelopeKind.END, carrier, _NO_UNIT, b"")
            except MailboxError:
                continue
        if self._listener is not None:
            self._listener.join()
        self._mailbox.close()

    # --- a unit -------------------------------------------------------------------------------------
    def _unit_answers(
        self, carrier: str, calls: Sequence[HostCall], timeout_s: float, keeps: frozenset[str]
    ) -> Iterator[HostAnswer]:
        """Yield a unit's answers.

        Raises `_LacksError` before any call if the node lacks a file that was not sent.
        """
        unit, waiting = random.token_hex(16), _Waiting(carrier)
        with self._lock:
            self._waiting[unit] = waiting
            self._used.add(carrier)
        try:
            yield from self._answers_until(unit, waiting, calls, timeout_s, keeps)
        finally:
            with self._lock:
                del self._waiting[unit]

    def _answers_until(
        self, unit: str, waiting: _Waiting, calls: Sequence[HostCall], timeout_s: float, keeps: frozenset[str]
    ) -> Iterator[HostAnswer]:
        """Yield a unit's answers until all came or the time is over."""
        missing = {call.spec.id for call in calls}
        payload = pack_unit(__version__, calls, timeout_s, keeps)
        pace, started = self._pace.with_transit(len(payload)), time.monotonic()
        transit_s = pace.begin - self._pace.begin
        until, begin_by = started + timeout_s + pace.margin, time.time() + pace.begin
        reason, failure, is_sent, is_taken = "", "", False, False
        ask_s, next_ask, hint = pace.ask, started, ""
        while missing and not reason and time.monotonic() < until:
            if time.monotonic() >= next_ask:
                # A unit that could not arrive in time any more is asked about and not repeated.
                is_query = is_taken or (is_sent and time.time() + transit_s > begin_by)
                failure, hint = self._send_or_query(waiting.carrier, unit, b"" if is_query else payload, begin_by)
                # A lost broker may come back; started units go on without it.
                reason = "" if is_sent else failure
                hint = hint if failure else _hint(waiting.carrier)
                is_sent = True
                next_ask, ask_s = time.monotonic() + ask_s, min(2 * ask_s, pace.most_ask)
                continue
            report = _next_report(waiting, min(next_ask, until))
            if report is None:
                is_late = not is_taken and time.time() > begin_by + self._pace.ask
                reason = _not_taken(waiting.carrier, pace) if is_late else ""
                continue
            is_taken, pace, failure, hint = True, self._pace, "", _hint(waiting.carrier)
            ask_s = pace.ask
            with self._lock:
                self._kept[waiting.carrier] = report.keeps
            if report.lacks and keeps:
                raise _LacksError
            next_ask = time.monotonic() + (ask_s if report.state is UnitState.GOING else min(ask_s, _SOON_S))
            for answer in report.answers:
                if answer.host in missing:
                    missing.discard(answer.host)
                    yield answer
            reason = _end_reason(waiting.carrier, report)
            # A refusal has its own next step: the node runs.
            hint = "" if report.state is UnitState.REFUSED else hint
        # A broker that is gone is the cause, and the node is not.
        cause = reason or failure or f"the node of {waiting.carrier} gave no answer within {timeout_s:.0f} s"
        for host in sorted(missing):
            yield HostAnswer(host, CallOutcome.UNREACHABLE, error=cause, hint=hint)

    def _send_or_query(self, carrier: str, unit: str, payload: bytes, begin_by: float) -> tuple[str, str]:
        """Send or query a unit; return an error and a hint."""
        try:
            self._start_listener()
            kind = envelope.EnvelopeKind.UNIT if payload else envelope.EnvelopeKind.ASK
            self._send(kind, carrier, unit, payload, begin_by if payload else 0.0)
        except HostError as error:
            return error.message, error.hint or ""
        return "", ""

    def _send(self, kind: envelope.EnvelopeKind, carrier: str, unit: str, payload: bytes, until: float = 0.0) -> None:
        node = self._nodes[carrier]
        header = envelope.EnvelopeHeader(
            kind=kind,
            carrier=carrier,
            sender=self._key.public.name,
            recipient=node.name,
            unit=unit,
            session=self._session,
            sent=time.time(),
            until=until,
            reply=self._mailbox.own,
        )
        self._mailbox.send(carrier, envelope.seal_envelope(header, payload, self._key, node))

    # --- reports ------------------------------------------------------------------------------------
    def _start_listener(self) -> None:
        with self._lock:
            if self._closed.is_set():
                raise MailboxError("no host is called any more: the command ends")
            if self._listener is None:
                self._listener = threading.Thread(target=self._receive_until_closed, daemon=True)
                self._listener.start()

    def _receive_until_closed(self) -> None:
        while not self._closed.is_set():
            try:
                message = self._mailbox.receive(_RECEIVE_S)
            except MailboxError as error:
                self._report_to_all(error)
                self._closed.wait(_RECEIVE_S)
                continue
            if message is not None:
                self._pass_report_on(message)

    def _pass_report_on(self, message: bytes) -> None:
        """Pass a report to its waiter; ignore invalid and foreign ones."""
        try:
            header, payload = envelope.open_envelope(message, self._key, self._senders)
        except envelope.EnvelopeError:
            return
        with self._lock:
            waiting = self._waiting.get(header.unit)
        if waiting is None or header.kind is not envelope.EnvelopeKind.REPORT or header.session != self._session:
            return
        if header.sender != self._nodes[waiting.carrier].name:
            return
        try:
            waiting.reports.put(report_in(payload))
        except UnitError as error:
            waiting.reports.put(UnitReport(UnitState.LOST, reason=f"its report cannot be read: {error}"))

    def _report_to_all(self, error: MailboxError) -> None:
        with self._lock:
            waiting = list(self._waiting.values())
        for waiter in waiting:
            waiter.reports.put(error)


class RoutedRunner(OpenRunner):
    """Carries each call through its only carrier's node, or from here."""

    def __init__(self, local: OpenRunner, remote: OpenRunner, carriers: Collection[str]) -> None:
        self._local, self._remote, self._carriers = local, remote, frozenset(carriers)

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield an answer per call as they come."""
        parts: dict[str, list[HostCall]] = {}
        for call in calls:
            parts.setdefault(self._node_of(call.spec), []).append(call)
        if len(parts) == 1:
            yield from self._runner_of(*parts).stream(calls, timeout_s=timeout_s)
            return
        results: queue.SimpleQueue[HostAnswer | BaseException | None] = queue.SimpleQueue()
        for node, part in parts.items():
            threading.Thread(target=self._stream_to_queue, args=(node, part, timeout_s, results), daemon=True).start()
        going = len(parts)
        failures: list[BaseException] = []
        while going:
            result = results.get()
            if isinstance(result, HostAnswer):
                yield result
                continue
            going -= 1
            failures += [result] if result is not None else []
        if failures:
            raise failures[0]

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Prepare connections to hosts that are called from here."""
        if local := [spec for spec in specs if not self._node_of(spec)]:
            self._local.expect(local)

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Have expected hosts prove their identity, if called from here."""
        self._local.prove([spec for spec in specs if not self._node_of(spec)])

    def close(self) -> None:
        """Close both runners."""
        try:
            self._remote.close()
        finally:
            self._local.close()

    def _node_of(self, host: CallTarget) -> str:
        """Return the carrier whose node reaches a host, or empty."""
        return host.carriers[0] if len(host.carriers) == 1 and host.carriers[0] in self._carriers else ""

    def _runner_of(self, node: str) -> OpenRunner:
        return self._remote if node else self._local

    def _stream_to_queue(
        self,
        node: str,
        calls: Sequence[HostCall],
        timeout_s: float,
        results: queue.SimpleQueue[HostAnswer | BaseException | None],
    ) -> None:
        failed: BaseException | None = None
        try:
            for answer in self._runner_of(node).stream(calls, timeout_s=timeout_s):
                results.put(answer)
        except BaseException as error:  # noqa: BLE001 (a thread's end must reach who waits for it)
            failed = error
        finally:
            results.put(failed)


def _next_report(waiting: _Waiting, until: float) -> UnitReport | None:
    try:
        report = waiting.reports.get(timeout=max(0.01, until - time.monotonic()))
    except queue.Empty:
        return None
    return None if isinstance(report, MailboxError) else report


def _end_reason(carrier: str, report: UnitReport) -> str:
    match report.state:
        case UnitState.REFUSED:
            return f"the node of {carrier} refuses: {report.reason}"
        case UnitState.LOST:
            return f"the node of {carrier} began it and ended since: what became of it only the host knows"
        case _:
            return ""


def _not_taken(carrier: str, pace: NodePace) -> str:
    return f"the node of {carrier} did not take it within {pace.begin:.0f} s, and will not begin it any more"


def _hint(carrier: str) -> str:
    unit = f"provisioner-node@{carrier}"
    return f"see whether the node of {carrier} runs and reaches the broker: systemctl status {unit} there"
