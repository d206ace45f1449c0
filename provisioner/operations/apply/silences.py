"""Alerts silenced while a run changes hosts, for its cut paths.

A host's silences begin before its wave starts, and end with its change. Each expires soon and is renewed during the
run, so a killed controller leaves no silence. The run only reports an unreachable Alertmanager and goes on. Silences
are made before a wave; a thread renews and ends them, so no confirmation waits for an Alertmanager.

The alerts are those of a watch (`alerting.rules`). An alert names a path, a device (`object`), a site (facility) or a
relay (host). It is silenced if all its paths are cut. Alerts of nights and of the watch itself have no `scope` and are
never silenced; nor is `ProvisionerPathsUnknown`, which waits longer than a change takes.

Answers of Alertmanager's API v2 are bounded. Only a silence's id, start and state are used, strictly checked: the id
becomes part of a URL.
"""

import json
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from provisioner.base import http
from provisioner.base.errors import RECEIVERS, ProvisionerError, raised_as
from provisioner.base.groups import gathered
from provisioner.base.roles import Matter, ReaderScope, Whereabouts
from provisioner.base.text import Document, msg, utc_text
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.integrations.notify.delivery import ReceiverTransports, server_login
from provisioner.inventory.loader.receivers import open_receivers
from provisioner.inventory.model.receivers import Receiver, ReceiverKind
from provisioner.operations.apply.run import SILENCE, SILENCE_ENDED, SILENCE_MADE, Intent
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout.dispatcher import Journal
from provisioner.operations.rollout.job import Job
from provisioner.plan.change import HostCut
from provisioner.record.entries import JournalStep, Run

IN_DISORDER = "receivers.yml has errors"
TOO_SLOW = "it took too long"
NO_ADDRESS = "it has no address"

LONGEST_PATTERN: Final = 8_000  #: Length limit of a pattern; more names need more silences.

_OF_A_HOST: Final = "host|site|device|path"
_OF_A_SITE: Final = "site|device|path"
_OF_A_DEVICE: Final = "site|device"
_ADVICE: Final = http.Advice("receivers.yml", "the login in secrets/receivers.yml")
_SILENCES: Final = "/api/v2/silences"
_SILENCE: Final = "/api/v2/silence/"
_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_MOMENT: Final = re.compile(r"[0-9TZ:.+-]{10,40}")
_EARLIER: Final = timedelta(hours=1)
_NOT_THERE: Final = 404
_ENDED: Final = "expired"
_NO_ANSWER: Final = "see that the address in receivers.yml is an Alertmanager's, without /api/v2"

LASTS: Final = timedelta(minutes=3)  #: Lifetime of a silence without renewal.

_RENEWED_S: Final = 60.0

_WAVE_S: Final = 20.0  #: The longest wait of a wave for its silences.

_END_S: Final = 30.0
_ATTEMPT_S: Final = 5.0
_TOTAL_S: Final = 10.0
_ATTEMPTS: Final = 2
_PAUSE_S: Final = 1.0
_FAILED: Final = "failed"
_CREATOR: Final = "provisioner"


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """A label's required value: a text, or an anchored pattern."""

    name: str
    value: str
    is_pattern: bool = False

    @property
    def document(self) -> Document:
        """The matcher in Alertmanager's API."""
        return {"name": self.name, "value": self.value, "isRegex": self.is_pattern, "isEqual": True}


AlertMatchers = tuple[LabelMatcher, ...]  #: Matchers that an alert has to fit all.


@dataclass(frozen=True)
class SilencedServer:
    """An Alertmanager: its receiver id, and its URL without `/api/v2`."""

    receiver: str
    url: str
    login: http.ServerLogin | None
    patience: http.HttpLimits


