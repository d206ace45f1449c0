"""Laws of a facility's state: evidence only moves it on, what nobody proved is not connected, gone means seen gone."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.outline import outline_of, outlined
from provisioner.inventory.signed import signed_content
from provisioner.record.lifecycle.evidence import ACCEPTANCE, NO_EVIDENCE, Evidence
from provisioner.record.lifecycle.reasons import Grounds, reasons
from provisioner.record.lifecycle.state import STEPS, FacilityState, progress_of_facility
from provisioner.record.lifecycle.status import next_step, statuses
from tests import inventories as make
from tests.histories import content
from tests.pasts import Past, pasts, read

FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
NAME = "kcl-bg-001"
RELAY = "relay-viettel-1"
AGREED = make.inventory().facilities[NAME]
assert AGREED.plan
SIGNED = signed_content(AGREED, AGREED.plan)
RECORDED = pasts(contents=(SIGNED, SIGNED, content(9)), facilities=(NAME, "kcl-bg-002"), hosts=(RELAY, "relay-9"))
NOW = datetime(2021, 5, 20, tzinfo=UTC)


def facility(**changes: Any) -> Facility:
    """A facility whose plan is as `AGREED`'s unless it is changed."""
    return make.inventory(facilities=[make.facility(**changes)]).facilities[NAME]


FILES = st.sampled_from(
    [
        facility(plan=None, survey=None, gateway=None, cameras=[]),
        facility(plan=None, survey=None, gateway=None, cameras=[], contact_confirmed_on="2021-05-07"),
        facility(plan=None, gateway=None, cameras=[]),
        facility(plan={"state": "proposed", "carrier": "viettel", "relay": RELAY}),
        AGREED,
        facility(contact_confirmed_on="2021-05-07"),
        facility(operating="preparing", opens_on="2021-05-09"),
        facility(operating="standby"),
        facility(operating="closed", closed_on="2021-06-01"),
        facility(operating="closed", plan=None, gateway=None, cameras=[]),
    ]
)


def rank(state: FacilityState) -> int:
    return STEPS.index(state)


@FEW
@given(site=FILES, recorded=RECORDED)
def test_evidence_only_moves_a_facility_on(site: Facility, recorded: list[Past]) -> None:
    standings = [progress_of_facility(outline_of(site), read(recorded[:count])) for count in range(len(recorded) + 1)]
    ranks = [rank(standing.reached) for standing in standings]
    assert ranks == sorted(ranks)
    moments = [standing.connected_at for standing in standings if standing.connected_at]
    assert moments == sorted(moments, reverse=True)


@FEW
@given(site=FILES, recorded=RECORDED)
def test_connected_is_who_was_up_whole_in_one_verification(site: Facility, recorded: list[Past]) -> None:
    agreed = site.plan is not None and site.plan.agreed
    checks = [c for past in recorded if past.ending for c in past.ending.checks if c.facility == NAME]
    whole = [c.at for c in checks if c.content == SIGNED and 0 < c.pulled == c.proved]
    steps = progress_of_facility(outline_of(site), read(recorded)).steps
    assert (FacilityState.CONNECTED in steps) == (agreed and bool(whole))
    if FacilityState.CONNECTED in steps:
        assert steps[FacilityState.CONNECTED] == min(whole)
        assert FacilityState.PROVISIONED in steps
        again = [at for at in whole if at >= min(whole) + ACCEPTANCE]
        assert steps.get(FacilityState.ACCEPTED) == (min(again) if again else None)


@FEW
@given(recorded=RECORDED)
def test_provisioned_is_whose_relay_was_seen_to_hold_what_is_signed(recorded: list[Past]) -> None:
    held = [
        holding.at
        for past in recorded
        if past.ending
        for holding in past.ending.holdings
        if holding.host == RELAY and (holding.held or {}).get(NAME) == SIGNED
    ]
    steps = progress_of_facility(outline_of(AGREED), read(recorded)).steps
    assert FacilityState.PROVISIONED not in steps or held or FacilityState.CONNECTED in steps
    if held:
        assert steps[FacilityState.PROVISIONED] == min(held)


@FEW
@given(recorded=RECORDED)
def test_no_evidence_makes_up_for_a_signature(recorded: list[Past]) -> None:
    evidence = read(recorded)
    assert AGREED.plan is not None
    unsigned = AGREED.plan.model_copy(update={"sign_offs": AGREED.plan.sign_offs[:2]})
    stale = AGREED.plan.sign_offs[0].model_copy(update={"content": content(9)})
    edited = AGREED.plan.model_copy(update={"sign_offs": (stale, *AGREED.plan.sign_offs[1:])})
    for plan in (unsigned, edited):
        site = AGREED.model_copy(update={"plan": plan})
        assert progress_of_facility(outline_of(site), evidence).reached is FacilityState.PLAN_PROPOSED


@FEW
@given(recorded=RECORDED)
def test_a_new_camera_has_to_be_proved_and_takes_no_deadline_back(recorded: list[Past]) -> None:
    evidence = read(recorded)
    larger = facility(cameras=[make.camera(), make.camera("cam-02", 12)])
    before, after = (
        progress_of_facility(outline_of(AGREED), evidence),
        progress_of_facility(outline_of(larger), evidence),
    )
    assert after.reached is FacilityState.PLAN_AGREED
    assert after.connected_at == before.connected_at


