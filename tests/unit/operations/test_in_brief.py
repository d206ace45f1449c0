"""Facilities in brief: what is said of them is what is said of whole ones, and nothing of them is lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from provisioner.base.text import VIETNAM, Document
from provisioner.desired.limit import Limit
from provisioner.inventory.files.yaml import _read_carefully
from provisioner.inventory.loader.load import load
from provisioner.inventory.loader.site import as_json, content_of
from provisioner.inventory.model import Facility
from provisioner.inventory.model.inventory import FacilityInBrief
from provisioner.inventory.signed import proofs_of, signed_content
from provisioner.operations.edit.sign_off import Agreement, statement_of
from provisioner.operations.questions.overview import Overview, overview
from provisioner.report.exports import REPORTS, FacilityList
from provisioner.report.status import status_document
from tests.national import TODAY, Country, generate

NOW = datetime(2021, 6, 15, 8, tzinfo=VIETNAM)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country") / "inv"
    generate(folder, Country(facilities=80, cameras=400, seed=11))
    return folder


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = str(tmp_path_factory.mktemp("cache"))
    return {"XDG_CACHE_HOME": folder, "XDG_STATE_HOME": folder}


def documents(whole: Overview) -> list[Document]:
    listing = FacilityList(whole.statuses((), Limit()), whole.inventory.province_today)
    reports = [report.document(report.count(listing)) for report in REPORTS.values()]
    return [status_document(listing.statuses, whole.evidence, whole.now, {}), *reports]


def test_what_is_said_in_brief_is_what_is_said_of_the_whole(root: Path, env: Mapping[str, str]) -> None:
    wanted = documents(overview(root, env, NOW))
    assert documents(overview(root, {}, NOW, in_brief=True)) == wanted
    for _ in range(2):
        assert documents(overview(root, env, NOW, in_brief=True)) == wanted


def test_nothing_of_a_facility_is_lost(root: Path, env: Mapping[str, str]) -> None:
    brief = overview(root, env, NOW, in_brief=True).inventory.facilities
    whole = overview(root, env, NOW).inventory.facilities
    assert brief.keys() == whole.keys()
    assert all(isinstance(facility, FacilityInBrief) for facility in brief.values())
    for name, facility in whole.items():
        known = brief[name]
        assert (known.cameras, known.recorders) == (facility.cameras, facility.recorders)
        assert known.camera_count == len(facility.cameras)
        assert (known.survey, known.gateway, known.blocked) == (facility.survey, facility.gateway, facility.blocked)
        if facility.plan and known.plan:
            assert signed_content(known, known.plan) == signed_content(facility, facility.plan)
            assert proofs_of(known, known.plan) == proofs_of(facility, facility.plan)


def test_a_plan_that_is_not_its_own_is_judged_by_its_cameras(root: Path, env: Mapping[str, str]) -> None:
    known = next(
        f for f in overview(root, env, NOW, in_brief=True).inventory.facilities.values() if f.plan and f.cameras
    )
    assert known.plan
    other = known.plan.model_copy(update={"relay": "relay-elsewhere"})
    whole: Facility = load(root, today=TODAY).facility(known.id)
    assert signed_content(known, other) == signed_content(whole, other)


def test_the_digest_is_the_same_however_it_is_come_by(root: Path, env: Mapping[str, str]) -> None:
    fresh, known = load(root, today=TODAY), overview(root, env, NOW).loaded
    assert known.digest == fresh.digest
    for name, text in texts(root).items():
        assert fresh.contents()[name] == content_of(text, "")


def texts(root: Path) -> dict[str, str]:
    """What facilities' files say, as JSON, read event by event."""
    paths = sorted(root.glob("facilities/*/*.yml"))
    values = {path: _read_carefully(path.read_bytes(), marks=False).value for path in paths}
    return {path.relative_to(root).as_posix(): as_json(value) for path, value in values.items()}


def test_a_statement_is_the_same_with_what_earlier_runs_read(root: Path, env: Mapping[str, str]) -> None:
    facilities = overview(root, env, NOW).inventory.facilities.values()
    name = next(f.id for f in facilities if f.plan and f.plan.agreed)
    agreement = Agreement(name, "plan", ("dic",), TODAY, "invented minutes")
    wanted = statement_of(root, agreement, today=TODAY)
    assert statement_of(root, agreement, today=TODAY, environment=env) == wanted
