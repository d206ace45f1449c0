"""What a confirmed apply took away: gone from the host's saved states, remembered, and brought back by none of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from provisioner.base.secret import Secret, content_key, host_digest_key
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, PSK_FILE, WG_FILE
from provisioner.desired.spec import DesiredState
from provisioner.inventory.model.facility import Access
from provisioner.operations.rollout.job import Job, RolloutOptions, first_call
from provisioner_host.change import apply, gate
from provisioner_host.change.transaction import Transaction
from provisioner_host.machine import files as host_files
from provisioner_host.machine import paths
from provisioner_host.machine.shell import Failed
from provisioner_host.relay.relay import describe
from provisioner_host.state import last_good, leases, removed, revocable_texts
from tests import fleets, inventories
from tests.hostile import CENTRE, GATEWAY, LOCAL_USER, NODE, RELAY, VIEWER

HOST = "relay-viettel-1"
BOTH, ONE = {"kcl-bg-001": 2, "kcl-bg-002": 1}, {"kcl-bg-001": 2}
CANARY = "canary-of-kcl-bg-002"
NAMES = {"relay": MEDIAMTX_FILE, "tunnel": WG_FILE, "psks": PSK_FILE, "rules": NFT_FILE}

KEY = content_key(host_digest_key(Secret("digest-key"), HOST)).reveal()

Content = Mapping[str, bytes]


def state(sites: Mapping[str, int], password: str = CANARY, networks: str = "") -> DesiredState:
    listed = [fleets.facility(name, count) for name, count in sites.items()]
    carrier = inventories.carrier() | ({"management_networks": networks.split()} if networks else {})
    return fleets.state_of(inventories.inventory(carriers=[carrier], facilities=listed), password)


def content(desired: DesiredState) -> Content:
    return {f.path: f.content for f in fleets.files_of(desired)[HOST] if f.path in NAMES.values()}


@dataclass
class Disk:
    """A host's folders, somewhere else."""

    root: Path

    def put(self, wanted: Content) -> None:
        for path, text in wanted.items():
            (self.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path.lstrip("/")).write_bytes(text)

    def confirm(self, run: str, wanted: Content, elsewhere: tuple[str, ...] = ()) -> list[str]:
        """Make a change as far as saved states go."""
        self.save()
        self.put(wanted)
        self.manifest(run)
        notes = removed.bury(run, elsewhere)
        last_good.keep(run)
        self.save()
        return notes

    def manifest(self, run: str) -> None:
        host_files.write_json(paths.MANIFEST, {"files": [], "run": run})

    def save(self) -> None:
        owned = [str(self.root / path.lstrip("/")) for path in NAMES.values()]
        last_good.save(owned, last_good.LiveState({name: {} for name in last_good._SAVED_UNITS}, firewall=True))  # type: ignore[typeddict-item]  # noqa: SLF001

    def generation(self, run: str) -> revocable_texts.RevocableTexts:
        return removed.saved_in(paths.GENERATIONS / run)

    def kept(self) -> bytes:
        """All that lies where states are kept."""
        files = [f for f in paths.STATE.rglob("*") if f.is_file()]
        return b"\n".join(f.read_bytes() for f in files)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    there = Disk(tmp_path)
    moved = tmp_path / "var/lib/provisioner"
    moved.mkdir(parents=True)
    monkeypatch.setattr(paths, "STATE", moved)
    for name in ("MANIFEST", "LAST_GOOD", "GENERATIONS", "TOMBSTONES", "RECEIPTS", "ARMED"):
        monkeypatch.setattr(paths, name, moved / getattr(paths, name).name)
    monkeypatch.setattr(removed, "_FILES", {k: tmp_path / path.lstrip("/") for k, path in NAMES.items()})
    return there


def key_of(desired: DesiredState, site: str) -> str:
    return next(p.public_key for p in desired.hosts[HOST].tunnel.peers if p.name == f"site/{site}")


def traces(site: str) -> re.Pattern[bytes]:
    """What a relay knows of a site: its name, address, key and pre-shared key, as they stand in its files."""
    here = content(state(BOTH))
    key = key_of(state(BOTH), site)
    psk = dict(line.split() for line in here[PSK_FILE].decode().splitlines())[key]
    return re.compile("|".join(map(re.escape, (f"{site}/", f"site/{site}\n", "10.91.0.3", f"= {key}", psk))).encode())


