"""Sentences that explain a facility's state, with file positions. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.base.document import Count, Said
from provisioner.base.text import counted, local_time, msg, were
from provisioner.inventory.deadlines import Duty
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model.facility import BlockReason, ConnectionPlan, Facility, Operating
from provisioner.inventory.model.orders import Instruction
from provisioner.inventory.signed import Worth, missing_parties, proofs_of, stale_sign_offs
from provisioner.record.lifecycle.evidence import Evidence, ProvedAt
from provisioner.record.lifecycle.state import ConnectionProgress, FacilityProgress, FacilityState

_OPERATING = {
    Operating.OPEN: "people are in it (operating: open)",
    Operating.PREPARING: "people are to come (operating: preparing), so it is connected before they do",
    Operating.STANDBY: "it has no people now (operating: standby), so no host carries it",
    Operating.CLOSED: "it is closed (operating: closed), so no host may carry it",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for a facility's state."""

    text: Said
    file: str = ""  #: The file as typed; empty for an observation.
    line: Count = 0


@dataclass(frozen=True)
class Grounds:
    """The sources of the reasons: state, evidence, orders, and positions."""

    facility: Facility
    standing: FacilityProgress
    evidence: Evidence
    duties: tuple[Duty, ...]
    orders: tuple[Instruction, ...]
    places: Places

    def written(self, text: str, *path: str | int) -> Reason:
        """Return a reason with its position in the facility's file."""
        position = self.places.at(f"facility/{self.facility.id}", *path)
        return Reason(text, position.file, position.line)


def reasons(grounds: Grounds) -> tuple[Reason, ...]:
    """Return the reasons: file, evidence, orders, obstacles."""
    return (
        *_file_reasons(grounds),
        *_rendering_reasons(grounds),
        *_evidence_reasons(grounds),
        *_successor_reasons(grounds),
        *_claim_reasons(grounds),
        *_duty_reasons(grounds),
        *_other_order_reasons(grounds),
        *_block_reasons(grounds),
    )


def _file_reasons(grounds: Grounds) -> Iterator[Reason]:
    facility = grounds.facility
    yield grounds.written(_OPERATING[facility.operating], "operating")
    if facility.opens_on and facility.operating is Operating.PREPARING:
        yield grounds.written(msg("it opens on {opens_on}", facility.opens_on), "opens_on")
    if facility.contact_confirmed_on:
        yield grounds.written(
            msg("its representative was confirmed on {contact_confirmed_on}", facility.contact_confirmed_on),
            "contact_confirmed_on",
        )
    else:
        yield grounds.written("no representative is confirmed (contact_confirmed_on)")
    if facility.survey:
        parties = ", ".join(party.value for party in facility.survey.by)
        text = msg(
            "it was surveyed on {surveyed_on} by {by}: {value}",
            facility.survey.surveyed_on,
            parties,
            facility.survey.verdict.value,
        )
        yield grounds.written(text, "survey", "verdict")
    else:
        yield grounds.written("it was not surveyed (survey)")
    if facility.plan:
        yield from _plan_reasons(grounds, facility.plan, "plan")
    else:
        yield grounds.written("it has no plan (plan)")


def _plan_reasons(grounds: Grounds, plan: ConnectionPlan, key: str) -> Iterator[Reason]:
    connection = msg("{carrier} over {relay}", plan.carrier, plan.relay) + (
        (", " + msg("backup {backup_relay}", plan.backup_relay)) if plan.backup_relay else ""
    )
    for index, sign_off in stale_sign_offs(grounds.facility, plan):
        text = msg(
            "{parties} signed another content of the {key} on {signed_on}", sign_off.by.words, key, sign_off.signed_on
        )
        yield grounds.written(text, key, "sign_offs", index, "content")
    missing = ", ".join(party.words for party in missing_parties(plan))
    if not plan.agreed:
        text = msg("the {key} ({over}) is proposed, not agreed", key, connection) + (
            ("; " + msg("still to sign: {missing}", missing)) if missing else ""
        )
    elif missing:
        text = msg(
            "the {key} ({over}) says that it is agreed, but did not get the signature of: {missing}",
            key,
            connection,
            missing,
        )
    else:
        last = max(sign_off.signed_on for sign_off in plan.sign_offs)
        text = msg(
            "the {key} ({over}) is agreed: DIC, Health and the carrier have signed, the last on {last}",
            key,
            connection,
            last,
        )
        text += _key_words(grounds.facility, plan)
    yield grounds.written(text, key, "state")


