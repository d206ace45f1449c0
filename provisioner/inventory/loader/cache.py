"""Cache of read inventory files between runs (docs/internals/inventory.md). Safe to delete.

A cache file whose checksum (over its name and content) is wrong counts as missing. Somebody who can write into the
folder could hide problems, so it is the user's alone, and not in the Git checkout of the inventory. Entries are spread
over many files by path, which are replaced atomically: an edit of one facility rewrites few.

Facilities are read in parallel (`sites_of`). This process reads few files itself: starting a process takes as long as
reading some hundred files. It also reads all if processes cannot help, and whatever a killed process left unread.
"""

import hashlib
import json
import os
import shutil
import stat
import sys
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Final, NamedTuple

import pydantic
import pydantic_core
import yaml
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from provisioner import __version__
from provisioner.base.errors import Problem, Severity
from provisioner.base.files import is_tracked_path, replace_file
from provisioner.base.processes import Helpers, can_fork, processes
from provisioner.base.service import unwatched
from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.site import Site, content_of, details_of, read_site
from provisioner.inventory.model.facility import Facility

DISABLED: Final = "PROVISIONER_NO_CACHE"
_FORMAT: Final = 2
_INVENTORIES: Final = 8
_MAX_BYTES: Final = 64 * 1024 * 1024
_LEFT_BEHIND_S: Final = 3600.0
_LOADED_AT: Final = time.time()
_IMPORTS_TAKE_S: Final = 5.0
_PARTS: Final = 128
_LONG: Final = 256 * 1024
# More problems across files than these are looked for each time: somebody mends them first.
_MOST_ACROSS: Final = 2_000


@cache
def _cached_sites() -> TypeAdapter[dict[str, Site]]:
    return TypeAdapter(dict[str, Site])


@dataclass(frozen=True)
class Cache:
    """Cache files of one inventory; `stamp` identifies the code that wrote them."""

    folder: Path
    stamp: str

    def read(self, name: str) -> bytes | None:
        """Return an entry, or `None` if missing, damaged or of other code."""
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                head, _, body = stream.read(_MAX_BYTES + 1).partition(b"\n")
        except OSError:
            return None
        return body if head == self._head(name, body) else None

    def write(self, name: str, body: bytes) -> None:
        """Write an entry. A failure is ignored."""
        head = self._head(name, body)
        if len(head) + 1 + len(body) > _MAX_BYTES:
            return
        with suppress(OSError):
            # Not flushed to the disk, which takes longer than all the rest: half of a file fits no checksum.
            replace_file(self.folder / name, head + b"\n" + body, lasting=False)

    def forget_oldest(self, beginning: str, most: int) -> None:
        """Remove all but the `most` newest files whose names start with `beginning`."""
        with suppress(OSError):
            files = sorted(self.folder.glob(f"{beginning}*"), key=lambda f: f.stat().st_mtime, reverse=True)
            for file in files[most:]:
                file.unlink(missing_ok=True)

    def _head(self, name: str, body: bytes) -> bytes:
        digest = hashlib.sha256(f"{name}\n{self.stamp}\n".encode() + body).hexdigest()
        return f"provisioner-cache {_FORMAT} {self.stamp} {digest}".encode()


class Texts:
    """Contents of files as JSON, by path and SHA-256 of their bytes."""

    def __init__(self, cache: Cache, name: str) -> None:
        self._cache = cache
        self._name = name

    def get(self, relative: str, digest: str) -> str | None:
        """Return the cached content of a file with this digest."""
        cached = self._read_entries.get(relative)
        return cached[1] if cached and cached[0] == digest else None

    @cached_property
    def _read_entries(self) -> dict[str, tuple[str, str]]:
        texts: dict[str, tuple[str, str]] = {}
        try:
            for line in (self._cache.read(self._name) or b"").decode().split("\n")[:-1]:
                head, _, text = line.partition("\t")
                relative, digest = json.loads(head)
                texts[relative] = digest, text
        except ValueError:
            return {}
        return texts

    def write(self, entries: Mapping[str, tuple[str, str]]) -> None:
        """Replace all entries; `entries` maps a path to digest and text."""
        lines = [f"{json.dumps([relative, digest])}\t{text}\n" for relative, (digest, text) in entries.items()]
        self._cache.write(self._name, "".join(lines).encode())