@GATEWAY
def test_nothing_of_a_closed_facility_is_left_in_a_saved_state(disk: Disk) -> None:
    disk.put(content(state(ONE)))
    disk.confirm("run-1", content(state(BOTH)))
    disk.confirm("run-2", content(state(BOTH, networks="192.0.2.0/24")))
    assert traces("kcl-bg-002").search(disk.kept())
    disk.confirm("run-3", content(state(ONE, networks="192.0.2.0/24")))
    left = [f for f in paths.STATE.rglob("*") if f.is_file() and f.name not in {"tombstones.json", "left-out.json"}]
    assert not [f for f in left if traces("kcl-bg-002").search(f.read_bytes())]
    assert {p.name for p in paths.GENERATIONS.iterdir()} == {"run-1", "run-2", "run-3"}


@GATEWAY
def test_a_rollback_brings_nothing_of_a_closed_facility_back_and_says_so(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state(ONE)))
    # An old checkout of the inventory wants it still.
    notes = removed.free_of_revoked(paths.GENERATIONS / "run-1", wanted_by(state(BOTH)), KEY)
    there = revocable_texts.holdings(disk.generation("run-1"))
    assert key_of(state(BOTH), "kcl-bg-002") not in there["peers"]
    assert not [name for name in there["paths"] if "kcl-bg-002" in name]
    (note,) = notes
    assert note.startswith(
        "left out, since the inventory has revoked it: peer site/kcl-bg-002; path bac-giang/kcl-bg-002"
    )


@GATEWAY
def test_what_a_saved_state_holds_that_the_inventory_does_not_want_stays_away(disk: Disk) -> None:
    """A facility that went to another relay, and was closed there: this relay never heard of it."""
    disk.put(content(state(BOTH)))
    key = key_of(state(BOTH), "kcl-bg-002")
    gone = tuple(p.name for p in state(BOTH).hosts[HOST].paths if p.facility == "kcl-bg-002")
    disk.confirm("run-1", content(state(ONE)), elsewhere=(key, *gone))
    assert key in revocable_texts.holdings(disk.generation("run-1"))["peers"], "it may come back while it is wanted"
    removed.free_of_revoked(paths.GENERATIONS / "run-1", {}, KEY)
    assert not traces("kcl-bg-002").search("".join(disk.generation("run-1")).encode())


def test_what_moved_to_another_relay_comes_back_while_the_inventory_wants_it(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    key = key_of(state(BOTH), "kcl-bg-002")
    gone = tuple(p.name for p in state(BOTH).hosts[HOST].paths if p.facility == "kcl-bg-002")
    disk.confirm("run-1", content(state(ONE)), elsewhere=(key, *gone))
    assert removed.free_of_revoked(paths.GENERATIONS / "run-1", wanted_by(state(BOTH)), KEY) == []
    assert disk.generation("run-1") == revocable_texts.RevocableTexts(
        *(text.decode() for text in ordered(content(state(BOTH))))
    )


@GATEWAY
def test_what_moved_does_not_come_back_with_a_secret_that_was_replaced_since(disk: Disk) -> None:
    disk.put(content(state(BOTH, "old-canary")))
    key = key_of(state(BOTH), "kcl-bg-002")
    gone = tuple(p.name for p in state(BOTH).hosts[HOST].paths if p.facility == "kcl-bg-002")
    disk.confirm("run-1", content(state(ONE, "old-canary")), elsewhere=(key, *gone))
    wanted = wanted_by(state(BOTH, "new-login")) | {key: "a digest of another pre-shared key"}
    removed.free_of_revoked(paths.GENERATIONS / "run-1", wanted, KEY)
    assert not traces("kcl-bg-002").search("".join(disk.generation("run-1")).encode())


@NODE
@pytest.mark.parametrize("parts", [{}, {"bare": False}])
def test_a_host_returns_to_before_its_first_apply_only_with_leave(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any]
) -> None:
    monkeypatch.setattr(leases, "release", lambda _run: None)
    monkeypatch.setattr(gate, "look", lambda _asked: {})
    disk.confirm("run-1", content(state(BOTH)))
    monkeypatch.setattr(last_good, "save", mock.Mock(side_effect=Failed("all else was looked at")))
    request: Any = {"run": "run-2", "who": "x", "target": "run-1", "wanted": {}, "digest_key": KEY, "held": []}
    request |= {"gate": None, "lockout": {}}

    def cause(**more: bool) -> str:
        change = Transaction(request | more, disk.root)
        return apply._run_rollback(change, request | more)["cause"]  # noqa: SLF001

    assert cause(**parts) == apply.BARE.format("run-1")
    assert cause(bare=True) == "save last-good: all else was looked at"


