"""Encrypted part of an inventory: logins, and keys of `keys init`.

A problem here has a position, and never a value or an unknown key: either may be a mistyped password
(docs/internals/inventory.md).
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, RootModel, ValidationError

from provisioner.base import vault
from provisioner.base.errors import Problem, SecretsError, Severity
from provisioner.base.files import read_regular, write_atomic
from provisioner.base.processes import in_parallel
from provisioner.base.secret import Secret
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import msg
from provisioner.base.vault import opened_with
from provisioner.inventory.allocation import devices_of
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.edit import render_mapping
from provisioner.inventory.files.layout import File, secret_files_of
from provisioner.inventory.files.positions import KeyPath, Located, Places, Position, SourceFile
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader import cached_secrets
from provisioner.inventory.loader.cache import Cache
from provisioner.inventory.loader.site import MAX_ENCRYPTED_BYTES, MAX_SECRETS_BYTES, validated
from provisioner.inventory.model.base import Model, Slug
from provisioner.inventory.model.devices import Camera
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.policy import Move
from provisioner.inventory.model.secrets import CarrierSecrets, Credentials, HubSecrets, InventorySecrets, Secrets
from provisioner.inventory.renamed_ids import moved_owner, moved_secrets, old_facilities
from provisioner.inventory.rules.logins import LoginSite, SecretsView, check_secrets, login_sites, logins_may_stand_in

_OF_A_KEY: Final = 2  #: Length of the location in pydantic's error about a facility's id: the id, and a mark for keys.
_SHARED = ""  #: Name of the logins that all carriers share.
_Opened = tuple[bytes | cached_secrets.CachedFile]
_MANY = 8  #: Number of files from which other processes help.
#: Fields that only some carriers have; empty ones are not written.
_OF_SOME: Final = frozenset(
    {"certificate_keys", "hubs", "next_certificate_keys", "next_psks", "publish_keys", "viewers"}
)
_HEADER = "# Written by `provisioner keys init`; encrypted with the vault id `{vault_id}`.\n"


class CameraLogins(RootModel[dict[Slug, dict[Slug, Credentials]]]):
    """Logins in `secrets/cameras/[<carrier>/]<province>.yml`, by facility and device."""


_SCHEMAS: Mapping[str, type[BaseModel]] = {"cameras": CameraLogins, "carriers": CarrierSecrets}


@dataclass(frozen=True)
class LoadedSecrets:
    """Content of the encrypted files."""

    secrets: Secrets
    problems: tuple[Problem, ...]
    places: Places
    #: The file with a facility's logins, e.g. `secrets/cameras/bac-giang`, by carrier. Shared files are under the empty
    #: name.
    owners: dict[str, dict[str, str]]
    broken: frozenset[str]  #: Invalid files, unopened files, and facilities (`facility/ID`) with invalid logins.
    carriers: dict[str, str]  #: The carrier of a file's vault id, by file; files under the shared id are left out.


class OpeningTask(NamedTuple):
    """A file to open in another process; its password stays in memory."""

    file: File
    digest: str
    size: int
    password: bytes


def understood(file: File, source: SourceFile, *, explained: bool = True) -> tuple[BaseModel | None, list[Problem]]:
    """Parse an opened file. Return its model, or problems if `explained`."""
    schema = _SCHEMAS.get(kind_of(file)[0], InventorySecrets)
    document = parse(source.data, max_bytes=MAX_SECRETS_BYTES)
    if document.faults:
        return None, list(_faults(file, document.faults))
    try:
        return validated(schema, document.value), []
    except ValidationError as error:
        if not explained:
            return None, []
        subject = ParsedFile(source, file.owner, document.value, _inner(schema), secret=True)
        return None, list(problems_of(error, subject))


def readable_part(file: File, source: SourceFile) -> tuple[BaseModel | None, list[Problem], frozenset[str]]:
    """Parse an opened file; keep the valid facilities of a login file.

    The third result has the ids of the invalid ones. An invalid id makes the whole file invalid.
    """
    model, problems = understood(file, source)
    if model is not None or kind_of(file)[0] != "cameras":
        return model, problems, frozenset()
    document = parse(source.data, max_bytes=MAX_SECRETS_BYTES)
    if document.faults or not isinstance(document.value, dict):
        return None, problems, frozenset()
    logins: dict[str, dict[str, Credentials]] = {}
    by_facility: dict[str, list[Problem]] = {}
    for name, below in document.value.items():
        try:
            logins |= validated(CameraLogins, {name: below}).root
        except ValidationError as error:
            if any(len(detail["loc"]) == _OF_A_KEY and detail["loc"][-1] == "[key]" for detail in error.errors()):
                return None, problems, frozenset()
            subject = ParsedFile(source, file.owner, document.value, _inner(CameraLogins), secret=True)
            by_facility[name] = [replace(problem, concerns=(name,)) for problem in problems_of(error, subject)]
    return (
        CameraLogins(logins),
        [problem for listed in by_facility.values() for problem in listed],
        frozenset(by_facility),
    )


def kind_of(file: File) -> tuple[str, str]:
    """Return an encrypted file's kind and the last part of its owner."""
    _, kind, *below = file.owner.split("/")
    return kind, below[-1] if below else ""


