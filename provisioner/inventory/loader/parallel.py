"""Parallel reading of facilities while this process reads the other files.

This process reads few files itself: starting a process takes as long as reading some hundred files. It also reads all
if processes cannot help (`base.processes`), and whatever a killed process left unread.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final, NamedTuple

from provisioner.base.processes import Helpers, can_fork, processes
from provisioner.base.service import unwatched
from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.cache import Cache, part_of, write_part
from provisioner.inventory.loader.site import Site, read_site

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
