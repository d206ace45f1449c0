"""Files of an inventory's folder, as docs/start/first-inventory.md has them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from provisioner.base.errors import REGO_RULES, Problem
from provisioner.base.files import open_regular
from provisioner.base.text import msg, printable
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.facility import Facility, Maintenance
from provisioner.inventory.model.hosts import Allocations, Carrier, Centre
from provisioner.inventory.model.orders import Designations, Instructions, Intents
from provisioner.inventory.model.policy import Settings
from provisioner.inventory.model.receivers import Receivers, Signers
from provisioner.inventory.policy_rules.file import is_rego_name

LOCK_NAME = "allocations.lock.yml"
#: Start of an encrypted file. Here, since `provisioner.base.vault` imports more libraries.
VAULT_MARK = b"$ANSIBLE_VAULT;"

_SINGLE: dict[str, tuple[str, type[Model]]] = {
    "inventory.yml": ("inventory", Settings),
    "instructions.yml": ("instructions", Instructions),
    "designations.yml": ("designations", Designations),
    "signers.yml": ("signers", Signers),
    "maintenance.yml": ("maintenance", Maintenance),
    "intents.yml": ("intents", Intents),
    "receivers.yml": ("receivers", Receivers),
    LOCK_NAME: ("allocations", Allocations),
}
_FOLDERS: dict[str, tuple[str, type[Model]]] = {"carriers": ("carrier", Carrier), "centres": ("centre", Centre)}
_SECRETS = "secrets"
_CONTACTS = "contacts"
_CAMERAS = (_SECRETS, "cameras")
_SECRETS_OF_ALL = frozenset({"inventory", "receivers"})
#: Owner of the receivers' secrets. No host needs them; they are opened for notices only.
RECEIVERS_SECRETS = "secrets/receivers"
_SECRET_FOLDERS = frozenset({_CAMERAS, (_SECRETS, "carriers")})
_NOBODY: tuple[str, None] = ("", None)
_READ = (".yml", ".yaml", ".rego")
_LINKS_FOLLOWED = frozenset({*_FOLDERS, "facilities", _SECRETS, REGO_RULES})
_FACILITY_DEPTH = 3
_LONGEST_LINE, _SHOWN = 200, 40
_DEEPEST = 16
_LINK_HINT = "replace the link with its target: an inventory has no files outside its folder"
_LAYOUT_HINT = (
    "files are inventory.yml, instructions.yml, designations.yml, signers.yml, maintenance.yml, intents.yml,"
    " receivers.yml, carriers/<carrier>.yml, centres/<centre>.yml, facilities/<province>/<facility>.yml,"
    " policy/<rules>.rego and policy/<rules>_test.rego, and encrypted ones under secrets/ and contacts/"
)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the inventory."""

    root: Path  #: The inventory's folder, as the user named it.
    relative: str  #: The path inside it, with `/`.
    owner: str  #: The object it describes, e.g. `facility/kcl-bg-001`.
    model: type[Model] | None  #: Its model; `None` for encrypted files and for Rego rules.

    @property
    def path(self) -> Path:
        """The file's path."""
        return self.root / self.relative

    @property
    def display_path(self) -> str:
        """The path as the user would type it, printable whatever its bytes."""
        return _printable(str(self.path))

    @property
    def kind(self) -> str:
        """The owner's kind: `facility`, `carrier`, …."""
        return self.owner.partition("/")[0]

    @property
    def expected(self) -> dict[str, str]:
        """The ids expected from the file's name and folder."""
        parts = self.relative.removesuffix(".yml").split("/")
        if self.kind == "facility":
            return {"id": parts[2], "province": parts[1]}
        return {"id": parts[1]} if self.kind in {"carrier", "centre"} else {}

    @property
    def carrier(self) -> str | None:
        """An encrypted file's carrier; empty if shared, `None` if either is possible."""
        parts = self.owner.split("/")
        if parts[1:2] == ["cameras"]:
            return parts[2] if len(parts) > _FACILITY_DEPTH else None
        return parts[2] if parts[1:2] == ["carriers"] else ""

    def path_after_change(self, key: str, value: str) -> str:
        """Return the path that would match an id in the file."""
        parts = self.relative.split("/")
        parts[1 if key == "province" else -1] = value if key == "province" else f"{value}.yml"
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Layout:
    """Content of an inventory's folder, in an order independent of the disk."""

    files: tuple[File, ...]
    problems: tuple[Problem, ...]  #: Unreadable folders, and YAML files that no command reads, e.g. in a wrong folder.