def wanted_by(desired: DesiredState) -> dict[str, str]:
    """What the controller says that the inventory wants."""
    spec = desired.hosts[HOST]
    job = Job(spec, fleets.files_of(desired)[HOST], None, "", rollback="run")
    wanted = first_call(job, "run", RolloutOptions()).request["wanted"]
    return {str(name): str(digest) for name, digest in wanted.items()}


def ordered(wanted: Content) -> tuple[bytes, ...]:
    return tuple(wanted[path] for path in NAMES.values())


@GATEWAY
def test_a_key_that_was_replaced_is_in_no_saved_state(disk: Disk) -> None:
    desired, key = content(state(ONE)), key_of(state(ONE), "kcl-bg-001")
    old = "B" * 43 + "="
    disk.put({path: text.replace(key.encode(), old.encode()) for path, text in desired.items()})
    disk.confirm("run-1", desired)
    assert old not in "".join(disk.generation("run-1"))
    assert removed.free_of_revoked(paths.GENERATIONS / "run-1", {}, KEY) != []


@GATEWAY
def test_a_pre_shared_key_that_was_replaced_stays_replaced(disk: Disk) -> None:
    desired = content(state(ONE))
    (first, *_) = [line.split()[1] for line in desired[PSK_FILE].decode().splitlines()]
    disk.put({**desired, PSK_FILE: desired[PSK_FILE].replace(first.encode(), b"C" * 43 + b"=")})
    disk.confirm("run-1", desired)
    assert b"C" * 43 not in disk.kept()
    assert disk.generation("run-1").psks.encode() == desired[PSK_FILE]


@RELAY
def test_a_camera_s_old_login_is_in_no_saved_state_and_the_new_one_goes_where_it_goes_now(disk: Disk) -> None:
    disk.put(content(state(ONE, "old-canary")))
    disk.confirm("run-1", content(state(ONE, "new-login")))
    assert b"old-canary" not in disk.kept()
    assert disk.generation("run-1").relay.count("new-login@10.91.0.2:10554") == 1


@VIEWER
def test_a_reader_s_old_secret_is_in_no_saved_state(disk: Disk) -> None:
    new = content(state(ONE))
    hashes = re.findall(rb"sha256:[A-Za-z0-9+/]{43}=", new[MEDIAMTX_FILE])
    old = b"sha256:" + b"D" * 43 + b"="
    disk.put({**new, MEDIAMTX_FILE: new[MEDIAMTX_FILE].replace(hashes[-1], old)})
    disk.confirm("run-1", new)
    assert old not in disk.kept()
    assert removed.free_of_revoked(paths.GENERATIONS / "run-1", {}, KEY) == [
        "with the present secrets, addresses and rights: user centre-centre"
    ]


@CENTRE
def test_a_centre_that_was_taken_away_stays_away_with_its_rule(disk: Disk) -> None:
    now = content(state(ONE))
    key = next(p.public_key for p in state(ONE).hosts[HOST].tunnel.peers if p.name.startswith("centre/"))
    another = "E" * 43 + "="
    peer = f"\n# centre/other\n[Peer]\nPublicKey = {another}\nAllowedIPs = 10.90.0.7/32\nPersistentKeepalive = off\n"
    user = b'{"user": "centre-other", "pass": "sha256:x", "ips": ["10.90.0.7"], "permissions": []}, {"user": "centre-'
    disk.put(
        {
            WG_FILE: now[WG_FILE] + peer.encode(),
            PSK_FILE: now[PSK_FILE] + f"{another} {'F' * 43}=\n".encode(),
            NFT_FILE: now[NFT_FILE].replace(b"elements = { 10.90.0.1 }", b"elements = { 10.90.0.1, 10.90.0.7 }"),
            MEDIAMTX_FILE: now[MEDIAMTX_FILE].replace(b'{"user": "centre-', user, 1),
        }
    )
    disk.confirm("run-1", now)
    texts = disk.generation("run-1")
    assert key in texts.tunnel
    assert not [word for word in (another, "10.90.0.7", "F" * 43, "centre-other") if word in "".join(texts)]
    assert texts.rules.encode() == now[NFT_FILE]


