"""Units of calls for a node, and their reports. Pure.

A unit has passed a seal and a signature. It is parsed strictly anyway, as the other end may have another version. A
host is sent with only the data that a call needs.
"""

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

from provisioner.base.errors import raised_as
from provisioner.base.text import Document, canonical_json, printable
from provisioner.hosts.call_target import TargetHost, owner_document, owner_in, target_document, target_in
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, ShellScript

SPEAKS: Final = 1  #: The format version of units and reports; both ends must agree.

LATEST_BEGIN_S: Final = 120.0  #: A node takes no unit that may begin later than that after it was sent.

_LENGTH: Final = struct.Struct(">I")
_MOST_CALLS: Final = 1000
_MOST_SECONDS: Final = 24 * 3600
_LONGEST_TEXT: Final = 2000
_MOST_KEPT: Final = 100
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class UnitError(ValueError):
    """A unit or a report is invalid."""


@dataclass(frozen=True, slots=True)
class CarriedCall(HostCall):
    """A call in transit; the node first stores its artefact."""

    spec: TargetHost
    #: The large file; `None` without one or if the node has it.
    content: bytes | None = field(repr=False, default=None)
    artefact_sha256: str = ""  #: Its checksum, or empty.
    request_bytes: int = 0  #: The size of its request as it came.

    def host_call(self, artefact: Path | None) -> HostCall:
        """Return the call with its written artefact, without the node's warrant."""
        values = {name.name: getattr(self, name.name) for name in fields(HostCall)}
        return HostCall(**values | {"artefact": artefact, "warrant": b""})


@dataclass(frozen=True, slots=True)
class CallUnit:
    """Calls of a controller carried together, at most one per host."""

    version: str
    timeout_s: float
    calls: tuple[CarriedCall, ...]


class UnitState(StrEnum):
    """Progress of a unit."""

    GOING = "going"  #: Begun.
    OVER = "over"  #: Every call has its answer.
    REFUSED = "refused"  #: No call was or will be made.
    LOST = "lost"  #: The node restarted after the start; only the hosts know the results.


@dataclass(frozen=True, slots=True)
class UnitReport:
    """A node's report on a unit."""

    state: UnitState
    answers: tuple[HostAnswer, ...] = ()  #: New answers.
    reason: str = ""  #: The reason of a refusal.
    version: str = ""  #: The node's.
    keeps: frozenset[str] = frozenset()  #: Checksums of the node's large files.
    lacks: frozenset[str] = frozenset()  #: Checksums that a refused unit needs: it may be sent again with all content.


class _Contents:
    """Contents sent beside the document, each once."""

    def __init__(self, keeps: frozenset[str]) -> None:
        self.parts: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._keeps = keeps
        self._artefacts: dict[Path, tuple[int | None, str]] = {}

    def add_artefact(self, path: Path | None) -> tuple[int | None, str]:
        """Return a file's number, if it must be sent, and checksum."""
        if path is None:
            return None, ""
        if path not in self._artefacts:
            content = path.read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            self._artefacts[path] = None if sha256 in self._keeps else self.add(content), sha256
        return self._artefacts[path]

    def add(self, content: bytes) -> int:
        if content not in self._numbers:
            self._numbers[content] = len(self.parts)
            self.parts.append(content)
        return self._numbers[content]


def pack_unit(version: str, calls: Sequence[HostCall], timeout_s: float, keeps: frozenset[str] = frozenset()) -> bytes:
    """Encode a unit without the large files in `keeps`, or raise `OSError`."""
    contents = _Contents(keeps)
    document: Document = {
        "speaks": SPEAKS,
        "version": version,
        "timeout_s": timeout_s,
        "calls": [_call_document(call, contents) for call in calls],
    }
    written = canonical_json(document | {"sizes": [len(part) for part in contents.parts]})
    return b"".join([_LENGTH.pack(len(written)), written, *contents.parts])


def _call_document(call: HostCall, contents: _Contents) -> Document:
    script = call.script
    artefact, sha256 = contents.add_artefact(call.artefact)
    return {
        "host": target_document(call.spec),
        "request": contents.add(canonical_json(call.request)),
        "files": {name: contents.add(content) for name, content in call.files.items()},
        "artefact": artefact,
        "artefact_sha256": sha256,
        "shares": call.shares,
        "unproved": call.unproved,
        "since": call.since,
        "warrant": contents.add(call.warrant) if call.warrant else None,
        "script": {"text": contents.add(script.text.encode()), "as_root": script.as_root} if script else None,
    }


