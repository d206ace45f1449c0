"""Apply on real hosts: nothing changes twice, hand edits are named and healed, a lock-out heals itself."""

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.desired.limit import Limit
from provisioner.hosts.runner import HostAnswer, HostCall, HostRunner
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import make_plan
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostOutcome

from .deployment import Deployment
from .topology import MANAGED_HOSTS

pytestmark = pytest.mark.lab
RELAY = "relay-viettel-1"
OTHER = "relay-vnpt-1"


def session(deployment: Deployment) -> Session:
    return Session(deployment.root, deployment.environment, datetime.now(UTC).date())


def fingerprint(deployment: Deployment, host: str) -> str:
    """What a person would compare on a host: contents and times of files, rules, tunnel, processes."""
    script = """
    find /etc/provisioner /etc/systemd/system /usr/local/lib/provisioner -type f -printf '%p %T@ %m %u:%g\\n' | sort
    nft -s list ruleset | grep -vE 'elements = .* limit rate|^[[:space:]]+[0-9a-f.:/]+( [.] [0-9]+)? limit rate'
    wg show all allowed-ips | sort
    systemctl show -p MainPID,ActiveState provisioner-mediamtx provisioner-wg
    """
    return deployment.lab.exec(host, ["sh", "-c", script]).stdout


def names(plan: dict[str, object], resource: str) -> set[str]:
    changes = plan["changes"]
    assert isinstance(changes, list)
    return {change["name"] for change in changes if change["resource"] == resource}


def shut_out(deployment: Deployment) -> None:
    """Declare management networks that the controller is not in."""
    path = deployment.root / "carriers/viettel.yml"
    deployment.substitute(path, r"(management_networks: )\[.*\]", r"\g<1>[198.51.100.0/24]")


def test_a_second_apply_changes_nothing_on_any_host(deployment: Deployment) -> None:
    before = {host: fingerprint(deployment, host) for host in MANAGED_HOSTS}
    assert deployment.document("apply", "--yes")["outcome"] == "nothing-to-do"
    assert {host: fingerprint(deployment, host) for host in MANAGED_HOSTS} == before
    assert deployment.run("plan", "--exit-code").returncode == 0


@pytest.mark.soak
def test_a_change_is_confirmed_over_connections_of_its_own_and_none_is_left(deployment: Deployment) -> None:
    path = deployment.root / "carriers/viettel.yml"
    deployment.substitute(path, r"(management_networks: \[)", r"\g<1>198.51.100.0/24, ")
    before, starts_before = logins(deployment), starts(deployment)
    deployment.document("apply", "--yes", "--limit", f"host={RELAY}", "--allow", "trust=9")
    # One observes and changes, one that is made after it looks and confirms.
    assert logins(deployment) - before >= 2
    assert starts(deployment) - starts_before == 2, "the program starts once on each of them"
    assert processes_naming(deployment.runtime) == []


def processes_naming(folder: Path) -> list[bytes]:
    """The command lines on this machine that name a folder."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            lines.append((entry / "cmdline").read_bytes())
    return [line for line in lines if os.fsencode(folder) in line]


def logins(deployment: Deployment) -> int:
    """How many SSH connections the relay has let in."""
    return lines_of_journal(deployment, "Accepted publickey")


def starts(deployment: Deployment) -> int:
    """How often sudo has started the relay's program."""
    return lines_of_journal(deployment, "COMMAND=.*provisioner-host")


def lines_of_journal(deployment: Deployment, pattern: str) -> int:
    """How many lines of the relay's journal match."""
    script = f"journalctl -q -o cat | grep -c '{pattern}' || true"
    return int(deployment.lab.exec(RELAY, ["sh", "-c", script]).stdout)


