"""What the path gate decides, from looks at hosts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.answers import wire
from provisioner.operations.rollout.affected import chance_of, expected_sites, undeclared_changes
from provisioner.operations.rollout.affected_paths import Served, Touched, touched_by, touched_names
from provisioner.operations.rollout.answers import GateResult, Look, Watch, paths_in
from provisioner.operations.rollout.gate import WATCH_S, Decision, GateRules, GateVerdict, decide
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify.evidence import Read, RelayEvidence, Sources
from tests.hostile import CAMERA
from tests.simulated import NO_SESSIONS, NO_STREAM, live_rules, peer_session, stream
from tests.unit.operations.rollout.world import state

RULES = GateRules(patience_s=60, settle_s=20)
HOST = "relay-viettel-1"
SPEC = state({f"kcl-bg-{n:03}": 2 for n in range(1, 6)}).hosts[HOST]
PULLED = tuple(path for path in SPEC.paths if not path.on_demand)
NAMES = [path.name for path in PULLED]
SERVED = touched_names(SPEC, (), ()).served
FACILITIES = sorted({path.facility for path in PULLED})
BOTH = Touched(read=PULLED[:2], named=frozenset(NAMES[:2]), direct=frozenset(NAMES[:2]), served=SERVED)
# A plan that names no path of the relay.
NOTHING = Touched(served=SERVED)
LONG_AGO = "2021-05-01T00:00:00Z"
SWITCH = 1_620_000_000.0


def up(*names: str, dark: Iterable[str] = (), at: wire.SessionsAnswer | None = None) -> GateResult:
    return GateResult(frozenset(names), dict.fromkeys(dark, "no frame"), at)


def watched(before: GateResult, *looks: tuple[float, GateResult]) -> Watch:
    watch = Watch.since(before, SERVED)
    for asked_s, seen in looks:
        watch = watch.after(seen, asked_s)
    return watch


def sessions(
    at: float, change: Mapping[str, wire.SessionAnswer | None] | None = None, **other: object
) -> wire.SessionsAnswer:
    """All paths of the relay with a stream that flows, but what is changed; None takes a path away."""
    received = int(1000 * (at + 100))
    paths = {name: stream(LONG_AGO, received, flowed=True) for name in NAMES}
    listed = {name: path for name, path in {**paths, **(change or {})}.items() if path is not None}
    peers = {key: peer_session(100, received, "10.0.0.0/32") for key in SERVED.peers.values()}
    rules = live_rules(SERVED.devices, "digest")
    whole = {"started": "started", "paths": listed, "peers": peers, "at": SWITCH + at, "rules": rules, **other}
    return {**NO_SESSIONS, **whole}  # type: ignore[typeddict-item]  # any key of it


def lost(*names: str) -> dict[str, wire.SessionAnswer | None]:
    return dict.fromkeys(names, NO_STREAM)


def again(*names: str, received: int = 500) -> dict[str, wire.SessionAnswer | None]:
    """Paths whose source has another session than before the switch."""
    return {name: stream("2021-05-03T00:00:10Z", received) for name in names}


def still(*names: str, received: int) -> dict[str, wire.SessionAnswer | None]:
    return {name: stream(LONG_AGO, received, flowed=True) for name in names}


def follow(
    touched: Touched, *looks: tuple[float, GateResult | wire.SessionsAnswer], rules: GateRules = RULES
) -> list[Decision]:
    """What the gate says after each look, until it has decided; each look takes half a second."""
    watch, said = Watch.since(GateResult(sessions=sessions(-0.5)), SERVED), list[Decision]()
    for asked_s, seen in looks:
        watch = watch.after(seen if isinstance(seen, GateResult) else GateResult(sessions=seen), asked_s)
        said.append(decide(touched, watch, asked_s + 0.5, rules))
        if said[-1].verdict is not GateVerdict.WAIT:
            break
    return said


@pytest.mark.parametrize(
    ("before", "after", "elapsed", "verdict"),
    [
        (NAMES[:2], NAMES[:2], 4, GateVerdict.PASS),
        (NAMES[:2], NAMES[:1], 4, GateVerdict.WAIT),
        (NAMES[:2], NAMES[:1], 61, GateVerdict.FAIL),
        (NAMES[:1], NAMES[:1], 4, GateVerdict.WAIT),
        (NAMES[:1], NAMES[:1], 21, GateVerdict.PASS),
        (NAMES[:1], NAMES[:2], 4, GateVerdict.PASS),
        ([], [], 4, GateVerdict.WAIT),
        ([], [], 21, GateVerdict.PASS),
    ],
)
def test_a_path_that_was_up_returns(before: list[str], after: list[str], elapsed: float, verdict: GateVerdict) -> None:
    dark = set(NAMES[:2]) - set(after)
    watch = watched(up(*before), (0, up(*after, dark=dark)), (elapsed - 1, up(*after, dark=dark)))
    assert decide(BOTH, watch, elapsed, RULES).verdict is verdict


def test_a_gateway_without_a_package_for_this_relay_is_the_cause_of_its_dark_paths() -> None:
    """As in a drain, whose new relay has the site before the gateway has its package."""
    new = replace(BOTH, new=frozenset(NAMES[:2]))
    key = SERVED.peers[PULLED[0].facility]
    peers = sessions(21)["peers"] | {key: peer_session(0, 0, "10.0.0.0/32")}
    for seen, told in ((sessions(21, peers=peers), True), (sessions(21), False)):
        watch = watched(up(), (0, up(dark=NAMES[:2])), (21, up(dark=NAMES[:2], at=seen)))
        decision = decide(new, watch, 22, RULES)
        assert decision.verdict is GateVerdict.PASS
        why = "its gateway has not connected to this relay yet" if told else "no frame"
        assert f"new, and gives no picture: {NAMES[0]} ({why})" in decision.notes


def test_a_path_that_nobody_has_read_yet_is_neither_missed_nor_proved() -> None:
    new = replace(BOTH, new=frozenset(NAMES[1:2]), read=PULLED[:3], named=frozenset(NAMES[:3]))
    before = up(*NAMES[:1])
    unread = frozenset(NAMES[:3])
    share = replace(RULES, min_new_up=1.0, required=(NAMES[0],))
    for rules in (RULES, share):
        first = decide(new, watched(before, (0, up())), 0.5, rules, unread=unread)
        assert (first.verdict, first.again_s, first.not_up) == (GateVerdict.WAIT, WATCH_S - 0.5, ())
        assert set(first.read) == unread
        assert decide(new, watched(before, (0, up()), (3, up())), 70, rules, unread=unread).verdict is GateVerdict.WAIT
    at_end = watched(before, (0, up()), (3, up(*NAMES[1:3], dark=NAMES[:1])))
    assert decide(new, at_end, 4, RULES).verdict is GateVerdict.WAIT
    assert decide(new, at_end, 63, RULES).verdict is GateVerdict.FAIL
    assert decide(new, watched(before, (0, up()), (3, up(*NAMES[:3]))), 4, RULES).verdict is GateVerdict.PASS


def test_a_picture_at_the_first_good_look_is_read_again_at_the_end() -> None:
    first = decide(BOTH, watched(up(*NAMES[:2]), (0, up(*NAMES[:2]))), 1, RULES)
    assert (first.verdict, first.again_s, set(first.read)) == (GateVerdict.WAIT, WATCH_S - 1, set(NAMES[:2]))
    gone = watched(up(*NAMES[:2]), (0, up(*NAMES[:2])), (3, up(NAMES[0], dark=NAMES[1:2])))
    assert decide(BOTH, gone, 4, RULES).verdict is GateVerdict.WAIT
    assert decide(BOTH, gone, 62, RULES).verdict is GateVerdict.WAIT
    assert decide(BOTH, gone, 63, RULES).verdict is GateVerdict.FAIL
    back = gone.after(up(NAMES[1]), 10)
    assert decide(BOTH, back, 11, RULES).verdict is GateVerdict.PASS


def test_a_picture_of_which_the_relay_has_no_stream_any_more_is_none() -> None:
    before = up(*NAMES[:2], at=sessions(-0.5))
    watch = watched(before, (0, up(*NAMES[:2], at=sessions(0))), (3, up(NAMES[0], NAMES[1], at=sessions(3))))
    assert decide(BOTH, watch, 4, RULES).verdict is GateVerdict.PASS
    dead = watch.after(GateResult(sessions=sessions(4, lost(NAMES[1]))), 4)
    assert decide(BOTH, dead, 5, RULES).verdict is GateVerdict.WAIT


def test_one_of_many_that_are_read_decides_nothing_where_it_was_lost_just_before_the_switch() -> None:
    sample = Touched(read=PULLED, rules=True, served=SERVED)
    gone = up(*NAMES, at=sessions(-0.5, lost(NAMES[0])))
    looks = ((at, up(*NAMES[1:], dark=NAMES[:1], at=sessions(at, lost(NAMES[0])))) for at in (0.0, 3.0))
    watch = watched(gone, *looks)
    assert decide(sample, watch, 4, RULES).verdict is GateVerdict.PASS
    assert decide(replace(sample, direct=frozenset(NAMES[:1])), watch, 4, RULES).verdict is GateVerdict.WAIT


def test_what_nothing_reads_that_runs_is_looked_at_once() -> None:
    nothing = replace(NOTHING, live=False)
    assert [d.verdict for d in follow(nothing, (0, sessions(0)))] == [GateVerdict.PASS]
    assert [d.verdict for d in follow(NOTHING, (0, sessions(0)), (3, sessions(3)))] == [
        GateVerdict.WAIT,
        GateVerdict.PASS,
    ]


def test_a_share_of_paths_may_stay_away_where_it_is_allowed() -> None:
    watch = watched(up(*NAMES[:2]), (0, up(NAMES[0])), (60, up(NAMES[0])))
    decision = decide(BOTH, watch, 61, GateRules(max_lost=0.5))
    assert decision.verdict is GateVerdict.PASS
    assert decision.notes == (f"gave a picture before and gives none now, as allowed: {NAMES[1]}",)


@pytest.mark.parametrize(
    ("hits", "verdict"),
    [
        ({}, GateVerdict.FAIL),
        ({"rules": True}, GateVerdict.FAIL),
        ({"everything": True}, GateVerdict.PASS),
        ({"bars": True}, GateVerdict.PASS),
        ({"link": True}, GateVerdict.PASS),
    ],
)
def test_a_share_of_unnamed_paths_may_be_lost_by_a_change_that_may_hit_any_path_and_by_no_other(
    hits: dict[str, bool], verdict: GateVerdict
) -> None:
    """A share is allowed to whoever restarts all or changes rules or routes of all; a small change loses nothing."""
    looks = [(float(at), sessions(at, lost(NAMES[0]))) for at in range(100)]
    touched = replace(NOTHING, **hits)  # type: ignore[arg-type]  # fields of it
    said = follow(touched, *looks, rules=GateRules(patience_s=5, max_lost=1.5 / len(NAMES)))
    assert said[-1].verdict is verdict


def test_a_new_path_is_waited_for_and_then_told() -> None:
    touched = replace(BOTH, new=frozenset(NAMES[:2]))
    none, one, both = (watched(up(), (4, up(*NAMES[:count]))) for count in (0, 1, 2))
    assert decide(touched, none, 5, RULES).verdict is GateVerdict.WAIT
    late = decide(touched, one, 21, RULES)
    assert (late.verdict, late.not_up) == (GateVerdict.PASS, (NAMES[1],))
    strict = GateRules(min_new_up=1.0)
    assert decide(touched, one, 61, strict).verdict is GateVerdict.FAIL
    assert decide(touched, both, 5, strict).verdict is GateVerdict.PASS


def test_a_path_of_the_plan_that_gave_no_picture_is_waited_for_and_then_told() -> None:
    dark = (up(NAMES[0], dark=NAMES[1:2]) for _ in range(2))
    watch = watched(up(NAMES[0]), *zip((4.0, 20.0), dark, strict=True))
    early, late = decide(BOTH, watch, 5, RULES), decide(BOTH, watch, 21, RULES)
    assert (early.verdict, NAMES[1] in early.read) == (GateVerdict.WAIT, True)
    assert (late.verdict, late.not_up) == (GateVerdict.PASS, (NAMES[1],))
    assert late.notes == (f"gave no picture before and gives none now: {NAMES[1]} (no frame)",)
    # One that is read for another's sake is none of this plan's.
    others = replace(BOTH, named=frozenset(NAMES[:1]))
    assert decide(others, watch, 5, RULES).verdict is GateVerdict.PASS


def test_a_required_path_counts_whatever_it_was_before() -> None:
    rules = GateRules(required=(NAMES[0],), max_lost=1.0)
    assert decide(BOTH, watched(up(), (60, up())), 61, rules).verdict is GateVerdict.FAIL
    assert decide(BOTH, watched(up(), (60, up(NAMES[0]))), 61, rules).verdict is GateVerdict.PASS


KEY = min(SERVED.peers.values())
DEVICE = min(SERVED.devices)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (sessions(0), ""),
        (sessions(0, lost(NAMES[0])), ""),
        (sessions(0, again(NAMES[0])), ""),
        (sessions(0, {NAMES[0]: None}), f"path {NAMES[0]} is gone"),
        (sessions(0, again("another")), "path another is there, and was not"),
        (sessions(0, started="later"), "the relay was restarted"),
        (sessions(0, paths=None, started=None), "the relay does not answer"),
        (sessions(0, changed=NAMES[:1]), f"path {NAMES[0]} was changed"),
        (sessions(0, peers={**sessions(0)["peers"], KEY: peer_session(0, 0, "10.0.0.0/32")}), f"peer {KEY} was reset"),
        (sessions(0, peers={k: p for k, p in sessions(0)["peers"].items() if k != KEY}), f"peer {KEY} is gone"),
        (
            sessions(0, peers={**sessions(0)["peers"], KEY: peer_session(100, 0)}),
            f"peer {KEY} may send from other addresses than before",
        ),
        (
            sessions(0, rules=live_rules(SERVED.devices - {DEVICE}, "digest")),
            f"the relay may not reach {DEVICE} any more",
        ),
        (sessions(0, rules=live_rules(SERVED.devices, "other")), "the rules were changed"),
        (sessions(0, rules=live_rules(SERVED.devices, "")), "the rules were changed"),
        (sessions(0, rules=live_rules(SERVED.devices, "digest", "x")), "who may come in by the rules was changed"),
    ],
)
def test_configuration_that_the_plan_does_not_name_stays(after: wire.SessionsAnswer, words: str) -> None:
    watch = watched(GateResult(sessions=sessions(-0.5)), (0, GateResult(sessions=after)))
    undeclared = undeclared_changes(NOTHING, watch)
    assert bool(undeclared) is bool(words)
    assert words in " ".join(undeclared)
    if words:
        (said,) = follow(NOTHING, (0, after))
        assert (said.verdict, words in said.cause) == (GateVerdict.FAIL, True)


def test_configuration_that_the_plan_names_may_change() -> None:
    device = replace(NOTHING, devices=frozenset({DEVICE}), named=frozenset(NAMES[:1]), peers=frozenset({KEY}))
    changed = sessions(
        0,
        {NAMES[0]: None},
        changed=NAMES[:1],
        rules=live_rules(SERVED.devices - {DEVICE}, "digest"),
        peers={**sessions(0)["peers"], KEY: peer_session(0, 0)},
    )
    watch = watched(GateResult(sessions=sessions(-0.5)), (0, GateResult(sessions=changed)))
    assert undeclared_changes(device, watch) == ()
    rules = watched(
        GateResult(sessions=sessions(-0.5)),
        (0, GateResult(sessions=sessions(0, rules=live_rules(SERVED.devices, "x")))),
    )
    assert undeclared_changes(replace(NOTHING, rules=True, bars=True), rules) == ()
    assert undeclared_changes(replace(NOTHING, rules=True), rules) == ("the rules were changed",)


def test_a_rollback_has_no_plan_that_names_what_changes() -> None:
    rollback = touched_names(SPEC, NAMES[:1], ())
    changed = sessions(0, changed=NAMES[1:3], rules=live_rules((), "x"), started="later")
    watch = watched(GateResult(sessions=sessions(-0.5)), (0, GateResult(sessions=changed)))
    assert undeclared_changes(rollback, watch) == ()


def test_a_relay_that_may_restart_does_so_once() -> None:
    everything = replace(NOTHING, everything=True)
    once = [(0.0, sessions(0, started="later")), (3.0, sessions(3, started="later"))]
    assert follow(everything, *once)[-1].verdict is GateVerdict.PASS
    twice = follow(everything, once[0], (3.0, sessions(3, started="later still")))[-1]
    assert (twice.verdict, twice.cause) == (
        GateVerdict.FAIL,
        "undeclared change: the relay was restarted after the switch",
    )


# --- streams that the plan does not name ------------------------------------------------------------
def test_an_unrelated_camera_that_reconnects_is_a_note() -> None:
    ended = follow(NOTHING, (0, sessions(0, again(NAMES[0]))), (3, sessions(3, again(NAMES[0], received=900))))[-1]
    assert (ended.verdict, ended.notes) == (
        GateVerdict.PASS,
        (f"1 path that the plan does not name reconnected meanwhile: {NAMES[0]}",),
    )


def test_a_path_that_its_device_refuses_meanwhile_is_out_by_its_own_doing() -> None:
    gone: dict[str, wire.SessionAnswer | None] = {NAMES[3]: None}
    before = up(at=sessions(-1))
    looks = ((0.0, up(at=sessions(0))), (40.0, up(at=sessions(40, gone, quarantined=[NAMES[3]]))))
    said = decide(NOTHING, watched(before, *looks), 40, RULES)
    assert said.verdict is GateVerdict.PASS
    assert any(NAMES[3] in note and "refuses the password" in note for note in said.notes)
    # Out for no such reason, it is a change that nobody declared.
    looks = ((0.0, up(at=sessions(0))), (40.0, up(at=sessions(40, gone))))
    assert decide(NOTHING, watched(before, *looks), 40, RULES).cause == f"undeclared change: path {NAMES[3]} is gone"


def test_a_path_that_the_plan_names_and_whose_device_refuses_it_now_has_no_excuse() -> None:
    gone: dict[str, wire.SessionAnswer | None] = {NAMES[0]: None}
    before = up(*NAMES[:2], at=sessions(-1))
    out = sessions(61, gone, quarantined=[NAMES[0]])
    looks = ((0.0, up(NAMES[1], dark=NAMES[:1], at=sessions(0))), (61.0, up(NAMES[1], dark=NAMES[:1], at=out)))
    assert decide(BOTH, watched(before, *looks), 61, RULES).verdict is GateVerdict.FAIL


def test_what_comes_back_from_quarantine_was_not_up_before_and_is_there_by_the_plan() -> None:
    before = up(NAMES[1], at=sessions(-1, {NAMES[0]: None}, quarantined=[NAMES[0]]))
    watch = watched(before, (0.0, up(*NAMES[:2], at=sessions(0))), (4.0, up(*NAMES[:2], at=sessions(4))))
    assert decide(BOTH, watch, 4, RULES).verdict is GateVerdict.PASS


@pytest.mark.parametrize(("patience", "away", "more"), [(5.0, NAMES[:1], ""), (60.0, NAMES[:4], ", and 3 more")])
def test_an_unrelated_camera_that_stays_away_silently_counts(patience: float, away: list[str], more: str) -> None:
    looks = [(float(at), sessions(at, lost(*away))) for at in range(100)]
    said = follow(NOTHING, *looks, rules=GateRules(patience_s=patience))
    # MediaMTX itself takes half a minute to say that a camera is gone, whatever the patience.
    assert len(said) >= max(patience, 30)
    assert said[-1].verdict is GateVerdict.FAIL
    assert said[-1].cause == f"undeclared change: path {NAMES[0]} lost its source and stays without one{more}"
    assert said[0].away == tuple(away)


def test_a_stream_that_stands_still_is_lost_although_the_relay_calls_it_available() -> None:
    frozen = still(NAMES[0], received=99_600)
    looks = [(float(at), sessions(at, frozen)) for at in range(100)]
    said = follow(NOTHING, *looks)
    assert (said[-1].verdict, len(said) >= 60) == (GateVerdict.FAIL, True)
    alive = [(float(at), sessions(at, frozen if at < 8 else None)) for at in range(100)]
    assert follow(NOTHING, *alive)[-1].verdict is GateVerdict.PASS


def test_a_stream_that_stood_still_before_the_switch_was_lost_before_it() -> None:
    frozen = {NAMES[0]: stream(LONG_AGO, 7)}
    verdicts = {}
    for change, over_s in ((frozen, None), (lost(NAMES[0]), 0.7), (lost(NAMES[0]), 2.4)):
        before = sessions(-0.5, frozen)
        if over_s:
            before["over_s"] = over_s
        watch = Watch.since(GateResult(sessions=before), SERVED)
        for at in (0.0, 3.0):
            watch = watch.after(GateResult(sessions=sessions(at, change)), at)
        verdicts[over_s] = decide(NOTHING, watch, 3.5, RULES).verdict
    # In less than two seconds the slowest cameras send nothing either.
    assert verdicts == {None: GateVerdict.PASS, 0.7: GateVerdict.WAIT, 2.4: GateVerdict.PASS}


def test_what_was_lost_long_after_the_switch_is_told_and_holds_nothing_up() -> None:
    waits = [(float(at), sessions(at, lost(NAMES[0], *(NAMES[1:2] if at > 18 else ())))) for at in range(25)]
    ended = follow(NOTHING, *waits, (26.0, sessions(26, again(NAMES[0]) | lost(NAMES[1]))))[-1]
    assert ended.verdict is GateVerdict.PASS
    assert f"1 path lost the source long after the switch: {NAMES[1]}" in ended.notes


PATH = SERVED.paths[NAMES[0]]
OF_PATH = f"{PATH.pulled.address} . {PATH.pulled.port}"
RULE_CHANGE = replace(NOTHING, rules=True, bars=True)
SHARED = replace(NOTHING, shared=frozenset({OF_PATH}))
ALL = replace(NOTHING, everything=True)
TOO_BIG = replace(NOTHING, link=True)


@pytest.mark.parametrize(
    ("touched", "port", "said", "verdict"),
    [
        *((touched, "refused", "", GateVerdict.PASS) for touched in (NOTHING, RULE_CHANGE, SHARED, ALL, TOO_BIG)),
        *((touched, "no-route", "", GateVerdict.PASS) for touched in (NOTHING, RULE_CHANGE, SHARED, ALL, TOO_BIG)),
        # Nothing between the two was changed, and the other sites flow.
        (NOTHING, "timeout", "", GateVerdict.PASS),
        *((touched, "timeout", "", GateVerdict.FAIL) for touched in (RULE_CHANGE, SHARED, ALL, TOO_BIG)),
        # A camera that answers, and MediaMTX says what it does not do.
        (NOTHING, "ok", "bad status code: 503", GateVerdict.PASS),
        (RULE_CHANGE, "ok", "bad status code: 503", GateVerdict.PASS),
        *((touched, "ok", "bad status code: 503", GateVerdict.FAIL) for touched in (SHARED, ALL, TOO_BIG)),
        # MediaMTX does not even try.
        *((touched, "ok", "", GateVerdict.FAIL) for touched in (NOTHING, RULE_CHANGE, SHARED, ALL, TOO_BIG)),
        *((touched, "not-permitted", "", GateVerdict.FAIL) for touched in (NOTHING, RULE_CHANGE, SHARED, ALL, TOO_BIG)),
    ],
)
def test_whose_word_it_is_decides_what_stays_away(touched: Touched, port: str, said: str, verdict: GateVerdict) -> None:
    def seen(at: float) -> GateResult:
        words = {NAMES[0]: said} if said else {}
        tried = {OF_PATH: port} if at > 8 else {}
        return GateResult(sessions=sessions(at, lost(NAMES[0])), ports=tried, said=words)

    ended = follow(touched, *((float(at), seen(at)) for at in range(100)))[-1]
    assert ended.verdict is verdict, ended
    if verdict is GateVerdict.PASS:
        assert any(note.startswith(f"lost its source by itself: {NAMES[0]} (") for note in ended.notes)


@pytest.mark.parametrize("port", ["timeout", "refused", "no-route"])
def test_no_word_excuses_it_where_rules_or_routes_of_the_relay_changed_with_the_switch(port: str) -> None:
    def seen(at: float) -> GateResult:
        rules = live_rules(SERVED.devices, "digest", around="other")
        return GateResult(sessions=sessions(at, lost(NAMES[0]), rules=rules), ports={OF_PATH: port})

    assert follow(NOTHING, *((float(at), seen(at)) for at in range(100)))[-1].verdict is GateVerdict.FAIL


def test_a_source_that_the_relay_did_not_try_while_its_camera_answered_has_no_excuse_afterwards() -> None:
    def seen(at: float) -> GateResult:
        ports = {OF_PATH: "ok" if at < 5 else "refused"}
        return GateResult(sessions=sessions(at, lost(NAMES[0])), ports=ports, said={NAMES[0]: "EOF"} if at > 5 else {})

    assert follow(NOTHING, *((float(at), seen(at)) for at in range(100)))[-1].verdict is GateVerdict.FAIL


@pytest.mark.parametrize(
    ("lost_at", "port", "verdict"),
    [
        # Refused although it had given its picture at the end of the watch: the change has shown that it works.
        (5.0, "refused", GateVerdict.PASS),
        (5.0, "ok", GateVerdict.FAIL),
        (20.0, "ok", GateVerdict.PASS),
        # It has given none at the end of the watch: nothing excuses what the plan names.
        (2.0, "refused", GateVerdict.FAIL),
    ],
)
def test_a_path_that_the_plan_names_has_excuses_only_once_it_has_given_its_picture(
    lost_at: float, port: str, verdict: GateVerdict
) -> None:
    named = frozenset(NAMES[:1])
    touched = Touched(read=PULLED[:1], named=named, direct=named, shared=frozenset({OF_PATH}), served=SERVED)
    watch = Watch.since(up(NAMES[0], at=sessions(-0.5)), SERVED)
    for at in range(200):
        gone = at > lost_at
        # Another one keeps the gate waiting.
        now = sessions(at, (lost(NAMES[0]) if gone else {}) | (lost(NAMES[3]) if at < 25 else {}))
        seen = up(*(() if gone else NAMES[:1]), dark=NAMES[:1] if gone else (), at=now)
        watch = watch.after(replace(seen, ports={OF_PATH: port} if gone else {}, said={NAMES[0]: "EOF"}), float(at))
        decision = decide(touched, watch, at + 0.5, RULES)
        if decision.verdict is not GateVerdict.WAIT:
            break
    assert decision.verdict is verdict, (at, decision)


def silent_site(facility: str, at: float, *, silent: bool = True) -> GateResult:
    """A look at a relay one of whose sites sends nothing any more, or only no pictures."""
    paths = lost(*(n for n in NAMES if SERVED.paths[n].facility == facility))
    now = sessions(at, paths)
    key = SERVED.peers[facility]
    if silent:
        now["peers"][key]["received"] = 7
    ports = {f"{p.pulled.address} . {p.pulled.port}": "timeout" for p in PULLED} if at > 8 else {}
    return GateResult(sessions=now, ports=ports)


@pytest.mark.parametrize("touched", [RULE_CHANGE, ALL, TOO_BIG], ids=["rules", "everything", "link"])
def test_a_site_from_which_nothing_comes_is_away_by_itself(touched: Touched) -> None:
    gone = follow(touched, *((float(at), silent_site(PATH.facility, at)) for at in range(100)))[-1]
    assert gone.verdict is GateVerdict.PASS, gone
    heard = follow(touched, *((float(at), silent_site(PATH.facility, at, silent=False)) for at in range(100)))[-1]
    assert heard.verdict is GateVerdict.FAIL


def test_a_silence_of_most_sites_is_nobodys_own() -> None:
    cut = [path.name for path in PULLED if path.facility != PATH.facility]
    ports = {f"{p.pulled.address} . {p.pulled.port}": "timeout" for p in PULLED}
    looks = ((float(at), GateResult(sessions=sessions(at, still(*cut, received=9)), ports=ports)) for at in range(100))
    assert follow(NOTHING, *looks)[-1].verdict is GateVerdict.FAIL


def test_sources_that_all_drop_with_the_switch_fail_though_they_come_back() -> None:
    for received in (500, 0):
        (said,) = follow(NOTHING, (0, sessions(0, again(*NAMES, received=received))))
        assert said.verdict is GateVerdict.FAIL
        assert said.cause.startswith("undeclared change: 10 paths of 5 sites lost the source with the switch: ")
    assert follow(ALL, (0, sessions(0, again(*NAMES))), (3, sessions(3)))[-1].verdict is GateVerdict.PASS


@pytest.mark.parametrize("at", [0.0, 3.0])
def test_a_stream_that_is_gone_at_the_switch_itself_was_dropped_with_it(at: float) -> None:
    """What is lost later may be a camera's own doing: many that drop at once are the change's."""
    looks = [(at, GateResult(sessions=sessions(at, lost(NAMES[0]))))]
    watch = watched(GateResult(sessions=sessions(-1)), *looks)
    assert set(watch.absent) == {NAMES[0]}
    assert watch.dropped == ({NAMES[0]} if at == 0 else set())


def test_a_site_that_drops_with_the_switch_and_comes_back_may_have_done_so_by_itself() -> None:
    one_site = again(*(n for n in NAMES if SERVED.paths[n].facility == PATH.facility))
    assert follow(NOTHING, (0, sessions(0, one_site)), (3, sessions(3)))[-1].verdict is GateVerdict.PASS


@given(young=st.integers(0, len(NAMES)), lost_sites=st.integers(2, 5))
def test_so_many_sites_may_reconnect_as_chance_explains_by_the_rate_before(young: int, lost_sites: int) -> None:
    old = {name: stream("2021-05-02T23:59:40Z", 9, flowed=True) for name in NAMES[:young]}
    dropped = again(*(next(n for n in NAMES if SERVED.paths[n].facility == f) for f in FACILITIES[:lost_sites]))
    watch = watched(GateResult(sessions=sessions(-0.5, old)), (0, GateResult(sessions=sessions(0, old | dropped))))
    # Two reconnections a minute of each young path, over half a second of the switch and one more.
    rate = max(0.05, 2 * young / len(NAMES))
    expected = expected_sites(Counter(SERVED.paths[n].facility for n in NAMES), rate, 1.5 / 60)
    is_chance = chance_of(lost_sites, expected) >= 1e-5
    assert decide(NOTHING, watch, 0.5, RULES).verdict is (GateVerdict.WAIT if is_chance else GateVerdict.FAIL)


DROPPED = (NAMES[0], NAMES[2], NAMES[4])


def test_a_clock_that_is_set_meanwhile_makes_no_long_time_in_which_anything_may_reconnect() -> None:
    served = Served({f"bg/site-{n}/cam/sub": PATH._replace(facility=f"site-{n}") for n in range(20)})
    paths = dict.fromkeys(served.paths, stream(LONG_AGO, 9, flowed=True))
    others = dict.fromkeys(served.paths, stream("2021-05-03T00:00:10Z", 9))
    before, after = (sessions(at, paths=of) for of, at in ((paths, -0.5), (others, 86_400)))
    watch = Watch.since(GateResult(sessions=before), served).after(GateResult(sessions=after), 0)
    assert decide(Touched(served=served), watch, 0.5, RULES).verdict is GateVerdict.FAIL


def test_sessions_that_begin_in_the_future_do_not_say_that_paths_reconnect_all_the_time() -> None:
    later = {n: stream("2021-05-03T02:00:00Z", 9, flowed=True) for n in NAMES}
    watch = watched(
        GateResult(sessions=sessions(-0.5, later)), (0, GateResult(sessions=sessions(0, later | again(*DROPPED))))
    )
    assert decide(NOTHING, watch, 0.5, RULES).verdict is GateVerdict.FAIL


def test_sessions_in_which_nothing_comes_are_no_stream_however_often_they_begin() -> None:
    def dialled(at: int) -> wire.SessionsAnswer:
        since = f"2021-05-03T00:{at // 60:02}:{at % 60:02}Z"
        return sessions(at, {NAMES[0]: stream(since)})

    ended = follow(NOTHING, *((float(at), dialled(at)) for at in range(100)))[-1]
    assert ended.verdict is GateVerdict.FAIL
    assert NAMES[0] in ended.cause


def test_a_host_that_says_nothing_of_its_paths_after_the_switch_is_not_confirmed() -> None:
    ended = follow(NOTHING, *((float(at), GateResult()) for at in range(100)))[-1]
    assert ended.verdict is GateVerdict.FAIL
    assert ended.cause == "the host does not say what became of its paths since the switch"


def test_chance_is_that_of_rare_events() -> None:
    assert chance_of(0, 0.5) == 1.0
    assert chance_of(1, 0.5) == pytest.approx(1 - 0.60653, abs=1e-5)
    assert chance_of(3, 3.3) == pytest.approx(0.64057, abs=1e-4)


# --- readers ----------------------------------------------------------------------------------------
def read_by(name: str, *readers: str) -> dict[str, wire.SessionAnswer | None]:
    path = stream(LONG_AGO, 10**6, readers=readers)
    return {name: path}


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (("r1", "r2"), ("r1", "r2"), GateVerdict.PASS),
        (("r1", "r2"), ("r2",), GateVerdict.PASS),
        (("r1",), (), GateVerdict.PASS),
        (("r1", "r2"), ("r3",), GateVerdict.PASS),
        (("r1", "r2"), (), GateVerdict.FAIL),
    ],
)
def test_readers_of_paths_that_the_plan_does_not_name_are_not_all_cut(
    before: tuple[str, ...], after: tuple[str, ...], verdict: GateVerdict
) -> None:
    watch = Watch.since(GateResult(sessions=sessions(-0.5, read_by(NAMES[0], *before))), SERVED)
    watch = watch.after(GateResult(sessions=sessions(0, read_by(NAMES[0], *after))), 0)
    watch = watch.after(GateResult(sessions=sessions(60, read_by(NAMES[0], *after))), 60)
    decision = decide(NOTHING, watch, 61, RULES)
    assert decision.verdict is verdict
    assert bool(decision.notes) is (verdict is GateVerdict.PASS and before != after)


def test_readers_that_the_plan_ends_are_declared_and_their_paths_are_not_let_go() -> None:
    change = Change(HOST, Resource.FILE, "mediamtx.yml", Action.UPDATE, Impact.PATH, "", {HOST: {NAMES[0]: 2}})
    touched = touched_by(SPEC, [change])
    before = GateResult(sessions=sessions(-0.5, read_by(NAMES[0], "1", "2")))
    nobody = watched(before, *((at, GateResult(sessions=sessions(at, read_by(NAMES[0])))) for at in (0.0, 60.0)))
    assert decide(touched, nobody, 61, RULES).verdict is GateVerdict.PASS
    assert decide(replace(touched, left=frozenset()), nobody, 61, RULES).verdict is GateVerdict.FAIL
    dark = watched(before, *((at, GateResult(sessions=sessions(at, lost(NAMES[0])))) for at in (0.0, 60.0)))
    assert decide(touched, dark, 61, RULES).verdict is GateVerdict.FAIL


# --- what a change touches --------------------------------------------------------------------------
def test_what_a_change_touches_is_read_and_on_demand_paths_are_not() -> None:
    def of(resource: Resource, name: str, impact: Impact = Impact.HOT) -> Touched:
        return touched_by(SPEC, [Change(HOST, resource, name, Action.UPDATE, impact, "")])

    assert [p.name for p in of(Resource.PATH, NAMES[0]).read] == [NAMES[0]]
    site = of(Resource.PEER, "site/kcl-bg-001")
    assert {p.facility for p in site.read} == {"kcl-bg-001"}
    assert len(site.peers) == 1
    source = PULLED[0].pulled
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
    flowing = tuple(wire.SampleAnswer(available=True, online=True, inbound_bytes=count, tracks=[]) for count in (1, 9))
    read = Read(
        run=True, frame=(path.codec, path.width, path.height), error="", status=None, timed_out=False, after=None
    )
    nowhere = Sources({("192.0.2.9", 554): 1}, {("192.0.2.9", 554): 1}, frozenset())
    relay = RelayEvidence(
        "active",
        "",
        {"routes": [], "peers": {}},
        {},
        {path.name: (flowing[0], flowing[1])},
        {path.name: read},
        {},
        sources=nowhere,
    )
    assert paths_in(SPEC, PULLED, Look(None, relay)).up == {path.name}
