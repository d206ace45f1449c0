"""Delivery of a notice to one receiver, by mail or over HTTP."""

import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from provisioner.base import http
from provisioner.base.secret import Secret
from provisioner.base.text import Document
from provisioner.integrations.notify.mail import FIRST_LASTING, Letter, MailServer, mail_of, send_mail
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.loader.receivers import ReceiversVault, faults_in_vault
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.model.receivers import Receiver, ReceiverKind, ReceiverSecrets
from provisioner.inventory.rules.receivers import faults_of
from provisioner.inventory.rules.view import View

_ADVICE: Final = http.Advice("receivers.yml", "the key or login in secrets/receivers.yml")
TIMESTAMP: Final = "Provisioner-Timestamp"
SIGNATURE: Final = "Provisioner-Signature"
DELIVERY: Final = "Provisioner-Delivery"
_ALERTS_PATH: Final = "/api/v2/alerts"


@dataclass(frozen=True)
class ReceiverTransports:
    """Receivers' secrets and faults."""

    loaded: Loaded = field(repr=False)
    vault: ReceiversVault = field(repr=False)

    @property
    def frame(self) -> BaseInventory:
        """The inventory without its facilities."""
        if self.loaded.frame is None:
            raise TypeError("an inventory that is gone on with has settings")
        return self.loaded.frame

    def fault(self, receiver: Receiver) -> tuple[str, str] | None:
        """Return a receiver's fault and the next step, or `None`."""
        loaded = self.loaded
        view = View(self.frame, loaded.outlines, loaded.places, loaded.today, loaded.broken)
        for fault in faults_of(receiver, view):
            return fault.message, fault.hint
        if self.vault.shut:
            return self.vault.shut, "add its vault id to ANSIBLE_VAULT_IDENTITY_LIST"
        for problem in self.vault.problems:
            return problem.message, problem.hint
        for message, step in faults_in_vault(receiver, self.vault.secrets.get(receiver.id)):
            return message, f"{self.vault.editing}: {step}"
        return None

    def secrets(self, receiver: Receiver) -> ReceiverSecrets:
        """Return a receiver's secrets."""
        return self.vault.secrets.get(receiver.id, ReceiverSecrets())


@dataclass(frozen=True)
class Outgoing:
    """The content for one receiver."""

    receiver: Receiver
    secrets: ReceiverSecrets
    at: datetime
    delivery: str  #: The notice's id, the same for each attempt.
    document: Document
    letter: Letter
    alerts: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivered notice: number of attempts, and a remark."""

    attempts: int
    note: str = ""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    login: http.ServerLogin | None = None,
    authorities: str = "",
    named: Collection[str] | None = None,
) -> int:
    """Post a JSON body; return the status code; or raise `ReachError`.

    The inventory's validation checked the address. Hosts in `named` may have any address; `None` allows all addresses.
    """
    request = http.Request("POST", url, body, headers, login, named=named)
    return http.successful_answer(
        http.exchange(request, seconds=seconds, advice=_ADVICE, authorities=authorities), _ADVICE
    ).status


def _body_of(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def signed_headers(body: bytes, key: Secret, at: datetime, delivery: str) -> Mapping[str, str]:
    """Return headers with which a receiver detects foreign, old or repeated bodies.

    The signature is an HMAC-SHA-256 over the timestamp, a full stop, and the body's bytes.
    """
    timestamp = str(int(at.timestamp()))
    mac = hmac.digest(key.reveal().encode(), timestamp.encode() + b"." + body, "sha256").hex()
    return {TIMESTAMP: timestamp, SIGNATURE: f"v1={mac}", DELIVERY: delivery}


def deliver(outgoing: Outgoing, patience: http.HttpLimits) -> Delivered:
    """Send a notice, or raise `ReachError`."""
    match outgoing.receiver.kind:
        case ReceiverKind.WEBHOOK:
            return _deliver_to_webhook(outgoing, patience)
        case ReceiverKind.ALERTMANAGER:
            return _deliver_to_alertmanager(outgoing, patience)
        case ReceiverKind.SMTP:
            return _to_mail_server(outgoing, patience)


def _deliver_to_webhook(outgoing: Outgoing, patience: http.HttpLimits) -> Delivered:
    key, url = outgoing.secrets.key, outgoing.receiver.url
    if key is None or url is None:
        raise _incomplete()
    body = _body_of(outgoing.document)
    headers = signed_headers(body, key, outgoing.at, outgoing.delivery)

    def attempt(seconds: float) -> int:
        return post(url, body, headers, seconds=seconds, authorities=patience.authorities, named=patience.named)

    return Delivered(http.try_often(attempt, patience).attempts)


def _deliver_to_alertmanager(outgoing: Outgoing, patience: http.HttpLimits) -> Delivered:
    url = outgoing.receiver.url
    if url is None:
        raise _incomplete()
    body, login = _body_of(list(outgoing.alerts)), server_login(outgoing.secrets)

    def attempt(seconds: float) -> int:
        address = url.rstrip("/") + _ALERTS_PATH
        return post(
            address, body, {}, seconds=seconds, login=login, authorities=patience.authorities, named=patience.named
        )

    return Delivered(http.try_often(attempt, patience).attempts)


def _to_mail_server(outgoing: Outgoing, patience: http.HttpLimits) -> Delivered:
    receiver, secrets = outgoing.receiver, outgoing.secrets
    if receiver.server is None or receiver.port is None or secrets.sender is None or not secrets.addresses:
        raise _incomplete()
    login = server_login(secrets)
    server = MailServer(receiver.server, receiver.port, receiver.security, login, patience.authorities, patience.named)
    try:
        mail = mail_of(outgoing.letter, secrets.sender, secrets.addresses, outgoing.at, outgoing.delivery)
    except ValueError:
        raise _incomplete() from None

    remaining, missed = [recipient.reveal() for recipient in secrets.addresses], len(secrets.addresses)

    def attempt(seconds: float) -> None:
        nonlocal remaining, missed
        refused = send_mail(mail, server, remaining, seconds=seconds)
        missed -= len(remaining) - len(refused)
        remaining = [address for address, code in refused.items() if code < FIRST_LASTING]
        if remaining:
            raise http.ReachError("it takes some of the addresses later", "see the server's own log")

    try:
        attempts = http.try_often(attempt, patience).attempts
    except http.ReachError as error:
        if missed == len(secrets.addresses):
            raise
        attempts = error.attempts
    note = f"{missed} of its {len(secrets.addresses)} addresses were refused" if missed else ""
    return Delivered(attempts, note)


def _incomplete() -> http.ReachError:
    return http.ReachError("it is not complete", "run provisioner validate, which says what is missing", lasting=True)


def server_login(secrets: ReceiverSecrets) -> http.ServerLogin | None:
    """Return the login for a receiver's server, if any."""
    return http.ServerLogin(secrets.username, secrets.password) if secrets.username and secrets.password else None
