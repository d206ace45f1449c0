"""A run's document and verdicts as rows, packed and sealed.

Verdicts are one row per province, with its own seal; the run's entry covers the rows. One pass over a document makes
the hash and the packed text, so that the whole text is never in memory.
"""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import lt
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, insert, select

from provisioner.base.text import canonical_json, canonical_parts, canonical_text
from provisioner.record.availability.path_state import ABSENT, PathList, SweptPaths, mark_of
from provisioner.record.database import has_table
from provisioner.record.entries import digest, moment_text
from provisioner.record.state_folder import RecordKeys, SealVerdict, StateFolder
from provisioner.record.tables import DAMAGE, microseconds, path_lists, stored, unpacked, verdicts

_LONGEST_PLANE: Final = 2**24
_WORDS: Final = 256
_BETWEEN: Final = "\t"
_NO_HASH: Final = "no hash"
_HEADS: Final = 1_000  #: The size of the cache: nights differ in the order of their causes.


class PackedDocument(NamedTuple):
    """A packed document, and the hash of its canonical text."""

    digest: str
    packed: bytes


@dataclass(frozen=True, slots=True)
class PackedProvince:
    """One run's verdicts on a province, as stored, with its list's digest."""

    province: str
    listing: str
    marks: bytes
    causes: bytes


@dataclass(frozen=True, slots=True)
class PackedSweep:
    """One run's verdicts, as stored; `lists` are new texts by digest."""

    run: str
    at: datetime
    provinces: tuple[PackedProvince, ...] = ()
    lists: Mapping[str, str] | None = None

    @property
    def digest(self) -> str:
        """The hash for the run's entry; empty without verdicts."""
        return sweep_digest(self.run, self.at, self.provinces) if self.provinces else ""


def packed_document(document: Mapping[str, object]) -> PackedDocument:
    """Pack a document, which may have a long list at its top."""
    hashed, machine, packed = hashlib.sha256(), zlib.compressobj(), bytearray()
    for part in canonical_parts(document):
        text = part.encode()
        hashed.update(text)
        packed += machine.compress(text)
    packed += machine.flush()
    return PackedDocument(f"sha256:{hashed.hexdigest()}", bytes(packed))


def sweep_digest(run: str, at: datetime, provinces: tuple[PackedProvince, ...]) -> str:
    """Return the hash of a run's verdicts, whatever the order of provinces."""
    rows = sorted([p.province, p.listing, _sha(p.marks), _sha(p.causes)] for p in provinces)
    return digest(canonical_text([run, moment_text(at), rows]))


def seal_message(inventory: str, province: PackedProvince, run: str, number: int, at: int) -> str:
    """Return the sealed text of a row: inventory, run, time, content."""
    planes = _sha(province.marks), _sha(province.causes)
    # The same bytes as `canonical_text`, of which a year has some twenty thousand to be held against their seals.
    return canonical_json(
        ["verdicts", inventory, province.province, number, run, at, province.listing, *planes]
    ).decode()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- writing --------------------------------------------------------------------------------------
def pack_sweep(
    connection: Connection, folder: StateFolder, run: str, at: datetime, swept: SweptPaths | None
) -> PackedSweep:
    """Make the rows of a run's verdicts; write nothing."""
    if swept is None:
        return PackedSweep(run, at)
    by_province: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(swept.carriers.keys() | swept.verdicts.keys()):
        by_province[path.partition("/")[0]][path] = swept.carriers.get(path, "")
    provinces, lists = [], {}
    for province, carriers in sorted(by_province.items()):
        listing = carriers if swept.whole else _with_earlier_paths(connection, folder, province, carriers)
        text = "\n".join(f"{path}{_BETWEEN}{carrier}" for path, carrier in sorted(listing.items()))
        lists[digest(text)] = text
        provinces.append(_packed_province(province, digest(text), sorted(listing), swept))
    return PackedSweep(run, at, tuple(provinces), _not_stored(connection, folder, lists))


def _with_earlier_paths(
    connection: Connection, folder: StateFolder, province: str, present: Mapping[str, str]
) -> dict[str, str]:
    conditions = verdicts.c.inventory == folder.inventory, verdicts.c.province == province
    latest = (
        select(stored(verdicts.c.paths)).where(*conditions).order_by(verdicts.c.at.desc(), verdicts.c.number.desc())
    )
    name = connection.scalar(latest.limit(1))
    before = read_listing(connection, folder.inventory, name) if isinstance(name, str) else None
    earlier = dict(zip(before.paths, before.carriers, strict=True)) if before else {}
    return earlier | dict(present)


def _packed_province(province: str, listing: str, paths: list[str], swept: SweptPaths) -> PackedProvince:
    cause_numbers: dict[str, int] = {"": 0}
    marks, causes = bytearray(), bytearray()
    for path in paths:
        verdict = swept.verdicts.get(path)
        marks.append(ABSENT if verdict is None else mark_of(verdict))
        causes.append(cause_numbers.setdefault(verdict.cause, len(cause_numbers)) if verdict else 0)
    head = orjson.dumps(list(cause_numbers)) + b"\n"
    return PackedProvince(province, listing, zlib.compress(bytes(marks), 9), zlib.compress(head + bytes(causes), 9))


def _not_stored(connection: Connection, folder: StateFolder, lists: Mapping[str, str]) -> dict[str, str]:
    query = select(stored(path_lists.c.digest)).where(path_lists.c.inventory == folder.inventory)
    present = set(connection.scalars(query.where(path_lists.c.digest.in_(sorted(lists)))))
    return {name: text for name, text in lists.items() if name not in present}


