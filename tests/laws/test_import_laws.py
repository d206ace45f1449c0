"""Laws of imports: no cell and no file makes one fail, and what was imported or exported once changes nothing again."""

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.base.spreadsheet import neutral
from provisioner.base.vietnamese import legacy_encoding
from provisioner.importing.forms import choices
from provisioner.importing.forms.columns import Column, Form
from provisioner.importing.forms.forms import FORMS
from provisioner.importing.forms.values import decimal, unquoted
from provisioner.importing.grid import Cell, FileRefusedError, FindingLevel, Grid, MergedRange
from provisioner.importing.proposal.build import propose
from provisioner.importing.proposal.proposal import Baseline, Proposal
from provisioner.importing.report.messages import wording
from provisioner.importing.tables.files import grids_of, read_records, sheets_of
from provisioner.importing.write import TemplateContent, decimal_text
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.devices import Zone
from provisioner.inventory.model.inventory import Inventory
from tests import inventories as make
from tests.unit.importing import sheets as made

ANY_CELL = st.one_of(
    st.text(max_size=30),
    st.text("0123456789.,-/:;+ eExX\n", max_size=20),
    st.sampled_from(["nt", '"', "như trên", "kcl-bg-001", "kcl-bg-002", "Bắc Giang", "24", "cam-01", "nvr-01", "x"]),
    st.sampled_from([word for choice in (choices.ZONES, choices.DEVICES, choices.OBSTACLES) for word in choice.labels]),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.none(),
)
# What reads as a word of an older encoding ("Tráa" is one of TCVN3) is refused as such, and so is none of these.
WORDS = (
    st.text("abcdđeêghiouưáảãạ ắ", min_size=1, max_size=12)
    .map(lambda text: "Tr" + " ".join(text.split()))
    .filter(lambda text: legacy_encoding(text) is None)
)


def grid_of(form: Form, rows: Sequence[Sequence[object]], **changes: Any) -> Grid:
    columns = [column.header for column in form.columns]
    cells: dict[int, dict[int, Cell]] = {}
    for number, row in enumerate([columns, *rows], start=1):
        cells[number] = {
            place: Cell(number, place, value) for place, value in enumerate(row, start=1) if value is not None
        }
    return Grid(form.title, cells, **changes)


def proposed(
    grids: Sequence[Grid], inventory: Inventory | None = None, files: Mapping[str, bytes] | None = None
) -> Proposal:
    known = inventory or make.inventory()
    texts = files or {"kcl-bg-001": json.dumps(make.facility()).encode()}
    records, findings = read_records(sheets_of("law.xlsx", grids))
    there = Baseline(known, frozenset(), texts.__getitem__, None, made.TODAY)
    return propose(records, there, {"bac-giang": ()}, findings)


@settings(max_examples=100)
@given(st.data())
def test_no_cell_makes_an_import_fail_and_everything_found_has_words(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(FORMS))
    rows = data.draw(st.lists(st.lists(ANY_CELL, min_size=1, max_size=len(form.columns)), max_size=4))
    edges = st.integers(1, 6)
    merged = data.draw(st.lists(st.builds(MergedRange, edges, edges, edges, edges), max_size=2))
    hidden = data.draw(st.frozensets(st.integers(1, 6), max_size=2))
    grid = grid_of(form, rows, merged=tuple(merged), hidden_rows=hidden, hidden_columns=hidden)
    proposal = proposed([grid])
    for finding in proposal.findings:
        for language in Language:
            assert all(wording(finding.remark, language))
    for edit in proposal.changed:
        assert parse(edit.after).faults == ()


@settings(max_examples=60)
@given(st.data())
def test_a_right_row_with_one_wild_cell_is_right_or_a_finding(data: st.DataObject) -> None:
    """A cell that is not taken has a finding at its own place, or its row has; nothing is lost without a word."""
    column = data.draw(st.integers(0, len(made.CAMERA_HEADER) - 1))
    wild = data.draw(st.text(min_size=1, max_size=12).filter(lambda text: text.strip()))
    row = list(made.camera_row("cam-02", 12))
    row[column] = wild
    header = {place: Cell(1, place, text) for place, text in enumerate(made.CAMERA_HEADER, start=1)}
    cells = {place: Cell(2, place, value) for place, value in enumerate(row, start=1)}
    proposal = proposed([Grid("Camera", {1: header, 2: cells})])
    findings = [f for f in proposal.findings if f.position.row == 2 and f.remark.level is not FindingLevel.NOTE]
    assert findings or proposal.changed


