"""Results of reading an inventory, kept between runs; safe to lose.

A stale answer cannot come out of it. A kept result is found again only under the same bytes (by SHA-256) of the
inventory's file, read by the same code: the stamp covers every source file of this package and the versions of Python,
pydantic, PyYAML and libyaml. Each kept file has a checksum, over its own name as well; one that does not fit is as good
as missing, and is written anew. Files are replaced in one step, so runs at the same time do not disturb each other.

The format is JSON, which cannot run code as pickle and marshal can. Whoever can write into the folder could still plant
good news: it is used only if it belongs to the user and to nobody else, and if Git has nothing of it in the inventory's
checkout. Nothing of contacts/ is ever put into it, nor of a file that does not fit the model: what stands in such a
file may be anything. Of secrets/ there is no login and no key, and what is known of those files only as
`cached_secrets` has it: encrypted and authenticated under the vault's password.

Of facilities' files it keeps outlines, problems, details, and the content. The problems of rules across
files are kept under one digest of all files. The rest is spread over many files by the facilities' paths, so that an
edit of one facility rewrites few of them. A file with faults is not kept: it is read again until it is mended.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import date
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Final

import pydantic
import pydantic_core
import yaml
from pydantic_core import from_json

from provisioner import __version__
from provisioner.base.errors import Problem, Severity
from provisioner.base.files import is_proposed, replace_file
from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.site import Site, content_of, details_of
from provisioner.inventory.model import Facility
from provisioner.inventory.outline import PackedOutline, packed, unpacked

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
_PackedProblem = tuple[int, int, str, str, str, str]
_PackedSite = tuple[str, str, int, int, list[_PackedProblem], PackedOutline, str]
"""What JSON has of a file, where a tuple is a list: it is only ever taken apart."""
# A country's files are judged alike until the same few days.
_day = lru_cache(maxsize=4096)(date.fromordinal)


@dataclass(frozen=True)
class Cache:
    """The kept files of one inventory.

    Attributes:
        folder: where they are.
        stamp: by which code they have to be written.
    """

    folder: Path
    stamp: str

    def read(self, name: str) -> bytes | None:
        """What was kept under a name, or None where that is missing, damaged or of other code."""
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                head, _, body = stream.read(_MAX_BYTES + 1).partition(b"\n")
        except OSError:
            return None
        return body if head == self._head(name, body) else None

    def write(self, name: str, body: bytes) -> None:
        """Keep something under a name, if that is possible: a cache that cannot be written is no failure."""
        head = self._head(name, body)
        if len(head) + 1 + len(body) > _MAX_BYTES:
            return
        with suppress(OSError):
            # Not flushed to the disk, which takes longer than all the rest: half of a file fits no checksum.
            replace_file(self.folder / name, head + b"\n" + body, lasting=False)

    def forget_oldest(self, beginning: str, most: int) -> None:
        """Remove what was written longest ago of the files whose names begin so, but for so many."""
        with suppress(OSError):
            files = sorted(self.folder.glob(f"{beginning}*"), key=lambda f: f.stat().st_mtime, reverse=True)
            for file in files[most:]:
                file.unlink(missing_ok=True)

    def _head(self, name: str, body: bytes) -> bytes:
        digest = hashlib.sha256(f"{name}\n{self.stamp}\n".encode() + body).hexdigest()
        return f"provisioner-cache {_FORMAT} {self.stamp} {digest}".encode()


class Texts:
    """What some files say, as JSON, under their paths and the SHA-256 of their bytes."""

    def __init__(self, cache: Cache, name: str) -> None:
        self._cache = cache
        self._name = name

    def get(self, relative: str, digest: str) -> str | None:
        """What a file of these bytes says, if it is known."""
        known = self._known.get(relative)
        return known[1] if known and known[0] == digest else None

    @cached_property
    def _known(self) -> dict[str, tuple[str, str]]:
        texts: dict[str, tuple[str, str]] = {}
        try:
            for line in (self._cache.read(self._name) or b"").decode().split("\n")[:-1]:
                head, _, text = line.partition("\t")
                relative, digest = json.loads(head)
                texts[relative] = digest, text
        except ValueError:
            return {}
        return texts

    def write(self, known: Mapping[str, tuple[str, str]]) -> None:
        """Replace everything that is known; `known` has the digest and the text of each path."""
        lines = [f"{json.dumps([relative, digest])}\t{text}\n" for relative, (digest, text) in known.items()]
        self._cache.write(self._name, "".join(lines).encode())


class KnownSites:
    """What the cache knows of an inventory's files, by their paths; without a cache, nothing."""

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
        """Where it is kept."""
        return self._cache

    def sites(self) -> dict[str, Site]:
        """What is known of facilities' files, without their texts."""
        sites: dict[str, Site] = {}
        for part in self._texts:
            sites |= self._outlines(part)
        return sites

    def _outlines(self, part: int) -> dict[str, Site]:
        body = self._cache.read(f"outlines-{part:03}") if self._cache else None
        try:
            return {row[0]: self._site(row) for row in from_json(body)} if body else {}
        except (ValueError, TypeError, LookupError):
            return {}

    def _site(self, row: _PackedSite) -> Site:
        relative, digest, since, before, rows, outline, content = row
        problems = tuple(self._problems(relative, outline[0], rows)) if rows else ()
        return Site(digest, unpacked(outline), (), problems, _day(since), _day(before), content=content)

    def _problems(self, relative: str, name: str, rows: list[_PackedProblem]) -> Iterator[Problem]:
        file = File(self._root, relative, f"facility/{name}", Facility)
        for line, column, code, message, hint, severity in rows:
            yield Problem(file.shown, line, column, code, message, hint, file.owner, Severity(severity))

    def text(self, relative: str, digest: str) -> str | None:
        """What a facility's file of these bytes says, as JSON, if it is known."""
        return self._texts[part_of(relative)].get(relative, digest) if self._texts else None

    def details(self, relative: str, digest: str) -> str | None:
        """Its name and its survey, likewise."""
        return self._details[part_of(relative)].get(relative, digest) if self._details else None

    def other(self, relative: str, digest: str) -> str | None:
        """What another file of these bytes says, as JSON, if it is known."""
        return self._others.get(relative, digest) if self._others else None

    def keep_others(self, known: Mapping[str, tuple[str, str]]) -> None:
        """Write what files other than facilities' say, where that is not what was known."""
        if self._others and any(self._others.get(name, digest) is None for name, (digest, _) in known.items()):
            self._others.write(known)

    def content_of_other(self, relative: str, digest: str, text: str) -> str:
        """The SHA-256 of what another file says; the lock's is worked out once, as it takes its time."""
        kept = self._contents
        if kept is None or len(text) < _LONG:
            return content_of(text, digest)
        if (content := kept.get(relative, digest)) is None:
            content = content_of(text, digest)
            kept.write({relative: (digest, content)})
        return content

    def across(self, digest: str, find: Callable[[], tuple[Problem, ...]]) -> tuple[Problem, ...]:
        """The problems that the rules across files find in an inventory, found anew where they are not known.

        Args:
            digest: of all that they depend on.
            find: finds them.
        """
        kept = self._across
        if kept is None:
            return find()
        if (known := kept.get(str(self._root), digest)) is not None:
            with suppress(ValueError, TypeError, LookupError):
                return tuple(_problem(row) for row in from_json(known))
        problems = find()
        if len(problems) <= _MOST_ACROSS:
            kept.write({str(self._root): (digest, json.dumps([astuple(problem) for problem in problems]))})
        return problems

    def keep(self, sites: Mapping[str, Site], changed: Collection[str]) -> None:
        """Write the parts in which something changed.

        Args:
            sites: everything that is known now, by path.
            changed: paths of what was read anew.
        """
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
    """An inventory's cache in `$XDG_CACHE_HOME/provisioner/inventories`, or None where there can be none.

    Args:
        root: the inventory's folder; another path to it leads to the same cache.
        env: the environment; a value in PROVISIONER_NO_CACHE says no.
    """
    base = _base(env)
    code = None if env.get(DISABLED) or base is None else stamp()
    if base is None or code is None:
        return None
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
    folder = base / "provisioner" / "inventories" / name
    try:
        if is_proposed(folder, root):
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
    """The user's folder of caches; a relative XDG_CACHE_HOME does not count, as its specification says."""
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
    """Remove the inventories that were not used for longest: their number is bounded."""
    others = sorted((f for f in folder.parent.iterdir() if f != folder), key=lambda f: f.stat().st_mtime, reverse=True)
    for other in others[_INVENTORIES - 1 :]:
        shutil.rmtree(other, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Mark the folder as used, and remove what runs left behind that were killed while they wrote."""
    os.utime(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and time.time() - entry.stat().st_mtime > _LEFT_BEHIND_S:
                Path(entry.path).unlink(missing_ok=True)


@cache
def stamp() -> str | None:
    """What tells this code from any other, or None where that is not known for sure."""
    return stamp_of(Path(__file__).parents[2], _LOADED_AT - _IMPORTS_TAKE_S)


def stamp_of(package: Path, imported_at: float) -> str | None:
    """What tells one state of a package's sources, and of what they rest on, from any other.

    Args:
        package: the package's folder.
        imported_at: since when its code runs, in seconds since 1970: source files that changed later are
            not that code, and nothing is known then. Neither is where there are no source files.
    """
    digest = hashlib.sha256()
    versions = (_FORMAT, __version__, sys.version, pydantic.VERSION, pydantic_core.__version__, yaml.__version__)
    digest.update(repr((*versions, yaml.__with_libyaml__, _libyaml_version())).encode())
    try:
        sources = sorted(_sources(str(package), ""))
        for relative in sources:
            with open(f"{package}/{relative}", "rb", buffering=0) as stream:  # noqa: PTH123 (hundreds in each run)
                status, data = os.fstat(stream.fileno()), stream.readall()
            if max(status.st_mtime, status.st_ctime) > imported_at:
                return None
            digest.update(f"{relative}\n{len(data)}\n".encode() + data)
    except OSError:
        return None
    return digest.hexdigest() if sources else None


def _sources(package: str, folder: str) -> Iterator[str]:
    """The paths of a package's sources, within it."""
    with os.scandir(f"{package}/{folder}") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sources(package, f"{folder}{entry.name}/")
            elif entry.name.endswith(".py"):
                yield folder + entry.name


def _libyaml_version() -> str:
    return str(yaml._yaml.get_version_string())  # noqa: SLF001 (no public name has it)


def _problem(row: tuple[str, int, int, str, str, str, str, str, list[str]]) -> Problem:
    file, line, column, code, message, hint, about, severity, concerns = row
    return Problem(file, line, column, code, message, hint, about, Severity(severity), tuple(concerns))


def write_part(kept_in: Cache, part: int, sites: Mapping[str, Site]) -> None:
    """Write everything that a part holds.

    Args:
        kept_in: where to.
        part: its number.
        sites: what is known of its files, with their texts, by path; those that may not be kept are left out.
    """
    fit = {relative: site for relative, site in sites.items() if _is_fit(relative, site)}
    rows = json.dumps([_row(relative, site) for relative, site in fit.items()], separators=(",", ":"))
    kept_in.write(f"outlines-{part:03}", rows.encode("ascii"))
    known = {name: (site.digest, site.text) for name, site in fit.items() if site.text}
    Texts(kept_in, f"texts-{part:03}").write(known)
    details = {
        name: (digest, fit[name].details or details_of(from_json(text))) for name, (digest, text) in known.items()
    }
    Texts(kept_in, f"details-{part:03}").write(details)


def part_of(relative: str) -> int:
    """The number of the part in which a facility's file is kept."""
    return zlib.crc32(relative.encode("utf-8", "surrogateescape")) % _PARTS


def _is_fit(relative: str, site: Site) -> bool:
    """Tell whether a file may be kept: one that is understood, with a path that JSON can hold."""
    return site.outline is not None and not site.faults and relative.isprintable()


def _row(relative: str, site: Site) -> list[object]:
    if site.outline is None:
        raise ValueError(f"{relative} is not understood")
    rows = [[p.line, p.column, p.code, p.message, p.hint, p.severity.value] for p in site.problems]
    days = site.since.toordinal(), site.before.toordinal()
    return [relative, site.digest, *days, rows, packed(site.outline), site.content]
