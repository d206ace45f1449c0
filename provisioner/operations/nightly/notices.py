"""Notices of a night for each receiver's role; failures affect no others."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from provisioner.base import errors
from provisioner.base.document import Count, Row, Said, of
from provisioner.base.http import HttpLimits, ReachError
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.base.text import did_you_mean, msg
from provisioner.integrations.notify import formats
from provisioner.integrations.notify.delivery import Outgoing, ReceiverTransports, deliver
from provisioner.integrations.notify.mail import letter_of, trial_letter
from provisioner.integrations.notify.news import LastNotice, NightNews, NightReport, news_for, night_of, path_key
from provisioner.inventory.loader.load import check
from provisioner.inventory.loader.receivers import ReceiversVault, open_receivers
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.model.receivers import Receiver, ReceiverKind
from provisioner.operations.apply.journal import keyed_state_folder
from provisioner.operations.pipeline.session import Session
from provisioner.record.availability.path_state import PathState
from provisioner.record.entries import Operation
from provisioner.record.sent import keep_notice, read_notices
from provisioner.record.store import History, find_history
from provisioner.record.verdicts import read_since
from provisioner.verify.document import VerifyDocument, recorded_verification
from provisioner.verify.result import Verdict

_AT_ONCE: Final = 32  #: Receivers notified in parallel, so that a slow one delays no others.
_LATER: Final = "it is told all of it after the next night, or now: provisioner notify"


class SendOutcome(StrEnum):
    """Outcome of a receiver's notice."""

    SENT = "sent"
    NOTHING_NEW = "nothing-new"
    WOULD_SEND = "would-send"
    FAILED = "failed"
    FAULTY = "faulty"


@dataclass(frozen=True)
class Sending:
    """A receiver and its notice's outcome."""

    receiver: Receiver
    outcome: SendOutcome
    attempts: int = 0
    turns: Mapping[str, int] = field(default_factory=dict)  #: Numbers of new, changed, recovered and unchanged paths.
    message: str = ""
    hint: str = ""
    notice: formats.NoticeDocument | None = field(default=None, repr=False)

    @property
    def is_bad(self) -> bool:
        """Whether the receiver lacks its notice."""
        return self.outcome in {SendOutcome.FAILED, SendOutcome.FAULTY}

    @property
    def failure(self) -> str:
        """The sentence for people if the receiver lacks its notice."""
        return msg("receiver {id} was not told: {message}", self.receiver.id, self.message)

    @property
    def row(self) -> "SendingRow":
        """Its document row, without addresses."""
        return SendingRow.made_of(self, of=next(iter(self.receiver.of.values()), ""))


class SendingRow(Row):
    """A receiver, and the outcome of its notice."""

    receiver: Said = of("receiver", "id")
    kind: ReceiverKind = of("receiver", "kind")
    role: ReaderRole = of("receiver", "role")
    of: str  #: The slug of its province, carrier or facility; empty for a role of the whole country.
    outcome: SendOutcome  #: `faulty` is a receiver that could not be tried; the reason is in `message`.
    attempts: Count
    turns: formats.Turns  #: Numbers of paths and hosts by their change since the receiver's last notice.
    message: str
    hint: str


@dataclass(frozen=True)
class Switchboard:
    """All that notices need: receivers, logins, and what each was told last."""

    session: Session = field(repr=False)
    receivers: tuple[Receiver, ...]
    vault: ReceiversVault = field(repr=False)
    last: Mapping[str, LastNotice] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> BaseInventory:
        """The inventory without its facilities."""
        return self.transports.frame

    def scope(self, receiver: Receiver) -> ReaderScope:
        """Return a receiver's role and scope."""
        return ReaderScope(receiver.role, next(iter(receiver.of.values()), ""))

    @property
    def transports(self) -> ReceiverTransports:
        """Access to receivers."""
        return ReceiverTransports(self.session.loaded, self.vault)

    def province_of(self, receiver: Receiver) -> Callable[[str], str]:
        """Return a function from facility to province, in a receiver's terms."""
        base_inventory, outlines = self.frame, self.session.loaded.outlines

        def province_for_receiver(facility: str) -> str:
            outline = outlines.get(facility)
            if outline is None:
                return ""
            if receiver.province is None:
                return base_inventory.province_counted(outline)
            is_in = base_inventory.is_in(outline, receiver.province, receiver.province_scheme)
            return receiver.province if is_in else ""

        return province_for_receiver


