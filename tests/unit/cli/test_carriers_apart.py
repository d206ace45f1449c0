"""Each carrier with a password of its own: what its engineers can do, what stays shut, and how that is said."""

from __future__ import annotations

import hmac
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.secret import Secret
from provisioner.base.vault import VaultPasswords, decrypt, encrypt
from provisioner.cli.main import run
from provisioner.operations.apply import execution
from provisioner.operations.pipeline import stages
from provisioner.plan.saved.file import seal_key
from tests.hostile import CENTRE, LOCAL_USER, MERGE_REQUEST, VIEWER
from tests.prepared import prepared
from tests.simulated import SimulatedHosts

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
SHARED, VIETTEL, VNPT = "secrets", "secrets-viettel", "secrets-vnpt"
#: Files of the example that are one carrier's, and the vault id that they get.
FILES = {
    "carriers/viettel.yml": VIETTEL,
    "carriers/vnpt.yml": VNPT,
    "cameras/bac-giang.yml": VIETTEL,
    "cameras/quang-nam.yml": VNPT,
}


@dataclass
class Engineer:
    """Somebody with some passwords, at a terminal."""

    folder: Path
    hosts: SimulatedHosts
    capsys: pytest.CaptureFixture[str]
    ids: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "inv"

    def holding(self, *ids: str) -> Engineer:
        return Engineer(self.folder, self.hosts, self.capsys, list(ids))

    def __call__(self, *words: str) -> tuple[int, str]:
        listed = ",".join(f"{vault_id}@{self.folder / vault_id}" for vault_id in self.ids)
        state = {"XDG_STATE_HOME": str(self.folder / "state"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        code = run(["-i", str(self.root), *words], state | {"ANSIBLE_VAULT_IDENTITY_LIST": listed})
        out = self.capsys.readouterr()
        return code, out.out + out.err

    def document(self, *words: str) -> tuple[int, dict[str, Any]]:
        code, said = self("--output", "json", *words)
        document: dict[str, Any] = json.loads(said[: said.rindex("\n}") + 2])
        return code, document

    def file(self, name: str) -> Path:
        return self.root / "secrets" / name

    def plain(self, name: str, *ids: str) -> str:
        return decrypt(self.file(name).read_bytes(), self._passwords(*ids), name=name).decode()

    def put(self, name: str, text: str, vault_id: str) -> None:
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        self.file(name).write_text(encrypt(text.encode(), f"password of {vault_id}".encode(), vault_id))

    def _passwords(self, *ids: str) -> VaultPasswords:
        return VaultPasswords(tuple((vault_id, self.folder / vault_id) for vault_id in ids or (SHARED, VIETTEL, VNPT)))


@pytest.fixture
def everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Engineer:
    """The example with each carrier's files under its own vault id, applied by somebody who holds all passwords."""
    hosts = SimulatedHosts()
    program = tmp_path / "mediamtx"
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: program)
    # The hosts of the example have their keys: what is made here is the vault's.
    monkeypatch.setattr(stages, "make_host_keys", lambda *_arguments, **_options: ({}, {}))
    engineer = Engineer(tmp_path, hosts, capsys, [SHARED, VIETTEL, VNPT])

    def divide() -> None:
        program.touch()
        shutil.copytree(EXAMPLE, tmp_path / "inv")
        for vault_id in engineer.ids:
            (tmp_path / vault_id).write_text(f"password of {vault_id}")
        _divide(engineer)

    prepared(tmp_path, hosts, "carriers-apart", divide)
    return engineer


def _divide(engineer: Engineer) -> None:
    """Encrypt each carrier's files under its own vault id, and apply all of it."""
    before = VaultPasswords((("default", EXAMPLE / ".vault-password"),))
    for path in sorted((engineer.root / "secrets").rglob("*.yml")):
        name = path.relative_to(engineer.root / "secrets").as_posix()
        text = decrypt(path.read_bytes(), before, name=name).decode()
        engineer.put(name, text, FILES.get(name, SHARED))
    # Hải Dương changes its carrier: kcl-hd-001 is carried by both, and each has its logins.
    logins = engineer.plain("cameras/hai-duong.yml", SHARED)
    engineer.file("cameras/hai-duong.yml").unlink()
    engineer.put("cameras/viettel/hai-duong.yml", logins, VIETTEL)
    engineer.put("cameras/vnpt/hai-duong.yml", logins[: logins.index("kcl-hd-002")], VNPT)
    assert engineer("keys", "init")[0] == 0
    assert engineer("apply", "--yes", "--allow", "trust=4")[0] == 0


def test_whoever_holds_all_passwords_works_as_before(everybody: Engineer) -> None:
    assert everybody("plan", "--exit-code")[0] == 0
    code, said = everybody("validate")
    assert (code, "shut" in said) == (0, False)


def test_keys_init_gives_a_carrier_the_keys_of_its_own_hosts_and_changes_nothing_on_them(everybody: Engineer) -> None:
    assert "relay-viettel-1:" in everybody.plain("carriers/viettel.yml")
    assert "relay-vnpt" not in everybody.plain("carriers/viettel.yml").partition("host_keys")[2]
    assert (
        everybody.file("carriers/viettel.yml").read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;secrets-viettel\n")
    )
    own = everybody.holding(VIETTEL)
    assert own("plan", "--exit-code", "--limit", "carrier=viettel")[0] == 0


@CENTRE
def test_an_engineer_of_one_carrier_opens_nothing_of_another(everybody: Engineer) -> None:
    own = everybody.holding(VIETTEL)
    for words in (["plan"], ["apply", "--yes"], ["drift"], ["verify"], ["render", "--out", str(own.folder / "r")]):
        assert own(*words, "--limit", "carrier=vnpt")[0] == 12, words
        assert own(*words)[0] == 12, words
    assert not (own.folder / "r").exists()
    secret = re.findall(r"[A-Za-z0-9+/_=-]{30,}", everybody.plain("carriers/vnpt.yml"))
    assert secret
    assert own("render", "--out", str(own.folder / "own"), "--limit", "carrier=viettel")[0] == 0
    written = "".join(
        path.read_bytes().decode(errors="replace") for path in sorted((own.folder / "own").rglob("*")) if path.is_file()
    )
    assert not [text for text in secret if text in written]


def test_without_a_limit_the_hint_names_one_that_works(everybody: Engineer) -> None:
    code, said = everybody.holding(VIETTEL)("plan")
    assert code == 12
    assert "secrets/carriers/vnpt.yml (vault id secrets-vnpt)" in said
    assert "--limit carrier=viettel" in said
    assert "carrier=vnpt" not in said


def test_what_was_left_out_is_named_in_text_and_documents(everybody: Engineer) -> None:
    own = everybody.holding(VIETTEL)
    code, said = own("plan", "--limit", "carrier=viettel")
    assert code == 0
    for host in ("centre-hn", "relay-vnpt-1"):
        assert f"{host} is left out: its secrets stayed shut" in " ".join(said.split())
    code, document = own.document("plan", "--limit", "carrier=viettel")
    assert code == 0
    assert {"centre-hn", "relay-vnpt-1"} <= set(document["left_out"])
    assert [note for note in document["notes"] if "secrets-vnpt" in note]


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_a_host_that_was_asked_for_and_stayed_shut_is_no_success(everybody: Engineer, command: str) -> None:
    own = everybody.holding(VIETTEL)
    limits = ("--limit", "host=relay-viettel-1", "--limit", "host=centre-hn")
    assert own(command, *limits)[0] == 5
    assert own(command, "--limit", "host=centre-hn")[0] == 12


@VIEWER
def test_a_closed_carrier_is_no_green_verification(everybody: Engineer, monkeypatch: pytest.MonkeyPatch) -> None:
    own = everybody.holding(SHARED, VIETTEL)
    relays_asked = ("--limit", "host=relay-viettel-1", "--limit", "host=relay-vnpt-1")
    monkeypatch.setattr(everybody.hosts, "call", lambda _calls, **_: {})
    code, document = own.document("verify", *relays_asked)
    assert code == 1
    shut = [path for path in document["paths"] if path["relay"] == "relay-vnpt-1"]
    assert shut
    assert {(path["verdict"], path["cause"]) for path in shut} == {("unknown", "not checked")}
    assert all("secrets-vnpt" in path["detail"] for path in shut)
    assert [host for host in document["hosts"] if host["host"] == "relay-vnpt-1" and "stayed shut" in host["error"]]
    code, document = own.document("verify", "--limit", "carrier=viettel")
    assert code == 1
    assert document["summary"]["up"] == 0


def test_a_wrong_password_and_a_damaged_file_are_never_shut(everybody: Engineer) -> None:
    (everybody.folder / VIETTEL).write_text("another one")
    assert everybody.holding(VIETTEL)("plan", "--limit", "carrier=viettel")[0] == 12
    code, said = everybody.holding(SHARED, VIETTEL, VNPT)("plan", "--limit", "carrier=vnpt")
    assert (code, "no vault password fits" in said) == (12, True)
    (everybody.folder / VIETTEL).write_text(f"password of {VIETTEL}")
    text = everybody.file("carriers/vnpt.yml").read_text()
    everybody.file("carriers/vnpt.yml").write_text(text[:-60] + "\n")
    assert everybody.holding(VIETTEL)("plan", "--limit", "carrier=viettel")[0] == 12


def test_validate_checks_what_it_can_and_names_what_stayed_shut(everybody: Engineer) -> None:
    code, document = everybody.holding(VIETTEL).document("validate")
    assert code == 0
    shut = {
        problem["file"].partition("/inv/")[2] for problem in document["problems"] if problem["code"] == "secrets-shut"
    }
    assert {"secrets/carriers/vnpt.yml", "secrets/cameras/vnpt/hai-duong.yml", "secrets/inventory.yml"} <= shut
    assert "secrets/carriers/viettel.yml" not in shut
    everybody.put("cameras/bac-giang.yml", "{}\n", VIETTEL)
    code, document = everybody.holding(VIETTEL).document("validate")
    assert code == 3
    assert "login-missing" in {problem["code"] for problem in document["problems"]}


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("name", "vault_id"),
    [("carriers/vnpt.yml", VIETTEL), ("inventory.yml", VIETTEL), ("cameras/vnpt/hai-duong.yml", VIETTEL)],
)
def test_no_file_is_put_under_another_carriers_vault_id(everybody: Engineer, name: str, vault_id: str) -> None:
    text = everybody.plain(name) if everybody.file(name).exists() else "{}\n"
    everybody.put(name, text, vault_id)
    for engineer in (everybody, everybody.holding(VIETTEL), everybody.holding(VNPT)):
        code, document = engineer.document("validate")
        assert code == 3
        assert "secret-under-another-id" in {problem["code"] for problem in document["problems"]}


