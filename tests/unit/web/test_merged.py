"""What several verifications say together, and what a document that somebody changed says: nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.history.records import Operation, Recorded
from provisioner.verify.result import Verdict
from provisioner.web.merged import merged
from provisioner.web.source import last_words
from tests import histories
from tests.boards import AT, document
from tests.hostile import LOCAL_USER

CAMERA = "bac-giang/kcl-bg-002/cam-01/sub"
LATER = AT + timedelta(hours=3)


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
    both = merged([document(), later("bac-giang")])
    alone = merged([document()])
    assert both.paths.keys() == alone.paths.keys()
    assert both.paths[CAMERA].verdict == "up"
    assert [one.object for one in both.broken] == ["kcl-hd-001"]
    assert (both.verified_at, both.oldest_at) == (LATER, AT)
    others = {name: row for name, row in alone.paths.items() if not name.startswith("bac-giang/")}
    assert {name: both.paths[name] for name in others} == others


def test_an_incident_keeps_only_the_paths_that_still_hang_on_it() -> None:
    found = later("hai-duong")
    found["paths"] = found["paths"][:1]
    assert len(merged([document()]).broken[0].paths) == 3
    both = merged([document(), found])
    assert [len(one.paths) for one in both.broken] == [2, 1]


def test_what_a_later_look_left_out_takes_nothing_back() -> None:
    both = merged([document(), later("bac-giang", verdict="unknown", cause="not asked for")])
    assert both.paths[CAMERA].verdict == "down"
    assert len(both.broken) == 2


def test_what_no_path_hangs_on_counts_only_where_it_was_seen_last() -> None:
    disk: dict[str, Any] = {"layer": "host", "object": "relay-1", "cause": "disk full", "detail": "", "paths": []}
    first, second = document(), document(LATER)
    first["incidents"].append(disk)
    assert "relay-1" in [one.object for one in merged([first]).broken]
    assert "relay-1" not in [one.object for one in merged([first, second]).broken]


def test_the_latest_look_at_all_and_those_after_it_have_the_last_word() -> None:
    def recorded(number: int, *limit: str, operation: Operation = Operation.VERIFY, ended: bool = True) -> Recorded:
        finished = histories.ending(number).finished if ended else None
        return Recorded(histories.run(number, operation, limit=limit), finished, "up" if ended else "")

    one = "province=bac-giang"
    runs = [recorded(1, one), recorded(2), recorded(3, one), recorded(4, operation=Operation.APPLY), recorded(5, one)]
    assert last_words([*runs, recorded(6, ended=False)]) == ["run-2", "run-3", "run-5"]
    assert last_words(runs[::-1]) == ["run-2", "run-3", "run-5"]
    assert last_words([runs[0], runs[2]]) == ["run-1", "run-3"]
    assert last_words([]) == []


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
    read = merged([found, found | {part: other}, {}])
    verdicts = {verdict.value for verdict in Verdict}
    assert all(row.verdict in verdicts and isinstance(row.detail, str) for row in read.paths.values())
