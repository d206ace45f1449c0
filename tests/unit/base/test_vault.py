"""The vault's format, held against the `ansible-vault` program both ways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import SecretsError
from provisioner.base.vault import VaultPasswords, decrypt, encrypt, is_encrypted

ANSIBLE_VAULT = Path(sys.executable).with_name("ansible-vault")
CONTENT = "kcl: { cam-01: { password: 'mật khẩu @:/#?&%' } }\n".encode()


def password_file(folder: Path, text: str = "correct horse\n", name: str = "password", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def passwords(path: Path, vault_id: str = "secrets") -> VaultPasswords:
    return VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": f"{vault_id}@{path}", "PATH": os.defpath})


def ansible_vault(folder: Path, *arguments: str) -> bytes:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANSIBLE_LOCAL_TEMP": str(folder), "LC_ALL": "C.UTF-8"}
    command = [str(ANSIBLE_VAULT), *arguments]
    return subprocess.run(command, env=env, check=True, capture_output=True, cwd=folder).stdout


def test_ansible_reads_what_we_write(tmp_path: Path) -> None:
    secret = password_file(tmp_path)
    (tmp_path / "file.yml").write_text(encrypt(CONTENT, b"correct horse", "secrets"), encoding="utf-8")
    assert ansible_vault(tmp_path, "view", "--vault-id", f"secrets@{secret}", "file.yml") == CONTENT


@pytest.mark.parametrize("vault_id", [["--vault-id", "secrets@password"], ["--vault-password-file", "password"]])
def test_we_read_what_ansible_writes_with_and_without_a_vault_id(tmp_path: Path, vault_id: list[str]) -> None:
    secret = password_file(tmp_path)
    (tmp_path / "file.yml").write_bytes(CONTENT)
    ansible_vault(tmp_path, "encrypt", *vault_id, "file.yml")
    data = (tmp_path / "file.yml").read_bytes()
    assert is_encrypted(data)
    assert decrypt(data, passwords(secret), name="file.yml") == CONTENT


def test_an_equal_salt_gives_an_equal_file_and_another_salt_another() -> None:
    one, same = (encrypt(CONTENT, b"p", "secrets", salt=bytes(32)) for _ in range(2))
    assert one == same
    assert encrypt(CONTENT, b"p", "secrets") != encrypt(CONTENT, b"p", "secrets")


@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=100), password=st.binary(min_size=1, max_size=20))
def test_what_is_encrypted_opens_again(data: bytes, password: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("vault") / "password"
    path.write_bytes(b"#" + password.strip() + b"#")
    text = encrypt(data, path.read_bytes(), "secrets")
    assert decrypt(text.encode(), passwords(path), name="f") == data


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0), st.integers(0, 15))
def test_a_changed_file_never_opens(position: int, digit: int) -> None:
    password = Path(__file__)  # any file that is there serves as a password
    good = encrypt(CONTENT, password.read_bytes().strip(), "secrets", salt=bytes(32))
    start = good.index("\n") + 1
    body = list(good)
    place = start + position % (len(good) - start)
    if body[place] in {"\n", f"{digit:x}"}:
        return
    body[place] = f"{digit:x}"
    with pytest.raises(SecretsError):
        decrypt("".join(body).encode(), passwords(password), name="f")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"plain: text\n", b"$ANSIBLE_VAULT;", b"$ANSIBLE_VAULT;1.1;AES256\n"),
        *(b"$ANSIBLE_VAULT;1.1;AES256\nzz\n", b"$ANSIBLE_VAULT;1.1;AES256\n6161\n", b"$ANSIBLE_VAULT;1.0;AES\n6161\n"),
        *(b"$ANSIBLE_VAULT;1.2;AES256\n6161\n", b"$ANSIBLE_VAULT;1.2;AES256;\xff\n\xff"),
    ],
)
def test_what_is_no_vault_file_is_an_error_that_names_the_file(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match=r"^secrets/x\.yml: "):
        decrypt(data, passwords(password_file(tmp_path)), name="secrets/x.yml")


def test_without_a_password_the_error_names_the_file_and_what_to_set() -> None:
    data = encrypt(CONTENT, b"p", "secrets").encode()
    with pytest.raises(SecretsError) as caught:
        decrypt(data, VaultPasswords(), name="secrets/x.yml")
    assert caught.value.message == "secrets/x.yml: encrypted, and no vault password is set"
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in caught.value.hint
    assert caught.value.exit_code == 12


def test_a_wrong_password_is_an_error_that_shows_no_password(tmp_path: Path) -> None:
    data = encrypt(CONTENT, b"right", "secrets").encode()
    with pytest.raises(SecretsError) as caught:
        decrypt(data, passwords(password_file(tmp_path, "wrong-horse")), name="secrets/x.yml")
    assert "no vault password fits" in caught.value.message
    assert "wrong-horse" not in caught.value.message + caught.value.hint


def test_an_executable_file_is_run_and_its_output_is_the_password(tmp_path: Path) -> None:
    program = password_file(tmp_path, "#!/bin/sh\necho from-a-program\n", mode=0o700)
    assert passwords(program).password("secrets") == b"from-a-program"


def test_a_client_program_is_told_the_vault_id(tmp_path: Path) -> None:
    program = password_file(tmp_path, '#!/bin/sh\necho "$1=$2"\n', name="store-client.sh", mode=0o700)
    assert passwords(program).password("secrets") == b"--vault-id=secrets"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("#!/bin/sh\nexit 3\n", 0o700, "ended with 3"),
        ("not a program", 0o700, "cannot be read"),
        ("\n", 0o600, "is empty"),
    ],
)
def test_a_password_that_cannot_be_had_is_an_error(tmp_path: Path, text: str, mode: int, words: str) -> None:
    with pytest.raises(SecretsError, match=words):
        passwords(password_file(tmp_path, text, mode=mode)).password("secrets")


def test_a_missing_password_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="cannot be read"):
        passwords(tmp_path / "nowhere").password("secrets")


def test_a_prompt_is_refused_because_a_pipeline_has_nobody_to_ask() -> None:
    with pytest.raises(SecretsError, match="would ask"):
        VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": "secrets@prompt"})


def test_each_vault_id_has_its_own_password_and_the_default_serves_the_rest(tmp_path: Path) -> None:
    one, two = password_file(tmp_path, "one", "one"), password_file(tmp_path, "two", "two")
    env = {"ANSIBLE_VAULT_IDENTITY_LIST": f"contacts@{one}", "ANSIBLE_VAULT_PASSWORD_FILE": str(two)}
    passwords = VaultPasswords.from_environment(env)
    assert (passwords.password("contacts"), passwords.password("secrets")) == (b"one", b"two")
    only_contacts = VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": f"contacts@{one}"})
    with pytest.raises(SecretsError, match="no vault password is set for the vault id secrets"):
        only_contacts.password("secrets")


def test_passwords_of_contacts_never_serve_secrets(tmp_path: Path) -> None:
    listed = f"contacts@{tmp_path}/one,contacts-bac-giang@{tmp_path}/two,secrets@{tmp_path}/three,{tmp_path}/four"
    passwords = VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": listed})
    assert [vault_id for vault_id, _ in passwords.for_secrets().sources] == ["secrets", "default"]
    assert passwords.only("contacts-bac-giang").sources == (("contacts-bac-giang", tmp_path / "two"),)
    assert not VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": listed.split(",")[1]}).for_secrets()


@pytest.mark.parametrize("env", [{}, {"ANSIBLE_VAULT_PASSWORD_FILE": ""}, {"ANSIBLE_VAULT_IDENTITY_LIST": " , "}])
def test_an_empty_setting_is_no_setting(env: dict[str, str]) -> None:
    assert not VaultPasswords.from_environment(env)