class _Fault(Enum):
    DEEP = auto()
    UNREADABLE = auto()
    LINK = auto()


# --- files of a folder -----------------------------------------------------------------------------
def layout_of(root: Path) -> Layout:
    """List an inventory's visible files; contacts/ only has to be encrypted."""
    files: list[File] = []
    problems: list[Problem] = list(_unsafe_contacts(root))
    for folder, entries in _folders(str(root), ()):
        if not isinstance(entries, list):
            owner = _probable_facility(folder) if len(folder) >= _FACILITY_DEPTH else ""
            problems.append(_NOT_READ[entries](File(root, "/".join(folder), owner, None)))
            continue
        for entry in entries:
            file = _file(root, folder, entry)
            if isinstance(file, Problem):
                problems.append(file)
            else:
                files.append(file)
    return Layout(tuple(files), tuple(problems))


def _unsafe_contacts(root: Path) -> Iterator[Problem]:
    folder = root / _CONTACTS
    if folder.is_symlink() and leads_out(str(root), (_CONTACTS,)):
        yield _link(File(root, _CONTACTS, "", None))
        return
    for path in sorted(folder.glob("[!.]*.y*ml")):
        file = File(root, f"{_CONTACTS}/{path.name}", f"{_CONTACTS}/{path.stem}", None)
        if path.is_symlink() and leads_out(str(root), (_CONTACTS, path.name)):
            yield _link(file)
            continue
        start = _first_line(path)
        if start is not None and not start.startswith(VAULT_MARK):
            hint = msg(
                "ansible-vault encrypt --encrypt-vault-id {contacts}-{stem} {shown}; if it was ever "
                "committed in the clear, the persons have to be told: Git does not forget",
                _CONTACTS,
                path.stem,
                file.display_path,
            )
            message = msg("contacts {stem}: the file is not encrypted", path.stem)
            yield Problem(file.display_path, 0, 0, "contacts-not-encrypted", message, hint, file.owner)
        elif start is not None and (vault_id := _vault_id(start)) not in {f"{_CONTACTS}-{path.stem}", _CONTACTS, ""}:
            message = msg("contacts {stem}: the file is encrypted under the vault id {id}", path.stem, vault_id)
            hint = msg(
                "ansible-vault rekey --new-vault-id {contacts}-{stem}@FILE {shown}, with a password of its own: other"
                " people have that of {id}",
                _CONTACTS,
                path.stem,
                file.display_path,
                vault_id,
            )
            yield Problem(file.display_path, 1, 1, "contacts-under-another-id", message, hint, file.owner)


def _first_line(path: Path) -> bytes | None:
    """Return a file's first line; `None` for whoever may not read it."""
    try:
        descriptor = open_regular(path)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.readline(_LONGEST_LINE).strip()
    except OSError:
        return None


def _vault_id(line: bytes) -> str:
    fields = line.decode("utf-8", "replace").split(";")
    return printable(fields[3], _SHOWN) if len(fields) > 3 else ""  # noqa: PLR2004 (version 1.1 has three)


def secret_files_of(root: Path) -> Iterator[File]:
    """Yield the encrypted files of hosts, with owners like `secrets/cameras/bac-giang`."""
    yield from (file for file in _files_below(root, _SECRETS) if file.owner != RECEIVERS_SECRETS)


def object_files_of(root: Path) -> Iterator[File]:
    """Yield the files of carriers, centres and facilities, but no encrypted file."""
    for folder in (*_FOLDERS, "facilities"):
        yield from _files_below(root, folder)


def _files_below(root: Path, top: str) -> Iterator[File]:
    for folder, entries in _folders(str(root), (top,)):
        files = (_file(root, folder, entry) for entry in entries) if isinstance(entries, list) else ()
        yield from (file for file in files if isinstance(file, File))


def _folders(root: str, folder: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[os.DirEntry[str]] | _Fault]]:
    """Yield each folder with its YAML and Rego files, or its fault."""
    if len(folder) > _DEEPEST:
        yield folder, _Fault.DEEP
        return
    if folder and os.path.islink("/".join((root, *folder))) and leads_out(root, folder):  # noqa: PTH114 (quick)
        yield folder, _Fault.LINK
        return
    try:
        with os.scandir("/".join((root, *folder))) as listing:
            entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError:
        yield folder, _Fault.UNREADABLE
        return
    folders = [entry for entry in entries if _is_folder(entry, follow=_link_counts((*folder, entry.name)))]
    yield folder, [e for e in entries if e.name.endswith(_READ) and not _is_folder(e, follow=True)]
    for entry in folders:
        if folder or entry.name != _CONTACTS:
            yield from _folders(root, (*folder, entry.name))