@given(st.sampled_from([(form, column) for form in FORMS for column in form.columns]), st.data())
def test_a_header_is_known_however_it_is_typed(known: tuple[Form, Column], data: st.DataObject) -> None:
    form, column = known
    names = [column.key, column.header, *filter(None, column.aliases.split("|"))]
    name = data.draw(st.sampled_from(names))
    shaped = data.draw(st.sampled_from([name.upper(), name.lower(), name.title(), name]))
    composed = data.draw(st.sampled_from([shaped, unicodedata.normalize("NFD", shaped)]))
    space = data.draw(st.sampled_from([" ", "\n", "  ", "\u00a0", "\r\n"]))
    around = data.draw(st.sampled_from(["{}", " {} ", "{}*", "{} (*)", "{}:", "1. {}", "\u200b{}"]))
    text = around.format(composed.replace(" ", space))
    match = form.find(text)
    assert match is not None
    assert match.key == column.key


@settings(max_examples=30)
@given(st.lists(st.tuples(WORDS, st.sampled_from(choices.KINDS.labels), st.integers(1, 500)), max_size=5), st.data())
def test_a_second_import_changes_no_byte(facilities: list[tuple[str, str, int]], data: st.DataObject) -> None:
    header = (*made.FACILITY_HEADER, "Sức chứa")
    rows = [(*made.facility_row(name, kind=kind), people) for name, kind, people in facilities]
    ids = st.sampled_from(["cam-01", "cam-02", "cam-03", None])
    devices = data.draw(
        st.lists(st.tuples(ids, st.integers(11, 20), st.sampled_from(choices.ZONES.labels)), max_size=5)
    )
    cameras = [made.camera_row(name, host, zone=zone) for name, host, zone in devices]
    grids = [_plain("Cơ sở", [header, *rows]), _plain("Camera", [made.CAMERA_HEADER, *cameras])]
    inventory, files = make.inventory(), {"kcl-bg-001": json.dumps(make.facility()).encode()}
    first = proposed(grids, inventory, files)
    files |= {edit.facility: edit.after for edit in first.edits.values()}
    after = [validated(type(inventory.facilities["kcl-bg-001"]), parse(text).value) for text in files.values()]
    second = proposed(grids, inventory.model_copy(update={"facilities": {f.id: f for f in after}}), files)
    assert [(edit.facility, edit.changes) for edit in second.changed] == []
    errors = [[f for f in p.findings if f.remark.level is FindingLevel.ERROR] for p in (first, second)]
    assert [(f.position, f.remark.code) for f in errors[0]] == [(f.position, f.remark.code) for f in errors[1]]


def _plain(name: str, rows: Sequence[Sequence[object]]) -> Grid:
    cells = {
        number: {
            place: Cell(number, place, value) for place, value in enumerate(row, start=1) if value not in (None, "")
        }
        for number, row in enumerate(rows, start=1)
    }
    return Grid(name, cells)


STREAMS = st.fixed_dictionaries(
    {"width": st.integers(16, 7680), "height": st.integers(16, 4320)},
    optional={
        "codec": st.sampled_from(["h264", "h265"]),
        "kbps": st.integers(16, 100_000),
        "fps": st.integers(1, 120),
        "rtsp_path": st.sampled_from(["/1", "/a?b=c&d", "/Streaming/Channels/101"]),
    },
)


@st.composite
def facilities(draw: st.DrawFn) -> dict[str, Any]:
    days = st.dates(date(2021, 1, 1), date(2021, 5, 8)).map(str)
    both = st.fixed_dictionaries({"sub": STREAMS}, optional={"main": STREAMS})
    cameras = []
    for number in range(draw(st.integers(0, 3))):
        own = draw(st.booleans())
        extra: dict[str, Any] = {"zone": draw(st.sampled_from([z.value for z in Zone])), "streams": draw(both)}
        extra |= draw(st.fixed_dictionaries({}, optional={"location": WORDS, "model": WORDS, "audio": st.booleans()}))
        name = f"cam-{number:02}"
        cameras.append(make.camera(name, 11 + number, **extra) if own else make.channel(name, number + 1, **extra))
    survey = make.survey(
        surveyed_on=draw(days),
        by=draw(st.lists(st.sampled_from(["dic", "health", "carrier"]), min_size=1, unique=True)),
        gaps=draw(st.lists(st.sampled_from([z.value for z in Zone]), unique=True, max_size=3)),
        uplink={
            "kind": "fibre",
            "upload_mbps": draw(st.integers(1, 10**6).map(lambda n: n / 1000)),
            "provider": draw(WORDS),
        },
        advice=draw(st.sampled_from(["Bổ sung 2 camera", "=1+1", "-nhanh", "@", "'=x", "+ 1"])),
    )
    changes: dict[str, Any] = {
        "survey": survey,
        "opened_on": draw(days),
        "opens_on": draw(days),
        "operating": draw(st.sampled_from(["open", "preparing"])),
        "managing_body": draw(st.sampled_from(["ubnd_tinh", "ubnd_xa"])),
        "location": draw(st.fixed_dictionaries({}, optional={"street": WORDS, "ward": WORDS, "district": WORDS})),
        "capacity": {"people": draw(st.integers(1, 999))},
        "recorders": [make.recorder(port=draw(st.sampled_from([554, 8554])), analog_channels=8)],
        "cameras": cameras,
        "plan": {"state": "proposed", "carrier": "viettel", "relay": "relay-viettel-1"},
    }
    if draw(st.booleans()):
        blocked = {"reason": "no_uplink", "owner": "dic", "since": "2021-05-01", "next_action": draw(WORDS)}
        changes["blocked"] = blocked | {"due": "2021-06-01"}
    if draw(st.booleans()):
        counts = st.fixed_dictionaries({}, optional={"cameras": st.integers(0, 10_000)})
        changes["claimed_connection"] = {"connected_on": draw(days), "source": draw(WORDS), **draw(counts)}
    return make.facility(**changes) | {"name": draw(WORDS)}


