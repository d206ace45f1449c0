"""The encrypted half: complete, not a factory's, and never shown."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.base.errors import SecretsError
from provisioner.base.secret import Secret
from provisioner.base.vault import VaultPasswords, encrypt
from provisioner.inventory.loader import secrets
from provisioner.inventory.loader.load import load
from provisioner.inventory.loader.site import MAX_FILE_BYTES
from provisioner.inventory.model.facility import Operating
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, InventorySecrets
from provisioner.inventory.rules.logins import LoginSite, logins_may_stand_in
from tests import inventories as make

PASSWORD = "the vault's own"
SHOWN_NOWHERE = "Sup3r-s3cret-ăn-cơm"
LOGIN = {"username": "viewer", "password": SHOWN_NOWHERE}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make.write_inventory(tmp_path / "inv", {"carriers/vnpt.yml": None, "inventory.yml": one_pool()})


@pytest.fixture
def passwords(tmp_path: Path) -> VaultPasswords:
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    return VaultPasswords.from_environment({"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")})


def one_pool() -> dict[str, Any]:
    plain = make.settings()
    return plain | {"pools": plain["pools"] | {"carriers": {"viettel": "10.91.0.0/16"}}}


def put(root: Path, name: str, value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    make.write_files(root, {f"secrets/{name}": encrypt(text.encode(), PASSWORD.encode(), "secrets")})


def complete(root: Path, passwords: VaultPasswords) -> None:
    put(root, "cameras/bac-giang.yml", {"kcl-bg-001": {"cam-01": LOGIN}})
    secrets.write_inventory_secrets(root, InventorySecrets(digest_key=Secret("digest")), passwords)
    made = CarrierSecrets(
        readers={"centre": Secret("reader")},
        site_psks={"kcl-bg-001": Secret("psk")},
        centre_psks={"relay-viettel-1": {"centre": Secret("psk")}},
    )
    secrets.write_carrier_secrets(root, "viettel", made, passwords)


def inventory(root: Path) -> Inventory:
    loaded = load(root, today=make.TODAY)
    assert loaded.problems == ()
    assert loaded.inventory is not None
    return loaded.inventory


def problems(root: Path, passwords: VaultPasswords) -> list[tuple[str, int, int]]:
    listed = secrets.check(root, secrets.read_secrets(root, passwords), inventory(root))
    for problem in listed:
        assert SHOWN_NOWHERE not in repr(problem)
    return [(problem.code, problem.line, problem.column) for problem in listed]


def test_complete_secrets_have_no_problem(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    assert problems(root, passwords) == []
    loaded = secrets.read_secrets(root, passwords).secrets
    assert loaded.cameras["kcl-bg-001"]["cam-01"].password.reveal() == SHOWN_NOWHERE
    assert SHOWN_NOWHERE not in repr(loaded)


def test_what_keys_init_makes_has_a_code_of_its_own(root: Path, passwords: VaultPasswords) -> None:
    put(root, "cameras/bac-giang.yml", {"kcl-bg-001": {"cam-01": LOGIN}})
    assert {code for code, _, _ in problems(root, passwords)} == {"secrets-missing"}
    listed = secrets.check(root, secrets.read_secrets(root, passwords), inventory(root))
    assert [problem.message for problem in listed] == [
        "carrier viettel: there is no pre-shared key between relay relay-viettel-1 and centre centre",
        "carrier viettel: there is no pre-shared key for facility kcl-bg-001",
        "carrier viettel: there is no reader secret for centre centre",
        "there is no digest key",
    ]


@pytest.mark.parametrize(
    ("logins", "expected"),
    [
        ({}, [("login-missing", 1, 1)]),
        ({"kcl-bg-001": {"cam-01": {"username": "viewer"}}}, [("key-missing", 1, 27)]),
        ({"kcl-bg-001": {"cam-01": LOGIN | {SHOWN_NOWHERE: "x"}}}, [("key-unknown", 1, 85)]),
        ({"kcl-bg-001": {"cam-01": {"username": "a", "password": 12345}}}, [("value-invalid", 1, 57)]),
        ({"kcl-bg-001": {"cam-01": {"username": "", "password": "x"}}}, [("value-invalid", 1, 40)]),
        ({"kcl-bg-001": {"cam-01": {"username": SHOWN_NOWHERE + "\n", "password": "x"}}}, [("value-invalid", 1, 40)]),
        ({"kcl-bg-001": {"cam-01": LOGIN}, "Not an id": {}}, [("value-invalid", 1, 87)]),
        ({"kcl-bg-001": {"cam-01": LOGIN | {"password": "12345"}}}, [("password-factory", 1, 50)]),
        ({"kcl-bg-001": {"cam-01": LOGIN | {"password": "Admin"}}}, [("password-factory", 1, 50)]),
        ({"kcl-bg-001": {"cam-01": {"username": "Same", "password": "same"}}}, [("password-factory", 1, 48)]),
        ({"kcl-bg-001": {"cam-01": LOGIN, "cam-09": LOGIN}}, [("login-unused", 1, 86)]),
        (f"kcl-bg-001: {{ cam-01: {{ username: a, password: {SHOWN_NOWHERE}", [("yaml-syntax", 2, 1)]),
        (f"{SHOWN_NOWHERE}: 1\n{SHOWN_NOWHERE}: 2\n", [("key-duplicate", 2, 1)]),
    ],
)
def test_a_login_that_is_not_right_is_told_by_place_and_never_by_value(
    root: Path, passwords: VaultPasswords, logins: object, expected: list[tuple[str, int, int]]
) -> None:
    complete(root, passwords)
    put(root, "cameras/bac-giang.yml", logins)
    assert problems(root, passwords) == expected


@pytest.mark.parametrize("key", ["username", "password"])
def test_a_number_for_a_text_is_not_repeated_in_the_hint(root: Path, passwords: VaultPasswords, key: str) -> None:
    complete(root, passwords)
    put(root, "cameras/bac-giang.yml", {"kcl-bg-001": {"cam-01": LOGIN | {key: 90817263}}})
    listed = secrets.check(root, secrets.read_secrets(root, passwords), inventory(root))
    assert [problem.code for problem in listed] == ["value-invalid"]
    assert "90817263" not in repr(listed)


def test_a_login_in_another_provinces_file_is_told_where_it_belongs(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    (root / "secrets" / "cameras" / "bac-giang.yml").unlink()
    put(root, "cameras/hai-duong.yml", {"kcl-bg-001": {"cam-01": LOGIN}})
    assert [code for code, _, _ in problems(root, passwords)] == ["login-misplaced"]


def test_a_facility_in_two_files_is_told(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    put(root, "cameras/hai-duong.yml", {"kcl-bg-001": {"cam-01": LOGIN}})
    assert [code for code, _, _ in problems(root, passwords)] == ["secret-duplicate"]


def test_a_login_of_no_device_names_the_command_that_removes_it(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    put(root, "cameras/bac-giang.yml", {"kcl-bg-001": {"cam-01": LOGIN, "cam-09": LOGIN}})
    (problem,) = secrets.check(root, secrets.read_secrets(root, passwords), inventory(root))
    assert problem.hint == "remove it: ansible-vault edit secrets/cameras/bac-giang.yml"


def test_the_logins_of_a_facility_that_closed_should_go(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    make.write_files(root, {"facilities/bac-giang/kcl-bg-001.yml": make.facility(operating="closed")})
    (problem,) = secrets.check(root, secrets.read_secrets(root, passwords), inventory(root))
    assert (problem.code, problem.severity.value) == ("login-unused", "warning")
    assert problem.message == "facility kcl-bg-001 is closed, and the login of cam-01 is still there"
    assert "status --why kcl-bg-001" in problem.hint
    assert problem.hint.endswith("remove it: ansible-vault edit secrets/cameras/bac-giang.yml")
    put(root, "cameras/bac-giang.yml", {})
    assert problems(root, passwords) == []


def test_a_facility_that_is_not_rendered_needs_no_login(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    put(root, "cameras/bac-giang.yml", {})
    make.write_files(root, {"facilities/bac-giang/kcl-bg-001.yml": make.facility(operating="standby")})
    assert problems(root, passwords) == []


def test_a_plain_file_under_secrets_is_an_error_that_needs_no_password(root: Path) -> None:
    make.write_files(root, {"secrets/inventory.yml": f"digest_key: {SHOWN_NOWHERE}\n"})
    (problem,) = [p for p in load(root, today=make.TODAY).problems if p.file.endswith("secrets/inventory.yml")]
    assert problem.code == "secret-not-encrypted"
    assert "ansible-vault encrypt" in problem.hint
    assert SHOWN_NOWHERE not in repr(problem)


def test_without_a_password_an_encrypted_file_is_an_error_that_names_it(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    with pytest.raises(SecretsError, match=r"secrets/inventory\.yml: encrypted"):
        secrets.read_secrets(root, VaultPasswords())


def test_writing_equal_secrets_again_leaves_the_file_as_it_is(root: Path, passwords: VaultPasswords) -> None:
    path = root / "secrets" / "inventory.yml"
    assert secrets.write_inventory_secrets(root, InventorySecrets(digest_key=Secret("one")), passwords)
    first = path.read_bytes()
    assert not secrets.write_inventory_secrets(root, InventorySecrets(digest_key=Secret("one")), passwords)
    assert path.read_bytes() == first
    assert secrets.write_inventory_secrets(root, InventorySecrets(digest_key=Secret("two")), passwords)
    assert path.read_bytes() != first
    assert b"two" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_the_digest_is_of_all_of_a_large_file(root: Path, passwords: VaultPasswords) -> None:
    complete(root, passwords)
    many = {f"kcl-bg-{n:05}": {f"cam-{m:02}": LOGIN for m in range(20)} for n in range(600)}
    put(root, "cameras/bac-giang.yml", many)
    path = root / "secrets/cameras/bac-giang.yml"
    assert path.stat().st_size > MAX_FILE_BYTES
    before = load(root, today=make.TODAY).digest
    content = path.read_bytes()
    assert content.endswith(b"\n")
    path.write_bytes(content[:-2] + (b"1" if content[-2:-1] == b"0" else b"0") + b"\n")
    assert load(root, today=make.TODAY).digest != before


FILE, SHARED = "secrets/cameras/viettel/bac-giang", "secrets/cameras/bac-giang"


@pytest.mark.parametrize(
    ("owner", "province", "served_by", "known", "stands_in"),
    [
        (FILE, "bac-giang", ("viettel",), {"cam-1", "cam-2"}, True),
        (FILE, "hai-duong", ("viettel",), {"cam-1", "cam-2"}, True),
        (FILE, "bac-giang", (), set(), False),
        ("", "bac-giang", ("viettel",), {"cam-1"}, True),
        ("", "bac-giang", ("viettel",), {"cam-1", "cam-2"}, False),
        ("", "bac-giang", ("vnpt",), set(), False),
        ("", "hai-duong", ("viettel",), set(), False),
        (SHARED, "bac-giang", ("viettel",), {"cam-1", "cam-2"}, False),
    ],
)
def test_a_file_that_cannot_be_read_concerns_whose_logins_are_or_may_be_in_it(
    owner: str, province: str, served_by: tuple[str, ...], known: set[str], *, stands_in: bool
) -> None:
    """The logins that were read last were of this file; or some are missing that a file of this province may have."""
    site = LoginSite("kcl-bg-001", province, Operating.OPEN, served_by, (), frozenset(), ("cam-1", "cam-2"), "/")
    logins = SimpleNamespace(logins=lambda _carrier, _site: dict.fromkeys(known, Secret("x")))
    view: Any = SimpleNamespace(
        sites={site.id: site}, owners={"viettel": {site.id: owner} if owner else {}}, secrets=logins
    )
    assert logins_may_stand_in(view, FILE, "bac-giang", "viettel") == ((site.id,) if stands_in else ())