@FEW
@given(site=FILES, recorded=RECORDED)
def test_active_is_accepted_and_open_and_standby_is_suspended(site: Facility, recorded: list[Past]) -> None:
    standing = progress_of_facility(outline_of(site), read(recorded))
    is_open, accepted = site.operating is Operating.OPEN, FacilityState.ACCEPTED in standing.steps
    assert (standing.state is FacilityState.ACTIVE) == (is_open and accepted)
    assert (standing.state is FacilityState.SUSPENDED) == (site.operating is Operating.STANDBY)
    closed = standing.state in {FacilityState.DECOMMISSIONING, FacilityState.CLOSED}
    assert closed == (site.operating is Operating.CLOSED)
    if is_open and not accepted:
        assert standing.state is standing.reached


@FEW
@given(recorded=RECORDED)
def test_closed_is_what_every_host_was_seen_without(recorded: list[Past]) -> None:
    evidence = read(recorded)
    hosts = {RELAY}
    for past in recorded:
        for holding in past.ending.holdings if past.ending else ():
            if NAME in (holding.held or {}):
                hosts.add(holding.host)
    words = evidence.words
    clear = all(host in words and words[host].exact and NAME not in (words[host].held or {}) for host in hosts)
    standing = progress_of_facility(outline_of(facility(operating="closed")), evidence)
    assert (standing.state is FacilityState.CLOSED) == clear
    assert bool(standing.left_on) == (not clear)


def test_what_never_was_agreed_nor_seen_is_closed_at_once() -> None:
    site = facility(operating="closed", closed_on="2021-06-01", plan=None, gateway=None, cameras=[])
    assert progress_of_facility(outline_of(site), NO_EVIDENCE).state is FacilityState.CLOSED


def test_a_relay_that_nobody_has_seen_is_not_taken_for_clear() -> None:
    standing = progress_of_facility(outline_of(facility(operating="closed")), NO_EVIDENCE)
    assert (standing.state, standing.left_on) == (FacilityState.DECOMMISSIONING, (RELAY,))


@FEW
@given(site=FILES, recorded=RECORDED, blocked=st.booleans())
def test_everything_is_explained_and_has_a_next_step(site: Facility, recorded: list[Past], *, blocked: bool) -> None:
    evidence = read(recorded)
    if blocked:
        site = facility(**BLOCK) if site.plan is None else site.model_copy(update={"blocked": _blocked().blocked})
    standing = progress_of_facility(outline_of(site), evidence)
    assert next_step(standing, evidence)
    explanation = reasons(Grounds(site, standing, evidence, (), (), Places({})))
    assert explanation
    assert all(reason.text.isprintable() and reason.text for reason in explanation)


BLOCK: dict[str, Any] = {
    "blocked": {
        "reason": "no_cooperation",
        "owner": "province",
        "since": "2021-05-08",
        "next_action": "the province writes to the hotel",
        "due": "2021-05-12",
    }
}


def _blocked() -> Facility:
    return facility(**BLOCK)


@FEW
@given(recorded=RECORDED)
def test_what_blocks_a_facility_changes_no_state(recorded: list[Past]) -> None:
    evidence = read(recorded)
    assert (
        progress_of_facility(outline_of(_blocked()), evidence).state
        is progress_of_facility(outline_of(AGREED), evidence).state
    )


@FEW
@given(site=FILES, recorded=RECORDED)
def test_only_who_was_never_connected_is_overdue(site: Facility, recorded: list[Past]) -> None:
    order = {"ref": "1407/BTTTT-CVT", "issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-10"}
    world = make.inventory(instructions=[order | {"scope": ["ubnd_tinh"]}]).model_copy(
        update={"facilities": {NAME: site}}
    )
    evidence: Evidence = read(recorded)
    (status,) = statuses(outlined(world), evidence, NOW)
    connected_at = status.standing.connected_at
    if connected_at is None:
        empty = site.operating in {Operating.CLOSED, Operating.STANDBY}
        assert status.timeliness is (Timeliness.NOT_BOUND if empty else Timeliness.OVERDUE)
    else:
        early = connected_at < datetime(2021, 5, 9, 17, tzinfo=UTC)
        assert status.timeliness is (Timeliness.ON_TIME if early else Timeliness.LATE)


def test_a_day_that_counts_for_nothing_and_a_scope_that_is_denied_are_reasons() -> None:
    out_of_scope = BLOCK["blocked"] | {"reason": "not_in_scope"}
    site = facility(blocked=out_of_scope)
    order = {"issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-10"}
    orders = [
        order | {"ref": "1/CV", "scope": ["ubnd_tinh"]},
        order | {"ref": "2/CV", "scope": ["quan_doi"], "facilities": {NAME: "2021-05-20"}},
    ]
    world = make.inventory(instructions=orders).model_copy(update={"facilities": {NAME: site}})
    (status,) = statuses(outlined(world), NO_EVIDENCE, NOW)
    grounds = Grounds(site, status.standing, NO_EVIDENCE, status.duties, world.instructions, Places({}))
    texts = [reason.text for reason in reasons(grounds)]
    assert "2/CV has a day for it, and does not bind it" in texts
    assert "it is said to be out of scope, and 1/CV binds it" in texts
