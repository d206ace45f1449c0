"""Each rule finds what it is for, and finds nothing in an inventory that is right."""

import time
from collections import Counter
from datetime import date, timedelta
from ipaddress import IPv4Network
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from provisioner.base.errors import InventoryError
from provisioner.inventory.allocation import allocate
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.rules import RULES, SITE_RULES
from provisioner.inventory.rules.sites import recorders_bear_the_load
from provisioner.inventory.rules.view import overlapping_pairs
from tests import fleets
from tests import inventories as make
from tests.hostile import MERGE_REQUEST

MAIN = {"sub": {"width": 640, "height": 360}, "main": {"width": 1920, "height": 1080}}


def complete(**changes: Any) -> Inventory:
    """An inventory with a full lock and all keys."""
    return fleets.complete(make.inventory(**changes))


def codes(inventory: Inventory, today: date = make.TODAY) -> list[str]:
    return [problem.code for problem in make.check(inventory, today=today)]


VNPT_SITE = make.facility(
    "kcl-qn-001",
    province="quang-nam",
    plan={"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"},
    recorders=[make.recorder()],
    cameras=[make.channel("cam-01", 1), make.channel("cam-02", 2, streams=MAIN)],
)
BOTH = [make.carrier(), make.carrier("vnpt", 21)]


def settings(**pools: Any) -> dict[str, Any]:
    plain = make.settings()
    return plain | {"pools": plain["pools"] | pools}


_ORDER = {"ref": "1", "issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-08", "scope": ["ubnd_tinh"]}
_PLAN = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1"}
_SSH = {"user": "deploy", "host_key": make.HOST_KEY}
_ELSEWHERE = make.carrier("vnpt", 21, management_networks=["203.0.113.192/27"])


def _of(**changes: Any) -> dict[str, Any]:
    """One facility that differs."""
    return {"facilities": [make.facility(**changes)]}


def _relay(**changes: Any) -> dict[str, Any]:
    """A carrier's one relay that differs."""
    return {"carriers": [make.carrier(relays=[make.relay("relay-viettel-1", 11, **changes)])]}


def _beside(number: int, name: str = "relay-vnpt-1", **changes: Any) -> dict[str, Any]:
    """Another carrier's relay beside the first one."""
    return {"carriers": [make.carrier(), make.carrier("vnpt", 21, relays=[make.relay(name, number, **changes)])]}


_ASKED = make.recorder(onvif={"port": 8000, "model": "DS-7608NI", "serial": "D1234/5", "profile": "sub 1"})


