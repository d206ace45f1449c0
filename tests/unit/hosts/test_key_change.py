"""The host's part in a change of keys: which peer is the gateway, and who moves its address."""

import itertools
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.machine import paths
from provisioner_host.machine.shell import Failed
from provisioner_host.tunnel import interface, key_change, tunnel

PRESENT, FOLLOWING, OTHER = "P" * 43 + "=", "F" * 43 + "=", "O" * 43 + "="
CONF = f"""# Managed by provisioner. Edits are overwritten.
[Interface]
ListenPort = 51820

# site/kcl-bg-001
[Peer]
PublicKey = {PRESENT}
AllowedIPs = 10.91.0.2/32, 10.91.0.3/32
PersistentKeepalive = off

# next/kcl-bg-001
[Peer]
PublicKey = {FOLLOWING}
PersistentKeepalive = off

# site/kcl-bg-002
[Peer]
PublicKey = {OTHER}
AllowedIPs = 10.91.0.4/32
PersistentKeepalive = off
"""


class Wg:
    """`wg` of a live tunnel."""

    def __init__(self) -> None:
        self.handshakes = {PRESENT: 100, FOLLOWING: 0, OTHER: 90}
        self.allowed = {PRESENT: "10.91.0.2/32 10.91.0.3/32", FOLLOWING: "(none)", OTHER: "10.91.0.4/32"}
        self.set: list[list[str]] = []
        self.fails = False

    def run(self, argv: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        if self.fails:
            return subprocess.CompletedProcess(list(argv), 1, "", "no such device")
        if argv[1] == "set":
            self.set.append(list(argv))
            addresses = argv[6].split(",")
            for key, allowed in self.allowed.items():
                self.allowed[key] = " ".join(one for one in allowed.split() if one not in addresses) or "(none)"
            self.allowed[argv[4]] = " ".join(addresses)
            return subprocess.CompletedProcess(list(argv), 0, "", "")
        shown = self.handshakes if argv[3] == "latest-handshakes" else self.allowed
        return subprocess.CompletedProcess(list(argv), 0, "".join(f"{k}\t{v}\n" for k, v in shown.items()), "")


@pytest.fixture
def wg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wg:
    wg = Wg()
    file = tmp_path / "wg-prov.conf"
    file.write_text(CONF)
    monkeypatch.setattr(paths, "WG_FILE", file)
    monkeypatch.setattr(key_change, "run", wg.run)
    monkeypatch.setattr(interface, "run", wg.run)
    return wg


def test_the_addresses_go_to_the_key_that_spoke_last_and_back_again(wg: Wg) -> None:
    assert (key_change.move(), wg.set) == ((), [])
    wg.handshakes[FOLLOWING] = 101
    assert key_change.move() == ("kcl-bg-001",)
    assert wg.set == [["wg", "set", paths.TUNNEL, "peer", FOLLOWING, "allowed-ips", "10.91.0.2/32,10.91.0.3/32"]]
    assert key_change.move() == (), "once is enough"
    wg.handshakes[PRESENT] = 130
    assert key_change.move() == ("kcl-bg-001",)
    assert wg.allowed[PRESENT] == "10.91.0.2/32 10.91.0.3/32"
    assert wg.allowed[OTHER] == "10.91.0.4/32"


def test_of_two_handshakes_in_one_second_the_next_key_s_counts(wg: Wg) -> None:
    wg.handshakes[FOLLOWING] = wg.handshakes[PRESENT]
    assert key_change.move() == ("kcl-bg-001",)


def test_without_a_tunnel_or_a_change_nothing_is_done(wg: Wg) -> None:
    wg.handshakes[FOLLOWING] = 101
    wg.fails = True
    assert (key_change.move(), key_change.handshakes()) == ((), {})
    wg.fails = False
    paths.WG_FILE.write_text(CONF.replace("next/", "site/next-"))
    assert (key_change.move(), wg.set) == ((), [])
    paths.WG_FILE.unlink()
    assert key_change.move() == ()


def test_a_peer_that_has_addresses_of_its_own_is_no_next_key() -> None:
    whole = CONF.replace(f"PublicKey = {FOLLOWING}\n", f"PublicKey = {FOLLOWING}\nAllowedIPs = 10.91.0.9/32\n")
    assert key_change.pairs_in(whole) == ()
    assert key_change.pairs_in(CONF.replace("# site/kcl-bg-001", "# centre/kcl-bg-001")) == ()


def test_it_looks_often_and_a_look_that_fails_ends_nothing(wg: Wg, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("provisioner_host.tunnel.tunnel.time.sleep", slept.append)
    wg.handshakes[FOLLOWING] = 101
    looks = tunnel.moves()
    moved = "site kcl-bg-001 changes its gateway's key: its addresses are with the peer that spoke last"
    assert list(itertools.islice(looks, 2)) == [[moved], []]

    def refuse(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        raise Failed("wg: no")

    monkeypatch.setattr(interface, "run", refuse)
    assert next(looks) == []
    monkeypatch.setattr(interface, "run", wg.run)
    wg.handshakes[PRESENT] = 130
    assert next(looks) == [moved], "the look after it is as if nothing had been"
    wg.handshakes[FOLLOWING] = 160
    paths.WG_FILE.write_text(CONF.partition("# next/")[0])
    assert next(looks) == [], "a file without a change is not looked at for one"
    assert slept == [0.5] * 4


def test_which_of_the_two_has_the_addresses_is_no_configuration() -> None:
    def live(present: list[str], following: list[str]) -> Any:
        peers = {
            name: {"psk": "d", "allowed_ips": allowed, "keepalive_s": None}
            for name, allowed in ((PRESENT, present), (FOLLOWING, following), (OTHER, ["10.91.0.4/32"]))
        }
        return {"public_key": "k", "addresses": [], "routes": [], "mtu": 1380, "peers": peers}

    pairs = key_change.pairs_in(CONF)
    both = ["10.91.0.2/32", "10.91.0.3/32"]
    before = tunnel.configuration(live(both, []), pairs)
    assert before == tunnel.configuration(live([], both), pairs)
    assert tunnel.configuration(live(both, [])) != tunnel.configuration(live([], both)), "of no pair it is"
    assert tunnel.configuration(live([], [])) != before
