"""No number, day or nesting is so odd that it ends in anything but a sentence with its place.

Python makes no number of more than 4,300 digits, and says so by an exception: at every door somebody may try one.
"""

import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import StalePlanError, UnreadableError
from provisioner.base.secret import Secret
from provisioner.cli.main import run
from provisioner.hosts.answers import read_json
from provisioner.importing.contacts.fields import read_phone
from provisioner.importing.forms import values
from provisioner.importing.grid import Cell
from provisioner.inventory.explanation.problems import for_address, for_choice, for_day, for_number, for_truth
from provisioner.inventory.loader.load import check, load
from provisioner.plan.saved.file import read_saved
from tests import inventories as make

EXAMPLE = Path(__file__).parents[2] / "inventories" / "example"
DIGITS = sys.get_int_max_str_digits() + 1
LONG = "9" * DIGITS
ODD = [
    LONG,
    f"-{LONG}",
    "0" + "1" * DIGITS,
    "0" * DIGITS,
    f"{LONG}:30",
    f"{LONG}.5",
    f"{LONG},5",
    "1" + ".111" * DIGITS,
    "1" + ",111" * DIGITS,
    f"2021-05-{LONG}",
    f"{LONG}-05-10",
    f"10/05/{LONG}",
    "0000-00-00",
    "10000-01-01",
    "31/12/9999",
    f"192.168.1.{LONG}",
    f"192.168.1.0/{LONG}",
    f"{LONG}x{LONG}",
    f"0x{'f' * DIGITS}",
    "1e999",
    "-1e999",
    "1e-999",
    "1" + "e" + LONG,
    ".inf",
    ".nan",
    "inf",
    "nan",
    "²²²",
    "٣" * 8,
]
odd = st.sampled_from(ODD) | st.from_regex(r"[-+0-9.,:/xeE ]{1,30}", fullmatch=True)
NESTED = ["[" * 5_000, "[" * 40 + "]" * 40, "{a: " * 40 + "}" * 40, '"\\ud800"', "- " * 200]


@given(st.sampled_from(["", "count", "survey_on"]), odd)
def test_every_correction_is_a_sentence(field: str, text: str) -> None:
    for said in (
        for_number(field, text, whole=True),
        for_number(field, text, whole=False),
        for_day(field, text),
        for_address(field, text, network=False),
        for_address(field, text, network=True),
        for_truth(field, text),
        for_choice(field, text, ["one", "two"]),
    ):
        assert said


# --- files of an inventory ------------------------------------------------------------------------
FILES = {
    path: (EXAMPLE / path).read_text(encoding="utf-8")
    for path in (
        *("inventory.yml", "instructions.yml", "designations.yml", "allocations.lock.yml", "carriers/viettel.yml"),
        "facilities/bac-giang/kcl-bg-001.yml",
    )
}
_SCALAR = re.compile(r"^(\s*(?:- )?[\w-]+: )(\S.*)$", re.MULTILINE)
PLACES = [(path, match.start(2), match.end(2)) for path, text in FILES.items() for match in _SCALAR.finditer(text)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("odd")
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), odd | st.sampled_from(NESTED) | odd.map(lambda text: f'"{text}"'))
def test_any_value_in_a_file_is_a_problem_with_place(root: Path, place: tuple[str, int, int], text: str) -> None:
    path, start, end = place
    (root / path).write_text(FILES[path][:start] + text + FILES[path][end:], encoding="utf-8")
    try:
        problems = check(load(root, today=date(2021, 5, 9)))
    finally:
        (root / path).write_text(FILES[path], encoding="utf-8")
    for problem in problems:
        assert problem.message.isprintable()
        assert len(problem.message) < 2_000


# --- sheets, hosts, saved plans -------------------------------------------------------------------
READERS: dict[str, Callable[[Cell], object]] = {
    "day": values.read_day,
    "whole": values.whole(0, 100),
    "decimal": values.decimal(100),
    "id": values.identifier,
    "size": values.picture_size,
    "path": values.rtsp_path,
    "yes": values.yes_no,
}
TYPED = [float("inf"), float("-inf"), float("nan"), 1e308, -1e308, 5e-324, date.max, date.min, True, None]


