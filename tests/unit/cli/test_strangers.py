"""A stranger in a relay's place while somebody allows another change: a number never means more than was seen."""

from pathlib import Path

import pytest

from provisioner.base.secret import content_key, identity_key
from tests.hostile import MERGE_REQUEST
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)
from tests.unit.operations.rollout.world import state


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