def keep_sweep(connection: Connection, folder: StateFolder, number: int, sweep: PackedSweep) -> None:
    """Write the rows of a run's entry."""
    key_columns = {"inventory": folder.inventory}
    if sweep.lists:
        packed = [
            key_columns | {"digest": name, "packed": zlib.compress(t.encode(), 9)} for name, t in sweep.lists.items()
        ]
        connection.execute(insert(path_lists), packed)
    rows = []
    for part in sweep.provinces:
        seal = folder.keys.seal(seal_message(folder.inventory, part, sweep.run, number, microseconds(sweep.at)))
        columns = {"province": part.province, "at": sweep.at, "number": number, "run": sweep.run, "paths": part.listing}
        rows.append(key_columns | columns | {"marks": part.marks, "causes": part.causes, "seal": seal})
    if rows:
        connection.execute(insert(verdicts), rows)


# --- reading --------------------------------------------------------------------------------------
def read_listing(connection: Connection, inventory: str, name: str) -> PathList | None:
    """Return a list of paths by digest; `None` if missing or changed."""
    conditions = path_lists.c.inventory == inventory, path_lists.c.digest == name
    try:
        text = unpacked(connection.scalar(select(stored(path_lists.c.packed)).where(*conditions)))
    except DAMAGE:
        return None
    return listing_of(text) if digest(text) == name else None


def listing_of(text: str) -> PathList | None:
    """Parse a list of paths, or return `None`."""
    paths, between, carriers = zip(*(line.partition(_BETWEEN) for line in text.split("\n")), strict=True)
    is_one = "" not in between and all(map(lt, paths, paths[1:]))
    return PathList(paths, carriers) if is_one else None


def plane_of(packed: bytes, length: int) -> bytes:
    """Unpack a plane, or raise an error of `DAMAGE`."""
    plane = _inflated(packed, length)
    if len(plane) != length:
        raise ValueError("a plane has a byte for each path")
    return plane


def causes_of(packed: bytes, length: int) -> tuple[bytes, tuple[str, ...]]:
    """Unpack causes and their words, or raise an error of `DAMAGE`."""
    head, _, plane = _inflated(packed, length + _LONGEST_PLANE).partition(b"\n")
    texts, places = _cause_texts(head)
    if len(plane) != length or plane.translate(None, places):
        raise ValueError("a plane has a byte for each path")
    return plane, texts


@lru_cache(_HEADS)
def _cause_texts(head: bytes) -> tuple[tuple[str, ...], bytes]:
    texts = orjson.loads(head)
    if not isinstance(texts, list) or not 0 < len(texts) <= _WORDS or not all(isinstance(w, str) for w in texts):
        raise ValueError("causes are words")
    return tuple(texts), bytes(range(len(texts)))


def _inflated(packed: bytes, most_bytes: int) -> bytes:
    machine = zlib.decompressobj()
    plane = machine.decompress(packed, most_bytes + 1)
    if not machine.eof or machine.unused_data:
        raise ValueError("a plane ends where its bytes end")
    return plane


class PathLists:
    """Cache of which lists of paths are stored unchanged."""

    def __init__(self, connection: Connection, inventory: str) -> None:
        self._connection, self._inventory = connection, inventory
        self._whole: dict[str, bool] = {}

    def are_unchanged(self, names: Iterable[str]) -> bool:
        """Return whether all these lists are stored unchanged."""
        for name in names:
            if name not in self._whole:
                self._whole[name] = read_listing(self._connection, self._inventory, name) is not None
        return all(self._whole[name] for name in names)


def stored_digest(connection: Connection, inventory: str, number: int, lists: PathLists) -> str:
    """Return the hash of an entry's rows; empty without rows.

    Rows of several runs, or with a missing or changed list of paths, get a hash that fits no entry. A malformed row
    raises an error of `DAMAGE`.
    """
    if not has_table(connection, verdicts):
        return ""
    names = ("run", "at", "province", "paths", "marks", "causes")
    query = select(*(verdicts.c[name] for name in names))
    rows = connection.execute(query.where(verdicts.c.inventory == inventory, verdicts.c.number == number)).all()
    if not rows:
        return ""
    runs = {(row.run, row.at) for row in rows}
    if len(runs) > 1 or not lists.are_unchanged({row.paths for row in rows}):
        return _NO_HASH
    packed = (PackedProvince(row.province, row.paths, bytes(row.marks), bytes(row.causes)) for row in rows)
    return sweep_digest(*runs.pop(), tuple(packed))


def row_seals(connection: Connection, inventory: str, number: int, keys: RecordKeys) -> frozenset[SealVerdict]:
    """Return an entry's proved row seals, or raise an error of `DAMAGE`."""
    if not has_table(connection, verdicts):
        return frozenset()
    names = ("run", "province", "paths", "marks", "causes", "seal")
    query = select(stored(verdicts.c.at).label("moment"), *(verdicts.c[name] for name in names))
    proved = set()
    for row in connection.execute(query.where(verdicts.c.inventory == inventory, verdicts.c.number == number)):
        packed = PackedProvince(row.province, row.paths, bytes(row.marks), bytes(row.causes))
        proved.add(keys.judge_seal(row.seal, seal_message(inventory, packed, row.run, number, row.moment)))
    return frozenset(proved)
