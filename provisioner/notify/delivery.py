"""A notice on its way to one receiver, by the way that its kind has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from provisioner.base.attempt import Patience, ReachError, try_often
from provisioner.base.https import ServerLogin
from provisioner.base.json_document import Document
from provisioner.inventory.model import Receiver, ReceiverKind, ReceiverSecrets
from provisioner.notify.https import post
from provisioner.notify.letter import Letter
from provisioner.notify.mail import mail_of
from provisioner.notify.smtp import MailServer, send_mail
from provisioner.notify.webhook import body_of, signed_headers

_ALERTS_PATH: Final = "/api/v2/alerts"


@dataclass(frozen=True)
class Outgoing:
    """All that one receiver is sent.

    Attributes:
        delivery: names the notice: it is the same however often it is sent.
        document: for a webhook.
        letter: for a mail.
        alerts: for an Alertmanager.
    """

    receiver: Receiver
    secrets: ReceiverSecrets
    at: datetime
    delivery: str
    document: Document
    letter: Letter
    alerts: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A notice that was taken: after how many attempts, and what is to be said of it."""

    attempts: int
    note: str = ""


def deliver(outgoing: Outgoing, patience: Patience) -> Delivered:
    """Send a notice.

    Raises:
        ReachError: the receiver was not reached, or took nothing.
    """
    match outgoing.receiver.kind:
        case ReceiverKind.WEBHOOK:
            return _to_webhook(outgoing, patience)
        case ReceiverKind.ALERTMANAGER:
            return _to_alertmanager(outgoing, patience)
        case ReceiverKind.SMTP:
            return _to_mail_server(outgoing, patience)


def _to_webhook(outgoing: Outgoing, patience: Patience) -> Delivered:
    key, url = outgoing.secrets.key, outgoing.receiver.url
    if key is None or url is None:
        raise _incomplete()
    body = body_of(outgoing.document)
    headers = signed_headers(body, key, outgoing.at, outgoing.delivery)

    def attempt(seconds: float) -> int:
        return post(url, body, headers, seconds=seconds, authorities=patience.authorities)

    return Delivered(try_often(attempt, patience).attempts)


def _to_alertmanager(outgoing: Outgoing, patience: Patience) -> Delivered:
    url = outgoing.receiver.url
    if url is None:
        raise _incomplete()
    body, login = body_of(list(outgoing.alerts)), server_login(outgoing.secrets)

    def attempt(seconds: float) -> int:
        place = url.rstrip("/") + _ALERTS_PATH
        return post(place, body, {}, seconds=seconds, login=login, authorities=patience.authorities)

    return Delivered(try_often(attempt, patience).attempts)


def _to_mail_server(outgoing: Outgoing, patience: Patience) -> Delivered:
    receiver, secrets = outgoing.receiver, outgoing.secrets
    if receiver.server is None or receiver.port is None or secrets.sender is None or not secrets.addresses:
        raise _incomplete()
    login = server_login(secrets)
    server = MailServer(receiver.server, receiver.port, receiver.security, login, patience.authorities)
    try:
        mail = mail_of(outgoing.letter, secrets.sender, secrets.addresses, outgoing.at, outgoing.delivery)
    except ValueError:
        raise _incomplete() from None

    def attempt(seconds: float) -> int:
        return send_mail(mail, server, seconds=seconds)

    reached = try_often(attempt, patience)
    missed = len(secrets.addresses) - reached.value
    note = f"{missed} of its {len(secrets.addresses)} addresses were refused" if missed else ""
    return Delivered(reached.attempts, note)


def server_login(secrets: ReceiverSecrets) -> ServerLogin | None:
    """The login that a receiver's server asks for; None where it asks for none."""
    return ServerLogin(secrets.username, secrets.password) if secrets.username and secrets.password else None


def _incomplete() -> ReachError:
    return ReachError("it is not complete", "run provisioner validate, which says what is missing", lasting=True)
