"""Seeded faults: a few in a minute or two, and all of them. The table of all of them is docs/reference/verdicts.md."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from .deployment import Deployment
from .seeded.__main__ import read, stored
from .seeded.fault import Fault
from .seeded.faults import FAULTS, SAMPLE
from .seeded.outcome import Judgement
from .seeded.run import Seeding
from .seeded.table import seen

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
_SAMPLE = tuple(fault for fault in FAULTS if fault.name in SAMPLE)


def wrong(
    deployment: Deployment, faults: tuple[Fault, ...], missed: Mapping[str, Judgement] = MappingProxyType({})
) -> list[str]:
    """What is wrong of these faults; of those that the page says are missed, only what is worse there."""
    possible = tuple(fault for fault in faults if deployment.engine.is_real or not fault.real_only)
    by_name = {fault.name: fault for fault in possible}
    judged = [Judgement(by_name[found.fault], found) for found in Seeding(deployment).results(possible, 1)]
    assert len(judged) == len(possible)
    return [
        f"{one.fault.name}: {one.fault.expected} was expected, and {seen(one.said)} was seen, {one.outcome.elsewhere}"
        for one in judged
        if not (one.is_right or _is_no_worse(one, missed.get(one.fault.name))) or not one.outcome.mended
    ]


def _is_no_worse(one: Judgement, before: Judgement | None) -> bool:
    if before is None or (one.false_up and not before.false_up) or (one.false_down and not before.false_down):
        return False
    return one.verdict_right or not before.verdict_right


@pytest.mark.soak
def test_a_sample_of_the_seeded_faults_is_named_and_placed(deployment: Deployment) -> None:
    assert len(_SAMPLE) == len(SAMPLE)
    assert wrong(deployment, _SAMPLE) == []


@pytest.mark.soak
def test_every_seeded_fault_is_as_the_page_has_it(deployment: Deployment) -> None:
    page = read(stored("real" if deployment.engine.is_real else "standin"))
    assert wrong(deployment, FAULTS, {one.fault.name: one for one in page if not one.is_right}) == []
