"""What the path gate decides, from looks at hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.apply import GateRules
from provisioner.apply.answer import Look, PathSession, Sessions
from provisioner.apply.gate import GateVerdict, PathsSeen, Touched, decide, paths_in, touched_by, undeclared_changes
from provisioner.plan.changes import Action, Change, Impact, Resource
from provisioner.verify.evidence import LiveTunnel, Read, RelayEvidence, Sample, Sources
from tests.hostile import CAMERA
from tests.unit.apply.world import state

RULES = GateRules(patience_s=60, settle_s=20)
HOST = "relay-viettel-1"
SPEC = state({"kcl-bg-001": 2, "kcl-bg-002": 2}).hosts[HOST]
PULLED = tuple(path for path in SPEC.paths if not path.on_demand)
NAMES = [path.name for path in PULLED]
BOTH = Touched(read=PULLED[:2], named=frozenset(NAMES[:2]))


def up(*names: str) -> PathsSeen:
    return PathsSeen(frozenset(names))


def path(since: str = "1", readers: tuple[str, ...] = (), *, online: bool = True) -> PathSession:
    return PathSession(online, since, frozenset(readers))


def sessions(*started: str, **paths: PathSession) -> Sessions:
    return Sessions("".join(started), paths, {"key": 100})


@pytest.mark.parametrize(
    ("before", "after", "elapsed", "verdict"),
    [
        (NAMES[:2], NAMES[:2], 1, GateVerdict.PASS),
        (NAMES[:2], NAMES[:1], 1, GateVerdict.WAIT),
        (NAMES[:2], NAMES[:1], 61, GateVerdict.FAIL),
        (NAMES[:1], NAMES[:1], 1, GateVerdict.PASS),
        ([], [], 1, GateVerdict.PASS),
    ],
)
def test_a_path_that_was_up_has_to_come_back(
    before: list[str], after: list[str], elapsed: float, verdict: GateVerdict
) -> None:
    assert decide(BOTH, up(*before), up(*after), elapsed, RULES).verdict is verdict


def test_a_share_of_paths_may_stay_away_where_it_is_allowed() -> None:
    decision = decide(BOTH, up(*NAMES[:2]), up(NAMES[0]), 61, GateRules(max_lost=0.5))
    assert decision.verdict is GateVerdict.PASS
    assert decision.notes == (f"gave a picture before and gives none now, as allowed: {NAMES[1]}",)


def test_a_new_path_is_waited_for_and_then_told() -> None:
    touched = Touched(read=PULLED[:2], named=frozenset(NAMES[:2]), new=frozenset(NAMES[:2]))
    assert decide(touched, up(), up(), 1, RULES).verdict is GateVerdict.WAIT
    late = decide(touched, up(), up(NAMES[0]), 21, RULES)
    assert (late.verdict, late.not_up) == (GateVerdict.PASS, (NAMES[1],))
    strict = GateRules(min_new_up=1.0)
    assert decide(touched, up(), up(NAMES[0]), 61, strict).verdict is GateVerdict.FAIL
    assert decide(touched, up(), up(*NAMES[:2]), 1, strict).verdict is GateVerdict.PASS


def test_a_required_path_counts_whatever_it_was_before() -> None:
    rules = GateRules(required=(NAMES[0],), max_lost=1.0)
    assert decide(BOTH, up(), up(), 61, rules).verdict is GateVerdict.FAIL
    assert decide(BOTH, up(), up(NAMES[0]), 61, rules).verdict is GateVerdict.PASS


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (sessions(a=path(readers=("r1", "r2")), b=path()), ""),
        (sessions(a=path(readers=("r2",)), b=path()), ""),
        (sessions(a=path(), b=path()), "every reader"),
        (sessions(a=path("2", ("r1",)), b=path()), "path a lost its source"),
        (sessions(a=path(readers=("r1",)), b=path(online=False)), "path b lost its source"),
        (sessions(a=path(readers=("r1",))), "path b is gone"),
        (sessions(a=path(readers=("r1",)), b=path(), c=path()), "path c is there, and was not"),
        (sessions("later", a=path(readers=("r1",)), b=path()), "the relay was restarted"),
        (replace(sessions(a=path(readers=("r1",)), b=path()), peers={"key": 0}), "peer key was reset"),
        (replace(sessions(), paths=None), "the relay does not answer"),
    ],
)
def test_what_the_plan_does_not_name_stays(after: Sessions, words: str) -> None:
    before = sessions(a=path(readers=("r1", "r2")), b=path())
    undeclared = undeclared_changes(Touched(), before, after)
    assert bool(undeclared) is bool(words)
    assert words in " ".join(undeclared)
    assert undeclared_changes(Touched(everything=True), before, after) == ()


def test_readers_that_the_plan_ends_are_declared_and_their_paths_are_not_let_go() -> None:
    both = {
        "a": PathSession(online=True, since="t", readers=frozenset({"1"})),
        "b": PathSession(online=True, since="t", readers=frozenset({"2"})),
    }
    before = Sessions("boot", both, {})
    nobody = Sessions("boot", {name: PathSession(online=True, since="t") for name in both}, {})
    dark = Sessions("boot", {name: PathSession(online=False) for name in both}, {})
    change = Change(HOST, Resource.FILE, "mediamtx.yml", Action.UPDATE, Impact.PATH, "", {HOST: {"a": 1, "b": 1}})
    touched = touched_by(SPEC, [change])
    assert undeclared_changes(touched, before, nobody) == ()
    assert undeclared_changes(Touched(left=frozenset({"a"})), before, nobody) != ()
    assert undeclared_changes(touched, before, dark) != ()


def test_one_source_in_fifty_may_come_and_go_by_itself() -> None:
    many = {f"p{n}": path() for n in range(100)}
    two, three = ({f"p{n}": path("2") for n in range(count)} for count in (2, 3))
    assert undeclared_changes(Touched(), sessions(**many), sessions(**many | two)) == ()
    assert len(undeclared_changes(Touched(), sessions(**many), sessions(**many | three))) == 3


def test_what_a_change_touches_is_read_and_on_demand_paths_are_not() -> None:
    def of(resource: Resource, name: str, impact: Impact = Impact.HOT) -> Touched:
        return touched_by(SPEC, [Change(HOST, resource, name, Action.UPDATE, impact, "")])

    assert [p.name for p in of(Resource.PATH, NAMES[0]).read] == [NAMES[0]]
    site = of(Resource.PEER, "site/kcl-bg-001")
    assert {p.facility for p in site.read} == {"kcl-bg-001"}
    assert len(site.peers) == 1
    source = PULLED[0].source
    device = of(Resource.RULE, f"element cameras {source.address} . {source.port}")
    assert [p.name for p in device.read] == [NAMES[0]]
    assert {p.name for p in of(Resource.RULE, "input/ssh").read} == set(NAMES)
    whole = of(Resource.FILE, "/etc/provisioner/mediamtx.yml", Impact.ALL)
    assert (whole.everything, {p.name for p in whole.read}) == (True, set(NAMES))
    assert of(Resource.PATH, SPEC.paths[0].name.replace("/sub", "/main")).read == ()


def test_a_sample_of_a_large_relay_holds_every_site() -> None:
    large = state({f"kcl-bg-{n:03}": 4 for n in range(1, 31)}).hosts[HOST]
    rule = Change(HOST, Resource.RULE, "input/ssh", Action.UPDATE, Impact.HOT, "")
    read = touched_by(large, [rule]).read
    assert len(read) == 48
    assert len({p.facility for p in read}) == 30


@CAMERA
def test_a_camera_that_redirects_holds_no_change_of_its_relay_up() -> None:
    """Where a picture comes from is asked by `verify`; a change may move it."""
    path = PULLED[0]
    flowing = tuple(Sample(available=True, online=True, inbound_bytes=count) for count in (1, 9))
    read = Read(
        run=True, frame=(path.codec, path.width, path.height), error="", status=None, timed_out=False, after=None
    )
    nowhere = Sources({("192.0.2.9", 554): 1}, {("192.0.2.9", 554): 1}, frozenset())
    relay = RelayEvidence(
        "active",
        "",
        LiveTunnel((), {}),
        {},
        {path.name: (flowing[0], flowing[1])},
        {path.name: read},
        {},
        sources=nowhere,
    )
    assert paths_in(SPEC, PULLED, Look(None, relay)).up == {path.name}