def switchboard(session: Session) -> Switchboard:
    """Return the receivers, with what they know; or raise `NoticeError`."""
    _refuse_broken(session)
    base_inventory = session.loaded.frame
    receivers = base_inventory.receivers if base_inventory else ()
    if not receivers:
        return Switchboard(session, (), ReceiversVault(), {})
    vault = open_receivers(session.root, session.passwords)
    try:
        read = read_notices(keyed_state_folder(session), [receiver.id for receiver in receivers])
    except errors.StateError as error:
        note = f"what receivers were told before cannot be read, so they are told all of it: {error.message}"
        return Switchboard(session, receivers, vault, {}, (note,))
    last = {receiver.id: formats.last_notice(read.documents.get(receiver.id)) for receiver in receivers}
    notes = [f"receiver {name}: what it was told before is not what this program wrote" for name in read.unread]
    return Switchboard(session, receivers, vault, last, tuple(notes))


def _refuse_broken(session: Session) -> None:
    """Raise `NoticeError` with every problem if the receivers are not known."""
    problems = [
        p for p in check(session.loaded) if p.object == errors.RECEIVERS and p.severity is errors.Severity.ERROR
    ]
    if errors.RECEIVERS in session.loaded.broken or any(p.code == "receiver-duplicate" for p in problems):
        message = msg("no receiver was told: receivers.yml has errors")
        hint = msg("correct the places listed; then tell them: provisioner notify")
        raise errors.NoticeError(message, problems=tuple(sorted(problems)), hint=hint)


def night_report_of(
    session: Session, document: VerifyDocument, run: str, drifted: Iterable[str] | None = None
) -> NightReport:
    """Return a verification as notices need it."""
    state = session.state
    carriers = {host.id: frozenset(host.carriers) for host in state.hosts.values()}
    carriers |= {host.id: frozenset(host.carriers) for host in state.left_out.values()}
    listed = [path_key(path.name, host.id) for host, path in state.paths]
    inventory = session.inventory.settings.id
    states: dict[str, PathState] = {}
    with suppress(errors.StateError):
        states.update(read_since(keyed_state_folder(session)))

    def since(path: str, verdict: Verdict) -> datetime | None:
        return states[path].since_as(verdict) if path in states else None

    return night_of(document, carriers, inventory=inventory, run=run, listed=listed, drifted=drifted, since=since)


def tell_all(
    board: Switchboard, night: NightReport, *, only: Sequence[str] = (), dry: bool = False
) -> tuple[Sending, ...]:
    """Notify receivers in parallel; `only` names some, `dry` sends no notice."""
    receivers = [receiver for receiver in board.receivers if not only or receiver.id in only]

    patience = HttpLimits.of(board.session.environment)

    def send_or_report(receiver: Receiver) -> Sending:
        try:
            return _notify_receiver(board, receiver, night, patience, dry=dry)
        except Exception as error:  # noqa: BLE001 (a defect in one notice keeps none from anybody else)
            message = msg("internal error ({name})", type(error).__name__)
            return Sending(receiver, SendOutcome.FAILED, message=message, hint="report this defect of provisioner")

    if not receivers:
        return ()
    with ThreadPoolExecutor(min(_AT_ONCE, len(receivers)), "notices") as pool:
        return tuple(pool.map(send_or_report, receivers))


def _notify_receiver(
    board: Switchboard, receiver: Receiver, night: NightReport, patience: HttpLimits, *, dry: bool
) -> Sending:
    if fault := board.transports.fault(receiver):
        return Sending(receiver, SendOutcome.FAULTY, message=fault[0], hint=fault[1])
    last = board.last.get(receiver.id, LastNotice())
    news = news_for(board.scope(receiver), night, last, board.province_of(receiver))
    alerts, open_alerts = formats.alerts_of(news, last.alerts, receiver.language)
    letter = letter_of(news, receiver.language)
    notice = formats.notice_document(news, receiver, letter)
    is_alerted = receiver.kind is ReceiverKind.ALERTMANAGER
    sending = Sending(receiver, SendOutcome.NOTHING_NEW, turns=news.turns, notice=notice)
    if not (bool(alerts) if is_alerted else news.has_changed or receiver.heartbeat):
        return sending
    if dry:
        return replace(sending, outcome=SendOutcome.WOULD_SEND)
    name = _delivery_name(night, receiver)
    outgoing = Outgoing(
        receiver, board.transports.secrets(receiver), datetime.now(UTC), name, notice.plain, letter, alerts
    )
    sent = _delivered(outgoing, sending, patience)
    return sent if sent.is_bad else _store_sent(board, sent, news, open_alerts)


