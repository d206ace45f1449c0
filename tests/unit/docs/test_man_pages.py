"""The manual pages name every command and option, and every system's `man` reads them."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import __version__
from provisioner.base.errors import MEANINGS
from provisioner.cli import man
from provisioner.cli.main import cli, run
from provisioner.cli.man import _ENVIRONMENT, manual_pages
from tests.command_tree import every_command
from tests.unit.docs.pages import text_of

MISSING_DATE = re.compile(r'WARNING: missing date, using "": TH')  #: The same source makes the same page on any day.


@cache
def pages() -> dict[str, str]:
    return manual_pages(cli, f"provisioner {__version__}")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("man1")
    for name, page in pages().items():
        (folder / name).write_text(page, encoding="ascii")
    return sorted(map(str, folder.iterdir()))


def test_every_command_and_every_option_has_its_place() -> None:
    for words, command in every_command().items():
        page = "".join(pages()[name] for name in ("provisioner.1", f"provisioner-{words.split()[0]}.1")).replace(
            "\\-", "-"
        )
        assert f"\\fBprovisioner {words}\\fR" in page or isinstance(command, click.Group), words
        for param in command.params:
            for name in param.opts if isinstance(param, click.Option) and not param.hidden else ():
                assert f"\\fB{name}\\fR" in page, f"{words} {name}"


def test_the_front_page_says_what_the_reference_says_of_codes_and_variables() -> None:
    reference = text_of("docs/reference/commands.md").replace("`", "")
    assert dict(re.findall(r"^\| (\d+) \| (.*) \|$", reference, re.MULTILINE)) == {
        str(code): meaning for code, meaning in MEANINGS.items()
    }
    environment = text_of("docs/reference/commands.md").partition("\n## Environment\n")[2].partition("\n## ")[0]
    listed = {
        name for item in re.findall(r"^- (.*?):", environment, re.MULTILINE) for name in re.findall("`([^`]+)`", item)
    }
    assert {name for name in listed if not name.startswith("_")} <= set(_ENVIRONMENT)


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_man_reads_every_page_without_a_warning(files: list[str]) -> None:
    for width in ("80", "120"):
        argv = ["man", "--warnings", "--encoding=UTF-8", "--local-file", *files]
        env = {"PATH": "/usr/bin:/bin", "MANWIDTH": width, "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, re.sub(".\b", "", done.stdout).splitlines())) <= 140


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_warns_of_nothing_but_the_day_that_is_left_out(files: list[str]) -> None:
    argv = ["mandoc", "-T", "lint", "-W", "warning", *files]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    warnings = (done.stdout + done.stderr).splitlines()
    assert [line for line in warnings if not MISSING_DATE.search(line)] == []


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=5))
def test_no_text_is_a_request_or_an_escape(texts: list[str]) -> None:
    for text in texts:
        for line in man.filled(text):
            assert line.isascii()
            assert not line.startswith((".", "'"))
            assert re.fullmatch(r"(?:[^\\]|\\e|\\-|\\&|\\\[u[0-9A-F]{4,6}\])*", line), line


def test_the_command_writes_them_and_touches_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "man" / "man1"
    assert run(["man", "--out", str(out)], {}) == 0
    assert capsys.readouterr().out == f"wrote {len(pages())} pages into {out}\n"
    assert {path.name: path.read_text(encoding="ascii") for path in out.iterdir()} == pages()
    (out / "other.1").write_text("x", encoding="ascii")
    assert run(["--output", "json", "man", "--out", str(out)], {}) == 0
    assert (out / "other.1").exists()
    assert run(["man", "--out", str(out / "other.1")], {}) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert run(["man"], {}) == 2