class CachedSites:
    """Cached contents of an inventory's files, by path. Empty without a cache."""

    def __init__(self, cache: Cache | None, root: Path) -> None:
        self._cache = cache
        self._root = root
        self._details = {part: Texts(cache, f"details-{part:03}") for part in range(_PARTS)} if cache else {}
        self._texts = {part: Texts(cache, f"texts-{part:03}") for part in range(_PARTS)} if cache else {}
        self._others = Texts(cache, "others") if cache else None
        self._contents = Texts(cache, "contents") if cache else None
        self._across = Texts(cache, "across") if cache else None

    @property
    def cache(self) -> Cache | None:
        """The cache, if any."""
        return self._cache

    def sites(self) -> dict[str, Site]:
        """Return all cached facilities, without their texts."""
        sites: dict[str, Site] = {}
        for part in self._texts:
            sites |= self._read_outlines(part)
        return sites

    def _read_outlines(self, part: int) -> dict[str, Site]:
        body = self._cache.read(f"outlines-{part:03}") if self._cache else None
        try:
            cached = _cached_sites().validate_json(body) if body else {}
        except ValueError:
            return {}
        return {name: self._placed(name, site) if site.problems else site for name, site in cached.items()}

    def _placed(self, relative: str, site: Site) -> Site:
        """Return a cached facility; its problems have the path as typed now."""
        path = File(self._root, relative, site.problems[0].object, Facility).display_path
        return site._replace(problems=tuple(replace(problem, file=path) for problem in site.problems))

    def text(self, relative: str, digest: str) -> str | None:
        """Return the cached content of a facility's file, as JSON."""
        return self._texts[part_of(relative)].get(relative, digest) if self._texts else None

    def details(self, relative: str, digest: str) -> str | None:
        """Return the cached name and survey of a facility, as JSON."""
        return self._details[part_of(relative)].get(relative, digest) if self._details else None

    def other(self, relative: str, digest: str) -> str | None:
        """Return the cached content of another file, as JSON."""
        return self._others.get(relative, digest) if self._others else None

    def keep_others(self, entries: Mapping[str, tuple[str, str]]) -> None:
        """Cache the contents of files other than facilities' if any has changed."""
        if self._others and any(self._others.get(name, digest) is None for name, (digest, _) in entries.items()):
            self._others.write(entries)

    def content_of_other(self, relative: str, digest: str, text: str) -> str:
        """Return another file's content digest. A long file's (the lock's) is cached."""
        cached_texts = self._contents
        if cached_texts is None or len(text) < _LONG:
            return content_of(text, digest)
        if (content := cached_texts.get(relative, digest)) is None:
            content = content_of(text, digest)
            cached_texts.write({relative: (digest, content)})
        return content

    def across(self, digest: str, find: Callable[[], tuple[Problem, ...]]) -> tuple[Problem, ...]:
        """Return problems across files; `digest` covers everything that the rules read."""
        cached_texts = self._across
        if cached_texts is None:
            return find()
        if (cached := cached_texts.get(str(self._root), digest)) is not None:
            with suppress(ValueError, TypeError, LookupError):
                return tuple(_problem(row) for row in from_json(cached))
        problems = find()
        if len(problems) <= _MOST_ACROSS:
            cached_texts.write({str(self._root): (digest, json.dumps([astuple(problem) for problem in problems]))})
        return problems

    def keep(self, sites: Mapping[str, Site], changed: Collection[str]) -> None:
        """Write the cache parts of changed files; `sites` has all facilities."""
        if self._cache is None or not changed:
            return
        parts = {
            part_of(relative) for relative in changed if sites[relative].text and _is_fit(relative, sites[relative])
        }
        listed: dict[int, dict[str, Site]] = {part: {} for part in parts}
        for relative, site in sites.items():
            if (part := part_of(relative)) in listed and _is_fit(relative, site):
                listed[part][relative] = site
        for part, below in listed.items():
            texts = {relative: site.text or self.text(relative, site.digest) for relative, site in below.items()}
            write_part(
                self._cache,
                part,
                {relative: site._replace(text=texts[relative] or "") for relative, site in below.items()},
            )
            self._details[part] = Texts(self._cache, f"details-{part:03}")


