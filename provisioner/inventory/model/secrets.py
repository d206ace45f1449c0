"""`secrets/`: contents of the vault."""

from provisioner.inventory.model.base import Model, PublicKey, SecretText, Slug, Text


class FormerCredentials(Model):
    """A device's former login, while it is still accepted."""

    username: Text
    password: SecretText


class Credentials(Model):
    """A device's RTSP login, with the former one during a change."""

    username: Text
    password: SecretText
    old: FormerCredentials | None = None


class NextPsk(Model):
    """The pre-shared key for a gateway's next key.

    It is valid once the key in the gateway's file differs from `follows`. So the file alone selects the pair.
    """

    psk: SecretText
    follows: PublicKey


class CarrierSecrets(Model):
    """`secrets/carriers/<carrier>.yml`: made by `keys init`.

    `readers` is by centre, `site_psks` by facility, `centre_psks` by relay, then centre. `host_keys` has digest keys of
    the carrier's own hosts, so that its engineers need only their own password. `viewers` has passwords of viewers at
    centres. `certificate_keys` and `next_certificate_keys` have private keys of relays' certificates. `next_psks` is by
    facility, for a gateway's next key (`keys rotate`), as is `publish_keys`, for the passwords of pushed streams. The
    last five are not written if empty.
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
    """A hub's secrets: viewers' passwords by id, and its certificate's key."""

    viewers: dict[Slug, SecretText] = {}
    certificate_key: SecretText | None = None


class InventorySecrets(Model):
    """`secrets/inventory.yml`: the key of hosts' digest keys, made by `keys init`.

    `hubs` has secrets by centre, which belong to no carrier; most inventories have no hub.
    """

    digest_key: SecretText
    hubs: dict[Slug, HubSecrets] = {}


class Secrets(Model):
    """Opened contents of the vault.

    `cameras` has shared logins by facility and device; `carrier_cameras` has carriers' own logins, by carrier. `shut`
    has the files without a password, with their vault ids: their contents are unknown and never count as missing.
    """

    digest_key: SecretText | None = None
    hubs: dict[Slug, HubSecrets] = {}
    cameras: dict[Slug, dict[Slug, Credentials]] = {}
    carrier_cameras: dict[Slug, dict[Slug, dict[Slug, Credentials]]] = {}
    carriers: dict[Slug, CarrierSecrets] = {}
    shut: dict[str, str] = {}

    def logins(self, carrier: str, facility: str) -> dict[str, Credentials]:
        """Return a facility's logins for a carrier."""
        own_logins = self.carrier_cameras.get(carrier, {}).get(facility)
        shared = self.cameras.get(facility, {})
        return shared | own_logins if own_logins else shared