def unit_in(payload: bytes) -> CallUnit:
    """Decode a unit, or raise `UnitError`."""
    document, parts = _read_payload(payload)
    if (speaks := document.get("speaks")) != SPEAKS:
        version = printable(str(document.get("version", "unknown")), 40)
        raise UnitError(
            f"it is of form {printable(str(speaks), 20)} (provisioner {version}), and this node has {SPEAKS}"
        )
    with raised_as(UnitError("it is not as units are"), KeyError, TypeError, ValueError, IndexError, AttributeError):
        calls = tuple(_call_in(row, parts) for row in document["calls"])
        unit = CallUnit(str(document["version"]), float(document["timeout_s"]), calls)
    hosts = {call.spec.id for call in unit.calls}
    if not 0 < len(calls) <= _MOST_CALLS or len(hosts) != len(calls) or not 0 < unit.timeout_s <= _MOST_SECONDS:
        raise UnitError("it is not as units are")
    return unit


def _read_payload(payload: bytes) -> tuple[Document, list[bytes]]:
    with raised_as(UnitError("it is not as units are"), struct.error, KeyError, TypeError, ValueError):
        (length,) = _LENGTH.unpack_from(payload)
        document = orjson.loads(payload[_LENGTH.size : _LENGTH.size + length])
        parts, at = [], _LENGTH.size + length
        for size in document["sizes"]:
            parts.append(payload[at : at + size])
            at += size
        is_whole = at == len(payload) and all(size >= 0 for size in document["sizes"])
    if not is_whole:
        raise UnitError("it is cut off")
    return document, parts


def _call_in(document: Document, parts: Sequence[bytes]) -> CarriedCall:
    request, script, number = orjson.loads(parts[document["request"]]), document["script"], document["artefact"]
    warrant = document.get("warrant")  # a controller of before brings none
    artefact = None if number is None else parts[number]
    sha256 = "" if artefact is None else hashlib.sha256(artefact).hexdigest()
    checksum = document.get("artefact_sha256", sha256)
    if (
        not isinstance(request, dict)
        or (artefact is not None and checksum != sha256)
        or not (not checksum or is_sha256(checksum))
    ):
        raise TypeError("a request is no object, or a file is not the one that is named")
    return CarriedCall(
        spec=target_in(document["host"]),
        request=request,
        files={str(name): parts[number] for name, number in document["files"].items()},
        content=artefact,
        artefact_sha256=checksum,
        request_bytes=len(parts[document["request"]]),
        shares=document["shares"] is True,
        unproved=document["unproved"] is True,
        since=str(document["since"]),
        script=None if script is None else ShellScript(parts[script["text"]].decode(), script["as_root"] is True),
        warrant=b"" if warrant is None else parts[warrant],
    )


def pack_report(report: UnitReport) -> bytes:
    """Encode a report."""
    return canonical_json(
        {
            "speaks": SPEAKS,
            "version": report.version,
            "state": report.state.value,
            "reason": report.reason,
            "keeps": sorted(report.keeps),
            "lacks": sorted(report.lacks),
            "answers": [_answer_document(answer) for answer in report.answers],
        }
    )


def _answer_document(answer: HostAnswer) -> Document:
    return {
        "host": answer.host,
        "outcome": answer.outcome.value,
        "document": dict(answer.document),
        "error": answer.error,
        "hint": answer.hint,
        "owner": owner_document(answer.owner),
        "foreign": answer.foreign,
        "bare": answer.bare,
    }


def report_in(payload: bytes) -> UnitReport:
    """Decode a report with printable errors, or raise `UnitError`."""
    with raised_as(UnitError("it is not as reports are"), KeyError, TypeError, ValueError, AttributeError):
        document = orjson.loads(payload)
        if document["speaks"] != SPEAKS:
            raise UnitError("it is of another form")
        return UnitReport(
            UnitState(document["state"]),
            tuple(_answer_in(row) for row in document["answers"]),
            printable(str(document["reason"]), _LONGEST_TEXT),
            printable(str(document["version"]), _LONGEST_TEXT),
            _sums(document.get("keeps", ())),  # a node of before says nothing of these
            _sums(document.get("lacks", ())),
        )


def _answer_in(document: Document) -> HostAnswer:
    if not isinstance(document["document"], dict):
        raise TypeError("an answer is no object")
    return HostAnswer(
        host=str(document["host"]),
        outcome=CallOutcome(document["outcome"]),
        document=document["document"],
        error=printable(str(document["error"]), _LONGEST_TEXT),
        hint=printable(str(document["hint"]), _LONGEST_TEXT),
        owner=owner_in(document["owner"]),
        foreign=document["foreign"] is True,
        bare=document["bare"] is True,
    )


def _sums(listed: Sequence[object]) -> frozenset[str]:
    return frozenset(str(checksum) for checksum in listed[:_MOST_KEPT] if is_sha256(checksum))


def is_sha256(text: object) -> bool:
    """Return whether a text is a SHA-256 in hexadecimal."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None
