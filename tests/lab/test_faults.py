"""Whatever goes wrong while a host is changed, it is at its old state or at its new one, and the report says which."""

import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.hosts.observe import observe
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import Job, RolloutOptions, status_call
from provisioner.operations.rollout.result import HostOutcome
from provisioner.operations.rollout.waves import roll_out
from provisioner.plan.change import Action
from provisioner.plan.diff import changes_of
from tests import inventories
from tests.simulated import MemoryJournal

from .deployment import Deployment
from .direct import DirectRunner
from .faults import FAULTS, SAMPLE
from .faulty import ControllerDied, Fault, FaultyRunner
from .fingerprint import Fingerprint, fingerprint, foreign, plant_foreign
from .lab import Lab
from .patience import stretched
from .test_verify import all_up, verified
from .topology import BEHIND_JUMP, GATEWAYS, JUMP

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
_RELAYS = ("relay-viettel-1", "relay-vnpt-1")
_CLOSING = _RELAYS[0]  #: The relay of the facility that is closed between its two states.
_ARMED = "/var/lib/provisioner/armed.json"
_CHANGED = {HostOutcome.APPLIED: "new", HostOutcome.ROLLED_BACK: "old", HostOutcome.NOT_STARTED: "old"}


@dataclass
class Subject:
    """A relay between two states: each fault meets it on the way from the one it has to the other."""

    lab: Lab
    host: str
    sessions: Mapping[str, Session]
    prints: dict[str, Fingerprint]
    foreign: str
    at: str = "one"
    number: int = 0

    @property
    def other(self) -> str:
        """The state that it does not have."""
        return "two" if self.at == "one" else "one"

    def job(self, state: str) -> Job:
        """The job that brings the host to a state."""
        session = self.sessions[state]
        spec, files = session.state.hosts[self.host], session.files[self.host]
        facts, errors = observe([spec], session.files, self.runner)
        assert not errors, errors
        found = facts[self.host]
        pending = tuple(c for c in changes_of(spec, files, found) if c.action is not Action.NOOP)
        return Job(spec, files, found, found.live_digest, changes=pending)

    @property
    def runner(self) -> DirectRunner:
        """The carrier without faults."""
        return DirectRunner(self.lab, self.sessions["one"].templates)

    def change(self, fault: Fault) -> tuple[str, str]:
        """Change the host to its other state, with a fault; give what the report says, and why."""
        self.number += 1
        run = f"fault-{self.host}-{self.number}-{time.time_ns() % 10**9}"
        job = self.job(self.other)
        if fault.before:
            self.lab.exec(self.host, ["sh", "-c", fault.before], check=False)
        gate = GateRules(patience_s=stretched(4), settle_s=0)
        options = RolloutOptions(confirm_s=fault.confirm_s, gate=gate, who="test")
        runner = FaultyRunner(self.lab, self.sessions["one"].templates, fault)
        try:
            (result,) = roll_out([job], run, runner, options, MemoryJournal()).results
            said, cause = result.outcome.value, result.cause
        except ControllerDied:
            said, cause = "", ""
        self.wait_until_decided()
        if fault.after:
            self.lab.exec(self.host, ["sh", "-c", fault.after], check=False)
        if not said:
            answer = self.runner.call([status_call(job, run, options)], timeout_s=60)[self.host]
            said, cause = str(answer.document["outcome"]), str(answer.document["cause"])
        return said, cause

    def wait_until_decided(self) -> None:
        """Wait until the host does not wait any more."""
        until = time.monotonic() + stretched(60)
        while self.lab.exec(self.host, ["test", "-e", _ARMED], check=False).returncode == 0:
            assert time.monotonic() < until, f"{self.host} is still armed"
            time.sleep(0.3)

    def settled(self) -> Fingerprint:
        """The fingerprint, once the relay is read back or has come back."""
        until = time.monotonic() + stretched(12)
        while True:
            found = fingerprint(self.lab, self.host)
            if found in self.prints.values() or time.monotonic() > until:
                return found
            time.sleep(0.5)

    def accepts_ssh(self) -> bool:
        """Tell whether the controller's next SSH connection would be answered, over the jump host where it goes so."""
        spec = self.sessions["one"].state.hosts[self.host]
        if self.host in BEHIND_JUMP:
            door = f"timeout {stretched(5):.0f} head -c 3 </dev/tcp/{spec.address}/{spec.ssh.port}"
            return self.lab.exec(JUMP.name, ["bash", "-c", door], check=False).stdout == "SSH"
        try:
            with socket.create_connection((str(spec.address), spec.ssh.port), timeout=stretched(5)) as link:
                return link.recv(4).startswith(b"SSH")
        except OSError:
            return False


