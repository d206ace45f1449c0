"""A stranger in a host's place, and the narrow rule of sudo, on real hosts over real SSH."""

import re
from collections.abc import Iterator

import pytest

from tests.hostile import LOCAL_USER, MERGE_REQUEST

from .deployment import Deployment
from .topology import MANAGED_HOSTS, Network

RELAY, STRANGER = "relay-viettel-1", "centre"
PROGRAM = "/usr/local/lib/provisioner/provisioner-host"
# What a machine of the attacker's would do: keep all that it is sent, and claim whatever helps.
LISTENS = f"""#!/bin/sh
echo "$*" >> /root/words
# Whoever lets a program stay ends its input only later.
if IFS= read -r line; then echo "$line" >> /root/sent; fi
case "$line" in PROVISIONER-STAY*) ;; *) cat >> /root/sent ;; esac
echo 'PROVISIONER-PROOF {"0" * 64}'
echo 'PROVISIONER-ANSWER {{"ok": true, "answer": {{}}}}'
"""
NARROW = f"noc ALL=(root) NOPASSWD: {PROGRAM} prove, {PROGRAM} call\n"
WIDE = "noc ALL=(ALL:ALL) NOPASSWD: ALL\n"


@pytest.fixture
def stranger(deployment: Deployment) -> Iterator[str]:
    """A machine that answers under the host key of two edited lines, and keeps what it is sent."""
    lab = deployment.lab
    lab.exec(STRANGER, ["cp", "-p", PROGRAM, f"{PROGRAM}.kept"])
    lab.exec(STRANGER, ["sh", "-c", f"cat > {PROGRAM}; : > /root/words; : > /root/sent"], stdin=LISTENS)
    # An address that no host of the inventory has: two hosts of one address are no valid inventory.
    network, path = lab.subnet(Network.MGMT), deployment.root / "carriers/viettel.yml"
    address, device = network[-3], _device(deployment)
    lab.exec(STRANGER, ["ip", "address", "add", f"{address}/{network.prefixlen}", "dev", device])
    deployment.substitute(path, r"(\baddress: )\S+", rf"\g<1>{address}")
    deployment.substitute(path, r"(host_key: ).*", rf"\g<1>{lab.host_key(STRANGER)}")
    yield STRANGER
    lab.exec(STRANGER, ["ip", "address", "del", f"{address}/{network.prefixlen}", "dev", device])
    lab.exec(STRANGER, ["sh", "-c", f"mv {PROGRAM}.kept {PROGRAM}; rm -f /root/words /root/sent"])


def _device(deployment: Deployment) -> str:
    """The interface by which the controller comes."""
    own = str(deployment.lab.address(STRANGER, Network.MGMT))
    listed = deployment.lab.exec(STRANGER, ["ip", "-o", "-4", "address"]).stdout.splitlines()
    return next(line.split()[1] for line in listed if f" {own}/" in line)


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("plan",), 5, marks=pytest.mark.soak),
        (("apply", "--yes"), 6),
        pytest.param(("drift",), 5, marks=pytest.mark.soak),
        pytest.param(("keys", "init"), 6, marks=pytest.mark.soak),
        pytest.param(("verify",), 1, marks=pytest.mark.soak),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_two_edited_lines_hand_a_stranger_nothing(
    deployment: Deployment, stranger: str, words: tuple[str, ...], code: int
) -> None:
    limit = () if words == ("keys", "init") else ("--limit", f"host={RELAY}")
    # By whole seconds: what was asked before is of an earlier one.
    since = deployment.lab.exec(stranger, ["sh", "-c", "sleep 1.1; date +%s"]).stdout.strip()
    done = deployment.run(*words, *limit, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "has not proved" in done.stdout + done.stderr
    asked = deployment.lab.exec(stranger, ["cat", "/root/words"]).stdout.split()
    assert set(asked) == {"call"}
    sent = deployment.lab.exec(stranger, ["cat", "/root/sent"]).stdout.splitlines()
    assert all(re.fullmatch("PROVISIONER-STAY [0-9a-f]{64} [0-9a-f]{32}", line) for line in sent), sent
    log = deployment.lab.exec(stranger, ["sh", "-c", f"journalctl -q -o cat --since @{since} _COMM=sudo"]).stdout
    commands = [line.partition("COMMAND=")[2] for line in log.splitlines() if "COMMAND=" in line]
    assert set(commands) <= {f"{PROGRAM} call"}


@LOCAL_USER
@pytest.mark.soak
def test_a_rule_of_sudo_for_one_program_is_enough_and_lets_nobody_do_anything_else(deployment: Deployment) -> None:
    lab = deployment.lab
    for host in MANAGED_HOSTS:
        lab.exec(host, ["sh", "-c", "cat > /etc/sudoers.d/noc"], stdin=NARROW)
    try:
        assert deployment.document("plan")["changes"] == []
        lab.exec(RELAY, ["sh", "-c", "echo '# by hand' >> /etc/provisioner/wg-prov.conf"])
        # The program itself is replaced by itself, too.
        lab.exec(RELAY, ["sh", "-c", f"printf '\\n' >> {PROGRAM}"])
        applied = deployment.document("apply", "--yes")
        assert (applied["outcome"], applied["remaining"]) == ("applied", [])
        # A site whose gateway another test took away may still be without a session: all was asked, that counts.
        assert deployment.document("verify", "--once", codes=(0, 1))["summary"]["unknown"] == 0
        as_noc = ["runuser", "-u", "noc", "--", "sudo", "-n"]
        assert lab.exec(RELAY, [*as_noc, "id"], check=False).returncode != 0
        assert lab.exec(RELAY, [*as_noc, PROGRAM, "wg-down"], check=False).returncode != 0
        unsealed = lab.exec(RELAY, [*as_noc, PROGRAM, "call"], stdin="a bundle of somebody's\n", check=False)
        assert unsealed.returncode != 0
        assert "nothing of it was read" in unsealed.stderr
    finally:
        for host in MANAGED_HOSTS:
            lab.exec(host, ["sh", "-c", "cat > /etc/sudoers.d/noc"], stdin=WIDE)
