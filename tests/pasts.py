"""Pasts: what runs recorded, drawn at random, and a plain reading of it that says what the evidence has to be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

from provisioner.record.availability.path_state import PathState, StoredVerdict, after
from provisioner.record.entries import Ending, FacilityCheck, Holding, Operation, Run
from provisioner.record.lifecycle.evidence import (
    ACCEPTANCE,
    Evidence,
    HostReport,
    LastCheck,
    Proof,
    ProvedAt,
    Verification,
)
from tests import histories as make

FACILITIES = ("kcl-1", "kcl-2")
HOSTS = ("relay-1", "relay-2")
CONTENTS = (make.content(1), make.content(2))


@dataclass(frozen=True)
class Past:
    """One run that was recorded: an ending of None is a run that was killed."""

    run: Run
    hosts: tuple[str, ...]
    ending: Ending | None


HOURS = (0, 1, 24, 25, 48)
#: Pulled, checked and proved paths: often all of them, so that facilities get on.
COUNTS = (*[(2, 2, 2)] * 5, (2, 2, 1), (2, 1, 1), (2, 2, 0), (2, 0, 0), (0, 0, 0))


@st.composite
def pasts(
    draw: st.DrawFn,
    contents: Sequence[str] = CONTENTS,
    facilities: Sequence[str] = FACILITIES,
    hosts: Sequence[str] = HOSTS,
) -> list[Past]:
    """Runs in the order in which they were recorded, which is not always the order of their times."""
    content = st.sampled_from(contents)
    held: st.SearchStrategy[dict[str, str]] = st.dictionaries(
        st.sampled_from(facilities), content | st.just("")
    ) | st.just({})
    as_signed = st.just((dict.fromkeys(facilities[:1], contents[0]), True))
    exactly, partly = st.tuples(held, st.just(True)), st.tuples(st.none() | held, st.just(False))  # noqa: FBT003 (values)
    seen = st.none() | as_signed | exactly | partly
    one = st.tuples(
        st.sampled_from(HOURS),
        st.lists(
            st.none() | st.tuples(content, st.sampled_from(COUNTS)), min_size=len(facilities), max_size=len(facilities)
        ),
        st.lists(seen, min_size=len(hosts), max_size=len(hosts)),
        st.sampled_from([(), (), (), tuple(hosts[:1])]),
        st.sampled_from([(), (), ("province=bac-giang",)]),
    )
    return [
        _past(
            number,
            hour,
            dict(zip(facilities, checks, strict=True)),
            dict(zip(hosts, holdings, strict=True)),
            killed,
            limit=limit,
        )
        for number, (hour, checks, holdings, killed, limit) in enumerate(
            draw(st.integers(0, 6).flatmap(lambda count: st.lists(one, min_size=count, max_size=count)))
        )
    ]


def _past(
    number: int,
    hour: int,
    checks: Mapping[str, tuple[str, tuple[int, int, int]] | None],
    holdings: Mapping[str, tuple[dict[str, str] | None, bool] | None],
    killed: tuple[str, ...],
    *,
    limit: tuple[str, ...],
) -> Past:
    """One run; `killed` are the hosts that it was about to change when it was killed."""
    operation = Operation.APPLY if killed or number % 2 else Operation.VERIFY
    # No two runs see a host at one moment.
    began = make.START + hour * make.HOUR + timedelta(seconds=number)
    run = make.run(hour, operation, id=f"run-{number}", started=began, limit=limit)
    if killed:
        return Past(run, killed, None)
    ending = make.ending(
        hour,
        holdings=tuple(
            make.holding(hour, host, one[0], exact=one[1], at=began) for host, one in holdings.items() if one
        ),
        checks=tuple(
            make.check(name, content=one[0], at=began, pulled=one[1][0], checked=one[1][1], proved=one[1][2])
            for name, one in checks.items()
            if one
        ),
    )
    return Past(run, (), ending)


def read(recorded: Sequence[Past]) -> Evidence:
    """Read all runs, one after the other, as the words of `Evidence` have it."""
    ended = [past for past in recorded if past.ending]
    checks = [(c, p.run.id) for p in ended if p.ending for c in p.ending.checks]
    proofs = {}
    for key in {(c.facility, c.content) for c, _ in checks}:
        moments = [ProvedAt(c.at, run) for c, run in checks if (c.facility, c.content) == key and _whole(c)]
        if moments:
            proofs[key] = _proof(moments)
    seen = sorted(_seen(ended), key=lambda one: one[0].at)
    words = {holding.host: HostReport(shown, holding.held, holding.exact) for shown, holding in seen}
    for past in recorded:
        for host in past.hosts if past.ending is None else ():
            if host not in words or words[host].observed.at <= past.run.started:
                words[host] = HostReport(ProvedAt(past.run.started, past.run.id), None, exact=False)
    carried: dict[tuple[str, str], dict[str, ProvedAt]] = {}
    holders: dict[str, frozenset[str]] = {}
    for shown, holding in seen:
        for facility, content in (holding.held or {}).items():
            if content:
                carried.setdefault((facility, content), {}).setdefault(holding.host, shown)
            holders[facility] = holders.get(facility, frozenset()) | {holding.host}
    connected: dict[str, ProvedAt] = {}
    for (facility, _), proof in sorted(proofs.items()):
        connected[facility] = min(proof.first, connected.get(facility, proof.first))
    last = {(c.facility, c.relay): (c, run) for c, run in sorted(checks, key=lambda one: one[0].at)}
    verifications = [_verification(past) for past in ended if past.run.operation is Operation.VERIFY]
    return Evidence(
        runs=len(recorded),
        carried=carried,
        holders=holders,
        words=words,
        without=_without(seen, words, holders),
        proofs=proofs,
        connected=connected,
        checks={c.facility: (_last_check(c, run),) for c, run in last.values()},
        declined=_declined([(c, run) for c, run in checks]),
        verified=_latest(verifications),
        looked_at_all=_latest([one for one in verifications if not one.limit]),
    )


def _verification(past: Past) -> Verification:
    assert past.ending
    return Verification(ProvedAt(past.ending.finished, past.run.id), past.run.started, past.run.limit)


def _latest(verifications: Sequence[Verification]) -> Verification | None:
    """The one that ended last; of two of one moment that which was recorded last."""
    ordered = sorted(verifications, key=lambda one: one.observed.at)
    return ordered[-1] if ordered else None


def _declined(checks: Sequence[tuple[FacilityCheck, str]]) -> dict[tuple[str, str], ProvedAt]:
    """Since when each content is down, by the same fold of checks that says it of a path."""
    states: dict[tuple[str, str], PathState] = {}
    runs: dict[tuple[tuple[str, str], datetime], str] = {}
    for check, run in sorted(checks, key=lambda one: one[0].at):
        key = check.facility, check.content
        kept = StoredVerdict("up" if _whole(check) else "down" if check.proved < check.checked else "unknown")
        states[key] = after(states.get(key), kept, check.at)
        runs.setdefault((key, check.at), run)
    return {key: ProvedAt(one.since, runs[key, one.since]) for key, one in states.items() if one.verdict == "down"}


def _last_check(check: FacilityCheck, run: str) -> LastCheck:
    return LastCheck(**asdict(check), run=run)


def _whole(check: FacilityCheck) -> bool:
    return 0 < check.pulled == check.proved


def _proof(moments: list[ProvedAt]) -> Proof:
    first, last = _earliest(moments), _earliest([m for m in moments if m.at == max(n.at for n in moments)])
    later = [m for m in moments if m.at >= first.at + ACCEPTANCE]
    return Proof(first, _earliest(later) if later else None, last)


def _earliest(moments: list[ProvedAt]) -> ProvedAt:
    """The earliest moment; of two the one that was recorded first."""
    return min(moments, key=lambda shown: shown.at)


def _seen(ended: list[Past]) -> Iterator[tuple[ProvedAt, Holding]]:
    for past in ended:
        for holding in past.ending.holdings if past.ending else ():
            yield ProvedAt(holding.at, past.run.id), holding


def _without(
    seen: list[tuple[ProvedAt, Holding]], words: dict[str, HostReport], holders: dict[str, frozenset[str]]
) -> dict[tuple[str, str], ProvedAt]:
    found = {}
    for facility, hosts in holders.items():
        for host in hosts:
            if words[host].may_hold(facility):
                continue
            sights = [(shown, h) for shown, h in seen if h.host == host]
            last_held = max(shown.at for shown, h in sights if h.held and facility in h.held)
            later = [shown for shown, h in sights if h.exact and shown.at > last_held]
            found[facility, host] = later[0]
    return found
