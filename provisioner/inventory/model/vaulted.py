"""`secrets/`: what only the vault holds."""

from __future__ import annotations

from provisioner.inventory.model.base import Model, SecretText, Slug, Text


class Credentials(Model):
    """A camera's or recorder's RTSP login."""

    username: Text
    password: SecretText


class CarrierSecrets(Model):
    """`secrets/carriers/<carrier>.yml`: made by `keys init`.

    `readers` is by centre; `site_psks` by facility; `centre_psks` by relay, then centre.
    """

    readers: dict[Slug, SecretText] = {}
    site_psks: dict[Slug, SecretText] = {}
    centre_psks: dict[Slug, dict[Slug, SecretText]] = {}


class InventorySecrets(Model):
    """`secrets/inventory.yml`: made by `keys init`; the key from which each host's digest key is derived."""

    digest_key: SecretText


class Secrets(Model):
    """All that the vault holds: the digest key, camera logins by facility and device, carriers' secrets."""

    digest_key: SecretText | None = None
    cameras: dict[Slug, dict[Slug, Credentials]] = {}
    carriers: dict[Slug, CarrierSecrets] = {}