def test_edits_by_hand_are_each_named_by_plan_and_healed_by_apply(deployment: Deployment) -> None:
    foreign = "add table inet somebody\nadd chain inet somebody theirs\n"
    deployment.lab.exec(RELAY, ["nft", "-f", "-"], stdin=foreign)
    edits = [
        "echo '# by hand' >> /etc/provisioner/wg-prov.conf",
        "chmod 0644 /etc/provisioner/wg-prov.psk",
        "sed -i 's/Channels\\/102/Channels\\/902/' /etc/provisioner/mediamtx.yml",
        "wg set wg-prov peer $(wg show wg-prov allowed-ips | awk '$2 == \"10.91.0.3/32\" {print $1}') remove",
        "nft delete element inet provisioner centres '{ 10.90.0.1 }'",
        "nft add rule inet provisioner input tcp dport 23 accept comment telnet",
        "mkdir -p /etc/systemd/system/provisioner-mediamtx.service.d",
        "printf '[Service]\\nNice=5\\n' > /etc/systemd/system/provisioner-mediamtx.service.d/nice.conf",
        "mkdir -p /run/systemd/system/provisioner-wg.service.d /etc/systemd/system/service.d",
        "printf '[Service]\\nNice=5\\n' > '/run/systemd/system/provisioner-wg.service.d/a b.conf'",
        "printf '[Service]\\nOOMPolicy=stop\\n' > /etc/systemd/system/service.d/machine.conf",
        "systemctl set-property --runtime provisioner-mediamtx CPUWeight=50",
        "systemctl disable --now provisioner-nft",
        "systemctl daemon-reload",
    ]
    deployment.lab.exec(RELAY, ["sh", "-ec", "\n".join(edits)])
    plan = deployment.document("plan")
    assert {change["host"] for change in plan["changes"]} == {RELAY}
    assert names(plan, "path") == {"bac-giang/kcl-bg-001/cam-01/sub", "hai-duong/kcl-hd-001/cam-03/sub"}
    assert names(plan, "peer") == {"site/kcl-bg-002"}
    assert {"element centres 10.90.0.1", "input/telnet"} <= names(plan, "rule")
    assert {"provisioner-mediamtx.service", "provisioner-nft.service"} <= names(plan, "unit")
    edited = {"/etc/provisioner/wg-prov.conf", "/etc/provisioner/wg-prov.psk", "/etc/provisioner/mediamtx.yml"}
    assert names(plan, "file") == edited
    applied = deployment.document("apply", "--yes")
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    afterwards = deployment.document("plan")
    assert afterwards["changes"] == []
    kept = "/etc/systemd/system/service.d/machine.conf"
    assert any(kept in note for note in afterwards["notes"])
    deployment.lab.exec(RELAY, ["sh", "-ec", f"test -e {kept}; rm {kept}; systemctl daemon-reload"])
    assert "theirs" in deployment.lab.exec(RELAY, ["nft", "list", "table", "inet", "somebody"]).stdout
    deployment.lab.exec(RELAY, ["nft", "delete", "table", "inet", "somebody"])


@pytest.mark.soak
def test_a_stopped_tunnel_and_a_flushed_firewall_are_drift_and_come_back(deployment: Deployment) -> None:
    deployment.lab.exec(OTHER, ["systemctl", "stop", "provisioner-wg"])
    deployment.lab.exec(OTHER, ["nft", "flush", "ruleset"])
    drift = deployment.document("drift", codes=(10,))
    assert {"provisioner-wg.service", "provisioner-mediamtx.service"} <= names(drift, "unit")
    assert names(drift, "rule") == {"table inet provisioner"}
    assert deployment.document("apply", "--yes")["outcome"] == "applied"
    assert deployment.run("drift").returncode == 0


@pytest.mark.soak
def test_rules_that_would_lock_the_controller_out_are_refused_by_the_host_too(deployment: Deployment) -> None:
    before = fingerprint(deployment, RELAY)
    shut_out(deployment)
    work = session(deployment)
    planned = make_plan(work, Limit(), allow={"trust": 9})
    applied = apply_plan(work, replace(planned, plan=replace(planned.plan, refused=())))
    (relay,) = [result for result in applied.results if result.host == RELAY]
    assert relay.outcome is HostOutcome.NOT_STARTED
    assert f"{deployment.lab.controller_address()} (this connection)" in relay.cause
    assert fingerprint(deployment, RELAY) == before


@pytest.mark.destructive
@pytest.mark.soak
def test_a_lock_out_forced_past_the_check_heals_itself_within_ninety_seconds(deployment: Deployment) -> None:
    shut_out(deployment)
    work = session(deployment)
    planned = make_plan(work, Limit(), allow={"trust": 9})
    started = time.monotonic()
    applied = apply_plan(work, planned, options=RunOptions(RolloutOptions(lockout_check=False)))
    took = time.monotonic() - started
    results = {result.host: result for result in applied.results}
    assert results[RELAY].outcome is HostOutcome.ROLLED_BACK
    assert results[RELAY].cause == "nobody confirmed the change in time"
    assert took <= 90, took
    deployment.git("reset", "--quiet", "--hard")
    assert deployment.document("plan")["changes"] == []


