"""Older states of an inventory in Git, and ages of its keys.

Read only, without contacts/. A commit's trees are untrusted, and Git lists them as they are. So names must be those of
an inventory, sizes and numbers are bounded, and links are not followed. A commit's time is that of its committer's
clock alone.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from provisioner.base.errors import InventoryError, Problem, UsageError, os_errors
from provisioner.base.git import Checkout, ask_git, checkout_of, run_git
from provisioner.base.language import marked
from provisioner.base.text import local_time, msg

_MOST_BYTES_OF_LOG: Final = 256 * 1024 * 1024
_COMMIT: Final = re.compile(rb"\x00([0-9]{1,12}) ([0-9a-f ]*)")
_KEY: Final = re.compile(rb"^\+.*\bpublic_key:\s*[\"']?([A-Za-z0-9+/]{43}=)")
_PLACES: Final = ("facilities", "allocations.lock.yml")
_OLDEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FILE: Final = "100"
_CONTACTS: Final = "contacts"
_READ: Final = (".yml", ".yaml", ".rego")
_APPROVAL: Final = ".json"
_LONGEST_NAME: Final = 255
_MOST_DEEP: Final = 8
MOST_FILES: Final = 200_000  #: A million cameras have 100,074 in the generated country.
#: Maximum number of files with another file's content. Facilities' files differ at least in their ids.
_MOST_ALIKE: Final = 2_000
_MOST_BYTES: Final = 1024 * 1024 * 1024
#: 120 bytes a file. A few kilobytes of trees that contain each other would list without end.
_MOST_BYTES_OF_LIST: Final = 24 * 1024 * 1024
MOST_BYTES_OF_ONE: Final = 32 * 1024 * 1024  #: As the lock.
_SHA1_DIGITS: Final = 40
_NAME_ONE: Final = "name a branch, a tag or a commit of the inventory's repository, e.g. origin/main"
_WHOLE: Final = "the clone has not the whole history: git fetch --unshallow"
_PARTIAL: Final = "the clone is a partial one: git fetch --refetch --no-filter"
_FSCK: Final = "run `git fsck` there, or fetch again"
_LOOK: Final = "look at that revision with Git itself: no inventory is like that"


@dataclass(frozen=True, slots=True)
class Revision:
    """An older state of an inventory, in a temporary folder."""

    name: str
    commit: str
    root: Path

    def relocated(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """Return problems at the revision's files instead of the temporary folder's."""
        return tuple(replace(p, file=self._named(p.file), message=self._named(p.message)) for p in problems)

    def relocated_error(self, error: InventoryError) -> InventoryError:
        """Return an error with the revision's name instead of the temporary folder's."""
        return InventoryError(
            self._named(error.message), problems=self.relocated(error.problems), hint=error.hint, object=error.object
        )

    def _named(self, text: str) -> str:
        # What is not replaced stays a sentence, with its Vietnamese.
        folder, name = str(self.root), self.commit[:12] if self.name == self.commit else self.name
        return text.replace(f"{folder}/", f"{name}:").replace(folder, name) if folder in text else text


class _Blob(NamedTuple):
    """A file of a tree, with its bytes."""

    path: str
    object: str
    size: int


@dataclass(frozen=True, slots=True)
class Tree:
    """Git's listing of an older state; `objects` has object ids by path."""

    name: str
    commit: str
    objects: Mapping[str, str]
    _checkout: Checkout
    _blobs: Mapping[str, _Blob]

    @contextmanager
    def laid_out(self, paths: Collection[str]) -> Iterator[Path]:
        """Extract some of its files to a temporary folder; errors as `revision`."""
        with tempfile.TemporaryDirectory(prefix="provisioner-revision-") as folder:
            _lay_out(Path(folder), [self._blobs[path] for path in sorted(paths)], self._checkout, self.name)
            yield Path(folder)


# --- ages of keys ----------------------------------------------------------------------------------
def keys_since(root: Path) -> Mapping[str, datetime]:
    """Return the time of the first commit with each public key."""
    # Uncommitted keys are left out. In a shallow clone, so are keys that its oldest commits already have.
    checkout = checkout_of(root)
    if checkout is None:
        return {}
    shallow = _is_shallow(checkout)
    inside = [checkout.relative(root.resolve() / folder) for folder in _PLACES]
    options = (
        "--format=%x00%ct%x20%P",
        "-p",
        "--unified=0",
        "--no-color",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
    )
    log = _git_output(checkout, "log", *options, "-Gpublic_key", "HEAD", "--", *inside)
    since: dict[str, datetime] = {}
    unknown: set[str] = set()
    at, is_known = _OLDEST, False
    for line in log.split(b"\n"):
        if commit := _COMMIT.match(line):
            at = datetime.fromtimestamp(min(int(commit[1]), int(datetime.now(UTC).timestamp())), UTC)
            is_known = not shallow or bool(commit[2].strip())
        elif added := _KEY.match(line):
            key = added[1].decode()
            if is_known:
                since[key] = min(at, since.get(key, at))
            else:
                unknown.add(key)
    return {key: moment for key, moment in since.items() if key not in unknown and moment > _OLDEST}


