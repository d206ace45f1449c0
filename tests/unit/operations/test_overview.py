"""An overview: what lists of all facilities say of outlines is what they say of whole facilities."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from provisioner.base.text import VIETNAM, Document
from provisioner.desired.limit import Limit
from provisioner.inventory.files.yaml import read_carefully
from provisioner.inventory.loader.load import load
from provisioner.inventory.loader.site import as_json, content_of
from provisioner.inventory.model.free_texts import WITHHELD
from provisioner.inventory.outline import outlined
from provisioner.inventory.signed import agreed_on, signed_content
from provisioner.operations.edit.sign_off import Agreement, statement_of
from provisioner.operations.questions.overview import Overview, overview
from provisioner.record.lifecycle.state import FacilityState
from provisioner.record.lifecycle.status import statuses
from provisioner.report.exports import REPORTS, FacilityList
from provisioner.report.status import status_document
from tests.inventories import WholeFacilities
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


def documents(listing: FacilityList, whole: Overview) -> list[Document]:
    reports = [report.document(report.count(listing), listing) for report in REPORTS.values()]
    status = status_document(listing.statuses, whole.evidence, whole.now, {}, files=listing.files)
    return [document | {"facilities": list(document.get("facilities", ()))} for document in (status, *reports)]


def test_what_is_said_of_outlines_is_what_is_said_of_the_whole(root: Path, env: Mapping[str, str]) -> None:
    whole = overview(root, {}, NOW)
    facilities = whole.whole_inventory.facilities
    judged = statuses(outlined(whole.whole_inventory), whole.evidence, NOW)
    read_whole = FacilityList(judged, whole.inventory.province_today, WholeFacilities(facilities))
    wanted = documents(read_whole, whole)
    for environment in ({}, env, env):
        known = overview(root, environment, NOW)
        assert list(known.inventory.facilities) == list(facilities)
        listing = FacilityList(known.statuses((), Limit()), known.inventory.province_today, known)
        assert documents(listing, known) == wanted


def test_a_password_in_a_camera_text_leaves_a_signed_plan_agreed(tmp_path: Path) -> None:
    root = tmp_path / "inv"
    generate(root, Country(facilities=80, cameras=400, seed=11))
    facilities = overview(root, {}, NOW).whole_inventory.facilities.values()
    site = next(f for f in facilities if f.cameras[0].location and f.plan and agreed_on(f, f.plan))
    path, location = next(root.glob(f"facilities/*/{site.id}.yml")), site.cameras[0].location
    text = path.read_text(encoding="utf-8").replace(f"location: {location}", "location: 'password: Hv9#kQ2x'", 1)
    path.write_text(text, encoding="utf-8")
    edited = overview(root, {}, NOW).loaded.facility(site.id)
    assert site.plan
    signed = text.replace(signed_content(site, site.plan), signed_content(edited, site.plan))
    assert signed != text
    path.write_text(signed, encoding="utf-8")
    known = overview(root, {}, NOW)
    (status,) = known.statuses([site.id], Limit())
    assert status.standing.state is not FacilityState.PLAN_PROPOSED
    assert status.standing.since == agreed_on(site, site.plan)
    assert known.facility(site.id).cameras[0].location == WITHHELD


def test_the_digest_is_the_same_however_it_is_come_by(root: Path, env: Mapping[str, str]) -> None:
    fresh, known = load(root, today=TODAY), overview(root, env, NOW).loaded
    assert known.digest == fresh.digest
    for name, text in texts(root).items():
        assert fresh.contents()[name] == content_of(text, "")


def texts(root: Path) -> dict[str, str]:
    """What facilities' files say, as JSON, read event by event."""
    paths = sorted(root.glob("facilities/*/*.yml"))
    values = {path: read_carefully(path.read_bytes()).value for path in paths}
    return {path.relative_to(root).as_posix(): as_json(value) for path, value in values.items()}


def test_a_statement_is_the_same_with_what_earlier_runs_read(root: Path, env: Mapping[str, str]) -> None:
    facilities = overview(root, env, NOW).inventory.facilities.values()
    name = next(f.id for f in facilities if f.plan and f.plan.agreed)
    agreement = Agreement(name, "plan", ("dic",), TODAY, "invented minutes")
    wanted = statement_of(root, agreement, today=TODAY)
    assert statement_of(root, agreement, today=TODAY, environment=env) == wanted