@LOCAL_USER
def test_a_management_network_that_was_taken_away_stays_away(disk: Disk) -> None:
    disk.put(content(state(ONE, networks="203.0.113.0/24")))
    disk.confirm("run-1", content(state(ONE, networks="198.51.100.0/27")))
    assert revocable_texts.ssh_in(disk.generation("run-1").rules) == (22, ["198.51.100.0/27"])


@LOCAL_USER
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("198.51.100.0/27", "198.51.100.0/27 2001:db8:7::/48"),
        ("198.51.100.0/27 2001:db8:7::/48", "198.51.100.0/27"),
        ("198.51.100.0/27 2001:db8:7::/48", "2001:db8:8::/48 2001:db8:9::/64"),
        ("2001:db8:7::/48", "198.51.100.0/27"),
    ],
)
def test_saved_states_let_in_who_may_come_now_in_either_family(disk: Disk, before: str, after: str) -> None:
    """A return to a state of before IPv6 would cut whoever manages the host over it; one to more would let more in."""
    disk.put(content(state(BOTH, networks=before)))
    disk.confirm("run-1", content(state(ONE, networks=after)))
    rules = disk.generation("run-1").rules
    assert revocable_texts.ssh_in(rules) == (22, after.split())
    assert rules.encode() == content(state(ONE, networks=after))[NFT_FILE]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('comment "ssh-v6"', 'comment "by hand"'),
        ("\tset new_ssh_v6 {", "\tset others {"),
        ('tcp dport 22 accept comment "ssh-v6"', 'accept comment "ssh-v6"'),
    ],
)
def test_rules_of_another_form_for_ipv6_are_not_understood(old: str, new: str) -> None:
    six = content(state(ONE, networks="2001:db8:7::/48"))[NFT_FILE].decode()
    four = content(state(ONE))[NFT_FILE].decode()
    assert old in six
    with pytest.raises(revocable_texts.Unclear):
        revocable_texts.with_ipv6_of(six.replace(old, new), four)


def test_an_apply_that_brings_a_facility_back_lifts_its_tombstones(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state(ONE)))
    disk.confirm("run-2", content(state(BOTH)))
    assert host_files.read_json(paths.TOMBSTONES) == {"peers": {}, "paths": {}, "users": {}}
    disk.confirm("run-3", content(state({**BOTH, "kcl-bg-003": 1})))
    assert removed.free_of_revoked(paths.GENERATIONS / "run-3", {}, KEY) == []
    assert disk.generation("run-3").tunnel.encode() == content(state(BOTH))[WG_FILE]


def test_another_file_has_another_sentinel_and_the_same_file_keeps_its_own(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state({**BOTH, "kcl-bg-003": 1})))
    same = describe(disk.generation("run-1").relay, "")["sentinel"]
    assert same == describe(content(state(BOTH))[MEDIAMTX_FILE].decode(), "")["sentinel"]
    disk.confirm("run-2", content(state(ONE)))
    (other, again) = (describe(disk.generation(run).relay, "")["sentinel"] for run in ("run-1", "run-2"))
    assert len({same, other, again}) == 3
    assert re.fullmatch("cfg/[0-9a-f]{12}", str(other))


def multi_line_users(now: dict[str, bytes]) -> None:
    now[MEDIAMTX_FILE] = re.sub(rb"(?m)^authInternalUsers: .*$", b"authInternalUsers:\n- user: any", now[MEDIAMTX_FILE])


def users_twice(now: dict[str, bytes]) -> None:
    now[MEDIAMTX_FILE] = re.sub(rb"(?m)^(authInternalUsers: .*)$", rb"\1\n\1", now[MEDIAMTX_FILE])


def path_in_block_style(now: dict[str, bytes]) -> None:
    now[MEDIAMTX_FILE] += b'  "x/y/z/sub":\n    source: rtsp://a:canary@192.0.2.1/\n'


def peer_without_spaces(now: dict[str, bytes]) -> None:
    now[WG_FILE] += f"\n# site/x\n[Peer]\nPublicKey={'G' * 43}=\nAllowedIPs = 0.0.0.0/0\n".encode()


def peer_in_small_letters(now: dict[str, bytes]) -> None:
    now[WG_FILE] += f"\n[peer]\npublickey = {'G' * 43}=\nallowedips = 0.0.0.0/0\n".encode()


def set_in_lines(now: dict[str, bytes]) -> None:
    now[NFT_FILE] = now[NFT_FILE].replace(b"elements = { 10.90.0.1 }", b"elements = {\n10.90.0.1,\n10.90.0.9 }")


