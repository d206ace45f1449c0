"""What a host loses to another relay of its carrier is not revoked; whatever else it loses is."""

from dataclasses import replace

import pytest

from provisioner.base.secret import Secret
from provisioner.desired.spec import HostSpec
from provisioner.hosts.observe import observe
from provisioner.operations.rollout.job import Job, RolloutOptions, first_call, relays_beside
from tests import fleets
from tests.hostile import CENTRE, GATEWAY
from tests.unit.operations.rollout.world import Controller, state

HOST, OTHER = "relay-viettel-1", "relay-viettel-2"
BOTH, ONE = {"kcl-bg-001": 1, "kcl-bg-002": 2}, {"kcl-bg-001": 1}


def moved(beside: HostSpec) -> list[str]:
    """What the request for a relay that loses a facility says that another one has."""
    controller = Controller()
    controller.apply(state(BOTH))
    spec, files = state(ONE).hosts[HOST], fleets.files_of(state(ONE))
    facts, _ = observe([spec], files, controller.hosts)
    others = relays_beside(spec, [spec, beside])
    job = Job(spec, files[HOST], facts[HOST], "", carrier=others)
    return list(first_call(job, "run", RolloutOptions(gate=None)).request["elsewhere"])


def other(password: str = "secret") -> HostSpec:
    """Another relay of the carrier, which has both facilities."""
    return replace(state(BOTH, password).hosts[HOST], id=OTHER)


def key() -> str:
    return next(p.public_key for p in other().tunnel.peers if p.name == "site/kcl-bg-002")


def test_a_facility_that_goes_to_another_relay_with_its_secrets_is_told() -> None:
    paths = [path.name for path in other().paths if path.facility == "kcl-bg-002"]
    assert moved(other()) == sorted([key(), *paths])


@GATEWAY
def test_a_facility_that_another_carrier_takes_over_is_revoked_here() -> None:
    assert moved(replace(other(), carriers=("vnpt",))) == []


@GATEWAY
def test_a_login_or_a_key_that_was_replaced_on_the_way_is_revoked() -> None:
    assert moved(other("another")) == [key()]
    peers = tuple(replace(peer, psk=Secret("A" * 43 + "=")) for peer in other().tunnel.peers)
    assert key() not in moved(replace(other(), tunnel=replace(other().tunnel, peers=peers)))


@CENTRE
@pytest.mark.parametrize("name", ["centre/other", "relay/other"])
def test_only_sites_move(name: str) -> None:
    """A centre that reads from another relay still is revoked where it reads no more."""
    peers = tuple(replace(peer, name=name) for peer in other().tunnel.peers)
    assert key() not in moved(replace(other(), tunnel=replace(other().tunnel, peers=peers)))
