"""A new inventory: its files, the password of its vault, its repository; all of it or nothing."""

from __future__ import annotations

import json
import os
import re
import secrets as random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import mkdtemp

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.git import checkout_of
from provisioner.base.git_commit import begin_repository, commit_files, committing
from provisioner.base.own_folder import make_own_folder
from provisioner.base.printable import printable
from provisioner.base.vault import SECRETS_ID
from provisioner.hosts.host_key_scan import fingerprint_of, scanned_key
from provisioner.inventory.operations.allocate import allocate
from provisioner.inventory.operations.first_files import ATTRIBUTES, IGNORED, Beginning, first_files

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SHOWN = 80
_PASSWORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class ShownKey:
    """The host key that a host shows, and its fingerprint, for a person to compare."""

    host_key: str
    fingerprint: str


def shown_key(address: str, port: int, environment: Mapping[str, str]) -> ShownKey:
    """What a host shows; nothing proves that it is the host's own but a person who compares it.

    Raises:
        HostError: it shows none.
    """
    key = scanned_key(address, port, environment)
    return ShownKey(key, fingerprint_of(key))


@dataclass(frozen=True, slots=True)
class NewPlaces:
    """Where a new inventory goes, and what belongs to one person and lies elsewhere.

    Attributes:
        root: the inventory's folder; new, or empty.
        password: the file of the vault's password; one that is there is used.
        configuration: the person's configuration file; written where there is none.
    """

    root: Path
    password: Path
    configuration: Path | None


@dataclass(frozen=True, slots=True)
class Begun:
    """What was made.

    Attributes:
        files: the files of the inventory.
        password: the file of the vault's password, where it is new.
        configuration: the configuration file, where it is new.
        settings: what a configuration file has to say that was there already.
        repository: whether a Git repository was made.
        commit: the first commit; empty where Git does not know who commits.
    """

    files: tuple[Path, ...]
    password: Path | None
    configuration: Path | None
    settings: tuple[str, ...]
    repository: bool
    commit: str


def begin(beginning: Beginning, places: NewPlaces, today: date) -> Begun:
    """Make a new inventory.

    Args:
        beginning: what it begins with.
        places: where things go.
        today: the day on which designations have to hold.

    Raises:
        UsageError: the folder is not empty, or a place cannot be written to.
        InventoryError: what was said breaks a rule; nothing is made.
    """
    root = places.root
    for name in (beginning.id, beginning.centre.id, *beginning.carriers, *(relay.id for relay in beginning.relays)):
        if not _ID.fullmatch(name):
            hint = "an id is of small letters, digits and single hyphens, e.g. viettel"
            raise UsageError(f"{printable(name, _SHOWN)} is no id", hint=hint)
    if "," in str(places.password) or not str(places.password).isprintable():
        hint = "name another file with --vault-password"
        raise UsageError("the password's file has a comma in its path, which divides passwords", hint=hint)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not empty", hint="name a new folder, or an empty one")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    except OSError as error:
        hint = "name a folder that you can write to"
        raise UsageError(f"{root} cannot be made: {error.strerror}", hint=hint) from None
    try:
        written = _written(draft, root, beginning, today)
        draft.chmod(0o755)
        draft.rename(root)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    is_new = not places.password.exists()
    if is_new:
        _write_new(places.password, random.token_urlsafe(_PASSWORD_BYTES) + "\n")
    settings = _settings(places)
    writes = places.configuration is not None and not places.configuration.exists()
    if writes and places.configuration:
        _write_new(places.configuration, "".join(f"{line}\n" for line in settings))
    repository = checkout_of(root.parent) is None
    if repository:
        begin_repository(root)
    return Begun(
        files=tuple(root / name for name in written),
        password=places.password if is_new else None,
        configuration=places.configuration if writes else None,
        settings=() if writes else settings,
        repository=repository,
        commit=_first_commit(root, written) if repository else "",
    )


def _written(draft: Path, root: Path, beginning: Beginning, today: date) -> tuple[str, ...]:
    """The files in a folder aside, held against all rules, with the lock."""
    files = first_files(beginning) | {".gitattributes": ATTRIBUTES, ".gitignore": IGNORED}
    for name, text in files.items():
        (draft / name).parent.mkdir(exist_ok=True)
        (draft / name).write_text(text, encoding="utf-8")
    (draft / "facilities").mkdir()
    try:
        lock = allocate(draft, {"PROVISIONER_NO_CACHE": "1"}, today=today).path
    except InventoryError as error:
        problems = tuple(replace(p, file=p.file.replace(str(draft), str(root))) for p in error.problems)
        hint = "correct what is asked for; nothing is made"
        raise InventoryError("the inventory would be invalid", problems=problems, hint=hint) from None
    return (*files, *([lock.relative_to(draft).as_posix()] if lock else []))


def _settings(places: NewPlaces) -> tuple[str, ...]:
    """What the person's configuration file has to say."""
    return (
        f"inventory = {_quoted(str(places.root.resolve()))}",
        f"vault_identities = [{_quoted(f'{SECRETS_ID}@{places.password.resolve()}')}]",
    )


def _quoted(text: str) -> str:
    """A text of a TOML file: what JSON writes is a basic string there."""
    return json.dumps(text, ensure_ascii=False)


def _write_new(path: Path, text: str) -> None:
    """Write a file that only its owner can read.

    Raises:
        UsageError: it is there, or cannot be written.
    """
    try:
        make_own_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        hint = "name another file with --vault-password, or make its folder one that only you can write to"
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from None


def _first_commit(root: Path, written: tuple[str, ...]) -> str:
    try:
        checkout = committing(root)
    except UsageError:
        return ""
    return commit_files(checkout, {root / name: (root / name).read_bytes() for name in written}, "a new inventory")
