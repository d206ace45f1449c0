"""Laws of site packages in plans: named are exactly the sites whose package is another one afterwards."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.secret import Secret
from provisioner.desired.render.site import render_site
from provisioner.desired.sites import site_spec
from provisioner.inventory.model.facility import Access
from provisioner.inventory.model.inventory import Inventory
from tests import fleets, inventories
from tests.plans import World

FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
RELAYS = ("relay-viettel-1", "relay-viettel-2")
SITES = ("kcl-bg-001", "kcl-bg-002", "kcl-bg-003")


def inventory(
    relays: Mapping[str, Mapping[str, Any]], sites: Mapping[str, tuple[str, int, str, int | None]]
) -> Inventory:
    """Relays with what is theirs, and sites with their relay, number of cameras, access mode and port dialled."""
    listed = [inventories.relay(name, 11 + n, **relays[name]) for n, name in enumerate(RELAYS)]
    plan = {"state": "agreed", "carrier": "viettel"}
    facilities = [
        fleets.facility(
            name,
            cameras,
            plan=plan | {"relay": relay, "access": mode},
            gateway=inventories.facility(name)["gateway"] | ({"relay_port": port} if port else {}),
        )
        for name, (relay, cameras, mode, port) in sites.items()
    ]
    return inventories.inventory(carriers=[inventories.carrier(relays=listed)], facilities=facilities)


places = st.sampled_from(
    [
        {},
        {"endpoint": "198.51.100.9"},
        {"endpoint": "2001:db8::9"},
        *(
            {"endpoint": name, "endpoint_address": at}
            for name in ("a.example.com", "b.example.com")
            for at in ("198.51.100.9", "2001:db8::9")
        ),
    ]
)
addresses = st.builds(
    lambda place, port: place | port,
    places,
    st.fixed_dictionaries({}, optional={"wireguard_port": st.sampled_from([51820, 51821, 443])}).map(
        lambda main: main | {"further_wireguard_ports": [port for port in (443, 53) if port not in main.values()]}
    ),
)
relays = st.fixed_dictionaries(dict.fromkeys(RELAYS, addresses))
# A site without a tunnel has no package that hosts could know anything of.
modes = st.sampled_from([mode.value for mode in Access if mode.has_tunnel])
ports = st.sampled_from([None, None, 443, 53])
sites = st.fixed_dictionaries(dict.fromkeys(SITES, st.tuples(st.sampled_from(RELAYS), st.integers(1, 3), modes, ports)))


def packages(world: World, found: Inventory) -> dict[str, Any]:
    whole, secrets, _ = world.state(found)
    return {
        name: render_site(site_spec(whole, secrets, facility), fleets.templates(), fleets.VALID)
        for name, facility in whole.facilities.items()
    }


@FEW
@given(
    before=st.tuples(relays, sites), after=st.tuples(relays, sites), renewed=st.sets(st.sampled_from(SITES), max_size=2)
)
def test_exactly_the_sites_whose_package_changes_are_named(
    before: tuple[Any, Any], after: tuple[Any, Any], renewed: set[str]
) -> None:
    world = World()
    world.apply(inventory(*before))
    then = packages(world, inventory(*before))
    assert world.secrets is not None
    carrier = world.secrets.carriers["viettel"]
    psks = {site: Secret("A" * 43 + "=") for site in renewed}
    own = carrier.model_copy(update={"site_psks": {**carrier.site_psks, **psks}})
    world.secrets = world.secrets.model_copy(update={"carriers": {"viettel": own}})
    now = packages(world, inventory(*after))
    named = {need.facility for need in world.plan(inventory(*after)).plan.site_packages}
    assert named == {site for site in SITES if then[site] != now[site]}


asked = st.fixed_dictionaries(dict.fromkeys(SITES, st.tuples(st.booleans(), st.booleans())))


def asking(sites: Mapping[str, tuple[bool, bool]], mode: str) -> Inventory:
    """Sites of two cameras, each of which is asked about itself or is not."""
    plan = {"state": "agreed", "carrier": "viettel", "relay": RELAYS[0], "access": mode}
    return inventories.inventory(
        facilities=[
            fleets.facility(
                name,
                plan=plan,
                cameras=[
                    inventories.camera(f"cam-0{n}", 10 + n, onvif={} if one else None)
                    for n, one in enumerate(cameras, 1)
                ],
            )
            for name, cameras in sites.items()
        ]
    )


@FEW
@given(before=asked, after=asked, mode=modes)
def test_exactly_the_sites_where_other_devices_are_asked_are_named(
    before: Mapping[str, tuple[bool, bool]], after: Mapping[str, tuple[bool, bool]], mode: str
) -> None:
    world = World()
    world.apply(asking(before, mode))
    then, now = packages(world, asking(before, mode)), packages(world, asking(after, mode))
    named = {need.facility for need in world.plan(asking(after, mode)).plan.site_packages}
    assert named == {site for site in SITES if then[site] != now[site]}
    world.apply(asking(after, mode))
    assert world.plan(asking(after, mode)).plan.site_packages == ()
