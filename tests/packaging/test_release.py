"""`scripts/release`: what it compares, what it refuses, and that it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.packaging import release
from scripts.packaging.errors import RefusedError
from scripts.packaging.programs import run
from tests.packaging.test_commit import git


def test_files_that_differ_or_are_missing_are_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "same").write_text("x", encoding="utf-8")
    (one / "alone").touch()
    (one / "differs").write_text("a", encoding="utf-8")
    (other / "differs").write_text("b", encoding="utf-8")
    assert release.differences(one, other) == ["alone", "differs"]
    assert release.differences(one, one) == []


def test_what_is_no_release_is_refused_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "provisioner").mkdir()
    (tmp_path / "provisioner/__init__.py").write_text('__version__ = "1.2.0"\n', encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    assert release.main(["--no-image"]) == release.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    first, hint = said.err.splitlines()
    assert first == "release: refused: CHANGELOG.md has no section 1.2.0"
    assert hint.startswith("hint: head the section of this release with `## 1.2.0 - YYYY-MM-DD`")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "CHANGELOG.md", "provisioner"]


def test_a_build_that_fails_leaves_the_last_release_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "provisioner").mkdir()
    (tmp_path / "provisioner/__init__.py").write_text('__version__ = "1.2.0"\n', encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    (tmp_path / "out/rehearsal").mkdir(parents=True)
    (tmp_path / "out/rehearsal/kept").touch()
    monkeypatch.setattr(release, "ROOT", tmp_path)
    assert release.main(["--no-image", "--rehearse"]) == release.REFUSED
    assert "runtime.lock" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rehearsal"]
    assert [path.name for path in (tmp_path / "out/rehearsal").iterdir()] == ["kept"]


def test_a_program_that_is_missing_or_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no-such-program is missing") as refused:
        run(["no-such-program"])
    assert "install it" in refused.value.hint
    with pytest.raises(RefusedError, match=r"(?s)ended with 3: .*the last word"):
        run([sys.executable, "-c", "import sys; print('the last word', file=sys.stderr); sys.exit(3)"], folder=tmp_path)
    with pytest.raises(RefusedError, match="took longer than 0 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)


def test_its_help_tells_of_the_rehearsal() -> None:
    argv = [sys.executable, "-m", "scripts.packaging.release", "--help"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert "--rehearse" in said
    assert "writes below out/ and nowhere else" in " ".join(said.split())
