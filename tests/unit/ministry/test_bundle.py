"""A bundle as an attacker may make it: cut, altered, too large, nested, or with another's key."""

import json
import zlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import canonical_json
from provisioner.ministry import bundle
from provisioner.ministry.bundle import BundleError, Content
from tests.hostile import CONTROLLER
from tests.ministry import NOW, Reporter, facility, key_of, names_of, opened, signed

pytestmark = CONTROLLER
GOOD = Reporter().report([facility(), facility("kcl-bg-002", up=1, down=3)])
PLAIN: dict[str, Any] = orjson.loads(zlib.decompress(GOOD[76:]))


def refusal(made: bytes, *owners: str) -> str:
    with pytest.raises(BundleError) as caught:
        opened(made, *(owners or ("north",)))
    return str(caught.value)


def test_what_is_sealed_is_what_is_opened() -> None:
    one = opened(GOOD, "south", "north")
    assert one.report.facilities[1].paths[1].paths == 3
    assert one.report.at == NOW.replace(hour=1)
    assert one.hash == bundle.report_hash(canonical_json(one.report.plain))
    assert set(one.digests) == {"kcl-bg-001", "kcl-bg-002"}


def test_one_report_has_one_hash_however_it_is_packed() -> None:
    packed = zlib.compress(canonical_json(PLAIN), 1)
    head = GOOD[4:12]
    again = GOOD[:12] + key_of("north").sign(b"provisioner:controller-report:1\0" + head + packed) + packed
    assert again != GOOD
    assert opened(again, "north").hash == opened(GOOD, "north").hash


@given(data=st.data())
def test_no_byte_can_be_changed_and_none_left_out(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOOD) - 1))
    other = data.draw(st.integers(1, 255))
    altered = GOOD[:place] + bytes([GOOD[place] ^ other]) + GOOD[place + 1 :]
    for made in (altered, GOOD[:place], GOOD + bytes([other])):
        assert refusal(made)


def test_a_signature_of_another_key_is_none_under_any_keys_name() -> None:
    name = bytes.fromhex(next(iter(names_of("south"))))
    for made in (GOOD[:4] + name + GOOD[12:], GOOD[:12] + bytes(64) + GOOD[76:]):
        assert refusal(made, "south", "north") == "its signature does not fit: it is cut, altered or forged"


def test_a_key_that_is_not_known_is_named() -> None:
    assert refusal(GOOD, "south") == f"its key {next(iter(names_of('north')))} is not known here"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sequence": 0}, "sequence"),
        ({"sequence": "1"}, "sequence"),
        ({"sequence": 1.0}, "sequence"),
        ({"inventory": "../etc"}, "inventory"),
        ({"at": "2021-06-15"}, "at"),
        ({"at": "9999-12-31T23:59:59Z"}, "at"),
        ({"previous": "ff"}, "previous"),
        ({"kind": "other"}, "kind"),
        ({"kind": "changes"}, "report"),
        ({"removed": ["kcl-bg-009"]}, "report"),
        ({"content": "0" * 64}, "content does not fit"),
        ({"facilities": PLAIN["facilities"][::-1]}, "report"),
        ({"facilities": PLAIN["facilities"] * 2}, "report"),
        ({"facilities": {}}, "facilities"),
        ({"carriers": [{"id": f"c{n}", "name": ""} for n in range(1001)]}, "carriers"),
    ],
)
def test_a_report_is_refused_with_the_place_and_never_its_value(change: dict[str, Any], says: str) -> None:
    assert says in refusal(signed(PLAIN | change, "north"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cameras", -1),
        ("cameras", True),
        ("cameras", 2**41),
        ("name", "x" * 301),
        ("province", "<b>"),
        ("state", "green"),
        ("since", "yesterday"),
        ("since", "2021-13-01"),
        ("steps", {"connected": 7}),
        ("steps", {"unheard": None}),
        ("paths", [PLAIN["facilities"][0]["paths"][0]] * 129),
        ("seen", {"up": 1, "down": 0, "at": None}),
        ("duty", {"order": "x"}),
    ],
)
def test_a_row_is_refused_with_its_place(key: str, value: object) -> None:
    rows = [PLAIN["facilities"][0] | {key: value}, PLAIN["facilities"][1]]
    said = refusal(signed(PLAIN | {"facilities": rows}, "north"))
    assert "facilities.0" in said
    assert str(value) not in said


