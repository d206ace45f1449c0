"""What several verifications say together: of each path the last that came to know anything. Pure.

A verification of one province says nothing of the others, and one of a sample says nothing of what it left out: what
was known of those before still stands, with its age.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.base.json_document import Document
from provisioner.verify.result import Cause, Verdict
from provisioner.web.board import DoubtedPicture, IncidentRow, SeenPath


@dataclass(frozen=True, slots=True)
class Merged:
    """All that verifications said of paths.

    Attributes:
        paths: the last word on each path of each relay, in the order of names: while one carrier takes over from
            another, a path comes over both.
        hosts: what is wrong with hosts themselves, as the newest verification has it: no path hangs on it.
        verified_at: when the newest verification ended.
        oldest_at: when the oldest of those ended that is some path's last word.
        engine: what serves the paths.
    """

    paths: tuple[SeenPath, ...] = ()
    hosts: tuple[IncidentRow, ...] = ()
    verified_at: datetime | None = None
    oldest_at: datetime | None = None
    engine: str = ""


def merged(documents: Sequence[Document]) -> Merged:
    """Put documents of verifications together, the oldest first; one that is not as such documents are says nothing."""
    last: dict[tuple[str, str], tuple[int, SeenPath]] = {}
    for number, document in enumerate(documents):
        for row in _rows(document):
            if (row.name, row.relay) not in last or row.cause != Cause.NOT_ASKED:
                last[row.name, row.relay] = (number, row)
    ends = [moment(document.get("finished_at")) for document in documents]
    used = [ends[number] for number in {number for number, _ in last.values()}]
    newest = documents[-1] if documents else {}
    return Merged(
        paths=tuple(row for _, (_, row) in sorted(last.items())),
        hosts=tuple(_hosts(newest)),
        verified_at=max((end for end in ends if end), default=None),
        oldest_at=min((end for end in used if end), default=None),
        engine=text(newest.get("engine")),
    )


def _hosts(document: Document) -> Iterator[IncidentRow]:
    for raw in records(document.get("incidents")):
        if not listed(raw.get("paths")):
            layer, what, cause, detail = (text(raw.get(key)) for key in ("layer", "object", "cause", "detail"))
            yield IncidentRow(layer, what, cause, "", detail)


def _rows(document: Document) -> Iterator[SeenPath]:
    for raw in records(document.get("paths")):
        name = text(raw.get("path"))
        if name.count("/") >= _PARTS:
            yield _row(name, raw)


_PARTS = 3
_VERDICTS = frozenset(verdict.value for verdict in Verdict)


def _row(name: str, raw: Document) -> SeenPath:
    failing, proof, window = (part(raw.get(key)) for key in ("failing", "last_proof", "maintenance"))
    verdict = text(raw.get("verdict"))
    return SeenPath(
        name=name,
        facility=text(raw.get("facility")),
        camera=text(raw.get("camera")),
        stream=name.rpartition("/")[2],
        carrier=text(raw.get("carrier")),
        relay=text(raw.get("relay")),
        verdict=verdict if verdict in _VERDICTS else Verdict.UNKNOWN,
        cause=text(raw.get("cause")),
        layer=text(raw.get("layer")),
        object=text(raw.get("object")),
        detail=text(raw.get("detail")),
        passed=tuple(level for level in listed(raw.get("passed")) if isinstance(level, int)),
        checked_at=moment(raw.get("checked_at")),
        since=moment(failing.get("since")),
        looks=whole(failing.get("looks")),
        proved_level=whole(proof.get("level")),
        proved_at=moment(proof.get("at")),
        until=moment(window.get("until")),
        reason=text(window.get("reason")),
        would_be=text(window.get("would_be")),
        suspicions=tuple(
            DoubtedPicture(text(one.get("word")), moment(one.get("since")), text(one.get("detail")))
            for one in records(raw.get("to_look_at"))
        ),
    )


# --- values of a document that somebody may have changed ------------------------------------------


def text(value: object) -> str:
    """A text; empty for what is none."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int:
    """A whole number; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def part(value: object) -> Document:
    """A part of a document; empty for what is none."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[object]:
    """A list; empty for what is none."""
    return value if isinstance(value, list) else ()


def records(value: object) -> Iterator[Document]:
    """The parts of a list."""
    return (one for one in listed(value) if isinstance(one, dict))


def moment(value: object) -> datetime | None:
    """A moment with its zone; None for what is none."""
    try:
        read = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return read if read.tzinfo else None