class RebootingRunner:
    """A carrier that reboots a host between the switch and the confirmation."""

    def __init__(self, inner: HostRunner, deployment: Deployment, host: str) -> None:
        self._inner, self._deployment, self._host = inner, deployment, host

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Pass calls on; reboot first where a confirmation is meant."""
        if any(call.request["operation"] == "confirm" for call in calls):
            self._deployment.lab.reboot(self._host)
        return self._inner.call(calls, timeout_s=timeout_s)


@pytest.mark.destructive
@pytest.mark.soak
def test_a_reboot_before_the_confirmation_brings_the_last_good_state(deployment: Deployment) -> None:
    deployment.edit_facility("kcl-qn-001", r"  - id: cam-02(?:.*\n)+", "")
    deployment.run("allocate")
    work = session(deployment)
    planned = make_plan(work, Limit({"host": frozenset({OTHER})}))
    assert planned.plan.pending
    vars(work)["runner"] = RebootingRunner(work.runner, deployment, OTHER)
    (result,) = apply_plan(work, planned).results
    assert (result.outcome, result.cause) == (
        HostOutcome.ROLLED_BACK,
        "the host was rebooted before the change was confirmed",
    )
    deployment.git("reset", "--quiet", "--hard")
    assert deployment.document("plan", "--limit", f"host={OTHER}")["changes"] == []


def replace_program(deployment: Deployment, script: str) -> None:
    """Put a program of our own in MediaMTX's place, as a new artefact of the inventory."""
    program = deployment.lab.directory / "program"
    program.write_text(script, encoding="ascii")
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    path = deployment.root / "inventory.yml"
    deployment.substitute(path, r"(source: ).*", rf"\g<1>file:{program}")
    deployment.substitute(path, r'(amd64|arm64): ".*"', rf'\g<1>: "{digest}"')


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(
            "[ $1 = --version ] && echo v1.17.1 || echo 'ERR: json: unknown field'\nexit 1\n",
            "MediaMTX refuses its new file: ERR: json: unknown field; the program says that it is MediaMTX 1.17.1",
            id="refuses",
        ),
        # The running relay has those very sockets: what counts is who opens them in the scratch namespace.
        pytest.param(
            "exec sleep 60\n", "MediaMTX does not open its sockets", id="opens-nothing", marks=pytest.mark.soak
        ),
    ],
)
def test_a_program_that_does_not_take_the_file_is_refused_before_the_switch(
    deployment: Deployment, script: str, said: str
) -> None:
    before = deployment.lab.exec(OTHER, ["cat", "/etc/systemd/system/provisioner-mediamtx.service"]).stdout
    replace_program(deployment, f"#!/bin/sh\n{script}")
    deployment.edit_facility("kcl-qn-001", r"(make: dahua\n)", r"\g<1>    channel: 2\n")
    applied = deployment.document("apply", "--yes", "--limit", f"host={OTHER}", "--allow", "trust=9", codes=(7,))
    (host,) = applied["hosts"]
    assert (host["outcome"], said in host["cause"]) == ("not-started", True), host
    assert deployment.lab.exec(OTHER, ["cat", "/etc/systemd/system/provisioner-mediamtx.service"]).stdout == before


def test_a_relay_that_dies_after_the_switch_returns_to_its_last_good_state(deployment: Deployment) -> None:
    find = "sed -n 's/^ExecStart=\\([^ ]*\\) .*/\\1/p' /etc/systemd/system/provisioner-mediamtx.service"
    good = deployment.lab.exec(OTHER, ["sh", "-c", find]).stdout.strip()
    # In a scratch namespace there is no tunnel, and all checks pass. Live there is one.
    replace_program(deployment, f'#!/bin/sh\nip link show wg-prov >/dev/null 2>&1 && exit 1\nexec {good} "$@"\n')
    applied = deployment.document("apply", "--yes", "--limit", f"host={OTHER}", "--allow", "trust=9", codes=(7,))
    (host,) = applied["hosts"]
    assert host["outcome"] == "rolled-back", host
    deployment.git("reset", "--quiet", "--hard")
    assert deployment.document("plan", "--limit", f"host={OTHER}")["changes"] == []


def test_an_unknown_host_key_is_not_talked_to(deployment: Deployment) -> None:
    other = deployment.lab.host_key(RELAY)
    path = deployment.root / "carriers/vnpt.yml"
    deployment.substitute(path, r"(host_key: ).*", rf"\g<1>{other}")
    done = deployment.run("plan", "--limit", f"host={OTHER}", check=False)
    assert done.returncode == 5
    assert f"{OTHER} (" in done.stderr
    assert "host key" in done.stderr.lower()


def test_an_expression_in_a_field_changes_nothing_on_any_host(deployment: Deployment) -> None:
    before = {host: fingerprint(deployment, host) for host in MANAGED_HOSTS}
    deployment.substitute(deployment.root / "carriers/vnpt.yml", r"user: noc", "user: \"{{ lookup('pipe','id') }}\"")
    done = deployment.run("apply", "--yes", check=False)
    assert (done.returncode, "template" in done.stderr) == (3, True)
    assert {host: fingerprint(deployment, host) for host in MANAGED_HOSTS} == before
