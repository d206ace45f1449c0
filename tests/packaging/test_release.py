"""`scripts/release`: what it compares, what it refuses, and that it says so."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.packaging import release
from scripts.packaging.commit import Commit
from scripts.packaging.errors import RefusedError
from scripts.packaging.programs import run
from scripts.packaging.tree import write_text
from scripts.packaging.wheelhouse import MACHINES
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


@pytest.fixture
def tagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that is a release, of which a build makes one file, and no package is fetched."""
    (tmp_path / "provisioner").mkdir()
    (tmp_path / "provisioner/__init__.py").write_text('__version__ = "1.2.0"\n', encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.0 - 2026-11-27\n\n- x\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("out/\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    git(tmp_path, "tag", "v1.2.0")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release.Wheels, "fetch", lambda *_: None)
    monkeypatch.setattr(release, "build_files", lambda *words: write_text(words[-1] / "built", "x"))
    return tmp_path


def test_a_release_says_what_people_do_next_and_does_none(tagged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--no-image"]) == 0
    said = capsys.readouterr().out
    for step in ("gpg --detach-sign --armor out/release/SHA256SUMS", "git push origin v1.2.0", "install.md"):
        assert step in said
    files = {path.name: path.read_text(encoding="utf-8") for path in (tagged / "out/release").iterdir()}
    assert files["built"] == "x"
    assert files["SHA256SUMS"].endswith("  built\n")
    assert len(files) == 2
    assert [path.name for path in (tagged / "out").iterdir()] == ["release"]
    assert Commit.of(tagged).edited == ()


def test_what_comes_out_twice_and_differs_is_no_release(
    tagged: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "build_files", lambda *words: write_text(words[-1] / "built", str(words[-1])))
    assert release.main(["--no-image"]) == release.REFUSED
    assert "built twice, and not the same: built" in capsys.readouterr().err
    assert not (tagged / "out/release").exists()


def test_an_image_needs_a_docker_that_answers_and_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert release.main(["--rehearse"]) == release.REFUSED
    said = capsys.readouterr().err
    assert "Docker does not answer" in said
    assert said.splitlines()[-1] == "hint: start it; --no-image leaves it out"
    other = next(machine for machine in MACHINES if machine != platform.machine())
    assert release.main(["--rehearse", "--machine", other]) == release.REFUSED
    assert "an image is of this machine" in capsys.readouterr().err


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
