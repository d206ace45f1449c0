"""A carrier's scorecard: what it was to connect, what it did in time, how it is now, and what is broken. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from provisioner.availability.measured import Span
from provisioner.availability.shares import ShareRow
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model import Operating
from provisioner.lifecycle.evidence import Verification
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.progress import Group, progress


@dataclass(frozen=True, slots=True)
class BrokenThing:
    """One incident of a recorded verification.

    Attributes:
        cause: why, in the words of verdicts.
        paths: the media paths that hang on it; none where a host itself is at fault.
        object: what is broken; a host's id where a host is.
    """

    cause: str
    paths: tuple[str, ...]
    object: str


@dataclass(frozen=True, slots=True)
class CarrierIncidents:
    """The incidents of the last verification, by carrier and cause.

    One that takes away paths of two carriers, such as a centre that is not reached, counts for both.

    Attributes:
        run: the verification.
        at: when it ended.
        limit: what it was limited to; empty where it looked at all.
        counts: by carrier, how many incidents there are of each cause.
    """

    run: str
    at: datetime
    limit: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes that there are, in order."""
        return tuple(sorted({cause for counts in self.counts.values() for cause in counts}))


@dataclass(frozen=True, slots=True)
class CarrierShares:
    """For what share of a time pictures came, by carrier, as `availability` counts it.

    Attributes:
        span: of which time.
        longest: how long a look stands for at most.
        by_carrier: by a carrier's id; none of whom no verdict of that time is kept.
        total: all of them together; None where no verdict of that time is kept at all.
        damaged: records that could not be read.
    """

    span: Span
    longest: timedelta
    by_carrier: Mapping[str, ShareRow]
    total: ShareRow | None
    damaged: tuple[str, ...] = ()


def counts_by_carrier(
    incidents: Iterable[BrokenThing], carrier_of_path: Mapping[str, str], carrier_of_host: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """Count incidents by carrier and cause.

    Args:
        incidents: what is broken.
        carrier_of_path: by a media path's name, its carrier.
        carrier_of_host: by a relay's id, its carrier; a centre is no carrier's.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for incident in incidents:
        carriers = {carrier_of_path[path] for path in incident.paths if path in carrier_of_path}
        if not incident.paths and incident.object in carrier_of_host:
            carriers = {carrier_of_host[incident.object]}
        for carrier in carriers:
            counts[carrier][incident.cause] += 1
    return {carrier: dict(sorted(of.items())) for carrier, of in sorted(counts.items())}


def incidents_of_document(
    document: Mapping[str, object], verified: Verification, carrier_of_host: Mapping[str, str]
) -> CarrierIncidents:
    """The incidents in a `verify` document, by carrier and cause.

    Args:
        document: what the verification left.
        verified: the verification.
        carrier_of_host: by a relay's id, its carrier.

    Raises:
        ValueError: it is no such document.
    """
    try:
        paths = {_text(one["path"]): _text(one["carrier"]) for one in _objects(document["paths"])}
        broken = [_broken(one) for one in _objects(document["incidents"])]
    except (KeyError, TypeError) as error:
        raise ValueError("it is no document of a verification") from error
    counts = counts_by_carrier(broken, paths, carrier_of_host)
    return CarrierIncidents(verified.shown.run, verified.shown.at, verified.limit, counts)


def _broken(incident: Mapping[str, object]) -> BrokenThing:
    paths = incident["paths"]
    if not isinstance(paths, list):
        raise TypeError("an incident lists its paths")
    return BrokenThing(_text(incident["cause"]), tuple(map(_text, paths)), _text(incident["object"]))


def _objects(listed: object) -> Iterator[Mapping[str, object]]:
    if not isinstance(listed, list):
        raise TypeError("a document lists these")
    for one in listed:
        if not isinstance(one, dict):
            raise TypeError("each of them is an object")
        yield one


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("this is a text")
    return value


@dataclass(frozen=True)
class CarrierScore:
    """One carrier's counts; `carrier` is empty for facilities without a plan.

    Attributes:
        group: its counts as the report on progress has them.
        timeliness: how many of its facilities stand so against their deadlines.
        taking_over: facilities of other carriers whose next carrier it is to be.
        incidents: by cause, of the last verification; None where none is known.
        share: for what share of a time its pictures came; None where nobody looked.
    """

    carrier: str
    name: str
    group: Group
    timeliness: Mapping[Timeliness, int]
    taking_over: int
    incidents: Mapping[str, int] | None
    share: ShareRow | None = None


@dataclass(frozen=True)
class Scorecard:
    """The scores of all carriers, the verification that the incidents are of, and the time that the shares are of."""

    scores: tuple[CarrierScore, ...]
    total: CarrierScore
    incidents: CarrierIncidents | None
    shares: CarrierShares | None = None


def scorecard(
    statuses: Sequence[FacilityStatus],
    names: Mapping[str, str],
    incidents: CarrierIncidents | None,
    shares: CarrierShares | None = None,
) -> Scorecard:
    """Count by carrier.

    Args:
        statuses: the facilities' status.
        names: by its id, a carrier's name.
        incidents: what the last verification found broken.
        shares: for what share of a time pictures came; None where that is said of no carrier.
    """
    listed = [status for status in statuses if status.facility.operating is not Operating.CLOSED]
    report = progress(listed, lambda status: status.facility.province)
    by_carrier: dict[str, list[FacilityStatus]] = defaultdict(list)
    for status in listed:
        by_carrier[status.carrier].append(status)
    next_carriers = Counter(
        status.facility.successor.carrier
        for status in listed
        if status.facility.successor and status.facility.successor.carrier != status.carrier
    )
    groups = {group.key: group for group in report.by_carrier}
    of_carriers = {one: row for one, row in shares.by_carrier.items() if one} if shares else {}
    # A carrier that carries nothing now, and takes something over, has something broken or did carry, is a row, too.
    silent = (set(next_carriers) | set(incidents.counts if incidents else ()) | set(of_carriers)) - set(groups)
    groups |= {carrier: progress((), lambda _: "").total for carrier in silent}

    def score(carrier: str, group: Group, of: Sequence[FacilityStatus]) -> CarrierScore:
        timeliness = Counter(status.timeliness for status in of)
        return CarrierScore(
            carrier=carrier,
            name=names.get(carrier, carrier),
            group=group,
            timeliness={one: timeliness[one] for one in Timeliness},
            taking_over=next_carriers[carrier],
            incidents=dict(incidents.counts.get(carrier, {})) if incidents else None,
            share=of_carriers.get(carrier),
        )

    scores = tuple(score(carrier, groups[carrier], by_carrier[carrier]) for carrier in sorted(groups))
    summed = Counter[str]()
    for one in scores:
        summed.update(one.incidents or {})
    timeliness = Counter(status.timeliness for status in listed)
    total = CarrierScore(
        carrier="",
        name="",
        group=report.total,
        timeliness={one: timeliness[one] for one in Timeliness},
        taking_over=next_carriers.total(),
        incidents=dict(sorted(summed.items())) if incidents else None,
        share=shares.total if shares else None,
    )
    return Scorecard(scores, total, incidents, shares)
