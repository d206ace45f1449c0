"""Standard output on a full disk, or read by nobody any more: the work is done all the same, and its loss is said."""

import errno
import io
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from provisioner.cli.main import run
from provisioner.cli.support.terminal import SafeStream, outlive_readers, safe_streams

ROOT: Final = Path(__file__).parents[3]
VALIDATE: Final = ("-i", "inventories/example", "validate")


class Failing(io.StringIO):
    """A stream of which nothing is left but an error."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:  # noqa: ARG002 (as its base has it)
        raise OSError(self.number, "no")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_is_said_with_a_code_of_its_own(form: str) -> None:
    argv = [sys.executable, "-I", "-m", "provisioner", "--output", form, *VALIDATE]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(argv, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 15
    first, hint = done.stderr.splitlines()[-2:]
    assert first == "error: standard output cannot be written: No space left on device"
    assert hint.startswith("hint: what the command did stands")
    assert "Traceback" not in done.stderr


def test_warnings_that_nobody_can_read_change_no_code() -> None:
    argv = [sys.executable, "-I", "-m", "provisioner", "-i", "nowhere", "validate"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert subprocess.run(argv, cwd=ROOT, stderr=full, check=False, timeout=60).returncode == 3


def test_a_stream_keeps_why_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    below = Failing(errno.ENOSPC)
    stream = SafeStream(below, exits_on_broken_pipe=True)
    stream.write("one")
    stream.flush()
    assert stream.failure is not None
    assert stream.failure.errno == errno.ENOSPC
    monkeypatch.setattr(sys, "stdout", below)
    assert run([*VALIDATE[:1], str(ROOT / VALIDATE[1]), "validate"], {}) == 15


def test_a_reader_that_went_ends_a_command_and_not_a_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Failing(errno.EPIPE))
    monkeypatch.setattr(sys, "stderr", Failing(errno.EPIPE))
    with safe_streams() as out:
        sys.stderr.write("a warning")
        with pytest.raises(BrokenPipeError):
            out.write("a line")
        outlive_readers()
        assert out.write("a line") == 6
    assert out.failure is not None
