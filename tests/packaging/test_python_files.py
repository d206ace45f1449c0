"""Wheel and sdist: the same whoever builds them; the wheel is all that a user needs."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from provisioner.cli.main import cli
from provisioner.cli.man import manual_pages
from scripts.packaging.html_pages import pages_of
from scripts.packaging.python_files import build_python_files
from scripts.packaging.tree import digest
from tests.packaging.journey import EXAMPLE, ROOT, SCRIPT, assert_came_far

MOMENT = 1_620_000_000

Built = tuple[Path, Path]


def sources() -> Iterator[tuple[str, bytes, bool]]:
    """All files that Git has or would have, each with its content and whether it is a program.

    What other tests write and remove meanwhile may be among them, or be gone.
    """
    argv = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split("\0")):
        with suppress(FileNotFoundError):
            yield name, (ROOT / name).read_bytes(), os.access(ROOT / name, os.X_OK)


def write_sources(files: Iterable[tuple[str, bytes, bool]], target: Path, moment: int) -> Path:
    """Write files as somebody with this process's umask has them, all of one time."""
    for name, content, is_program in files:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if is_program:
            path.chmod(path.stat().st_mode | (path.stat().st_mode & 0o444) >> 2)
        os.utime(path, (moment, moment))
    return target


def build(folders: pytest.TempPathFactory, name: str, mask: int, days: int) -> Built:
    """Built in a folder, by somebody with such a umask, of files from such a day."""
    before = os.umask(mask)
    try:
        source = write_sources(sources(), folders.mktemp("sources") / name, MOMENT + days * 86_400)
        return build_python_files(source, folders.mktemp("built"), MOMENT)
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory, "a", 0o022, 0)


@pytest.fixture
def wheel(built: Built) -> Path:
    return built[0]


@pytest.mark.soak
def test_folder_umask_and_day_make_no_difference(built: Built, tmp_path_factory: pytest.TempPathFactory) -> None:
    for one, other in zip(built, build(tmp_path_factory, "another-place/b", 0o077, 400), strict=True):
        assert one.name == other.name
        assert digest(one) == digest(other), one.name


def test_the_time_in_them_is_the_commits(built: Built) -> None:
    wheel, sdist = built
    assert {entry.date_time[0] for entry in zipfile.ZipFile(wheel).infolist()} == {2021}
    with tarfile.open(sdist) as archive:
        assert {entry.mtime for entry in archive} == {MOMENT}


def test_the_wheel_carries_playbooks_templates_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = "provisioner/_data"
    for folder in ("playbooks", "mediamtx-templates"):
        ours = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert {f"{data}/{path}" for path in ours if "__pycache__" not in path.parts} <= set(names)
    package = [path.relative_to(ROOT) for path in (ROOT / "provisioner").rglob("*") if path.is_file()]
    assert {str(path) for path in package if "__pycache__" not in path.parts} <= set(names)
    pages = {Path(name).name for name in names if ".data/data/share/man/man1/" in name}
    assert pages == set(manual_pages(cli, ""))
    html = {name.partition("/share/doc/provisioner/html/")[2] for name in names} - {""}
    assert html >= {page.replace("README.md", "index.md").replace(".md", ".html") for page in pages_of(ROOT)}
    assert not [name for name in names if name.startswith(("tests", "inventories", "scripts")) or "__pycache__" in name]


def test_the_sdist_has_every_file_of_the_commit(built: Built) -> None:
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    argv = ["git", "-C", str(ROOT), "ls-files", "-z"]
    committed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split("\0")
    assert {name for name in committed if name} - names == set()


@pytest.fixture
def bare(wheel: Path, tmp_path: Path) -> Path:
    """A new virtual environment outside the checkout, and what it needs lent from this one: the wheel alone is new."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    library = next((home / "lib").glob("python3*/site-packages"))
    scheme = {"purelib": str(library), "platlib": str(library), "scripts": str(home / "bin"), "data": str(home)}
    place = SchemeDictionaryDestination(scheme, interpreter=str(home / "bin/python3"), script_kind="posix")
    with WheelFile.open(wheel) as source:
        install(source=source, destination=place, additional_metadata={})
    for dependency in Path(sys.prefix).glob("lib/python3*/site-packages/*"):
        ours = dependency.name.startswith(("provisioner", "_provisioner", "__editable__", "pytest", "hypothesis"))
        if not ours and not (library / dependency.name).exists():
            (library / dependency.name).symlink_to(dependency)
    program = (Path(sys.prefix) / "bin/ansible-playbook").read_text(encoding="utf-8").partition("\n")[2]
    (home / "bin/ansible-playbook").write_text(f"#!{home}/bin/python3\n{program}", encoding="utf-8")
    (home / "bin/ansible-playbook").chmod(0o755)
    return home


def test_a_new_user_comes_as_far_as_a_plan_with_the_wheel_alone(bare: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", str(SCRIPT), str(EXAMPLE)],
        env={"PATH": f"{bare}/bin:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_came_far(done.stdout)
    assert (bare / "share/man/man1/provisioner.1").is_file()
    assert (bare / "share/doc/provisioner/html/index.html").is_file()