@MERGE_REQUEST
def test_a_false_label_makes_nothing_of_a_carrier_vanish(everybody: Engineer) -> None:
    text = everybody.file("cameras/quang-nam.yml").read_text().replace(VNPT, "secrets-nobody", 1)
    everybody.file("cameras/quang-nam.yml").write_text(text)
    code, said = everybody("plan")
    assert code == 12
    assert "secrets-nobody" in said
    assert everybody("plan", "--limit", "host=relay-vnpt-1")[0] == 12
    code, document = everybody.document("verify", "--limit", "province=quang-nam")
    assert (code, document["schema"]) == (12, "provisioner/error")


@MERGE_REQUEST
def test_a_carrier_names_no_key_of_another_carriers_host(everybody: Engineer) -> None:
    text = everybody.plain("carriers/vnpt.yml")
    everybody.put("carriers/vnpt.yml", text.replace("host_keys:\n", "host_keys:\n  relay-viettel-1: chosen\n", 1), VNPT)
    code, document = everybody.document("validate")
    assert code == 3
    assert "host-key-misplaced" in {problem["code"] for problem in document["problems"]}
    assert everybody("plan", "--limit", "carrier=viettel")[0] == 3


@MERGE_REQUEST
def test_a_login_of_one_carriers_site_is_not_left_where_another_opens_it(everybody: Engineer) -> None:
    everybody.put("cameras/viettel/quang-nam.yml", everybody.plain("cameras/quang-nam.yml"), VIETTEL)
    everybody.file("cameras/quang-nam.yml").unlink()
    code, document = everybody.document("validate")
    assert code == 3
    assert "login-misplaced" in {problem["code"] for problem in document["problems"]}


