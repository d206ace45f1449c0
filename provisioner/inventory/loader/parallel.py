"""Many facilities, read in several processes while this one reads the rest of the inventory.

Few files are read here: to start a process takes as long as to read some hundred of them. All is read here where other
processes cannot help (`base.parallel`). One that is killed takes nothing with it: what it had not read is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final, NamedTuple

from provisioner.base.processes import Helpers, can_fork, processes
from provisioner.base.service import unwatched
from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.cache import Cache, part_of, write_part
from provisioner.inventory.loader.site import Site, read_site

MANY: Final = 256
"""From so many files on, other processes help."""
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
    """Begin to read facilities' files; the function that is yielded waits for them, and returns them by path.

    Args:
        files: the files.
        today: the day on which rules judge them.
        cache: where a process keeps what it has read, so that texts need not be handed over.
        known: whether the cache knows any other file: then what is new has to be put between that.
        workers: how many processes; by default as many as there are cores, or none for a few files.
        advanced: is told of each so many files that were read.
    """
    count = (processes() if len(files) >= MANY else 0) if workers is None else workers
    if not count or not can_fork():
        yield lambda: _read_here(files, today, advanced)
        return
    chunks = _chunks(files) if known or cache is None else _parts(files, cache)
    helpers = Helpers(count)
    try:
        begun = [helpers.submit(_read_chunk, chunk, today) for chunk in chunks]
        yield lambda: _collected(begun, chunks, today, advanced)
    finally:
        helpers.end()


class _Chunk(NamedTuple):
    """Files for one process to read at once; a whole part of the cache where there is one to write."""

    files: Sequence[File]
    cache: Cache | None = None
    part: int = 0


def _chunks(files: Sequence[File]) -> list[_Chunk]:
    return [_Chunk(files[start : start + _CHUNK]) for start in range(0, len(files), _CHUNK)]


def _parts(files: Sequence[File], cache: Cache) -> list[_Chunk]:
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


def _collected(
    begun: Sequence[Callable[[], dict[str, Site] | None]],
    chunks: Sequence[_Chunk],
    today: date,
    advanced: Callable[[int], None],
) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for result, chunk in zip(begun, chunks, strict=True):
        read = result()
        sites |= _read_chunk(chunk, today) if read is None else read
        advanced(len(chunk.files))
    return sites
