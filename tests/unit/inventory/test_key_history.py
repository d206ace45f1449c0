"""Since when public keys stand in files, by Git: the first commit counts, and what nobody recorded is not known."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.inventory.files.revision import keys_since

A, B = "A" * 43 + "=", "B" * 43 + "="
DAYS = [f"2021-05-{day:02}T08:00:00+07:00" for day in range(10, 20)]


def git(root: Path, *words: str, at: str = DAYS[0]) -> None:
    environment = {**os.environ, "GIT_COMMITTER_DATE": at, "GIT_AUTHOR_DATE": "1999-01-01T00:00:00Z"}
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, "-C", str(root), *words], check=True, capture_output=True, env=environment)


def write(root: Path, key: str, place: str = "facilities/bac-giang/kcl-bg-001.yml", word: str = "public_key") -> None:
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'gateway:\n  {word}: "{key}"\n  lan: 192.168.1.0/24\n', encoding="utf-8")


def commit(root: Path, day: int) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "m", at=DAYS[day])


def day_of(day: int) -> datetime:
    return datetime.fromisoformat(DAYS[day]).astimezone(UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_the_first_commit_that_has_a_key_counts_and_later_edits_do_not(root: Path) -> None:
    write(root, A)
    commit(root, 1)
    write(root, A)
    (root / "facilities/bac-giang/kcl-bg-001.yml").write_text(f"# moved\ngateway: {{ public_key: {A} }}\n")
    commit(root, 3)
    write(root, B, "allocations.lock.yml")
    commit(root, 4)
    write(root, "C" * 43 + "=", "notes.yml")
    commit(root, 5)
    assert keys_since(root) == {A: day_of(1), B: day_of(4)}


def test_a_key_that_came_back_is_as_old_as_it_is(root: Path) -> None:
    for day, key in enumerate((A, B, A)):
        write(root, key)
        commit(root, day)
    assert keys_since(root) == {A: day_of(0), B: day_of(1)}


def test_what_git_does_not_have_is_not_known(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert keys_since(root) == {}
    write(root, A)
    commit(root, 0)
    write(root, B)
    assert keys_since(root) == {A: day_of(0)}
    outside = tmp_path_factory.mktemp("outside")
    write(outside, A)
    assert keys_since(outside) == {}


def test_a_clone_without_its_history_guesses_nothing(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(root, A)
    commit(root, 0)
    write(root, A)
    commit(root, 1)
    clone = tmp_path_factory.mktemp("clones") / "clone"
    git(root, "clone", "--quiet", "--depth", "1", f"file://{root}", str(clone))
    write(clone, B, "allocations.lock.yml")
    commit(clone, 2)
    assert keys_since(clone) == {B: day_of(2)}


def test_an_inventory_in_a_folder_of_its_repository_is_read_there(root: Path) -> None:
    write(root / "inventories/one", A)
    write(root / "inventories/two", B)
    commit(root, 2)
    assert keys_since(root / "inventories/one") == {A: day_of(2)}


def test_a_commit_from_the_future_makes_no_key_younger_than_now(root: Path) -> None:
    write(root, A)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", f"\x01 public_key: {B}", at="2090-01-01T00:00:00Z")
    since = keys_since(root)
    assert since.keys() == {A}
    assert since[A] <= datetime.now(UTC)