@pytest.mark.parametrize(
    "changes",
    [
        {"facilities": [make.facility(), VNPT_SITE]},
        # LANs of sites overlap each other.
        {"facilities": [make.facility(name) for name in ("kcl-bg-001", "kcl-bg-002")]},
        {"designations": [make.designation(until="2021-05-07"), make.designation(since="2021-05-08")]},
        # A closed one needs neither designation nor address nor key.
        {"designations": []} | _of(operating="closed", gateway={"lan": "192.168.1.0/24", "lan_interface": "lan0"}),
        # The same address at another port is another device.
        _of(cameras=[make.camera(), make.camera("cam-02", port=555)]),
        _of(
            recorders=[_ASKED],
            cameras=[make.camera(onvif={}), make.camera("cam-02", 12, onvif={"port": 80}), make.channel("cam-03", 1)],
        ),
        # Behind one address translation each relay has a port of its own.
        _beside(21, endpoint="203.0.113.11", wireguard_port=51821),
    ],
)
def test_an_inventory_that_is_right_has_no_problems(changes: dict[str, Any]) -> None:
    assert codes(complete(**{"carriers": BOTH} | changes)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (_beside(11), "host-address-duplicate"),
        # An endpoint in a network that is everywhere is no second problem.
        (
            {"carriers": [make.carrier(management_networks=["0.0.0.0/0"]), make.carrier("vnpt", 21)]},
            "management-network-open",
        ),
    ],
)
def test_one_mistake_is_one_problem(changes: dict[str, Any], code: str) -> None:
    assert codes(complete(**changes)) == [code]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (_of(province="bac-ninh-cu"), "province-unknown"),
        ({"designations": [make.designation("bac-gian")]}, "province-unknown"),
        ({"designations": [make.designation(carrier="fpt"), make.designation()]}, "carrier-unknown"),
        ({"designations": []}, "carrier-not-designated"),
        ({"facilities": [make.facility("kcl-qn-001", province="quang-nam")]}, "carrier-not-designated"),
        ({"designations": [make.designation(until="2021-05-08")]}, "carrier-not-designated"),
        ({"designations": [make.designation(since="2021-05-10")]}, "carrier-not-designated"),
        ({"designations": [make.designation(), make.designation()]}, "designation-duplicate"),
        ({"designations": [make.designation(), make.designation(until="2021-05-01")]}, "designation-period"),
        ({"instructions": [_ORDER | {"before": "2021-05-06"}]}, "instruction-deadline"),
        (_beside(22, "relay-viettel-1"), "host-id-duplicate"),
        ({"centres": [make.centre(), make.centre("relay-viettel-1", 32)]}, "host-id-duplicate"),
        ({"centres": [make.centre(number=11)]}, "host-address-duplicate"),
        (_beside(21, endpoint="203.0.113.11"), "relay-endpoint-duplicate"),
        *(
            (_relay(endpoint=address), "relay-endpoint-unusable")
            for address in ("0.0.0.0", "127.0.0.1", "169.254.7.7", "224.0.0.1", "255.255.255.255")  # noqa: S104
        ),
        (_relay(endpoint="198.51.100.7"), "endpoint-in-management-network"),
        # Whoever's management network it is.
        ({"carriers": [*_relay(endpoint="203.0.113.200")["carriers"], _ELSEWHERE]}, "endpoint-in-management-network"),
        *((_relay(ssh=_SSH | {"port": port}), "ssh-port-taken") for port in (8554, 9997)),
        ({"carriers": [make.carrier(jump={"address": "10.91.0.9", "ssh": _SSH})]}, "jump-in-pool"),
        (_of(gateway=make.facility()["gateway"] | {"lan": "203.0.113.0/24"}), "lan-over-endpoint"),
        ({"centres": [make.centre(), make.centre("centre-2", 22)]}, "centre-without-management"),
        ({"carriers": [make.carrier(centres=["centre", "other"])]}, "centre-unknown"),
        ({"carriers": [make.carrier(centres=["centre", "centre"])]}, "centre-duplicate"),
        (_of(plan=_PLAN | {"relay": "relay-vnpt-1"}), "relay-of-other-carrier"),
        (_of(plan=_PLAN | {"relay": "no"}), "relay-unknown"),
        (_relay(max_paths=1) | _of(cameras=[make.camera(streams=MAIN)]), "relay-over-capacity"),
        ({"settings": settings(centres="10.91.3.0/24")}, "pool-overlap"),
        ({"settings": settings(centres="10.89.0.0/31")}, "pool-too-small"),
        ({"carriers": [make.carrier(own_networks=["10.0.0.0/8"])]}, "pool-over-carrier-network"),
        ({"carriers": [make.carrier(management_networks=["10.91.9.0/24"])]}, "pool-over-carrier-network"),
        ({"carriers": [make.carrier(management_networks=["0.0.0.0/0"])]}, "management-network-open"),
        ({"centres": [make.centre(management_networks=["0.0.0.0/0"])]}, "management-network-open"),
        ({"centres": [make.centre(management_networks=["10.91.9.0/24"])]}, "pool-over-carrier-network"),
        (_relay(endpoint="10.91.0.77"), "host-address-in-pool"),
        ({"centres": [make.centre(address="10.90.0.7")]}, "host-address-in-pool"),
        (_of(cameras=[make.camera(), make.camera()]), "device-id-duplicate"),
        (_of(recorders=[make.recorder("cam-01")]), "device-id-duplicate"),
        (_of(cameras=[make.channel("cam-01", 1)]), "recorder-unknown"),
        (_of(recorders=[make.recorder()], cameras=[make.channel("a", 1), make.channel("b", 1)]), "channel-duplicate"),
        (_of(cameras=[make.camera(address="192.168.2.1")]), "address-outside-lan"),
        (_of(cameras=[make.camera(address="192.168.1.255")]), "address-outside-lan"),
        (_of(cameras=[make.camera(), make.camera("cam-02")]), "address-duplicate"),
        (_of(cameras=[make.camera(onvif={"port": 554})]), "onvif-port-duplicate"),
        (_of(cameras=[make.camera(onvif={}), make.camera("cam-02", port=80)]), "onvif-port-duplicate"),
        (
            _of(cameras=[make.camera(onvif={}), make.camera("cam-02", port=555, onvif={"port": 80})]),
            "onvif-port-duplicate",
        ),
        (_of(cameras=[make.camera(make="generic")]), "rtsp-path-missing"),
        (_of(gateway={"lan": "192.168.1.0/24", "lan_interface": "br-lan"}), "gateway-key-missing"),
        (
            {"facilities": [make.facility(), make.facility("kcl-bg-002", gateway=make.facility()["gateway"])]},
            "public-key-duplicate",
        ),
    ],
)
def test_each_rule_finds_what_it_is_for(changes: dict[str, Any], code: str) -> None:
    plain: dict[str, Any] = {"carriers": BOTH} | changes
    assert code in codes(complete(**plain))
    # What comes before it, right or closed, hides nothing.
    before = [make.facility("kcl-aa-001"), make.facility("kcl-aa-002", operating="closed")]
    listed = plain.get("facilities", [make.facility()])
    assert code in codes(complete(**plain | {"facilities": [*before, *listed]}))


