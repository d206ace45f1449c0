"""Laws of the quarantine: who is counted, what leaves the file, and what a plan makes of it."""

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.desired.render.host import MEDIAMTX_FILE
from provisioner.plan.change import Action, Resource
from provisioner.plan.diff.paths import quarantined_on
from provisioner_host.change import quarantine_trial
from provisioner_host.change.quarantine_watch import with_refused_quarantined
from provisioner_host.relay import quarantine
from provisioner_host.relay.quarantine import MOST_REFUSALS, Refusals, login_line_in
from provisioner_host.relay.relay import describe
from tests import plans
from tests.hostile import CAMERA
from tests.simulated import SimulatedHost

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RELAY = "relay-viettel-1"
SINCE, LATER = "2021-05-09T03:00:00Z", "2021-05-09T04:00:00Z"
NAMES = ("kcl-bg-1", "kcl-bg-10", "kcl-bg-2")

fleets = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), min_size=1, max_size=3)

# --- counting -------------------------------------------------------------------------------------
# Six paths of three devices: two streams of a camera, three channels of a recorder, and one on its own.
LOGINS = {
    "p/s/cam-01/sub": "u:1@10.91.0.1:10554",
    "p/s/cam-01/main": "u:1@10.91.0.1:10554",
    "p/s/nvr-c1/sub": "u:2@10.91.0.1:10555",
    "p/s/nvr-c2/sub": "u:2@10.91.0.1:10555",
    "p/s/nvr-c3/sub": "u:2@10.91.0.1:10555",
    "p/t/cam-01/sub": "u:1@10.91.0.2:10554",
}
paths = st.sampled_from(sorted(LOGINS))
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


def refused(path: str, code: int = 401, phrase: str = "Unauthorized") -> str:
    message = f"[path {path}] [RTSP source] bad status code: {code} ({phrase})"
    return json.dumps({"timestamp": "t", "level": "ERR", "message": message})


def taken(path: str) -> str:
    message = f"[path {path}] stream is available and online, 1 track (H264)"
    return json.dumps({"timestamp": "t", "level": "INF", "message": message})


def said(path: str, words: str) -> str:
    """What a camera makes MediaMTX write: its own words after the path's name and the source's."""
    return json.dumps({"timestamp": "t", "level": "ERR", "message": f"[path {path}] [RTSP source] {words}"})


events = st.lists(st.tuples(paths, st.booleans()), max_size=30)


def counted(lines: list[str]) -> Refusals:
    refusals = Refusals()
    for line in lines:
        refusals.hear(line, lambda path: LOGINS.get(path, ""))
    return refusals


@given(events=events)
def test_a_login_is_due_when_its_device_refused_it_twice_since_it_took_it_whichever_path_asked(
    events: list[tuple[str, bool]],
) -> None:
    refusals = counted([refused(path) if bad else taken(path) for path, bad in events])
    for login in set(LOGINS.values()):
        own = [bad for path, bad in events if LOGINS[path] == login]
        in_a_row = next((n for n, bad in enumerate(reversed(own)) if not bad), len(own))
        assert (login in refusals.to_quarantine) == (in_a_row >= MOST_REFUSALS)


@given(events=events, tried=st.sets(st.sampled_from(sorted(set(LOGINS.values())))))
def test_a_try_by_another_way_counts_as_one_of_the_log(events: list[tuple[str, bool]], tried: set[str]) -> None:
    refusals = Refusals(tried.__contains__)
    for path, bad in events:
        refusals.hear(refused(path) if bad else taken(path), lambda path: LOGINS.get(path, ""))
    for login in set(LOGINS.values()):
        own = [bad for path, bad in events if LOGINS[path] == login]
        in_a_row = next((n for n, bad in enumerate(reversed(own)) if not bad), len(own))
        assert (login in refusals.to_quarantine) == (in_a_row >= MOST_REFUSALS - (login in tried))


