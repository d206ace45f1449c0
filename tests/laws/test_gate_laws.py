"""Laws of the path gate: what a camera does by itself ends no change, what a change cuts for good ends it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.answers import wire
from provisioner.operations.rollout.affected import chance_of, expected_sites
from provisioner.operations.rollout.affected_paths import Served, Touched
from provisioner.operations.rollout.answers import GateResult, Watch
from provisioner.operations.rollout.gate import GateRules, GateVerdict, decide
from tests.bench.gate import Camera, Cut, Outage, Trouble, World, decision_of, relay_of, world_around
from tests.simulated import NO_SESSIONS, NO_STREAM, stream

RULES = GateRules()
V = TypeVar("V")
sizes = st.integers(1, 60)
by_itself = st.sampled_from([Trouble.RESET, Trouble.SILENCE])
for_good = st.sampled_from(list(Cut))


def relay(count: int) -> tuple[list[Camera], Served]:
    """The cameras of a relay on which nothing happens."""
    paths, served = relay_of(count, 1)
    sites = sorted(served.peers)
    return [Camera(path, sites.index(path.facility)) for path in paths], served


@given(count=sizes, chosen=st.integers(0), begin=st.floats(-30, 60), seconds=st.floats(0.5, 25), kind=by_itself)
def test_one_path_that_reconnects_never_returns_a_change(
    count: int, chosen: int, begin: float, seconds: float, kind: Trouble
) -> None:
    cameras, served = relay(count)
    cameras[chosen % count].outages = [Outage(begin, begin + seconds, kind)]
    decision = decision_of(world_around(World(cameras, {}, Touched(served=served))))
    assert decision.verdict is GateVerdict.PASS, decision.cause


@given(count=st.integers(2, 60), cut=for_good, chosen=st.integers(0), others=st.integers(0, 3), bars=st.booleans())
def test_what_is_cut_for_good_always_returns(count: int, cut: Cut, chosen: int, others: int, *, bars: bool) -> None:
    cameras, served = relay(count)
    first = cameras[chosen % count]
    site = [c for c in cameras if c.site == first.site]
    victims = {Cut.PEER: site, Cut.ADDRESSES: site, Cut.UNTRIED_SITE: site, Cut.ROUTE: cameras}.get(cut, [first])
    if cut is Cut.UNTRIED_SOME:
        victims = cameras[: 1 + others]
    for camera in victims:
        camera.cut = cut
    # Another rule that is cut is one that the plan does not name.
    touched = Touched(served=served, rules=bars and cut is not Cut.RULE, bars=bars and cut is not Cut.RULE)
    world = World(cameras, {}, touched, cut, frozenset(c.path.name for c in victims))
    decision = decision_of(world_around(world))
    assert decision.verdict is GateVerdict.FAIL, decision.notes


states = st.fixed_dictionaries({name: st.booleans() for name in ("served", "on_demand", "told", "available", "flowed")})


@given(paths=st.lists(states, max_size=6), over_s=st.sampled_from([0.0, 1.9, 2.0, 5.0]))
def test_a_change_is_held_to_streams_that_flowed_before_it_of_paths_that_the_relay_still_serves(
    paths: list[dict[str, bool]], over_s: float
) -> None:
    """Below two seconds between two counts a stream that brought nothing yet counts as well."""
    listed, _ = relay_of(max(1, len(paths)), 1)
    named = dict(zip((path.name for path in listed), paths, strict=False))
    kept = ((path, named.get(path.name, {})) for path in listed)
    served = {path.name: path._replace(on_demand=it["on_demand"]) for path, it in kept if it.get("served")}
    told: dict[str, wire.SessionAnswer] = {
        name: {**stream(flowed=it["flowed"]), "available": it["available"]} for name, it in named.items() if it["told"]
    }
    sessions: wire.SessionsAnswer = {**NO_SESSIONS, "paths": told, "over_s": over_s}
    steady = Watch.since(GateResult(sessions=sessions), Served(paths=served)).steady
    assert set(steady) == {
        name
        for name, path in named.items()
        if path["served"] and path["told"] and path["available"] and not path["on_demand"]
        if path["flowed"] or over_s < 2
    }


looks = st.lists(
    st.tuples(st.floats(0.5, 20), st.lists(st.sampled_from(["up", "dark", "unread"]), min_size=3, max_size=3)),
    max_size=8,
)


@given(looks=looks, lost=st.sets(st.integers(0, 2)), at=st.integers(0, 8))
def test_a_picture_that_is_not_there_at_the_end_never_passes(
    looks: list[tuple[float, list[str]]], lost: set[int], at: int
) -> None:
    paths, served = relay_of(3, 1)
    names = [path.name for path in paths]
    touched = Touched(read=paths, named=frozenset(names), direct=frozenset(names), served=served)
    watch, now = Watch.since(GateResult(frozenset(names), sessions=_sessions(names, -1)), served), 0.0
    last: dict[str, tuple[bool, float]] = {}
    for number, (later, reads) in enumerate(looks):
        seen = {word: [n for n, read in zip(names, reads, strict=True) if read == word] for word in ("up", "dark")}
        gone = {names[index] for index in lost} if number >= at else set[str]()
        session = _sessions([name for name in names if name not in gone], now, gone)
        watch = watch.after(GateResult(frozenset(seen["up"]), dict.fromkeys(seen["dark"], "no frame"), session), now)
        last |= dict.fromkeys(seen["up"], (True, now)) | dict.fromkeys(seen["dark"], (False, now))
        if decide(touched, watch, now + 0.3, RULES).verdict is GateVerdict.PASS:
            assert last.keys() == set(names)
            assert all(up and asked >= RULES.watch_s for up, asked in last.values())
            assert not gone
        now += later


def _sessions(names: list[str], at: float, gone: set[str] = frozenset()) -> wire.SessionsAnswer:  # type: ignore[assignment]
    there = {n: stream("2021-05-01", int(1e6 + 1e4 * at)) for n in names}
    return {**NO_SESSIONS, "started": "started", "paths": {**there, **dict.fromkeys(gone, NO_STREAM)}}


@given(count=sizes, data=st.data())
def test_the_verdict_does_not_depend_on_the_order_in_which_a_host_tells(count: int, data: st.DataObject) -> None:
    cameras, served = relay(count)
    names = [camera.path.name for camera in cameras]
    lost = set(data.draw(st.lists(st.sampled_from(names), max_size=5)))
    back = set(data.draw(st.lists(st.sampled_from(names), max_size=5))) - lost
    shuffled = data.draw(st.permutations(names))
    decisions = []
    for order in (names, shuffled):
        ordered = replace(served, paths=_in_order(served.paths, order))
        read = tuple(ordered.paths[n] for n in order if n in names[:3])
        touched = Touched(read=read, served=ordered)
        watch = Watch.since(GateResult(frozenset(names[:3]), sessions=_sessions(list(order), -1)), ordered)
        for at in (0.0, 3.0, 40.0):
            paths = _sessions(list(order), at, lost)["paths"] or {}
            paths = {n: {**p, "since": "2021-05-03"} if n in back else p for n, p in paths.items()}
            sessions: wire.SessionsAnswer = {**NO_SESSIONS, "started": "started", "paths": _in_order(paths, order)}
            watch = watch.after(GateResult(frozenset(names[:3]) - lost, sessions=sessions), at)
            assert not watch.back & watch.absent.keys()
        decisions.append(decide(touched, watch, 41, RULES))
    assert decisions[0] == decisions[1]


def _in_order(values: Mapping[str, V], order: list[str]) -> dict[str, V]:
    return {name: values[name] for name in order}


@given(count=st.integers(0, 200), expected=st.floats(0, 100))
def test_the_more_is_lost_the_less_is_it_chance(count: int, expected: float) -> None:
    chance = chance_of(count, expected)
    assert 0 <= chance_of(count + 1, expected) <= chance <= 1
    assert chance_of(count, expected + 1) >= chance - 1e-9


@given(sites=st.dictionaries(st.text(max_size=3), st.integers(1, 12), max_size=30), rate=st.floats(0, 2))
def test_no_more_sites_lose_a_path_than_there_are(sites: dict[str, int], rate: float) -> None:
    assert 0 <= expected_sites(sites, rate, 0.1) <= len(sites)