@LOCAL_USER
@pytest.mark.parametrize(
    "hide",
    [multi_line_users, users_twice, path_in_block_style, peer_without_spaces, peer_in_small_letters, set_in_lines],
)
def test_a_state_in_another_form_than_ours_is_not_kept(disk: Disk, hide: Callable[[dict[str, bytes]], None]) -> None:
    disk.put(content(state(ONE)))
    disk.confirm("run-1", content(state(BOTH)))
    now = dict(content(state(BOTH)))
    hide(now)
    disk.put(now)
    (note,) = disk.confirm("run-2", content(state(ONE)))
    assert note.startswith("the state before this run is not kept, since it could not be freed of what was revoked: ")
    assert [p.name for p in paths.GENERATIONS.iterdir()] == ["run-1"]
    assert not traces("kcl-bg-002").search(disk.kept().replace(paths.TOMBSTONES.read_bytes(), b""))


@LOCAL_USER
def test_damaged_tombstones_keep_no_state_and_let_no_rollback_through(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state(ONE)))
    paths.TOMBSTONES.write_text("{")
    with pytest.raises(Failed, match=r"tombstones\.json is damaged"):
        removed.free_of_revoked(paths.GENERATIONS / "run-1", {}, KEY)
    disk.confirm("run-2", content(state(BOTH)))
    assert not paths.GENERATIONS.exists() or not list(paths.GENERATIONS.iterdir())
    disk.confirm("run-3", content(state(ONE)))
    assert [p.name for p in paths.GENERATIONS.iterdir()] == ["run-3"]


@LOCAL_USER
def test_no_state_is_kept_if_what_was_revoked_cannot_be_kept(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state({**BOTH, "kcl-bg-003": 1})))
    written = host_files.write_json

    def full(path: Path, document: object, mode: int = 0o600) -> None:
        if path == paths.TOMBSTONES:
            raise OSError(28, "No space left on device")
        written(path, document, mode)

    monkeypatch.setattr(host_files, "write_json", full)
    disk.confirm("run-2", content(state(ONE)))
    assert not traces("kcl-bg-002").search(disk.kept())


@LOCAL_USER
@pytest.mark.parametrize("cut", ["before the tombstones", "before the states"])
def test_a_confirmation_that_was_cut_off_is_finished_before_anything_else(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    disk.put(content(state(ONE)))
    disk.confirm("run-1", content(state(BOTH)))
    disk.confirm("run-2", content(state(BOTH, networks="192.0.2.0/24")))
    disk.save()
    disk.put(content(state(ONE)))
    disk.manifest("run-3")
    if cut == "before the states":
        with monkeypatch.context() as patch:
            patch.setattr(removed, "remove_revoked", interrupted)
            with pytest.raises(KeyboardInterrupt):
                removed.bury("run-3", ())
    removed.finish_interrupted_tombstones()
    everywhere = [disk.generation("run-1"), disk.generation("run-2"), removed.saved_in(paths.LAST_GOOD)]
    assert not traces("kcl-bg-002").search("".join(map("".join, everywhere)).encode())
    assert removed.finish_interrupted_tombstones() == []


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_change_that_went_back_has_revoked_nothing(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state(BOTH, networks="192.0.2.0/24")))
    disk.save()
    disk.put(content(state(ONE)))
    # The dead-man's return puts back what last-good has, the manifest as it was with it.
    disk.put(content(state(BOTH, networks="192.0.2.0/24")))
    assert removed.finish_interrupted_tombstones() == []
    assert host_files.read_json(paths.TOMBSTONES)["peers"] == {}
    assert removed.saved_in(paths.LAST_GOOD).tunnel.encode() == content(state(BOTH))[WG_FILE]


def test_no_tombstone_holds_a_secret(disk: Disk) -> None:
    disk.put(content(state(BOTH)))
    disk.confirm("run-1", content(state(ONE)))
    stones = paths.TOMBSTONES.read_text()
    assert "kcl-bg-002" in stones
    assert CANARY not in stones
    assert "sha256" not in stones
    assert paths.TOMBSTONES.stat().st_mode & 0o077 == 0


