"""Looks in a file, a line each: what a run of hours measured is judged later, and a run that was broken off goes on."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from tests.pictures.collecting import Look, Size, collect


class OtherSizeError(Exception):
    """The file has looks of another simulation."""


def keep(file: Path, size: Size, workers: int) -> None:
    """Simulate what a file does not have yet, and write it down as it comes.

    Raises:
        OtherSizeError: it has looks of another simulation.
    """
    whole = list(_whole(file, size)) if file.exists() else []
    begin = whole[-1].camera + 1 if whole else 0
    with file.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(size)) + "\n")
        lines.writelines(f"{json.dumps(asdict(look))}\n" for look in whole)
        for look in collect(size, workers, begin):
            lines.write(json.dumps(asdict(look)) + "\n")
            lines.flush()


def read(file: Path) -> list[Look]:
    """Looks that were kept."""
    return [Look(**json.loads(line)) for line in _lines(file)[1:]]


def seed_of(file: Path) -> int:
    """The seed of the looks that were kept."""
    return size_of(file).seed


def size_of(file: Path) -> Size:
    """How much was simulated of the looks that were kept."""
    size = Size(**json.loads(_lines(file)[0]))
    return replace(size, footage=tuple(size.footage))


def _whole(file: Path, size: Size) -> Iterator[Look]:
    """The looks of all cameras but the last one, which may lack some."""
    if not _lines(file):
        return
    kept = size_of(file)
    if kept != size:
        raise OtherSizeError(f"{file} has looks of {kept}, not of {size}: name another file")
    looks = read(file)
    yield from (look for look in looks if look.camera != looks[-1].camera)


def _lines(file: Path) -> list[str]:
    """Whole lines: the last may have been broken off."""
    return [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