def _delivered(outgoing: Outgoing, sending: Sending, patience: HttpLimits) -> Sending:
    try:
        delivered = deliver(outgoing, patience)
    except ReachError as error:
        return replace(
            sending, outcome=SendOutcome.FAILED, attempts=error.attempts, message=error.reason, hint=error.hint
        )
    return replace(sending, outcome=SendOutcome.SENT, attempts=delivered.attempts, message=delivered.note)


def _store_sent(board: Switchboard, sent: Sending, news: NightNews, alerts: Sequence[formats.Labels]) -> Sending:
    try:
        keep_notice(
            keyed_state_folder(board.session),
            sent.receiver.id,
            formats.receiver_record(news, alerts),
            datetime.now(UTC),
        )
    except errors.StateError as error:
        return replace(sent, message=f"it was told, and will be told the same again: {error.message}", hint=error.hint)
    return sent


def _delivery_name(night: NightReport, receiver: Receiver) -> str:
    """Return a notice's id, equal for repeated deliveries."""
    text = "\0".join((night.inventory, night.run or night.at.isoformat(), receiver.id))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def refuse_unknown(board: Switchboard, names: Sequence[str]) -> None:
    """Raise `UsageError` for an unknown receiver."""
    ids = [receiver.id for receiver in board.receivers]
    for name in names:
        if name not in ids:
            hint = did_you_mean(name, ids, msg("receivers.yml has: {ids}", ", ".join(ids) or "-"))
            raise errors.UsageError(msg("there is no receiver {name}", name), hint=hint, object=name)


def send_test(board: Switchboard, name: str) -> Sending:
    """Send a test to one receiver, whose state stays, or raise `UsageError`."""
    refuse_unknown(board, [name])
    receiver = next(candidate for candidate in board.receivers if candidate.id == name)
    if fault := board.transports.fault(receiver):
        return Sending(receiver, SendOutcome.FAULTY, message=fault[0], hint=fault[1])
    inventory, now = board.frame.settings.id, datetime.now(UTC)
    letter = trial_letter(inventory, receiver.language)
    document = formats.trial_document(inventory, receiver, letter)
    alerts = formats.trial_alert(inventory, receiver.id, now, receiver.language)
    delivery = hashlib.sha256(f"test\0{inventory}\0{name}\0{now.isoformat()}".encode()).hexdigest()[:32]
    outgoing = Outgoing(receiver, board.transports.secrets(receiver), now, delivery, document.plain, letter, alerts)
    patience = HttpLimits.of(board.session.environment)
    return _delivered(outgoing, Sending(receiver, SendOutcome.SENT, notice=document), patience)


def last_verification(session: Session) -> tuple[str, VerifyDocument]:
    """Return the newest verification's document, or raise `UsageError` or `StateError`."""
    history = find_history(keyed_state_folder(session))
    if history is not None:
        with closing(history):
            for recorded in history.past().runs:
                is_whole = recorded.run.operation is Operation.VERIFY and recorded.finished is not None
                if is_whole and (document := verification_of(history, recorded.run.id)) is not None:
                    return recorded.run.id, document
    hint = msg("verify first: provisioner nightly, or provisioner verify")
    raise errors.UsageError(msg("no verification is recorded yet"), hint=hint)


def verification_of(history: History, run: str) -> VerifyDocument | None:
    """Return a recorded verification's document; `None` if it has none."""
    document = history.document(run)
    try:
        return None if document is None else recorded_verification(document)
    except errors.UnreadableError as error:
        place = history.place.text
        message = msg("a verification in {place} is not as this program records them: {error}", place, error)
        raise errors.StateError(message, hint=msg("provisioner history verify says whether it was changed")) from None


def problem_of(sendings: Sequence[Sending]) -> errors.ProvisionerError | None:
    """Return the error for receivers without notice, if any."""
    bad = [sending for sending in sendings if sending.is_bad]
    if not bad:
        return None
    first = bad[0]
    message = msg("{message} (and {count} more)", first.failure, len(bad) - 1) if bad[1:] else first.failure
    return errors.NoticeError(message, hint=f"{first.hint}; {_LATER}", object=first.receiver.id)