def test_a_carriers_folder_serves_as_the_file_of_the_province_does(everybody: Engineer) -> None:
    everybody.put("cameras/viettel/bac-giang.yml", everybody.plain("cameras/bac-giang.yml"), VIETTEL)
    everybody.file("cameras/bac-giang.yml").unlink()
    assert everybody("plan", "--exit-code")[0] == 0
    assert everybody.holding(VIETTEL)("plan", "--exit-code", "--limit", "carrier=viettel")[0] == 0


@LOCAL_USER
def test_a_plan_of_one_carrier_is_sealed_with_a_key_that_nobody_else_has(everybody: Engineer) -> None:
    own, out = everybody.holding(VIETTEL), everybody.folder / "plan.json"
    assert own("plan", "--limit", "carrier=viettel", "--out", str(out))[0] == 0
    assert own("plan", "--check", str(out))[0] == 0
    document = json.loads(out.read_text(encoding="utf-8"))
    document.pop("seal")
    document["notes"] = []
    whole = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    for known in ("", "viettel", "relay-viettel-1"):
        key = seal_key(Secret(known)).reveal().encode()
        seal = "hmac-sha256:" + hmac.digest(key, whole, "sha256").hex()
        out.write_text(json.dumps(document | {"seal": seal}), encoding="utf-8")
        assert own("apply", "--yes", str(out))[0] == 8