def _key_words(facility: Facility, plan: ConnectionPlan) -> str:
    proofs = proofs_of(facility, plan)
    claimed = [proof.party.words for proof in proofs if proof.worth is not Worth.SIGNED]
    if not claimed:
        return ", each by its key"
    return (
        ", all without a key"
        if len(claimed) == len(proofs)
        else ("; " + msg("without a key: {claimed}", ", ".join(claimed)))
    )


def _rendering_reasons(grounds: Grounds) -> Iterator[Reason]:
    facility = grounds.facility
    if facility.rendered:
        text = "so it is rendered: its relay is to pull its cameras"
    elif facility.operating.is_carried and facility.plan and facility.plan.agreed:
        text = "it is not rendered: the file has no gateway"
    elif facility.operating.is_carried:
        text = "so it is not rendered: only an agreed plan is"
    else:
        text = "so it is not rendered: only a facility that is open or preparing is"
    yield Reason(text)
    tunnelled = any(plan.access.has_tunnel for plan in facility.carried_plans)
    if tunnelled and facility.gateway and facility.gateway.public_key is None:
        yield grounds.written("its gateway's key is missing (gateway.public_key)", "gateway")


# --- evidence -------------------------------------------------------------------------------------
def _moment_and_run(proof: ProvedAt) -> str:
    return msg("{at} (run {run})", local_time(proof.at), proof.run)


def _evidence_reasons(grounds: Grounds) -> Iterator[Reason]:
    facility, evidence = grounds.facility, grounds.evidence
    for host in grounds.standing.left_on:
        yield Reason(_left_on_host(facility.id, host, evidence))
    for (name, host), proof in sorted(evidence.without.items()):
        if name == facility.id and not facility.rendered:
            yield Reason(msg("{host} is without it since {shown}", host, _moment_and_run(proof)))
    outline = grounds.standing.facility
    if outline.plan and facility.operating is not Operating.CLOSED:
        yield from _progress_reasons(ConnectionProgress(outline, outline.plan, evidence), grounds)


def _left_on_host(facility: str, host: str, evidence: Evidence) -> str:
    report = evidence.words.get(host)
    if report is None:
        return msg("the content of {host} was never read", host)
    if report.held is None:
        return msg(
            "what {host} holds is not known: a change of it began at {shown} and its end was not seen",
            host,
            _moment_and_run(report.observed),
        )
    if facility in report.held:
        return msg("{host} still held something of it at {shown}", host, _moment_and_run(report.observed))
    return msg(
        "{host} was not as desired at {shown}, so that something of it may be left there",
        host,
        _moment_and_run(report.observed),
    )


def _progress_reasons(progress: ConnectionProgress, grounds: Grounds) -> Iterator[Reason]:
    if progress.agreed_on is None:
        return
    for relay in progress.relays:
        yield from _relay_reasons(progress, relay, grounds)
    proof, check = progress.proof, progress.last_check
    if proof:
        yield Reason(msg("all its pulled paths were up at the centre first at {first}", _moment_and_run(proof.first)))
        acceptance = (
            msg("and again at {again}: accepted", _moment_and_run(proof.again))
            if proof.again
            else "and not yet again a day later"
        )
        yield Reason(acceptance)
    elif grounds.standing.connected_at:
        yield Reason(
            msg(
                "it was connected first at {connected_at}, with another content; the signed content has"
                " not been up as a whole",
                local_time(grounds.standing.connected_at),
            )
        )
    if check:
        counts = msg(
            "{proved} of {pulled_paths} {are} up at the centre",
            check.proved,
            counted(check.pulled, "pulled path"),
            were(check.pulled),
        )
        unchecked = (
            ""
            if check.checked == check.pulled
            else (", " + msg("{checked} {are} checked", check.checked, were(check.checked)))
        )
        yield Reason(
            msg("at the last verification {of}{left}, at {shown}", counts, unchecked, _moment_and_run(check.observed))
        )
    else:
        yield Reason("the signed content was never verified")
    declined = progress.evidence.declined.get(progress.content)
    if proof and declined:
        yield Reason(
            msg(
                "last proved at {last}, and not as a whole since {declined}",
                _moment_and_run(proof.last),
                _moment_and_run(declined),
            )
        )


