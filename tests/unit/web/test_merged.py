"""What several verifications say together, and what a document that somebody changed says: nothing."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import UnreadableError
from provisioner.inventory.outline import outlined
from provisioner.record.entries import Operation, Recorded, last_verifications
from provisioner.record.lifecycle.evidence import NO_EVIDENCE
from provisioner.record.lifecycle.status import statuses
from provisioner.verify.result import Verdict
from provisioner.web.board import BoardPath, Merged
from provisioner.web.source import build_board
from tests import histories
from tests.boards import AT, NOW, document, inventory, read
from tests.hostile import LOCAL_USER

CAMERA = "bac-giang/kcl-bg-002/cam-01/sub"
LATER = AT + timedelta(hours=3)


def by_name(both: Merged) -> dict[str, BoardPath]:
    return {row.name: row for row in both.paths}


def incidents(both: Merged) -> dict[str, int]:
    """How many paths hang on each broken thing."""
    made = build_board(inventory(), statuses(outlined(inventory()), NO_EVIDENCE, NOW), both, since={})
    return {one.object: len(one.paths) for one in made.incidents}


def later(*provinces: str, **changes: Any) -> dict[str, Any]:
    """A later verification of some provinces, in which every path has these changes."""
    found = document(LATER)
    found["paths"] = [
        path | {"verdict": "up", "cause": "", "failing": None} | changes
        for path in found["paths"]
        if path["province"] in provinces
    ]
    found["incidents"] = []
    return found


def test_a_later_look_at_one_province_leaves_what_is_known_of_the_others() -> None:
    both, alone = read(document(), later("bac-giang")), read(document())
    rows, before = by_name(both), by_name(alone)
    assert rows.keys() == before.keys()
    assert rows[CAMERA].verdict == "up"
    assert incidents(both) == {"kcl-hd-001": 3}
    assert (both.verified_at, both.oldest_at) == (LATER, AT)
    assert [rows[name] for name in rows if name[:4] != "bac-"] == [before[name] for name in rows if name[:4] != "bac-"]


def test_a_camera_that_is_down_is_no_second_incident_for_what_its_other_stream_lacks() -> None:
    seen = document()
    down = next(path for path in seen["paths"] if path["path"] == CAMERA)
    seen["paths"].append(down | {"path": f"{CAMERA[:-3]}main", "verdict": "degraded", "cause": "starved"})
    board = build_board(inventory(), statuses(outlined(inventory()), NO_EVIDENCE, NOW), read(seen), since={})
    of_camera = [one for one in board.incidents if one.object == "kcl-bg-002/cam-01"]
    assert [(one.cause, one.verdict, len(one.paths)) for one in of_camera] == [(down["cause"], "down", 2)]


def test_an_incident_keeps_only_the_paths_that_still_hang_on_it() -> None:
    found = later("hai-duong")
    found["paths"] = found["paths"][:1]
    assert incidents(read(document())) == {"kcl-hd-001": 3, "kcl-bg-002/cam-01": 1}
    assert incidents(read(document(), found)) == {"kcl-hd-001": 2, "kcl-bg-002/cam-01": 1}


def test_what_a_later_look_left_out_takes_nothing_back() -> None:
    both = read(document(), later("bac-giang", verdict="unknown", cause="not asked for"))
    assert by_name(both)[CAMERA].verdict == "down"
    assert len(incidents(both)) == 2


def test_what_no_path_hangs_on_counts_only_where_it_was_seen_last() -> None:
    disk: dict[str, Any] = {"layer": "host", "object": "relay-1", "cause": "disk full", "detail": "", "paths": []}
    first, second = document(), document(LATER)
    first["incidents"].append(disk)
    assert "relay-1" in incidents(read(first))
    assert "relay-1" not in incidents(read(first, second))


def test_a_path_that_comes_over_two_carriers_is_two_paths() -> None:
    found = document()
    camera = next(path for path in found["paths"] if path["path"] == CAMERA)
    other = {"relay": "relay-vnpt-1", "carrier": "vnpt", "verdict": "up", "cause": "", "failing": None, "layer": None}
    found["paths"].append(camera | other)
    both = read(found)
    assert [(row.relay, row.verdict) for row in both.paths if row.name == CAMERA] == [
        ("relay-viettel-1", "down"),
        ("relay-vnpt-1", "up"),
    ]
    assert incidents(both) == {"kcl-hd-001": 3, "kcl-bg-002/cam-01": 1}


def test_the_latest_look_at_all_and_those_after_it_have_the_last_word() -> None:
    def recorded(number: int, *limit: str, operation: Operation = Operation.VERIFY, ended: bool = True) -> Recorded:
        finished = histories.ending(number).finished if ended else None
        return Recorded(histories.run(number, operation, limit=limit), finished, "up" if ended else "")

    def last(runs: Iterable[Recorded]) -> list[str]:
        return [one.run.id for one in reversed(last_verifications(runs))]

    one = "province=bac-giang"
    runs = [recorded(1, one), recorded(2), recorded(3, one), recorded(4, operation=Operation.APPLY), recorded(5, one)]
    assert last([*runs, recorded(6, ended=False)]) == ["run-2", "run-3", "run-5"]
    assert last(runs[::-1]) == ["run-2", "run-3", "run-5"]
    assert last([runs[0], runs[2]]) == ["run-1", "run-3"]
    assert last([]) == []


BROKEN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@LOCAL_USER
@given(
    st.sampled_from(sorted(document()["paths"][0])),
    BROKEN,
    st.sampled_from(["paths", "incidents", "finished_at"]),
    BROKEN,
)
def test_a_document_that_somebody_changed_breaks_no_page(key: str, value: object, part: str, other: object) -> None:
    found = document()
    found["paths"][0] = found["paths"][0] | {key: value}
    for changed in (found, found | {part: other}, {}):
        with suppress(UnreadableError):
            verdicts = {verdict.value for verdict in Verdict}
            assert all(row.verdict in verdicts and isinstance(row.detail, str) for row in read(changed).paths)
