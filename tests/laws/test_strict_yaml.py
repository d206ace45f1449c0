"""Laws of the loader: any bytes give a value or faults, in bounded time, never a traceback."""

import json
import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.inventory.files.edit import render_mapping
from provisioner.inventory.files.layout import File
from provisioner.inventory.files.positions import KeyPath, PlacesIn
from provisioner.inventory.files.yaml import MAX_FAULTS, NOT_PLAIN, Document, parse, read_carefully, read_lines, resolve
from provisioner.inventory.loader.load import check, load
from provisioner.inventory.loader.site import MAX_FILE_BYTES, read
from provisioner.inventory.model.facility import Facility
from tests import inventories as make

EXAMPLE = Path(__file__).parents[2] / "inventories" / "example"
YAMLISH = st.text("abn0189:-?,[]{}&*!|>'\"%@`#~<=.+ \t\n\r\\x\u2028é\ufeff\x00", max_size=200)

KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8).filter(lambda key: key[0] != "-")

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def assert_sound(document: Document) -> None:
    for fault in document.faults:
        assert fault.line >= 1
        assert fault.column >= 1
        assert fault.code
        assert fault.hint
    json.dumps(document.value)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_faults_with_places(data: bytes) -> None:
    assert_sound(parse(data))


@given(YAMLISH)
def test_any_text_that_looks_like_yaml_gives_a_value_or_faults_with_places(text: str) -> None:
    assert_sound(parse(text.encode()))


@given(YAMLISH | st.dictionaries(KEYS, plain, max_size=5).map(render_mapping))
def test_the_quick_way_reads_what_the_careful_way_reads_or_gives_up(text: str) -> None:
    careful, quick = read_carefully(text.encode()), read_lines(text)
    if quick is not NOT_PLAIN:
        assert careful.faults == ()
        assert repr(quick) == repr(careful.value)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, plain, min_size=1, max_size=5), st.data())
def test_a_place_is_the_same_in_any_order_of_asking(mapping: dict[str, Any], data: st.DataObject) -> None:
    text = render_mapping(mapping).encode()
    paths = st.sampled_from(sorted(paths_in(mapping), key=str))
    beyond: st.SearchStrategy[KeyPath] = st.sampled_from([(), ("no-such-key",), (7,), ("no-such-key", 0)])
    asked = PlacesIn(text)
    for above, below, key in data.draw(st.lists(st.tuples(paths, beyond, st.booleans()), min_size=1, max_size=6)):
        path = (*above, *below)
        assert PlacesIn(text).nearest(path, key=key) == asked.nearest(path, key=key)


def paths_in(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from paths_in(below, (*path, key))


@given(st.binary(max_size=300) | YAMLISH.map(str.encode), st.lists(KEYS | st.integers(0, 3), max_size=4))
def test_a_place_in_any_bytes_is_a_place(data: bytes, path: list[str | int]) -> None:
    mark = PlacesIn(data).nearest(tuple(path))
    assert mark.line >= 1
    assert mark.column >= 1


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.from_regex(r"[-+0-9.eExo_:]{1,12}", fullmatch=True))
@example(".E0")
@example(".")
@example("1.e3")
@example("0x")
def test_a_number_is_what_yaml_1_2_calls_one_and_all_else_is_a_text(text: str) -> None:
    value = resolve(text)
    core = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
    if isinstance(value, str):
        assert value == text
        plain_number = r"[-+]?[1-9][0-9]{0,8}(\.[0-9]{1,9})?"
        assert not re.fullmatch(plain_number, text)
    else:
        assert re.fullmatch(core, text)
        assert value == (int(text, 0) if text[:2] in {"0x", "0o"} else float(text))


@given(st.dictionaries(KEYS, plain, max_size=5))
def test_what_we_write_reads_back_as_it_was(mapping: dict[str, Any]) -> None:
    document = parse(render_mapping(mapping).encode())
    assert document.faults == ()
    assert document.value == mapping


@pytest.mark.parametrize(
    "unit", ["[", "{a: ", "- ", "? ", "[[", "a:\n", "&a ", "!!a ", "'", '"', "|\n", "\t", "%", "*a "]
)
def test_repetition_ends_quickly(unit: str) -> None:
    started = time.process_time()
    assert_sound(parse(unit.encode() * 50_000))
    assert time.process_time() - started < 5


LARGEST = ["cameras:\n" + "- {id: X, zone: q, port: no}\n" * 40_000, "cameras: &a [*a, *a, *a]\n" * 40_000]
LARGEST_TOO = [
    "- {a: b, c: d}\n" * 100_000,
    "".join(f"k{n}: {n}\n" for n in range(90_000)),
    "cameras: [" + "1," * 500_000 + "]",
    "{" + ",".join(f"k{n}: 1" for n in range(90_000)) + "}",
    'name: "' + "\\x41" * 200_000 + '"',
    "name: " + "a b " * 250_000,
]


