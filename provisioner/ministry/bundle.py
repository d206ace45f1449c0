"""The signed report of a controller: type, bytes, bounds, differences. Pure.

A bundle is `PVR1`, the name of the signing key (8 bytes), an Ed25519 signature (64 bytes) and the deflated canonical
JSON (RFC 1950) of a `ControllerReport`: sorted keys, no spaces, UTF-8. The signature covers a label, the key's name and
the deflated bytes. So nothing is inflated or parsed before the signature fits.

A report's hash is SHA-256 over its canonical JSON, however it is packed. Each report names its predecessor's hash. A
report of kind `changes` has only the rows that differ; `content` covers all rows afterwards, as names and digests.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final, Self

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from provisioner.base.document import Day, Printed, Row, UtcMoment
from provisioner.base.signing import is_signed_by
from provisioner.base.text import canonical_json, printable
from provisioner.inventory.model.base import Slug
from provisioner.inventory.model.facility import BlockOwner, BlockReason, FacilityKind, Operating, SurveyVerdict
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.record.lifecycle.state import FacilityState, Since
from provisioner.report.facilities import since_text
from provisioner.verify.document import SaidCause, SaidLayer
from provisioner.web.board import WORST_FIRST

_MAGIC: Final = b"PVR1"
_LABEL: Final = b"provisioner:controller-report:1\0"
_NAME, _SIGNATURE = 8, 64
_HEAD: Final = len(_MAGIC) + _NAME + _SIGNATURE
MOST_PACKED: Final = 16 * 2**20  #: Bytes of a bundle; 100,000 cameras take less than one eighth.
MOST_BYTES: Final = 128 * 2**20  #: Bytes of its JSON.
MOST_FACILITIES: Final = 100_000  #: Rows of a report.
SUFFIX: Final = ".report"
_MOST_KINDS: Final = 128  #: Kinds of paths of a facility, by verdict, cause and layer.
_MOST_OTHERS: Final = 1_000  #: Carriers and orders.
_DIGEST_LENGTH: Final = 32
_SHOWN: Final = 120

Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Number = Annotated[int, Field(ge=0, le=2**40)]
_Time = Annotated[UtcMoment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
_Day = Annotated[Day, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
_Text = Annotated[str, Field(max_length=300), AfterValidator(printable)]
_Verdict = Annotated[
    str,
    BeforeValidator(lambda word: word if word in WORST_FIRST or not isinstance(word, str) else "unknown"),
    WithJsonSchema({"enum": [*WORST_FIRST]}),
]


_SINCE: Final = TypeAdapter(Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | _Day)


def _since(value: object) -> Since:
    """Parse a day or a time with zone, or raise `ValueError`."""
    if isinstance(value, str):
        is_day = len(value) == len("2021-05-09")
        value = date.fromisoformat(value) if is_day else datetime.fromisoformat(value)
    return None if value is None else _SINCE.validate_python(value, strict=True)


_Since = Annotated[
    Since,
    PlainValidator(_since),
    PlainSerializer(since_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]


class ReportKind(StrEnum):
    """The extent of a report."""

    WHOLE = "whole"  #: All facilities.
    CHANGES = "changes"  #: Facilities that differ from the predecessor's.


@dataclass(frozen=True, slots=True)
class PathCount:
    """A facility's paths with one verdict, cause and layer."""

    verdict: _Verdict
    paths: _Number
    cause: SaidCause  #: Empty for paths that are up.
    layer: SaidLayer | None
    since: _Time | None  #: The earliest start of the verdict, if known.


@dataclass(frozen=True, slots=True)
class CameraCount:
    """A facility's cameras by the last verification that checked it."""

    up: _Number
    down: _Number  #: Checked, and not up.
    at: _Time  #: The time of that verification.


@dataclass(frozen=True, slots=True)
class DutyRow:
    """The order with the earliest deadline."""

    order: _Text
    before: _Day  #: The first day after the deadline.


@dataclass(frozen=True, slots=True)
class BlockedRow:
    """An obstacle, without the file's words on it."""

    reason: BlockReason
    owner: BlockOwner
    since: _Day
    due: _Day


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A reported connection that no run has proved."""

    connected_on: _Day
    cameras: _Number | None


@dataclass(frozen=True, slots=True)
class SurveyRow:
    """A survey's result."""

    verdict: SurveyVerdict
    present: _Number
    fit: _Number
    missing: _Number


