"""Whatever stands in an inventory, a name, or the environment: no terminal obeys it, and no line is another's."""

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import HostError
from provisioner.base.text import printable
from provisioner.cli.main import run
from provisioner.cli.support.context import print_document, print_error
from provisioner.cli.support.terminal import SafeStream, Terminal, without_controls
from tests.hostile import LOCAL_USER, MERGE_REQUEST, RELAY

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
# Colours, the window's title, a cleared screen, an order from right to left, a link, a line that begins anew.
HOSTILE = "\x1b[8m\x1b]0;owned\x07\x1b[2J\x9b2J\u202e\x1b]8;;https://example.com\x1b\\x\r\nvalid: all is well\x00"
OURS = re.compile(r"\x1b\[(?:0|1|3[0-7])m")


def assert_harmless(text: str) -> None:
    plain = OURS.sub("", text).replace("\n", "").replace("\t", "")
    assert plain.isprintable(), sorted({c for c in plain if not c.isprintable()})


# --- all texts --------------------------------------------------------------------------------------
@given(st.text())
def test_what_is_shown_is_printable_but_for_our_colours_and_the_ends_of_lines(text: str) -> None:
    assert_harmless(without_controls(text))
    assert without_controls(text) == text or not text.isprintable()
    assert without_controls(without_controls(text)) == without_controls(text)


@given(st.text(), st.integers(0, 30))
def test_a_printable_text_is_one_line_of_a_bounded_length(text: str, longest: int) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    assert len(printable(text, longest)) <= longest + 1


@given(st.recursive(st.text() | st.integers() | st.none(), lambda below: st.dictionaries(st.text(), below, max_size=4)))
def test_a_document_is_the_same_document_and_nothing_in_it_is_obeyed(value: object) -> None:
    out, before = io.StringIO(), sys.stdout
    sys.stdout = SafeStream(out)
    try:
        print_document({"value": value})
    finally:
        sys.stdout = before
    assert json.loads(out.getvalue()) == {"value": value}
    assert out.getvalue().replace("\n", "").isprintable()


@RELAY
def test_an_error_is_two_lines_whoever_wrote_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(HostError(f"relay-1 says {HOSTILE}", hint=HOSTILE), as_json=False, color=True)
    lines = capsys.readouterr().err.splitlines()
    assert [OURS.sub("", line)[:5] for line in lines] == ["error", "hint:"]
    assert_harmless("".join(lines))


def test_a_sentence_about_a_name_that_is_no_text_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", str(tmp_path / "a\udcff"), "--output", "json", "validate"], {}) == 3
    assert json.loads(capsys.readouterr().out)["message"] == f"{tmp_path}/a? holds no inventory.yml"


@RELAY
def test_no_colour_that_is_not_ours_comes_through(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal.of(sys.stdout, {}, color=True)
    terminal.print(terminal.below("a", f"\x1b[32mapplied\x1b[0m {HOSTILE}" * 500, 2))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out) < 2100


# --- the program as it is called --------------------------------------------------------------------
@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "inventory"))


def on_a_terminal(*words: str) -> str:
    """What the program writes to a terminal."""
    leader, follower = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "PROVISIONER_NO_CACHE": "1", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    argv = [sys.executable, "-m", "provisioner", *words]
    with subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:  # so a terminal ends whose last writer is gone
                break
            written += part
        process.wait(60)
    os.close(leader)
    return written.decode().replace("\r\n", "\n")


def spoil(root: Path, where: str) -> None:
    """Put hostile words into one place of an inventory."""
    facility = root / "facilities/bac-giang/kcl-bg-001.yml"
    quoted = json.dumps(HOSTILE)
    match where:
        case "a value":
            text = re.sub(r"(?m)^name: .*$", lambda _: f"name: {quoted}", facility.read_text(), count=1)
            facility.write_text(text.replace("operating: open", f"operating: {quoted}", 1))
        case "a key":
            facility.write_text(facility.read_text() + f"\n{quoted}: 1\n")
        case "raw bytes":
            facility.write_bytes(facility.read_bytes() + b"\n# \x1b]0;owned\x07\nodd: \x9b\xff\n")
        case "a file's name":
            (facility.parent / f"{HOSTILE.replace('/', '').replace(chr(0), '')}.yml").write_text("id: x\n")
        case "an order":
            orders = root / "instructions.yml"
            orders.write_text(orders.read_text() + f"- {{ref: {quoted}, scope: {quoted}}}\n")


@MERGE_REQUEST
@pytest.mark.parametrize("where", ["a value", "a key", "raw bytes", "a file's name", "an order"])
@pytest.mark.parametrize("command", [("validate",), ("status",), ("--output", "json", "validate")])
def test_no_word_of_an_inventory_is_obeyed(
    inventory: Path, where: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(inventory, where)
    run(["-i", str(inventory), *command], {"PROVISIONER_NO_CACHE": "1"})
    captured = capsys.readouterr()
    assert captured.out + captured.err
    assert_harmless(captured.out + captured.err)
    assert "valid: all is well" not in (captured.out + captured.err).splitlines()


@MERGE_REQUEST
def test_no_word_of_an_inventory_reaches_a_real_terminal(inventory: Path) -> None:
    spoil(inventory, "a file's name")
    written = on_a_terminal("-q", "-i", str(inventory), "validate")
    assert OURS.search(written), "somebody watches, so that there are colours"
    assert_harmless(written)
    assert "owned" in written
    assert "valid: all is well" not in written.splitlines()


@LOCAL_USER
def test_a_folder_with_a_hostile_name_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / HOSTILE.replace("/", "").replace("\x00", "")
    assert run(["-i", str(folder), "validate"], {"PROVISIONER_NO_CACHE": "1"}) in {2, 3}
    captured = capsys.readouterr()
    assert_harmless(captured.out + captured.err)
    assert "valid: all is well" not in (captured.out + captured.err).splitlines()


@MERGE_REQUEST
def test_wrong_usage_repeats_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", f"--{HOSTILE}"], {}) == 2
    assert_harmless(capsys.readouterr().err)
