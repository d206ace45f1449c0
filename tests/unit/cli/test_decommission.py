"""`hosts decommission`: what nobody uses any more goes as a whole, and nothing else ever goes by it."""

import copy

import pytest

from tests.hostile import MERGE_REQUEST
from tests.simulated import SimulatedHost
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)

GOING = "relay-vnpt-1"
DELETIONS = ("--allow", "deletions=99", "--allow", "deletion_percent=100", "--allow", "viewers=9", "--allow", "trust=9")


def unused(call: Terminal, *, apply: bool = True) -> Terminal:  # noqa: F811
    """Let no plan name the relay any more, and have that applied."""
    for path in sorted(call.file("facilities").rglob("*.yml")):
        if GOING in path.read_text(encoding="utf-8"):
            path.unlink()
    assert call("allocate")[0] == 0
    if apply:
        code, out, err = call("apply", "--yes", *DELETIONS)
        assert code in {0, 3}, out + err
    call.hosts.calls.clear()
    return call


def as_it_is(call: Terminal) -> dict[str, SimulatedHost]:  # noqa: F811
    return copy.deepcopy(call.hosts.hosts)


def test_a_relay_that_somebody_uses_is_refused_with_their_names(call: Terminal) -> None:  # noqa: F811
    before = as_it_is(call)
    call.hosts.calls.clear()
    for words in (("--yes",), ("--dry-run",)):
        code, _, err = call("hosts", "decommission", RELAY, *words)
        assert code == 6
        assert f"{RELAY} is still in use by kcl-bg-001" in err
    assert (call.hosts.hosts, call.hosts.calls) == (before, [])


def test_a_centre_that_a_carrier_names_is_refused(call: Terminal) -> None:  # noqa: F811
    code, _, err = call("hosts", "decommission", "centre-hn", "--yes")
    assert (code, "centre-hn is still in use by viettel, vnpt" in err) == (6, True)


def test_a_relay_that_still_serves_a_site_is_refused_before_that_was_applied(call: Terminal) -> None:  # noqa: F811
    unused(call, apply=False)
    before = as_it_is(call)
    code, _, err = call("hosts", "decommission", GOING, "--yes")
    assert (code, "apply the inventory first" in err) == (6, True)
    assert call.hosts.hosts == before


def test_one_that_is_protected_stays(call: Terminal) -> None:  # noqa: F811
    unused(call)
    call.edit("carriers/vnpt.yml", f"- id: {GOING}\n", f"- id: {GOING}\n    protected: true\n")
    assert call("allocate")[0] == 0
    code, _, err = call("hosts", "decommission", GOING, "--yes")
    assert (code, "is protected" in err) == (6, True)


def test_all_of_it_goes_and_the_host_says_so(call: Terminal) -> None:  # noqa: F811
    unused(call)
    others = {host: of for host, of in as_it_is(call).items() if host != GOING}
    code, out, err = call("hosts", "decommission", GOING, "--yes")
    assert code == 0, err
    assert out.splitlines()[-1] == (
        "next: take its block out of carriers/vnpt.yml, then provisioner allocate, validate and apply"
    )
    assert call.hosts.hosts[GOING] == SimulatedHost(is_new_hardware=True)
    assert {host: of for host, of in call.hosts.hosts.items() if host != GOING} == others
    code, document = call.document("hosts", "decommission", GOING)
    assert (code, document["bare"], document["removed"]) == (0, True, False)


def test_a_dry_run_says_it_and_changes_nothing(call: Terminal) -> None:  # noqa: F811
    unused(call)
    before = as_it_is(call)
    code, out, err = call("hosts", "decommission", GOING, "--dry-run")
    assert (code, err) == (0, "")
    assert "the users mediamtx and provisioner-probe" in out
    assert out.splitlines()[-1] == f"no changes were made; to make them: provisioner hosts decommission {GOING}"
    assert call.hosts.hosts == before
    assert "remove" not in {operation for operation, _ in call.hosts.calls}


def test_nobody_is_there_to_answer(call: Terminal) -> None:  # noqa: F811
    unused(call)
    before = as_it_is(call)
    assert call("hosts", "decommission", GOING)[0] == 2
    assert call.document("hosts", "decommission", GOING)[0] == 2
    assert call.hosts.hosts == before


def test_one_that_lost_its_key_half_way_is_finished_where_somebody_says_that_it_is_meant(
    call: Terminal,  # noqa: F811
) -> None:
    unused(call)
    host = call.hosts.hosts[GOING]
    host.proves = False
    code, _, err = call("hosts", "decommission", GOING, "--yes")
    assert (code, "add --allow trust=1" in err) == (5, True)
    assert "remove" not in {operation for operation, _ in call.hosts.calls}
    code, out, _ = call("hosts", "decommission", GOING, "--dry-run")
    assert (code, out.splitlines()[-1].endswith("--allow trust=1")) == (0, True)
    assert call("hosts", "decommission", GOING, "--yes", "--allow", "trust=1")[0] == 0


@MERGE_REQUEST
@pytest.mark.parametrize("words", [("--yes",), ("--yes", "--allow", "trust=9")], ids=["as it is", "allowed"])
def test_the_host_of_somebody_else_stays_whatever_is_allowed(
    call: Terminal,  # noqa: F811
    words: tuple[str, ...],
) -> None:
    unused(call)
    host = call.hosts.hosts[GOING]
    host.proves = False
    host.owner = {
        "inventory": "other",
        "key": "0" * 32,
        "host": "r",
        "run": "",
        "at": "2021-05-20T01:00:00Z",
        "who": "",
    }
    before = as_it_is(call)
    code, out, err = call("hosts", "decommission", GOING, *words)
    assert (code, "belongs to inventory other" in " ".join((out + err).split())) == (6, True)
    assert call.hosts.hosts == before


def test_what_does_not_say_that_it_is_bare_is_no_success(
    call: Terminal,  # noqa: F811
) -> None:
    unused(call)
    left = {"inventory": "example", "key": "", "host": GOING, "run": "", "at": "", "who": ""}
    kept = call.hosts.hosts[GOING].owner or left

    def stays(operation: str, host: str) -> None:
        if operation == "remove":
            call.hosts.hosts[host].owner = kept

    call.hosts.after = stays
    code, out, err = call("hosts", "decommission", GOING, "--yes")
    assert (code, "does not say that nothing of ours is on it" in err) == (5, True), out
