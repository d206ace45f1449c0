"""A controller's publications: numbers, predecessors, and what each way lacks.

The memory stands in the record, beside the notices, as one row that is replaced whole. The new bundle is in it before
any way gets the bundle. So a crash leads to a repetition of the same bytes, never to two reports with one number. One
process of an inventory publishes at a time, on whatever machine.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ValidationError

from provisioner.base.errors import NoticeError, StateError, UsageError
from provisioner.base.files import read_regular
from provisioner.base.signing import private_key_in
from provisioner.base.text import canonical_json
from provisioner.ministry import bundle, content
from provisioner.ministry.transports import PublishSettings, ReportTransport
from provisioner.operations.questions.availability import AvailabilityRequest, availability_of
from provisioner.operations.questions.overview import Overview, overview
from provisioner.record.availability.measured import GroupedBy
from provisioner.record.leases import run_lease, this_process
from provisioner.record.lifecycle.status import statuses
from provisioner.record.sent import keep_notice, read_notices
from provisioner.record.state_folder import StateFolder
from provisioner.verify.work import NO_WORK
from provisioner.web.source import RecordedSource

_RECEIVER: Final = "ministry/report"  #: No receiver has this id, which is no slug.
_LEASE: Final = "ministry-report"
_MOST_KEY: Final = 16 * 1024
_MOST_UNSENT: Final = 32 * 2**20  #: Bytes of bundles that a way lacks; with more, the way is set up anew.


class _Memory(BaseModel):
    """The last report, and bundles that a way lacks."""

    sequence: int = 0
    hash: str = ""
    digests: dict[str, str] = {}
    bundles: dict[int, str] = {}  #: By number, in base64.
    sent: dict[str, int] = {}  #: The number of the last bundle by way.


@dataclass(frozen=True, slots=True)
class TransportResult:
    """What became of a publication on one way."""

    way: str
    sent: int  #: The number of bundles sent now.
    message: str = ""  #: Why it is not complete, or empty.
    hint: str = ""


@dataclass(frozen=True)
class Publication:
    """A report, and what became of it."""

    report: bundle.ControllerReport
    size: int  #: Bytes of the bundle.
    ways: tuple[TransportResult, ...]


def publish(
    root: Path,
    environment: Mapping[str, str],
    settings: PublishSettings,
    now: datetime,
    *,
    changes: bool = False,
    after: int | None = None,
) -> Publication:
    """Make the next report and send what each way lacks.

    `changes` leaves out unchanged facilities, if there is a predecessor. `after` begins a new chain behind that number.
    Raises `StateError`, `LockedError` or `UsageError`; a way that fails is a result.
    """
    key = _signing_key(settings.key)
    whole = overview(root, environment, now)
    with run_lease(whole.place, _LEASE, this_process(environment, now)):
        memory = _Memory(sequence=after) if after is not None else _read_memory(whole.place)
        state = _state(whole, environment, now)
        rows = content.rows_of(state)
        plain = bundle.ROWS.dump_python(rows, mode="json")
        digests = {row["id"]: bundle.row_digest(row) for row in plain}
        is_whole = not (changes and memory.hash)
        report = content.report_of(
            state,
            rows if is_whole else [row for row in rows if memory.digests.get(row.id) != digests[row.id]],
            position=(memory.sequence + 1, memory.hash or None),
            kind=bundle.ReportKind.WHOLE if is_whole else bundle.ReportKind.CHANGES,
            removed=() if is_whole else memory.digests.keys() - digests.keys(),
            content=bundle.content_hash(digests),
        )
        canonical = canonical_json(report.plain)
        try:
            sealed = bundle.sealed(canonical, key)
        except bundle.BundleError as error:
            raise UsageError(f"the report cannot be sent: {error}", hint="split the inventory in two") from None
        bundles = memory.bundles | {report.sequence: base64.b64encode(sealed).decode()}
        memory = _Memory(
            sequence=report.sequence,
            hash=bundle.report_hash(canonical),
            digests=digests,
            bundles=bundles,
            sent=memory.sent,
        )
        _keep(whole.place, memory, now)
        results, memory = _send_all(settings.ways, memory)
        _keep(whole.place, memory, now)
    return Publication(report, len(sealed), results)


def _state(whole: Overview, environment: Mapping[str, str], now: datetime) -> content.ReportBasis:
    source = RecordedSource(lambda: whole, lambda: now, lambda _overview, _documents: NO_WORK, lambda _place, _run: {})
    span = content.span_before(now)
    request = AvailabilityRequest(span, now, GroupedBy.FACILITY, is_strict=False)
    return content.ReportBasis(
        inventory=whole.inventory,
        evidence=whole.evidence,
        statuses=statuses(whole.inventory, whole.evidence, now),
        board=source.joined(source.load(), None),
        shares={row.name: row.measured for row in availability_of(whole.root, environment, request).rows},
        span=span,
        unread=whole.unreadable,
        now=now,
    )


def _send_all(ways: Sequence[ReportTransport], memory: _Memory) -> tuple[tuple[TransportResult, ...], _Memory]:
    results, sent = [], {}
    for way in ways:
        result = _send(way, memory)
        results.append(result)
        lacking = [number for number in sorted(memory.bundles) if number > memory.sent.get(way.name, 0)]
        sent[way.name] = lacking[result.sent - 1] if result.sent else memory.sent.get(way.name, 0)
    unsent = {number: text for number, text in memory.bundles.items() if number > min(sent.values())}
    while sum(map(len, unsent.values())) > _MOST_UNSENT:
        del unsent[min(unsent)]
    return tuple(results), memory.model_copy(update={"bundles": unsent, "sent": sent})


def _send(way: ReportTransport, memory: _Memory) -> TransportResult:
    number = 0
    for sequence in sorted(memory.bundles):
        if sequence <= memory.sent.get(way.name, 0):
            continue
        try:
            way.send(base64.b64decode(memory.bundles[sequence], validate=True))
        except (NoticeError, binascii.Error) as error:
            message = error.message if isinstance(error, NoticeError) else f"report {sequence} is damaged in the record"
            return TransportResult(way.name, number, message, getattr(error, "hint", ""))
        number += 1
    return TransportResult(way.name, number)


def _read_memory(place: StateFolder) -> _Memory:
    stored = read_notices(place, [_RECEIVER])
    document = stored.documents.get(_RECEIVER)
    if document is None and not stored.unread:
        return _Memory()
    try:
        return _Memory.model_validate(document)
    except ValidationError:
        hint = "ask the view for the number of the last report; then: provisioner report publish FILE --after NUMBER"
        raise StateError(f"the memory of the last report is damaged in {place.text}", hint=hint) from None


def _keep(place: StateFolder, memory: _Memory, now: datetime) -> None:
    keep_notice(place, _RECEIVER, memory.model_dump(mode="json"), now)


def _signing_key(file: Path) -> Ed25519PrivateKey:
    hint = "make one: ssh-keygen -t ed25519 -N '' -f FILE; its .pub line goes to the ministry"
    try:
        if file.stat().st_mode & 0o077:
            raise UsageError(f"{file} may be read by others", hint=f"take that away: chmod 600 {file}")
        key = private_key_in(read_regular(file, most=_MOST_KEY))
    except OSError as error:
        raise UsageError(f"the key {file} cannot be read: {error.strerror}", hint=hint) from None
    if key is None:
        raise UsageError(f"{file} is no Ed25519 key without a passphrase", hint=hint)
    return key
