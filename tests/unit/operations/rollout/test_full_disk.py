"""A host whose disk is full, out of inodes or read-only says which folder, how much is free, and what to do."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from provisioner.desired.render.templates import load_templates
from provisioner.hosts.runner import HostCall
from provisioner_host import main
from provisioner_host.change.transaction import Transaction
from provisioner_host.machine import files, paths
from provisioner_host.machine.shell import Failed
from tests.lab.direct import BOOTSTRAP, whole_bundle

from .world import state

# What a full /run raises in the door's own steps: at the first folder, at a write, at the program's folder.
FULL = """
import io, os, tempfile
def no(*_, **__): raise OSError({number}, os.strerror({number}))
class Full(io.BytesIO):
    write = no
{deed}
"""
DEEDS = {
    "no folder": "tempfile.mkdtemp = no",
    "no file": "tempfile.TemporaryFile = lambda **_: Full()",
    "no program": "os.mkdir = lambda path, mode=0o777, usual=os.mkdir: no() if path.endswith('/provisioner_host')"
    " else usual(path, mode)",
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full: "),
        (errno.EDQUOT, "is full: "),
        (errno.EROFS, "takes no bundle: Read-only file system: see that it is a tmpfs"),
    ],
)
def test_a_full_run_is_one_sentence_and_no_trace(tmp_path: Path, deed: str, number: int, words: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    call = HostCall(state({}).hosts["centre"], {"operation": "none"})
    door = BOOTSTRAP.replace("/run", str(run)).replace("from __future__ import annotations\n", "")
    program = f"from __future__ import annotations\n{FULL.format(number=number, deed=DEEDS[deed])}{door}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        input=whole_bundle(call, load_templates()),
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert said.startswith(f"{run} {words}")
    assert done.stdout == b""
    assert list(run.iterdir()) == []
    if number == errno.ENOSPC:
        assert " KiB free, " in said
        assert f" KiB needed for a call: make room there (du -xsh {run}/*)" in said


def _disk(*, free: int = 0, inodes: int = 9) -> SimpleNamespace:
    return SimpleNamespace(f_bavail=free, f_frsize=1, f_files=10, f_favail=inodes)


def test_a_write_without_room_names_folder_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(os, "statvfs", lambda _: _disk(free=2048))
    monkeypatch.setattr(files, "pwd", SimpleNamespace(getpwnam=lambda _: SimpleNamespace(pw_uid=os.getuid())))
    monkeypatch.setattr(files, "grp", SimpleNamespace(getgrnam=lambda _: SimpleNamespace(gr_gid=os.getgid())))
    with pytest.raises(OSError, match="needed") as caught:
        files.write(tmp_path / "manifest.json", b"x" * 5000, mode=0o600)
    assert caught.value.errno == errno.ENOSPC
    assert files.words_of(caught.value) == (
        f"{tmp_path} is on a disk that is full, 2 KiB free, 4 KiB needed: make room there (df -h {tmp_path})"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_error_without_a_file_is_of_the_full_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    var = tmp_path / "var"
    var.mkdir()
    monkeypatch.setattr(files, "_OURS", (var / "lib", Path("/")))
    devices = {var: 1, Path("/"): 2}
    usual = Path.stat
    monkeypatch.setattr(
        Path, "stat", lambda p, **more: SimpleNamespace(st_dev=devices[p], st_mode=usual(p, **more).st_mode)
        if p in devices else usual(p, **more)
    )  # fmt: skip
    monkeypatch.setattr(os, "statvfs", lambda place: _disk(free=0 if place == var else 1 << 30))
    said = files.words_of(OSError(errno.ENOSPC, "No space left on device"))
    assert said == f"{var} is on a disk that is full, 0 bytes free: make room there (df -h {var})"


@pytest.mark.parametrize(
    ("number", "disk", "words"),
    [
        (errno.ENOSPC, _disk(free=1 << 30, inodes=0), "no inode left: remove files there (df -i "),
        (errno.EROFS, _disk(free=1 << 30), "read-only: see the kernel's log (dmesg) for why, and mount it anew"),
        (errno.EDQUOT, _disk(), "full, 0 bytes free: make room there"),
    ],
)
def test_each_kind_of_no_room_has_its_own_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, disk: SimpleNamespace, words: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    said = files.words_of(OSError(number, os.strerror(number), str(tmp_path / "gone" / "file")))
    assert said.startswith(f"{tmp_path} is on a disk ")
    assert words in said


def test_a_step_and_an_operation_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "state.json"))

    monkeypatch.setattr(os, "statvfs", lambda _: _disk())
    step = Transaction.step
    with pytest.raises(Failed, match=f"save last-good: {tmp_path} is on a disk that is full"):
        step(SimpleNamespace(steps=[]), "save last-good", full)  # type: ignore[arg-type]
    (tmp_path / "request.json").write_text('{"operation": "keys", "relay": false}')
    (tmp_path / "files").mkdir()
    (tmp_path / "files/program").touch()
    monkeypatch.setattr(main, "_operation", full)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    main.serve(str(tmp_path))
    assert f'"error": "keys: {tmp_path} is on a disk that is full' in capsys.readouterr().out


def test_other_errors_keep_their_words() -> None:
    assert files.words_of(FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/y")) == (
        "/x/y: No such file or directory"
    )
    assert files.words_of(Failed("wg: code 1")) == "wg: code 1"
    assert paths.STATE in files._OURS  # noqa: SLF001