def _relay_reasons(progress: ConnectionProgress, relay: str, grounds: Grounds) -> Iterator[Reason]:
    proof, report = progress.carried.get(relay), grounds.evidence.words.get(relay)
    if proof is None:
        yield Reason(msg("{relay} is not confirmed to have the signed content", relay))
        return
    yield Reason(msg("{relay} has the signed content since {shown}", relay, _moment_and_run(proof)))
    if report is None or not grounds.facility.rendered:
        return
    if report.held is None:
        yield Reason(
            msg(
                "what {relay} holds now is not known: a change of it began at {shown}",
                relay,
                _moment_and_run(report.observed),
            )
        )
    elif report.held.get(grounds.facility.id) != progress.content[1]:
        yield Reason(
            msg(
                "by the last word {relay} does not hold it as signed any more, at {shown}",
                relay,
                _moment_and_run(report.observed),
            )
        )


def _successor_reasons(grounds: Grounds) -> Iterator[Reason]:
    facility, outline = grounds.facility, grounds.standing.facility
    if facility.successor and outline.successor and facility.operating is not Operating.CLOSED:
        yield from _plan_reasons(grounds, facility.successor, "successor")
        steps = ConnectionProgress(outline, outline.successor, grounds.evidence).steps
        furthest = max(steps, key=list(FacilityState).index)
        until = "the plan" if FacilityState.ACCEPTED in steps else "accepted"
        yield Reason(
            msg("the successor's connection is {words}; both relays serve until it is {until}", furthest.words, until)
        )


def _claim_reasons(grounds: Grounds) -> Iterator[Reason]:
    claim = grounds.facility.claimed_connection
    if claim:
        proved = "is no proof" if not grounds.standing.is_connected else "was proved since"
        text = msg(
            "it is claimed to be connected since {connected_on} ({source}), which {proved}",
            claim.connected_on,
            claim.source,
            proved,
        )
        yield grounds.written(text, "claimed_connection")


# --- orders and obstacles -------------------------------------------------------------------------
def _duty_reasons(grounds: Grounds) -> Iterator[Reason]:
    connected_at = grounds.standing.connected_at
    operating = grounds.facility.operating
    if operating is Operating.CLOSED and connected_at is None:
        yield Reason("it was closed without ever being connected: no order applies")
    elif operating is Operating.STANDBY and connected_at is None:
        yield Reason("it has no people: no order applies")
    elif not grounds.duties:
        body = grounds.facility.managing_body.value
        yield grounds.written(msg("no order binds it: {body} is in the scope of no order", body), "managing_body")
    for duty in grounds.duties:
        position = grounds.places.at("instructions", *duty.place)
        met = "" if connected_at is None else "; it was in time" if duty.met_by(connected_at) else "; it was late"
        opens = ", when it opens" if duty.is_opening else ""
        text = msg(
            "{ref} binds it: connected before {before}, 00:00 in Vietnam{opens}{met}",
            duty.order.ref,
            duty.before,
            opens,
            met,
        )
        yield Reason(text, position.file, position.line)


def _other_order_reasons(grounds: Grounds) -> Iterator[Reason]:
    """Yield orders that name a day for the facility without binding it."""
    bound = {duty.order.ref for duty in grounds.duties}
    for index, order in enumerate(grounds.orders):
        if grounds.facility.id in order.facilities and order.ref not in bound:
            position = grounds.places.at("instructions", "instructions", index, "facilities", grounds.facility.id)
            yield Reason(msg("{ref} has a day for it, and does not bind it", order.ref), position.file, position.line)


def _block_reasons(grounds: Grounds) -> Iterator[Reason]:
    blocked = grounds.facility.blocked
    if blocked:
        acts = msg("{value} acts until {due}", blocked.owner.value, blocked.due)
        text = msg("it is blocked since {since} ({value}): {acts}", blocked.since, blocked.reason.value, acts)
        yield grounds.written(text, "blocked", "reason")
        if blocked.reason is BlockReason.NOT_IN_SCOPE and grounds.duties:
            refs = ", ".join(duty.order.ref for duty in grounds.duties)
            yield grounds.written(msg("it is said to be out of scope, and {refs} binds it", refs), "blocked", "reason")
