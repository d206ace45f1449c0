"""`receivers.yml`: who is told of the nights, in whose name, and how; what opens their doors stands in `secrets/`.

No e-mail address stands here: the addresses of a receiver are in `secrets/receivers.yml`, those of offices as well.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole
from provisioner.base.url import checked_url
from provisioner.inventory.model.base import Model, Port, SecretText, Slug, Version
from provisioner.inventory.model.settings import ProvinceScheme


class ReceiverKind(StrEnum):
    """How a receiver is told."""

    WEBHOOK = "webhook"
    SMTP = "smtp"
    ALERTMANAGER = "alertmanager"


class MailSecurity(StrEnum):
    """How the way to a mail server is encrypted: by its first command, from the first byte, or not at all."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


ReceiverUrl = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=500),
    AfterValidator(checked_url),
]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", max_length=253)]


class Receiver(Model):
    """One receiver of notices: which role's eyes it has, and how it is told."""

    id: Slug
    """Its name in `secrets/receivers.yml`, in logs and in `notify --test`; no name of a person."""
    kind: ReceiverKind
    role: ReaderRole
    """In whose name it reads: what its role may not see, it is not told."""
    province: Slug | None = None
    """Of roles dic and health: the province's slug."""
    province_scheme: ProvinceScheme | None = None
    """The list that the slug is of, where it is not the inventory's."""
    carrier: Slug | None = None
    """Of the role carrier: its id."""
    facility: Slug | None = None
    """Of the role facility: its id."""
    language: Language = Language.VI
    """The language of its notices."""
    heartbeat: bool = False
    """Whether it is told of nights in which nothing changed, too."""
    url: ReceiverUrl | None = None
    """Of webhook: where the notice is sent; of alertmanager: its address, without /api/v2."""
    server: HostName | None = None
    """Of smtp: the mail server."""
    port: Port | None = None
    """Of smtp: its port; 587, or 465 with `security: implicit`."""
    security: MailSecurity = MailSecurity.STARTTLS
    """Of smtp: `starttls`, `implicit`, or `none` on this machine alone."""

    @property
    def of(self) -> dict[str, str]:
        """What it says that it is of, by kind."""
        named = {"province": self.province, "carrier": self.carrier, "facility": self.facility}
        return {kind: name for kind, name in named.items() if name is not None}


class Receivers(Model):
    """`receivers.yml`: the receivers of notices."""

    version: Version
    receivers: tuple[Receiver, ...] = ()


class ReceiverSecrets(Model):
    """What opens the way to one receiver, and to whom there.

    A webhook has a `key`; an Alertmanager may have a login; a mail receiver has addresses, and a login where its server
    asks for one.
    """

    key: SecretText | None = None
    username: SecretText | None = None
    password: SecretText | None = None
    sender: SecretText | None = None
    addresses: tuple[SecretText, ...] = ()


class VaultedReceivers(Model):
    """`secrets/receivers.yml`: secrets and addresses by receiver; always encrypted, vault id `secrets`."""

    receivers: dict[Slug, ReceiverSecrets] = {}
