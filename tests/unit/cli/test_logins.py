"""`secrets set` writes a login into the vault: the file says that and nothing else new, and nobody sees it."""

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from provisioner.base.vault import VaultPasswords, decrypt, encrypt, vault_id_of
from provisioner.cli.main import run
from provisioner.inventory.files.yaml import parse

EXAMPLE = Path("inventories/example")
CANARY = 'Sup3r-s3cret: "ăn cơm" #'
BAC_GIANG = "secrets/cameras/bac-giang.yml"

Set = Callable[..., tuple[int, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "inv")
    return tmp_path / "inv"


class _Terminal(io.TextIOWrapper):
    """Standard input where a person sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def set_login(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Set:
    """Call it with a text on standard input: the exit code, and all that was printed."""

    def call(
        *words: str, typed: str = f"{CANARY}\n", env: dict[str, str] | None = None, at_terminal: bool = False
    ) -> tuple[int, str]:
        kind = _Terminal if at_terminal else io.TextIOWrapper
        monkeypatch.setattr(sys, "stdin", kind(io.BytesIO(typed.encode())))
        own = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password"), "HOME": str(root.parent)}
        code = run(["-i", str(root), "secrets", "set", *words], own if env is None else env)
        printed = capsys.readouterr()
        assert CANARY not in printed.out + printed.err
        return code, printed.out + printed.err

    return call


def opened(root: Path, name: str = BAC_GIANG) -> str:
    passwords = VaultPasswords.from_environment({"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")})
    return decrypt((root / name).read_bytes(), passwords, name=name).decode()


def validate(root: Path) -> int:
    return run(["-i", str(root), "validate"], {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")})


def test_one_login_is_another_one_and_the_rest_of_the_file_stays(root: Path, set_login: Set) -> None:
    before = opened(root)
    code, out = set_login("kcl-bg-001/nvr-01")
    assert (code, out.splitlines()[-1]) == (0, "next: provisioner validate, commit, then provisioner plan")
    assert f"{BAC_GIANG}: the login of kcl-bg-001/nvr-01 is set" in out
    changed = [pair for pair in zip(before.splitlines(), opened(root).splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [('    password: "example-2-only"', f"    password: {json.dumps(CANARY, ensure_ascii=False)}")]
    assert vault_id_of((root / BAC_GIANG).read_bytes()) == "secrets"
    assert validate(root) == 0


def test_all_that_are_named_get_it_and_a_second_time_nothing_is_written(root: Path, set_login: Set) -> None:
    names = ("kcl-bg-001/nvr-01", "kcl-bg-001/cam-04", "kcl-hd-001/cam-01")
    assert set_login(*names, "--username", "viewer")[0] == 0
    written = {path: path.read_bytes() for path in (root / "secrets/cameras").iterdir()}
    code, out = set_login(*names)
    assert (code, out.count("had this login already"), "next:" in out) == (0, 2, False)
    assert {path: path.read_bytes() for path in written} == written
    assert opened(root).count("username: viewer") == 2
    code, out = set_login("--output", "json", *names, "kcl-bg-002/cam-01")
    document = json.loads(out)
    assert [file["changed"] for file in document["files"]] == [["kcl-bg-002/cam-01"], []]


def test_a_file_that_is_not_there_yet_is_made_and_has_what_it_needs(root: Path, set_login: Set) -> None:
    (root / "secrets/cameras/hai-duong.yml").unlink()
    code, out = set_login("kcl-hd-001/cam-01")
    assert (code, "kcl-hd-001/cam-01 has no login yet, and its user is missing" in out) == (2, True)
    assert not (root / "secrets/cameras/hai-duong.yml").exists()
    assert set_login("kcl-hd-001/cam-01", "kcl-hd-001/cam-02", "kcl-hd-001/cam-03", "--username", "viewer")[0] == 0
    assert validate(root) == 0


def test_the_hint_of_a_missing_login_works(root: Path, set_login: Set, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "secrets/cameras/hai-duong.yml").unlink()
    assert validate(root) == 3
    hints = [line.partition("provisioner secrets set ")[2] for line in capsys.readouterr().out.splitlines()]
    words = [hint.replace("NAME", "viewer").split() for hint in hints if hint]
    assert len(words) == 3
    for of_one in words:
        assert set_login(*of_one)[0] == 0
    assert validate(root) == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kcl-bg-001", "names no device"),
        ("kcl-bg-01/nvr-01", "there is no facility kcl-bg-01\nhint: did you mean kcl-bg-001"),
        ("kcl-bg-001/nvr-1", "facility kcl-bg-001 has no device nvr-1\nhint: did you mean nvr-01?"),
        ("kcl-bg-001/cam-01", "cam-01 is a channel of nvr-01, which has the login of all its channels"),
        ("../../etc/passwd", "there is no facility .."),
    ],
)
def test_an_unknown_device_is_refused_with_what_may_be_meant(root: Path, set_login: Set, name: str, said: str) -> None:
    before = (root / BAC_GIANG).read_bytes()
    # The other one would do: nothing is written before all of it can be.
    code, out = set_login("kcl-bg-001/nvr-01", name)
    assert (code, said in out, (root / BAC_GIANG).read_bytes() == before) == (2, True, True), out


@pytest.mark.parametrize("typed", ["", "\n", f"{CANARY}\n{CANARY}\n", f"{CANARY}\x00\n", "x" * 5000])
def test_what_is_no_single_line_is_no_password(root: Path, set_login: Set, typed: str) -> None:
    before = (root / BAC_GIANG).read_bytes()
    code, out = set_login("kcl-bg-001/nvr-01", typed=typed)
    assert (code, "is not one line with a password" in out, "xxx" in out) == (2, True, False)
    assert (root / BAC_GIANG).read_bytes() == before


def test_without_the_vaults_password_nothing_is_written(root: Path, set_login: Set) -> None:
    before = (root / BAC_GIANG).read_bytes()
    code, _ = set_login("kcl-bg-001/nvr-01", env={})
    assert (code, (root / BAC_GIANG).read_bytes() == before) == (12, True)


def test_a_file_in_the_clear_or_damaged_is_not_touched_nor_repeated(root: Path, set_login: Set) -> None:
    for text in ("kcl-bg-001: {}\n", None):
        password = (root / ".vault-password").read_bytes().strip()
        broken = encrypt(f"kcl-bg-001: [{CANARY}\n".encode(), password, "secrets")
        (root / BAC_GIANG).write_text(text or broken, encoding="utf-8")
        code, out = set_login("kcl-bg-001/nvr-01")
        assert code in {3, 12}, out
        assert (root / BAC_GIANG).read_text(encoding="utf-8") == (text or broken)


def test_a_carriers_own_file_keeps_its_own_vault_id(root: Path, set_login: Set) -> None:
    own = root / "secrets/cameras/viettel/bac-giang.yml"
    own.parent.mkdir()
    (root.parent / "viettel").write_text("of viettel alone", encoding="utf-8")
    own.write_text(encrypt(opened(root).encode(), b"of viettel alone", "secrets-viettel"), encoding="utf-8")
    (root / BAC_GIANG).unlink()
    ids = f"secrets@{root / '.vault-password'},secrets-viettel@{root.parent / 'viettel'}"
    before = own.read_bytes()
    shared = {"ANSIBLE_VAULT_IDENTITY_LIST": f"secrets@{root / '.vault-password'}"}
    code, out = set_login("kcl-bg-001/nvr-01", env=shared)
    assert (code, "secrets-viettel@FILE" in out, own.read_bytes() == before) == (12, True, True), out
    code, out = set_login("kcl-bg-001/nvr-01", env={"ANSIBLE_VAULT_IDENTITY_LIST": ids})
    assert (code, vault_id_of(own.read_bytes())) == (0, "secrets-viettel"), out
    assert not (root / BAC_GIANG).exists()


def test_a_person_types_it_twice_in_the_dark(root: Path, set_login: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **how: object) -> str:
        asked.append({"text": text, **how})
        return CANARY

    monkeypatch.setattr(click, "prompt", prompt)
    assert set_login("kcl-bg-001/nvr-01", typed="", at_terminal=True)[0] == 0
    assert [(one["hide_input"], bool(one["confirmation_prompt"]), one["err"]) for one in asked] == [(True, True, True)]
    assert json.dumps(CANARY, ensure_ascii=False) in opened(root)


def test_logins_under_an_older_id_are_renamed_first(root: Path, set_login: Set) -> None:
    text = opened(root).replace("kcl-bg-001:", "kcl-bg-old:")
    password = (root / ".vault-password").read_bytes().strip()
    (root / BAC_GIANG).write_text(encrypt(text.encode(), password, "secrets"), encoding="utf-8")
    with (root / "inventory.yml").open("a", encoding="utf-8") as settings:
        settings.write("moved: [{ from: bac-giang/kcl-bg-old, to: bac-giang/kcl-bg-001, until: 2099-01-01 }]\n")
    code, out = set_login("kcl-bg-001/nvr-01")
    assert (code, "rename kcl-bg-old to kcl-bg-001 there first" in out) == (3, True), out
    assert opened(root) == text


# --- a list of logins ------------------------------------------------------------------------------
CSV = f"""device,username,password
kcl-bg-001/nvr-01,viewer,"{CANARY.replace('"', '""')}"
kcl-hd-001/cam-01,,other-2
"""
YAML = f"""
kcl-bg-001:
  nvr-01: {{ username: viewer, password: {json.dumps(CANARY)} }}
kcl-hd-001:
  cam-01: {{ username: admin, password: other-2 }}
"""


@pytest.mark.parametrize("listed", [CSV, CSV.replace("\n", "\r\n"), f"\ufeff{CSV}", YAML])
@pytest.mark.parametrize("piped", [True, False])
def test_a_list_sets_a_login_a_device(root: Path, set_login: Set, tmp_path: Path, *, listed: str, piped: bool) -> None:
    file = tmp_path / "logins"
    file.write_text(listed, encoding="utf-8")
    code, out = set_login("--from", "-", typed=listed) if piped else set_login("--from", str(file), typed="")
    assert code == 0, out
    ours = parse(opened(root).encode()).value
    others = parse(opened(root, "secrets/cameras/hai-duong.yml").encode()).value
    assert isinstance(ours, dict)
    assert isinstance(others, dict)
    assert ours["kcl-bg-001"]["nvr-01"] == {"username": "viewer", "password": CANARY}
    assert others["kcl-hd-001"]["cam-01"]["password"] == "other-2"
    assert validate(root) == 0


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("", "the list has no login"),
        ("device,username,password\n", "the list has no login"),
        (f"device,username,password\n{CANARY},viewer,kcl-bg-001/nvr-01\n", "row 2 of the list"),
        ("device,username,password\nkcl-bg-001/nvr-01,viewer,\n", "row 2 of the list"),
        ("device,username,password\nkcl-bg-001/nvr-01,viewer\n", "row 2 of the list"),
        (f"{CSV}kcl-bg-001/nvr-01,viewer,third\n", "row 4 of the list"),
        ("device,username,password\nkcl-bg-001/nvr-99,viewer,x\n", "kcl-bg-001 has no device nvr-99"),
        (f"kcl-bg-001: {{ nvr-01: {json.dumps(CANARY)} }}\n", "the list is neither of the two forms"),
        ("x" * (1024 * 1024 + 1), "more than 1 MiB"),
    ],
)
def test_a_list_that_is_wrong_is_refused_without_its_content(
    root: Path, set_login: Set, listed: str, said: str
) -> None:
    before = {path: path.read_bytes() for path in (root / "secrets/cameras").iterdir()}
    code, out = set_login("--from", "-", typed=listed)
    assert (code, said in out) == (2, True), out
    assert {path: path.read_bytes() for path in before} == before


def test_a_list_stands_alone_and_outside_of_the_inventory(root: Path, set_login: Set) -> None:
    for words in ((), ("kcl-bg-001/nvr-01", "--from", "-"), ("--from", "-", "--username", "viewer")):
        code, out = set_login(*words)
        assert (code, "name the devices, or a list of their logins" in out) == (2, True), out
    (root / "logins.csv").write_text(CSV, encoding="utf-8")
    code, out = set_login("--from", str(root / "logins.csv"))
    assert (code, "is inside the inventory, in the clear" in out) == (2, True), out
