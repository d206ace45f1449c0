"""The host key that a host shows, asked for from here, by a node, over a faulty way and a real broker."""

import base64
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import HostError
from provisioner.base.ssh_signature import fingerprint_of, ssh_text
from provisioner.base.text import HostName, HostPlace
from provisioner.hosts.call_target import TargetHost
from provisioner.hosts.identity import SCAN_S, HostKeyScans, host_key_of, is_host_key_line, show_key_call
from provisioner.hosts.runner import CallOutcome, HostAnswer, OpenRunner
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.nodes.node import NodeRules
from tests.hostile import NODE
from tests.nodes.broker import broker_of
from tests.nodes.carrying import HOST_KEY, NETWORK, RULES, CountingHosts, both_ends, call_of, host_of
from tests.nodes.mailboxes import FaultyPost, Post
from tests.nodes.test_contract import RATES

_SCAN: Final = """#!/bin/sh
for last; do :; done
echo "$last" >> {asked}
cat "{folder}/$last" 2>/dev/null
"""


def key_of(number: int, kind: bytes = b"ssh-ed25519") -> str:
    """A host key that no other number has."""
    blob = ssh_text(kind) + ssh_text(number.to_bytes(32, "big"))
    return f"{kind.decode()} {base64.b64encode(blob).decode()}"