@pytest.mark.parametrize(
    "text",
    [*LARGEST, *(pytest.param(text, marks=pytest.mark.soak) for text in LARGEST_TOO)],
    ids=lambda text: text[:12],
)
def test_a_file_of_the_largest_size_is_refused_in_seconds(tmp_path: Path, text: str) -> None:
    data = text.encode()[:MAX_FILE_BYTES]
    assert len(data) > MAX_FILE_BYTES // 2
    file = File(tmp_path, "facilities/bac-giang/kcl-bg-001.yml", "facility/kcl-bg-001", Facility)
    started = time.process_time()
    content = read(file, data)
    assert time.process_time() - started < 15
    assert 0 < len(content.problems) <= MAX_FAULTS + 1
    assert all(problem.line >= 1 and problem.hint for problem in content.problems)


SITE = b"version: 1\ngateway:\n  lan: 192.168.1.0/24\n  wan: eth0\ncameras:\n  - id: cam-01\n    zone: san\n"
SLIPS: dict[str, tuple[bytes, str, int, str]] = {
    "a space of a block": (b"  lan", "\xa0\xa0lan", 3, "U+00A0"),
    "a space in a block": (b"  wan", " \u3000wan", 4, "U+3000"),
    "a space in a list": (b"    zone", "  \xa0 zone", 7, "U+00A0"),
    "a space of a list": (b"  - id", "\u2003- id", 6, "U+2003"),
    "a dash": (b"- id", "\u2013 id", 6, "U+2013"),
    "a minus": (b"- id: cam-01", "- id: a\n  \u2212 id: b", 7, "U+2212"),
    "a conflict": (b"  lan", "<<<<<<< HEAD\n  lan: 1\n=======\n  lan: 2\n>>>>>>> ours\n  wan", 3, "line 3, 5, 7"),
    "a marker left": (b"  lan", "=======\r\n  lan", 3, "line 3"),
    "a marker of the base": (b"  lan", "||||||| 3f2a1b\n  lan", 3, "line 3"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_that_an_editor_does_not_show_is_named_at_its_line(slip: str) -> None:
    old, new, line, message = SLIPS[slip]
    (fault,) = parse(SITE.replace(old, new.encode())).faults
    code = "yaml-conflict" if "line" in message else "yaml-syntax"
    assert (fault.code, fault.line, message in fault.message) == (code, line, True), fault


@pytest.mark.parametrize(
    "text", ["note: |\n  \xa0a\n  \u2013 b: c\n", "note: a\n  \xa0b\n", '"\xa0a": 1\n', "a: \u2013 b\n"]
)
def test_a_space_or_dash_in_a_text_stays(text: str) -> None:
    assert parse(text.encode()).faults == ()


def test_many_faults_end_with_a_word_about_the_rest() -> None:
    faults = parse(b"a: 1\n" * 5000).faults
    assert [fault.code for fault in faults] == ["key-duplicate"] * MAX_FAULTS + ["yaml-too-many-faults"]
    assert faults[-1].line == MAX_FAULTS + 2


def test_a_file_that_is_too_large_is_refused_without_being_parsed() -> None:
    (fault,) = parse(b"a" * (4 * 1024 * 1024 + 1)).faults
    assert "bytes" in fault.message


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_facility_file_is_reported_at_its_own_place(tmp_path: Path, data: st.DataObject) -> None:
    whole = (EXAMPLE / "facilities" / "bac-giang" / "kcl-bg-001.yml").read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=8))
    root = make.write_inventory(tmp_path, {"facilities/bac-giang/kcl-bg-001.yml": whole[:cut] + noise})
    loaded = load(root, today=date(2021, 5, 9))
    for problem in check(loaded):
        assert problem.message
        assert problem.hint
        assert problem.line >= 1 or not problem.file
    assert (loaded.inventory is None) == any("kcl-bg-001.yml" in problem.file for problem in loaded.problems)


@given(
    st.sampled_from(["\x85", "\u2028", "\u2029", "\r"]),
    st.sampled_from(["# why{}protected: false", "name: a{}b: c", "a:{}  b: 1", '"a{}b": 1', "- x{}- y"]),
)
def test_no_line_break_hides_from_a_reviewer(mark: str, line: str) -> None:
    document = parse(f"version: 1\n{line.format(mark)}\n".encode())
    (fault,) = document.faults
    assert (fault.code, fault.line, f"U+{ord(mark):04X}" in fault.message) == ("yaml-encoding", 2, True)
    assert parse(b"version: 1\r\nname: a # why\r\n").value == {"version": 1, "name": "a"}
