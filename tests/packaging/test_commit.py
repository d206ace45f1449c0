"""What a release may be made of: refusals, each with what is wrong."""

import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.packaging.commit import Commit, released_on, version_of
from scripts.packaging.errors import RefusedError
from tests.packaging.journey import ROOT

DATED = (
    "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-11-27\n\n### Added\n\n- A thing.\n\n## 1.1.0 - 2026-10-01\n\n- x\n"
)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=P", "-c", "user.email=p@example.com")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit that is a release."""
    (tmp_path / "provisioner").mkdir()
    (tmp_path / "provisioner/__init__.py").write_text('"""x"""\n\n__version__ = "1.2.0"\n', encoding="utf-8")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    git(tmp_path, "tag", "v1.2.0")
    return tmp_path


def refusal(checkout: Path, changelog: str = DATED) -> str:
    with pytest.raises(RefusedError) as refused:
        Commit.of(checkout).check(changelog)
    assert refused.value.hint
    return str(refused.value)


def test_a_clean_tagged_commit_with_its_section_is_a_release(checkout: Path) -> None:
    commit = Commit.of(checkout)
    commit.check(DATED)
    assert (commit.version, commit.tag, commit.edited) == ("1.2.0", "v1.2.0", ())


def test_an_edited_or_a_new_file_is_refused_by_name(checkout: Path) -> None:
    (checkout / "new.py").touch()
    assert "new.py" in refusal(checkout)
    (checkout / "new.py").unlink()
    (checkout / "provisioner/__init__.py").write_text('__version__ = "1.2.0"\n', encoding="utf-8")
    assert "provisioner/__init__.py" in refusal(checkout)


def test_a_commit_without_its_versions_tag_is_refused(checkout: Path) -> None:
    git(checkout, "tag", "--delete", "v1.2.0")
    git(checkout, "tag", "v1.1.0")
    assert refusal(checkout) == "the commit has no tag v1.2.0, which its version asks for (its tags: v1.1.0)"


@pytest.mark.parametrize(
    ("changelog", "said"),
    [
        (DATED.replace("1.2.0", "1.2.1"), "has no section 1.2.0"),
        (DATED.replace("1.2.0 - 2026-11-27", "1.2.0"), "the section 1.2.0 of CHANGELOG.md has no date"),
        (DATED.replace("2026-11-27", "2026-11-31"), "has no date"),
        (DATED.replace("### Added\n\n- A thing.\n\n", ""), "the section 1.2.0 of CHANGELOG.md is empty"),
        ("", "has no section"),
    ],
)
def test_a_changelog_that_does_not_tell_of_it_is_refused(checkout: Path, changelog: str, said: str) -> None:
    assert said in refusal(checkout, changelog)


def test_a_changelog_that_lacks_what_a_commit_says_is_refused_with_its_words(checkout: Path) -> None:
    git(checkout, "tag", "--delete", "v1.2.0")
    git(checkout, "tag", "v1.1.0")  # what the release before said is not asked for again
    for words in ("Added: A thing.", "Fixed: the other\n  thing", "x"):
        message = "x" if words == "x" else f"area: what changed\n\nChangelog: {words}"
        git(checkout, "commit", "--quiet", "--allow-empty", "--message", message)
    git(checkout, "tag", "v1.2.0")
    assert Commit.of(checkout).noticed == ("Added: A thing.", "Fixed: the other thing")
    assert refusal(checkout) == "CHANGELOG.md lacks what a commit says that users notice: Fixed: the other thing"
    Commit.of(checkout).check(DATED.replace("- A thing.", "- A thing.\n- the\n  other thing"))


@pytest.mark.parametrize("text", ["", '__version__ = "1.2"\n', '__version__ = "1.2.0"\n__version__ = "1.2.0"\n'])
def test_a_module_that_says_no_version_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="__version__"):
        version_of(text)


@given(st.dates(min_value=date(2021, 1, 1)), st.integers(0, 9))
def test_the_day_is_that_of_the_section(day: date, minor: int) -> None:
    assert (
        released_on(f"## Unreleased\n\n## 0.{minor}.0 - {day}\n\n- x\n\n## 0.0.9 - 2020-01-01\n", f"0.{minor}.0") == day
    )


def test_this_checkout_says_its_version_once() -> None:
    assert version_of((ROOT / "provisioner/__init__.py").read_text(encoding="utf-8"))


def test_an_export_has_what_was_committed_alone(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (checkout / "stray").touch()
    target = tmp_path_factory.mktemp("x") / "export"
    Commit.of(checkout).export(target)
    assert [str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()] == [
        "provisioner/__init__.py"
    ]
    assert [path.name for path in target.parent.iterdir()] == ["export"]
