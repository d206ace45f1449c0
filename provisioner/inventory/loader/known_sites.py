"""What the cache keeps of facilities' files: outlines and problems, and beside them what the files say, also in brief.

What the rules across files find in all of them together is kept under one digest of them all. All else is spread
over many files by the facilities' paths, so that an edit of one facility rewrites few of them. A file with faults is
not kept: it is read again until it is mended.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from pydantic_core import from_json

from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.cache import Cache
from provisioner.inventory.loader.file_content import content_of
from provisioner.inventory.loader.site import Site, brief_text
from provisioner.inventory.model import Facility
from provisioner.inventory.outline import PackedOutline, packed, unpacked

_PARTS: Final = 128
_LONG: Final = 256 * 1024
# More problems across files than these are looked for each time: somebody mends them first.
_MOST_ACROSS: Final = 2_000
_PackedProblem = tuple[int, int, str, str, str, str]
_PackedSite = tuple[str, str, int, int, list[_PackedProblem], PackedOutline, str]
"""What JSON has of a file, where a tuple is a list: it is only ever taken apart."""


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
        self._texts = {part: Texts(cache, f"texts-{part:03}") for part in range(_PARTS)} if cache else {}
        self._briefs = {part: Texts(cache, f"briefs-{part:03}") for part in range(_PARTS)} if cache else {}
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

    def brief(self, relative: str, digest: str) -> str | None:
        """What it says in brief, likewise."""
        return self._briefs[part_of(relative)].get(relative, digest) if self._briefs else None

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
            self._briefs[part] = Texts(self._cache, f"briefs-{part:03}")


# A country's files are judged alike until the same few days.
_day = lru_cache(maxsize=4096)(date.fromordinal)


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
    briefs = {name: (digest, fit[name].brief or brief_text(text)) for name, (digest, text) in known.items()}
    Texts(kept_in, f"briefs-{part:03}").write(briefs)


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
