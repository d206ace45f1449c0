"""Laws of pictures: up now is what the last look saw, not long ago; what was once proved hides no outage."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.outline import outline_of
from provisioner.inventory.signed import signed_content
from provisioner.record.entries import Ending, FacilityCheck, Operation
from provisioner.record.lifecycle.state import AHEAD, STALE, freshness, pictures_of, progress_of_facility
from provisioner.report.status import freshness_label, freshness_line
from tests import histories
from tests import inventories as make
from tests.histories import HOUR, START, content
from tests.pasts import Past, pasts, read

FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
NAME, OTHER = "kcl-bg-001", "kcl-bg-002"
CAMERAS = [make.camera(), make.camera("cam-02", 12)]


def facility(**changes: Any) -> Facility:
    """A facility with as many cameras as the pasts have paths."""
    return make.inventory(facilities=[make.facility(**({"cameras": CAMERAS} | changes))]).facilities[NAME]


AGREED = facility()
assert AGREED.plan
SIGNED = signed_content(AGREED, AGREED.plan)
RECORDED = pasts(contents=(SIGNED, SIGNED, content(9)), facilities=(NAME, OTHER), hosts=("relay-viettel-1",))
SITES = st.sampled_from(
    [
        AGREED,
        facility(operating="preparing", opens_on="2021-06-01"),
        facility(operating="standby"),
        facility(operating="closed"),
        facility(plan={"state": "proposed", "carrier": "viettel", "relay": "relay-viettel-1"}),
    ]
)
NOWS = st.integers(0, 100).map(lambda hours: START + hours * HOUR)


def on_relay(recorded: list[Past]) -> list[Past]:
    """The pasts, with every check made over the relay of the plan."""
    return [replace(past, ending=_on_relay(past.ending) if past.ending else None) for past in recorded]


def _on_relay(ending: Ending) -> Ending:
    return replace(ending, checks=tuple(replace(check, relay="relay-viettel-1") for check in ending.checks))


def looks_at(recorded: list[Past]) -> list[tuple[FacilityCheck, Past]]:
    """Every check of what is signed now, in the order of its moments."""
    ended = [(check, past) for past in recorded if past.ending for check in past.ending.checks]
    return sorted(((c, p) for c, p in ended if (c.facility, c.content) == (NAME, SIGNED)), key=lambda one: one[0].at)


@FEW
@given(site=SITES, recorded=RECORDED, now=NOWS)
def test_cameras_add_up_and_none_is_up_that_no_host_pulls(site: Facility, recorded: list[Past], now: datetime) -> None:
    pictures = pictures_of(outline_of(site), read(on_relay(recorded)), now)
    counts = (pictures.up, pictures.down, pictures.unknown)
    assert min(counts) >= 0
    assert sum(counts) == (pictures.cameras if site.rendered else 0)
    assert pictures.carried == site.rendered
    if not site.rendered:
        assert (pictures.is_up, pictures.look) == (None, None)


@FEW
@given(recorded=RECORDED, now=NOWS)
def test_up_now_is_what_the_last_look_saw_and_not_long_ago(recorded: list[Past], now: datetime) -> None:
    recorded = on_relay(recorded)
    looks = looks_at(recorded)
    pictures = pictures_of(outline_of(AGREED), read(recorded), now)
    last = looks[-1][0] if looks else None
    of_all = [p for p in recorded if p.ending and p.run.operation is Operation.VERIFY and not p.run.limit]
    latest = max(of_all, key=lambda p: (p.ending.finished if p.ending else START, recorded.index(p)), default=None)
    # The latest of the whole facility's checks over its relay may be one of another content.
    others = [c.at for p in recorded if p.ending for c in p.ending.checks if c.facility == NAME]
    seen = last is not None and last.at == max(others) and -AHEAD <= now - last.at <= STALE
    seen = seen and (latest is None or (last is not None and last.at >= latest.run.started))
    assert (pictures.look is not None) == seen
    if seen and last is not None:
        assert pictures.up == last.proved
    else:
        assert pictures.up == 0
        assert pictures.is_up is None


@FEW
@given(recorded=RECORDED, now=NOWS)
def test_nothing_is_up_and_down_at_once_and_connected_says_neither(recorded: list[Past], now: datetime) -> None:
    evidence = read(on_relay(recorded))
    pictures = pictures_of(outline_of(AGREED), evidence, now)
    if pictures.is_up:
        assert pictures.down_since is None
        assert pictures.last_proved is not None
        assert now - pictures.last_proved.at <= STALE
        assert progress_of_facility(outline_of(AGREED), evidence).is_connected
    if pictures.down_since:
        assert pictures.is_up is not True
        assert pictures.last_proved is not None
    if progress_of_facility(outline_of(AGREED), evidence).is_connected:
        assert pictures.last_proved is not None


@FEW
@given(recorded=RECORDED, now=NOWS, later=st.integers(0, 72))
def test_without_a_new_look_nothing_comes_up_with_time(recorded: list[Past], now: datetime, later: int) -> None:
    evidence = read(on_relay(recorded))
    # What a clock that is ahead saw says nothing until then: from the last look on there is no other.
    now = max([now, *(check.observed.at for checks in evidence.checks.values() for check in checks)])
    before, after = (pictures_of(outline_of(AGREED), evidence, now + hours * HOUR) for hours in (0, later))
    assert after.up <= before.up
    assert (after.last_proved, after.down_since) == (before.last_proved, before.down_since)


@FEW
@given(recorded=RECORDED)
def test_an_outage_in_every_later_look_takes_nothing_back_and_hides_nowhere(recorded: list[Past]) -> None:
    recorded = on_relay(recorded)
    evidence = read(recorded)
    whole = [check for check, _ in looks_at(recorded) if 0 < check.pulled == check.proved]
    dark = [check for check, _ in looks_at(recorded) if not whole or check.at > whole[-1].at]
    pictures = pictures_of(outline_of(AGREED), evidence, START + 200 * HOUR)
    failed = [check for check in dark if check.proved < check.checked]
    known = {shown.at for shown in evidence.declined.values()}
    if failed:
        assert failed[0].at in known
    looks = [check for past in recorded if past.ending for check in past.ending.checks if check.facility == NAME]
    if pictures.down_since:
        # An edit during an outage starts no new one: it began with the content of that day.
        assert pictures.down_since.at in {check.at for check in looks if check.proved < check.checked}
    now = pictures_of(outline_of(AGREED), evidence, max([START, *(check.at for check in looks)]))
    if now.is_up is False and now.last_proved:
        assert now.down_since


@FEW
@given(recorded=RECORDED, now=NOWS, sites=st.lists(SITES, max_size=3))
def test_the_age_of_each_proof_is_said(recorded: list[Past], now: datetime, sites: list[Facility]) -> None:
    evidence = read(on_relay(recorded))
    fresh = freshness(evidence, now, [pictures_of(outline_of(site), evidence, now) for site in sites])
    verified = [p.ending.finished for p in recorded if p.ending and p.run.operation is Operation.VERIFY]
    assert fresh.is_stale == (not verified or now - max(verified) > STALE)
    assert fresh.unseen <= fresh.carried <= len(sites)
    line = freshness_line(fresh)
    assert line.startswith("last verification: ")
    assert ("stale" in line) == (fresh.is_stale and bool(verified))
    assert freshness_label(fresh)


@given(hours=st.integers(0, 1000), minutes=st.integers(0, 59))
def test_an_age_says_its_two_largest_parts(hours: int, minutes: int) -> None:
    past = timedelta(hours=hours, minutes=minutes)
    evidence = read([_night(START - past)])
    line = freshness_line(freshness(evidence, START, ()))
    days, rest = divmod(hours, 24)
    words = f"{days} day{'' if days == 1 else 's'} {rest} h" if days else f"{rest} h {minutes} min"
    assert (words if hours else f"{minutes} min") + " ago" in line


def _night(finished: datetime) -> Past:
    return Past(histories.run(1, started=finished - HOUR), (), histories.ending(1, finished=finished))


def test_only_sites_with_people_in_them_or_to_come_are_carried() -> None:
    carried = {operating for operating in Operating if operating.is_carried}
    assert carried == {Operating.OPEN, Operating.PREPARING}
