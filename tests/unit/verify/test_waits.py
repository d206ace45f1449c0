"""Where the time of a verification went, and in which order hosts read."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.report.verify_text import text_report
from provisioner.verify.document import verify_document
from provisioner.verify.paths import PathToCheck, select
from provisioner.verify.requests import ProbeLimits, taking_turns
from provisioner.verify.result import PARTS, HostWait, Waits, host_wait, together, waits_line

from .world import CENTRE, RELAY, answers, judged, relay_spec, state

odd = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["what", "seconds", "at", "x"]), inner),
    max_leaves=8,
)


@given(odd, odd, st.floats(0, 1e6))
def test_whatever_a_host_says_of_its_time_is_no_error(seconds: Any, spans: Any, answered_s: float) -> None:
    wait = host_wait(RELAY, {"seconds": seconds, "spans": spans}, answered_s)
    assert wait.parts.keys() <= PARTS.keys()
    assert wait.answered_s == answered_s
    assert waits_line(Waits(1.0, answered_s, {RELAY: wait})).isprintable()
    json.dumps(verify_document(replace(judged(answers()), waits=Waits(hosts={RELAY: wait}))).plain, allow_nan=False)


@given(st.floats(-1e6, 1e6))
def test_no_time_of_a_host_is_less_than_none(told: float) -> None:
    spans = [{"what": part, "at": 0.0, "seconds": told} for part in PARTS]
    wait = host_wait(RELAY, {"seconds": told, "spans": spans}, 1.0)
    assert {wait.visit_s, *wait.parts.values()} == {max(0.0, told)}


def test_the_line_names_the_host_that_all_waited_for() -> None:
    waits = Waits(
        before_s=0.9,
        asked_s=4.7,
        hosts={
            RELAY: HostWait(RELAY, 4.6, 3.4, {"reads": 3.2, "facts": 0.6, "ports": 0.01}),
            CENTRE: HostWait(CENTRE, 4.1, 3.9, {"centre reads": 3.8}),
            "silent": HostWait("silent"),
        },
    )
    assert waits_line(waits) == (
        "took 5.6 s: 0.9 s until hosts were asked, 1.2 s on the way to edge-1, 3.4 s there "
        "(pictures 3.2 s, facts 0.6 s)"
    )
    assert waits_line(waits) in text_report(replace(judged(answers()), waits=waits))
    document = verify_document(replace(judged(answers()), waits=waits)).plain
    assert document["seconds"] == {"total": 5.6, "until_asked": 0.9, "until_answered": 4.7}
    of_relay = next(host["seconds"] for host in document["hosts"] if host["host"] == RELAY)
    assert (of_relay["answer"], of_relay["visit"], of_relay["reads"], of_relay["samples"]) == (4.6, 3.4, 3.2, None)


def test_nobody_answered() -> None:
    assert "for answers that did not come" in waits_line(Waits(1.0, 9.0, {RELAY: HostWait(RELAY)}))


def test_rounds_are_added_and_a_host_is_as_it_was_first_asked() -> None:
    first, second = Waits(1.0, 5.0, {RELAY: HostWait(RELAY, 4.0)}), Waits(0.0, 3.0, {RELAY: HostWait(RELAY, 2.0)})
    assert together([first, second]) == Waits(1.0, 8.0, {RELAY: HostWait(RELAY, 4.0)})


def test_an_answer_is_timed() -> None:
    answer = HostAnswer(
        RELAY, CallOutcome.ANSWERED, {"seconds": 2.5, "spans": [{"what": "reads", "at": 0.0, "seconds": 2.0}]}
    )
    assert host_wait(RELAY, answer.document, 3.0) == HostWait(RELAY, 3.0, 2.5, {"reads": 2.0})


# --- the order ------------------------------------------------------------------------------------
TARGETS = select(state())


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40))
def test_pulled_paths_come_first_and_sites_take_turns(drawn: list[tuple[int, bool]]) -> None:
    path = relay_spec().paths[1]
    targets = [
        PathToCheck(relay_spec(), path._replace(name=f"{n}", facility=f"kcl-{site}", on_demand=on_demand), ())
        for n, (site, on_demand) in enumerate(drawn)
    ]
    turns = taking_turns(targets)
    assert sorted(turns, key=lambda t: int(t.path.name)) == targets
    assert [t.path.on_demand for t in turns] == sorted(t.path.on_demand for t in turns)
    for kind in (False, True):
        sites = [t.path.facility for t in turns if t.path.on_demand is kind]
        for at in range(len(sites)):
            # Nobody is more than one turn behind, while it still has paths.
            counts = {site: sites[:at].count(site) for site in sites if site in sites[at:]}
            assert not counts or max(counts.values()) - min(counts.values()) <= 1


@given(st.integers(1, 100), st.integers(1, 500))
def test_a_site_alone_is_read_by_few(most: int, sites: int) -> None:
    readers = ProbeLimits(max_readers=most).readers_for(sites)
    assert 1 <= readers <= min(most, 8 * sites)
