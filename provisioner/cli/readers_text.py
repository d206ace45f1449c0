"""Where readers have each path, as text and as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.desired.readers import ReadPath
from provisioner.report.tables import text_table

_NAMES = ("path", "read at", "when that is gone")


def reading_lines(readings: Sequence[ReadPath]) -> Iterator[str]:
    """A line a path: where it is read first, and where when that relay is gone."""
    rows = [(one.path, _base(one, 0), ", ".join(_base(one, at) for at in range(1, len(one.at)))) for one in readings]
    yield from map(printable, text_table(_NAMES, rows, numbers=False))


def _base(reading: ReadPath, at: int) -> str:
    """The URL without the path, which stands in the line once."""
    return reading.at[at].url.removesuffix(f"/{reading.path}")


def reading_ending(readings: Sequence[ReadPath], user: str) -> str:
    """The last line."""
    twice = sum(len(one.at) > 1 for one in readings)
    return f"{counted(len(readings), 'path')}, {twice} of them at a second relay; log in as {user}"


def reading_document(centre: str, user: str, readings: Sequence[ReadPath]) -> Document:
    """The `readers` document."""
    return {
        "schema": "provisioner/readers",
        "version": 1,
        "centre": centre,
        "user": user,
        "summary": {"paths": len(readings), "at_two_relays": sum(len(one.at) > 1 for one in readings)},
        "paths": [
            {
                "path": one.path,
                "province": one.province,
                "facility": one.facility,
                "carrier": one.carrier,
                "read_at": [{"relay": place.relay, "url": place.url} for place in one.at],
            }
            for one in readings
        ],
    }