@given(events=events, data=st.data())
def test_what_others_do_moves_no_count(events: list[tuple[str, bool]], data: st.DataObject) -> None:
    # A camera that refuses everything, or alternates, or floods the log, decides about itself alone.
    login = data.draw(st.sampled_from(sorted(set(LOGINS.values()))))
    lines = [(path, refused(path) if bad else taken(path)) for path, bad in events]
    alone = counted([line for path, line in lines if LOGINS[path] == login]).to_quarantine.get(login)
    assert counted([line for _, line in lines]).to_quarantine.get(login) == alone


@given(events=events, number=st.integers(0, 30))
def test_a_watcher_that_starts_again_from_the_log_counts_the_same(events: list[tuple[str, bool]], number: int) -> None:
    lines = [refused(path) if bad else taken(path) for path, bad in events]
    restarted = [*lines[:number], '{"level":"INF","message":"MediaMTX v1.20.1, linux, amd64"}', *lines[number:]]
    assert counted(restarted).to_quarantine == counted(lines).to_quarantine


@CAMERA
@given(path=paths, other=paths, words=words)
def test_no_camera_speaks_for_another_one_or_of_another_answer(path: str, other: str, words: str) -> None:
    sayings = [
        f"bad status code: 404 (bad status code: 401 (x)) {words}",
        f"{words}\n[path {other}] [RTSP source] bad status code: 401 (Unauthorized)",
        f"bad status code: 302 ({words}) [path {other}] stream is available and online, 1 track",
        f"bad status code: 4010 ({words})",
        f"bad status code: 403 ({words})",
    ]
    for saying in sayings:
        if not saying.startswith("bad status code: 401 "):
            assert login_line_in(said(path, saying)) is None
    assert counted([said(path, saying) for saying in sayings] * 9).to_quarantine == {}


@CAMERA
@given(line=st.one_of(words, st.binary(max_size=60).map(lambda b: b.decode(errors="replace"))))
def test_a_line_that_is_no_line_of_ours_counts_nothing(line: str) -> None:
    for text in (line, f"{line} bad status code: 401", f'"stream is available{line}"', f"[{line!r}]"):
        assert counted([text] * 3).to_quarantine == {}


# --- the file -------------------------------------------------------------------------------------
def world_of(fleet: dict[str, int], password: str = plans.PASSWORD) -> tuple[plans.World, SimulatedHost]:
    world = plans.World()
    world.apply(plans.of(fleet), password=password)
    return world, world.hosts.hosts[RELAY]


def text_of(host: SimulatedHost) -> str:
    return host.files[MEDIAMTX_FILE][0].decode()


def put(host: SimulatedHost, text: str) -> None:
    host.files[MEDIAMTX_FILE] = (text.encode(), *host.files[MEDIAMTX_FILE][1:])


def logins_in(text: str) -> list[str]:
    return sorted({one.login for one in quarantine.lines_in(text)})


def refuse(host: SimulatedHost, logins: set[str], flowing: set[str] | None = None) -> list[str]:
    """What the unit on a host does when devices have refused their logins."""
    text = text_of(host)
    to_quarantine = {x: frozenset(n for n, login in quarantine.pulled_in(text) if login == x) for x in logins}
    put(host, with_refused_quarantined(text, to_quarantine, flowing if flowing is not None else set(), SINCE))
    return sorted(one.name for one in quarantine.lines_in(text_of(host)) if one.since)


@FEW
@given(fleet=fleets, data=st.data())
def test_what_is_out_comes_back_byte_for_byte_and_alone(fleet: dict[str, int], data: st.DataObject) -> None:
    _, host = world_of(fleet)
    whole = text_of(host)
    logins = set(data.draw(st.sets(st.sampled_from(logins_in(whole)), min_size=1)))
    out = refuse(host, logins)
    marked = text_of(host)
    assert out == sorted(one.name for one in quarantine.lines_in(whole) if one.login in logins)
    assert quarantine.whole(marked) == whole
    paths_before, paths_now = describe(whole, "")["paths"], describe(marked, "")["paths"]
    assert paths_now == {name: path for name, path in paths_before.items() if name not in out}
    sentinels = [describe(text, "")["sentinel"] for text in (whole, marked)]
    assert len(set(sentinels)) == 2
    assert quarantine.sentinel_in(marked) == sentinels[1]
    # Lines that are no path's stay as they are.
    gone = set(whole.splitlines()) - set(marked.splitlines())
    assert len(gone) == len(out) + 1


