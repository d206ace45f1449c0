"""The hosts in memory that the laws run on and real hosts pass one suite: they tell and plan alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import HostRunner
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout.job import Job
from provisioner.operations.rollout.result import HostOutcome
from provisioner.plan.change import Action, Resource
from provisioner.plan.diff import changes_of
from tests.simulated import SimulatedHosts, apply

from .deployment import Deployment
from .test_verify import all_up, verified

pytestmark = [pytest.mark.lab, pytest.mark.contract]
HOST = "relay-viettel-1"


@dataclass(frozen=True)
class Hosts:
    """A carrier of calls to hosts that hold what the inventory says."""

    session: Callable[[], Session]
    runner: HostRunner

    def facts(self) -> HostFacts:
        session = self.session()
        found, errors = observe([session.state.hosts[HOST]], session.files, self.runner)
        assert not errors
        return found[HOST]

    def pending(self) -> set[tuple[str, str, str, str]]:
        session = self.session()
        found = changes_of(session.state.hosts[HOST], session.files[HOST], self.facts())
        # What a rule means only a kernel knows: the double tells files of rules apart, not rules.
        return {
            (c.resource, c.name, c.action, c.impact)
            for c in found
            if c.action is not Action.NOOP and c.resource is not Resource.RULE
        }

    def apply(self, expected: str | None = None) -> HostOutcome:
        session, facts = self.session(), self.facts()
        spec, files = session.state.hosts[HOST], session.files[HOST]
        changes = tuple(c for c in changes_of(spec, files, facts) if c.action is not Action.NOOP)
        job = Job(spec, files, facts, expected or facts.live_digest, changes=changes)
        (result,) = apply([job], f"double-{datetime.now(UTC):%H%M%S%f}", self.runner)
        return result.outcome


@pytest.fixture(params=["simulated", "real"])
def hosts(request: pytest.FixtureRequest, deployment: Deployment) -> Hosts:
    def session() -> Session:
        return Session(deployment.root, deployment.environment, datetime.now(UTC).date())

    if request.param == "real":
        return Hosts(session, session().runner)
    simulated = Hosts(session, SimulatedHosts())
    # An empty host lacks MediaMTX's program too; the double installs it with the first change.
    assert simulated.apply() is HostOutcome.APPLIED
    return simulated


def test_what_is_applied_is_as_desired(hosts: Hosts) -> None:
    assert hosts.pending() == set()


def test_facts_have_one_shape(hosts: Hosts, deployment: Deployment) -> None:
    real = Hosts(hosts.session, Session(deployment.root, deployment.environment, datetime.now(UTC).date()).runner)
    ours, theirs = hosts.facts(), real.facts()
    assert set(ours.units) == set(theirs.units)
    assert set(ours.files) == set(theirs.files)
    assert ours.relay == theirs.relay
    assert ours.program == theirs.program or deployment.engine.name.startswith("stand-in")
    assert (ours.runtime is None) == (theirs.runtime is None)


@pytest.mark.soak
def test_an_edited_channel_is_the_same_plan_and_applies(hosts: Hosts, deployment: Deployment) -> None:
    # A gateway whose peer a test before took away for a moment has no session for up to two minutes, and its streams
    # end in the middle of them: no change of ours may be under way then, for its gate would see them go.
    verified(deployment, "--limit", f"host={HOST}", until=all_up, tries=12)
    # The recorder's spare channel: it gives a picture too, so that the path gate lets the change pass.
    deployment.edit_facility("kcl-bg-002", r"channel: 1\n", "channel: 4\n")
    assert hosts.pending() == {
        ("path", "bac-giang/kcl-bg-002/cam-01/main", "update", "path"),
        ("path", "bac-giang/kcl-bg-002/cam-01/sub", "update", "path"),
        ("file", "/etc/provisioner/mediamtx.yml", "update", "none"),
    }
    assert hosts.apply() is HostOutcome.APPLIED
    assert hosts.pending() == set()


def test_a_plan_of_another_state_is_not_started(hosts: Hosts) -> None:
    assert hosts.apply("hmac-sha256:" + "0" * 64) is HostOutcome.NOT_STARTED
    assert hosts.pending() == set()
