"""Where secrets lie while they travel: a place that nobody else of this machine chooses, reads, or can spoil."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.base.errors import HostError
from provisioner.hosts.ansible import private_folder
from provisioner.hosts.ansible.private_folder import make_private_folder
from tests.hostile import LOCAL_USER

UNKNOWN_UID = 54_321
GONE = 4_000_000_000  #: No process has this number (proc(5): at most 2^22).

Give = Callable[[Path], None]


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on tmpfs like /dev/shm, where everybody may make files."""
    folder = Path("/dev/shm") / f"private-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(private_folder, "_SHARED", (str(folder),))
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


@pytest.fixture
def give_away(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Make a folder somebody else's, whose name this machine does not know; a user like us cannot: then we change."""

    def give(folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, UNKNOWN_UID, UNKNOWN_UID)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: UNKNOWN_UID)

    return give


def made_in(place: Path, environment: dict[str, str]) -> Path:
    folder = make_private_folder(environment)
    assert folder.parent == place
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()
    return folder


@LOCAL_USER
def test_a_folder_of_somebody_whom_this_machine_does_not_know_is_left_alone(shared: Path, give_away: Give) -> None:
    foreign = shared / f"provisioner-{GONE}-1-abc"
    foreign.mkdir()
    give_away(foreign)
    made_in(shared, {})
    assert foreign.is_dir()


@LOCAL_USER
@pytest.mark.parametrize(
    "name",
    ["provisioner-²-3-x", "provisioner-٣-1-x", "provisioner-1-\n-x", "provisioner---x", "provisioner-1-2-\udcff"],
)
def test_no_name_of_a_folder_ends_the_command(shared: Path, name: str) -> None:
    (shared / name).mkdir()
    made_in(shared, {})


@LOCAL_USER
def test_what_a_link_with_our_name_leads_to_is_never_removed(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("canary")
    (shared / f"provisioner-{GONE}-1-abc").symlink_to(tmp_path)
    (shared / f"provisioner-{GONE}-2-abc").write_text("a file")
    made_in(shared, {})
    assert (tmp_path / "kept").read_text() == "canary"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_stays(shared: Path) -> None:
    left, living = shared / f"provisioner-{GONE}-1-abc", make_private_folder({})
    left.mkdir()
    made_in(shared, {})
    assert not left.exists()
    assert living.is_dir()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o733])
@LOCAL_USER
def test_a_runtime_folder_that_others_may_write_to_is_not_used(shared: Path, mode: int) -> None:
    chosen = shared / "runtime"
    chosen.mkdir()
    chosen.chmod(mode)
    made_in(shared, {"XDG_RUNTIME_DIR": str(chosen)})


@LOCAL_USER
@pytest.mark.parametrize("below", ["", "below"])
def test_a_runtime_folder_of_somebody_else_is_not_used(shared: Path, below: str, give_away: Give) -> None:
    chosen = shared / "runtime"
    (chosen / below).mkdir(parents=True)
    give_away(chosen)
    if os.geteuid() == 0:
        made_in(shared, {"XDG_RUNTIME_DIR": str(chosen / below)})
    else:  # we are somebody else now, and nothing here is ours
        with pytest.raises(HostError, match="no tmpfs"):
            make_private_folder({"XDG_RUNTIME_DIR": str(chosen / below)})


@LOCAL_USER
@pytest.mark.parametrize("target", ["/", "/etc", "nowhere", "circle"])
def test_a_link_in_the_place_of_the_runtime_folder_leads_to_tmpfs_or_nowhere(shared: Path, target: str) -> None:
    link = shared / "circle"
    link.symlink_to(target)
    made_in(shared, {"XDG_RUNTIME_DIR": str(link)})


@pytest.mark.parametrize("named", ["", ".", "relative", "/nowhere/at/all", "/dev/null", "/proc/self/fd"])
def test_a_runtime_folder_that_is_none_is_passed_over(shared: Path, named: str) -> None:
    made_in(shared, {"XDG_RUNTIME_DIR": named})


@LOCAL_USER
def test_no_mount_of_a_user_ends_the_command(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    real = Path("/proc/mounts").read_bytes()
    mounts.write_bytes(real + b"x /home/a/\xff\\040\\777 fuse.x rw 0 0\n\nodd\n" + b"tmpfs  tmpfs\n")
    monkeypatch.setattr(private_folder, "_MOUNTS", mounts)
    made_in(shared, {})


def test_a_runtime_folder_of_our_own_on_tmpfs_is_used(shared: Path) -> None:
    chosen = shared / "runtime"
    chosen.mkdir(mode=0o700)
    made_in(chosen, {"XDG_RUNTIME_DIR": str(chosen)})


def test_without_a_place_the_person_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(private_folder, "_SHARED", (str(tmp_path / "nothing"),))
    with pytest.raises(HostError, match="no tmpfs") as raised:
        make_private_folder({})
    assert "XDG_RUNTIME_DIR" in raised.value.hint
