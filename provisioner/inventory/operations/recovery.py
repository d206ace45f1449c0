"""A new recovery key, whose public half is written into `inventory.yml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError, SecretsError, UsageError
from provisioner.base.recovery_key import RecoveryPair, new_pair, vouched
from provisioner.base.vault import VaultPasswords
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import load
from provisioner.inventory.loader.secrets import read_secrets
from provisioner.inventory.model import Settings
from provisioner.inventory.operations.named import edited_file

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class NewRecoveryKey:
    """A pair that was drawn, and the file as it will say its public half: nothing is written yet.

    Attributes:
        pair: the new pair.
        path: `inventory.yml`.
        before: the public half that stood there; empty where there was none.
        text: the file's new text.
    """

    pair: RecoveryPair
    path: Path
    before: str
    text: bytes = field(repr=False)

    def write(self, root: Path) -> None:
        """Write the file, once the private half was shown: a public half without it would be of no use.

        Raises:
            InventoryError: it cannot be written; the old one is untouched.
        """
        write_atomic(self.path, self.text.decode(), within=root)


def draw_recovery_key(
    root: Path, passwords: VaultPasswords, *, replaces: bool, today: date, environment: Mapping[str, str]
) -> NewRecoveryKey:
    """Draw a recovery key for an inventory, vouched for by its vault.

    Args:
        root: the inventory's folder.
        passwords: where the vault's passwords come from.
        replaces: whether another one may stand there: what is sealed to it is sealed anew by `keys init`.
        today: the day on which designations have to hold.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: `inventory.yml` cannot be understood or edited.
        SecretsError: the vault cannot be opened, or has no digest key.
        UsageError: there is one already.
    """
    loaded = load(root, today=today, cache=cache_of(root, environment))
    if loaded.frame is None:
        raise InventoryError(
            "the inventory cannot be read", hint="run `provisioner validate` and correct what it lists"
        )
    settings = loaded.frame.settings
    before = settings.recovery.public_key if settings.recovery else ""
    if before and not replaces:
        message = f"inventory.yml has a recovery key, {before[:_SHOWN]}…"
        hint = "if its private half is lost or was seen, add --replace; to try it: provisioner keys recovery --check"
        raise UsageError(message, hint=hint, object="recovery")
    digest_key = read_secrets(root, passwords).secrets.digest_key
    if digest_key is None:
        message = "the vault's digest key, which vouches for a recovery key, is not there or stayed shut"
        hint = "run provisioner keys init first; where carriers have passwords of their own, add that of `secrets`"
        raise SecretsError(message, hint=hint, object="recovery")
    pair = new_pair()
    changes = _changes(settings, pair, vouched(digest_key, settings.id, pair.public_key))
    path = root / "inventory.yml"
    by_hand = "write the file as a mapping, a key a line, and run this again"
    return NewRecoveryKey(pair, path, before, edited_file(path, changes, by_hand)[1])


def _changes(settings: Settings, pair: RecoveryPair, seal: str) -> dict[KeyPath, object]:
    values = {"public_key": pair.public_key, "vouched": seal}
    if settings.recovery is None:
        return {("recovery",): values}
    return {("recovery", name): value for name, value in values.items()}