@MERGE_REQUEST
def test_a_file_of_nothing_but_hosts_or_centres_is_judged_in_time() -> None:
    relays = [make.relay(f"relay-{number}", number % 250) for number in range(6_000)]
    centres = tuple(f"centre-{number}" for number in range(30_000))
    inventory = make.inventory(carriers=[make.carrier(relays=relays)])
    viettel = inventory.carriers["viettel"].model_copy(update={"centres": centres})
    begun = time.process_time()
    problems = Counter(codes(inventory.model_copy(update={"carriers": {"viettel": viettel}})))
    assert time.process_time() - begun < 4.0
    assert problems["centre-unknown"] == len(centres)
    assert problems["allocation-missing"] >= len(relays)


@MERGE_REQUEST
def test_a_file_of_nothing_but_unknown_names_is_judged_in_time() -> None:
    """Each was compared with all names, letter by letter, to ask which one was meant."""
    periods = [make.designation(f"bac-gian{number}") for number in range(5_000)]
    reads = tuple(f"bac-gian{number}" for number in range(20_000))
    inventory = complete(carriers=BOTH, designations=periods)
    centre = inventory.centres["centre"].model_copy(update={"reads": reads})
    begun = time.process_time()
    problems = make.check(inventory.model_copy(update={"centres": {"centre": centre}}))
    assert time.process_time() - begun < 4.0
    assert Counter(problem.code for problem in problems)["read-prefix-unknown"] == len(reads)
    assert any("did you mean" in (problem.hint or "") for problem in problems)


SPANS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(1, 5)), max_size=8)


@given(SPANS)
def test_whatever_overlaps_has_a_pair_and_each_pair_overlaps(drawn: list[tuple[str, int, int]]) -> None:
    spans = [(key, begin, begin + length, number) for number, (key, begin, length) in enumerate(drawn)]
    every = {
        (one[3], other[3])
        for one, other in combinations(spans, 2)
        if one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
    }
    pairs = overlapping_pairs(spans)
    assert set(pairs) <= every
    assert {number for pair in pairs for number in pair} == {number for pair in every for number in pair}


