"""Vault passwords come from outside a checkout: others propose its files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from provisioner.base.errors import SecretsError
from provisioner.base.files import is_tracked, read_regular, top_of
from provisioner.base.git import links_of
from provisioner.base.vault import VaultPasswords

_PUBLISHED: Final = b"example-only-"
_MOST_BYTES: Final = 1024 * 1024
_ELSEWHERE: Final = "name its new place in ANSIBLE_VAULT_PASSWORD_FILE or ANSIBLE_VAULT_IDENTITY_LIST"


def outside_of(passwords: VaultPasswords, *folders: Path) -> VaultPasswords:
    """Return the same passwords if no source leads into a folder's checkout.

    Raises:
        SecretsError: a source is a program in a checkout, or a file that Git tracks.
    """
    for _, path in passwords.sources:
        refuse_proposed_password(path, *folders)
    return passwords


def refuse_proposed_password(path: Path, *folders: Path) -> None:
    """Raise `SecretsError` if others can propose the password; as `outside_of`."""
    for folder in folders:
        top = top_of(folder)
        try:
            inside = [link for link in links_of(path) if link.is_relative_to(top)]
        except OSError:
            return  # who reads it says so
        if inside and _is_executable(path):
            message = f"the vault password program {path} is of the checkout {top}: who proposes a change of it runs it"
            raise SecretsError(message, hint=f"move it to a folder of your own, and {_ELSEWHERE}")
        if any(is_tracked(link) for link in inside) and not _is_published(path):
            message = f"the vault password {path} is a file of the checkout {top}: whoever has a clone has it"
            hint = "take it out of Git with its history, encrypt anew with another password, and"
            raise SecretsError(message, hint=f"{hint} {_ELSEWHERE}")


def _is_published(path: Path) -> bool:
    """Return whether the password is marked as an example's, which is public."""
    try:
        return read_regular(path, most=_MOST_BYTES).startswith(_PUBLISHED)
    except OSError:
        return False


def _is_executable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    except OSError:
        return False  # who reads it says so
