"""Files that only the vault opens: whatever stands in one, problems have a place in the text and show nothing of it."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import Problem
from provisioner.base.vault import VaultPasswords, encrypt
from provisioner.importing.contacts.store import read_contacts
from provisioner.inventory.loader import secrets
from tests import inventories as make

CANARY = "Canary-9"
TEXTS = {
    "secrets/cameras/bac-giang.yml": f"""\
# logins 🎥
kcl-bg-001:
  cam-01: {{ username: "viewer", password: '{CANARY}-a' }}
  cam-02:
    username: {CANARY}-b
    password: "{CANARY}:c"   # of the recorder
""",
    "secrets/carriers/viettel.yml": f"""\
readers: {{ centre: "{CANARY}-a" }}
site_psks:
  kcl-bg-001: {CANARY}-b
centre_psks:
  relay-viettel-1:
    centre: '{CANARY}-c'
""",
    "secrets/inventory.yml": f"digest_key: {CANARY}-a\n",
    "contacts/bac-giang.yml": f"""\
version: 1
province: bac-giang
contacts:
  - facility: kcl-bg-001
    role: representative
    full_name: "Nguyễn {CANARY}"
    title: '{CANARY} trưởng'
    phone: "+84300777001"
    email: canary@example.com
    valid_from: 2021-05-07
  - {{ facility: kcl-bg-001, role: technician, full_name: "{CANARY}", valid_from: 2021-05-07 }}
""",
}
PERSONAL = (CANARY, "+84300777001", "300777001", "canary@example.com")
WRITTEN = make.inventory()


class Opened(NamedTuple):
    """A folder with the passwords of what is encrypted in it."""

    root: Path
    passwords: VaultPasswords


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    for name in ("secrets", "contacts-bac-giang"):
        (tmp_path / name).write_text(f"password of {name}", encoding="utf-8")
    listed = ",".join(f"{name}@{tmp_path / name}" for name in ("secrets", "contacts-bac-giang"))
    return Opened(
        make.write_inventory(tmp_path / "inv"), VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": listed})
    )


def problems(opened: Opened, file: str, data: bytes) -> list[Problem]:
    """Encrypt a text as a file and read it; everything that is shown of it is looked through."""
    name = "secrets" if file.startswith("secrets") else "contacts-bac-giang"
    make.write_files(opened.root, {file: encrypt(data, f"password of {name}".encode(), name)})
    if name == "secrets":
        loaded = secrets.read_secrets(opened.root, opened.passwords.for_secrets())
        listed = [*loaded.problems, *secrets.check(opened.root, loaded, WRITTEN)]
    else:
        people = read_contacts(opened.root / "contacts", opened.passwords)
        listed = list(people.problems)
        assert not any(text in repr(people) for text in PERSONAL)
    (opened.root / file).unlink()
    assert not any(text in repr(listed) for text in PERSONAL)
    return [problem for problem in listed if problem.file.endswith(file)]


def tokens(node: yaml.Node | None) -> list[yaml.Node]:
    """Every scalar value of a document."""
    if isinstance(node, yaml.MappingNode):
        return [token for _, value in node.value for token in tokens(value)]
    if isinstance(node, yaml.SequenceNode):
        return [token for value in node.value for token in tokens(value)]
    return [node] if node else []


TOKENS = [(file, token) for file, text in TEXTS.items() for token in tokens(yaml.compose(text, Loader=yaml.SafeLoader))]


@pytest.mark.parametrize("file", TEXTS)
def test_the_text_is_right(opened: Opened, file: str) -> None:
    codes = {problem.code for problem in problems(opened, file, TEXTS[file].encode())}
    assert not {code for code in codes if code.startswith(("yaml", "key", "value"))}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sampled_from(TOKENS), written=st.sampled_from(["[]", "{}", "&a x", "!t x"]))
def test_a_wrong_value_is_told_at_its_token(opened: Opened, chosen: tuple[str, yaml.Node], written: str) -> None:
    file, node = chosen
    text = TEXTS[file]
    changed = text[: node.start_mark.index] + written + text[node.end_mark.index :]
    expected = node.start_mark.line + 1, node.start_mark.column + 1
    listed = problems(opened, file, changed.encode())
    assert expected in [(p.line, p.column) for p in listed if p.code.startswith(("yaml", "value"))]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(sorted(TEXTS)),
    cut=st.integers(0, 400),
    noise=st.binary(max_size=40) | st.sampled_from([b"[]", b"{}", b"- a", b"a", b"null", b"[" * 5000, b"{a: " * 5000]),
)
def test_whatever_stands_in_it_reading_answers_with_places(opened: Opened, file: str, cut: int, noise: bytes) -> None:
    data = TEXTS[file].encode()[:cut] + noise
    lines = data.count(b"\n") + data.count(b"\r") + data.count("\u2028".encode()) + data.count("\x85".encode()) + 1
    for problem in problems(opened, file, data):
        assert problem.message
        assert problem.hint
        assert 1 <= problem.line <= lines + 1
        assert problem.column >= 1