def test_keys_init_of_one_carrier_touches_no_file_of_another(everybody: Engineer) -> None:
    files = {path: path.read_bytes() for path in sorted((everybody.root / "secrets").rglob("*.yml"))}
    code, said = everybody.holding(VIETTEL)("keys", "init")
    assert code == 0
    assert "secrets/carriers/vnpt.yml stayed shut" in said
    assert {path: path.read_bytes() for path in files} == files


def test_no_key_is_drawn_for_a_host_whose_key_others_may_have(everybody: Engineer) -> None:
    text = everybody.plain("carriers/viettel.yml")
    without = re.sub(r"host_keys:\n(?:  .*\n)+", "", text)
    assert without != text
    everybody.put("carriers/viettel.yml", without, VIETTEL)
    own = everybody.holding(VIETTEL)
    assert own("keys", "init")[0] == 0
    code, said = own("plan", "--limit", "carrier=viettel")
    assert code == 12
    assert "secrets/inventory.yml (vault id secrets)" in said
    assert everybody("keys", "init")[0] == 0
    assert everybody.plain("carriers/viettel.yml") == text


def test_a_new_carriers_secrets_are_written_under_its_own_vault_id(everybody: Engineer) -> None:
    everybody.file("carriers/vnpt.yml").unlink()
    assert everybody("keys", "init")[0] == 0
    assert everybody.file("carriers/vnpt.yml").read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;secrets-vnpt\n")


def test_a_package_of_another_carriers_site_is_not_made(everybody: Engineer) -> None:
    own, number = everybody.holding(VIETTEL), iter(range(9))

    def package(*names: str) -> tuple[int, str]:
        return own("site-package", *names, "--out", str(own.folder / f"sites-{next(number)}"))

    assert package("kcl-bg-001")[0] == 0
    code, said = package()
    assert code == 0
    assert "has no package" in said
    assert "secrets/carriers/vnpt.yml" in " ".join(said.split())