@MERGE_REQUEST
@pytest.mark.parametrize("apart", [False, True], ids=["all at once", "one after the other"])
def test_a_file_of_nothing_but_periods_is_judged_in_time(*, apart: bool) -> None:
    """As many as a file of 1 MiB has: of each two of them it would be 98 million."""
    first = date(1900, 1, 1)
    days = [(first + timedelta(number if apart else 0)).isoformat() for number in range(14_000)]
    periods = [make.designation(since=day, **({"until": day} if apart else {})) for day in days]
    inventory = complete(carriers=BOTH, designations=periods)
    begun = time.process_time()
    problems = Counter(codes(inventory))
    assert problems["designation-duplicate"] == (0 if apart else len(days) - 1)
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize(("day", "held"), [(6, True), (8, True), (9, False)])
def test_a_designation_holds_on_its_first_and_on_its_last_day(day: int, *, held: bool) -> None:
    inventory = complete(carriers=BOTH, designations=[make.designation(until="2021-05-08")])
    assert ("carrier-not-designated" not in codes(inventory, date(2021, 5, day))) == held


def test_a_carrier_without_a_pool_is_told_to_get_one() -> None:
    inventory = make.inventory(settings=settings(carriers={"vnpt": "10.92.0.0/16"}))
    assert "pool-missing" in codes(inventory)