def cache_of(root: Path, env: Mapping[str, str]) -> Cache | None:
    """Return the cache in `$XDG_CACHE_HOME/provisioner/inventories`, or `None` if it is unusable."""
    # PROVISIONER_NO_CACHE disables it. Any path to the same folder gives the same cache.
    base = _base(env)
    code = None if env.get(DISABLED) or base is None else stamp()
    if base is None or code is None:
        return None
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
    folder = base / "provisioner" / "inventories" / name
    try:
        if is_tracked_path(folder, root):
            return None
        is_new = not folder.is_dir()
        if is_new:
            _make_private(folder)
        if not (_is_private(folder.parent) and _is_private(folder)):
            return None
        if is_new:
            _forget_others(folder)
        _tidy(folder)
    except OSError:
        return None
    return Cache(folder, code)


def _base(env: Mapping[str, str]) -> Path | None:
    """Return the user's cache folder. The XDG specification ignores a relative XDG_CACHE_HOME."""
    named, home = Path(env.get("XDG_CACHE_HOME", "")), env.get("HOME", "")
    if named.is_absolute():
        return named
    return Path(home) / ".cache" if home and Path(home).is_absolute() else None


def _make_private(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for made in (folder.parent, folder):
        made.mkdir(mode=0o700, exist_ok=True)


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _forget_others(folder: Path) -> None:
    """Remove the least recently used inventories above the limit."""
    siblings = sorted(
        (path for path in folder.parent.iterdir() if path != folder),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for sibling in siblings[_INVENTORIES - 1 :]:
        shutil.rmtree(sibling, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Mark the folder as used, and remove temporary files of killed runs."""
    os.utime(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and time.time() - entry.stat().st_mtime > _LEFT_BEHIND_S:
                Path(entry.path).unlink(missing_ok=True)


@cache
def stamp() -> str | None:
    """Return a digest of this code, or `None` if it is uncertain."""
    return stamp_of(Path(__file__).parents[2], _LOADED_AT - _IMPORTS_TAKE_S)


def stamp_of(package: Path, imported_at: float) -> str | None:
    """Return a digest of sources and libraries; `None` if newer than `imported_at`."""
    digest = hashlib.sha256()
    versions = (_FORMAT, __version__, sys.version, pydantic.VERSION, pydantic_core.__version__, yaml.__version__)
    libyaml = str(yaml._yaml.get_version_string())  # noqa: SLF001 (no public name has it)
    digest.update(repr((*versions, yaml.__with_libyaml__, libyaml)).encode())
    try:
        sources = sorted(_source_files(str(package), ""))
        for relative in sources:
            with open(f"{package}/{relative}", "rb", buffering=0) as stream:  # noqa: PTH123 (hundreds in each run)
                status, data = os.fstat(stream.fileno()), stream.readall()
            if max(status.st_mtime, status.st_ctime) > imported_at:
                return None
            digest.update(f"{relative}\n{len(data)}\n".encode() + data)
    except OSError:
        return None
    return digest.hexdigest() if sources else None


def _source_files(package: str, folder: str) -> Iterator[str]:
    with os.scandir(f"{package}/{folder}") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _source_files(package, f"{folder}{entry.name}/")
            elif entry.name.endswith(".py"):
                yield folder + entry.name


def _problem(row: tuple[str, int, int, str, str, str, str, str, list[str]]) -> Problem:
    file, line, column, code, message, hint, about, severity, concerns = row
    return Problem(file, line, column, code, message, hint, about, Severity(severity), tuple(concerns))


def write_part(cache: Cache, part: int, sites: Mapping[str, Site]) -> None:
    """Write the valid facilities of one part of the cache."""
    storable = {relative: site for relative, site in sites.items() if _is_fit(relative, site)}
    outlines = {relative: site._replace(text="", details="") for relative, site in storable.items()}
    cache.write(f"outlines-{part:03}", to_json(outlines))
    texts = {name: (site.digest, site.text) for name, site in storable.items() if site.text}
    Texts(cache, f"texts-{part:03}").write(texts)
    details = {
        name: (digest, storable[name].details or details_of(from_json(text))) for name, (digest, text) in texts.items()
    }
    Texts(cache, f"details-{part:03}").write(details)


def part_of(relative: str) -> int:
    """Return the number of the part that caches a facility's file."""
    return zlib.crc32(relative.encode("utf-8", "surrogateescape")) % _PARTS


def _is_fit(relative: str, site: Site) -> bool:
    return site.outline is not None and not site.faults and relative.isprintable()


MANY: Final = 256  #: Number of files from which other processes help.
_CHUNK: Final = 64

Collect = Callable[[], dict[str, Site]]


@contextmanager
def sites_of(
    files: Sequence[File],
    today: date,
    *,
    cache: Cache | None = None,
    known: bool = True,
    workers: int | None = None,
    advanced: Callable[[int], None] = unwatched,
) -> Iterator[Collect]:
    """Start reading facilities' files; yield a function that collects them.

    Processes write new results into `cache`. If it has other files (`known`), the caller merges and writes the
    results. `workers` is one a core, or 0 for a few files; `advanced` gets the number of files read.
    """
    count = (processes() if len(files) >= MANY else 0) if workers is None else workers
    if not count or not can_fork():
        yield lambda: _read_here(files, today, advanced)
        return
    chunks = _chunks(files) if known or cache is None else _chunks_by_part(files, cache)
    helpers = Helpers(count)
    try:
        started = [helpers.submit(_read_chunk, chunk, today) for chunk in chunks]
        yield lambda: _collected_sites(started, chunks, today, advanced)
    finally:
        helpers.end()


class _Chunk(NamedTuple):
    """Files for one process: a whole part if it writes the cache."""

    files: Sequence[File]
    cache: Cache | None = None
    part: int = 0


def _chunks(files: Sequence[File]) -> list[_Chunk]:
    return [_Chunk(files[start : start + _CHUNK]) for start in range(0, len(files), _CHUNK)]


def _chunks_by_part(files: Sequence[File], cache: Cache) -> list[_Chunk]:
    parts: dict[int, list[File]] = {}
    for file in files:
        parts.setdefault(part_of(file.relative), []).append(file)
    return [_Chunk(below, cache, part) for part, below in sorted(parts.items())]


def _read_here(files: Sequence[File], today: date, advanced: Callable[[int], None]) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for chunk in _chunks(files):
        sites |= _read_chunk(chunk, today)
        advanced(len(chunk.files))
    return sites


def _read_chunk(chunk: _Chunk, today: date) -> dict[str, Site]:
    sites = {file.relative: read_site(file, today) for file in chunk.files}
    if chunk.cache is None:
        return sites
    write_part(chunk.cache, chunk.part, sites)
    return {relative: site if site.faults else site._replace(text="", details="") for relative, site in sites.items()}


def _collected_sites(
    started: Sequence[Callable[[], dict[str, Site] | None]],
    chunks: Sequence[_Chunk],
    today: date,
    advanced: Callable[[int], None],
) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for result, chunk in zip(started, chunks, strict=True):
        read = result()
        sites |= _read_chunk(chunk, today) if read is None else read
        advanced(len(chunk.files))
    return sites
