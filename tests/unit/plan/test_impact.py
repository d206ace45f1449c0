"""What each kind of difference on a host means for those who watch."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provisioner.desired.render.host import MEDIAMTX_FILE, TRUST_FILE
from provisioner.hosts.observe import observe
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan import build
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.diff import changes_of
from tests import fleets, inventories
from tests.hostile import CENTRE, MERGE_REQUEST, VIEWER
from tests.hostile import RELAY as RELAY_IN_OTHER_HANDS
from tests.plans import World, of
from tests.simulated import SimulatedHost

RELAY = "relay-viettel-1"
SITE = "bac-giang/kcl-bg-001/cam-01/sub"
ELSEWHERE = "bac-giang/kcl-bg-002/cam-01/sub"
EVERYBODY = {RELAY: {SITE: 2, ELSEWHERE: 3}}


@dataclass
class Found:
    """A relay that was changed by hand, and the change that a plan names for one of its resources."""

    world: World

    @property
    def host(self) -> SimulatedHost:
        return self.world.hosts.hosts[RELAY]

    def plan(self, resource: Resource, name: str = "", *, inventory: Inventory | None = None) -> Change:
        (change,) = [c for c in self.pending(inventory) if c.resource is resource and c.name.endswith(name)]
        return change

    def pending(self, inventory: Inventory | None = None) -> list[Change]:
        changes = self.world.plan(inventory or of({"kcl-bg-001": 1, "kcl-bg-002": 1})).plan.pending
        return [change for change in changes if change.host == RELAY]

    def edit(self, path: str, change: Callable[[bytes], bytes]) -> None:
        content, mode, owner, group = self.host.files[path]
        changed = change(content)
        assert changed != content
        self.host.files[path] = (changed, mode, owner, group)


@pytest.fixture
def relay() -> Found:
    world = World()
    world.apply(of({"kcl-bg-001": 1, "kcl-bg-002": 1}))
    world.watch(RELAY, {SITE: 2, ELSEWHERE: 3})
    return Found(world)


# --- MediaMTX's file ------------------------------------------------------------------------------
def peer_of(relay: Found, address: str) -> str:
    return next(key for key, peer in relay.host.peers.items() if peer["allowed_ips"] == [address])


def on_udp(text: bytes) -> bytes:
    head, line, tail = text.partition(b'"bac-giang/kcl-bg-001/cam-01/sub": ')
    return head + line + tail.replace(b'"rtspTransport": "tcp"', b'"rtspTransport": "udp"', 1)


def without_file(relay: Found) -> None:
    del relay.host.files[MEDIAMTX_FILE]
    relay.host.runs_without_file = True


def another_key(relay: Found, address: str) -> None:
    relay.host.peers["A" * 43 + "="] = relay.host.peers.pop(peer_of(relay, address))


@pytest.mark.parametrize(
    ("drift", "name", "found", "reason"),
    [
        (
            lambda relay: relay.edit(MEDIAMTX_FILE, lambda text: text.replace(b': "10s"', b': "20s"')),
            *("/mediamtx.yml", (Action.UPDATE, Impact.ALL, EVERYBODY), "settings differ: readTimeout"),
        ),
        (
            lambda relay: relay.edit(MEDIAMTX_FILE, lambda text: text + b"pathDefaults:\n  maxReaders: 5\n"),
            *("/mediamtx.yml", (Action.UPDATE, Impact.ALL, EVERYBODY), "2 foreign lines"),
        ),
        (without_file, "/mediamtx.yml", (Action.CREATE, Impact.ALL, EVERYBODY), ""),
        (
            lambda relay: setattr(relay.host, "sentinel", "cfg/000000000000"),
            *("-mediamtx.service", (Action.UPDATE, Impact.ALL, EVERYBODY), "it has not read its file"),
        ),
        (
            lambda relay: relay.host.units.discard("provisioner-mediamtx.service"),
            *("-mediamtx.service", (Action.UPDATE, Impact.HOT, {}), ""),
        ),
        (
            lambda relay: relay.edit(MEDIAMTX_FILE, on_udp),
            *(SITE, (Action.UPDATE, Impact.PATH, {RELAY: {SITE: 2}}), "rtspTransport udp → tcp"),
        ),
        (
            lambda relay: relay.host.peers[peer_of(relay, "10.91.0.2/32")].update(psk="another"),
            "site/kcl-bg-001",
            (Action.UPDATE, Impact.HOT, {}),
            "pre-shared key differs: used from the next handshake on",
        ),
        (
            lambda relay: another_key(relay, "10.91.0.2/32"),
            *("site/kcl-bg-001", (Action.UPDATE, Impact.PATH, {RELAY: {SITE: 2}}), f"public key {'A' * 43}= → "),
        ),
        (
            lambda relay: another_key(relay, "10.90.0.1/32"),
            *("centre/centre", (Action.UPDATE, Impact.ALL, EVERYBODY), f"public key {'A' * 43}= → "),
        ),
    ],
)
def test_each_drift_is_told_with_its_reason_and_cuts_those_whom_it_cuts(
    relay: Found,
    drift: Callable[[Found], object],
    name: str,
    found: tuple[Action, Impact, Mapping[str, Mapping[str, int]]],
    reason: str,
) -> None:
    drift(relay)
    (change,) = [c for c in relay.pending() if c.name.endswith(name)]
    assert (change.action, change.impact, change.cut) == found
    assert reason in change.reason


def without_probe(text: bytes) -> bytes:
    return re.sub(rb'\{"user": "probe", .*?\]\}, ', b"", text)


def narrower(text: bytes) -> bytes:
    return text.replace(b'"ips": ["127.0.0.1"]', b'"ips": ["127.0.0.9"]')


def wider(text: bytes) -> bytes:
    return text.replace(b'"ips": ["127.0.0.1"]', b'"ips": ["127.0.0.1", "127.0.0.9"]')


@pytest.mark.parametrize(
    ("live", "impact", "reason"),
    [
        (without_probe, Impact.HOT, "probe is new"),
        (lambda text: text.replace(b'"user": "probe"', b'"user": "p"'), Impact.PATH, "p may not come any more"),
        (narrower, Impact.PATH, "where api may come from"),
        (wider, Impact.PATH, "where api may come from"),
    ],
)
def test_a_new_user_is_hot_and_one_that_loses_something_is_not_whoever_watches(
    relay: Found, live: Callable[[bytes], bytes], impact: Impact, reason: str
) -> None:
    relay.edit(MEDIAMTX_FILE, live)
    change = relay.plan(Resource.FILE, "mediamtx.yml")
    assert (change.impact, change.viewers) == (impact, 0)
    assert reason in change.reason


@MERGE_REQUEST
def test_the_impact_of_a_secret_is_the_same_whoever_watches(relay: Found) -> None:
    relay.edit(MEDIAMTX_FILE, another_hash)
    impacts = set()
    for readers in ([], [reads("centre-centre", SITE, 1)], None):
        relay.host.readers = readers
        impacts.add(relay.plan(Resource.FILE, "mediamtx.yml").impact)
    assert impacts == {Impact.PATH}


def reads(user: str, path: str, readers: int, address: str = "10.90.0.1") -> dict[str, Any]:
    return {"user": user, "address": address, "path": path, "readers": readers}


def another_hash(text: bytes) -> bytes:
    """The hash of the last user, the centre, as it was before its secret was renewed."""
    hashes = re.findall(rb"sha256:[A-Za-z0-9+/]{43}=", text)
    return text.replace(hashes[-1], b"sha256:" + b"A" * 43 + b"=")


@VIEWER
def test_a_reader_s_new_secret_ends_that_reader_s_sessions_and_no_others(relay: Found) -> None:
    relay.edit(MEDIAMTX_FILE, another_hash)
    relay.host.readers = [reads("centre-centre", SITE, 1), reads("probe", ELSEWHERE, 3, "10.91.0.1")]
    change = relay.plan(Resource.FILE, "mediamtx.yml")
    assert (change.impact, change.cut) == (Impact.PATH, {RELAY: {SITE: 1}})
    assert change.reason == "settings differ: authInternalUsers: the secret or the rights of centre-centre"
    assert "sha256" not in repr(change)


@VIEWER
def test_where_the_relay_does_not_say_who_reads_everybody_may_be_ended(relay: Found) -> None:
    relay.edit(MEDIAMTX_FILE, another_hash)
    relay.host.readers = None
    change = relay.plan(Resource.FILE, "mediamtx.yml")
    assert (change.impact, change.cut) == (Impact.PATH, EVERYBODY)


@CENTRE
def test_a_user_that_goes_takes_its_readers_along(relay: Found) -> None:
    stranger = b'{"user": "any", "pass": "", "ips": [], "permissions": []}, {"user": "api"'
    relay.edit(MEDIAMTX_FILE, lambda text: text.replace(b'{"user": "api"', stranger, 1))
    relay.host.readers = [reads("whoever", SITE, 2), reads("centre-centre", ELSEWHERE, 3)]
    change = relay.plan(Resource.FILE, "mediamtx.yml")
    assert (change.impact, change.cut) == (Impact.PATH, {RELAY: {SITE: 2}})
    assert change.reason.endswith("authInternalUsers: any may not come any more")


STRANGER = b'{"user": "drawn", "pass": "p", "ips": [], "permissions": [{"action": "read"}]}, '


@RELAY_IN_OTHER_HANDS
@pytest.mark.parametrize(
    ("edit", "only_adds"),
    [
        (lambda text: text.replace(b'{"user": "api"', STRANGER + b'{"user": "api"', 1), True),
        (lambda text: text.replace(b'"ips": ["10.90.0.1"]', b'"ips": []'), True),
        (lambda text: text.replace(b'"permissions": [', b'"permissions": [{"action": "metrics"}, '), True),
        (lambda text: text.replace(b'"ips": ["10.90.0.1"]', b'"ips": ["10.90.0.77"]'), False),
        (another_hash, False),
        (without_probe, False),
        (lambda text: re.sub(rb'(\{"user": "probe".*?\]\}, )', rb"\1\1", text), False),
        (lambda text: text.replace(b'{"user": "api"', STRANGER + b'{"user": "api"', 1) + b"pathDefaults:\n", False),
        (lambda text: text.replace(b'{"user": "api"', STRANGER + b'{"user": "api"', 1) + b"readTimeout: 1s\n", False),
    ],
    ids=[
        *("a stranger", "from anywhere", "more rights", "from elsewhere", "another password", "one less"),
        *("the same twice", "a foreign line", "a setting"),
    ],
)
def test_access_that_somebody_added_touches_no_stream(
    relay: Found, edit: Callable[[bytes], bytes], *, only_adds: bool
) -> None:
    relay.edit(MEDIAMTX_FILE, edit)
    assert relay.plan(Resource.FILE, "mediamtx.yml").of_strangers is only_adds


@CENTRE
def test_addresses_that_are_permitted_no_more_end_who_reads_from_there(relay: Found) -> None:
    relay.edit(MEDIAMTX_FILE, lambda text: text.replace(b'"ips": ["10.90.0.1"]', b'"ips": ["10.90.0.0/24"]'))
    relay.host.readers = [reads("centre-centre", SITE, 1), reads("centre-centre", ELSEWHERE, 2, "10.90.0.77")]
    change = relay.plan(Resource.FILE, "mediamtx.yml")
    assert (change.impact, change.cut) == (Impact.PATH, {RELAY: {ELSEWHERE: 2}})
    assert change.reason.endswith("where centre-centre may come from")


@RELAY_IN_OTHER_HANDS
@pytest.mark.parametrize("users", ["[1, null]", '"s3cret"', '[{"user": ["x"]}]', '{"user": "any", "pass": "s3cret"}'])
def test_users_that_are_none_break_no_plan_and_show_no_password(relay: Found, users: str) -> None:
    line = re.compile(rb"(?m)^authInternalUsers: .*$")
    relay.edit(MEDIAMTX_FILE, lambda text: line.sub(b"authInternalUsers: " + users.encode(), text))
    relay.host.readers = [reads("centre-centre", SITE, 1)]
    planned = relay.world.plan(of({"kcl-bg-001": 1, "kcl-bg-002": 1}))
    (change,) = [c for c in planned.plan.pending if c.name == MEDIAMTX_FILE]
    assert change.cut == {RELAY: {SITE: 1}}
    assert "s3cret" not in repr(planned)


def test_a_setting_that_somebody_added_is_named_and_its_value_is_not(relay: Found) -> None:
    def hooked(text: bytes) -> bytes:
        return text.replace(b'"rtspTransport": "tcp"', b'"rtspTransport": "tcp", "runOnRead": "curl -u a:s3cret x"', 1)

    relay.edit(MEDIAMTX_FILE, hooked)
    change = relay.plan(Resource.PATH)
    assert change.reason == "runOnRead set → unset"
    assert "s3cret" not in repr(change)


# --- tunnel ---------------------------------------------------------------------------------------
def test_a_stranger_is_told_by_what_it_holds(relay: Found) -> None:
    relay.host.peers["B" * 43 + "="] = {
        "allowed_ips": ["10.99.0.9/32"],
        "psk": "x",
        "endpoint": None,
        "keepalive_s": None,
    }
    change = relay.plan(Resource.PEER)
    assert (change.name, change.action) == (f"unknown/{'B' * 43}=", Action.DELETE)
    assert (change.impact, change.cut) == (Impact.ALL, EVERYBODY), "it may be where somebody reads from"
    assert "10.99.0.9/32" in change.reason


def test_a_closed_facility_leaves_by_its_name(relay: Found) -> None:
    facilities = [fleets.facility("kcl-bg-001", 1, operating="closed"), fleets.facility("kcl-bg-002", 1)]
    change = relay.plan(Resource.PEER, inventory=inventories.inventory(facilities=facilities))
    assert (change.name, change.action, change.impact) == ("site/kcl-bg-001", Action.DELETE, Impact.PATH)
    assert (change.province, change.facility, change.cut) == ("bac-giang", "kcl-bg-001", {RELAY: {SITE: 2}})
    assert change.reason == "no path is pulled from kcl-bg-001 here from now on"


def test_a_key_that_a_facility_had_before_is_a_stranger_s(relay: Found) -> None:
    old = peer_of(relay, "10.91.0.2/32")
    facilities = [fleets.facility("kcl-bg-001", 1, operating="closed"), fleets.facility("kcl-bg-002", 1)]
    facilities[0]["gateway"]["public_key"] = inventories.public_key("another")
    change = relay.plan(Resource.PEER, inventory=inventories.inventory(facilities=facilities))
    assert (change.name, change.facility, change.viewers) == (f"former/kcl-bg-001/{old}", "kcl-bg-001", 2)
    assert change.reason == f"{old[:8]}… is a former key of the gateway of kcl-bg-001"


def test_a_peer_of_a_facility_that_no_file_has_is_named_by_what_the_host_was_applied_with(relay: Found) -> None:
    old = peer_of(relay, "10.91.0.2/32")
    change = relay.plan(Resource.PEER, inventory=of({"kcl-bg-002": 1}))
    assert (change.name, change.action, change.province) == (f"former/kcl-bg-001/{old}", Action.DELETE, "bac-giang")
    assert change.reason.startswith(f"{old[:8]}… was the gateway of kcl-bg-001 when this host was applied last")
    relay.host.files.pop(TRUST_FILE)
    change = relay.plan(Resource.PEER, inventory=of({"kcl-bg-002": 1}))
    assert change.name == f"unknown/{old}", "a host that remembers nothing names nobody"


def test_addresses_that_go_back_to_their_owner_cut_what_is_pulled_from_them(relay: Found) -> None:
    key = peer_of(relay, "10.91.0.2/32")
    relay.host.peers[key]["allowed_ips"] = ["10.91.0.2/32", "10.91.0.3/32"]
    relay.host.peers[peer_of(relay, "10.91.0.3/32")]["allowed_ips"] = []
    changes = relay.world.plan(of({"kcl-bg-001": 1, "kcl-bg-002": 1})).plan.pending
    peers = {c.name: c for c in changes if c.resource is Resource.PEER}
    assert peers["site/kcl-bg-001"].cut == {RELAY: {ELSEWHERE: 3}}
    assert peers["site/kcl-bg-001"].reason == "allowed IPs 10.91.0.2/32, 10.91.0.3/32 → 10.91.0.2/32"
    assert (peers["site/kcl-bg-002"].impact, peers["site/kcl-bg-002"].viewers) == (Impact.HOT, 0)


@pytest.mark.parametrize(
    ("key", "value", "impact", "said"),
    [
        ("address", "10.91.0.77/32", Impact.ALL, "address 10.91.0.77/32 → 10.91.0.1/32"),
        ("port", 4444, Impact.ALL, "port 4444 → 51820"),
        ("mtu", 1500, Impact.HOT, "MTU 1500 → 1380"),
        (
            "routes",
            ["10.91.0.0/16", "10.7.0.0/16"],
            Impact.HOT,
            "route 10.90.0.0/24 is missing; route 10.7.0.0/16 is not ours",
        ),
    ],
)
def test_the_interface_itself(relay: Found, key: str, value: object, impact: Impact, said: str) -> None:
    assert relay.host.link is not None
    relay.host.link[key] = value
    change = relay.plan(Resource.UNIT, "wg.service")
    assert (change.impact, change.reason) == (impact, said)
    assert change.cut == (EVERYBODY if impact is Impact.ALL else {})


def test_a_centre_that_changes_its_own_end_cuts_readers_at_its_relays() -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    world.watch(RELAY, {SITE: 2})
    link = world.hosts.hosts["centre"].link
    assert link is not None
    link["address"] = "10.90.0.77/32"
    pending = [c for c in world.plan(of({"kcl-bg-001": 1})).plan.pending if c.host == "centre"]
    assert [(c.impact, c.cut) for c in pending if c.resource is Resource.UNIT] == [(Impact.ALL, {RELAY: {SITE: 2}})]


# --- rules, units ---------------------------------------------------------------------------------
def test_another_program_is_a_restart() -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    world.watch(RELAY, {SITE: 2})
    newer = inventories.settings(mediamtx={"version": "1.21.1", "sha256": {"amd64": "1" * 64}})
    pending = world.plan(of({"kcl-bg-001": 1}, settings=newer)).plan.pending
    cutting = [c for c in pending if c.impact is Impact.ALL]
    assert [(c.resource, c.name, c.cut) for c in cutting] == [
        (Resource.UNIT, "provisioner-mediamtx.service", {RELAY: {SITE: 2}})
    ]


def test_who_watches_is_not_known_where_the_relay_does_not_tell(relay: Found) -> None:
    relay.host.silent = True
    planned = relay.world.plan(of({"kcl-bg-001": 1, "kcl-bg-002": 2}), allow={})
    assert planned.plan.uncounted == (RELAY,)
    assert "viewers_unknown" in {refusal.policy for refusal in planned.plan.refused}
    allowed = relay.world.plan(of({"kcl-bg-001": 1, "kcl-bg-002": 2}), allow={"viewers": 20, "all_impact": 1})
    assert allowed.plan.refused == ()


# --- viewers --------------------------------------------------------------------------------------
def with_viewer(*reads: str) -> Inventory:
    viewers = [{"id": "dic", "reads": list(reads)}] if reads else []
    found = of({"kcl-bg-001": 1, "kcl-bg-002": 1})
    (centre,) = inventories.inventory(centres=[inventories.centre(viewers=viewers)]).centres.values()
    return found.model_copy(update={"centres": {centre.id: centre}})


@VIEWER
def test_a_viewer_that_goes_or_may_read_less_is_ended_and_counted(relay: Found) -> None:
    relay.world.apply(with_viewer("bac-giang"))
    relay.host.readers = [reads("viewer-dic", SITE, 1), reads("centre-centre", ELSEWHERE, 2)]
    for later, words in (
        (with_viewer(), "viewer-dic may not come any more"),
        (with_viewer("bac-giang/kcl-bg-002"), "the secret or the rights of viewer-dic"),
    ):
        change = relay.plan(Resource.FILE, "mediamtx.yml", inventory=later)
        assert (change.impact, change.cut) == (Impact.PATH, {RELAY: {SITE: 1}})
        assert change.reason == f"settings differ: authInternalUsers: {words}"


@MERGE_REQUEST
def test_a_viewer_that_comes_and_one_that_may_read_more_are_changes_of_trust(relay: Found) -> None:
    new = relay.plan(Resource.TRUST, inventory=with_viewer("bac-giang/kcl-bg-001"))
    assert (new.name, new.action) == ("reader viewer-dic of bac-giang/kcl-bg-001", Action.CREATE)
    relay.world.apply(with_viewer("bac-giang/kcl-bg-001"))
    more = relay.plan(Resource.TRUST, inventory=with_viewer("bac-giang"))
    assert more.name == "reader viewer-dic of bac-giang"
    relay.world.apply(with_viewer("bac-giang"))
    less = relay.world.plan(with_viewer("bac-giang/kcl-bg-001")).plan.pending
    assert [change.name for change in less if change.resource is Resource.TRUST] == []


def test_a_device_in_a_rule_is_named_by_its_address_and_its_port(relay: Found) -> None:
    """Cameras behind one gateway have one address: the port tells which of them a plan lets in."""
    inventory = of({"kcl-bg-001": 3, "kcl-bg-002": 1})
    _, _, desired = relay.world.state(inventory)
    spec, files = desired.hosts[RELAY], fleets.files_of(desired)[RELAY]
    (facts, _errors) = observe([spec], {RELAY: files}, relay.world.hosts)
    for path in spec.paths:
        assert path.source
        name = f"element cameras {path.source.address} . {path.source.port}"
        firewall: Any = {"present": True, "differences": [{"name": name, "action": "create"}]}
        changes = changes_of(spec, files, replace(facts[RELAY], firewall=firewall))
        (change,) = [change for change in changes if change.name == name]
        assert f"{path.device} of {path.facility}" in change.reason


def test_a_file_that_is_not_desired_any_more_goes_and_only_a_hubs_cuts_readers() -> None:
    """`mediamtx.yml` of a host that has no MediaMTX any more: who reads there is cut; another file serves nobody."""
    world, inventory = World(), of({"kcl-bg-001": 1})
    world.apply(inventory)
    _, _, desired = world.state(inventory)
    spec, files = desired.hosts["centre"], fleets.files_of(desired)["centre"]
    (facts, _errors) = observe([spec], {"centre": files}, world.hosts)
    live, other = facts["centre"], "/etc/provisioner/old.json"
    there = next(iter(live.files.values()))
    live = replace(
        live,
        installed=live.installed | {MEDIAMTX_FILE, other},
        files={**live.files, MEDIAMTX_FILE: there, other: there},
    )
    removals = {c.name: c for c in changes_of(spec, files, live) if c.action is Action.DELETE}
    assert {name: change.impact for name, change in removals.items()} == {MEDIAMTX_FILE: Impact.ALL, other: Impact.NONE}
    assert "no hub any more" in removals[MEDIAMTX_FILE].reason
    assert "hub" not in removals[other].reason


@pytest.mark.parametrize("number", range(9))
def test_changes_outside_a_limit_are_named_or_counted_each(number: int) -> None:
    changes = [Change(RELAY, Resource.PATH, f"p-{n}", Action.CREATE, Impact.NONE, "") for n in range(number)]
    refusals = list(build._outside_refusals(changes))  # noqa: SLF001 (a world with nine changes outside is a large one)
    assert len(refusals) == (number > 0)
    for refusal in refusals:
        named = len(re.findall(r"path p-\d on relay-viettel-1", refusal.message))
        more = re.search(r" and (\d+) more$", refusal.message)
        assert named + int(more[1] if more else 0) == number
        assert (more is None) is (number <= 5)
