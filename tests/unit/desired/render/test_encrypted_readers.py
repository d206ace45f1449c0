"""A relay whose readers come encrypted: its files, its rules, who reaches what, and what its centre asks."""

import re
from datetime import timedelta
from typing import Any

import pytest

from provisioner.desired.limit import Limit
from provisioner.desired.readers import reading_list
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, READERS_FILE
from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.hosts.facts import Condition, ending_certificate
from provisioner.hosts.observe import observe_request
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Service
from provisioner.plan.change import Impact, Resource
from provisioner.plan.reach.statements import Reachability, ReachQuery
from provisioner.verify.paths import select
from provisioner.verify.requests import ObserveCall, ProbeLimits, probe_calls
from tests import fleets
from tests import inventories as make
from tests.hostile import LOCAL_USER
from tests.plans import World

RELAY, OTHER = "relay-viettel-1", "relay-vnpt-1"
ENCRYPTIONS = ("optional", "strict")


def encrypted(encryption: str = "", **changes: object) -> Inventory:
    """Two carriers; the first one's readers come encrypted."""
    tls: dict[str, Any] = {"reader_tls": {"encryption": encryption}} if encryption else {}
    plan = {"state": "agreed", "carrier": "vnpt", "relay": OTHER}
    sites = [fleets.facility(), fleets.facility("kcl-qn-001", province="quang-nam", plan=plan)]
    carriers = [make.carrier(**tls), make.carrier("vnpt", 12)]
    return make.inventory(carriers=carriers, facilities=sites, **changes)


def state_of(encryption: str) -> DesiredState:
    return fleets.state_of(encrypted(encryption))


def text_of(state: DesiredState, host: str, path: str) -> str:
    return next(f.content.decode() for f in fleets.files_of(state)[host] if f.path == path)


@pytest.mark.parametrize("encryption", ENCRYPTIONS)
def test_mediamtx_has_one_file_for_key_and_certificate_that_its_user_alone_reads(encryption: str) -> None:
    state = state_of(encryption)
    settings = text_of(state, RELAY, MEDIAMTX_FILE)
    assert f'rtspEncryption: "{encryption}"' in settings
    assert ('rtspAddress: "10.91.0.1:8554"' in settings) == (encryption == "optional")
    assert 'rtspsAddress: "10.91.0.1:8322"' in settings
    assert settings.count(READERS_FILE) == 2
    (server,) = [f for f in fleets.files_of(state)[RELAY] if f.path == READERS_FILE]
    assert (server.mode, server.owner, server.group, server.secret) == (0o640, "root", "mediamtx", True)
    assert re.findall("BEGIN ([A-Z ]+)-", server.content.decode()) == ["PRIVATE KEY", "CERTIFICATE"]
    for host, files in fleets.files_of(state).items():
        assert not [f.path for f in files if b"PRIVATE KEY" in f.content and (host, f.path) != (RELAY, READERS_FILE)]


@pytest.mark.parametrize(
    ("encryption", "starts"),
    [
        ("", ("rtsp://10.91.0.1:8554", None)),
        ("optional", ("rtsp://10.91.0.1:8554", "rtsps://10.91.0.1:8322")),
        ("strict", ("rtsps://10.91.0.1:8322", None)),
    ],
)
def test_readers_are_told_each_address_that_answers_them(encryption: str, starts: tuple[str, str | None]) -> None:
    listed = reading_list(fleets.complete(encrypted(encryption)), {}, ("centre", ""), Limit()).readings
    of_relay = [(one.path, at) for one in listed for at in one.read_at if at.relay == RELAY]
    assert of_relay
    for path, at in of_relay:
        assert (at.url, at.encrypted_url) == tuple(start and f"{start}/{path}" for start in starts)
    assert {at.encrypted_url for one in listed for at in one.read_at if at.relay == OTHER} == {None}


@pytest.mark.parametrize(("encryption", "ports"), [("", {8554}), ("optional", {8554, 8322}), ("strict", {8322})])
def test_the_rules_open_the_ports_that_there_are_and_no_other(encryption: str, ports: set[int]) -> None:
    state = state_of(encryption)
    rules = text_of(state, RELAY, NFT_FILE)
    assert {int(port) for port in re.findall(r"@centres tcp dport (\d+) accept", rules)} == ports
    assert re.findall(r"ip daddr 10\.91\.0\.1 tcp dport (\d+) accept", rules) == [str(max(ports))]
    assert "8322" not in text_of(state, OTHER, NFT_FILE)
    at_centre = re.findall(r"@relays tcp dport (\d+) accept", text_of(state, "centre", NFT_FILE))
    assert at_centre == (["8554", "8322"] if encryption else ["8554"])


def spec_of(state: DesiredState, host: str) -> HostSpec:
    return state.hosts[host]