@given(st.sampled_from(sorted(READERS)), odd | st.sampled_from(TYPED))
def test_every_cell_is_read_or_refused(reader: str, value: object) -> None:
    READERS[reader](Cell(1, 1, value))


@given(odd | st.sampled_from(TYPED))
def test_every_phone_is_read_or_refused(value: object) -> None:
    read_phone(value)


@given(st.sampled_from([LONG, f"-{LONG}", "1e999", "[" * 100_000, f'{{"a": {LONG}}}', "NaN", '"' + "\\ud800" + '"']))
def test_what_a_host_answers_is_read_or_unreadable(text: str) -> None:
    try:
        read_json(text.encode("ascii"))
    except UnreadableError as error:
        said = str(error)
    else:
        said = ""
    assert said.isprintable()


@pytest.mark.parametrize("text", [LONG, f'{{"seal": {LONG}}}', '{"schema": 1e999}', "[" * 100_000, '{"a": NaN}'])
def test_a_read_saved_is_one_or_none(text: str) -> None:
    with pytest.raises(StalePlanError):
        read_saved(text, "plan.json", Secret("key"))


# --- the command line -----------------------------------------------------------------------------
_TOO_LONG = "x" * 5_000
_ZERO = "a\0b"


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--allow", f"trust={LONG}"],
        ["plan", "--allow", "trust=²"],
        ["plan", "--check", f"sha256:{LONG}"],
        ["plan", "--limit", f"facility={LONG}"],
        ["history", "--rows", LONG],
        ["history", "verify", "--lost", f"1-{LONG}"],
        ["history", "verify", "--lost", f"{LONG}-{LONG}"],
        ["history", "verify", "--lost", "²-³"],
        ["apply", "--max-failed", LONG],
        ["apply", "--gate-patience", "nan"],
        ["apply", "--gate-patience", "1e999"],
        ["apply", "--min-new-up", "nan"],
        ["apply", "--max-lost", "nan"],
        ["validate", "--as-of", LONG],
        ["validate", "--as-of", "0000-01-01"],
        ["sign-off", "kcl-bg-001", "--by", "dic", "--source", "x", "--on", f"2021-05-{LONG}"],
        ["geography", "lookup", LONG],
        ["geography", "convert", LONG, "--from", "gso-2021"],
        ["status", LONG],
        ["status", "\ud800"],
        ["schema", LONG],
        [LONG],
        [f"--{LONG}"],
        ["validate", "--sarif", _ZERO],
        ["validate", "--sarif", _TOO_LONG],
        ["render", "--out", _ZERO],
        ["render", "--out", "/proc/none/below"],
        ["site-package", "--out", _TOO_LONG],
        ["export", "progress", "--out", _ZERO],
        ["import", _ZERO],
        ["contacts", "check", "--contacts", _TOO_LONG],
        ["validate", "-i", _ZERO],
        ["validate", "-i", _TOO_LONG],
    ],
    ids=lambda words: " ".join(words)[:40].encode("ascii", "backslashreplace").decode().replace("\0", "0"),
)
def test_an_odd_word_is_wrong_usage(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path), "ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / ".vault-password")}
    assert run(words if "-i" in words else ["-i", str(EXAMPLE), *words], env) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err
    assert "hint: " in err
    assert len(err) < 2_500


@pytest.mark.parametrize(
    "name",
    [
        *("PROVISIONER_INVENTORY", "XDG_CACHE_HOME", "XDG_STATE_HOME", "PROVISIONER_STATE"),
        *("HOME", "XDG_CONFIG_HOME", "PROVISIONER_CONFIG"),
    ],
)
@pytest.mark.parametrize("value", [_TOO_LONG, LONG])
def test_an_odd_variable_is_legal(name: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path)
    env = {"PROVISIONER_INVENTORY": str(root), "XDG_STATE_HOME": str(tmp_path / "state")} | {name: value}
    assert run(["status"], env) in {0, 2, 3, 13}
    assert "internal error" not in capsys.readouterr().err
