"""The lock: everything in it has hashes, setup installs nothing else, and scripts/audit says what it does not know."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests import audit
from tests.hostile import MERGE_REQUEST

ROOT = Path(__file__).parents[2]
LOCKED = audit.locked(audit.LOCK.read_text(encoding="utf-8"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


NAMES = {normal(package.name) for package in LOCKED}


# --- what is locked -------------------------------------------------------------------------------
def test_every_package_is_locked_once_and_with_hashes() -> None:
    assert len(NAMES) == len(LOCKED)
    assert [package.name for package in LOCKED if not package.hashes] == []


def test_no_line_of_the_lock_is_an_option_or_an_address() -> None:
    for line in ("--index-url https://example.com/", "click @ https://example.com/click.whl", "-e .", "click>=8"):
        with pytest.raises(ValueError, match=r"requirements\.lock"):
            audit.locked(f"{line}\n")


def test_whatever_the_project_names_is_locked_with_the_build_backend_and_what_those_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [*project["project"]["dependencies"], *project["build-system"]["requires"], "editables"]
    named += [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
    assert {normal(_name(requirement)) for requirement in named} <= NAMES
    needed = [r for p in LOCKED for r in metadata.requires(p.name) or () if _holds_here(r)]
    assert {normal(_name(requirement)) for requirement in needed} <= NAMES


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return match[0]


def _holds_here(requirement: str) -> bool:
    from packaging.requirements import Requirement  # noqa: PLC0415 (one test needs it)

    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate({"extra": ""})


def test_setup_installs_with_hashes_and_from_wheels_alone_whichever_program_it_has() -> None:
    setup = (ROOT / "scripts/setup").read_text(encoding="utf-8")
    # Two programs that install both, and pip for the locked uv.
    assert setup.count("pip install") == 3
    assert setup.count('"${pip[@]}"') == 2
    assert setup.count('"${pip[@]}" "${hashed[@]}"') == 1
    assert setup.count('"$@" "${locked[@]}"') == setup.count('"$@" "${ours[@]}"') == 1
    assert setup.count('"$@"') == 2
    assert "hashed=(--require-hashes --only-binary :all:)\n" in setup
    assert 'locked=("${hashed[@]}" -r requirements.lock)\n' in setup
    assert "ours=(--no-deps --no-build-isolation -e .)\n" in setup


def test_nothing_else_installs_packages_of_python() -> None:
    scripts = [*(ROOT / "scripts").iterdir(), *(ROOT / ".ci").iterdir(), *ROOT.glob(".github/**/*.y*ml")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in scripts if path.is_file()}
    assert [name for name, text in texts.items() if re.search(r"\bpip3? (install|download)|uvx |pipx ", text)] == [
        "setup"
    ]


# --- what setup refuses ---------------------------------------------------------------------------
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with setup alone, and beside it an index in a folder."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "scripts").mkdir()
    (root / "index").mkdir()
    for script in ("setup", "patiently"):
        shutil.copy(ROOT / "scripts" / script, root / "scripts" / script)
    (root / "pyproject.toml").write_text("", encoding="utf-8")
    return root


def wheel(checkout: Path, name: str, *, needs: str = "") -> str:
    """Put a wheel into the index; its hash."""
    path = checkout / f"index/{name}-1-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{name}-1.dist-info/METADATA", about)
        archive.writestr(f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}-1.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


SetUp = Callable[[str], tuple[int, str, set[str]]]


@pytest.fixture(params=["pip", "uv"])
def set_up(request: pytest.FixtureRequest, checkout: Path, tmp_path: Path) -> SetUp:
    """Set up by a program and a lock: the exit code, what was said, and the modules that are installed."""
    if request.param == "uv":
        (tmp_path / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    index = str(checkout / "index")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": sys.executable, "HOME": str(checkout)}
    env |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": index}
    (tmp_path / "uv.toml").write_text(f"[pip]\nno-index = true\nfind-links = ['{index}']\n", encoding="utf-8")
    env["UV_CONFIG_FILE"] = str(tmp_path / "uv.toml")

    def set_up(lock: str) -> tuple[int, str, set[str]]:
        (checkout / "requirements.lock").write_text(lock, encoding="utf-8")
        command = [str(checkout / "scripts/setup")]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        installed = {path.stem for path in checkout.glob(".venv/lib/*/site-packages/*.py")}
        return done.returncode, done.stderr, installed

    return set_up


def test_a_file_with_the_locked_hash_is_installed_and_what_an_earlier_lock_named_goes(
    checkout: Path, set_up: SetUp
) -> None:
    digest = wheel(checkout, "fitting")
    packages = checkout / f".venv/lib/python3.{sys.version_info.minor}/site-packages"
    packages.mkdir(parents=True)
    (packages / "earlier.py").touch()
    (checkout / ".venv/requirements.lock").write_text("earlier==1\n", encoding="utf-8")
    assert set_up(f"fitting==1 --hash=sha256:{digest}\n")[2] & {"earlier", "fitting"} == {"fitting"}


@MERGE_REQUEST
def test_a_file_with_another_hash_than_the_locked_one_is_not_installed(checkout: Path, set_up: SetUp) -> None:
    wheel(checkout, "tampered")
    code, said, installed = set_up(f"tampered==1 --hash=sha256:{EMPTY_HASH}\n")
    is_told = "DO NOT MATCH THE HASHES" in said or "Hash mismatch for" in said
    assert (code != 0, is_told, "tampered" in installed) == (True, True, False)


@MERGE_REQUEST
def test_a_uv_with_another_hash_than_the_locked_one_installs_nothing(checkout: Path, set_up: SetUp) -> None:
    digest = wheel(checkout, "fitting")
    wheel(checkout, "uv")
    code, _, installed = set_up(f"fitting==1 --hash=sha256:{digest}\nuv==1 --hash=sha256:{EMPTY_HASH}\n")
    assert (code != 0, installed & {"fitting", "uv"}) == (True, set())


@pytest.mark.soak
@MERGE_REQUEST
def test_a_line_of_the_lock_without_a_hash_installs_nothing(checkout: Path, set_up: SetUp) -> None:
    digest = wheel(checkout, "hashed")
    wheel(checkout, "bare")
    code, _, installed = set_up(f"hashed==1 --hash=sha256:{digest}\nbare==1\n")
    assert (code != 0, installed & {"hashed", "bare"}) == (True, set())


@pytest.mark.soak
@MERGE_REQUEST
def test_what_a_package_needs_and_the_lock_does_not_name_is_not_installed(checkout: Path, set_up: SetUp) -> None:
    digest = wheel(checkout, "outer", needs="smuggled")
    wheel(checkout, "smuggled")
    code, said, installed = set_up(f"outer==1 --hash=sha256:{digest}\n")
    assert (code != 0, "smuggled" in said, installed & {"outer", "smuggled"}) == (True, True, set())


@pytest.mark.soak
@MERGE_REQUEST
def test_a_package_that_would_run_its_own_setup_is_not_installed_even_with_its_hash(
    checkout: Path, set_up: SetUp
) -> None:
    canary, source = checkout / "canary", checkout / "source-1"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(canary)!r}, 'w')\n", encoding="utf-8")
    path = checkout / "index/source-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(source, "source-1")
    code, _, _ = set_up(f"source==1 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    assert (code != 0, canary.exists()) == (True, False)


# --- the audit ------------------------------------------------------------------------------------
def clean(question: dict[str, Any]) -> Any:
    return {"results": [{} for _ in question["queries"]]}


def silent(_question: dict[str, Any]) -> Any:
    raise audit.NobodyAnsweredError("ConnectionError")


def test_every_locked_package_may_be_used_under_its_licence() -> None:
    assert list(audit.licence_faults(LOCKED)) == []


@pytest.mark.parametrize(
    ("expression", "free"),
    [
        ("MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (AGPL-3.0-only OR Apache-2.0)", True),
        ("(MIT OR Apache-2.0) AND AGPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("LGPL-3.0-only", False),
        ("MIT WITH Classpath-exception-2.0", False),
        ("GNU General Public License v3 or later (GPLv3+)", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_is_free_only_where_it_is_known_to_be(expression: str, *, free: bool) -> None:
    assert audit.is_free(expression) is free


def test_a_package_without_its_exception_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "REASONED", {})
    assert {fault.split(":")[0] for fault in audit.licence_faults(LOCKED)} == {
        "aiosmtpd",
        "ansible-core",
        "axe-playwright-python",
        "psycopg",
        "psycopg-binary",
    }


def test_an_exception_for_what_is_not_locked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "REASONED", audit.REASONED | {"gone": "was needed once"})
    assert list(audit.licence_faults(LOCKED)) == ["gone has an exception and is not locked: take it out"]


def test_a_database_that_does_not_answer_is_no_good_news() -> None:
    assert audit.audit(LOCKED, clean)[0] == audit.IN_ORDER
    code, lines = audit.audit(LOCKED, silent)
    assert code == audit.NOT_ASKED
    assert "NOT CHECKED" in lines[-1]


@pytest.mark.parametrize("answer", [None, [], {}, {"results": []}, {"results": [[]] * len(LOCKED)}])
def test_an_answer_that_is_none_is_no_good_news(answer: Any) -> None:
    assert audit.audit(LOCKED, lambda _: answer)[0] == audit.NOT_ASKED


def test_a_known_vulnerability_is_named_with_its_package() -> None:
    results = [{"vulns": [{"id": "OSV-0000-1"}]}, *([{}] * (len(LOCKED) - 1))]
    code, lines = audit.audit(LOCKED, lambda _: {"results": results})
    assert code == audit.NOT_IN_ORDER
    assert lines[0].startswith(f"{LOCKED[0].name} {LOCKED[0].version}: OSV-0000-1")


def test_a_database_that_cannot_be_reached_is_one_that_does_not_answer() -> None:
    with pytest.raises(audit.NobodyAnsweredError, match="ConnectionError"):
        audit.asking("http://127.0.0.1:1/")({"queries": []})