def _inner(schema: object) -> object:
    return dict[Slug, dict[Slug, Credentials]] if schema is CameraLogins else schema


def _faults(file: File, faults: Iterable[Problem]) -> Iterator[Problem]:
    for fault in faults:
        message = f"{file.owner}: {'a key stands twice' if fault.code == 'key-duplicate' else fault.message}"
        yield replace(fault, file=file.display_path, message=message, object=file.owner)


def read_secrets(root: Path, passwords: vault.VaultPasswords) -> LoadedSecrets:
    """Read each file of secrets/ with a password, or raise `SecretsError`."""
    return _SecretsPass(root, passwords).read_all(secret_files_of(root))


def read_names(
    root: Path,
    passwords: vault.VaultPasswords,
    base_inventory: BaseInventory,
    sites: Mapping[str, LoginSite],
    cache: Cache | None,
) -> LoadedSecrets:
    """As `read_secrets`, with stand-ins for logins and keys, for the rules alone."""
    files = secret_files_of(root)
    return NamesPass(root, passwords, _paths_by_file_id(base_inventory, sites), cache).read_all(files)


def _paths_by_file_id(base_inventory: BaseInventory, sites: Mapping[str, LoginSite]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for name, site in sites.items():
        for facility_id in (name, *old_facilities(base_inventory.settings.moved, name)) if site.rtsp_paths else ():
            paths[facility_id] = f"{paths[facility_id]}\n{site.rtsp_paths}" if facility_id in paths else site.rtsp_paths
    return paths


def check(root: Path, loaded: LoadedSecrets, inventory: Inventory, unread: Collection[str] = ()) -> tuple[Problem, ...]:
    """Return problems of secrets by position; users of `unread` owners are unknown."""
    facilities = inventory.facilities
    sites = login_sites(facilities.values())
    return check_sites(root, loaded, inventory, sites, lambda name: facilities[name].cameras, unread=unread)


def check_sites(
    root: Path,
    loaded: LoadedSecrets,
    base_inventory: BaseInventory,
    sites: Mapping[str, LoginSite],
    cameras_of: Callable[[str], Iterable[Camera]],
    *,
    unread: Collection[str] = (),
) -> tuple[Problem, ...]:
    """As `check`, from facts about facilities."""
    moves, devices = base_inventory.settings.moved, {name: site.devices for name, site in sites.items()}
    new = _carried(loaded, moves, devices)
    old = _under_old_ids(loaded, new) if moves else ()
    broken = new.broken | frozenset(unread)
    view = SecretsView(
        base_inventory, sites, cameras_of, new.secrets, new.places, new.owners, broken, root, new.carriers
    )
    problems = _under_current_ids(
        loaded.problems, moves, {*sites, *(owner.removeprefix("facility/") for owner in unread)}
    )
    return tuple(
        sorted([*_for_all_readers(problems, view), *old, *_closed_file_warnings(root, new), *check_secrets(view)])
    )


def _for_all_readers(problems: Iterable[Problem], view: SecretsView) -> Iterator[Problem]:
    """Assign problems of login files to all facilities that may use them."""
    for problem in problems:
        _, kind, *below = problem.object.split("/") if problem.object.startswith("secrets/") else ("", "")
        if kind != "cameras" or problem.facilities:
            yield problem
        else:
            carrier = below[0] if len(below) > 1 else ""
            yield replace(problem, concerns=logins_may_stand_in(view, problem.object, below[-1], carrier))


def _under_current_ids(
    problems: Iterable[Problem], moves: Sequence[Move], facilities: Collection[str]
) -> Iterator[Problem]:
    """Put problems under facilities' current ids; drop unknown ids."""
    now = {old: name for name in facilities for old in old_facilities(moves, name)} if moves else {}
    for problem in problems:
        names = (now.get(name, name) for name in problem.concerns)
        yield replace(problem, concerns=tuple(name for name in names if name in facilities))


def _closed_file_warnings(root: Path, loaded: LoadedSecrets) -> Iterator[Problem]:
    for owner, vault_id in loaded.secrets.shut.items():
        message = msg(
            "{owner} stayed shut: it is encrypted for the vault id {vault_id}, and was not checked", owner, vault_id
        )
        hint = msg("add {vault_id}@FILE to ANSIBLE_VAULT_IDENTITY_LIST to check it as well", vault_id)
        yield Problem(str(root / f"{owner}.yml"), 0, 0, "secrets-shut", message, hint, owner, Severity.WARNING)


def carried(loaded: LoadedSecrets, inventory: Inventory) -> LoadedSecrets:
    """Return secrets under the current ids of moved facilities and devices."""
    moves = inventory.settings.moved
    devices = {name: devices_of(facility) for name, facility in inventory.facilities.items()} if moves else {}
    return _carried(loaded, moves, devices)


def _carried(loaded: LoadedSecrets, moves: Sequence[Move], devices: Mapping[str, Collection[str]]) -> LoadedSecrets:
    if not moves:
        return loaded
    return replace(
        loaded,
        secrets=moved_secrets(loaded.secrets, moves, devices),
        owners={carrier: moved_owner(owners, moves, devices) for carrier, owners in loaded.owners.items()},
    )


def _under_old_ids(loaded: LoadedSecrets, new: LoadedSecrets) -> Iterator[Problem]:
    """Warn of secrets under old ids, which need the entry of `moved`."""
    for holder, owners in new.owners.items():
        old_logins, new_logins = (_logins_of(secrets, holder) for secrets in (loaded.secrets, new.secrets))
        for facility, owner in owners.items():
            if old_logins.get(facility) != new_logins.get(facility):
                message = msg("facility {facility}: its logins still stand under an older id", facility)
                hint = "rename them with `ansible-vault edit`, before the entry of moved is removed"
                yield _warning(loaded, owner, message, hint)
    for name, carrier in new.secrets.carriers.items():
        for facility in sorted(carrier.site_psks.keys() - loaded.secrets.carriers[name].site_psks.keys()):
            message = msg("facility {facility}: its pre-shared key still stands under an older id", facility)
            hint = "run `provisioner keys init`, before the entry of moved is removed: a new key would cut the site off"
            yield _warning(loaded, f"secrets/carriers/{name}", message, hint)


def owners_under_older_ids(loaded: LoadedSecrets, moves: Sequence[Move], facility: str) -> Iterator[tuple[str, str]]:
    """Yield a facility's old ids that still have logins, with the file."""
    for old in old_facilities(moves, facility):
        yield from ((old, owners[old]) for owners in loaded.owners.values() if old in owners)


def _logins_of(secrets: Secrets, carrier: str) -> Mapping[str, Mapping[str, Credentials]]:
    return secrets.carrier_cameras.get(carrier, {}) if carrier != _SHARED else secrets.cameras


def _warning(loaded: LoadedSecrets, owner: str, message: str, hint: str) -> Problem:
    return Problem(*loaded.places.at(owner), "move-unfinished", message, hint, owner, Severity.WARNING)


def write_inventory_secrets(root: Path, secrets: InventorySecrets, passwords: vault.VaultPasswords) -> bool:
    """Write `secrets/inventory.yml` and return whether it changed, or raise `SecretsError`."""
    return _write(root, "secrets/inventory.yml", secrets, passwords)


def write_carrier_secrets(root: Path, carrier: str, secrets: CarrierSecrets, passwords: vault.VaultPasswords) -> bool:
    """Write `secrets/carriers/<carrier>.yml`, encrypted, as `write_inventory_secrets`."""
    return _write(root, f"secrets/carriers/{carrier}.yml", secrets, passwords, vault_id_for(carrier, passwords))


def vault_id_for(carrier: str, passwords: vault.VaultPasswords) -> str:
    """Return a new carrier file's vault id: its own if usable."""
    own_id = vault.carrier_vault_id(carrier)
    return own_id if passwords.knows(own_id) else vault.SECRETS_ID


def carriers_apart(root: Path, passwords: vault.VaultPasswords, carriers: Iterable[str]) -> frozenset[str]:
    """Return carriers whose file has, or will get, its own vault id."""
    carriers_with_own_logins = set()
    for carrier in carriers:
        path, own_id = root / "secrets" / "carriers" / f"{carrier}.yml", vault.carrier_vault_id(carrier)
        vault_id = vault.vault_id_of(_encrypted(path)) if path.is_file() else None
        if vault_id == own_id or (vault_id is None and passwords.knows(own_id)):
            carriers_with_own_logins.add(carrier)
    return frozenset(carriers_with_own_logins)


def _encrypted(path: Path) -> bytes:
    return read_regular(path, most=MAX_ENCRYPTED_BYTES)


def _write(
    root: Path, relative: str, secrets: Model, passwords: vault.VaultPasswords, vault_id: str = vault.SECRETS_ID
) -> bool:
    # A new salt would change the digest of an equal content. An existing file keeps its vault id.
    path = root / relative
    data = _encrypted(path) if path.is_file() else b""
    if vault.is_encrypted(data) and (
        vault.carrier_of_vault_id(vault.vault_id_of(data)) is not None or vault_id != vault.SECRETS_ID
    ):
        vault_id = vault.vault_id_of(data)
    values = {key: _with_revealed_secrets(value) for key, value in sorted(secrets) if value or key not in _OF_SOME}
    text = (_HEADER.format(vault_id=vault_id) + render_mapping(values)).encode()
    if vault.is_encrypted(data) and vault.decrypt(data, passwords, name=str(path)) == text:
        return False
    write_atomic(path, vault.encrypt(text, passwords.password(vault_id), vault_id), mode=0o600, within=root)
    return True


def _with_revealed_secrets(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Model):
        return {key: _with_revealed_secrets(below) for key, below in sorted(value) if below is not None}
    if isinstance(value, dict):
        return {key: _with_revealed_secrets(below) for key, below in sorted(value.items())}
    return value


def encrypted_bytes(file: File) -> bytes:
    """Return an encrypted file's bytes; empty if unreadable, which `load` reports."""
    try:
        return read_regular(file.path, most=MAX_ENCRYPTED_BYTES)
    except OSError:
        return b""


class _SecretsPass:
    def __init__(self, root: Path, passwords: vault.VaultPasswords) -> None:
        self.root = root
        self.opener = vault.Opener(passwords)
        self.problems: list[Problem] = []
        self.sources: dict[str, Located] = {}
        self.owners: dict[str, dict[str, str]] = {}
        self.broken: set[str] = set()
        self.shut: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.digest_key: Secret | None = None
        self.hubs: dict[str, HubSecrets] = {}
        self.logins: dict[str, dict[str, dict[str, Credentials]]] = {}
        self.carriers: dict[str, CarrierSecrets] = {}

    def read_all(self, files: Iterable[File]) -> LoadedSecrets:
        listed = list(files)
        with at_stage(Stage.SECRETS, len(listed)) as advanced:
            for file in listed:
                self._read_file(file, self._bytes(file))
                advanced(1)
        shared = self.logins.pop(_SHARED, {})
        secrets = Secrets.model_construct(
            digest_key=self.digest_key,
            hubs=self.hubs,
            cameras=shared,
            carrier_cameras=self.logins,
            carriers=self.carriers,
            shut=self.shut,
        )
        broken = frozenset(self.broken) | self.shut.keys()
        problems = tuple(sorted(self.problems))
        return LoadedSecrets(secrets, problems, Places(self.sources), self.owners, broken, self.labels)

    def _bytes(self, file: File) -> bytes:
        return encrypted_bytes(file)

    def _read_file(self, file: File, data: bytes) -> None:
        if not vault.is_encrypted(data):
            self.broken.add(file.owner)
            return  # `load` reports it: that needs no password
        opened = self._opened(file, data)
        if opened is None:
            self.shut[file.owner] = vault.vault_id_of(data)
            return
        if (carrier := vault.carrier_of_vault_id(vault.vault_id_of(data))) is not None:
            self.labels[file.owner] = carrier
        if isinstance(opened, bytes):
            self._take_content(file, SourceFile(file.display_path, opened))
        else:
            self._take_stand_ins(file, opened)

    def _opened(self, file: File, data: bytes) -> bytes | cached_secrets.CachedFile | None:
        return self.opener.opened(data, name=file.display_path)

    def _take_stand_ins(self, file: File, facts: cached_secrets.CachedFile) -> None:
        self.sources[file.owner] = _Closed(self.opener, file)
        kind, name = kind_of(file)
        if kind == "cameras":
            self._keep_logins(cached_secrets.logins_of(facts), file, file.carrier or _SHARED)
        elif kind == "carriers":
            self.carriers[name] = cached_secrets.carrier_secrets_of(facts)
        else:
            self.digest_key = Secret("-")

    def _take_content(self, file: File, source: SourceFile) -> None:
        self.sources[file.owner] = source
        model, problems, of_one = readable_part(file, source)
        self.problems += problems
        self.broken |= {f"facility/{name}" for name in of_one}
        if model is None:
            self.broken.add(file.owner)
        elif isinstance(model, CameraLogins):
            self._keep_logins(model.root, file, file.carrier or _SHARED)
        elif isinstance(model, CarrierSecrets):
            self.carriers[kind_of(file)[1]] = model
        elif isinstance(model, InventorySecrets):
            self.digest_key, self.hubs = model.digest_key, model.hubs

    def _keep_logins(self, province: dict[str, dict[str, Credentials]], file: File, holder: str) -> None:
        """Keep a file's logins; report facilities with logins in two files."""
        cameras, owners = self.logins.setdefault(holder, {}), self.owners.setdefault(holder, {})
        for facility, logins in province.items():
            # Two carriers may both have them, while a facility changes from one to the other.
            if facility in cameras or any(facility in self.owners.get(w, {}) for w in self._conflicting_owners(holder)):
                position = self.sources[file.owner].at((facility,), key=True)
                message = msg("facility {facility} has logins in two files", facility)
                hint = "keep them in the file of its province, or in its carrier's"
                problem = Problem(*position, "secret-duplicate", message, hint, file.owner)
                self.problems.append(replace(problem, concerns=(facility,)))
            cameras.setdefault(facility, logins)
            owners.setdefault(facility, file.owner)

    def _conflicting_owners(self, holder: str) -> Iterable[str]:
        return [owner for owner in self.owners if owner != holder] if holder == _SHARED else [_SHARED]


class NamesPass(_SecretsPass):
    """One pass for the rules alone, with known facts instead of secrets."""

    def __init__(
        self, root: Path, passwords: vault.VaultPasswords, rtsp_paths: Mapping[str, str], cache: Cache | None
    ) -> None:
        super().__init__(root, passwords)
        self.rtsp_paths = rtsp_paths
        self.known = cached_secrets.CachedSecrets(cache)
        #: Valid facts of a file, with its first line, so that it is not read and hashed again.
        self.taken: dict[str, tuple[bytes, cached_secrets.CachedFile]] = {}

    def read_all(self, files: Iterable[File]) -> LoadedSecrets:
        """Read files and cache the facts."""
        listed = list(files)
        with at_stage(Stage.SECRETS):
            self._look_ahead(listed)
        loaded = super().read_all(listed)
        self.known.write(file.relative for file in listed)
        return loaded

    def _bytes(self, file: File) -> bytes:
        cached = self.taken.get(file.relative)
        return cached[0] if cached else super()._bytes(file)

    def _opened(self, file: File, data: bytes) -> bytes | cached_secrets.CachedFile | None:
        if (cached := self.taken.get(file.relative)) is not None:
            return cached[1]
        digest = hashlib.sha256(data).hexdigest()

        def facts_or_content(password: bytes) -> _Opened | None:
            """Return facts or the content; `None` if the file stays closed."""
            previous = self.known.look(password, file.relative, digest)
            if isinstance(previous, cached_secrets.CachedFile) and cached_secrets.holds_for(previous, self.rtsp_paths):
                return (previous,)
            if isinstance(previous, cached_secrets.ShutByPassword):
                return None
            plain = opened_with(data, password, name=file.display_path)
            if plain is None:
                self.known.learn(password, file.relative, digest, cached_secrets.SHUT)
                return None
            if (facts := checked_facts(file, plain, self.rtsp_paths)) is None:
                return (plain,)
            self.known.learn(password, file.relative, digest, facts)
            return (facts,)

        opened = self.opener.opened_by(vault.vault_id_of(data), facts_or_content)
        return super()._opened(file, data) if opened is None else opened[0]

    def _look_ahead(self, files: Sequence[File]) -> None:
        """Let other processes check unknown files, if there are many."""
        tasks = [task for file in files if (task := self._opening_task(file))]
        for task, facts in zip(tasks, checked_in_parallel(tasks, self.rtsp_paths), strict=False):
            if facts is not None:
                self.known.learn(task.password, task.file.relative, task.digest, facts)

    def _opening_task(self, file: File) -> OpeningTask | None:
        data = encrypted_bytes(file)
        if not vault.is_encrypted(data) or (password := self.opener.first_password(vault.vault_id_of(data))) is None:
            return None
        digest = hashlib.sha256(data).hexdigest()
        facts = self.known.look(password, file.relative, digest)
        if isinstance(facts, cached_secrets.ShutByPassword):
            return None
        if facts is not None and cached_secrets.holds_for(facts, self.rtsp_paths):
            self.taken[file.relative] = data.partition(b"\n")[0], facts
            return None
        return OpeningTask(file, digest, len(data), password)


def checked_in_parallel(
    tasks: Sequence[OpeningTask], rtsp_paths: Mapping[str, str]
) -> list[cached_secrets.Known | None]:
    """Return each file's facts. Empty for few files, or without other processes."""
    if len(tasks) < _MANY:
        return []
    # The largest first: the last one that is begun is the one that all wait for.
    ordered = sorted(tasks, key=lambda task: task.size, reverse=True)
    done = dict(zip(ordered, in_parallel(partial(_check_task, rtsp_paths), ordered), strict=False))
    return [done.get(task) for task in tasks]


def _check_task(rtsp_paths: Mapping[str, str], task: OpeningTask) -> cached_secrets.Known | None:
    """Return a file's facts; `None` leaves any problem to the main process."""
    data = encrypted_bytes(task.file)
    if hashlib.sha256(data).hexdigest() != task.digest:
        return None
    try:
        plain = opened_with(data, task.password, name=task.file.display_path)
    except SecretsError:
        return None
    return cached_secrets.SHUT if plain is None else checked_facts(task.file, plain, rtsp_paths)


def checked_facts(file: File, plain: bytes, rtsp_paths: Mapping[str, str]) -> cached_secrets.CachedFile | None:
    """Return an opened file's facts, or `None` (as `facts_of`, or invalid)."""
    model, _ = understood(file, SourceFile(file.display_path, plain), explained=False)
    return cached_secrets.facts_of(model, rtsp_paths) if model is not None else None


@dataclass(frozen=True)
class _Closed:
    """A file that is opened again to find a position."""

    opener: vault.Opener
    file: File

    @property
    def display_path(self) -> str:
        return self.file.display_path

    @cached_property
    def _opened(self) -> SourceFile:
        plain = self.opener.opened(encrypted_bytes(self.file), name=self.file.display_path)
        return SourceFile(self.file.display_path, plain or b"")

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        return self._opened.at(path, key=key)
