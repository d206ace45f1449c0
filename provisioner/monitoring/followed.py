"""What an agent knows, as metrics: what became of the branch's newest commit, and which hosts drifted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from provisioner.monitoring import catalogue
from provisioner.monitoring.catalogue import AGENT
from provisioner.monitoring.sheet import MetricSheet

STATES = ("reached", "refused", "waiting", "failed")


@dataclass(frozen=True, slots=True)
class AgentView:
    """What is told of an agent.

    Attributes:
        leads: whether it has the lease.
        state: what became of the branch's newest commit; empty where nothing is known.
        cause: why it is not reached.
        since: since when that is so.
        looked: when the remote was looked at last; None where it was not yet.
        hosts_looked: when hosts were.
        reached_at: when the last commit was reached.
        drifted: by host, the worst impact of what differs.
        failures: how many rounds could not be done since the agent began.
    """

    inventory: str
    leads: bool = False
    state: str = ""
    cause: str = ""
    since: datetime | None = None
    looked: datetime | None = None
    hosts_looked: datetime | None = None
    reached_at: datetime | None = None
    drifted: Mapping[str, str] = field(default_factory=dict)
    failures: int = 0


def agent_sheet(view: AgentView) -> MetricSheet:
    """The metrics of an agent."""
    sheet = MetricSheet(view.inventory, AGENT)
    sheet.put(catalogue.AGENT_LEADS, float(view.leads))
    sheet.put(catalogue.AGENT_FAILURES, view.failures)
    for state in STATES:
        cause = view.cause if state == view.state else ""
        sheet.put(catalogue.AGENT_TIP, float(state == view.state), state=state, cause=cause)
    for metric, moment in (
        (catalogue.AGENT_SINCE, view.since),
        (catalogue.AGENT_LOOKED, view.looked),
        (catalogue.AGENT_HOSTS_LOOKED, view.hosts_looked),
        (catalogue.AGENT_REACHED, view.reached_at),
    ):
        if moment is not None:
            sheet.put(metric, moment.timestamp())
    for host, impact in sorted(view.drifted.items()):
        sheet.put(catalogue.AGENT_DRIFT, 1, host=host, impact=impact)
    return sheet