@FEW
@given(fleet=fleets, data=st.data())
def test_what_flows_stays_and_goes_with_its_own_first_refusal(fleet: dict[str, int], data: st.DataObject) -> None:
    _, host = world_of(fleet)
    # A site's cameras are channels of one recorder.
    put(host, re.sub(r"(@[0-9.]+):\d+/", r"\1:10554/", text_of(host)))
    login = data.draw(st.sampled_from(logins_in(text_of(host))))
    own = sorted(n for n, of in quarantine.pulled_in(text_of(host)) if of == login)
    flowing = set(data.draw(st.sets(st.sampled_from(own))))
    assert refuse(host, {login}, flowing) == sorted(set(own) - flowing)
    # An apply of the same, and a return to a state of before, leave both as they are.
    marked = text_of(host)
    assert quarantine.carried_over(quarantine.whole(marked), marked) == marked
    assert refuse(host, {login}) == own


@FEW
@given(fleet=fleets, more=fleets, data=st.data())
def test_a_quarantined_path_is_no_change_and_no_plan_is_stale_for_it(
    fleet: dict[str, int], more: dict[str, int], data: st.DataObject
) -> None:
    world, host = world_of(fleet)
    before = world.plan(plans.of(fleet)).plan
    saved = world.plan(plans.of(more)).plan
    logins = set(data.draw(st.sets(st.sampled_from(logins_in(text_of(host))), min_size=1)))
    out = refuse(host, logins)
    plan = world.plan(plans.of(fleet)).plan
    assert plan.is_empty
    assert [one.path for one in plan.quarantined] == out
    assert plan.basis.digest == before.basis.digest
    assert {c.name for c in plan.changes if c.reason.startswith("quarantined since")} == set(out)
    # Somebody else's edit is the plan that it was before, and leaves what is out where it is.
    again = world.plan(plans.of(more)).plan
    assert again.basis.live == saved.basis.live
    assert again.basis.planned == saved.basis.planned
    world.apply(plans.of(more))
    assert world.plan(plans.of(more)).plan.is_empty
    kept = {one.name for one in quarantine.lines_in(text_of(host)) if one.since}
    assert kept >= {name for name in out if name in describe(quarantine.whole(text_of(host)), "")["paths"]}
    assert logins_in(text_of(host)) == logins_in(quarantine.whole(text_of(host)))
    assert all(
        one.since
        for one in quarantine.lines_in(text_of(host))
        if one.login in logins & {o.login for o in quarantine.lines_in(text_of(host)) if o.since}
    )


@FEW
@given(fleet=fleets, data=st.data())
def test_another_password_brings_it_back_to_the_ordinary_host(fleet: dict[str, int], data: st.DataObject) -> None:
    world, host = world_of(fleet, "old")
    reviewed = world.plan(plans.of(fleet), password="new").plan
    out = refuse(host, set(data.draw(st.sets(st.sampled_from(logins_in(text_of(host))), min_size=1))))
    planned = world.plan(plans.of(fleet), password="new").plan
    assert planned.basis.digest == reviewed.basis.digest, "a plan stays valid if its path is quarantined before apply"
    own = {c.name: c for c in planned.pending if c.resource is Resource.PATH and c.name in out}
    assert set(own) == set(out)
    assert not any(c.viewers for c in own.values())
    assert all(one.renewed for one in planned.quarantined)
    world.apply(plans.of(fleet), password="new")
    ordinary, other = world_of(fleet, "new")
    assert text_of(host) == text_of(other)
    assert world.plan(plans.of(fleet), password="new").plan.is_empty
    assert ordinary.plan(plans.of(fleet), password="new").plan.is_empty


@FEW
@given(fleet=fleets, data=st.data())
def test_lifting_a_path_asks_its_device_again_and_no_other_one(fleet: dict[str, int], data: st.DataObject) -> None:
    _, host = world_of(fleet)
    whole = text_of(host)
    logins = set(data.draw(st.sets(st.sampled_from(logins_in(whole)), min_size=1)))
    out = refuse(host, logins)
    lifted = set(data.draw(st.sets(st.sampled_from(out))))
    logins_lifted = {one.login for one in quarantine.lines_in(whole) if one.name in lifted}
    text = quarantine.carried_over(whole, text_of(host), lifted)
    pulled = {login for _, login in quarantine.pulled_in(text)}
    assert pulled == set(logins_in(whole)) - (logins - logins_lifted)