@pytest.mark.parametrize("encryption", ["", *ENCRYPTIONS])
def test_prove_knows_the_port(encryption: str) -> None:
    state = state_of(encryption)
    proved = Reachability(encrypted(encryption), state.hosts, lambda spec: text_of(state, spec.id, NFT_FILE))
    wanted = ReachQuery(("internet", "sites", "centres"), (f"relay/{RELAY}",), (Service.VIDEO,))
    reached = {(cell.source, cell.program): cell.by for cell in proved.cells(wanted) if cell.reach == "yes"}
    assert {source for source, _ in reached} == {"centre/centre"}
    assert len(reached) == 2  # the reader of checks, and anybody else there


@pytest.mark.parametrize("encryption", ENCRYPTIONS)
def test_a_centre_reads_encrypted_and_by_the_fingerprint_wherever_that_is_there(encryption: str) -> None:
    state = state_of(encryption)
    limits = ProbeLimits()
    files = fleets.files_of(state)
    observe = {host: ObserveCall(*observe_request(spec, files[host])) for host, spec in state.hosts.items()}
    asked = {call.spec.id: call.request for call in probe_calls(select(state), observe, limits)}
    centre = asked["centre"]
    assert centre["operation"] == "probe"
    relays = {one["relay"]: one.get("fingerprint") for one in centre["centre"]["relays"]}
    tls = spec_of(state, RELAY).relay
    assert tls is not None
    assert tls.tls is not None
    assert relays == {RELAY: tls.tls.fingerprint, OTHER: None}
    ports = asked[RELAY]["observe"]["ports"]["tcp"]
    assert set(ports) == {9997, 8322, *([8554] if encryption == "optional" else [])}


@LOCAL_USER
def test_no_plan_and_no_document_shows_the_key() -> None:
    planned = World().plan(encrypted("strict"))
    key = fleets.certificate_key(RELAY).reveal()
    assert key not in repr(planned)
    assert key[:40] not in repr(planned)


def test_a_new_certificate_cuts_nobody_and_switching_encryption_on_cuts_all() -> None:
    world = World()
    world.apply(encrypted())
    world.watch(RELAY, {"bac-giang/kcl-bg-001/cam-01/sub": 2})
    on = [c for c in world.plan(encrypted("optional")).plan.pending if c.host == RELAY]
    files = {c.name: (c.action.value, c.impact, c.viewers) for c in on if c.resource is Resource.FILE}
    assert files[MEDIAMTX_FILE] == ("update", Impact.ALL, 2)
    assert files[READERS_FILE] == ("create", Impact.NONE, 0)
    assert next(c.reason for c in on if c.name == MEDIAMTX_FILE).startswith("settings differ: rtspEncryption")
    world.apply(encrypted("optional"))
    fleets.certificate_key.cache_clear()
    (renewed,) = [c for c in world.plan(encrypted("optional")).plan.pending if c.host == RELAY]
    assert (renewed.name, renewed.impact, renewed.viewers) == (READERS_FILE, Impact.HOT, 0)
    assert renewed.reason == ("content differs: new clients get another certificate, present ones are not cut")


@pytest.mark.parametrize(("before", "words"), [(31, ""), (10, "ends in 10 days"), (-1, "has ended")])
def test_a_certificate_s_end_is_a_finding_of_its_host(before: int, words: str) -> None:
    relay = spec_of(state_of("strict"), RELAY).relay
    assert relay is not None
    assert relay.tls is not None
    found = ending_certificate(RELAY, relay.tls, relay.tls.until - timedelta(days=before))
    assert [one.condition for one in found] == ([Condition.CERTIFICATE_ENDS] if words else [])
    assert all(words in one.detail for one in found)
    assert ending_certificate(RELAY, None, relay.tls.until) == ()


def problems(inventory: Inventory, **changes: object) -> list[tuple[str, str]]:
    found = make.check(inventory, **changes)  # type: ignore[arg-type]
    codes = {"certificate-broken", "certificate-ends", "host-keys-missing", "ssh-port-taken"}
    return [(p.code, p.severity.value) for p in found if p.code in codes]


def test_validate_tells_of_certificates_that_are_missing_broken_or_at_their_end() -> None:
    whole = fleets.complete(encrypted("strict"))
    assert problems(whole) == []
    late = (fleets.CERTIFIED_AT + timedelta(days=730 - 30)).date()
    assert problems(whole, today=late) == [("certificate-ends", "warning")]
    lock = whole.allocations
    for certificates, code in ((None, "host-keys-missing"), ((f"MI{'A' * 400}",), "certificate-broken")):
        entry = lock.relays[RELAY].model_copy(update={"certificates": certificates})
        broken = make.with_lock(whole, lock.model_copy(update={"relays": {**lock.relays, RELAY: entry}}))
        assert problems(broken) == [(code, "error")]
    ssh = make.relay(RELAY, 11)["ssh"] | {"port": 8322}
    taken = make.carrier(reader_tls={"encryption": "strict"}, relays=[make.relay(RELAY, 11, ssh=ssh)])
    assert ("ssh-port-taken", "error") in problems(fleets.complete(make.inventory(carriers=[taken])))
