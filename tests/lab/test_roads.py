"""The way to a host: over a jump host and no other way, by certificates, with a key that only the agent has."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hostile import MERGE_REQUEST

from .deployment import Deployment
from .docker_cli import docker
from .patience import stretched
from .topology import BEHIND_JUMP, CENTRE, JUMP, SSH_PORT, SSH_USER, Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive]

(BEHIND,) = BEHIND_JUMP
ONLY = ("--limit", f"host={BEHIND}")
_SIGNED = """
printf 'HostCertificate /etc/ssh/lab-cert.pub\\n' > /etc/ssh/sshd_config.d/signed.conf
cat > /etc/ssh/lab-cert.pub
systemctl reload ssh
"""


def carrier_file(deployment: Deployment) -> Path:
    return deployment.root / f"carriers/{JUMP.carrier}.yml"


def jump_place(deployment: Deployment) -> str:
    """The jump host as errors name it."""
    return f"{SSH_USER}@{deployment.lab.address(JUMP.name, Network.MGMT)}:{SSH_PORT}"


def made_key(folder: Path, name: str) -> tuple[Path, str]:
    """A key of its own, and its public half without the comment."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path, " ".join(path.with_suffix(".pub").read_text().split()[:2])


def signed(ca: Path, folder: Path, public_key: str, *words: str) -> str:
    """A certificate."""
    key = folder / "to-sign.pub"
    key.write_text(f"{public_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-s", str(ca), "-I", "lab", *words, str(key)], check=True)
    return (folder / "to-sign-cert.pub").read_text()


def planned_with(deployment: Deployment, variables: Mapping[str, str], *words: str) -> tuple[int, str]:
    """Plan with some variables set otherwise: the code, and all that is said."""
    deployment.variables |= variables
    try:
        done = deployment.run("plan", *words, check=False)
    finally:
        deployment.variables.clear()
    return done.returncode, done.stdout + done.stderr


def logins(deployment: Deployment) -> tuple[int, int]:
    """How often somebody logged in at the jump host, and at the host behind it."""
    lab, word = deployment.lab, "Accepted publickey"
    at_jump = docker("logs", lab.container(JUMP.name))
    behind = lab.exec(BEHIND, ["journalctl", "-q", "--no-pager", "_COMM=sshd"])
    return (at_jump.stdout + at_jump.stderr).count(word), behind.stdout.count(word)


def test_there_is_no_other_way_to_what_is_behind_the_jump_host(deployment: Deployment) -> None:
    """So the whole lab, which is applied and verified by then, went over it."""
    lab = deployment.lab
    for network in Network:
        with pytest.raises(OSError, match="timed out"):
            socket.create_connection((str(lab.address(BEHIND, network)), SSH_PORT), timeout=stretched(2))
    socket.create_connection((str(lab.address(CENTRE.name, Network.MGMT)), SSH_PORT), timeout=stretched(2)).close()


@pytest.mark.soak
def test_what_is_behind_the_jump_host_is_applied_and_verified_over_it(deployment: Deployment) -> None:
    lab = deployment.lab
    lab.exec(BEHIND, ["sh", "-c", "echo '# by hand' >> /etc/provisioner/wg-prov.conf"])
    before = logins(deployment)
    applied = deployment.document("apply", "--yes", *ONLY)
    over, there = (now - then for now, then in zip(logins(deployment), before, strict=True))
    assert 1 <= over < there, "one connection to the jump host, and a new one to the host for each step"
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    verified = deployment.document("verify", *ONLY, codes=(0, 1))
    assert [(host["host"], host["outcome"]) for host in verified["hosts"] if host["host"] == BEHIND] == [
        (BEHIND, "answered")
    ]
    assert {path["level"] >= 1 for path in verified["paths"]} == {True}


@pytest.mark.soak
def test_rules_that_let_in_the_controller_and_not_the_jump_host_are_a_lock_out(deployment: Deployment) -> None:
    """The inventory may say what it likes of where SSH comes from: the host sees the jump host."""
    lab, path = deployment.lab, carrier_file(deployment)
    controller, jump = lab.controller_address(), lab.address(JUMP.name, Network.MGMT)
    narrow = r"(management_networks: )\[.*\]"
    deployment.substitute(path, narrow, rf"\g<1>[{controller}/32]")
    assert f"{jump}, which is in no management network" in deployment.run("validate", check=False).stdout
    deployment.substitute(path, r"(\njump:.*\n)", rf"\g<1>  inside: {controller}\n")
    (refusal,) = deployment.document("plan", *ONLY, "--allow", "trust=9", codes=(6,))["refused"]
    assert (refusal["policy"], refusal["host"]) == ("lock_out", BEHIND)
    assert f"this controller, which the host sees as {jump}" in refusal["message"]
    deployment.substitute(path, narrow, rf"\g<1>[{jump}/32]")
    deployment.substitute(path, r"  inside: .*\n", "")
    assert deployment.document("plan", *ONLY, "--allow", "trust=9", codes=(0, 10))["refused"] == []


@MERGE_REQUEST
def test_a_jump_host_with_another_key_is_not_talked_to_and_is_the_one_that_is_named(deployment: Deployment) -> None:
    other = deployment.lab.host_key(CENTRE.name)
    deployment.substitute(carrier_file(deployment), r"(?s)(\njump:.*?host_key: )[^\n]*", rf"\g<1>{other}")
    done = deployment.run("plan", *ONLY, check=False)
    assert done.returncode == 5
    said = " ".join(done.stderr.split())
    assert f"{BEHIND} (" in said
    assert (
        f"its jump host {jump_place(deployment)} cannot be used: its SSH host key is another one than the inventory has"
    ) in said


