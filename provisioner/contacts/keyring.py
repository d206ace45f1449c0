"""Which password opens a province's contacts: its own, and no other province's."""

from __future__ import annotations

from pathlib import Path

from provisioner.base.errors import SecretsError
from provisioner.base.vault import CONTACTS_ID, VaultPasswords, decrypt

_RENEWED = ".renewed"


def vault_id(province: str) -> str:
    """The vault id of a province's contacts, e.g. `contacts-bac-giang`."""
    return f"{CONTACTS_ID}-{province}"


def readable_with(passwords: VaultPasswords, province: str) -> VaultPasswords:
    """The passwords that may open a province's contacts: its own, then one for all provinces.

    The password of `secrets` is never tried: a pipeline that merges changes has it, and must not read contacts.
    """
    return passwords.only(vault_id(province), CONTACTS_ID)


def own_password(passwords: VaultPasswords, province: str) -> bytes:
    """The password to encrypt with: the province's own. One for all could not be renewed for one person.

    Raises:
        SecretsError: there is none, or it cannot be read.
    """
    own = passwords.only(vault_id(province))
    if not own:
        raise _nothing_set(f"the contacts of {province}", province)
    return own.password(vault_id(province))


def open_contacts(data: bytes, passwords: VaultPasswords, province: str, *, name: str) -> bytes:
    """Decrypt a province's file.

    Raises:
        SecretsError: no password is set for it, none fits, or an erasure was interrupted.
    """
    chosen = readable_with(passwords, province)
    if not chosen:
        raise _nothing_set(name, province)
    try:
        return decrypt(data, chosen, name=name)
    except SecretsError as error:
        if any(pending(path).exists() for _, path in chosen.sources):
            hint = "an erasure was interrupted: run the same `provisioner contacts erase` again, it finishes first"
            raise SecretsError(error.message, hint=hint, object=name) from None
        raise


def pending(path: Path) -> Path:
    """The place of the password that is to replace another one, while an erasure is under way."""
    return path.with_name(path.name + _RENEWED)


def _nothing_set(what: str, province: str) -> SecretsError:
    hint = f"add {vault_id(province)}@FILE to ANSIBLE_VAULT_IDENTITY_LIST, FILE its password's file or program"
    return SecretsError(f"{what}: no password is set for the vault id {vault_id(province)}", hint=hint, object=province)