@dataclass(frozen=True, slots=True)
class TimesRow:
    """Seconds of all paths by state, in the report's span."""

    up: _Number
    degraded: _Number
    down: _Number
    maintenance: _Number
    unmeasured: _Number
    outages: _Number  #: The number of times that a path went down.


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFacility:
    """A facility, as the ministry's role may see it."""

    id: Slug
    name: _Text
    province: Slug  #: The slug in its file.
    scheme: ProvinceScheme  #: The list of that slug.
    kind: FacilityKind
    managing_body: ManagingBody
    operating: Operating
    opens_on: _Day | None
    carrier: Slug | None  #: The plan's carrier.
    carriers: Annotated[tuple[Slug, ...], Field(max_length=8)]  #: Those of its plans and its paths.
    state: FacilityState
    since: _Since  #: The start of the state.
    #: The evidence: the reached steps, each with its day from a file or the time at which a run proved it.
    steps: dict[FacilityState, _Since]
    connected_at: _Time | None  #: The first proof of any content.
    signed: _Number  #: Parties that signed the plan with a key.
    claimed: _Number  #: Parties that agreed by the statement of the file's author.
    duty: DutyRow | None
    blocked: BlockedRow | None
    claim: ClaimRow | None
    survey: SurveyRow | None
    cameras: _Number  #: The number in its file.
    recorders: _Number
    carried: bool  #: Whether hosts carry it.
    seen: CameraCount | None  #: Null if no verification checked it within a day.
    last_proved: _Time | None
    down_since: _Time | None
    paths: Annotated[tuple[PathCount, ...], Field(max_length=_MOST_KINDS)]
    checked_at: _Time | None  #: The oldest check of a path that is up.
    times: TimesRow | None  #: Null without a stored verdict of the span.


class CarrierRow(Row):
    """A carrier of the inventory."""

    id: Slug
    name: _Text


class OrderRow(Row):
    """An order with deadlines."""

    ref: _Text
    issuer: _Text
    issued_on: _Day
    before: _Day


class ControllerReport(Printed, name="controller-report", title="A controller's report to the ministry"):
    """The JSON of a signed report of `provisioner report publish`."""

    inventory: Slug
    software: _Text
    scheme: ProvinceScheme  #: The inventory's list of provinces.
    carriers: Annotated[tuple[CarrierRow, ...], Field(max_length=_MOST_OTHERS)]
    orders: Annotated[tuple[OrderRow, ...], Field(max_length=_MOST_OTHERS)]
    sequence: Annotated[int, Field(ge=1, le=2**40)]
    previous: Hash | None  #: The predecessor's hash; null for a beginning.
    kind: ReportKind
    at: _Time  #: The controller's time at the making.
    verified_at: _Time | None  #: The end of its newest verification.
    span_begin: _Time  #: The span of the availability.
    span_until: _Time
    runs: _Number  #: The number of recorded runs.
    unread: Annotated[tuple[Slug, ...], Field(max_length=MOST_FACILITIES)]  #: Facilities with unreadable files.
    facilities: Annotated[tuple[ReportedFacility, ...], Field(max_length=MOST_FACILITIES)]  #: Sorted by id.
    removed: Annotated[tuple[Slug, ...], Field(max_length=MOST_FACILITIES)]  #: Ids of the predecessor's, sorted.
    content: Hash  #: A hash over all facilities after this report.

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        names = [facility.id for facility in self.facilities]
        if not _is_rising(names) or not _is_rising(self.removed):
            raise ValueError("a facility stands twice, or is out of order")
        if self.kind is ReportKind.WHOLE and self.removed:
            raise ValueError("only reports of changes have removals")
        if self.kind is ReportKind.CHANGES and self.previous is None:
            raise ValueError("changes are of a predecessor")
        return self


class BundleError(ValueError):
    """A damaged, forged or too large bundle; the text says why."""


class UnknownKeyError(BundleError):
    """A bundle signed with another key than the known ones."""


@dataclass(frozen=True, slots=True)
class Link:
    """A report's place in its controller's chain."""

    inventory: str
    sequence: int
    hash: str
    previous: str | None
    kind: ReportKind
    at: datetime
    key: str  #: The name of its key.


@dataclass(frozen=True, slots=True)
class OpenedReport:
    """A report whose signature fits, with its hashes."""

    report: ControllerReport
    hash: str
    key: str  #: The name of its key.
    digests: Mapping[str, str] = field(repr=False)  #: The digest of each row, by id, as signed.
    size: int  #: Bytes of its JSON.

    @property
    def link(self) -> Link:
        """Its place in the chain."""
        one = self.report
        return Link(one.inventory, one.sequence, self.hash, one.previous, one.kind, one.at, self.key)