@dataclass(frozen=True, slots=True)
class SilenceText:
    """A silence's public text, without persons or secrets."""

    creator: str
    comment: str


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence at an Alertmanager."""

    id: str
    matchers: AlertMatchers


@dataclass(frozen=True)
class ToSilence:
    """Silences wanted for a run."""

    #: By host, alerts about paths that its change cuts.
    alerts: Mapping[str, tuple[AlertMatchers, ...]] = field(default_factory=dict)
    #: The Alertmanagers, each with the hosts it may know.
    servers: tuple[tuple[SilencedServer, frozenset[str]], ...] = ()
    text: SilenceText | None = None
    warnings: tuple[str, ...] = ()
    #: By receiver, silences made before the run was killed.
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOTHING: Final = ToSilence()


class Silencer:
    """A run's journal that also makes silences at its steps."""

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
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End every silence, whatever the run's outcome."""
        self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Failures, in sentences."""
        with self._lock:
            return (*self._wanted.warnings, *self._said.values())

    def write(self, step: JournalStep) -> None:
        """Write a step; silence a wave's cuts before it starts."""
        self._journal.write(step)
        if step.step == "wave" and step.state == "begin":
            self._begin_silences(step.detail.get("hosts"))
        elif step.step == "end" and step.host and self._thread is not None:
            self._through.put(step.host)

    def close(self) -> None:
        """End remaining silences; failed ones expire."""
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
    def _begin_silences(self, hosts: object) -> None:
        named = [str(host) for host in hosts] if isinstance(hosts, Sequence) else []
        cut = [host for host in named if self._wanted.alerts.get(host)]
        if not self._wanted.servers or not (cut or self._wanted.former):
            return
        end = time.monotonic() + _WAVE_S
        for server, sees in self._wanted.servers:
            self._silence_hosts(server, [host for host in cut if host in sees], end)
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_guarded, daemon=True, name="silences")
            self._thread.start()

    def _silence_hosts(self, server: SilencedServer, hosts: Iterable[str], end: float) -> None:
        """Make silences at one server until a failure or the wave's limit."""
        for host in hosts:
            made: list[Silence] = []
            try:
                self._make_silences(server, host, made, end)
            except http.ReachError as error:
                self._failed(host, server, error.reason)
                return
            except Exception as error:  # noqa: BLE001 (a defect here may stop no change of a host)
                self._failed(host, server, f"internal error ({type(error).__name__})")
                return
            finally:
                self._note_silences(host, server, made)

    def _make_silences(self, server: SilencedServer, host: str, made: list[Silence], end: float) -> None:
        for matchers in self._wanted.alerts[host]:
            if time.monotonic() > end:
                raise http.ReachError(TOO_SLOW, "")
            made.append(make_silence(server, matchers, self._text, datetime.now(UTC) + LASTS))

    def _note_silences(self, host: str, server: SilencedServer, made: list[Silence]) -> None:
        if not made:
            return
        names = tuple(silence.id for silence in made)
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
    def _renew_guarded(self) -> None:
        try:
            self._keep_silences()
        except Exception as error:  # noqa: BLE001 (silences end by themselves; the run goes on)
            self._unended |= {server.receiver for server, _ in self._wanted.servers}
            self._warn("", outlasting(f"internal error ({type(error).__name__})"))

    def _keep_silences(self) -> None:
        for server, _ in self._wanted.servers:
            self._end_silences(server, self._wanted.former.get(server.receiver, ()))
        renew_at_s = time.monotonic() + self._renewed_s
        while True:
            try:
                host = self._through.get(timeout=max(0.0, renew_at_s - time.monotonic()))
            except queue.Empty:
                self._renew_all()
                renew_at_s = time.monotonic() + self._renewed_s
                continue
            self._end_of(host)
            if host is None:
                return

    def _end_of(self, host: str | None) -> None:
        for server, _ in self._wanted.servers:
            with self._lock:
                keys = [key for key in self._kept if key[0] == server.receiver and host in {None, key[1]}]
                names = [silence.id for key in keys for silence in self._kept.pop(key)]
            self._end_silences(server, names)

    def _end_silences(self, server: SilencedServer, names: Iterable[str]) -> None:
        try:
            for name in names:
                end_silence(server, name)
        except http.ReachError as error:
            self._unended.add(server.receiver)
            self._warn(server.receiver, not_ended(server.receiver, error.reason))

    def _renew_all(self) -> None:
        for server, _ in self._wanted.servers:
            try:
                self._renew_at(server)
            except http.ReachError as error:
                message = msg(
                    "silences at receiver {receiver} were not renewed: {reason}", server.receiver, error.reason
                )
                self._warn(server.receiver, message)

    def _renew_at(self, server: SilencedServer) -> None:
        with self._lock:
            current = {key: list(made) for key, made in self._kept.items() if key[0] == server.receiver}
        for key, silences in current.items():
            renewed = [renew_silence(server, silence, self._text, datetime.now(UTC) + LASTS) for silence in silences]
            with self._lock:
                self._kept[key] = [silence for silence in renewed if silence is not None]


def not_silenced(receiver: str, reason: str) -> str:
    """Warn that an Alertmanager lacks some silences."""
    return msg(
        "alerts of paths that this run cuts are not all silenced at receiver {receiver}: {reason}", receiver, reason
    )


def none_silenced(reason: str) -> str:
    """Warn that no silence was made."""
    return msg("no alert of paths that this run cuts is silenced: {reason}", reason)


