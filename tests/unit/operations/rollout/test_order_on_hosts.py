"""In which order a host goes through a change: what is read goes beside what is checked, and the switch comes last."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.change import apply, gate, preflight, switch
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine
from provisioner_host.state import dead_man, keys, last_good, leases
from provisioner_host.wire import ApplyRequest

REQUEST: Any = {
    "run": "run-1",
    "who": "somebody",
    "confirm_s": 60.0,
    "observe": {},
    "expected_live_digest": "as planned",
    "gate": None,
    "elsewhere": [],
    "restart": [],
    "files": {},
    "units": [],
    "peers": [],
    "sentinel": None,
    "program": None,
}
FACTS: Any = {"live_digest": "as planned", "manifest": None, "units": {}, "firewall": {"present": True}}


class Order:
    """What was done, in its order, with a look that goes on until it is waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.reads = self.in_place = True
        self.fails: dict[str, Failed] = {}
        order = self

        class Look:
            def __init__(self, _request: object, *, answers: bool) -> None:
                assert answers
                order.done.append("look")
                self.sessions: dict[str, Any] = {"paths": {}}

            @property
            def is_reading(self) -> bool:
                return order.reads

            def wait(self) -> None:
                order.done.append("waited")

            def end(self) -> dict[str, Any]:
                order.does("looked")
                return {}

        @contextlib.contextmanager
        def held(_who: str) -> Iterator[None]:
            yield

        monkeypatch.setattr(gate, "LookBefore", Look)
        monkeypatch.setattr(apply, "begin", lambda _change: None)
        monkeypatch.setattr(apply, "observe", self.named("observe", FACTS))
        monkeypatch.setattr(apply, "health", self.named("health"))
        monkeypatch.setattr(leases, "lock", held)
        for module, name in (
            (keys, "prepare"),
            (keys, "store_controller_key"),
            (quarantine, "keep"),
            (last_good, "save"),
            (last_good, "receipt"),
            (last_good, "restore"),
            (preflight, "install_program"),
            (preflight, "uninstall_program"),
            (preflight, "check"),
            (switch, "arm"),
            (switch, "switch"),
            (dead_man, "renew"),
            (dead_man, "disarm"),
            (leases, "release"),
            (leases, "extend"),
        ):
            monkeypatch.setattr(module, name, self.named(name))
        monkeypatch.setattr(switch, "can_arm_early", lambda _change: self.in_place)

    def does(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails[what]

    def named(self, what: str, answer: Any = None) -> Callable[..., Any]:
        def step(*_: object, **__: object) -> Any:
            self.does(what)
            return answer

        return step

    def apply(self, request: ApplyRequest = REQUEST) -> str:
        return apply.apply(request, Path("/nowhere"))["outcome"]

    def before(self, first: str, second: str) -> bool:
        return self.done.index(first) < self.done.index(second)


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Order:
    return Order(monkeypatch)


def test_what_is_read_goes_beside_all_that_changes_nothing_and_ends_before_the_switch(order: Order) -> None:
    assert order.apply() == "armed"
    assert order.done[:4] == ["prepare", "store_controller_key", "look", "observe"]
    assert order.before("save", "arm")
    assert order.before("check", "arm")
    assert order.before("arm", "waited")
    assert order.before("looked", "receipt")
    assert order.before("receipt", "switch")
    # The window counts from the switch and not from the arming, be the reads ever so slow.
    assert order.done[order.done.index("switch") - 1] == "renew"
    assert order.done.count("arm") == 1


@pytest.mark.parametrize(("reads", "in_place"), [(False, True), (True, False)])
def test_where_nothing_is_read_or_what_carries_a_return_changes_arming_comes_last(
    order: Order, *, reads: bool, in_place: bool
) -> None:
    order.reads, order.in_place = reads, in_place
    assert order.apply() == "armed"
    assert order.done[order.done.index("switch") - 1] == "arm"
    assert order.before("looked", "arm")
    assert order.before("receipt", "arm")


def test_paths_that_cannot_be_looked_at_leave_the_host_as_it_was_and_nothing_armed(order: Order) -> None:
    order.fails["looked"] = Failed("no reader")
    assert order.apply() == "refused"
    assert order.before("arm", "disarm")
    assert not {"switch", "restore"} & set(order.done)


@pytest.mark.parametrize("step", ["observe", "save", "check"])
def test_whatever_fails_beside_a_look_its_end_is_waited_for(order: Order, step: str) -> None:
    order.fails[step] = Failed("no")
    assert order.apply() == "refused"
    assert order.before(step, "waited")
    assert not {"arm", "disarm", "switch"} & set(order.done)


def test_a_host_that_moved_is_stale_once_its_look_is_over(order: Order) -> None:
    moved: Any = {**REQUEST, "expected_live_digest": "another"}
    assert order.apply(moved) == "stale"
    assert order.done[-2:] == ["release", "waited"]
    assert "save" not in order.done
