"""Two inventories side by side on one monitoring centre, each with its own relay, vault, people and SSH user.

Neither touches what is the other's, byte for byte: not by an apply, not by going out of service, and not by a mistake.
"""

import copy
import difflib
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.hostile import MERGE_REQUEST

from .engine import Engine
from .held_readers import HeldReaders
from .lab import Lab
from .sides import Side
from .test_verify import all_up, verified
from .topology import CENTRE, GATEWAYS, Network

pytestmark = [pytest.mark.lab, pytest.mark.soak]
VIETTEL, VNPT = "viettel", "vnpt"
EVERYTHING: Final = (
    "--allow",
    "trust=9",
    "--allow",
    "viewers=99",
    "--allow",
    "all_impact=9",
    "--allow",
    "deletions=99",
)
# What one inventory has on the centre: files with their contents and rights, rules, tunnel, units, its user.
BARE: Final = r"""
ls -d /etc/*provisioner* /var/lib/*provisioner* /usr/local/lib/*provisioner* /run/*provisioner* 2>/dev/null
nft list tables; ip -o link | grep -o 'wgp-[^:]*'; getent passwd | grep -o '^provisioner[^:]*'
systemctl list-unit-files --no-legend 'provisioner*' | cut -d' ' -f1
"""
KNOCK: Final = "import socket; socket.create_connection(('{}', 22), 3)"


@pytest.fixture(scope="module")
def two(engine: Engine) -> Iterator[tuple[Side, Side]]:
    """A lab of its own whose centre two inventories share, both applied; the second one's came later."""
    with Lab.start() as lab:
        first, second = Side(lab, engine, VIETTEL), Side(lab, engine, VNPT)
        for side in (first, second):
            side.prepare()
        second.manage_from(f"{lab.subnet(Network.MGMT)}, {lab.subnet(Network.WAN)}")
        second.commit("another network of its people")
        assert first.deploy()["outcome"] == "applied"
        before = first.at_centre()
        assert second.deploy()["outcome"] == "applied"
        assert_same(before, first.at_centre())
        for side in (first, second):
            side.narrow()
        yield first, second


def assert_same(before: str, after: str) -> None:
    """One inventory's things on the centre are as they were."""
    assert len(before.splitlines()) > 20, before
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    assert "\n".join(lines) == ""


def knocks(lab: Lab, gateway: str) -> bool:
    """Whether somebody on the WAN gets in to the centre's SSH."""
    address = lab.address(CENTRE.name, Network.WAN)
    return lab.exec(gateway, ["python3", "-c", KNOCK.format(address)], check=False).returncode == 0


def test_both_are_up_and_each_plan_names_the_other(two: tuple[Side, Side]) -> None:
    for side, other in (two, reversed(two)):
        found = verified(side, until=all_up, tries=30)
        assert all_up(found), found["incidents"]
        assert found["summary"]["paths"] == len(side.paths) or found["summary"]["up"] >= len(side.paths)
        plan = side.document("plan")
        assert (plan["summary"]["create"], plan["summary"]["update"], plan["summary"]["delete"]) == (0, 0, 0)
        (note,) = [note for note in plan["notes"] if "is shared" in note]
        assert f"this is the side of {side.carrier}; beside it: inventory {other.carrier}" in note
        assert plan["warnings"] == []


def test_ssh_comes_in_from_where_either_of_them_says(two: tuple[Side, Side]) -> None:
    first, second = two
    lab, gateway = first.lab, GATEWAYS[0].name
    assert knocks(lab, gateway), "the second inventory's people, whom the first one's table does not know"
    before = first.at_centre()
    second.manage_from(str(lab.subnet(Network.MGMT)))
    second.run("apply", "--yes", *EVERYTHING)
    assert not knocks(lab, gateway)
    second.git("checkout", "--quiet", "--", ".")
    second.run("apply", "--yes", *EVERYTHING)
    assert knocks(lab, gateway)
    assert_same(before, first.at_centre())


def test_one_is_changed_and_rolled_back_while_the_others_readers_play_on(two: tuple[Side, Side]) -> None:
    first, second = two
    before = second.at_centre()
    with HeldReaders(second, second.relay, second.paths) as readers:
        first.manage_from(f"{first.lab.subnet(Network.MGMT)}, 192.0.2.64/27")
        assert first.document("apply", "--yes", *EVERYTHING)["outcome"] == "applied"
        first.run("rollback", "--yes", CENTRE.name)
        held = readers.finish()
    assert all(one.played_on for one in held), held
    first.git("checkout", "--quiet", "--", ".")
    assert first.document("apply", "--yes", *EVERYTHING)["outcome"] in {"applied", "nothing-to-do"}
    assert_same(before, second.at_centre())


