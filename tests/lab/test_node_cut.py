"""The network between a broker and one of its sides is cut while a host waits for its confirmation, and comes back."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from provisioner.desired.limit import parse_limits
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import make_plan
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostOutcome

from .carrier_node import RELAY, SIDES, NodeOfTheLab, node_of_the_lab
from .deployment import Deployment
from .fingerprint import Fingerprint, fingerprint
from .patience import stretched
from .test_rollout import ONLY, disarmed, fewer_cameras, host_in, is_armed, running, until
from .tunnels import renew_tunnels

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
TEN_MINUTES: Final = 600.0
_RETURNS_S: Final = 20.0
_NOBODY: Final = "nobody confirmed the change in time"


@pytest.fixture
def node(deployment: Deployment, tmp_path: Path) -> Iterator[NodeOfTheLab]:
    # What is up afterwards has to have been up before, whatever a test before did to the relay.
    renew_tunnels(deployment.lab)
    with node_of_the_lab(deployment, tmp_path) as one:
        yield one


def receipt_of(deployment: Deployment) -> dict[str, Any]:
    """What the host itself keeps of the last run."""
    newest = "cat $(ls -t /var/lib/provisioner/receipts/*.json | head -1)"
    found: dict[str, Any] = json.loads(deployment.lab.exec(RELAY, ["sh", "-c", newest]).stdout)
    return found


def is_as_before(deployment: Deployment, before: Fingerprint) -> None:
    """The host has what it had, says why, and carries its paths; the next plan shows the change as the first did."""
    assert fingerprint(deployment.lab, RELAY).differences(before) == []
    receipt = receipt_of(deployment)
    assert (receipt["outcome"], _NOBODY in receipt["cause"]) == ("rolled-back", True), receipt
    plan = deployment.document("plan", *ONLY)
    assert {(one["host"], one["action"]) for one in plan["changes"] if one["resource"] == "path"} == {(RELAY, "delete")}
    deployment.git("stash", "--quiet", "--include-untracked")
    try:
        verified = deployment.document("verify", "--once", "--limit", f"host={RELAY}", codes=(0,))
    finally:
        deployment.git("stash", "pop", "--quiet")
    assert {path["verdict"] for path in verified["paths"]} == {"up"}


@pytest.mark.parametrize("side", [SIDES[0], pytest.param(SIDES[1], marks=pytest.mark.soak)])
def test_a_host_returns_while_the_network_is_cut_and_the_run_ends_with_its_receipt(
    node: NodeOfTheLab, side: str
) -> None:
    deployment = node.deployment
    fewer_cameras(deployment)
    before = fingerprint(deployment.lab, RELAY)
    work = Session(deployment.root, deployment.environment, datetime.now(UTC).date())
    planned = make_plan(work, parse_limits([f"host={RELAY}"]))
    # A change that waits for twenty seconds and not for sixty; it is watched for so long that there is time to cut.
    options = RunOptions(RolloutOptions(confirm_s=_RETURNS_S, gate=GateRules(watch_s=_RETURNS_S)))
    with ThreadPoolExecutor(1) as pool:
        applying = pool.submit(apply_plan, work, planned, options=options)
        until(lambda: is_armed(deployment))
        with node.cut_off(side):
            until(lambda: disarmed(deployment), 60)
        applied = applying.result(stretched(240))
    (relay,) = applied.results
    assert (relay.outcome, _NOBODY in relay.cause) == (HostOutcome.ROLLED_BACK, True), relay
    assert relay.receipt
    is_as_before(deployment, before)


@pytest.mark.soak
@pytest.mark.parametrize(("side", "seconds", "is_killed"), [("node", TEN_MINUTES, False), ("controller", 90.0, True)])
def test_a_cut_that_outlasts_the_run_leaves_the_host_as_it_was_and_the_run_with_an_end(
    node: NodeOfTheLab, capsys: pytest.CaptureFixture[str], side: str, seconds: float, *, is_killed: bool
) -> None:
    deployment = node.deployment
    fewer_cameras(deployment)
    before = fingerprint(deployment.lab, RELAY)
    with running(deployment, "apply", "--yes", *ONLY) as process:
        until(lambda: is_armed(deployment))
        with node.cut_off(side):
            cut = time.monotonic()
            until(lambda: disarmed(deployment))
            returned_s = time.monotonic() - cut
            if is_killed:
                process.send_signal(signal.SIGKILL)
            said, errors = process.communicate(timeout=stretched(TEN_MINUTES))
            ended_s = time.monotonic() - cut
            time.sleep(max(0.0, seconds - ended_s))
        assert time.monotonic() - cut >= seconds
        assert returned_s < stretched(90), "the dead man's switch is of sixty seconds"
    if is_killed:
        taken_up = host_in(deployment.document("apply", "--resume", codes=(7,)), RELAY)
        assert (taken_up["outcome"], _NOBODY in taken_up["cause"]) == ("rolled-back", True), taken_up
    else:
        # It waited until the host must have returned, and no longer: what it says is what is known then.
        assert process.returncode == 5, said + errors
        lost = host_in(json.loads(said), RELAY)
        assert lost["outcome"] == "unreachable"
        assert "no new connection after the change; the host returns to last-good by itself" in lost["cause"]
        assert deployment.run("apply", "--resume", check=False).returncode == 2
    is_as_before(deployment, before)
    assert host_in(deployment.document("apply", "--yes", *ONLY), RELAY)["outcome"] == "applied"
    with capsys.disabled():
        print(  # noqa: T201 (a figure for people)
            f"{side} cut off for {seconds:.0f} s: the host was back after {returned_s:.0f} s, the command had ended"
            f" after {ended_s:.0f} s{', killed' if is_killed else ''}"
        )