@pytest.mark.parametrize(
    "onvif",
    [
        *({"port": 0}, {"port": 65536}, {"port": "80"}, {"serial": ""}),
        *({"serial": "x" * 301}, {"serial": "tab\t"}, {"model": ""}, {"model": "two\nlines"}, {"profile": 1}),
        {"name": "unknown key"},
    ],
)
def test_what_a_device_has_to_say_of_itself_has_a_form(onvif: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make.inventory(facilities=[make.facility(cameras=[make.camera(onvif=onvif)])])


def test_a_channel_is_not_asked_by_itself() -> None:
    cameras = [make.channel("cam-01", 1, onvif={})]
    with pytest.raises(ValidationError, match="write onvif at its recorder"):
        make.inventory(facilities=[make.facility(recorders=[make.recorder()], cameras=cameras)])


def test_who_is_asked_about_itself_has_to_agree_to_nothing_anew() -> None:
    plain, asked = (make.facility(cameras=[make.camera(onvif=onvif)]) for onvif in (None, {"serial": "A1"}))
    assert plain["plan"]["sign_offs"] == asked["plan"]["sign_offs"]


def test_a_port_for_onvif_that_is_missing_left_over_or_taken_is_told() -> None:
    asked = make.facility(cameras=[make.camera(onvif={})])
    inventory = complete(carriers=BOTH, facilities=[asked])
    site = inventory.allocations.sites["kcl-bg-001"]

    def with_ports(found: Inventory, ports: dict[str, int] | None) -> list[str]:
        sites = {"kcl-bg-001": site.model_copy(update={"onvif_ports": ports})}
        return codes(make.with_lock(found, found.allocations.model_copy(update={"sites": sites})))

    assert codes(inventory) == []
    assert with_ports(inventory, None) == ["allocation-missing"]
    assert with_ports(inventory, dict(site.ports)) == ["allocation-port-duplicate"]
    assert with_ports(complete(carriers=BOTH), site.onvif_ports) == ["allocation-missing"]


def test_every_problem_says_what_to_do_next() -> None:
    inventory = make.inventory(designations=[], carriers=[make.carrier(centres=["nowhere"])], centres=[])
    problems = make.check(inventory)
    assert len({problem.code for problem in problems}) >= 3
    assert all(problem.hint and problem.message and problem.object for problem in problems)


def test_every_rule_says_what_it_holds() -> None:
    assert len(RULES) + len(SITE_RULES) == len({*RULES, *SITE_RULES})
    assert all(rule.__doc__ for rule in (*RULES, *SITE_RULES))


SITE = {"kcl-bg-001": {"carrier": "viettel", "tunnel_address": "10.91.0.2", "ports": {"cam-01": 10554}}}
RELAY = {"relay-viettel-1": {"tunnel_address": "10.91.0.1"}}
CENTRE = {"centre": {"tunnel_address": "10.90.0.1"}}


def _site(**changes: Any) -> dict[str, Any]:
    return {"sites": {"kcl-bg-001": SITE["kcl-bg-001"] | changes}}


def _buried(name: str, pool: str, **number: Any) -> dict[str, Any]:
    return {"sites": SITE, "tombstones": [{"object": name, "pool": pool, **number}]}


@pytest.mark.parametrize(
    ("lock", "code"),
    [
        ({"relays": RELAY, "centres": CENTRE}, "allocation-missing"),
        ({"relays": RELAY, "sites": SITE}, "allocation-missing"),
        ({"centres": CENTRE, "sites": SITE}, "allocation-missing"),
        (_site(ports={}), "allocation-missing"),
        (_site(ports={"cam-01": 10554, "cam-9": 10555}), "allocation-missing"),
        (_site(carrier="vnpt"), "allocation-missing"),
        ({"sites": SITE | {"kcl-bg-009": SITE["kcl-bg-001"]}}, "allocation-duplicate"),
        (_site(tunnel_address="10.92.0.2"), "allocation-outside-pool"),
        ({"relays": {"relay-viettel-1": {"tunnel_address": "10.90.0.9"}}}, "allocation-outside-pool"),
        ({"relays": {"old-relay": {"tunnel_address": "10.91.0.9"}}}, "allocation-missing"),
        ({"centres": {"old-centre": {"tunnel_address": "10.90.0.9"}}}, "allocation-missing"),
        (_buried("site/x", "carriers/viettel", tunnel_address="10.91.0.2"), "allocation-reused"),
        (_buried("site/kcl-bg-001/cam-0", "site/kcl-bg-001", port=10554), "allocation-port-duplicate"),
        (_site(ports={"a": 10554, "b": 10554}), "allocation-port-duplicate"),
        ({"relays": RELAY}, "host-keys-missing"),
        ({"centres": CENTRE}, "host-keys-missing"),
    ],
)
def test_a_lock_that_is_not_right_is_told_why(lock: dict[str, Any], code: str) -> None:
    assert code in codes(make.inventory(allocations=lock))


def test_a_port_of_another_site_is_no_conflict() -> None:
    buried = _buried("site/kcl-bg-002/cam-01", "site/kcl-bg-002", port=10554)
    inventory = make.inventory(allocations={"relays": RELAY, "centres": CENTRE, **buried})
    assert set(codes(inventory)) - {"host-keys-missing", "carrier-unknown"} == set()


@pytest.mark.parametrize(
    ("networks", "code"),
    [
        (["10.91.128.0/17"], "routed-network-over-pool"),
        (["198.51.100.0/24"], "routed-network-over-management"),
        (["10.120.0.0/16"], None),
    ],
)
def test_networks_of_sites_without_a_tunnel_hold_nothing_else(networks: list[str], code: str | None) -> None:
    found = [c for c in codes(complete(carriers=[make.carrier(routed_networks=networks)])) if c.startswith("routed")]
    assert found == ([code] if code else [])


def nat_mapped(**recorded: Any) -> list[str]:
    """What is said of two sites that map addresses, of which the first has something else recorded."""
    plan = make.facility()["plan"] | {"access": "pull_nat_map"}
    devices = [make.camera("cam-01", 11), make.camera("cam-02", 12)]
    names = ("kcl-bg-001", "kcl-bg-002")
    inventory = complete(facilities=[make.facility(name, plan=plan, cameras=devices) for name in names])
    lock = inventory.allocations
    site = lock.sites["kcl-bg-001"].model_copy(update=recorded)
    changed = lock.model_copy(update={"sites": lock.sites | {"kcl-bg-001": site}})
    return [c for c in codes(make.with_lock(inventory, changed)) if c.startswith("allocation")]


@pytest.mark.parametrize(
    ("recorded", "found"),
    [
        ({}, []),
        ({"prefix": IPv4Network("10.92.0.0/26")}, ["allocation-outside-pool"]),
        ({"prefix": IPv4Network("10.91.0.0/26")}, ["allocation-duplicate"] * 3),
        ({"prefix": IPv4Network("10.91.0.128/26")}, ["allocation-duplicate"]),
        ({"prefix": None}, ["allocation-missing"]),
        ({"numbers": {"cam-01": 1, "cam-02": 1}}, ["allocation-number-duplicate"]),
        ({"numbers": {"cam-01": 1, "cam-02": 63}}, ["allocation-outside-pool"]),
        ({"numbers": {"cam-01": 1}}, ["allocation-missing"]),
        ({"numbers": {"cam-01": 1, "cam-02": 2, "cam-03": 3}}, ["allocation-missing"]),
        ({"ports": {"cam-01": 10554}}, ["allocation-missing"]),
    ],
)
def test_prefixes_and_numbers_are_held_against_pools_and_devices(recorded: dict[str, Any], found: list[str]) -> None:
    assert nat_mapped(**recorded) == found


def test_a_prefix_that_is_full_is_told_and_nobody_moves() -> None:
    plan = make.facility()["plan"] | {"access": "pull_nat_map"}
    pools = settings(site_prefix_length=29)

    def inventory(count: int) -> Inventory:
        cameras = [make.camera(f"cam-{n:02}", 10 + n) for n in range(1, count + 1)]
        return make.inventory(settings=pools, facilities=[make.facility(plan=plan, cameras=cameras)])

    lock = allocate(inventory(6))
    assert str(lock.sites["kcl-bg-001"].prefix).endswith("/29")
    with pytest.raises(InventoryError) as raised:
        allocate(make.with_lock(inventory(7), lock))
    assert [problem.code for problem in raised.value.problems] == ["prefix-exhausted"]
    assert str(allocate(inventory(7)).sites["kcl-bg-001"].prefix).endswith("/28"), "a new one has room for all"


@pytest.mark.parametrize(
    ("lan", "address", "says"),
    [
        ("192.168.1.0/24", "192.168.1.0", "is the LAN's network or broadcast address"),
        ("192.168.1.0/24", "192.168.1.255", "is the LAN's network or broadcast address"),
        ("192.168.1.0/24", "192.168.2.0", "lies outside the LAN"),
        ("192.168.1.0/24", "192.168.0.255", "lies outside the LAN"),
        ("192.168.1.0/24", "192.168.1.1", ""),
        ("192.168.1.0/31", "192.168.1.0", ""),
        ("192.168.1.0/31", "192.168.1.1", ""),
        ("192.168.1.0/31", "192.168.1.2", "lies outside the LAN"),
    ],
)
def test_a_device_stands_between_the_edges_of_its_lan(lan: str, address: str, says: str) -> None:
    """A network of two addresses has no edges (RFC 3021)."""
    site = make.facility(cameras=[make.camera("cam-01", 11, address=address)])
    site["gateway"] = site["gateway"] | {"lan": lan}
    inventory = complete(facilities=[site])
    told = [p.message for p in make.check(inventory, today=make.TODAY) if p.code == "address-outside-lan"]
    assert [says in message for message in told] == ([True] if says else [])


@pytest.mark.parametrize(
    ("relays", "most", "says"), [(0, 3, False), (0, 2, True), (1, 3, False), (2, 5, True), (2, 6, False)]
)
def test_a_recorder_serves_each_stream_to_each_relay_that_may_pull_it(relays: int, most: int, *, says: bool) -> None:
    """A site that nobody pulls yet is planned for one relay; a backup relay pulls the same streams beside the other."""
    stream = SimpleNamespace(kbps=1000)
    cameras = [
        SimpleNamespace(recorder="nvr", streams=SimpleNamespace(sub=stream, main=main)) for main in (None, stream)
    ]
    told: list[str] = []
    for limits in ({"max_sessions": most, "max_out_kbps": None}, {"max_sessions": None, "max_out_kbps": most * 1000}):
        recorder = SimpleNamespace(id="nvr", **limits)
        facility = SimpleNamespace(carried_plans=range(relays), recorders=[recorder], cameras=cameras)
        site: Any = SimpleNamespace(facility=facility, problem=lambda path, *_: path[-1])
        told += map(str, recorders_bear_the_load(site))
    assert told == (["max_sessions", "max_out_kbps"] if says else [])
