"""`relay replace`: a dead relay whose key nobody has gets a new one, and every site that has to know it is named."""

import copy
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.recovery_key import RecoveryPair
from provisioner.operations.hosts import replace
from tests.hostile import MERGE_REQUEST
from tests.simulated import SimulatedHost
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)
from tests.unit.cli.test_recovery import KEPT, die, lock, sealed  # noqa: F401 (the same)

SITES = ["kcl-bg-001", "kcl-bg-002", "kcl-hd-001"]
NEW_KEY = b"the key that new hardware makes "


@pytest.fixture
def dead(call: Terminal) -> Terminal:  # noqa: F811
    """A relay that never sealed its key, and new hardware in its place."""
    from provisioner.base.recovery_key import pair_of  # noqa: PLC0415

    host = die(call)
    host.private_key = pair_of(NEW_KEY).private_key.reveal()
    return call


def test_it_says_first_which_sites_are_dark_until_when_and_changes_nothing(dead: Terminal) -> None:
    before, hosts = dead.files(), copy.deepcopy(dead.hosts.hosts)
    code, out, err = dead("relay", "replace", RELAY, "--dry-run")
    assert (code, err) == (0, "")
    assert out.startswith(f"dark until somebody has installed a new package there: 3 sites: {', '.join(SITES)}")
    assert out.splitlines()[-1].endswith(f"relay replace {RELAY} --allow trust=1")
    assert (dead.files(), dead.hosts.hosts) == (before, hosts)
    assert "keys" not in {operation for operation, _ in dead.hosts.calls}


def test_a_new_key_takes_the_place_of_the_former_one_and_each_site_gets_its_package(dead: Terminal) -> None:
    former = lock(dead)["relays"][RELAY]
    folder = dead.root / "sites"
    words = ("relay", "replace", RELAY, "--allow", "trust=1", "--packages", str(folder), "--yes")
    code, document = dead.document(*words)
    assert (code, document["sites"], sorted(document["packages"])) == (0, SITES, SITES)
    runs = dead.document("history")[1]["runs"]
    assert next(run["hosts"] for run in runs if run["operation"] == "keys") == [RELAY]
    now = lock(dead)["relays"][RELAY]
    assert now["public_key"] == document["public_key"] != former["public_key"]
    assert (now["tunnel_address"], now["api_hash"] != former["api_hash"]) == (former["tunnel_address"], True)
    for site in SITES:
        assert now["public_key"] in (folder / site / "peers" / f"{RELAY}.conf").read_text(encoding="utf-8")
    code, out, err = dead("apply", "--yes", "--allow", "trust=9", "--allow", "all_impact=9", "--allow", "viewers=9")
    assert code == 0, out + err
    assert dead.document("plan")[1]["changes"] == []
    code, document = dead.document("relay", "replace", RELAY, "--yes")
    assert (code, document["alive"], document["replaced"]) == (0, True, False)


def test_what_is_cut_off_before_the_lock_is_written_ends_where_a_whole_one_ends(
    dead: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: Any) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(replace, "write_lock", killed)
        assert dead("relay", "replace", RELAY, "--allow", "trust=1", "--yes")[0] == 130
    before = lock(dead)["relays"][RELAY]["public_key"]
    code, document = dead.document("relay", "replace", RELAY, "--yes")
    assert (code, document["new_hardware"], document["replaced"]) == (0, False, True)
    assert lock(dead)["relays"][RELAY]["public_key"] == document["public_key"] != before


def test_a_stranger_makes_no_key_before_somebody_said_that_it_is_new(dead: Terminal) -> None:
    before = dead.files()
    code, _, err = dead("relay", "replace", RELAY, "--yes")
    assert (code, "add --allow trust=1" in err, dead.files()) == (5, True, before)
    assert "keys" not in {operation for operation, _ in dead.hosts.calls}


def test_nobody_is_there_to_answer(dead: Terminal) -> None:
    before = dead.files()
    assert dead("relay", "replace", RELAY, "--allow", "trust=1")[0] == 2
    assert dead.files() == before