def _git_output(checkout: Checkout, *arguments: str) -> bytes:
    """Return Git's output; empty if it fails, e.g. without a commit."""
    try:
        done = ask_git(checkout, *arguments, most_bytes=_MOST_BYTES_OF_LOG)
    except UsageError:
        return b""
    return done.output if done.code == 0 else b""


# --- older states ----------------------------------------------------------------------------------
def commit_of(root: Path) -> str:
    """Return the commit of an inventory's checkout; empty outside Git."""
    try:
        return _commit_named(_checkout_or_error(root), "HEAD")
    except UsageError:
        return ""


def author_of(root: Path) -> tuple[str, ...]:
    """Return a commit's self-declared author (name, address before `@`), if any."""
    try:
        checkout = _checkout_or_error(root)
        written = _git(
            checkout, "log", "-1", "--no-show-signature", "--format=%an%x00%ae", _commit_named(checkout, "HEAD")
        )
    except UsageError:
        return ()
    name, _, address = written.decode(errors="replace").strip().partition("\0")
    return tuple(text for text in (name, address.partition("@")[0]) if text)


@contextmanager
def revision(root: Path, name: str) -> Iterator[Revision]:
    """Extract an older state of an inventory to a temporary folder.

    Without a checkout, revision or inventory, or with foreign files, it raises `UsageError`.
    """
    checkout = _checkout_or_error(root)
    commit = _commit_named(checkout, name)
    with tempfile.TemporaryDirectory(prefix="provisioner-revision-") as folder:
        _lay_out(Path(folder), _blobs(checkout, root, commit, name), checkout, name)
        older = Revision(name, commit, Path(folder))
        try:
            yield older
        except InventoryError as error:
            raise older.relocated_error(error) from None


@contextmanager
def revision_at(root: Path, moment: datetime) -> Iterator[Revision]:
    """Extract the state of its branch at a moment; errors as `revision`."""
    checkout = _checkout_or_error(root)
    last = ("rev-list", "-1", "--first-parent", f"--before={moment.isoformat(timespec='seconds')}", "HEAD", "--")
    commit = _git(checkout, *last).decode().strip()
    if not commit:
        message = msg("Git has no commit of {root} from before {moment}", root, local_time(moment))
        hint = marked("name a moment after the first commit")
        raise UsageError(message, hint=_WHOLE if _is_shallow(checkout) else hint)
    with revision(root, commit) as found:
        yield found


def lay_out_whole(root: Path, name: str) -> None:
    """Extract a commit's inventory and approvals to an own folder, as `revision`."""
    checkout = _checkout_or_error(root)
    _lay_out(root, _blobs(checkout, root, name, name[:12], (*_READ, _APPROVAL)), checkout, name[:12])


def tree_of(root: Path, name: str) -> Tree:
    """Return Git's listing of an older inventory; errors as `revision`."""
    checkout = _checkout_or_error(root)
    commit = _commit_named(checkout, name)
    blobs = {blob.path: blob for blob in _blobs(checkout, root, commit, name)}
    return Tree(name, commit, {path: blob.object for path, blob in blobs.items()}, checkout, blobs)


def object_name(data: bytes, like: str) -> str:
    """Return Git's object id of a content (SHA-1 or SHA-256, as `like`)."""
    made = hashlib.sha1(usedforsecurity=False) if len(like) == _SHA1_DIGITS else hashlib.sha256()
    made.update(b"blob %d\0" % len(data) + data)
    return made.hexdigest()


def _checkout_or_error(root: Path) -> Checkout:
    checkout = checkout_of(root)
    if checkout is None:
        raise UsageError(f"{root} is in no checkout of Git", hint=_NAME_ONE)
    return checkout


def _commit_named(checkout: Checkout, name: str) -> str:
    try:
        return _object(checkout, f"{name}^{{commit}}")
    except UsageError:
        base = re.sub("[~^][~^0-9]*$", "", name)
        history = (
            ask_git(checkout, "rev-list", "--end-of-options", f"{base}^{{commit}}", "--") if base != name else None
        )
        if history is None or (history.code and not _git_output(checkout, "rev-parse", "--verify", "--quiet", base)):
            raise
        hint = f"`git log --oneline {_printable_path(base)}` lists the commits that there are"
        if _is_shallow(checkout):
            hint = _WHOLE
        elif history.code:
            raise UsageError(f"git has not the whole history of {_printable_path(base)}", hint=_FSCK) from None
        message = f"git says of {checkout.top}: {_printable_path(name)} is before its first commit"
        raise UsageError(message, hint=hint) from None


def _is_shallow(checkout: Checkout) -> bool:
    return _git_output(checkout, "rev-parse", "--is-shallow-repository").strip() == b"true"


def _lacking(checkout: Checkout, path: str) -> UsageError:
    promised = _git_output(checkout, "config", "--get-regexp", r"^remote\..*\.promisor$")
    return UsageError(f"git has not the content of {_printable_path(path)}", hint=_PARTIAL if promised else _FSCK)


