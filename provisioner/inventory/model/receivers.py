"""Receivers of notices, and keys for plans: of posts, never of persons."""

from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints

from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole
from provisioner.base.text import checked_url, msg
from provisioner.inventory.model.base import Day, Model, Port, SecretText, Slug, Text, Version
from provisioner.inventory.model.facility import Party
from provisioner.inventory.model.policy import ProvinceScheme, SignOffs


class ReceiverKind(StrEnum):
    """The kind of a receiver."""

    WEBHOOK = "webhook"
    SMTP = "smtp"
    ALERTMANAGER = "alertmanager"


class MailSecurity(StrEnum):
    """Encryption of the connection to a mail server: after its first command, from the first byte, or not at all."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


ReceiverUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=500), AfterValidator(checked_url)
]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", max_length=253)]


class Receiver(Model):
    """A receiver of notices, with its role and its channel."""

    id: Slug  #: The receiver's name in `secrets/receivers.yml`, in logs and in `notify --test`; no name of a person.
    kind: ReceiverKind
    role: ReaderRole  #: The receiver's role. Notices leave out everything that the role may not see.
    province: Slug | None = None  #: For roles dic and health: the province's slug.
    province_scheme: ProvinceScheme | None = None  #: The list with the slug, if it is not the inventory's list.
    carrier: Slug | None = None  #: For the role carrier: its id.
    facility: Slug | None = None  #: For the role facility: its id.
    language: Language = Language.VI  #: The language of its notices.
    heartbeat: bool = False  #: Whether the receiver also gets a notice after a night without changes.
    #: For webhook: the address that gets the notice. For alertmanager: its address, without /api/v2.
    url: ReceiverUrl | None = None
    server: HostName | None = None  #: For smtp: the mail server.
    port: Port | None = None  #: For smtp: the server's port; by default 587, or 465 with `security: implicit`.
    #: For smtp: `starttls`, `implicit`, or `none`; `none` only for a server on this machine.
    security: MailSecurity = MailSecurity.STARTTLS

    @property
    def of(self) -> dict[str, str]:
        """The province, carrier or facility that it names, by kind."""
        named = {"province": self.province, "carrier": self.carrier, "facility": self.facility}
        return {kind: name for kind, name in named.items() if name is not None}


class Receivers(Model):
    """`receivers.yml`: the receivers of notices."""

    version: Version
    receivers: tuple[Receiver, ...] = ()


class ReceiverSecrets(Model):
    """Secrets and addresses of one receiver.

    A webhook has a `key`. An Alertmanager may have a login. A mail receiver has addresses, and a login if its server
    requires one.
    """

    key: SecretText | None = None
    username: SecretText | None = None
    password: SecretText | None = None
    sender: SecretText | None = None
    addresses: tuple[SecretText, ...] = ()


class VaultedReceivers(Model):
    """`secrets/receivers.yml`: secrets by receiver, always encrypted with the vault id `secrets`."""

    receivers: dict[Slug, ReceiverSecrets] = {}


# --- keys --------------------------------------------------------------------------------------------
_KINDS = r"ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com"
#: An SSH public key without its comment, which usually names a person.
SignerKey = Annotated[str, StringConstraints(pattern=rf"^({_KINDS}) [A-Za-z0-9+/]+={{0,2}}$", max_length=4096)]


#: An account's name on a machine or at a forge, or an e-mail address's part before the `@`.
Account = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class SigningKey(Model):
    """A key by which an office signs, from when to when, and which document says so."""

    office: Text  #: The office whose key it is, e.g. `DIC of Bac Giang`; no name of a person.
    key: SignerKey
    since: Day  #: The first day on which it signs.
    #: The last day; what it signed until then stays signed. A key that got out is removed instead.
    until: Day | None = None
    source: Text  #: The document that names the key.


class ProvinceKey(SigningKey):
    """A key of a province's DIC or Health department."""

    province: Slug  #: The province's slug.
    province_scheme: ProvinceScheme | None = None  #: The list with the slug, if it is not the inventory's list.


class CarrierKey(SigningKey):
    """A key of a carrier."""

    carrier: Slug  #: The carrier's id.


class Approver(Model):
    """A key with which a person approves plans, and the person's roles; one entry for each key."""

    id: Slug  #: An id of the person without the name: a post or a number, e.g. `noc-viettel-1`.
    #: The person's roles, in the words of the policy.
    roles: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]
    carriers: tuple[Slug, ...] = ()  #: Carriers for whose hosts the person approves; all carriers if absent.
    key: SignerKey
    since: Day  #: The first day on which the key approves.
    until: Day | None = None  #: The last day. Remove a leaked key instead.
    #: The person's names on machines, forges and in Git. A plan made under one of them is the person's own plan.
    accounts: tuple[Account, ...] = ()
    source: Text  #: The document that names the key.


class Withdrawal(Model):
    """Withdrawn agreements to a facility's plan, so that an old plan cannot bring them back."""

    facility: Slug
    before: Day  #: The first day whose sign-offs are valid again.
    source: Text  #: The document that says so.


class Signers(Model):
    """`signers.yml`: the keys of every party that signs. Each change of it is a change of trust."""

    version: Version
    dic: tuple[ProvinceKey, ...] = ()
    health: tuple[ProvinceKey, ...] = ()
    carriers: tuple[CarrierKey, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()  #: Withdrawn agreements. A new agreement of a later day replaces them.
    #: Keys of people who approve plans before apply, if `policy.approvals` requires it.
    approvers: tuple[Approver, ...] = ()


class Signer(NamedTuple):
    """A key that may sign, for all parties."""

    party: Party  #: The party.
    of: str  #: The province's slug, or the carrier's id.
    province_scheme: str  #: The slug's list; empty if it is the inventory's, or for a carrier.
    signs_by: SigningKey


def signers_in(signers: Signers | None) -> tuple[Signer, ...]:
    """Return all keys of `signers.yml`, each with party and owner."""
    if signers is None:
        return ()
    listed = [_of_province(Party.DIC, item) for item in signers.dic]
    listed += [_of_province(Party.HEALTH, item) for item in signers.health]
    listed += [Signer(Party.CARRIER, item.carrier, "", item) for item in signers.carriers]
    return tuple(sorted(listed, key=lambda signer: (*signer[:3], signer.signs_by.key, signer.signs_by.since)))


def signing_facts_of(signers: Signers | None, sign_offs: SignOffs) -> tuple[str, ...]:
    """Return facts that decide whose sign-offs count, a line each, sorted."""
    lines = [msg("sign-offs have to be {value}", sign_offs.value)]
    for entry in signers_in(signers):
        terms = entry.signs_by
        until = (" " + msg("until {until}", terms.until)) if terms.until else ""
        area = f"{entry.of} ({entry.province_scheme})" if entry.province_scheme else entry.of
        lines.append(
            msg(
                "{value} of {of}: {office} signs by {key} since {since}{until}",
                entry.party.value,
                area,
                terms.office,
                terms.key,
                terms.since,
                until,
            )
        )
    withdrawn = signers.withdrawn if signers else ()
    lines += [
        msg("sign-offs of {facility} before {before} are withdrawn", entry.facility, entry.before)
        for entry in withdrawn
    ]
    return tuple(sorted(lines))


def _of_province(party: Party, item: ProvinceKey) -> Signer:
    return Signer(party, item.province, item.province_scheme or "", item)