def test_a_folder_that_holds_something_is_refused_before_any_key_is_made(dead: Terminal) -> None:
    folder = dead.root / "sites"
    folder.mkdir()
    (folder / "mine").touch()
    before = dead.files()
    words = ("relay", "replace", RELAY, "--allow", "trust=1", "--packages", str(folder), "--yes")
    code, _, err = dead(*words)
    assert (code, "is not empty" in err, dead.files()) == (2, True, before)


def test_where_the_key_lies_in_a_box_the_way_that_needs_no_visit_is_named(
    sealed: tuple[Terminal, RecoveryPair],  # noqa: F811
) -> None:
    terminal, _ = sealed
    die(terminal)
    before = terminal.files()
    for words in (("--yes",), ("--dry-run",)):
        code, _, err = terminal("relay", "replace", RELAY, "--allow", "trust=1", *words)
        assert (code, f"provisioner relay restore {RELAY}" in err, terminal.files()) == (6, True, before)
    code, document = terminal.document("relay", "replace", RELAY, "--allow", "trust=1", "--recovery-lost", "--yes")
    assert (code, document["replaced"], document["sealed"]) == (0, True, True), "sealed anew, as keys init would"
    assert lock(terminal)["relays"][RELAY]["sealed_key"]["public_key"] == document["public_key"] != KEPT.public_key


def test_the_box_of_a_former_key_goes_with_it(sealed: tuple[Terminal, RecoveryPair]) -> None:  # noqa: F811
    terminal, _ = sealed
    host = die(terminal)
    text = terminal.file("inventory.yml").read_text(encoding="utf-8")
    terminal.file("inventory.yml").write_text(text[: text.index("recovery:")], encoding="utf-8")
    host.private_key = ""
    code, document = terminal.document("relay", "replace", RELAY, "--allow", "trust=1", "--recovery-lost", "--yes")
    assert (code, document["sealed"], "sealed_key" in lock(terminal)["relays"][RELAY]) == (0, False, False)


def test_one_that_lives_is_let_be(call: Terminal) -> None:  # noqa: F811
    call.hosts.hosts[RELAY].public_key = lock(call)["relays"][RELAY]["public_key"]
    before, calls = call.files(), len(call.hosts.calls)
    code, out, _ = call("relay", "replace", RELAY, "--yes", "--allow", "trust=1")
    assert (code, "a replacement is not needed" in out, call.files()) == (0, True, before), out
    assert "keys" not in {operation for operation, _ in call.hosts.calls[calls:]}


def test_one_that_ran_with_a_key_that_the_lock_has_not_is_not_taken_for_new(call: Terminal) -> None:  # noqa: F811
    call.hosts.hosts[RELAY].public_key = lock(call)["relays"][RELAY]["public_key"]
    call.edit("allocations.lock.yml", lock(call)["relays"][RELAY]["public_key"], KEPT.public_key)
    before = call.files()
    code, _, err = call("relay", "replace", RELAY, "--yes", "--allow", "trust=1")
    assert (code, "runs with a tunnel key that the lock does not have" in err, call.files()) == (6, True, before)


def test_a_centre_is_in_no_package(call: Terminal) -> None:  # noqa: F811
    code, _, err = call("relay", "replace", "centre-hn", "--yes")
    assert (code, "is a centre" in err) == (2, True)


@MERGE_REQUEST
def test_the_hardware_of_somebody_else_makes_no_key(dead: Terminal) -> None:
    host = dead.hosts.hosts[RELAY] = SimulatedHost(is_new_hardware=True)
    host.owner = {
        "inventory": "other",
        "key": "0" * 32,
        "host": "r",
        "run": "",
        "at": "2021-05-20T01:00:00Z",
        "who": "",
    }
    before = dead.files()
    code, out, err = dead("relay", "replace", RELAY, "--yes", "--allow", "trust=9")
    assert (code, "belongs to inventory other" in " ".join((out + err).split()), dead.files()) == (6, True, before)