@RELAY
def test_devices_of_a_removed_site_are_asked_by_no_saved_state_and_those_of_others_still_are(disk: Disk) -> None:
    def asked(*sites: str) -> Content:
        cameras = [inventories.camera(onvif={})]
        listed = [fleets.facility(name, cameras=cameras) for name in sites]
        # Addresses stay with their sites, as the lock has them.
        return content(fleets.state_of(inventories.inventory(facilities=listed)))

    both, one = asked("kcl-bg-001", "kcl-bg-002"), asked("kcl-bg-001")
    disk.put(both)
    disk.confirm("run-1", one)
    assert len(revocable_texts.elements_in(both[NFT_FILE].decode())["onvif"]) == 2
    assert disk.generation("run-1").rules == one[NFT_FILE].decode()


@RELAY
def test_rules_by_which_nobody_is_asked_any_more_have_neither_the_set_nor_the_line() -> None:
    listed = [fleets.facility(cameras=[inventories.camera(onvif={} if asks else None)]) for asks in (True, False)]
    asking, bare = (
        content(fleets.state_of(inventories.inventory(facilities=[one])))[NFT_FILE].decode() for one in listed
    )
    elements = revocable_texts.elements_in(asking)["onvif"]
    assert revocable_texts.with_onvif_devices(asking, []) == bare
    assert revocable_texts.with_onvif_devices(bare, elements) == asking
    with pytest.raises(revocable_texts.Unclear):
        revocable_texts.with_onvif_devices(bare.replace("probe-elsewhere", "another hand"), elements)


@LOCAL_USER
def test_a_key_of_readers_that_was_replaced_is_in_no_saved_state(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = disk.root / "etc/provisioner/readers.pem"
    monkeypatch.setattr(paths, "READERS_FILE", shown)
    live = last_good.LiveState({name: {} for name in last_good._SAVED_UNITS}, firewall=True)  # type: ignore[typeddict-item]  # noqa: SLF001
    shown.parent.mkdir(parents=True, exist_ok=True)
    for run, key in (("run-1", "first"), ("run-2", "second"), ("run-3", "third")):
        last_good.save([str(shown)], live)
        shown.write_text(f"{key} key\n")
        disk.manifest(run)
        last_good.renew_keys()
        last_good.keep(run)
    last_good.save([str(shown)], live)
    kept = [file.read_bytes() for file in disk.root.rglob("*") if file.is_file()]
    assert not [text for text in kept if b"first key" in text or b"second key" in text]
    assert sum(b"third key" in text for text in kept) >= 2


@RELAY
@pytest.mark.parametrize("mode", [mode.value for mode in Access if not mode.is_pushed])
def test_in_every_access_mode_a_removed_site_leaves_no_state_and_others_keep_theirs(disk: Disk, mode: str) -> None:
    def of(**sites: str) -> Content:
        """Sites with one camera each, which is asked about itself, with this password."""
        cameras = [inventories.camera(onvif={})]
        listed = [fleets.of_mode(mode, name.replace("_", "-"), cameras=cameras) for name in sites]
        carrier = inventories.carrier(routed_networks=["10.120.0.0/16"])
        found = inventories.inventory(carriers=[carrier], facilities=listed)
        return content(fleets.state_of(found, next(iter(sites.values()))))

    both = of(kcl_bg_001="first-login", kcl_bg_002="first-login")
    one, renewed = of(kcl_bg_001="first-login"), of(kcl_bg_001="second-login")
    disk.put(both)
    disk.confirm("run-1", both)
    disk.confirm("run-2", one)
    disk.confirm("run-3", renewed)
    for run in ("run-1", "run-2", "run-3"):
        saved = disk.generation(run)
        assert "kcl-bg-002" not in saved.relay
        assert saved.rules == renewed[NFT_FILE].decode()
        assert saved.relay.count("second-login@") == 1
        assert "first-login" not in saved.relay


@RELAY
def test_a_site_that_pushed_and_is_removed_leaves_no_login_in_a_saved_state(disk: Disk) -> None:
    def of(*sites: str) -> Content:
        carrier = inventories.carrier(publishers={})
        found = inventories.inventory(carriers=[carrier], facilities=[fleets.pushing(name, 1) for name in sites])
        return content(fleets.state_of(found))

    both, one = of("kcl-bg-001", "kcl-bg-002"), of("kcl-bg-001")
    disk.put(both)
    disk.confirm("run-1", both)
    disk.confirm("run-2", one)
    for run in ("run-1", "run-2"):
        saved = disk.generation(run)
        assert "kcl-bg-002" not in saved.relay
        assert saved.relay.count('"publish-bac-giang.kcl-bg-001.cam-01.sub"') == 1
        assert saved.rules == one[NFT_FILE].decode()
