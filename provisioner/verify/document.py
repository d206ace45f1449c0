"""The JSON document of a verification: model, maker and reader (docs/reference/json.md). Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic import WithJsonSchema as Schema

from provisioner.base.document import Count, HeldRow, Positive, Printed, Row, Seconds, UtcMoment, absent, form
from provisioner.base.errors import UnreadableError
from provisioner.base.text import Document, LongList, printable
from provisioner.hosts.facts import Condition, engine_name
from provisioner.plan.change import Action, Resource
from provisioner.verify import result as results
from provisioner.verify.incidents import in_a_row
from provisioner.verify.judge import HIGHEST, LEVELS

_SHOWN: Final = 200


Number = Annotated[int | float, Schema({"type": "number"})]
Level = Annotated[int, form(minimum=0, maximum=7)]
Proved = Annotated[int, form(minimum=1, maximum=7)]
Name = Annotated[str, AfterValidator(printable)]
SaidCause = Annotated[
    results.Cause, results.choice_or_default(results.Cause, results.Cause.UNKNOWN), Schema({"type": "string"})
]
SaidLayer = Annotated[results.Layer, results.choice_or_default(results.Layer, results.Layer.STREAM)]


_GIVEN: Final = set[str]()


@cache
def _null_fields(model: type[Row]) -> Mapping[str, None]:
    fields = model.model_fields.items()
    return dict.fromkeys(
        name for name, field in fields if field.is_required() and NoneType in get_args(field.annotation)
    )


class _Older(Row):
    """Base of rows of older versions: a missing nullable key is null."""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, value: object) -> object:
        return {**_null_fields(cls), **value} if isinstance(value, dict) else value

    def model_post_init(self, _context: object, /) -> None:
        """Share the set of given fields, 2 KiB for each path."""
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN)


class ProofRow(Row):
    """The last proof."""

    level: Proved
    at: UtcMoment
    age_s: Count


_SUSPECTS: Final = results.one_of(
    "covered", "blurred", "frozen", "moved", "swapped", "partly covered", "partly veiled", "colour cast"
)


class PictureRow(Row):
    """Results of a picture check."""

    state: Annotated[str, results.one_of("good", "faulty", "dark: cannot judge", "not measured", "not due")]
    look: Literal["quick", "full"] | None
    seconds: Number
    fps: Number | None
    kbps: int | None
    suspects: tuple[Annotated[str, _SUSPECTS], ...]
    labels: tuple[str, ...]
    undecided: str = ""  #: The reason that the view was not compared, or that no statement about it is possible.


class ReferenceRow(Row):
    """References of a picture."""

    count: Positive
    newest: UtcMoment
    age_s: Count
    lights: tuple[Literal["day", "night", "between"], ...]
    move_detectable: bool


class PathRow(_Older):
    """A path of a relay."""

    path: Name
    carrier: str = ""
    province: str
    facility: str
    camera: str = ""
    relay: Name
    verdict: results.SaidVerdict
    level: Level = 0  #: The highest level that the path passed together with all lower levels; 0 if it passed no level.
    cause: SaidCause = results.Cause.NONE  #: Empty if the path is up.
    checked_at: UtcMoment | None
    passed: tuple[Level, ...] = ()
    layer: Annotated[SaidLayer, Schema({"type": "string"})] | None
    object: str = ""
    detail: str = ""
    #: The present failure. An unconfirmed one occurred once, which is not enough for down.
    failing: results.LastingFailure | None
    #: For a path that is not up: the highest level ever proved, and the time of its last proof.
    last_proof: ProofRow | None
    maintenance: results.InMaintenance | None  #: The path's maintenance window, and its verdict without the window.
    picture: PictureRow | None
    #: Suspected faults for a person to check, seen in several checks over time. They change no verdict.
    to_look_at: tuple[results.ToLookAt, ...] = ()
    reference: ReferenceRow | None  #: The accepted references of its picture; null without one.
    #: Settings under change, of which the old and the new value are accepted; absent without one.
    accept: Annotated[tuple[results.AcceptedSetting, ...] | None, Field(json_schema_extra={"minItems": 1})] = absent()


class IncidentRow(_Older):
    """A fault with all its paths."""

    layer: SaidLayer
    object: str = ""
    cause: SaidCause
    paths: tuple[Name, ...]
    detail: str = ""
    #: The first stored verification of the present sequence with this fault; null if it is this one.
    since: UtcMoment | None
    #: The number of consecutive verifications with this fault, this one included.
    in_a_row: Annotated[int, form(minimum=2)] | None


class DriftRow(Row):
    """A change that would make a host as desired."""

    resource: Resource  #: The kind of the resource; `trust` is a trusted key, name or network.
    name: str
    action: Action


class HostFindingRow(Row):
    """A finding about a host."""

    cause: Condition
    detail: str


class HostSecondsRow(_Older):
    """The seconds of a host."""

    answer: Seconds | None
    visit: Seconds | None
    reads: Seconds | None
    centre_reads: Seconds | None
    samples: Seconds | None
    facts: Seconds | None
    ports: Seconds | None
    causes: Seconds | None


class HostRow(_Older):
    """A host."""

    host: Name
    outcome: str
    error: str = ""
    drift: tuple[DriftRow, ...] | None
    findings: tuple[HostFindingRow, ...] = ()  #: Faults of the host itself; they degrade no path.
    engine: str = ""  #: The relay program, as the host reported it; empty if unknown.
    system: str = ""  #: The operating system, e.g. `debian 12`; empty if unknown.
    readers: Count | None  #: The sessions that read a path from the host; null if unknown.
    #: Seconds until the host answered, of its visit, and of the visit's parts, which overlap. Null if unknown.
    seconds: HostSecondsRow = HostSecondsRow.model_validate({})


class DeviceFindingRow(Row):
    """A finding about a device."""

    cause: Annotated[SaidCause, results.one_of("profile differs", "device clock off", "device tells nothing")]
    detail: str


class DeviceRow(_Older):
    """A device with ONVIF, and its answers."""

    facility: str
    province: str = ""
    device: str  #: A recorder, or a camera with an address of its own.
    carrier: str
    relay: str = ""
    state: results.DeviceState = results.DeviceState.NOT_ASKED
    detail: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    #: The least number of seconds by which its clock is ahead (below 0: behind); null if unknown.
    clock_off_s: int | None
    shown_off_s: int | None  #: The same for the time in its picture, against Vietnam's time.
    findings: tuple[DeviceFindingRow, ...]  #: Faults of the device itself; they degrade no path.


class SummaryRow(Row):
    """Paths by verdict."""

    paths: Count = 0
    up: Count = 0
    degraded: Count = 0
    down: Count = 0
    unknown: Count = 0
    maintenance: Count = 0
    quarantined: Count = 0


class ScopeRow(_Older):
    """The requested extent of a run."""

    level: Proved = HIGHEST.number  #: The highest level of the run.
    sample: results.CameraSample | None  #: The sample of the chosen cameras; null if it is all of them.
    deadline_s: Number | None
    once: bool = False  #: Whether one failed check was enough for the verdict down.
    measured: Count = 0  #: The number of paths with a result of this run.
    not_reached: Count = 0  #: The number of other paths; their verdict is unknown.


class MemoryRow(Row):
    """Results of earlier runs."""

    used: bool = False
    reason: str = ""  #: Empty if they were used.


class SecondsRow(Row):
    """Seconds of a run's parts."""

    total: Seconds = 0
    until_asked: Seconds = 0
    until_answered: Seconds = 0


