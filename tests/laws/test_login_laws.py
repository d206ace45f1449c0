"""Laws of a login that is set: the file says that one as it was given, every other one as before, and its comments."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.secret import Secret
from provisioner.base.vault import VaultPasswords, decrypt
from provisioner.inventory.files.yaml import parse
from provisioner.operations.edit.logins import DeviceLogin, LoginsRequest, set_logins
from tests import inventories as make

ROOT = Path("inventories/example")
NAME = "secrets/cameras/bac-giang.yml"
DEVICES = ("kcl-bg-001/cam-04", "kcl-bg-001/nvr-01", "kcl-bg-002/cam-01", "kcl-bg-002/cam-02")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30)


@cache
def passwords() -> VaultPasswords:
    return VaultPasswords.from_environment({"ANSIBLE_VAULT_PASSWORD_FILE": str(ROOT / ".vault-password")})


def opened(root: Path) -> bytes:
    return decrypt((root / NAME).read_bytes(), passwords(), name=NAME)


@settings(max_examples=25, deadline=None)
@given(devices=st.lists(st.sampled_from(DEVICES), min_size=1, max_size=3), username=TEXTS, password=TEXTS)
def test_a_given_login_is_the_files_and_no_other_changes(devices: list[str], username: str, password: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "inv"
        shutil.copytree(ROOT, root)
        before = opened(root)
        expected = parse(before).value
        assert isinstance(expected, dict)
        for name in devices:
            facility, _, device = name.partition("/")
            expected[facility][device] = {"username": username, "password": password}
        request = LoginsRequest(dict.fromkeys(devices, DeviceLogin(Secret(password), username)))
        set_logins(root, passwords(), request, today=make.TODAY, environment={})
        after = opened(root)
        assert parse(after).value == expected
        comments = [line for line in before.splitlines() if line.startswith(b"#")]
        assert [line for line in after.splitlines() if line.startswith(b"#")] == comments
