"""One mistake is one problem: what only follows from it is not listed beside it, and nothing becomes valid by that."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import Problem, Severity
from provisioner.inventory.loader.load import check, load
from provisioner.inventory.rules.view import ANYWHERE, IN_ONE_FILE, without_consequences
from provisioner.operations.edit.validate import validate
from provisioner.report.problem_catalogue import CATALOGUE
from tests.unit.importing.contacts import book as people

INVENTORIES = Path(__file__).parents[2] / "inventories"
DAY = date(2021, 6, 20)


def _files(name: str) -> list[str]:
    root = INVENTORIES / name
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*.yml"))
        if path.relative_to(root).parts[0] not in {"secrets", "contacts"}
    ]


def _more(root: Path, before: set[Problem], env: dict[str, str]) -> list[Problem]:
    """The problems that there were not before the file was broken."""
    known = {(problem.code, problem.object, problem.message) for problem in before}
    now = validate(root, env, today=DAY, cached=False).problems
    return [problem for problem in now if (problem.code, problem.object, problem.message) not in known]


@pytest.fixture(scope="module", params=["example", "lab"])
def copy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[Problem]]:
    root = tmp_path_factory.mktemp("broken") / request.param
    shutil.copytree(INVENTORIES / request.param, root)
    return root, set(validate(root, _env(root), today=DAY, cached=False).problems)


def _env(root: Path) -> dict[str, str]:
    password = root / ".vault-password"
    return {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)} if password.exists() else {}


def test_a_file_that_cannot_be_read_is_one_problem_and_its_own(copy: tuple[Path, set[Problem]]) -> None:
    """With the vault open as well: logins of a facility that cannot be read are nobody's to complain of."""
    root, before = copy
    for name in _files(root.name):
        path = root / name
        whole = path.read_bytes()
        path.write_bytes(b"version: [\n" + whole)
        try:
            found = [(problem.file, problem.code) for problem in _more(root, before, _env(root))]
        finally:
            path.write_bytes(whole)
        assert found == [(str(path), "yaml-syntax")], name


_FACILITY = "facilities/bac-giang/kcl-bg-001.yml"


@pytest.mark.parametrize(
    ("file", "line", "wrong", "code"),
    [
        (_FACILITY, "id: kcl-bg-001", "id: kcl-bg-01", "facility-file-misplaced"),
        (_FACILITY, "province: bac-giang", "province: bac-gianh", "province-unknown"),
        (_FACILITY, "carrier: viettel", "carrier: vietel", "carrier-unknown"),
        (_FACILITY, "relay: relay-viettel-1", "relay: relay-vietel-1", "relay-unknown"),
        (_FACILITY, "recorder: nvr-01", "recorder: nvr-1", "recorder-unknown"),
        ("carriers/viettel.yml", "id: viettel", "id: vietel", "carrier-file-misplaced"),
        ("centres/centre-hn.yml", "id: centre-hn", "id: centre-h", "centre-file-misplaced"),
        ("designations.yml", "province: bac-giang", "province: bac-gianh", "province-unknown"),
    ],
)
def test_one_wrong_word_is_one_problem(tmp_path: Path, file: str, line: str, wrong: str, code: str) -> None:
    root = tmp_path / "inventory"
    shutil.copytree(INVENTORIES / "example", root)
    text = (root / file).read_text(encoding="utf-8")
    assert line in text
    (root / file).write_text(text.replace(line, wrong, 1), encoding="utf-8")
    problems = check(load(root, today=DAY))
    assert [(problem.code, problem.file) for problem in problems] == [(code, str(root / file))]


def test_a_contact_of_a_facility_that_cannot_be_read_is_not_nobodys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from provisioner.cli.main import run  # noqa: PLC0415

    root = tmp_path / "inventory"
    shutil.copytree(INVENTORIES / "example", root)
    shutil.rmtree(root / "contacts", ignore_errors=True)
    people.put(root / "contacts", "bac-giang", [people.contact("kcl-bg-001")])
    (root / _FACILITY).write_text("version: [\n", encoding="utf-8")
    env = people.environment(tmp_path / "keys", "contacts-bac-giang") | {"XDG_STATE_HOME": str(tmp_path / "state")}
    run(["-i", str(root), "contacts", "check", "--province", "bac-giang", "--purpose", "x"], env)
    assert "there is no such facility" not in capsys.readouterr().out


# --- the table ------------------------------------------------------------------------------------
CODES = sorted({*IN_ONE_FILE, *(code for _, code in ANYWHERE), *(c for codes in IN_ONE_FILE.values() for c in codes)})
problems = st.lists(
    st.builds(
        Problem,
        file=st.sampled_from(["a.yml", "b.yml"]),
        line=st.just(1),
        column=st.just(1),
        code=st.sampled_from(CODES),
        message=st.just("m"),
        hint=st.just("h"),
        object=st.sampled_from(["carrier/a", "facility/b", "designations", "centre/c"]),
        severity=st.sampled_from(Severity),
    ),
    max_size=6,
)


@given(problems)
def test_no_inventory_becomes_valid_by_it(listed: list[Problem]) -> None:
    errors = [problem for problem in listed if problem.severity is Severity.ERROR]
    kept = without_consequences(listed)
    assert set(kept) <= set(listed)
    assert bool(errors) == any(problem.severity is Severity.ERROR for problem in kept)
    assert without_consequences(kept) == kept


def test_every_code_of_the_table_is_one() -> None:
    assert set(CODES) <= set(CATALOGUE)
    assert {code for codes in ANYWHERE.values() for code in codes} <= set(CATALOGUE)
