"""Alerts silenced while a run changes hosts: for what its plan cuts, host by host, and no longer.

A host's silences are made when its wave begins, before any host of the wave is started, and ended when it is through.
Each ends by itself soon, and is renewed while the run goes on: whose controller is killed leaves none behind. What an
Alertmanager does with that decides nothing of the run: where one does not answer it is said, and the run goes on.

Whoever waits for an Alertmanager must keep no host waiting for its confirmation: before a wave nobody does; while one
goes on a thread of its own renews and ends silences.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from provisioner.apply import Job, Journal, JournalStep
from provisioner.base.attempt import Patience, ReachError
from provisioner.base.diagnostics import RECEIVERS
from provisioner.base.errors import ProvisionerError
from provisioner.base.roles import Matter, ReaderScope, Whereabouts
from provisioner.desired.spec import HostSpec
from provisioner.history.records import Run
from provisioner.inventory.loader.receivers import open_receivers
from provisioner.inventory.model import Receiver, ReceiverKind
from provisioner.notify.receivers import ReceiverDoors
from provisioner.notify.silenced import AlertMatchers, silenced_alerts
from provisioner.pipeline.session import Session
from provisioner.runs.intent import Intent
from provisioner.runs.meanwhile.words import (
    IN_DISORDER,
    NO_ADDRESS,
    TOO_SLOW,
    none_silenced,
    not_ended,
    not_renewed,
    not_silenced,
    outlasting,
)
from provisioner.runs.unfinished import SILENCE, SILENCE_ENDED, SILENCE_MADE

if TYPE_CHECKING:  # the door brings an HTTP library, which most runs do not need
    from provisioner.notify.silences import Silence, SilencedServer, SilenceText

LASTS: Final = timedelta(minutes=3)
"""So long a silence lasts that nobody renews."""
_RENEWED_S: Final = 60.0
_WAVE_S: Final = 20.0
"""So long a wave waits for its silences at most."""
_END_S: Final = 30.0
_ATTEMPT_S: Final = 5.0
_TOTAL_S: Final = 10.0
_ATTEMPTS: Final = 2
_PAUSE_S: Final = 1.0
_FAILED: Final = "failed"
_CREATOR: Final = "provisioner"


@dataclass(frozen=True)
class ToSilence:
    """What a run keeps silent, and where.

    Attributes:
        alerts: by host, the alerts about paths that its change cuts.
        servers: the Alertmanagers, each with the hosts of which it may know.
        text: what silences say.
        warnings: why one of the Alertmanagers is left out.
        former: silences that the run made before it was killed, by receiver.
    """

    alerts: Mapping[str, tuple[AlertMatchers, ...]] = field(default_factory=dict)
    servers: tuple[tuple[SilencedServer, frozenset[str]], ...] = ()
    text: SilenceText | None = None
    warnings: tuple[str, ...] = ()
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOTHING: Final = ToSilence()


class Silencer:
    """A run's journal by whose steps alerts are silenced; the other journal keeps them.

    Args:
        journal: where steps are written down.
        wanted: what is kept silent, and where.
        renewed_s: how often silences are renewed, in seconds.
    """

    def __init__(self, journal: Journal, wanted: ToSilence, *, renewed_s: float = _RENEWED_S) -> None:
        self._journal, self._wanted, self._renewed_s = journal, wanted, renewed_s
        self._kept: dict[tuple[str, str], list[Silence]] = {}
        self._made: list[tuple[str, str, tuple[str, ...]]] = []
        self._through: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}
        self._unended: set[str] = set()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End every silence, whatever became of the run."""
        self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wished and not done, in sentences."""
        with self._lock:
            return (*self._wanted.warnings, *self._said.values())

    def write(self, step: JournalStep) -> None:
        """Write one step down; before the hosts of a wave are started, silence what their changes cut."""
        self._journal.write(step)
        if step.step == "wave" and step.state == "begin":
            self._begin(step.detail.get("hosts"))
        elif step.step == "end" and step.host and self._thread is not None:
            self._through.put(step.host)

    def close(self) -> None:
        """End every silence that is left; one that cannot be ended ends by itself."""
        if self._thread is None:
            return
        self._through.put(None)
        self._thread.join(_END_S)
        if self._thread.is_alive():
            self._warn("", outlasting(TOO_SLOW))
            return
        self._thread = None
        for host, receiver, names in self._made:
            if receiver not in self._unended:
                step = JournalStep(host, SILENCE, SILENCE_ENDED, {"receiver": receiver, "ids": list(names)})
                self._journal.write(step)

    # --- before a wave --------------------------------------------------------------------------------

    def _begin(self, hosts: object) -> None:
        named = [str(host) for host in hosts] if isinstance(hosts, Sequence) else []
        cut = [host for host in named if self._wanted.alerts.get(host)]
        if not self._wanted.servers or not (cut or self._wanted.former):
            return
        end = time.monotonic() + _WAVE_S
        for server, sees in self._wanted.servers:
            self._silence(server, [host for host in cut if host in sees], end)
        if self._thread is None:
            self._thread = threading.Thread(target=self._guarded, daemon=True, name="silences")
            self._thread.start()

    def _silence(self, server: SilencedServer, hosts: Iterable[str], end: float) -> None:
        """Make the silences of hosts at one server, until all are made, it fails, or the wave has waited enough."""
        for host in hosts:
            made: list[Silence] = []
            try:
                self._make(server, host, made, end)
            except ReachError as error:
                self._failed(host, server, error.reason)
                return
            except Exception as error:  # noqa: BLE001 (a defect here may stop no change of a host)
                self._failed(host, server, f"internal error ({type(error).__name__})")
                return
            finally:
                self._take(host, server, made)

    def _make(self, server: SilencedServer, host: str, made: list[Silence], end: float) -> None:
        from provisioner.notify.silences import make_silence  # noqa: PLC0415 (it brings an HTTP library)

        for matchers in self._wanted.alerts[host]:
            if time.monotonic() > end:
                raise ReachError(TOO_SLOW, "")
            made.append(make_silence(server, matchers, self._text, datetime.now(UTC) + LASTS))

    def _take(self, host: str, server: SilencedServer, made: list[Silence]) -> None:
        if not made:
            return
        names = tuple(one.id for one in made)
        with self._lock:
            self._kept[server.receiver, host] = made
        self._made.append((host, server.receiver, names))
        self._journal.write(JournalStep(host, SILENCE, SILENCE_MADE, {"receiver": server.receiver, "ids": list(names)}))

    def _failed(self, host: str, server: SilencedServer, reason: str) -> None:
        self._warn(server.receiver, not_silenced(server.receiver, reason))
        self._journal.write(JournalStep(host, SILENCE, _FAILED, {"receiver": server.receiver, "cause": reason}))

    def _warn(self, about: str, sentence: str) -> None:
        with self._lock:
            self._said.setdefault(about, sentence)

    @property
    def _text(self) -> SilenceText:
        if self._wanted.text is None:
            raise TypeError("who silences alerts says why")
        return self._wanted.text

    # --- while it goes on -----------------------------------------------------------------------------

    def _guarded(self) -> None:
        try:
            self._keep()
        except Exception as error:  # noqa: BLE001 (silences end by themselves; the run goes on)
            self._unended |= {server.receiver for server, _ in self._wanted.servers}
            self._warn("", outlasting(f"internal error ({type(error).__name__})"))

    def _keep(self) -> None:
        """Renew silences, end those of hosts that are through, and in the end all; what is of before the run first."""
        for server, _ in self._wanted.servers:
            self._end(server, self._wanted.former.get(server.receiver, ()))
        due = time.monotonic() + self._renewed_s
        while True:
            try:
                host = self._through.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                self._renew()
                due = time.monotonic() + self._renewed_s
                continue
            self._end_of(host)
            if host is None:
                return

    def _end_of(self, host: str | None) -> None:
        for server, _ in self._wanted.servers:
            with self._lock:
                keys = [key for key in self._kept if key[0] == server.receiver and host in {None, key[1]}]
                names = [one.id for key in keys for one in self._kept.pop(key)]
            self._end(server, names)

    def _end(self, server: SilencedServer, names: Iterable[str]) -> None:
        from provisioner.notify.silences import end_silence  # noqa: PLC0415 (it brings an HTTP library)

        try:
            for name in names:
                end_silence(server, name)
        except ReachError as error:
            self._unended.add(server.receiver)
            self._warn(server.receiver, not_ended(server.receiver, error.reason))

    def _renew(self) -> None:
        for server, _ in self._wanted.servers:
            try:
                self._renew_at(server)
            except ReachError as error:
                self._warn(server.receiver, not_renewed(server.receiver, error.reason))

    def _renew_at(self, server: SilencedServer) -> None:
        from provisioner.notify.silences import renew_silence  # noqa: PLC0415 (it brings an HTTP library)

        with self._lock:
            kept = {key: list(of) for key, of in self._kept.items() if key[0] == server.receiver}
        for key, silences in kept.items():
            renewed = [renew_silence(server, one, self._text, datetime.now(UTC) + LASTS) for one in silences]
            with self._lock:
                self._kept[key] = [one for one in renewed if one is not None]


def to_silence(
    session: Session, run: Run, intent: Intent, jobs: Iterable[Job], former: Mapping[str, tuple[str, ...]]
) -> ToSilence:
    """What a run keeps silent, and where: at the Alertmanagers of `receivers.yml` that may know of its relays.

    Args:
        session: the session.
        run: the run.
        intent: what it is about to do.
        jobs: its hosts.
        former: silences that it made before, by receiver.
    """
    inventory = session.inventory.settings.id
    relays = [job.spec for job in jobs if job.spec.relay is not None and job.spec.id in intent.cuts]
    receivers = [one for one in session.inventory.receivers if one.kind is ReceiverKind.ALERTMANAGER]
    if relays and RECEIVERS in session.loaded.broken:
        return ToSilence(warnings=(none_silenced(IN_DISORDER),))
    if not relays or not receivers:
        return NOTHING
    from provisioner.notify.silences import SilenceText  # noqa: PLC0415 (it brings an HTTP library)

    alerts = {spec.id: silenced_alerts(inventory, intent.cuts[spec.id], spec.paths) for spec in relays}
    servers, warnings = _servers(session, receivers, relays)
    text = SilenceText(_CREATOR, f"run {run.id} of inventory {inventory}: {run.operation.value}")
    return ToSilence(alerts, servers, text, warnings, former)


def _servers(
    session: Session, receivers: Iterable[Receiver], relays: Iterable[HostSpec]
) -> tuple[tuple[tuple[SilencedServer, frozenset[str]], ...], tuple[str, ...]]:
    from provisioner.notify.delivery import server_login  # noqa: PLC0415 (it brings an HTTP library)
    from provisioner.notify.silences import SilencedServer  # noqa: PLC0415

    try:
        doors = ReceiverDoors(session.loaded, open_receivers(session.root, session.passwords))
    except ProvisionerError as error:
        return (), (none_silenced(error.message),)
    usual = Patience.of(session.environment)
    patience = Patience(_ATTEMPT_S, _TOTAL_S, _ATTEMPTS, _PAUSE_S, usual.authorities)
    servers: list[tuple[SilencedServer, frozenset[str]]] = []
    warnings: list[str] = []
    listed = list(relays)
    for receiver in receivers:
        sees = frozenset(spec.id for spec in listed if _sees(receiver, spec))
        if not sees:
            continue
        fault = doors.fault(receiver)
        if fault or receiver.url is None:
            warnings.append(not_silenced(receiver.id, fault[0] if fault else NO_ADDRESS))
            continue
        login = server_login(doors.secrets(receiver))
        servers.append((SilencedServer(receiver.id, receiver.url, login, patience), sees))
    return tuple(servers), tuple(warnings)


def _sees(receiver: Receiver, relay: HostSpec) -> bool:
    """Whether a receiver may know of all that a relay serves: its silences name it."""
    scope = ReaderScope(receiver.role, next(iter(receiver.of.values()), ""))
    return scope.sees(Matter.STATUS, Whereabouts(carriers=frozenset(relay.carriers)))
