"""What has to happen for a facility to come one step further, in one sentence. Pure."""

from __future__ import annotations

from provisioner.base.clock import local_time
from provisioner.base.counted import counted, were
from provisioner.inventory.model import ConnectionPlan, Facility, Operating, Party, SurveyVerdict
from provisioner.inventory.signed import signed_content
from provisioner.lifecycle.evidence import ACCEPTANCE, Evidence, Proof
from provisioner.lifecycle.standing import ConnectionProgress, Standing
from provisioner.lifecycle.states import FacilityState

PARTIES = {Party.DIC: "the DIC", Party.HEALTH: "the Health department", Party.CARRIER: "the carrier"}

_VERDICTS = {
    SurveyVerdict.READY: "propose a plan: provisioner facility plan, with the cameras and their streams",
    SurveyVerdict.NEEDS_CAMERAS: "the cameras that are missing have to be put up",
    SurveyVerdict.NEEDS_REPAIR: "what is broken has to be repaired",
    SurveyVerdict.NEEDS_REPLACEMENT: "devices that will not do have to be replaced",
    SurveyVerdict.NEEDS_UPLINK: "the site needs a line that carries its cameras",
    SurveyVerdict.NOT_POSSIBLE: "the survey says that it cannot be connected: find another way, or write blocked",
}


_SIMPLE = {
    FacilityState.REGISTERED: "the province names a representative (contacts list): then provisioner facility contact",
    FacilityState.CONTACT_CONFIRMED: "DIC, Health and the carrier survey the cameras: then provisioner facility survey",
    FacilityState.SUSPENDED: "before people come again: provisioner facility reopen, with --opens-on",
    FacilityState.CLOSED: "nothing: no host holds anything of it",
}
_AT_AN_END = frozenset({FacilityState.DECOMMISSIONING, FacilityState.CLOSED})


def next_step(standing: Standing, evidence: Evidence) -> str:
    """What has to happen next, and who does it where that is known."""
    facility, state = standing.facility, standing.state
    blocked = facility.blocked
    if blocked and not standing.is_connected and state not in _AT_AN_END:
        return f"{blocked.next_action} ({blocked.owner.value}, until {blocked.due})"
    if state in _SIMPLE:
        return _SIMPLE[state]
    if state is FacilityState.DECOMMISSIONING:
        return f"run provisioner apply, then provisioner verify: {', '.join(standing.left_on)} has to be seen clear"
    if state is FacilityState.SURVEYED and facility.survey:
        return _VERDICTS[facility.survey.verdict]
    if state is FacilityState.ACTIVE or _is_accepted(facility.successor, facility, evidence):
        return _of_successor(facility, evidence)
    return _of_plan(facility, evidence, state)


def _is_accepted(plan: ConnectionPlan | None, facility: Facility, evidence: Evidence) -> bool:
    return plan is not None and FacilityState.ACCEPTED in ConnectionProgress(facility, plan, evidence).steps


def _of_plan(facility: Facility, evidence: Evidence, state: FacilityState) -> str:
    if facility.plan is None:
        return ""
    progress = ConnectionProgress(facility, facility.plan, evidence)
    if state is FacilityState.PLAN_PROPOSED:
        return _to_agree(progress)
    if state is FacilityState.PLAN_AGREED:
        return _to_provision(progress)
    if state is FacilityState.PROVISIONED:
        return _to_connect(progress)
    return _to_accept(facility, progress.proof) if progress.proof else ""


def _to_accept(facility: Facility, proof: Proof) -> str:
    if proof.again and facility.operating is Operating.PREPARING:
        return f"when people come ({facility.opens_on}): provisioner facility reopen {facility.id}"
    due = proof.first.at + ACCEPTANCE
    return f"run provisioner verify after {local_time(due)}: all its paths have to be up once more"


def _to_agree(progress: ConnectionProgress) -> str:
    content = signed_content(progress.facility, progress.plan)
    signed = {sign_off.by for sign_off in progress.plan.sign_offs if sign_off.content == content}
    missing = [party for party in Party if party not in signed]
    if not missing:
        return f"all three have signed: provisioner facility plan {progress.facility.id}"
    words = " ".join(f"--by {party.value}" for party in missing)
    names = ", ".join(PARTIES[party] for party in missing)
    return f"{names} have to agree: provisioner sign-off {progress.facility.id} {words} --source …"


def _to_provision(progress: ConnectionProgress) -> str:
    gateway = progress.facility.gateway
    if progress.plan.access.is_pushed:
        return f"install provisioner site-package {progress.facility.id} on the gateway, then run provisioner apply"
    if gateway is None or (gateway.public_key is None and progress.plan.access.has_tunnel):
        return (
            f"install provisioner site-package {progress.facility.id} on the gateway, then provisioner gateway set-key"
        )
    return f"run provisioner apply: {', '.join(progress.relays)} has not been seen to hold what is signed"


def _to_connect(progress: ConnectionProgress) -> str:
    check = progress.last_check
    if check is None:
        return "run provisioner verify: none of its paths was checked yet"
    if check.checked < check.pulled:
        known = f"of {check.checked} of {counted(check.pulled, 'path')} something is known"
        return f"run provisioner verify without a limit: {known}"
    of = f"{counted(check.pulled, 'path')} {were(check.pulled)}"
    return f"{check.pulled - check.proved} of {of} not up: see provisioner verify --detail"


def _of_successor(facility: Facility, evidence: Evidence) -> str:
    if facility.successor is None:
        return "nothing: it is verified every night"
    if _is_accepted(facility.successor, facility, evidence):
        return f"the successor's connection is accepted: provisioner facility move {facility.id} --finish"
    steps = ConnectionProgress(facility, facility.successor, evidence).steps
    furthest = max(steps, key=list(FacilityState).index).words
    return f"the successor ({facility.successor.carrier} over {facility.successor.relay}) is {furthest}"