def not_ended(receiver: str, reason: str) -> str:
    """Warn that a receiver's silences outlast the run."""
    return msg(
        "silences at receiver {receiver} end by themselves within 3 minutes, and not now: {reason}", receiver, reason
    )


def outlasting(reason: str) -> str:
    """Warn that all silences outlast the run."""
    return msg("silences of this run end by themselves within 3 minutes, and not now: {reason}", reason)


def silenced_alerts(inventory: str, cut: HostCut, paths: Iterable[MediaPath]) -> tuple[AlertMatchers, ...]:
    """Return a relay's silenced alerts, also of removed paths, in few matchers."""
    pulled = [path for path in paths if not path.on_demand]
    stopped = {path.name for path in pulled if cut.cuts_path(path.facility, path.name)}
    if cut.everything or (stopped and len(stopped) == len(pulled)):
        return (_matchers(inventory, cut.host, _OF_A_HOST),)
    sites = _fully_stopped(stopped, ((path.name, path.facility) for path in pulled)) | cut.facilities
    within = [path for path in pulled if path.facility not in sites]
    devices = _fully_stopped(stopped, ((path.name, name) for path in within for name in _device_names(path)))
    # Of a site some of whose paths have gone the others' names say all.
    removed = cut.paths - {path.name for path in pulled}
    names = {path.name for path in within if path.name in stopped} | {
        path_name for path_name in removed if _site(path_name) not in sites
    }
    listed = ((_OF_A_SITE, "facility", sites), (_OF_A_DEVICE, "object", devices), ("path", "path", names))
    return tuple(
        (*_matchers(inventory, cut.host, scopes), LabelMatcher(label, pattern, is_pattern=True))
        for scopes, label, values in listed
        for pattern in _patterns(values)
    )


def _matchers(inventory: str, host: str, scopes: str) -> AlertMatchers:
    scope = LabelMatcher("scope", scopes, is_pattern="|" in scopes)
    return LabelMatcher("inventory", inventory), LabelMatcher("host", host), scope


def _fully_stopped(stopped: set[str], owned: Iterable[tuple[str, str]]) -> frozenset[str]:
    by_owner = gathered((owner, path) for path, owner in owned)
    return frozenset(owner for owner, paths in by_owner.items() if stopped.issuperset(paths))


def _device_names(path: MediaPath) -> Iterator[str]:
    yield f"{path.facility}/{path.camera}"
    if path.device != path.camera:
        yield f"{path.facility}/{path.device}"


def _site(path: str) -> str:
    parts = path.split("/")
    return parts[1] if len(parts) > 1 else ""


def _patterns(values: Iterable[str]) -> Iterator[str]:
    """Yield patterns of bounded length that match exactly these values."""
    listed: list[str] = []
    length = 0
    for value in map(re.escape, sorted(values)):
        if listed and length + len(value) + 1 > LONGEST_PATTERN:
            yield "|".join(listed)
            listed, length = [], 0
        listed.append(value)
        length += len(value) + 1
    if listed:
        yield "|".join(listed)


def make_silence(server: SilencedServer, matchers: AlertMatchers, text: SilenceText, until: datetime) -> Silence:
    """Silence alerts until a time, or raise `ReachError`."""
    # It begins when the server has it, whatever this machine's clock says: an Alertmanager takes no earlier moment.
    begin = utc_text(datetime.now(UTC) - _EARLIER)
    return Silence(_put_silence(server, matchers, text, (begin, utc_text(until))), matchers)


def renew_silence(server: SilencedServer, silence: Silence, text: SilenceText, until: datetime) -> Silence | None:
    """Prolong a silence; `None` if ended. Failures raise `ReachError`."""
    state, begin = _silence_state(server, silence.id)
    if state == _ENDED:
        return None
    return Silence(
        _put_silence(server, silence.matchers, text, (begin, utc_text(until)), id=silence.id), silence.matchers
    )


def _put_silence(
    server: SilencedServer, matchers: AlertMatchers, text: SilenceText, times: tuple[str, str], **fields: str
) -> str:
    begin, end = times
    body: Document = {
        "matchers": [matcher.document for matcher in matchers],
        "startsAt": begin,
        "endsAt": end,
        "createdBy": text.creator,
        "comment": text.comment,
        **fields,
    }
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    silence_id = _answer_document(
        _sent_request(server, http.Request("POST", server.url.rstrip("/") + _SILENCES, data))
    ).get("silenceID")
    if not isinstance(silence_id, str) or not _ID.fullmatch(silence_id):
        raise _misunderstood()
    return silence_id