class Shown:
    """What hosts show to an `ssh-keyscan` of the test's own, and who was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._asked = folder / "shown", folder / "asked"
        self.folder.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "ssh-keyscan"
        program.write_text(_SCAN.format(asked=self._asked, folder=self.folder))
        program.chmod(0o755)
        self.scans = HostKeyScans({"PATH": f"{programs}:/usr/bin:/bin"})
        for number in range(5):
            self.says(NETWORK[number + 1], f"x {key_of(number)}\n")

    def says(self, place: HostPlace, printed: str) -> None:
        """Have `ssh-keyscan` print this of a host."""
        (self.folder / str(place)).write_text(printed, encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        """Where hosts were asked."""
        return self._asked.read_text().split() if self._asked.exists() else []


def unknown(number: int, place: HostPlace | None = None, jump: JumpHost | None = None) -> TargetHost:
    return TargetHost(f"relay-{number}", ("vnpt",), place or NETWORK[number + 1], Ssh(user="noc"), jump)


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path)


@pytest.fixture(params=["local", "node", "faulty", "jetstream"])
def asker(request: pytest.FixtureRequest, tmp_path: Path, shown: Shown) -> Iterator[OpenRunner]:
    match request.param:
        case "local":
            yield shown.scans
        case "node":
            with both_ends(Post(), tmp_path, scans=shown.scans) as (runner, _):
                yield runner
        case "faulty":
            with both_ends(FaultyPost(7, RATES), tmp_path, scans=shown.scans) as (runner, _):
                yield runner
        case _:
            with broker_of(tmp_path) as broker, broker.both_ends(scans=shown.scans) as (runner, _):
                yield runner


def test_each_host_is_asked_once_and_its_key_is_its_own(asker: OpenRunner, shown: Shown) -> None:
    hosts = [unknown(number) for number in range(5)]
    answers = asker.call([show_key_call(host) for host in hosts], timeout_s=SCAN_S)
    assert [host_key_of(host, answers[host.id]) for host in hosts] == [key_of(number) for number in range(5)]
    assert sorted(shown.asked) == sorted(str(host.address) for host in hosts)


def test_one_that_shows_none_hides_no_other_and_says_what_to_do(asker: OpenRunner, shown: Shown) -> None:
    shown.says(NETWORK[2], "# no key\n")
    answers = asker.call([show_key_call(unknown(number)) for number in range(2)], timeout_s=SCAN_S)
    assert host_key_of(unknown(0), answers["relay-0"]) == key_of(0)
    with pytest.raises(HostError, match=r"192\.0\.2\.2:22 shows .* no SSH host key") as refused:
        host_key_of(unknown(1), answers["relay-1"])
    assert "or name the key: --host-key" in (refused.value.hint or "")


def test_who_is_behind_a_jump_host_is_not_asked(asker: OpenRunner, shown: Shown) -> None:
    jump = JumpHost(address=NETWORK[9], ssh=Ssh(user="noc", host_key=HOST_KEY))
    answers = asker.call([show_key_call(unknown(0, jump=jump))], timeout_s=SCAN_S)
    with pytest.raises(HostError, match="behind a jump host"):
        host_key_of(unknown(0), answers["relay-0"])
    assert shown.asked == []


# --- at the node ------------------------------------------------------------------------------------
@NODE
@pytest.mark.parametrize(
    ("place", "carriers"),
    [
        (IPv4Address("198.51.100.7"), ("vnpt",)),
        (ip_address("2001:db8::7"), ("vnpt",)),
        (HostName("relay.example.com"), ("vnpt",)),
        (NETWORK[1], ("vnpt", "viettel")),
    ],
    ids=str,
)
def test_a_node_asks_no_host_that_is_not_its_own(
    shown: Shown, tmp_path: Path, place: HostPlace, carriers: tuple[str, ...]
) -> None:
    shown.says(place, f"x {key_of(1)}\n")
    host = TargetHost("relay-1", carriers, place, Ssh(user="noc"))
    with both_ends(Post(), tmp_path, scans=shown.scans) as (runner, _):
        answer = runner.call([show_key_call(host)], timeout_s=SCAN_S)["relay-1"]
    assert answer.outcome is CallOutcome.REFUSED
    with pytest.raises(
        HostError, match=r"the node of vnpt refuses: .* (in none of the networks|no host of vnpt alone)"
    ):
        host_key_of(host, answer)
    assert shown.asked == []


def test_a_look_at_a_key_needs_no_leave_to_change_and_its_people_see_it(shown: Shown, tmp_path: Path) -> None:
    looks = NodeRules("vnpt", (IPv4Network("192.0.2.0/24"),), changes=False)
    with both_ends(Post(), tmp_path, rules=looks, scans=shown.scans) as (runner, working):
        answer = runner.call([show_key_call(unknown(3))], timeout_s=SCAN_S)["relay-3"]
    assert host_key_of(unknown(3), answer) == key_of(3)
    assert any(line.endswith(" is begun: show-key on relay-3") for line in working.lines)


def test_what_else_a_unit_asks_goes_on_beside_it(shown: Shown, tmp_path: Path) -> None:
    hosts = CountingHosts()
    with both_ends(Post(), tmp_path, hosts=hosts, rules=RULES, scans=shown.scans) as (runner, _):
        answers = runner.call([show_key_call(unknown(0)), call_of(host_of(1), 7)], timeout_s=SCAN_S)
    assert host_key_of(unknown(0), answers["relay-0"]) == key_of(0)
    assert answers["relay-1"].document == {"number": 7}
    assert set(hosts.done) == {("relay-1", 7)}


# --- what hosts and nodes say -------------------------------------------------------------------------
@NODE
@pytest.mark.parametrize(
    "printed",
    [
        "",
        "x\n",
        f"# x {key_of(1)}\n",
        "x ssh-ed25519 !!!\n",
        f"x ssh-rsa {key_of(1).split()[1]}\n",
        f"x {key_of(1, b'ssh-dss')}\n",
        f"x {key_of(1)}A\n",
        "x ssh-ed25519 AAAA\n" * 9000,
        "\x1b[2J\n",
    ],
    ids=range(9),
)
def test_what_is_no_key_is_taken_for_none(shown: Shown, printed: str) -> None:
    shown.says(NETWORK[1], printed)
    answer = shown.scans.call([show_key_call(unknown(0))], timeout_s=SCAN_S)["relay-0"]
    assert answer.outcome is CallOutcome.UNREACHABLE
    assert "\x1b" not in answer.error


def test_the_kind_that_is_preferred_is_taken_whatever_stands_first(shown: Shown) -> None:
    curve = ssh_text(b"ecdsa-sha2-nistp256") + ssh_text(b"nistp256") + ssh_text(b"\4" * 65)
    other = f"ecdsa-sha2-nistp256 {base64.b64encode(curve).decode()}"
    shown.says(NETWORK[1], f"x {other}\nx {key_of(0)} comment\n")
    answer = shown.scans.call([show_key_call(unknown(0))], timeout_s=SCAN_S)["relay-0"]
    assert host_key_of(unknown(0), answer) == key_of(0)
    shown.says(NETWORK[1], f"x {other}\n")
    answer = shown.scans.call([show_key_call(unknown(0))], timeout_s=SCAN_S)["relay-0"]
    assert host_key_of(unknown(0), answer) == other


words = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), st.just(HOST_KEY + "\n"), st.just(HOST_KEY))


@NODE
@given(said=words)
def test_of_what_a_node_says_a_key_is_taken_and_nothing_else(said: object) -> None:
    answer = HostAnswer("relay-0", CallOutcome.ANSWERED, {"host_key": said})
    if said == HOST_KEY:
        assert host_key_of(unknown(0), answer) == HOST_KEY
        assert fingerprint_of(HOST_KEY).startswith("SHA256:")
        return
    assert not (isinstance(said, str) and is_host_key_line(said))
    with pytest.raises(HostError, match="none that an inventory may name"):
        host_key_of(unknown(0), answer)


def test_what_is_begun_too_late_is_not_begun(shown: Shown) -> None:
    answers = shown.scans.call([show_key_call(unknown(0))], timeout_s=-1)
    assert (answers["relay-0"].outcome, shown.asked) == (CallOutcome.UNREACHABLE, [])


def test_whoever_asks_for_keys_carries_nothing_else(shown: Shown) -> None:
    answer = shown.scans.call([call_of(host_of(0))], timeout_s=SCAN_S)["relay-0"]
    assert (answer.outcome, shown.asked) == (CallOutcome.UNREACHABLE, [])