def _link_counts(parts: tuple[str, ...]) -> bool:
    """Return whether a folder may be a link; others could loop."""
    return parts[0] in _LINKS_FOLLOWED and len(parts) < _FACILITY_DEPTH


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False  # a link to itself is a file that nobody can read


def _file(root: Path, folder: tuple[str, ...], entry: os.DirEntry[str]) -> File | Problem:
    relative = "/".join((*folder, entry.name))
    if entry.is_symlink() and leads_out(os.fspath(root), (*folder, entry.name)):
        return _link(File(root, relative, _probable_facility((*folder, entry.name)), None))
    owner, model = _content_of(folder, entry.name)
    if not owner or not relative.isprintable() or not _is_regular(entry):
        return _unexpected(File(root, relative, _probable_facility((*folder, entry.name)), None))
    return File(root, relative, owner, model)


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _probable_facility(parts: tuple[str, ...]) -> str:
    """Return the facility that a path probably means; empty for a province."""
    if parts[0] != "facilities" or len(parts) < _FACILITY_DEPTH - 1:
        return ""
    name = parts[min(len(parts), _FACILITY_DEPTH) - 1]
    return f"facility/{_printable(name.removesuffix('.yml').removesuffix('.yaml'))}"


def file_at(root: Path, relative: str) -> File:
    """Return the file of a path; without owner if not read."""
    *folder, name = relative.split("/")
    return File(root, relative, *_content_of(tuple(folder), name))


def _content_of(folder: tuple[str, ...], name: str) -> tuple[str, type[Model] | None]:
    return _owner_and_model(folder, name) if folder else _SINGLE.get(name, _NOBODY)


def _owner_and_model(folder: tuple[str, ...], name: str) -> tuple[str, type[Model] | None]:
    if folder == (REGO_RULES,) and is_rego_name(name):
        return f"{REGO_RULES}/{name}", None
    if not name.endswith(".yml"):
        return _NOBODY
    stem = name.removesuffix(".yml")
    if folder[0] == "facilities" and len(folder) == _FACILITY_DEPTH - 1:
        return f"facility/{stem}", Facility
    if folder[0] in _FOLDERS and len(folder) == 1:
        kind, model = _FOLDERS[folder[0]]
        return f"{kind}/{stem}", model
    if folder in _SECRET_FOLDERS or folder[:-1] == _CAMERAS or (folder == (_SECRETS,) and stem in _SECRETS_OF_ALL):
        return "/".join((*folder, stem)), None
    return _NOBODY


def _printable(path: str) -> str:
    if path.isprintable():
        return path
    text = path.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def leads_out(root: str, parts: tuple[str, ...]) -> bool:
    """Return whether a link leads out of its part of the inventory.

    A link from one province to another stays inside. A link to a hidden file leads out: Git's folder and private files
    are not part of an inventory.
    """
    target = os.path.realpath("/".join((root, *parts)))
    inside = os.path.relpath(target, os.path.realpath(root)).split("/")
    return inside[0] != parts[0] or any(part.startswith(".") for part in inside)


def _link(file: File) -> Problem:
    message = msg(
        "{relative} is a link out of its folder of the inventory: it is not followed", _printable(file.relative)
    )
    return Problem(file.display_path, 0, 0, "link-outside", message, _LINK_HINT, file.owner)


def _unexpected(file: File) -> Problem:
    message = msg("{relative} is not a file of an inventory: it is ignored", _printable(file.relative))
    return Problem(file.display_path, 0, 0, "file-unexpected", message, _LAYOUT_HINT, file.owner)


def _unreadable(folder: File) -> Problem:
    message = msg("the folder {relative} cannot be read: its files are not checked", _printable(folder.relative) or ".")
    return Problem(folder.display_path, 0, 0, "folder-unreadable", message, "correct its permissions", folder.owner)


_NOT_READ: dict[_Fault, Callable[[File], Problem]] = {
    _Fault.DEEP: _unexpected,
    _Fault.LINK: _link,
    _Fault.UNREADABLE: _unreadable,
}
