"""An apply silences exactly the alerts that are about what its plan cuts: for any plan, by Alertmanager's own rules."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.operations.apply.silences import LONGEST_PATTERN, silenced_alerts
from provisioner.plan.change import Action, Change, HostCut, Impact, Resource, cut_from, cut_of, cut_whole, site_of_peer
from tests import fleets, inventories
from tests.hostile import RELAY
from tests.silences import is_silenced

INVENTORY = "example"
Labels = Mapping[str, str]


def _mixed(name: str) -> dict[str, Any]:
    """A facility with a recorder of two channels and a camera of its own."""
    plain = fleets.facility(name, 1)
    channels = [inventories.channel(f"cam-1{n}", n) for n in (1, 2)]
    recorders = [inventories.recorder()]
    return inventories.signed({**plain, "recorders": recorders, "cameras": [*plain["cameras"], *channels]})


@cache
def relay() -> HostSpec:
    """A relay of three facilities; names of one begin like those of another."""
    listed = [fleets.facility("kcl-bg-1", 2), fleets.facility("kcl-bg-11", 1), _mixed("kcl-bg-12")]
    state = fleets.state_of(inventories.inventory(facilities=listed))
    return next(host for host in state.hosts.values() if host.relay is not None)


def alerts_of(host: str, paths: tuple[MediaPath, ...]) -> Iterator[tuple[Labels, frozenset[str]]]:
    """Every alert about paths that a watch can raise of a relay, each with the paths that it speaks of."""
    pulled = [path for path in paths if not path.on_demand]
    base = {"inventory": INVENTORY, "host": host, "carrier": "viettel"}
    everything = frozenset(path.name for path in pulled)
    yield {**base, "alertname": "ProvisionerHostDown", "scope": "host", "object": host}, everything
    for facility in {path.facility for path in pulled}:
        of = [path for path in pulled if path.facility == facility]
        site = {**base, "alertname": "ProvisionerSiteDown", "scope": "site", "facility": facility}
        yield {**site, "object": facility}, frozenset(path.name for path in of)
        for device in {name for path in of for name in (path.camera, path.device)}:
            behind = frozenset(path.name for path in of if device in {path.camera, path.device})
            labels = {"facility": facility, "object": f"{facility}/{device}"}
            yield {**base, **labels, "alertname": "ProvisionerDeviceDown", "scope": "device"}, behind
            yield {**site, **labels}, behind  # its port map is missing
        for path in of:
            labels = {"path": path.name, "facility": facility, "object": path.name}
            yield {**base, **labels, "alertname": "ProvisionerPathDown", "scope": "path"}, frozenset({path.name})


def never_about_paths(host: str) -> Iterator[Labels]:
    """Alerts that no change of a host keeps silent."""
    for name in ("ProvisionerHostDrifted", "ProvisionerHostNotVerified"):
        yield {"alertname": name, "inventory": INVENTORY, "host": host}
    for name in ("ProvisionerPathsUnknown", "ProvisionerFewUpAtNight"):
        yield {"alertname": name, "inventory": INVENTORY, "carrier": "viettel", "province": "bac-giang"}
    yield {"alertname": "ProvisionerNight", "inventory": INVENTORY, "host": host, "facility": "kcl-bg-1"}
    yield {"alertname": "ProvisionerWatchDown"}
    yield {"alertname": "NodeDiskFull", "host": host}


@st.composite
def changes(draw: st.DrawFn) -> tuple[Change, ...]:
    """Changes of the relay: of paths, peers, rules, files and units, with any impact that such a one can have."""
    spec = relay()
    sites = sorted({path.facility for path in spec.paths})
    gone = [f"bac-giang/{site}/cam-99/sub" for site in (*sites, "kcl-bg-99")]
    paths = st.builds(
        lambda name, action, impact: Change(spec.id, Resource.PATH, name, action, impact, "-"),
        st.sampled_from([*(path.name for path in spec.paths), *gone]),
        st.sampled_from(Action),
        st.sampled_from([Impact.HOT, Impact.PATH]),
    )
    peers = st.builds(
        lambda site, form, action, impact: Change(
            spec.id, Resource.PEER, form.format(site), action, impact, "-", facility=site
        ),
        st.sampled_from(sites),
        st.sampled_from(["site/{}", "next/{}", "former/{}/AAAA=", "unknown/BBBB="]),
        st.sampled_from(Action),
        st.sampled_from([Impact.HOT, Impact.PATH]),
    )
    others = st.builds(
        lambda resource, name, impact: Change(spec.id, resource, name, Action.UPDATE, impact, "-"),
        st.sampled_from([Resource.FILE, Resource.UNIT, Resource.RULE, Resource.TRUST]),
        st.just("something"),
        st.sampled_from([Impact.NONE, Impact.HOT, Impact.NONE, Impact.HOT, Impact.ALL]),
    )
    elsewhere = paths.map(lambda change: change._replace(host="another-relay"))
    return tuple(draw(st.lists(st.one_of(paths, paths, peers, others, elsewhere), max_size=14)))


def cut_paths(spec: HostSpec, planned: tuple[Change, ...]) -> frozenset[str]:
    """The pulled paths that a plan says it cuts, change by change."""
    cut: set[str] = set()
    for change in planned:
        if change.host != spec.id or change.action is Action.NOOP or change.impact not in {Impact.PATH, Impact.ALL}:
            continue
        for path in spec.paths:
            is_own = change.resource is Resource.PATH and change.name == path.name
            is_site = change.resource is Resource.PEER and change.facility == path.facility
            if not path.on_demand and (change.impact is Impact.ALL or is_own or is_site):
                cut.add(path.name)
    return frozenset(cut)


@given(planned=changes())
def test_the_alerts_that_are_silenced_are_those_about_what_the_plan_cuts(planned: tuple[Change, ...]) -> None:
    spec, cut = relay(), cut_paths(relay(), planned)
    host_cut = cut_of(spec, planned)
    silences = silenced_alerts(INVENTORY, host_cut, spec.paths) if host_cut else ()
    assert bool(host_cut) or not cut
    for labels, about in alerts_of(spec.id, spec.paths):
        assert is_silenced(silences, labels) is (about <= cut), labels
        for other in ({"inventory": "another"}, {"host": "another-relay"}):
            assert not is_silenced(silences, {**labels, **other}), labels
    assert not any(is_silenced(silences, labels) for labels in never_about_paths(spec.id))


@given(planned=changes())
def test_a_cut_says_of_each_path_what_the_plan_says_of_it(planned: tuple[Change, ...]) -> None:
    spec, cut = relay(), cut_paths(relay(), planned)
    host_cut = cut_of(spec, planned) or HostCut(spec.id)
    assert {p.name for p in spec.paths if not p.on_demand and host_cut.cuts_path(p.facility, p.name)} == cut
    assert cut_from(spec.id, host_cut.plain()) == host_cut


@RELAY
@given(
    names=st.lists(st.from_regex(r"[a-z0-9.+*|()\[\]\\/-]{1,40}", fullmatch=True), min_size=1, max_size=40, unique=True)
)
def test_names_stand_for_themselves_and_patterns_have_an_end(names: list[str]) -> None:
    """Names of paths that go are a relay's own words: whatever they hold, they fit nothing but themselves."""
    paths = [f"x/y/{name}" for name in names]
    cut, beside = frozenset(paths[::2]), paths[1::2]
    silences = silenced_alerts(INVENTORY, HostCut("relay-1", paths=cut), relay().paths)
    assert all(len(matcher.value) <= LONGEST_PATTERN for one in silences for matcher in one)

    def labels(path: str) -> Labels:
        return {"inventory": INVENTORY, "host": "relay-1", "scope": "path", "path": path}

    assert all(is_silenced(silences, labels(path)) for path in cut)
    assert not any(is_silenced(silences, labels(path)) for path in beside)


def test_a_whole_country_of_paths_is_silenced_by_patterns_of_bounded_length() -> None:
    paths = frozenset(f"bac-giang/kcl-{n:05}/cam-01/sub" for n in range(3_000))
    silences = silenced_alerts(INVENTORY, HostCut("relay-1", paths=paths), ())
    assert len(silences) < 20
    assert max(len(matcher.value) for one in silences for matcher in one) <= LONGEST_PATTERN


def test_a_return_to_a_state_that_the_host_alone_knows_silences_all_of_the_host() -> None:
    spec = relay()
    (matchers,) = silenced_alerts(INVENTORY, cut_whole(spec.id), spec.paths)
    assert all(is_silenced([matchers], labels) for labels, _ in alerts_of(spec.id, spec.paths))
    assert not any(is_silenced([matchers], labels) for labels in never_about_paths(spec.id))


def test_the_sites_of_peers_are_told_by_their_names() -> None:
    names = ("site/kcl-1", "next/kcl-1", "former/kcl-1/AAA=", "centre/hcm", "relay/relay-1", "unknown/AAA=")
    assert [site_of_peer(name) for name in names] == ["kcl-1", "kcl-1", "kcl-1", "", "", ""]