def test_a_drop_of_the_others_table_is_not_ours_and_neither_user_can_call_the_others_program(
    two: tuple[Side, Side],
) -> None:
    first, second = two
    lab = first.lab
    for side, other in (two, reversed(two)):
        words = ["sudo", "-n", f"/usr/local/lib/provisioner.{other.carrier}/provisioner-host", "prove"]
        done = lab.exec(CENTRE.name, ["runuser", "-u", side.user, "--", *words], check=False, stdin="x\n")
        assert done.returncode != 0
        assert "PROVISIONER" not in done.stdout
    # What one of them calls under the other's key is a bundle that the other's program does not take.
    bundle = ["runuser", "-u", second.user, "--", "sudo", "-n"]
    program = f"/usr/local/lib/provisioner.{second.carrier}/provisioner-host"
    done = lab.exec(CENTRE.name, [*bundle, program, "call"], check=False, stdin="PROVISIONER-CALL 00 00\nx")
    assert (done.returncode, "not sealed under the key" in done.stderr) == (1, True)


def a_copy(side: Side, name: str) -> Side:
    """An inventory that begins as a copy of another one."""
    copied = copy.copy(side)
    copied.root, copied.state = side.lab.directory / name, side.lab.directory / f"{name}-state"
    shutil.rmtree(copied.root, ignore_errors=True)
    shutil.copytree(side.root, copied.root)
    return copied


def new_vault(side: Side) -> None:
    """Give an inventory another digest key, by which it knows hosts."""
    side.write_secret("inventory.yml", {"digest_key": secrets.token_hex(32)})


def takeover_by_a_copy(side: Side) -> Side:
    """The same inventory with another key."""
    copied = a_copy(side, "copied")
    new_vault(copied)
    copied.commit("another key")
    return copied


def takeover_for_itself(side: Side) -> Side:
    """Another inventory, that wants the centre for itself alone."""
    copied = a_copy(side, "alone")
    new_vault(copied)
    copied.substitute(copied.root / "inventory.yml", r"(?m)^id: .*$", "id: other")
    copied.substitute(copied.root / f"centres/{CENTRE.name}.yml", r"\nshared: true", "")
    copied.commit("another inventory")
    return copied


def takeover_by_its_own_alone(side: Side) -> Side:
    """The very inventory, that no longer shares what it has on the centre."""
    copied = a_copy(side, "unshared")
    copied.substitute(copied.root / f"centres/{CENTRE.name}.yml", r"\nshared: true", "")
    copied.commit("not shared any more")
    return copied


@MERGE_REQUEST
@pytest.mark.parametrize("takeover", [takeover_by_a_copy, takeover_for_itself, takeover_by_its_own_alone])
def test_a_takeover_is_refused_before_anything_is_touched(two: tuple[Side, Side], takeover: Any) -> None:
    first, second = two
    first.sudo(f"{first.user} ALL=(ALL) NOPASSWD: ALL\n")
    stranger = takeover(first)
    before = first.at_centre(), second.at_centre(), first.lab.exec(CENTRE.name, ["sh", "-c", BARE]).stdout
    only = ("--limit", f"host={CENTRE.name}")
    for words in (("apply", "--yes", *only, *EVERYTHING), ("hosts", "release", CENTRE.name, "--yes")):
        done = stranger.run(*words, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        assert (done.returncode, f"belongs to inventory {VIETTEL}" in said) == (6, True), said
    if takeover is not takeover_by_a_copy:
        done = stranger.run("hosts", "adopt", CENTRE.name, "--yes", check=False)
        assert (done.returncode, "shared: true" in done.stderr) == (6, True), done.stdout + done.stderr
    after = first.at_centre(), second.at_centre(), first.lab.exec(CENTRE.name, ["sh", "-c", BARE]).stdout
    for one, other in zip(before, after, strict=True):
        assert one == other
    first.narrow()


def test_what_lies_there_without_a_mark_has_the_host_alone(two: tuple[Side, Side]) -> None:
    """An older version's, on which no mark says whose it is; who came before goes on beside it."""
    first, second = two
    first.sudo(f"{first.user} ALL=(ALL) NOPASSWD: ALL\n")
    other = a_copy(first, "third")
    new_vault(other)
    other.substitute(other.root / "inventory.yml", r"(?m)^id: .*$", "id: third")
    other.commit("a third inventory")
    first.lab.exec(CENTRE.name, ["mkdir", "/var/lib/provisioner"])
    first.lab.exec(CENTRE.name, ["touch", "/var/lib/provisioner/manifest.json"])
    done = other.run("apply", "--yes", "--limit", f"host={CENTRE.name}", *EVERYTHING, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode, "belongs to somebody unknown" in said, "adopt" in said) == (6, True, False), said
    beside = second.document("plan")
    first.lab.exec(CENTRE.name, ["rm", "-r", "/var/lib/provisioner"])
    assert (beside["unreadable"], beside["unproved"]) == ({}, [])
    assert "third" not in first.lab.exec(CENTRE.name, ["sh", "-c", BARE]).stdout
    first.narrow()


def test_both_are_changed_at_once_and_both_come_back_after_a_reboot(two: tuple[Side, Side]) -> None:
    lab = two[0].lab
    for side in two:
        side.manage_from(f"{lab.subnet(Network.MGMT)}, {lab.subnet(Network.WAN)}, 192.0.2.64/27")
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda side: side.run("apply", "--yes", *EVERYTHING, check=False), two))
    assert [done.returncode for done in ended] == [0, 0], ended
    lab.reboot(CENTRE.name)
    for side in two:
        assert all_up(verified(side, until=all_up, tries=30))
        assert side.document("plan")["summary"]["update"] == 0
    assert knocks(lab, GATEWAYS[0].name)
    for side in two:
        side.git("checkout", "--quiet", "--", ".")
        side.run("apply", "--yes", *EVERYTHING)