def meet(subject: Subject, fault: Fault) -> list[str]:
    """Let a host meet a fault; give what is wrong afterwards."""
    old, new = subject.at, subject.other
    said, cause = subject.change(fault)
    found = subject.settled()
    wrong = []
    where = {subject.prints[old].text: "old", subject.prints[new].text: "new"}.get(found.text, "between")
    if where == "between":
        from_old, from_new = (found.differences(subject.prints[state]) for state in (old, new))
        wrong.append(f"is half-changed: differs from the old state by {from_old}, from the new one by {from_new}")
    else:
        subject.at = old if where == "old" else new
        if fault.expected not in {"either", where}:
            wrong.append(f"is at its {where} state")
    told = {"applied": "new", "rolled-back": "old", "not-started": "old", "rollback-failed": "old", "refused": "old"}
    if told.get(said) != where:
        wrong.append(f"is at its {where} state and is reported as {said}")
    if "held by" in cause:
        wrong.append("met nothing: the fault before left a lease")
    if foreign(subject.lab, subject.host) != subject.foreign:
        wrong.append("something that is not ours was touched")
    if not subject.accepts_ssh():
        wrong.append("does not let the controller in")
    return [f"{subject.host}, {fault.name}: {text} ({said}: {cause})" for text in wrong]


@contextmanager
def between_two_states(deployment: Deployment, tmp_path: Path, relays: Sequence[str]) -> Iterator[list[Subject]]:
    """Relays with both of their states known; nothing of somebody else's is missing afterwards.

    A gateway whose peer went and came back has no session for up to two minutes: other tests come after that.
    """
    changed = tmp_path / "changed"
    shutil.copytree(deployment.root, changed)
    for name, before, after in (
        ("kcl-hd-001", r"operating: open", "operating: closed"),
        ("kcl-qn-001", r"  - id: cam-02(?:.*\n)+", ""),
    ):
        path = next(changed.glob(f"facilities/*/{name}.yml"))
        deployment.substitute(path, before, after)
        if "closed" not in after:
            inventories.sign_file(path)
    deployment.run("-i", str(changed), "allocate")
    today = datetime.now(UTC).date()
    roots = {"one": deployment.root, "two": changed}
    sessions = {state: Session(root, deployment.environment, today) for state, root in roots.items()}
    found = []
    for host in relays:
        plant_foreign(deployment.lab, host)
        subject = Subject(deployment.lab, host, sessions, {}, foreign(deployment.lab, host))
        for _ in range(2):
            subject.prints[subject.at] = fingerprint(deployment.lab, host)
            assert subject.change(Fault("none"))[0] == "applied"
            subject.at = subject.other
        assert fingerprint(deployment.lab, host).differences(subject.prints["one"]) == []
        found.append(subject)
    try:
        yield found
    finally:
        # The last that each host confirms is a run that the record has: these runs' journals are gone.
        for subject in found:
            if subject.at == "one":
                assert subject.change(Fault("none"))[0] == "applied"
        applied = deployment.apply_directly(GateRules(settle_s=0))
        assert {result.outcome for result in applied.results} <= {HostOutcome.APPLIED, HostOutcome.UNCHANGED}
        # A gateway whose peer went and came back makes its next handshake after two minutes, or when it starts anew.
        if _CLOSING in relays:
            for gateway in GATEWAYS:
                deployment.lab.exec(gateway.name, ["systemctl", "restart", "provisioner-site"])
            verified(deployment, until=all_up, tries=12)


@pytest.mark.parametrize(
    ("relays", "faults", "least"),
    [
        pytest.param(_RELAYS[1:], SAMPLE, 6, id="sample"),
        pytest.param(_RELAYS, FAULTS, 70, id="all", marks=pytest.mark.soak),
    ],
)
def test_no_fault_leaves_a_host_between_two_states(
    deployment: Deployment, tmp_path: Path, relays: tuple[str, ...], faults: tuple[Fault, ...], least: int
) -> None:
    assert len(faults) >= least
    turns: dict[str, list[Fault]] = {host: [] for host in relays}
    for number, fault in enumerate(faults):
        turns[fault.only or relays[number % len(relays)]].append(fault)
    with between_two_states(deployment, tmp_path, relays) as subjects, ThreadPoolExecutor(len(subjects)) as pool:
        met = pool.map(lambda s: [wrong for fault in turns[s.host] for wrong in meet(s, fault)], subjects)
        wrong = [text for texts in met for text in texts]
    assert wrong == [], "\n".join(wrong)


_HANGS = ("systemctl", "kill", "-s", "STOP", "provisioner-mediamtx")
_MOST_SILENT_S = 15.0


@pytest.mark.soak
def test_a_relay_that_hangs_is_restarted_by_an_allowed_apply_and_by_nothing_else(deployment: Deployment) -> None:
    relay, other = _RELAYS
    asked = ["systemctl", "show", "-p", "MainPID", "--value", "provisioner-mediamtx"]
    untouched, hung = (deployment.lab.exec(host, asked).stdout for host in (other, relay))
    deployment.lab.exec(relay, list(_HANGS))
    (change,) = deployment.document("plan", codes=(6,))["changes"]
    assert (change["host"], change["name"], change["impact"]) == (relay, "provisioner-mediamtx.service", "all")
    assert "does not answer its Control API" in change["reason"]
    begun = time.monotonic()
    applied = deployment.document("apply", "--yes", "--allow", "viewers=9")
    # The hosts' clock is this machine's: they share its kernel.
    started = "systemctl show -p ExecMainStartTimestampMonotonic --value provisioner-mediamtx"
    silent_s = int(deployment.lab.exec(relay, started.split()).stdout) / 1e6 - begun
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    assert deployment.lab.exec(relay, asked).stdout != hung
    assert deployment.lab.exec(other, asked).stdout == untouched
    assert 0 < silent_s < stretched(_MOST_SILENT_S), f"{silent_s:.1f} s from the apply to the new start"