@settings(max_examples=40)
@given(facilities())
def test_what_is_exported_and_read_back_changes_nothing(plain: dict[str, Any]) -> None:
    inventory = make.inventory(facilities=[plain])
    grids = [_exported(TemplateContent(inventory, "bac-giang"), form) for form in FORMS]
    proposal = proposed(grids, inventory, {"kcl-bg-001": json.dumps(plain).encode()})
    assert [(f.position, f.remark) for f in proposal.findings if f.remark.level is FindingLevel.ERROR] == []
    assert [edit.changes for edit in proposal.changed] == []
    assert set(proposal.edits) == {"kcl-bg-001"}
    # A facility that lacks the claim gets the same one.
    claim = plain.pop("claimed_connection", None)
    again = proposed(grids[:1], make.inventory(facilities=[plain]), {"kcl-bg-001": json.dumps(plain).encode()})
    after = parse(again.edits["kcl-bg-001"].after).value
    assert isinstance(after, dict)
    assert after.get("claimed_connection") == claim


@settings(max_examples=60)
@given(st.sampled_from(["connected_on", "claim_source", "claimed_cameras"]), st.text(min_size=1, max_size=9))
def test_no_cell_of_a_claim_is_dropped(key: str, wild: str) -> None:
    values = {"connected_on": "20/05/2021", "claim_source": "02/PL", "claimed_cameras": "8 camera", key: wild}
    header = [*made.FACILITY_HEADER, *(FORMS[0].by_key[name].header for name in values)]
    proposal = proposed([_plain("Cơ sở", [header, (*made.facility_row("Trường"), *values.values())])])
    edits = [parse(edit.after).value for edit in proposal.changed]
    claims = [one["claimed_connection"] for one in edits if isinstance(one, dict) and "claimed_connection" in one]
    own = {"connected_on": "connected_on", "claim_source": "source", "claimed_cameras": "cameras"}[key]
    assert not wild.strip() or proposal.findings or (claims and own in claims[0])


def _exported(content: TemplateContent, form: Form) -> Grid:
    """An export's cells as the template holds them, without the workbook around them."""
    rows = [[neutral(line.get(column.key, "")) for column in form.columns] for line in content.rows(form.kind)]
    return _plain(form.title, [[column.header for column in form.columns], *rows])


@given(st.text(max_size=12))
def test_what_is_neutralised_is_no_formula_and_comes_back(text: str) -> None:
    assert not neutral(text).startswith(("=", "-", "@"))
    assert unquoted(neutral(text)) == text


@given(st.integers(1, 10**8).map(lambda number: number / 10_000))
def test_a_fraction_comes_back(number: float) -> None:
    assert decimal(10**6)(Cell(1, 1, decimal_text(number))).value == number


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_make_reading_fail(data: bytes) -> None:
    with suppress(FileRefusedError):
        sheets_of("x", grids_of(data))


WORKBOOK = made.book({"Camera": [made.CAMERA_HEADER, made.camera_row()], "Cơ sở": [made.FACILITY_HEADER]})


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, len(WORKBOOK) - 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_no_damage_to_a_workbook_makes_reading_fail(damages: list[tuple[int, int]]) -> None:
    data = bytearray(WORKBOOK)
    for place, value in damages:
        data[place] = value
    with suppress(FileRefusedError):
        sheets_of("x", grids_of(bytes(data)))


@given(
    st.lists(st.lists(st.text("abđắ ;,\t\"'x1\n", max_size=6), min_size=6, max_size=6), max_size=4),
    st.sampled_from(";,\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv_is_read_as_it_was_written(rows: list[list[str]], separator: str, encoding: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([list(made.CAMERA_HEADER), *rows])
    (grid,) = grids_of(out.getvalue().encode(encoding))
    read = [[grid.at(number, column).text for column in range(1, 7)] for number in range(1, len(rows) + 2)]
    assert read == [list(made.CAMERA_HEADER), *rows]