class VerifyDocument(_Older, Printed, name="verify", title="A verification"):
    """Output of `provisioner verify --output json`."""

    engine: str = ""  #: The relay program, as hosts reported it.
    started_at: UtcMoment
    finished_at: UtcMoment
    summary: SummaryRow = SummaryRow()
    scope: ScopeRow = ScopeRow.model_validate({})  #: The requested extent of this run.
    memory: MemoryRow = MemoryRow()  #: Whether results of earlier runs could be used.
    level_names: dict[str, str] = Field({}, json_schema_extra={"propertyNames": {"pattern": "^[0-9]$"}})
    paths: tuple[PathRow, ...]
    incidents: tuple[IncidentRow, ...]
    hosts: tuple[HostRow, ...] = ()
    #: Seconds of the run's parts: until hosts were asked, and until the last answer.
    seconds: SecondsRow = SecondsRow()
    held: tuple[HeldRow, ...] = ()  #: Frozen facilities: hosts keep their last state, and all other facilities go on.
    accepted: tuple[results.Accepted, ...] | None  #: With --accept: the result of each path; otherwise null.
    #: Answers of devices by ONVIF; absent if the inventory has no device with ONVIF.
    devices: tuple[DeviceRow, ...] | None = absent()


# --- read ------------------------------------------------------------------------------------------
def recorded_verification(document: object) -> VerifyDocument:
    """Parse a verification of any recorded version, or raise `UnreadableError`."""
    try:
        return VerifyDocument.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        position = ".".join(map(str, ("verify", *first["loc"])))
        raise UnreadableError(f"{printable(position, _SHOWN)}: {first['type']}") from None


