"""A host's look at whether paths flow: two samples of the API, told apart by what came between them."""

from pathlib import Path

import pytest

from provisioner_host.look import probe
from provisioner_host.machine import units
from provisioner_host.wire import FlowLookRequest, SampleAnswer

REQUEST: FlowLookRequest = {"operation": "flow", "paths": ["a", "b", "c"], "sample_s": 0.02}


def sample(inbound: int, *, there: bool = True) -> SampleAnswer:
    return {"available": there, "online": True, "inbound_bytes": inbound, "tracks": []}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, SampleAnswer], str]]:
    """What the API says, one time after the other; the last one again and again."""
    says: list[tuple[dict[str, SampleAnswer], str]] = []
    state = {"active": "active", "enabled": "enabled", "reload": False, "drop_ins": [], "pid": 1}
    monkeypatch.setattr(probe, "sample", lambda _paths: says.pop(0) if len(says) > 1 else says[0])
    monkeypatch.setattr(units, "states", lambda names: dict.fromkeys(names, state))
    return says


def test_what_grew_flows_what_did_not_stands_and_what_is_not_listed_is_left_out(
    api: list[tuple[dict[str, SampleAnswer], str]],
) -> None:
    api += [({"a": sample(10), "b": sample(10)}, ""), ({"a": sample(20), "b": sample(10)}, "")]
    answer = probe.flow(REQUEST, Path("/"))
    assert answer["flows"] == {"a": True, "b": False}
    assert (answer["unit"], answer["api_error"]) == ("active", "")


def test_a_slow_path_has_the_whole_time_and_a_quick_look_ends_as_soon_as_all_flow(
    api: list[tuple[dict[str, SampleAnswer], str]],
) -> None:
    still, later = dict.fromkeys("abc", sample(10)), dict.fromkeys("abc", sample(11))
    api += [(still, ""), (still, ""), (later, "")]
    assert all(probe.flow(REQUEST, Path("/"))["flows"].values())
    api[:] = [(still, ""), (later, ""), (still, "")]
    assert all(probe.flow({**REQUEST, "sample_s": 5.0}, Path("/"))["flows"].values())
    assert len(api) == 1, "the third sample was not asked for"


@pytest.mark.parametrize(
    ("before", "after", "flows"),
    [
        (sample(500), sample(20), True),
        (sample(500), sample(0), False),
        (sample(10), sample(20, there=False), False),
        (sample(10), sample(10), False),
    ],
    ids=["dialled anew", "dialled anew and silent", "lost", "still"],
)
def test_a_source_that_is_dialled_anew_flows_where_something_came(
    api: list[tuple[dict[str, SampleAnswer], str]], before: SampleAnswer, after: SampleAnswer, *, flows: bool
) -> None:
    api += [({"a": before}, ""), ({"a": after}, "")]
    assert probe.flow(REQUEST, Path("/"))["flows"] == {"a": flows}


def test_an_api_that_says_nothing_is_asked_once(api: list[tuple[dict[str, SampleAnswer], str]]) -> None:
    api += [({}, "connection refused"), ({"a": sample(1)}, "")]
    answer = probe.flow(REQUEST, Path("/"))
    assert (answer["api_error"], answer["flows"]) == ("connection refused", {})
    assert len(api) == 1