@FEW
@given(fleet=fleets)
def test_no_secret_is_told_of_what_is_out(fleet: dict[str, int]) -> None:
    _, host = world_of(fleet)
    refuse(host, set(logins_in(text_of(host))))
    answer = json.dumps(quarantine.answer_of(text_of(host), "key"))
    assert not [x for x in logins_in(text_of(host)) if x in answer or x.rpartition("@")[0] in answer]


# --- a new login ----------------------------------------------------------------------------------
settings_of_path = st.fixed_dictionaries(
    {"login": st.sampled_from(sorted(set(LOGINS.values()))), "demand": st.booleans()}
)
devices = st.dictionaries(st.sampled_from([f"p/s/cam-{n:02}/sub" for n in range(12)]), settings_of_path, max_size=12)


def file_of(wanted: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, of in sorted(wanted.items()):
        settings = {"source": f"rtsp://{of['login']}/x", **({"sourceOnDemand": True} if of["demand"] else {})}
        lines.append(f"  {json.dumps(name)}: {json.dumps(settings)}\n")
    return "logLevel: info\npaths:\n" + "".join(lines) + '  "cfg/0123456789ab": {"source": "publisher"}\n'


@given(wanted=devices, live=devices)
def test_a_new_login_is_tried_by_two_paths(wanted: dict[str, dict[str, Any]], live: dict[str, dict[str, Any]]) -> None:
    text, before = file_of(wanted), file_of(live)
    tried = quarantine_trial.tried_first(text, before)
    first = quarantine_trial.without_logins(text, tried.keys(), SINCE, tried)
    assert quarantine.whole(first) == text
    pulled, known = quarantine.pulled_in(first), {of["login"] for of in live.values()}
    for login in {of["login"] for of in wanted.values()} - known:
        at_once = {name for name, of in wanted.items() if of["login"] == login and not of["demand"]}
        now = {name for name, of in pulled if of == login}
        assert len(now & at_once) == min(len(at_once), quarantine_trial.FIRST)
        # One that is known to few paths has them all: nothing waits for it.
        assert login in tried or now == {name for name, of in wanted.items() if of["login"] == login}
    assert {(name, of["login"]) for name, of in wanted.items() if of["login"] in known} <= pulled
    out = quarantine_trial.without_logins(text, tried.keys(), SINCE)
    assert {login for _, login in quarantine.pulled_in(out)}.isdisjoint(tried)


@given(wanted=devices, data=st.data())
def test_what_was_refused_before_a_new_login_was_started_is_not_its_own(
    wanted: dict[str, dict[str, Any]], data: st.DataObject
) -> None:
    tried = quarantine_trial.tried_first(file_of(wanted), "")
    names = sorted({name for of in tried.values() for name in of})
    before = [refused(name) for name in data.draw(st.lists(st.sampled_from(names), max_size=5))] if names else []
    started = [json.dumps({"level": "INF", "message": f"[path {name}] [RTSP source] started"}) for name in names]
    started = [line.replace('": "', '":"') for line in started]
    counts = quarantine_trial.refused_of([*before, *started], tried)
    assert set(counts.values()) <= {0}
    after = quarantine_trial.refused_of([*before, *started, *(refused(name) for name in names)], tried)
    assert after == {login: len(of) for login, of in tried.items()}


def test_a_verdict_of_the_plan_knows_the_same_login_on_both_sides() -> None:
    world, host = world_of({"kcl-bg-1": 2})
    refuse(host, set(logins_in(text_of(host))[:1]))
    planned = world.plan(plans.of({"kcl-bg-1": 2}))
    [spec] = [spec for spec in planned.hosts if spec.id == RELAY]
    assert [one.renewed for one in quarantined_on(spec, planned.facts[RELAY]).values()] == [False]
    assert {c.action for c in planned.plan.changes} == {Action.NOOP}
