"""Whose host it is: nobody takes another's host over before it was said from whom, and seen what that ends."""

import copy
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.secret import Secret, content_key, identity_key
from provisioner.base.text import local_time
from provisioner.base.vault import VaultPasswords
from provisioner.inventory.loader.secrets import write_inventory_secrets
from provisioner.inventory.model.secrets import InventorySecrets
from tests.example_terminal import EXAMPLE
from tests.hostile import MERGE_REQUEST
from tests.simulated import SimulatedHost
from tests.unit.cli.test_plan import RELAY, WATCHED, Terminal, call  # noqa: F401 (the fixture)
from tests.unit.operations.rollout.world import state

EVERYTHING = ("--allow", "trust=99", "--allow", "all_impact=9", "--allow", "viewers=99")
ONLY = ("--limit", f"host={RELAY}")


def another_key(call: Terminal) -> None:  # noqa: F811
    """From now on the program is called with a copy of the inventory whose vault has another digest key."""
    root = call.root / EXAMPLE
    passwords = VaultPasswords.from_environment({"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")})
    assert write_inventory_secrets(root, InventorySecrets(digest_key=Secret("of another vault")), passwords)


def another_inventory(call: Terminal) -> None:  # noqa: F811
    """From now on it is called with another inventory, of another id and with a vault of its own."""
    call.edit("inventory.yml", "id: example\n", "id: other\n")
    another_key(call)


def an_older_version(call: Terminal) -> None:  # noqa: F811
    """What lies on the hosts is of a version that left no mark, and of somebody else."""
    another_key(call)
    for host in call.hosts.hosts.values():
        host.owner = None


Takeover = Callable[[Terminal], None]
TAKEOVERS = pytest.mark.parametrize("takeover", [another_inventory, another_key, an_older_version])
NAMED: dict[Takeover, str] = {
    another_inventory: "inventory example",
    another_key: "inventory example",
    an_older_version: "somebody unknown",
}


def as_they_are(call: Terminal) -> dict[str, SimulatedHost]:  # noqa: F811
    call.hosts.calls.clear()
    return copy.deepcopy(call.hosts.hosts)


def assert_untouched(call: Terminal, before: dict[str, SimulatedHost]) -> None:  # noqa: F811
    assert call.hosts.hosts == before, "every byte is as it was"
    assert call.hosts.calls == [], "no bundle was sent"


