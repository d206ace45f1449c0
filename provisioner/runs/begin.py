"""A new inventory: its files, the password of its vault, its repository; all of it or nothing."""

from __future__ import annotations

import json
import os
import re
import secrets as random
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.git import checkout_of
from provisioner.base.git_commit import begin_repository, commit_files, committing
from provisioner.base.own_folder import make_own_folder
from provisioner.base.printable import printable
from provisioner.base.regular_file import read_regular
from provisioner.base.vault import SECRETS_ID
from provisioner.hosts.call_target import TargetHost
from provisioner.hosts.host_key_scan import SCAN_S
from provisioner.hosts.runner import HostRunner
from provisioner.hosts.shown_key import ShownKey, key_shown, show_key_call
from provisioner.inventory.model import Ssh
from provisioner.inventory.model.addresses import host_place
from provisioner.inventory.operations.allocate import allocate
from provisioner.inventory.operations.first_files import ATTRIBUTES, IGNORED, Beginning, FirstHost, first_files

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SHOWN = 80
_PASSWORD_BYTES = 32
_ELSEWHERE = "name a folder that you can write to, on a disk with room"
_MOST_PASSWORD_BYTES = 1024 * 1024


class KeyAskers:
    """Who asks new hosts which key they show: this machine, or the node of the carrier that a host is for alone.

    Args:
        environment: the caller's (where programs are, the file of nodes).
        root: the new inventory's folder.
    """

    def __init__(self, environment: Mapping[str, str], root: Path) -> None:
        self._environment, self._root = environment, root

    def shown(self, host: FirstHost, carriers: tuple[str, ...]) -> ShownKey:
        """What a host shows; nothing proves that it is the host's own but a person who compares it.

        Args:
            host: it; which key it has is not known yet.
            carriers: those that it serves.

        Raises:
            HostError: it shows none, or is not reached.
            UsageError: no host can be called so, or the file of nodes cannot be used.
        """
        try:
            asked = TargetHost(host.id, carriers, host_place(host.address.lower()), Ssh(user=host.user, port=host.port))
        except ValueError:
            shown = printable(f"{host.user}@{endpoint_text(host.address, host.port)}", _SHOWN)
            hint = "write an address or a host name in full, a port up to 65535, and a user of letters and digits"
            raise UsageError(f"{printable(host.id, _SHOWN)} cannot be called at {shown}", hint=hint) from None
        answer = self._runner.call([show_key_call(asked)], timeout_s=SCAN_S)[asked.id]
        return ShownKey(key_shown(asked, answer))

    @cached_property
    def _runner(self) -> HostRunner:
        from provisioner.pipeline.stages import key_askers  # noqa: PLC0415 (most keys are named, and it loads all of a session)

        return key_askers(self._environment, self._root)


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
    is_there = root.exists()
    if is_there and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not empty", hint="name a new folder, or an empty one")
    _refuse_password(places)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        # A folder that is there stays the one that it is: somebody may stand in it.
        draft = Path(mkdtemp(prefix=f".{root.name}-", dir=root if is_there else root.parent))
    except OSError as error:
        raise UsageError(f"{root} cannot be made: {error.strerror}", hint=_ELSEWHERE) from None
    made: list[Path] = [draft]
    try:
        written = _written(draft, root, beginning, today)
        if is_there:
            made += [file.rename(root / file.name) for file in sorted(draft.iterdir())]
            draft.rmdir()
        else:
            draft.chmod(0o755)
            made.append(draft.rename(root))
        return _with_what_lies_elsewhere(places, written, made)
    except BaseException as error:
        for path in reversed(made):
            _take_away(path)
        if isinstance(error, OSError):
            raise UsageError(f"{root} cannot be made: {error.strerror}", hint=_ELSEWHERE) from None
        raise


def _with_what_lies_elsewhere(places: NewPlaces, written: tuple[str, ...], made: list[Path]) -> Begun:
    """The password, the configuration, the repository; what is made is noted, to be taken away if a later one fails."""
    root = places.root
    is_new = not places.password.exists()
    if is_new:
        _write_new(places.password, random.token_urlsafe(_PASSWORD_BYTES) + "\n", made)
    settings = _settings(places)
    writes = places.configuration is not None and not os.path.lexists(places.configuration)
    if writes and places.configuration:
        _write_new(places.configuration, "".join(f"{line}\n" for line in settings), made)
    repository = checkout_of(root.parent) is None
    if repository:
        made.append(root / ".git")
        begin_repository(root)
    return Begun(
        files=tuple(root / name for name in written),
        password=places.password if is_new else None,
        configuration=places.configuration if writes else None,
        settings=() if writes else settings,
        repository=repository,
        commit=_first_commit(root, written) if repository else "",
    )


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _refuse_password(places: NewPlaces) -> None:
    """Refuse a place of the vault's password where it is none, or where others get hold of it.

    Raises:
        UsageError: it is such a place.
    """
    password, hint = places.password, "name another file with --vault-password"
    if os.path.lexists(password):
        try:
            is_one = bool(read_regular(password, most=_MOST_PASSWORD_BYTES).strip())
        except OSError:
            is_one = False
        if not is_one:
            raise UsageError(f"{password} is there already, and holds no password", hint=hint)
        return
    if places.configuration and password.is_relative_to(places.configuration.parent):
        return  # a folder of the program's own
    checkout = checkout_of(places.root.parent)
    if checkout and password.parent.resolve().is_relative_to(checkout.top):
        message = f"{password} is in the checkout {checkout.top}: whoever gets a clone of it may get the password"
        raise UsageError(message, hint=hint)
    if password.parent.exists() and password.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(f"others can write to {password.parent}: the vault's password does not go there", hint=hint)


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


def _write_new(path: Path, text: str, made: list[Path]) -> None:
    """Write a file that only its owner can read, and note that it was made.

    Raises:
        UsageError: it is there, or cannot be written.
    """
    try:
        make_own_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        made.append(path)
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