def end_silence(server: SilencedServer, name: str) -> None:
    """End a silence, if it is active, or raise `ReachError`."""
    if not _ID.fullmatch(name):
        return
    request = http.Request("DELETE", server.url.rstrip("/") + _SILENCE + name)
    try:
        _sent_request(replace(server, patience=replace(server.patience, attempts=1)), request, also=_NOT_THERE)
    except http.ReachError:
        # One that has ended is an error of the server's to Alertmanager.
        if _silence_state(server, name)[0] != _ENDED:
            _sent_request(server, request, also=_NOT_THERE)


def _silence_state(server: SilencedServer, name: str) -> tuple[str, str]:
    """Return a silence's state and start; a missing one has ended."""
    answer = _sent_request(server, http.Request("GET", server.url.rstrip("/") + _SILENCE + name), also=_NOT_THERE)
    if answer.status == _NOT_THERE:
        return _ENDED, ""
    document = _answer_document(answer)
    begin, status = document.get("startsAt"), document.get("status")
    state = status.get("state") if isinstance(status, dict) else None
    if not isinstance(begin, str) or not _MOMENT.fullmatch(begin) or not isinstance(state, str):
        raise _misunderstood()
    return state, begin


def _sent_request(server: SilencedServer, request: http.Request, *, also: int = 0) -> http.HttpAnswer:
    complete = http.Request(request.method, request.url, request.body, login=server.login, named=server.patience.named)

    def attempt(seconds: float) -> http.HttpAnswer:
        answer = http.exchange(complete, seconds=seconds, advice=_ADVICE, authorities=server.patience.authorities)
        return answer if answer.status == also else http.successful_answer(answer, _ADVICE)

    return http.try_often(attempt, server.patience).value


def _answer_document(answer: http.HttpAnswer) -> Document:
    with raised_as(_misunderstood(), ValueError, RecursionError):
        document = json.loads(answer.body)
    if answer.is_cut or not isinstance(document, dict):
        raise _misunderstood()
    return document


def _misunderstood() -> http.ReachError:
    return http.ReachError("it answers what no Alertmanager does", _NO_ANSWER, lasting=True)


def to_silence(
    session: Session, run: Run, intent: Intent, jobs: Iterable[Job], former: Mapping[str, tuple[str, ...]]
) -> ToSilence:
    """Return a run's silences, also `former` ones, at its relays' Alertmanagers."""
    inventory = session.inventory.settings.id
    relays = [job.spec for job in jobs if job.spec.relay is not None and job.spec.id in intent.cuts]
    receivers = [receiver for receiver in session.inventory.receivers if receiver.kind is ReceiverKind.ALERTMANAGER]
    if relays and RECEIVERS in session.loaded.broken:
        return ToSilence(warnings=(none_silenced(IN_DISORDER),))
    if not relays or not receivers:
        return NOTHING
    alerts = {spec.id: silenced_alerts(inventory, intent.cuts[spec.id], spec.paths) for spec in relays}
    servers, warnings = _servers_and_warnings(session, receivers, relays)
    text = SilenceText(_CREATOR, f"run {run.id} of inventory {inventory}: {run.operation.value}")
    return ToSilence(alerts, servers, text, warnings, former)


def _servers_and_warnings(
    session: Session, receivers: Iterable[Receiver], relays: Iterable[HostSpec]
) -> tuple[tuple[tuple[SilencedServer, frozenset[str]], ...], tuple[str, ...]]:
    try:
        transports = ReceiverTransports(session.loaded, open_receivers(session.root, session.passwords))
    except ProvisionerError as error:
        return (), (none_silenced(error.message),)
    usual = http.HttpLimits.of(session.environment)
    patience = http.HttpLimits(_ATTEMPT_S, _TOTAL_S, _ATTEMPTS, _PAUSE_S, usual.authorities, usual.named)
    servers: list[tuple[SilencedServer, frozenset[str]]] = []
    warnings: list[str] = []
    listed = list(relays)
    for receiver in receivers:
        sees = frozenset(spec.id for spec in listed if _may_know(receiver, spec))
        if not sees:
            continue
        fault = transports.fault(receiver)
        if fault or receiver.url is None:
            warnings.append(not_silenced(receiver.id, fault[0] if fault else NO_ADDRESS))
            continue
        login = server_login(transports.secrets(receiver))
        servers.append((SilencedServer(receiver.id, receiver.url, login, patience), sees))
    return tuple(servers), tuple(warnings)


def _may_know(receiver: Receiver, relay: HostSpec) -> bool:
    scope = ReaderScope(receiver.role, next(iter(receiver.of.values()), ""))
    return scope.sees(Matter.STATUS, Whereabouts(carriers=frozenset(relay.carriers)))