# --- a take-over that nobody adopted --------------------------------------------------------------
@MERGE_REQUEST
@TAKEOVERS
@pytest.mark.parametrize(
    "words",
    [
        ("apply", "--yes", *EVERYTHING),
        ("apply", "--yes", *ONLY, *EVERYTHING),
        ("keys", "init", "--allow", "trust=99"),
        ("rollback", "--yes", RELAY),
        ("hosts", "release", "--yes", RELAY),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_command_changes_the_host_of_somebody_else_whatever_is_allowed(
    call: Terminal,  # noqa: F811
    takeover: Takeover,
    words: tuple[str, ...],
) -> None:
    takeover(call)
    before = as_they_are(call)
    code, out, err = call(*words)
    assert code == 6, out + err
    assert NAMED[takeover] in out + err
    assert "provisioner hosts adopt " in out + err
    assert RELAY in out + err
    assert_untouched(call, before)


def let_it_be_another_s(host: SimulatedHost) -> None:
    """Somebody else has taken a host over: it proves itself to them alone, and has their mark."""
    assert host.owner is not None
    host.owner = host.owner | {"inventory": "other", "key": "0" * 32}
    host.identity = "somebody else's"


@MERGE_REQUEST
def test_a_rollback_of_all_leaves_a_foreign_host_and_says_so_by_its_code(
    call: Terminal,  # noqa: F811
) -> None:
    call.other_channel()
    assert call("apply", "--yes", *EVERYTHING)[0] == 0
    let_it_be_another_s(call.hosts.hosts[RELAY])
    before = as_they_are(call)
    code, document = call.document("rollback", "--yes")
    # The one that the last run changed is another's now: nothing of ours goes there.
    assert code == 6, document
    [result] = [host for host in document["hosts"] if host["host"] == RELAY]
    assert (result["outcome"], "inventory other" in result["cause"]) == ("not-started", True)
    assert call.hosts.hosts[RELAY] == before[RELAY]
    assert "of another inventory, not called" in call("rollback", "--yes")[1]


@TAKEOVERS
@pytest.mark.parametrize("words", [("plan", *EVERYTHING), ("drift",)], ids=["plan", "drift"])
def test_who_reads_is_told_whose_it_is_and_the_other_hosts_go_on(
    call: Terminal,  # noqa: F811
    takeover: Takeover,
    words: tuple[str, ...],
) -> None:
    others = {host: of.identity for host, of in call.hosts.hosts.items() if host != RELAY}
    takeover(call)
    state = {host: call.hosts.hosts[host] for host in others}
    for host in state.values():
        host.identity, host.owner = "", None
    before = as_they_are(call)
    code, document = call.document(*words)
    assert code == 5
    assert list(document["unreadable"]) == [RELAY]
    assert NAMED[takeover] in document["unreadable"][RELAY]
    assert document["unproved"] == [], "it is nothing that a number would take for new"
    assert {host for _, host in call.hosts.calls} == set(others)
    assert call.hosts.hosts[RELAY] == before[RELAY]


def test_the_last_run_its_moment_and_who_made_it_are_named(call: Terminal) -> None:  # noqa: F811
    mark = call.hosts.hosts[RELAY].owner
    assert mark is not None
    another_inventory(call)
    _, out, err = call("apply", "--yes", *ONLY, *EVERYTHING)
    moment = local_time(datetime.fromisoformat(mark["at"]))
    for part in (mark["inventory"], mark["run"], moment, mark["who"]):
        assert part
        assert part in " ".join((out + err).split())


@MERGE_REQUEST
def test_a_mark_that_somebody_made_up_reaches_no_terminal_as_it_is(call: Terminal) -> None:  # noqa: F811
    another_inventory(call)
    mark = call.hosts.hosts[RELAY].owner
    assert mark is not None
    mark |= {"who": "\x1b]0;owned\x07" + "x" * 10_000, "run": "\r\nok", "host": ["list"]}
    code, out, err = call("apply", "--yes", *ONLY, *EVERYTHING)
    assert code == 6
    assert not {"\x1b", "\x07", "\r"} & set(out + err)
    assert len(out + err) < 2_000


# --- adopting ------------------------------------------------------------------------------------
@TAKEOVERS
def test_what_was_adopted_is_planned_as_a_change_of_trust_and_is_ours_once_it_is_applied(
    call: Terminal,  # noqa: F811
    takeover: Takeover,
) -> None:
    takeover(call)
    if takeover is another_inventory:
        call.edit("facilities/bac-giang/kcl-bg-001.yml", "operating: open", "operating: closed")
        assert call("allocate")[0] == 0
    before = as_they_are(call)
    code, document = call.document("hosts", "adopt", RELAY, "--yes")
    assert (code, document["written"]) == (0, True)
    is_marked = bool(document["owner"]["inventory"])
    assert call.hosts.hosts == before
    (change,) = trusted(call, "--allow", "trust=1")
    assert change["name"] == "owner"
    assert change["reason"].startswith(NAMED[takeover])
    assert " → this inventory" in change["reason"]
    if takeover is another_inventory:
        assert "it ends " in change["reason"]
        assert "with 2 viewers" in change["reason"], WATCHED
    percent = ("--allow", "deletion_percent=100")
    code, _, err = call("apply", "--yes", *ONLY, *percent, "--allow", "viewers=99", "--allow", "all_impact=9")
    assert (code, call.hosts.hosts) == (5, before), err
    assert call("apply", "--yes", *ONLY, *EVERYTHING, *percent)[0] == 0
    mark = call.hosts.hosts[RELAY].owner
    assert mark is not None
    assert (mark["inventory"], mark["host"]) == ("other" if takeover is another_inventory else "example", RELAY)
    assert trusted(call) == []
    told = call.document("plan", *ONLY)[1]["warnings"]
    assert [one["code"] for one in told] == ([] if is_marked else ["adoption-spent"])
    for one in told:
        assert one["hint"] == f"remove it: provisioner hosts adopt {RELAY}"
        assert one["file"].endswith("allocations.lock.yml")
        assert one["line"] > 0
    code, document = call.document("hosts", "adopt", RELAY)
    assert (code, document["owner"], document["written"]) == (0, None, True)
    assert "adopted" not in call.file("allocations.lock.yml").read_text(encoding="utf-8")
    assert call.document("plan", *ONLY)[1]["warnings"] == []


def test_an_owner_that_goes_on_with_the_host_has_to_be_adopted_again(call: Terminal) -> None:  # noqa: F811
    another_inventory(call)
    assert call("hosts", "adopt", RELAY, "--yes")[0] == 0
    mark = call.hosts.hosts[RELAY].owner
    assert mark is not None
    mark |= {"run": "another", "at": "2021-05-29T00:00:00Z"}
    before = as_they_are(call)
    code, out, err = call("apply", "--yes", *ONLY, *EVERYTHING)
    assert (code, "2021-05-29 07:00:00 +07:00" in out + err) == (6, True)
    assert_untouched(call, before)
    assert call("hosts", "adopt", RELAY, "--yes")[0] == 0
    assert call("apply", "--yes", *ONLY, *EVERYTHING)[0] == 0


def test_nobody_adopts_without_a_word(call: Terminal) -> None:  # noqa: F811
    another_inventory(call)
    lock = call.file("allocations.lock.yml").read_bytes()
    code, _, err = call("hosts", "adopt", RELAY)
    assert (code, "inventory example" in err, "add --yes" in err) == (2, True, True)
    assert call.file("allocations.lock.yml").read_bytes() == lock


def test_there_is_nothing_to_adopt_of_a_host_that_is_ours_or_new(call: Terminal) -> None:  # noqa: F811
    lock = call.file("allocations.lock.yml").read_bytes()
    assert call("hosts", "adopt", RELAY)[0] == 0
    call.hosts.hosts[RELAY] = SimulatedHost(proves=False)
    assert call("hosts", "adopt", RELAY)[0] == 0
    assert call.file("allocations.lock.yml").read_bytes() == lock
    assert call("hosts", "adopt", "relay-vietel-1")[0] == 2


# --- letting go -----------------------------------------------------------------------------------
def test_a_host_that_was_released_goes_on_and_another_inventory_takes_it_on_its_word(call: Terminal) -> None:  # noqa: F811
    before = as_they_are(call)[RELAY]
    assert call("hosts", "release", RELAY)[0] == 2, "nobody is there to say so"
    assert call("hosts", "release", RELAY, "--yes")[0] == 0
    host = call.hosts.hosts[RELAY]
    assert host.owner is not None
    assert host.owner["released"] is True
    assert (host.files, host.peers, host.units) == (before.files, before.peers, before.units)
    another_inventory(call)
    assert call("apply", "--yes", *ONLY)[0] == 5, "nobody said that it is new"
    (change,) = trusted(call, "--allow", "trust=1")
    assert change["reason"].startswith("released by inventory example")
    assert call("apply", "--yes", *ONLY, *EVERYTHING)[0] == 0
    taken = call.hosts.hosts[RELAY].owner
    assert taken is not None
    assert taken["inventory"] == "other"


def test_who_let_a_host_go_has_it_back_only_if_somebody_says_so(call: Terminal) -> None:  # noqa: F811
    assert call("hosts", "release", RELAY, "--yes")[0] == 0
    assert call("apply", "--yes")[0] == 6
    assert call("apply", "--yes", "--allow", "trust=1")[0] == 0
    assert "released" not in (call.hosts.hosts[RELAY].owner or {})


def trusted(call: Terminal, *words: str) -> list[dict[str, Any]]:  # noqa: F811
    """What a plan of the relay says of trust."""
    _, document = call.document("plan", *ONLY, *words)
    return [change for change in document["changes"] if change["resource"] == "trust" and change["action"] != "noop"]


def test_verify_names_whose_host_it_is_and_proves_nothing_of_its_paths(call: Terminal) -> None:  # noqa: F811
    another_inventory(call)
    before = as_they_are(call)
    code, document = call.document("verify", *ONLY)
    assert code == 1
    assert document["summary"]["unknown"] == document["summary"]["paths"] > 0
    assert any("belongs to inventory example" in host["error"] for host in document["hosts"] if host["host"] == RELAY)
    assert_untouched(call, before)


# --- what the history has of it -------------------------------------------------------------------
def recorded_in(call: Terminal) -> list[tuple[str, list[str]]]:  # noqa: F811
    """What was done to hosts by name, by the history, the last first."""
    done = ("keys", "adopt", "release", "decommission")
    runs = call.document("history")[1]["runs"]
    assert call("history", "verify")[0] == 0
    return [(run["operation"], run["hosts"]) for run in runs if run["operation"] in done]


def test_keys_adoptions_and_releases_stand_in_the_history_with_their_hosts(call: Terminal) -> None:  # noqa: F811
    runs = call.document("status")[1]["runs"]
    assert call("keys", "init")[0] == 0
    (made,) = recorded_in(call)
    assert (made[0], RELAY in made[1]) == ("keys", True)
    assert call("hosts", "release", "--yes", RELAY)[0] == 0
    assert recorded_in(call)[0] == ("release", [RELAY])
    another_inventory(call)
    call.hosts.hosts[RELAY].owner = {**(call.hosts.hosts[RELAY].owner or {}), "released": False}
    assert call("hosts", "adopt", "--yes", RELAY)[0] == 0
    assert recorded_in(call) == [("adopt", [RELAY])], "another inventory has a record of its own"
    assert call.document("status")[1]["runs"] in {0, runs}, "nobody looked at anything"


def test_what_cannot_be_recorded_is_done_all_the_same_and_said(call: Terminal) -> None:  # noqa: F811
    state = call.root / "state"
    state.rename(call.root / "state-before")
    state.touch()
    code, out, err = call("hosts", "release", "--yes", RELAY)
    assert (code, "is released" in out) == (0, True), out + err
    assert "this is done, and not recorded" in err
    assert (call.hosts.hosts[RELAY].owner or {}).get("released") is True


@pytest.fixture
def stranger(call: Terminal) -> Terminal:  # noqa: F811
    """One honest change of trust, and a relay that proves nothing."""
    path = Path("inventories/example/carriers/vnpt.yml")
    text = path.read_text(encoding="utf-8")
    networks = next(line for line in text.splitlines() if line.startswith("management_networks:"))
    path.write_text(text.replace(networks, networks.replace("]", ", 192.0.2.7/32]")), encoding="utf-8")
    call.hosts.hosts[RELAY].proves = False
    return call


@MERGE_REQUEST
def test_a_number_that_is_meant_for_other_changes_takes_nobody_for_new(stranger: Terminal) -> None:
    stranger.hosts.calls.clear()
    _, plan = stranger.document("plan")
    (refusal,) = [refusal for refusal in plan["refused"] if refusal["policy"] == "trust"]
    meant = refusal["value"]
    assert plan["unproved"] == [RELAY]
    assert f"trust={meant + 1} would also take {RELAY} for new" in refusal["hint"]
    code, plan = stranger.document("plan", "--allow", f"trust={meant}")
    assert (code, plan["refused"], plan["unproved"]) == (5, [], [RELAY])
    assert RELAY not in {host for _, host in stranger.hosts.calls}, "it was asked nothing"
    code, plan = stranger.document("plan", "--allow", f"trust={meant + 1}")
    assert (plan["refused"], plan["unproved"]) == ([], [])
    assert (RELAY, "host") in {(c["host"], c["name"]) for c in plan["changes"] if c["resource"] == "trust"}


@MERGE_REQUEST
def test_keys_init_takes_no_host_for_new_whose_key_is_recorded(stranger: Terminal) -> None:
    stranger.hosts.calls.clear()
    assert stranger("keys", "init", "--allow", "trust=9")[0] == 5
    assert RELAY not in {host for _, host in stranger.hosts.calls}


def test_what_a_host_is_sent_leads_to_nobodys_identity() -> None:
    spec = state({}).hosts["centre"]
    assert identity_key(spec.digest_key) != spec.identity
    assert content_key(spec.identity) != spec.digest_key