@pytest.mark.soak
def test_a_jump_host_that_may_lead_nowhere_is_told_from_one_that_is_down(deployment: Deployment) -> None:
    deployment.substitute(carrier_file(deployment), r"(\baddress: )\S+", r"\g<1>192.0.2.77")
    done = deployment.run("plan", *ONLY, check=False)
    assert done.returncode == 5
    assert f"its jump host {jump_place(deployment)} does not get to it" in " ".join(done.stderr.split())


@contextmanager
def certified(deployment: Deployment, host: str, certificate: str) -> Iterator[None]:
    """A host whose sshd shows a certificate beside its key."""
    deployment.lab.exec(host, ["sh", "-ec", _SIGNED], stdin=certificate)
    try:
        yield
    finally:
        deployment.lab.exec(host, ["sh", "-c", "rm /etc/ssh/sshd_config.d/signed.conf; systemctl reload ssh"])


@pytest.mark.soak
def test_a_host_is_known_by_a_certificate_that_is_for_its_name(deployment: Deployment, tmp_path: Path) -> None:
    ca, public = made_key(tmp_path, "ca")
    path, own = carrier_file(deployment), deployment.lab.host_key(BEHIND)
    deployment.substitute(path, r"      host_key: .*\n", "")
    deployment.substitute(path, r"(\nname: .*\n)", rf"\g<1>host_ca: {public}\n")

    def plan(certificate: str) -> tuple[int, str]:
        with certified(deployment, BEHIND, certificate):
            done = deployment.run("plan", *ONLY, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    code, said = plan(signed(ca, tmp_path, own, "-h", "-n", BEHIND))
    assert code == 6, said
    assert re.search(rf"host key.*→ @cert-authority ssh-ed25519 SHA256:\S+ {BEHIND}", said), said
    for certificate, cause in (
        (signed(ca, tmp_path, own, "-h", "-n", CENTRE.name), "its SSH certificate is for another name"),
        (signed(ca, tmp_path, own, "-h", "-n", BEHIND, "-V", "20200101:20200201"), "is not valid now"),
        (signed(made_key(tmp_path, "other")[0], tmp_path, own, "-h", "-n", BEHIND), "it shows no SSH certificate"),
    ):
        code, said = plan(certificate)
        assert code == 5
        assert cause in said


@pytest.mark.soak
def test_a_public_key_is_enough_where_the_agent_has_the_private_half(deployment: Deployment, tmp_path: Path) -> None:
    half = tmp_path / "id.pub"
    half.write_text(deployment.lab.ssh_key.with_suffix(".pub").read_text())
    named = {"PROVISIONER_SSH_KEY": str(half)}
    code, said = planned_with(deployment, named, *ONLY)
    assert code == 5, "nobody has the private half"
    with agent(tmp_path, made_key(tmp_path, "another")[0], deployment.lab.ssh_key) as socket_file:
        code, said = planned_with(deployment, named | {"SSH_AUTH_SOCK": socket_file}, *ONLY)
        assert code == 0, said
        half.write_text((tmp_path / "another.pub").read_text())
        code, said = planned_with(deployment, named | {"SSH_AUTH_SOCK": socket_file}, *ONLY)
        assert code == 5, "the agent's other keys are not tried"


@pytest.mark.soak
def test_a_certificate_of_the_user_goes_with_the_key(deployment: Deployment, tmp_path: Path) -> None:
    lab, (ca, public), (key, own) = deployment.lab, made_key(tmp_path, "ca"), made_key(tmp_path, "id")
    trusting = "cat > /etc/ssh/users; echo 'TrustedUserCAKeys /etc/ssh/users' > /etc/ssh/sshd_config.d/users.conf"
    only, named = ("--limit", f"host={CENTRE.name}"), {"PROVISIONER_SSH_KEY": str(key)}
    lab.exec(CENTRE.name, ["sh", "-ec", f"{trusting}; systemctl reload ssh"], stdin=f"{public}\n")
    try:
        assert planned_with(deployment, named, *only)[0] == 5
        (tmp_path / "id-cert.pub").write_text(signed(ca, tmp_path, own, "-n", SSH_USER))
        assert planned_with(deployment, named, *only)[0] == 0
        with agent(tmp_path, key) as socket_file:
            by_agent = {"PROVISIONER_SSH_KEY": f"{key}.pub", "SSH_AUTH_SOCK": socket_file}
            assert planned_with(deployment, by_agent, *only)[0] == 0
    finally:
        lab.exec(CENTRE.name, ["sh", "-c", "rm /etc/ssh/sshd_config.d/users.conf; systemctl reload ssh"])


@contextmanager
def agent(folder: Path, *keys: Path) -> Iterator[str]:
    """An agent that holds some keys: its socket."""
    place = str(folder / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + stretched(5)
        while not Path(place).exists() and time.monotonic() < until:
            time.sleep(0.02)
        environment = {**os.environ, "SSH_AUTH_SOCK": place}
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key)], env=environment, check=True, timeout=stretched(10), capture_output=True
            )
        yield place
    finally:
        process.terminate()
        process.wait()
        Path(place).unlink(missing_ok=True)