def key_name(key: Ed25519PublicKey) -> str:
    """Return a key's name: the start of its hash in hexadecimal."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[: 2 * _NAME]


def row_digest(row: object) -> str:
    """Return the digest of a row in plain values."""
    return hashlib.sha256(canonical_json(row)).hexdigest()[:_DIGEST_LENGTH]


def content_hash(digests: Mapping[str, str]) -> str:
    """Return the hash over all rows."""
    return hashlib.sha256(canonical_json(dict(digests))).hexdigest()


def bundle_name(bundle: bytes) -> str:
    """Return a file name by key and bytes, or raise `BundleError`."""
    return f"{key_of(bundle)}-{hashlib.sha256(bundle).hexdigest()[:_DIGEST_LENGTH]}{SUFFIX}"


def report_hash(canonical: bytes) -> str:
    """Return a report's hash."""
    return hashlib.sha256(canonical).hexdigest()


def sealed(canonical: bytes, key: Ed25519PrivateKey) -> bytes:
    """Pack and sign a report's canonical JSON, or raise `BundleError`."""
    packed, name = zlib.compress(canonical, 9), bytes.fromhex(key_name(key.public_key()))
    if len(canonical) > MOST_BYTES or _HEAD + len(packed) > MOST_PACKED:
        raise BundleError(f"{len(packed)} bytes are more than a view takes")
    return _MAGIC + name + key.sign(_LABEL + name + packed) + packed


def opened(bundle: bytes, keys: Mapping[str, Ed25519PublicKey]) -> OpenedReport:
    """Open a bundle signed with one of `keys`, or raise `BundleError`."""
    return unpacked(verified(bundle, keys), key_of(bundle))


def unpacked(packed: bytes, key: str) -> OpenedReport:
    """Parse the packed JSON that a key signed, or raise `BundleError`."""
    canonical = _inflated(packed)
    try:
        plain = orjson.loads(canonical)
        if canonical_json(plain) != canonical:
            raise BundleError("it is not in canonical form")
        report = ControllerReport.model_validate_json(canonical, strict=True)
        rows = {row["id"]: row_digest(row) for row in plain["facilities"]}
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = printable(".".join(map(str, first["loc"])), _SHOWN)
        raise BundleError(f"it is no report: {where or 'report'}: {first['type']}") from None
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        raise BundleError("it is no report") from None
    if report.kind is ReportKind.WHOLE and content_hash(rows) != report.content:
        raise BundleError("its content does not fit its hash")
    return OpenedReport(report, report_hash(canonical), key, rows, len(canonical))


def verified(bundle: bytes, keys: Mapping[str, Ed25519PublicKey]) -> bytes:
    """Return a bundle's packed JSON if its signature fits, or raise `BundleError`."""
    name = key_of(bundle)
    if name not in keys:
        raise UnknownKeyError(f"its key {name} is not known here")
    signature, packed = bundle[_HEAD - _SIGNATURE : _HEAD], bundle[_HEAD:]
    if not is_signed_by(keys[name], signature, _LABEL + bytes.fromhex(name) + packed):
        raise BundleError("its signature does not fit: it is cut, altered or forged")
    return packed


def key_of(bundle: bytes) -> str:
    """Return the name of a bundle's key, unchecked; or raise `BundleError`."""
    if len(bundle) > MOST_PACKED:
        raise BundleError(f"it has more than {MOST_PACKED // 2**20} MiB")
    if not bundle.startswith(_MAGIC) or len(bundle) <= _HEAD:
        raise BundleError("it is no report of a controller")
    return bundle[len(_MAGIC) : len(_MAGIC) + _NAME].hex()


def _inflated(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        canonical = unpacker.decompress(packed, MOST_BYTES + 1)
    except zlib.error:
        raise BundleError("it cannot be unpacked") from None
    if len(canonical) > MOST_BYTES:
        raise BundleError(f"unpacked it has more than {MOST_BYTES // 2**20} MiB")
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise BundleError("it is cut, or more stands behind it")
    return canonical


def _is_rising(names: Iterable[str]) -> bool:
    return all(first < second for first, second in pairwise(names))


# --- differences ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Content:
    """All facilities of a controller after a report, by id."""

    rows: Mapping[str, ReportedFacility] = field(default_factory=dict, repr=False)
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)

    def after(self, later: OpenedReport) -> "Content":
        """Return the content after the next report, or raise `BundleError`."""
        report = later.report
        rows = {facility.id: facility for facility in report.facilities}
        if report.kind is ReportKind.WHOLE:
            return Content(rows, later.digests)
        if not self.rows.keys() >= set(report.removed) or not rows.keys().isdisjoint(report.removed):
            raise BundleError("it removes facilities that its predecessor does not have")
        gone = set(report.removed)
        digests = {name: digest for name, digest in self.digests.items() if name not in gone} | dict(later.digests)
        if len(digests) > MOST_FACILITIES or content_hash(digests) != report.content:
            raise BundleError("its changes do not fit its predecessor")
        return Content({name: row for name, row in self.rows.items() if name not in gone} | rows, digests)


#: Rows in plain values, and back.
ROWS: Final = TypeAdapter(list[ReportedFacility])