def test_words_of_a_later_version_are_read_as_unknown() -> None:
    row = PLAIN["facilities"][1]
    paths = [row["paths"][1] | {"verdict": "purple", "cause": "sunspots", "layer": "ether"}]
    later = row | {"paths": paths, "colour": "purple"}
    rows = [PLAIN["facilities"][0], later]
    digests = {one["id"]: bundle.row_digest(one) for one in rows}
    document = PLAIN | {"facilities": rows, "content": bundle.content_hash(digests), "weather": "fine"}
    read = opened(signed(document, "north"), "north").report.facilities[1].paths[0]
    assert (read.verdict, read.cause, read.layer) == ("unknown", "unknown", "stream")


def test_names_that_are_html_or_formulas_are_texts_and_lose_what_no_one_sees() -> None:
    row = facility(name='=HYPERLINK("x")<script>')
    hidden = replace(row, name="a\x1b[31m\u202eb")
    assert opened(Reporter().report([row]), "north").report.facilities[0].name == row.name
    name = opened(Reporter().report([hidden]), "north").report.facilities[0].name
    assert name.isprintable()


def test_a_document_that_is_nested_without_end_is_no_report() -> None:
    for canonical in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"", b"null", b"{"):
        packed = zlib.compress(canonical)
        name = GOOD[4:12]
        made = GOOD[:12] + key_of("north").sign(b"provisioner:controller-report:1\0" + name + packed) + packed
        assert refusal(made)


def test_two_values_of_one_key_are_no_canonical_form() -> None:
    text = canonical_json(PLAIN).decode().replace('"sequence":1', '"sequence":2,"sequence":1')
    for other in (text, json.dumps(PLAIN, sort_keys=True), json.dumps(PLAIN, separators=(",", ":"))):
        packed = zlib.compress(other.encode())
        name = GOOD[4:12]
        made = GOOD[:12] + key_of("north").sign(b"provisioner:controller-report:1\0" + name + packed) + packed
        assert refusal(made) == "it is not in canonical form"


def test_what_unfolds_without_end_is_not_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST_BYTES", 2**20)
    packed = zlib.compress(bytes(2**24), 9)
    name = GOOD[4:12]
    made = GOOD[:12] + key_of("north").sign(b"provisioner:controller-report:1\0" + name + packed) + packed
    assert refusal(made) == "unpacked it has more than 1 MiB"
    with pytest.raises(BundleError):
        bundle.sealed(bytes(2**24), key_of("north"))


def test_a_million_facilities_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [PLAIN["facilities"][0] | {"id": f"k{n:07}"} for n in range(100_001)]
    made = signed(PLAIN | {"facilities": rows}, "north")
    assert "facilities: too_long" in refusal(made)
    monkeypatch.setattr(bundle, "MOST_PACKED", len(made) - 1)
    assert "MiB" in refusal(made)


ROWS = st.lists(
    st.builds(facility, st.sampled_from([f"kcl-{n}" for n in range(6)]), up=st.integers(0, 3), down=st.integers(0, 3)),
    unique_by=lambda row: row.id,
    max_size=6,
)


@given(nights=st.lists(st.tuples(ROWS, st.booleans()), min_size=1, max_size=6))
def test_changes_lead_to_the_same_content_as_whole_reports(nights: list[tuple[list[Any], bool]]) -> None:
    reporter, content = Reporter(), Content()
    for number, (rows, changes) in enumerate(nights):
        one = opened(reporter.report(rows, changes=changes and number > 0), "north")
        content = content.after(one)
        assert dict(content.rows) == {row.id: row for row in rows}
        assert bundle.content_hash(content.digests) == one.report.content


@given(before=ROWS, after=ROWS, other=ROWS)
def test_changes_of_another_predecessor_are_refused(before: list[Any], after: list[Any], other: list[Any]) -> None:
    reporter = Reporter()
    reporter.report(before)
    changes = opened(reporter.report(after, changes=True), "north")
    elsewhere = Content().after(opened(Reporter().report(other), "north"))
    try:
        content = elsewhere.after(changes)
    except BundleError:
        return
    assert dict(content.rows) == {row.id: row for row in after}
