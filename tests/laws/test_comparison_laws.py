"""Which paths are behind a peer: those that are pulled from an address in its allowed IPs, however wide these are."""

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.plan.diff.comparison import Comparison, Fleet
from tests.unit.operations.rollout.world import state

addresses = st.integers(0, 255).map(lambda last: str(IPv4Address(f"100.64.0.{last}")))
networks = st.tuples(addresses, st.integers(24, 32)).map(lambda n: str(IPv4Network(f"{n[0]}/{n[1]}", strict=False)))


def comparison(pulled: list[str]) -> Comparison:
    """A relay whose live file pulls one path from each of these addresses."""
    paths = {
        f"bac-giang/kcl-{n}/cam-01/sub": wire.PathAnswer(
            settings={"source": f"rtsp://{address}:10554/x"}, digest="", source_digest=""
        )
        for n, address in enumerate(pulled)
    }
    spec = next(spec for spec in state({}).hosts.values() if spec.relay)
    relay = wire.RelayAnswer(settings={}, paths=paths, sentinel=None, foreign=0)
    return Comparison(spec, {}, HostFacts(spec.id, relay=relay), Fleet())


@given(pulled=st.lists(addresses, max_size=6), network=networks)
def test_a_path_is_behind_a_network_that_holds_its_address(pulled: list[str], network: str) -> None:
    at = comparison(pulled)
    behind = [f"bac-giang/kcl-{n}/cam-01/sub" for n, a in enumerate(pulled) if IPv4Address(a) in IPv4Network(network)]
    assert sorted(at.pulled_from(network)) == sorted(behind)
    assert at.site_at(network) == (("bac-giang", at.pulled_from(network)[0].split("/")[1]) if behind else ("", ""))


@given(pulled=st.lists(addresses, max_size=6), network=st.text() | networks.map(lambda n: n + "/"))
def test_a_network_that_a_host_made_up_holds_nothing_else(pulled: list[str], network: str) -> None:
    at = comparison(pulled)
    assert all(path in at.live_paths for path in at.pulled_from(network))
