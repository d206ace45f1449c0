"""Receivers in the inventory: what is refused, with its file and line, and what a fault of theirs stops."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from provisioner.base.errors import Problem
from provisioner.base.vault import encrypt
from provisioner.inventory.loader.load import load
from provisioner.operations.edit.validate import validate
from tests.hostile import MERGE_REQUEST

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
TODAY = date(2026, 1, 1)
CANARY = "canary.person@canary.example.com"
NEAR = {
    "webhook": "kind: webhook\nrole: carrier\ncarrier: viettel\nurl: https://noc.example.com/hook",
    "smtp": "kind: smtp\nrole: dic\nprovince: bac-giang\nserver: mail.example.com\nport: 587",
    "alertmanager": "kind: alertmanager\nrole: ministry\nurl: http://127.0.0.1:9093",
}
GOOD = f"""receivers:
  noc: {{key: {"k" * 32}}}
  dic: {{sender: noc@example.com, addresses: [dic@bacgiang.example.com]}}
  all: {{}}
"""


class Folder:
    """A copy of the example with receivers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(EXAMPLE, root)

    def write(self, *receivers: str, vaulted: str = "") -> None:
        """Write receivers, each as its lines, and what the vault holds for them."""
        items = ["\n".join(_indented(text)) for text in receivers]
        (self.root / "receivers.yml").write_text("\n".join(["version: 1", "receivers:", *items, ""]), encoding="utf-8")
        if vaulted:
            password = (self.root / ".vault-password").read_bytes().strip()
            text = encrypt(vaulted.encode(), password, "secrets")
            (self.root / "secrets/receivers.yml").write_text(text, encoding="utf-8")

    def problems(self, *, open_vault: bool = True) -> list[Problem]:
        """What `validate` says of receivers."""
        environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.root / ".vault-password")} if open_vault else {}
        problems = validate(self.root, environment, today=TODAY, cached=False).problems
        return [problem for problem in problems if problem.object == "receivers"]