def test_a_host_of_one_inventory_alone_has_no_room_for_a_side(two: tuple[Side, Side]) -> None:
    first, _ = two
    other = a_copy(first, "beside")
    new_vault(other)
    other.substitute(other.root / "inventory.yml", r"(?m)^id: .*$", "id: other")
    address, key = first.lab.address(first.relay, Network.MGMT), first.lab.host_key(first.relay)
    centre = other.root / f"centres/{CENTRE.name}.yml"
    other.substitute(centre, r"(\baddress: )\S+", rf"\g<1>{address}")
    other.substitute(centre, r"(host_key: ).*", rf"\g<1>{key}")
    other.substitute(centre, r"(user: )\S+", r"\g<1>noc")
    carrier = other.root / f"carriers/{VIETTEL}.yml"
    other.substitute(carrier, r"(\baddress: )\S+", r"\g<1>192.0.2.99")
    other.commit("a side where somebody is alone")
    done = other.run("apply", "--yes", "--limit", f"host={CENTRE.name}", *EVERYTHING, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode, "who has the host for itself alone" in said) == (6, True), said
    assert other.lab.exec(first.relay, ["sh", "-c", "ls -d /etc/provisioner.*"], check=False).stdout == ""


def test_one_goes_out_of_service_and_the_others_readers_play_on(two: tuple[Side, Side]) -> None:
    first, second = two
    lab = first.lab
    second.sudo(f"{second.user} ALL=(ALL) NOPASSWD: ALL\n")
    before = first.at_centre()
    for gateway in second.gateways:
        second.facility_file(gateway.facility).unlink()
    (second.root / f"carriers/{VNPT}.yml").unlink()
    second.substitute(second.root / "inventory.yml", rf"\n +{VNPT}: 10.*", "")
    second.substitute(second.root / "inventory.yml", r"carriers:\s*(?=\n\w)", "carriers: {}")
    second.substitute(second.root / "designations.yml", r"designations:(\n  -[^\n]*)+", "designations: []")
    management = f"management_networks: [{lab.subnet(Network.MGMT)}]\n"
    centre = second.root / f"centres/{CENTRE.name}.yml"
    centre.write_text(centre.read_text(encoding="utf-8") + management, encoding="utf-8")
    shutil.rmtree(second.root / "secrets/carriers")
    shutil.rmtree(second.root / "secrets/cameras")
    second.run("allocate")
    with HeldReaders(first, first.relay, first.paths) as readers:
        second.run("apply", "--yes", "--limit", f"host={CENTRE.name}", *EVERYTHING)
        shown = second.run("hosts", "decommission", CENTRE.name, "--dry-run").stdout
        assert "what others have on this host stays as it is: viettel" in shown
        assert (
            f"nothing of ours is on {CENTRE.name}" in second.run("hosts", "decommission", CENTRE.name, "--yes").stdout
        )
        held = readers.finish()
    assert all(one.played_on for one in held), held
    assert_same(before, first.at_centre())
    rest = lab.exec(CENTRE.name, ["sh", "-c", BARE], check=False).stdout
    assert (VNPT in rest, VIETTEL in rest) == (False, True), rest
    assert not knocks(lab, GATEWAYS[0].name), "nobody but the first one's people any more"
    assert all_up(verified(first, until=all_up, tries=10))
    assert [note for note in first.document("plan")["notes"] if "is shared" in note] == []
