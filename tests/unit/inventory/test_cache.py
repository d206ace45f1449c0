"""The cache answers with what was kept, whole and by the same code, or not at all; it is private and bounded."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.inventory.loader import cache as module
from provisioner.inventory.loader.cache import Cache, cache_of, stamp_of

BODY = b'[["facilities/a.yml"]]'
LATER = time.time() + 3600


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> str:
    """A code whose sources did not change just now."""
    monkeypatch.setattr(module, "stamp", lambda: "0123")
    return "0123"


def environment(folder: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(folder)}


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "code")
    assert cache.read("a") is None
    cache.write("a", BODY)
    assert cache.read("a") == BODY
    cache.write("a", b"other")
    assert cache.read("a") == b"other"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_other_code_finds_nothing(tmp_path: Path) -> None:
    Cache(tmp_path, "code").write("a", BODY)
    assert Cache(tmp_path, "other").read("a") is None


def test_a_file_under_another_name_is_not_what_it_was(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "code")
    cache.write("a", BODY)
    (tmp_path / "a").rename(tmp_path / "b")
    assert cache.read("b") is None


@given(position=st.integers(0, 200), value=st.integers(0, 255), cut=st.booleans())
def test_damage_anywhere_makes_a_file_missing(
    tmp_path_factory: pytest.TempPathFactory, *, position: int, value: int, cut: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    cache = Cache(folder, "code")
    cache.write("a", BODY)
    whole = (folder / "a").read_bytes()
    position %= len(whole)
    damaged = whole[:position] + (b"" if cut else bytes([value]) + whole[position + 1 :])
    (folder / "a").write_bytes(damaged)
    assert cache.read("a") == (BODY if damaged == whole else None)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "code")
    cache.write("b", BODY)
    (tmp_path / "a").symlink_to("b")
    assert cache.read("a") is None


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "gone", "code")
    cache.write("a", BODY)
    assert cache.read("a") is None


def test_what_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 200)
    cache = Cache(tmp_path, "code")
    cache.write("a", b"x" * 200)
    assert not any(tmp_path.iterdir())
    cache.write("a", b"x")
    assert cache.read("a") == b"x"


def test_runs_at_the_same_time_see_one_whole_or_the_other(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "code")
    bodies = [bytes([letter]) * 100_000 for letter in b"abcd"]
    cache.write("a", bodies[0])

    def work(body: bytes) -> bool:
        for _ in range(30):
            cache.write("a", body)
            if cache.read("a") not in bodies:
                return False
        return True

    with ThreadPoolExecutor() as pool:
        assert all(pool.map(work, bodies))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_folder_is_the_users_alone(tmp_path: Path, code: str) -> None:
    cache = cache_of(tmp_path, environment(tmp_path))
    assert cache is not None
    assert cache.stamp == code
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert cache.folder.parent.stat().st_mode & 0o777 == 0o700
    cache.write("a", BODY)
    assert (cache.folder / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path, mode: int) -> None:
    cache = cache_of(tmp_path, environment(tmp_path))
    assert cache is not None
    for folder in (cache.folder, cache.folder.parent):
        folder.chmod(mode)
        assert cache_of(tmp_path, environment(tmp_path)) is None
        folder.chmod(0o700)
    assert cache_of(tmp_path, environment(tmp_path)) == cache


@pytest.mark.usefixtures("code")
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_of(tmp_path, environment(tmp_path)) is not None
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert cache_of(tmp_path, environment(tmp_path)) is None


@pytest.mark.usefixtures("code")
def test_where_it_is(tmp_path: Path) -> None:
    home = cache_of(tmp_path, {"HOME": str(tmp_path), "XDG_CACHE_HOME": "relative/is/ignored"})
    assert home is not None
    assert home.folder.is_relative_to(tmp_path / ".cache/provisioner/inventories")
    assert cache_of(tmp_path, {}) is None
    assert cache_of(tmp_path, {"HOME": "relative"}) is None
    assert cache_of(tmp_path, {"HOME": str(tmp_path), "PROVISIONER_NO_CACHE": "1"}) is None
    (tmp_path / "file").touch()
    assert cache_of(tmp_path, {"HOME": str(tmp_path / "file")}) is None


@pytest.mark.usefixtures("code")
def test_one_inventory_has_one_cache_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "inv"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    monkeypatch.chdir(tmp_path)
    named = [cache_of(path, environment(tmp_path)) for path in (root, Path("inv"), tmp_path / "link")]
    assert named[0] is not None
    assert named == [named[0]] * 3
    assert cache_of(tmp_path, environment(tmp_path)) != named[0]


@pytest.mark.usefixtures("code")
def test_the_number_of_inventories_is_bounded_and_the_oldest_go_first(tmp_path: Path) -> None:
    for number in range(12):
        cache = cache_of(tmp_path / str(number), environment(tmp_path))
        assert cache is not None
        os.utime(cache.folder, (number, number))
    left = [int(folder.stat().st_mtime) for folder in (tmp_path / "provisioner/inventories").iterdir()]
    assert sorted(left) == list(range(4, 12))


@pytest.mark.usefixtures("code")
def test_what_a_killed_run_left_behind_is_removed(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, environment(tmp_path))
    assert cache is not None
    for name, age in ((".old", 7200), (".new", 60), ("a", 7200)):
        (cache.folder / name).touch()
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    cache_of(tmp_path, environment(tmp_path))
    assert sorted(path.name for path in cache.folder.iterdir()) == [".new", "a"]


def test_a_stamp_is_of_every_source_file(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    sources = [tmp_path / "a.py", tmp_path / "deep/b.py", tmp_path / "deep/er/c.py"]
    stamps = set()
    for source in sources:
        source.write_text("x = 1\n", encoding="utf-8")
        stamps.add(stamp_of(tmp_path, LATER))
    for source in sources:
        source.write_text("x = 2\n", encoding="utf-8")
        stamps.add(stamp_of(tmp_path, LATER))
    sources[0].rename(tmp_path / "renamed.py")
    stamps.add(stamp_of(tmp_path, LATER))
    assert len(stamps) == 7
    assert None not in stamps
    assert stamp_of(tmp_path, LATER) in stamps


def test_no_stamp_is_given_for_code_that_may_not_be_what_runs(tmp_path: Path) -> None:
    assert stamp_of(tmp_path, LATER) is None
    (tmp_path / "a.py").touch()
    assert stamp_of(tmp_path, time.time() - 60) is None
    assert stamp_of(tmp_path, LATER) is not None
    os.utime(tmp_path / "a.py", (0, 0))  # an installer may set that; when the file was changed still tells
    assert stamp_of(tmp_path, time.time() - 60) is None
