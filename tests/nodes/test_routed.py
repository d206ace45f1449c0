"""Which way a call goes: by its carrier's node, or from here; what one way does not do hides nothing of the other."""

from collections.abc import Iterator, Sequence

import pytest

from provisioner.base.errors import HostError
from provisioner.hosts.runner import HostAnswer, HostCall
from provisioner.nodes.controller import RoutedRunner
from tests.nodes.carrying import CountingHosts, call_of, host_of


def test_a_host_goes_by_the_node_of_the_one_carrier_that_it_serves() -> None:
    local, remote = CountingHosts(), CountingHosts()
    runner = RoutedRunner(local, remote, {"vnpt"})
    calls = [
        call_of(host_of(1, ("vnpt",))),
        call_of(host_of(2, ("viettel",))),
        call_of(host_of(3, ("vnpt", "viettel"))),
        call_of(host_of(4, ())),
        call_of(host_of(5, ("vnpt",))),
    ]
    answers = runner.call(calls, timeout_s=5)
    assert len(answers) == 5
    assert {name for name, _ in remote.done} == {"relay-1", "relay-5"}
    assert {name for name, _ in local.done} == {"relay-2", "relay-3", "relay-4"}
    runner.close()
    assert (local.closed, remote.closed) == (1, 1)


class BrokenHosts(CountingHosts):
    """Calls that cannot even be begun."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Fail."""
        raise HostError(f"Ansible did not work for {len(calls)} call in {timeout_s} s")


def test_one_way_that_does_not_work_hides_no_answer_of_the_other() -> None:
    remote = CountingHosts(takes_s=0.2)
    runner = RoutedRunner(BrokenHosts(), remote, {"vnpt"})
    came: list[HostAnswer] = []
    with pytest.raises(HostError, match="Ansible did not work"):
        came.extend(runner.stream([call_of(host_of(1)), call_of(host_of(2, ("viettel",)))], timeout_s=5))
    assert [name for name, _ in remote.done] == ["relay-1"]
