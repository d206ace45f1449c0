"""`secrets/`: what only the vault holds."""

from __future__ import annotations

from provisioner.inventory.model.base import Model, PublicKey, SecretText, Slug, Text


class FormerCredentials(Model):
    """The login that a device had before, while either is taken."""

    username: Text
    password: SecretText


class Credentials(Model):
    """A camera's or recorder's RTSP login, and beside it the one before, while its facility's file takes either."""

    username: Text
    password: SecretText
    old: FormerCredentials | None = None


class NextPsk(Model):
    """The pre-shared key that goes with a gateway's next key, bound to the key that is to follow.

    Once the gateway's file has another key than `follows` it is the pre-shared key of that one: so the file alone
    says which pair counts, whenever this one was written.
    """

    psk: SecretText
    follows: PublicKey


class CarrierSecrets(Model):
    """`secrets/carriers/<carrier>.yml`: made by `keys init`.

    `readers` is by centre; `site_psks` by facility; `centre_psks` by relay, then centre. `host_keys` has the digest
    keys of the hosts that are this carrier's alone, so that its engineers need no password but their own. `viewers`
    has the passwords of those who read at centres with a login of their own, `certificate_keys` the private keys of
    the certificates that relays show readers, `next_certificate_keys` those of the ones that relays are to show next,
    `next_psks` by facility what goes with the next key of a gateway whose key is changed (`keys rotate`),
    `publish_keys` by facility that of which the passwords are made by which a site pushes its streams; files of
    carriers without any lack them.
    """

    readers: dict[Slug, SecretText] = {}
    site_psks: dict[Slug, SecretText] = {}
    centre_psks: dict[Slug, dict[Slug, SecretText]] = {}
    host_keys: dict[Slug, SecretText] = {}
    viewers: dict[Slug, SecretText] = {}
    certificate_keys: dict[Slug, SecretText] = {}
    next_certificate_keys: dict[Slug, SecretText] = {}
    next_psks: dict[Slug, NextPsk] = {}
    publish_keys: dict[Slug, SecretText] = {}


class HubSecrets(Model):
    """What a hub's readers need: its viewers' passwords by id, and the private key of its certificate."""

    viewers: dict[Slug, SecretText] = {}
    certificate_key: SecretText | None = None


class InventorySecrets(Model):
    """`secrets/inventory.yml`: made by `keys init`; the key from which each host's digest key is derived.

    `hubs` has the secrets of hubs by centre, which are no one carrier's; most inventories have none.
    """

    digest_key: SecretText
    hubs: dict[Slug, HubSecrets] = {}


class Secrets(Model):
    """What the vault holds, as far as it was opened.

    `cameras` has logins by facility and device, of files that all carriers share; `carrier_cameras` those of files
    that are one carrier's, by carrier. `shut` names the files for which there was no password, each with its vault
    id: what they hold is not known, and never counts as missing.
    """

    digest_key: SecretText | None = None
    hubs: dict[Slug, HubSecrets] = {}
    cameras: dict[Slug, dict[Slug, Credentials]] = {}
    carrier_cameras: dict[Slug, dict[Slug, dict[Slug, Credentials]]] = {}
    carriers: dict[Slug, CarrierSecrets] = {}
    shut: dict[str, str] = {}

    def logins(self, carrier: str, facility: str) -> dict[str, Credentials]:
        """A facility's logins, as the carrier that serves it knows them."""
        own = self.carrier_cameras.get(carrier, {}).get(facility)
        shared = self.cameras.get(facility, {})
        return shared | own if own else shared