def latest_rows(documents: Iterable[VerifyDocument]) -> dict[tuple[str, str], tuple[VerifyDocument, PathRow]]:
    """Return the last informative row of each path, with its document."""
    last: dict[tuple[str, str], tuple[VerifyDocument, PathRow]] = {}
    for document in documents:
        for row in document.paths:
            if row.cause is not results.Cause.NOT_ASKED or (row.path, row.relay) not in last:
                last[row.path, row.relay] = document, row
    return last


def finding_of(row: PathRow | IncidentRow) -> results.Finding:
    """Return the finding of a row, which prints its parts."""
    return results.Finding(row.cause, row.layer, row.object, row.detail)


# --- made ------------------------------------------------------------------------------------------
def verify_document(result: results.VerifyResult) -> VerifyDocument:
    """Return the document of a verification."""
    return _without_paths(result).model_copy(update={"paths": tuple(_path(p, result) for p in result.paths)})


def verify_in_parts(result: results.VerifyResult) -> Document:
    """Return the document in plain values, made path by path."""
    return _without_paths(result).plain | {"paths": LongList(lambda: (_path(p, result).plain for p in result.paths))}


def _without_paths(result: results.VerifyResult) -> VerifyDocument:
    scope, measured = result.scope, sum(path.is_measured for path in result.paths)
    return VerifyDocument.made_of(
        result,
        summary=results.summary_of(path.verdict for path in result.paths),
        scope=ScopeRow.made_of(
            scope, level=scope.level or HIGHEST.number, measured=measured, not_reached=len(result.paths) - measured
        ),
        memory=MemoryRow(used=not result.forgot, reason=result.forgot),
        level_names={str(level.number): level.name for level in LEVELS},
        paths=(),
        incidents=[_incident(row, result) for row in result.incidents],
        hosts=[_host_row(row, result) for row in result.hosts],
        seconds=SecondsRow(
            total=round(result.waits.total_s, 2),
            until_asked=round(result.waits.before_s, 2),
            until_answered=round(result.waits.asked_s, 2),
        ),
        devices=result.devices or None,
    )


def _path(path: results.PathVerdict, result: results.VerifyResult) -> PathRow:
    now, proof, report = result.finished_at, path.last_proof, result.references.get(path.path)
    return PathRow.made_of(
        path,
        failing=path.standing,
        last_proof=proof and ProofRow.made_of(proof, age_s=_age(proof.at, now)),
        reference=report
        and ReferenceRow.made_of(report, age_s=_age(report.newest, now), move_detectable=report.move_shows),
        accept=path.settings or None,
    )


def _age(moment: datetime, now: datetime) -> int:
    return max(0, round((now - moment).total_seconds()))


def _incident(incident: results.Incident, result: results.VerifyResult) -> IncidentRow:
    row = in_a_row(result, incident)
    detail = "; ".join(incident.details)
    return IncidentRow.made_of(incident, detail=detail, since=row and row.since, in_a_row=row and row.looks)


def _host_row(report: results.HostReport, result: results.VerifyResult) -> HostRow:
    wait = result.waits.hosts.get(report.host)
    parts = {part.replace(" ", "_"): wait and wait.parts.get(part) for part in results.PARTS}
    answer = None if wait is None or wait.answered_s is None else round(wait.answered_s, 2)
    facts, seconds = report.facts, {"answer": answer, "visit": wait and wait.visit_s, **parts}
    readers = sum(facts.viewers.values()) if facts and facts.counted else None
    return HostRow.made_of(
        report,
        engine=engine_name([facts.version]) if facts and facts.version else "",
        system=facts.system if facts else "",
        readers=readers,
        seconds=seconds,
    )
