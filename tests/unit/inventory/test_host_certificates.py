"""What a host is known by: one key, or the key of who signs hosts' keys, with the name that has to be signed."""

from typing import Any

import pytest
from pydantic import ValidationError

from provisioner.desired.limit import key_hosts
from provisioner.desired.trust import fingerprint
from provisioner.inventory.model.hosts import Ssh
from tests import fleets
from tests import inventories as make
from tests.unit.inventory.test_jump_host_rules import jump
from tests.unit.inventory.test_rules import codes, complete

CA, OTHER_CA = make.HOST_KEY[:-1] + "B", make.HOST_KEY[:-1] + "C"
OPEN = {"user": "noc"}
HOST = "relay-viettel-1"


def carriers(**changes: Any) -> list[dict[str, Any]]:
    return [make.carrier(**changes), make.carrier("vnpt", 21)]


def known(inventory: Any, host: str) -> tuple[Ssh, Ssh | None]:
    """What a host and its jump host are known by, for a plan and for `keys init` alike."""
    (spec,) = (s for s in key_hosts(inventory, fleets.secrets_of(inventory)) if s.id == host)
    planned = fleets.state_of(inventory).hosts[host]
    assert (planned.ssh, planned.jump) == (spec.ssh, spec.jump)
    return planned.ssh, planned.jump.ssh if planned.jump else None


@pytest.mark.parametrize(
    ("ssh", "by"),
    [
        (OPEN, (None, CA, HOST)),
        (OPEN | {"principal": "relay.example.com"}, (None, CA, "relay.example.com")),
        (OPEN | {"host_ca": OTHER_CA}, (None, OTHER_CA, HOST)),
        (OPEN | {"host_key": make.HOST_KEY}, (make.HOST_KEY, None, None)),
    ],
)
def test_a_carriers_ca_counts_for_hosts_that_say_nothing_else(ssh: dict[str, Any], by: tuple[Any, ...]) -> None:
    way = jump() | {"ssh": OPEN}
    relays = [make.relay(HOST, 11, ssh=ssh)]
    inventory = complete(carriers=carriers(host_ca=CA, relays=relays, jump=way))
    assert codes(inventory) == []
    of_host, of_jump = known(inventory, HOST)
    assert (of_host.host_key, of_host.host_ca, of_host.principal) == by
    assert of_jump is not None
    assert (of_jump.host_key, of_jump.host_ca, of_jump.principal) == (None, CA, way["address"])


@pytest.mark.parametrize(
    "changes",
    [
        {"carriers": carriers(relays=[make.relay(HOST, 11, ssh=OPEN)])},
        {"carriers": carriers(jump=jump() | {"ssh": OPEN})},
        {"carriers": carriers(relays=[make.relay(HOST, 11, jump=jump() | {"ssh": OPEN})])},
        # A carrier's CA signs for its relays, and for nobody else's hosts.
        {"carriers": carriers(host_ca=CA), "centres": [make.centre(ssh=OPEN)]},
        {"carriers": carriers(host_ca=CA), "centres": [make.centre(jump=jump() | {"ssh": OPEN})]},
    ],
)
def test_a_host_that_nothing_is_known_of_is_an_error_that_names_it(changes: dict[str, Any]) -> None:
    assert codes(complete(**changes)) == ["ssh-host-key-unknown"]


@pytest.mark.parametrize(
    "ssh",
    [
        OPEN | {"host_key": make.HOST_KEY, "host_ca": CA},
        OPEN | {"host_key": make.HOST_KEY, "principal": "relay"},
        OPEN | {"host_ca": CA, "principal": "*"},
        OPEN | {"host_ca": CA, "principal": "relay-1,relay-2"},
        OPEN | {"host_ca": CA, "principal": "Relay"},
        OPEN | {"host_ca": "@cert-authority * " + CA},
    ],
)
def test_two_answers_a_pattern_and_a_list_are_none(ssh: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make.inventory(carriers=carriers(relays=[make.relay(HOST, 11, ssh=ssh)]))


@pytest.mark.parametrize(
    "kind",
    [
        *("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
        *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    ],
)
def test_keys_of_every_kind_that_ssh_has_are_taken_and_their_names_have_to_agree(kind: str) -> None:
    written = f"{kind} {make.key_blob(kind)}"
    assert fingerprint(Ssh(user="noc", host_key=written).host_key or "").startswith(f"{kind} SHA256:")
    with pytest.raises(ValidationError):
        Ssh(user="noc", host_key=f"ssh-rsa {make.key_blob('ssh-ed25519')}")


def test_who_signs_and_for_which_name_is_trust() -> None:
    inventory = complete(carriers=carriers(host_ca=CA, relays=[make.relay(HOST, 11, ssh=OPEN)]))
    trust = fleets.state_of(inventory).hosts[HOST].trust
    assert trust is not None
    assert trust.host_key == f"@cert-authority {fingerprint(CA)} {HOST}"
