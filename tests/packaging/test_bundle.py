"""The offline bundle: the same whoever builds it; it installs what its sums name, and refuses what does not fit."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.packaging.bundle import Bundle
from scripts.packaging.wheelhouse import NEWER_LIBC, Target
from tests import audit
from tests.packaging.journey import ROOT
from tests.packaging.small_wheels import VERSION, for_all, lock_of, program, real_installer, write_wheel
from tests.packaging.test_deb import umask
from tests.packaging.test_python_files import MOMENT

TAG = Target(f"{sys.version_info[0]}.{sys.version_info[1]}", "x86_64").tag


def bundle(folder: Path, machine: str = platform.machine()) -> Bundle:
    folder.mkdir(parents=True, exist_ok=True)
    bill = folder / "provisioner-1.2.0.cdx.json"
    bill.write_text("{}\n", encoding="utf-8")
    wheels = for_all(folder / "wheels", machine)
    return Bundle(
        ROOT, program(folder), wheels, real_installer(folder / "tool"), bill, VERSION, MOMENT, machine
    )  # fmt: skip


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A bundle as a user has it."""
    archive = bundle(tmp_path / "parts").build(tmp_path)
    subprocess.run(["tar", "-C", str(tmp_path), "-xf", str(archive)], check=True)
    return tmp_path / archive.stem


def install(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(folder / "install"), "--prefix", str(folder.parent / "opt"), "--python", sys.executable, *words]
    return subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)


def assert_refused(folder: Path, said: str, *words: str) -> None:
    done = install(folder, *words)
    assert done.returncode == 1, done.stdout
    assert said in done.stderr
    assert "\nhint: " in f"\n{done.stderr}"
    assert not (folder.parent / "opt/bin").exists()


def test_folder_and_umask_make_no_difference(tmp_path: Path) -> None:
    archives = []
    for name, mask in (("a", 0o022), ("b/c", 0o077)):
        with umask(mask):
            archives.append(bundle(tmp_path / name).build(tmp_path / name))
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_it_installs_what_fits_this_python_and_says_where(unpacked: Path) -> None:
    done = install(unpacked)
    prefix = unpacked.parent / "opt"
    assert done.returncode == 0, done.stderr
    assert f"installed as {prefix}/bin/provisioner" in done.stdout
    said = subprocess.run([prefix / "bin/provisioner"], capture_output=True, text=True, check=True).stdout
    assert said == f"provisioner for {TAG}\n"
    names = {path.name for path in (prefix / VERSION).glob("lib/python*/site-packages/*")}
    assert {"needed.py", "anywhere.py", "newer.py", "provisioner"} <= names
    assert "without rules" not in done.stdout
    assert not names & {"pip", "installer", "setuptools"}
    assert (prefix / VERSION / "share/man/man1/provisioner.1").is_file()
    assert (prefix / VERSION / "share/doc/provisioner/html/index.html").is_file()
    assert (prefix / VERSION / "share/doc/provisioner/SHA256SUMS").is_file()


def test_what_is_there_is_not_overwritten_and_goes_on_to_run(unpacked: Path) -> None:
    assert install(unpacked).returncode == 0
    again = install(unpacked)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    subprocess.run([unpacked.parent / "opt/bin/provisioner"], check=True, capture_output=True)


def test_a_newer_version_stands_beside_the_older_one(unpacked: Path) -> None:
    older = unpacked.parent / "opt/1.1.0/bin/provisioner"
    older.parent.mkdir(parents=True)
    older.touch()
    (unpacked.parent / "opt/bin").mkdir()
    (unpacked.parent / "opt/bin/provisioner").symlink_to("../1.1.0/bin/provisioner")
    assert install(unpacked).returncode == 0
    assert (unpacked.parent / "opt/bin/provisioner").resolve() == unpacked.parent / f"opt/{VERSION}/bin/provisioner"
    assert older.exists()


def test_a_wheel_that_was_changed_is_refused(unpacked: Path) -> None:
    (wheel,) = unpacked.glob(f"wheels/{TAG}/needed-*.whl")
    write_wheel(wheel.parent, "needed", {"needed.py": "WORD = 'mine'\n"}, tag=f"{TAG}-none-any")
    assert_refused(unpacked, "the bundle is damaged")