def _object(checkout: Checkout, name: str) -> str:
    return _git(checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", name).decode().strip()


def _git(checkout: Checkout, *arguments: str) -> bytes:
    return run_git(checkout, *arguments, hint=_NAME_ONE)


def _blobs(checkout: Checkout, root: Path, commit: str, name: str, endings: tuple[str, ...] = _READ) -> list[_Blob]:
    folder = checkout.relative(root.resolve())
    none = f"{name} holds no inventory at {root}", "name a revision in which the folder exists"
    try:
        tree = _object(checkout, f"{commit}:{folder}")
    except UsageError:
        if ask_git(checkout, "ls-tree", "--full-tree", commit, "--", *filter(None, [folder])).code:
            raise _lacking(checkout, name) from None
        raise UsageError(none[0], hint=none[1]) from None
    listing = ("ls-tree", "-r", "-z", "--full-tree", tree)
    done = ask_git(checkout, *listing, most_bytes=_MOST_BYTES_OF_LIST)
    if done.code:
        raise _lacking(checkout, name)
    entries = done.output.decode("utf-8", "surrogateescape").split("\0")[:-1]
    if len(entries) > MOST_FILES:
        raise UsageError(f"{name} holds {len(entries)} files, an inventory at most {MOST_FILES}", hint=_LOOK)
    files = [named for entry in entries if (named := _named_object(entry, name, endings))]
    if not any(path == "inventory.yml" for path, _ in files):
        raise UsageError(none[0], hint=none[1])
    objects = {blob for _, blob in files}
    if len(files) - len(objects) > _MOST_ALIKE:
        raise UsageError(f"{name} holds {len(files)} files of {len(objects)} contents", hint=_LOOK)
    sizes = _sizes(checkout, objects, name)
    if missing := next((path for path, blob in files if blob not in sizes), None):
        raise _lacking(checkout, missing)
    blobs = [_Blob(path, blob, sizes[blob]) for path, blob in files]
    if large := next((blob for blob in blobs if blob.size > MOST_BYTES_OF_ONE), None):
        raise UsageError(f"{name} holds {_printable_path(large.path)}, which has {large.size} bytes", hint=_LOOK)
    if sum(blob.size for blob in blobs) > _MOST_BYTES:
        raise UsageError(f"{name} holds more than {_MOST_BYTES // 2**20} MiB", hint=_LOOK)
    return blobs


def _named_object(entry: str, name: str, endings: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the path and the object of a file that is read."""
    head, _, path = entry.partition("\t")
    mode, kind, blob = head.split()
    parts = path.split("/")
    if parts[0] == _CONTACTS:
        return None
    if len(parts) > _MOST_DEEP or any(_is_no_name(part) for part in parts):
        raise UsageError(f"{name} holds {_printable_path(path)}, which is no name of a file", hint=_LOOK)
    if kind != "blob" or not mode.startswith(_FILE):
        hint = "check that revision out elsewhere, and compare the two folders there"
        raise UsageError(f"{name} holds a link at {_printable_path(path)}, which is not followed", hint=hint)
    return (path, blob) if path.endswith(endings) else None


def _sizes(checkout: Checkout, objects: Collection[str], name: str) -> dict[str, int]:
    """Return the sizes of existing objects; Git opens each once."""
    request = "".join(f"{blob}\n" for blob in objects).encode()
    done = ask_git(checkout, "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=request)
    if done.code:
        raise _lacking(checkout, name)
    found = (line.split() for line in done.output.decode().splitlines())
    return {blob: int(size) for blob, size in found if size.isdecimal()}


def _is_no_name(part: str) -> bool:
    """Return whether Git would refuse a path's part, e.g. `..`."""
    return part in {"", ".", ".."} or part.lower() == ".git" or len(os.fsencode(part)) > _LONGEST_NAME


def _printable_path(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path)


def _lay_out(folder: Path, blobs: Sequence[_Blob], checkout: Checkout, name: str) -> None:
    """Write files into an empty folder; refuse duplicate names."""
    for blob, content in zip(blobs, _blob_contents(checkout, blobs), strict=True):
        target = folder / blob.path
        with os_errors(f"{name}: {_printable_path(blob.path)} cannot be laid out", _LOOK):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with target.open("xb") as stream:
                stream.write(content)


def _blob_contents(checkout: Checkout, blobs: Sequence[_Blob]) -> list[bytes]:
    if not blobs:
        return []
    request = "\n".join(blob.object for blob in blobs).encode() + b"\n"
    most = sum(blob.size for blob in blobs) + 256 * len(blobs)
    output = run_git(checkout, "cat-file", "--batch", stdin=request, hint=_NAME_ONE, most_bytes=most)
    contents, position = [], 0
    for blob in blobs:
        end = output.index(b"\n", position)
        if output[position:end].split()[1:] != [b"blob", str(blob.size).encode()]:
            raise _lacking(checkout, blob.path)
        contents.append(output[end + 1 : end + 1 + blob.size])
        position = end + blob.size + 2
    return contents
