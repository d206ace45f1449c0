"""What a host remembers of who began to change it, and whom it lets begin."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.change import transaction
from provisioner_host.change.transaction import Transaction
from provisioner_host.machine import files, paths
from provisioner_host.state import dead_man, last_good, leases, removed
from tests.hostile import NODE, RELAY

BEGINNINGS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=20)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's folders of state, written to without owners; nothing is armed, and nothing waits to be buried."""

    def write(path: Path, document: object) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")

    for name in ("STATE", "EPOCH", "LEASE", "RECEIPTS", "ARMED", "RUN"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(files, "write_json", write)
    monkeypatch.setattr(files, "folder", lambda path, _mode: path.mkdir(exist_ok=True))
    monkeypatch.setattr(dead_man, "armed", lambda: None)
    monkeypatch.setattr(removed, "finish_interrupted_tombstones", list)
    return tmp_path


def change(host: Path, run: str, number: int | None) -> Transaction:
    request: Any = {"run": run, "who": "noc", "confirm_s": 60.0}
    return Transaction(request if number is None else request | {"epoch": number}, host)


@given(BEGINNINGS)
def test_whoever_may_begin_none_that_is_older_or_of_the_same_number_may(beginnings: list[tuple[str, int]]) -> None:
    last: Any = None
    for run, number in beginnings:
        refused = leases.epoch_refusal(last, run, number)
        may = last is None or number > last["number"] or (number == last["number"] and run == last["run"])
        assert bool(refused) is not may
        if may:
            last = {"number": number, "run": run}


@NODE
def test_no_run_takes_all_numbers_that_are_left() -> None:
    last: Any = {"number": 7, "run": "run-1"}
    assert leases.epoch_refusal(last, "run-2", 2**53)
    assert leases.epoch_refusal(last, "run-2", 7 + 1_000_001)
    assert not leases.epoch_refusal(last, "run-2", 7 + 1_000_000)


def test_a_run_that_begins_is_remembered_and_an_older_one_is_refused_with_a_receipt(host: Path) -> None:
    assert transaction.begin(change(host, "run-2", 7)) is None
    held = leases.last_epoch()
    assert held is not None
    assert (held["number"], held["run"]) == (7, "run-2")
    leases.release("run-2")
    answer = transaction.begin(change(host, "run-1", 6))
    assert answer is not None
    assert (answer["outcome"], answer["receipt"]) == ("stale", str(paths.RECEIPTS / "run-1.json"))
    assert answer["cause"].startswith("run run-2 of noc began here at ")
    receipt = last_good.receipt_of("run-1")
    assert receipt is not None
    assert (receipt["outcome"], receipt["cause"]) == ("stale", answer["cause"])
    assert leases.epoch_number() == 7
    assert leases.holder() is None, "who may not begin holds nothing"


def test_the_same_run_may_begin_again_and_another_of_its_number_may_not(host: Path) -> None:
    assert transaction.begin(change(host, "run-1", 3)) is None
    assert transaction.begin(change(host, "run-1", 3)) is None
    leases.release("run-1")
    other = transaction.begin(change(host, "run-2", 3))
    assert other is not None
    assert other["outcome"] == "stale"


def test_a_controller_of_before_brings_none_and_leaves_what_is_there(host: Path) -> None:
    assert transaction.begin(change(host, "run-1", 3)) is None
    leases.release("run-1")
    assert transaction.begin(change(host, "run-2", None)) is None
    assert leases.epoch_number() == 3


@RELAY
@pytest.mark.parametrize("content", ["", "{", "[]", '{"number": "7", "run": "x"}', '{"number": 7}'])
def test_what_is_damaged_holds_nobody_back(host: Path, content: str) -> None:
    paths.EPOCH.write_text(content, encoding="utf-8")
    assert leases.epoch_number() == 0
    assert transaction.begin(change(host, "run-1", 1)) is None
    assert leases.epoch_number() == 1