def test_a_wheel_that_the_sums_do_not_name_is_not_installed(unpacked: Path) -> None:
    write_wheel(unpacked / "wheels/any", "stray", {"stray.py": ""})
    assert install(unpacked).returncode == 0
    assert not list((unpacked.parent / "opt").rglob("stray*"))


def test_another_machine_and_another_python_are_refused(unpacked: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(unpacked, foreign)
    (foreign / "machine").write_text("riscv64\n", encoding="utf-8")
    sums = (foreign / "SHA256SUMS").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in sums if not line.endswith("  machine\n")]
    (foreign / "SHA256SUMS").write_text("".join(kept), encoding="utf-8")
    assert_refused(foreign, "this bundle is for riscv64")
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\n[ $1 = -V ] && echo Python 3.9.2 || echo cp39\n", encoding="utf-8")
    old.chmod(0o755)
    assert_refused(unpacked, "Python 3.9.2, for which the bundle has nothing", "--python", str(old))
    assert_refused(unpacked, "there is no /nowhere/python3", "--python", "/nowhere/python3")


def of_glibc(folder: Path, minor: str) -> Path:
    """This Python on a machine with another glibc."""
    path = folder / "python3"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *GNU_LIBC*) echo {TAG} {minor};; *) exec {sys.executable} "$@";; esac\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("minor", [28, 33, 34, 41])
def test_what_needs_a_newer_glibc_is_installed_where_that_is(unpacked: Path, tmp_path: Path, minor: int) -> None:
    has_it = minor >= NEWER_LIBC
    done = install(unpacked, "--python", str(of_glibc(tmp_path, str(minor))))
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (unpacked.parent / "opt").glob(f"{VERSION}/lib/python*/site-packages/*")}
    assert "needed.py" in names
    assert ("newer.py" in names) == has_it
    sentence = f"without rules of your own (policy/*.rego), which need glibc 2.34: this machine has 2.{minor}\n"
    assert (sentence in done.stdout) == (not has_it)


def test_a_machine_whose_glibc_is_too_old_is_refused(unpacked: Path, tmp_path: Path) -> None:
    assert_refused(unpacked, "this machine has glibc 2.27", "--python", str(of_glibc(tmp_path, "27")))


def test_wrong_words_are_refused(unpacked: Path) -> None:
    for words in (("--prefix", "relative"), ("--help", "x"), ("--python",)):
        assert_refused(unpacked, words[0], *words)


def test_an_installation_that_breaks_off_leaves_nothing(unpacked: Path) -> None:
    (unpacked / "tools").joinpath(next((unpacked / "tools").iterdir()).name).unlink()
    lines = (unpacked / "SHA256SUMS").read_text(encoding="utf-8").splitlines(keepends=True)
    (unpacked / "SHA256SUMS").write_text("".join(one for one in lines if "  tools/" not in one), encoding="utf-8")
    done = install(unpacked)
    assert done.returncode != 0
    assert not (unpacked.parent / "opt").exists()


def test_a_pip_of_ones_own_gets_every_hash(unpacked: Path) -> None:
    lock = (ROOT / "scripts/packaging/runtime.lock").read_text(encoding="utf-8")
    named = {one.name: one for one in audit.locked((unpacked / "requirements.txt").read_text(encoding="utf-8"))}
    (wheel,) = unpacked.glob("wheels/any/provisioner-*.whl")
    assert named.pop("provisioner") == audit.locked(lock_of(wheel))[0]
    assert tuple(named.values()) == audit.locked(lock)
    (rego,) = audit.locked((unpacked / "requirements-rego.txt").read_text(encoding="utf-8"))
    assert rego in audit.locked(audit.LOCK.read_text(encoding="utf-8"))
    assert rego.name == "regopy"


def test_the_image_takes_packages_from_the_bundle_alone() -> None:
    text = (ROOT / "scripts/packaging/Containerfile").read_text(encoding="utf-8")
    assert not re.search(r"pip|curl|wget|https?://|^ADD ", text, re.MULTILINE)
    assert text.count("RUN /bundle/install") == 1
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert "COPY . /bundle" not in text[text.rindex("\nFROM ") :]
