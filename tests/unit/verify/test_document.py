"""The document of a verification has one reader: pages, metrics and notices say the same of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import UnreadableError
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.integrations.alerting.metric_catalogue import PATH_STATE, VERDICT_STATES
from provisioner.integrations.alerting.metrics import RecordedLook, night_sheet
from provisioner.integrations.notify.news import night_of
from provisioner.verify.document import recorded_verification, verify_document
from provisioner.verify.result import Cause, Layer, Verdict
from provisioner.web.board import merged
from tests.boards import AT
from tests.boards import document as drawn
from tests.unit.verify.world import CENTRE, RELAY, answers, change, judged

OLDER = (
    *("carrier", "camera", "layer", "object", "detail", "failing", "last_proof", "maintenance", "to_look_at", "cause"),
)


def changed(**keys: Any) -> dict[str, Any]:
    """A verification with another first path; `...` leaves a key out."""
    document = drawn()
    first = document["paths"][0] | keys
    document["paths"][0] = {key: value for key, value in first.items() if value is not ...}
    return document


def readers(document: dict[str, Any]) -> tuple[str, str, str]:
    """The verdict of the first path by pages, metrics and notices."""
    read = recorded_verification(document)
    name = read.paths[0].path
    page = next(row.verdict for row in merged([read]).paths if row.name == name)
    sheet = night_sheet("example", [RecordedLook(AT - timedelta(hours=1), AT, whole=True, document=read)], AT)
    samples = (sample for family in sheet.families() for sample in family.samples)
    state = next(one.value for one in samples if one.name == PATH_STATE.name and one.labels["path"] == name)
    metric = next(verdict for verdict, value in VERDICT_STATES.items() if value == state)
    night = night_of(read, {}, inventory="example")
    notice = next((sight.verdict for sight in night.sights if sight.name == name), Verdict.MAINTENANCE)
    return page, metric, notice


@pytest.mark.parametrize("key", OLDER)
def test_a_key_that_an_older_version_did_not_write_stops_no_reader(key: str) -> None:
    verdict = drawn()["paths"][0]["verdict"]
    assert readers(changed(**{key: ...})) == (verdict, verdict, verdict)


def test_a_picture_of_an_older_version_is_read() -> None:
    picture = {"state": "good", "look": "full", "seconds": 8, "fps": 15, "kbps": 400, "suspects": [], "labels": []}
    row = recorded_verification(changed(picture=picture)).paths[0].picture
    assert row is not None
    assert row.undecided == ""


def test_a_word_of_a_later_version_says_no_more_than_that_it_is_unknown() -> None:
    later = changed(verdict="half up", cause="a cause of tomorrow", layer="a layer of tomorrow")
    assert readers(later) == ("unknown", "unknown", "unknown")
    first = recorded_verification(later).paths[0]
    assert (first.cause, first.layer) == (Cause.UNKNOWN, Layer.STREAM)


@pytest.mark.parametrize("key", ["path", "relay", "verdict", "facility"])
def test_a_path_that_nothing_can_be_said_of_is_refused_without_its_value(key: str) -> None:
    with pytest.raises(UnreadableError, match=rf"^verify\.paths\.0\.{key}: "):
        recorded_verification(changed(**{key: {"canary": 1}}))


@given(st.sampled_from(sorted(drawn())), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers()))
def test_any_document_is_read_or_refused(key: str, value: object) -> None:
    refused = ""
    try:
        recorded_verification(drawn() | {key: value})
    except UnreadableError as error:
        refused = str(error)
    assert not refused or refused.startswith(f"verify.{key}")


def test_what_was_made_is_what_is_read_again() -> None:
    unreachable = HostAnswer(CENTRE, CallOutcome.UNREACHABLE, error="ssh: no route")
    made = verify_document(judged(answers() | {CENTRE: unreachable}, {RELAY: [change()]}))
    printed = json.dumps(made.plain)
    assert recorded_verification(json.loads(printed)).plain == made.plain
    assert json.dumps(recorded_verification(json.loads(printed)).plain) == printed