def _indented(text: str) -> list[str]:
    first, *rest = text.splitlines()
    return [f"  - {first}", *(f"    {line}" for line in rest)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A copy of the example."""
    return Folder(tmp_path / "example")


def test_receivers_in_order_are_no_problem(folder: Folder) -> None:
    receivers = [f"id: {name}\n{NEAR[kind]}" for name, kind in (("noc", "webhook"), ("dic", "smtp"))]
    folder.write(*receivers, f"id: all\n{NEAR['alertmanager']}", vaulted=GOOD)
    assert folder.problems() == []
    loaded = load(folder.root, today=TODAY)
    assert loaded.frame is not None
    assert [receiver.id for receiver in loaded.frame.receivers] == ["noc", "dic", "all"]


@pytest.mark.parametrize(
    ("text", "code", "line", "said"),
    [
        ("kind: pigeon\nrole: ministry", "value-invalid", 4, "'pigeon'"),
        ("kind: webhook\nrole: king\nurl: https://a.example", "value-invalid", 5, "'king'"),
        ("kind: webhook\nrole: ministry\nurl: http://noc.example.com/hook", "value-invalid", 6, "https://"),
        ("kind: webhook\nrole: ministry\nurl: https://", "value-invalid", 6, "HOST"),
        ("kind: webhook\nrole: ministry\nurl: ftp://a.example", "value-invalid", 6, "HOST"),
        ("kind: webhook\nrole: ministry\nurl: https://a.example:99999/", "value-invalid", 6, "HOST"),
        ("kind: webhook\nrole: dic\nprovince: bac-gian\nurl: https://a.example", "province-unknown", 6, "bac-gian"),
        ("kind: webhook\nrole: carrier\ncarrier: vietel\nurl: https://a.example", "carrier-unknown", 6, "vietel"),
        ("kind: webhook\nrole: facility\nfacility: kcl-x\nurl: https://a.example", "facility-unknown", 6, "kcl-x"),
        ("kind: webhook\nrole: health\nurl: https://a.example", "receiver-role-unfit", 3, "needs a province"),
        ("kind: webhook\nrole: ministry\ncarrier: vnpt\nurl: https://a.example", "receiver-role-unfit", 6, "whole"),
        ("kind: webhook\nrole: ministry", "receiver-incomplete", 3, "'url'"),
        ("kind: smtp\nrole: ministry\nserver: a.example", "receiver-incomplete", 3, "'port'"),
        (
            "kind: smtp\nrole: ministry\nserver: a.example\nport: 25\nsecurity: none",
            "receiver-in-the-clear",
            8,
            "clear",
        ),
        (
            "kind: webhook\nrole: ministry\nurl: https://a.example\nserver: b.example",
            "receiver-incomplete",
            7,
            "server",
        ),
    ],
)
def test_each_mistake_is_named_with_its_line(folder: Folder, text: str, code: str, line: int, said: str) -> None:
    folder.write(f"id: noc\n{text}")
    (problem,) = folder.problems(open_vault=False)
    assert (problem.code, problem.line) == (code, line)
    assert problem.file.endswith("receivers.yml")
    assert said in problem.message + problem.hint
    assert problem.hint


def test_a_login_in_an_address_is_refused_and_not_repeated(folder: Folder) -> None:
    folder.write("id: noc\nkind: webhook\nrole: ministry\nurl: https://admin:Mat-khau1@noc.example.com/hook")
    (problem,) = folder.problems(open_vault=False)
    assert "Mat-khau1" not in problem.message + problem.hint


def test_a_missing_file_of_secrets_is_created_and_an_existing_one_edited(folder: Folder) -> None:
    folder.write(f"id: noc\n{NEAR['webhook']}")
    (problem,) = folder.problems()
    command = "ansible-vault create --vault-id secrets@FILE --encrypt-vault-id secrets secrets/receivers.yml"
    assert problem.hint.startswith(f"{command}: write key: …")
    folder.write(f"id: noc\n{NEAR['webhook']}", vaulted="receivers: {}\n")
    (problem,) = folder.problems()
    assert problem.hint.startswith("ansible-vault edit secrets/receivers.yml: write key: …")


def test_a_file_without_its_version_is_told_the_version_to_write(folder: Folder) -> None:
    (folder.root / "receivers.yml").write_text("receivers: []\n", encoding="utf-8")
    (problem,) = folder.problems()
    assert (problem.code, problem.hint) == ("key-missing", "add 'version: 1'")


def test_two_receivers_of_one_name_are_refused(folder: Folder) -> None:
    folder.write(f"id: noc\n{NEAR['webhook']}", f"id: noc\n{NEAR['webhook']}")
    assert [problem.code for problem in folder.problems(open_vault=False)] == ["receiver-duplicate"]


@pytest.mark.parametrize(
    ("vaulted", "codes"),
    [
        ("receivers: {}\n", ["receiver-secret-missing"] * 3),
        (GOOD.replace("k" * 32, "short"), ["receiver-secret-unfit"]),
        (GOOD.replace("dic@bacgiang.example.com", '"Nguyen <a@b.vn>"'), ["receiver-secret-unfit"]),
        (GOOD.replace("dic@bacgiang.example.com", '"a@b.vn\\nBcc: c@d.vn"'), ["receiver-secret-unfit"]),
        (GOOD + "  gone: {}\n", ["receiver-secret-unused"]),
        (GOOD.replace("  all: {}", "  all: {username: prometheus}"), ["receiver-secret-missing"]),
        (GOOD.replace("receivers:", "recivers:"), ["key-unknown"]),
        (GOOD.replace("[dic@", f"[{CANARY}x, [], dic@"), ["value-invalid"]),
    ],
)
def test_what_the_vault_lacks_is_named_and_nothing_is_said(folder: Folder, vaulted: str, codes: list[str]) -> None:
    receivers = [f"id: {name}\n{NEAR[kind]}" for name, kind in (("noc", "webhook"), ("dic", "smtp"))]
    folder.write(*receivers, f"id: all\n{NEAR['alertmanager']}", vaulted=vaulted)
    problems = folder.problems()
    assert [problem.code for problem in problems] == codes
    said = "\n".join(problem.message + problem.hint for problem in problems)
    assert "canary" not in said
    assert "Nguyen" not in said


@MERGE_REQUEST
def test_a_fault_of_receivers_stops_validate_and_no_other_command(folder: Folder) -> None:
    folder.write("id: noc\nkind: pigeon\nrole: ministry")
    loaded = load(folder.root, today=TODAY)
    assert loaded.inventory is not None
    assert validate(folder.root, {}, today=TODAY, cached=False).errors == 1


def test_secrets_of_receivers_in_the_clear_stop_everything(folder: Folder) -> None:
    folder.write(f"id: noc\n{NEAR['webhook']}")
    (folder.root / "secrets/receivers.yml").write_text(GOOD, encoding="utf-8")
    assert load(folder.root, today=TODAY).inventory is None
