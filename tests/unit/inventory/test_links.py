"""A link out of an inventory is an error that says nothing of what it leads to, and nothing is written over it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.inventory.files.layout import secret_files_of
from tests.hostile import LOCAL_USER, MERGE_REQUEST

EXAMPLE = Path(__file__).parents[3] / "inventories/example"
CANARY = "canary-Vb7nLk3s"
FACILITY = "facilities/bac-giang/kcl-bg-001.yml"
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.yml").write_text(f"{CANARY}: {CANARY}\n", encoding="utf-8")
    (tmp_path / "outside/folder/bac-giang").mkdir(parents=True)
    (tmp_path / f"outside/folder/bac-giang/{CANARY}.yml").write_text(f"{CANARY}: {CANARY}\n", encoding="utf-8")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "inventory"))


@pytest.fixture
def say(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    def say(*words: str, **more: str) -> tuple[int, str]:
        env = {
            "ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / ".vault-password"),
            "HOME": str(tmp_path / "home"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        code = run(["-i", str(root), *words], env | more)
        return code, "".join(capsys.readouterr())

    return say


def replace_with_link(path: Path, target: str) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@MERGE_REQUEST
@pytest.mark.parametrize(
    "place",
    [
        *(
            "inventory.yml",
            "instructions.yml",
            "designations.yml",
            "allocations.lock.yml",
            FACILITY,
            "contacts/ha-nam.yml",
        ),
        *("facilities/bac-giang/new.yml", "carriers/viettel.yml", "centres/national.yml"),
        *("secrets/inventory.yml", "secrets/cameras/bac-giang.yml", "secrets/carriers/viettel.yml"),
        *("facilities", "facilities/bac-giang", "carriers", "centres", "secrets", "secrets/cameras", "contacts"),
    ],
)
@pytest.mark.parametrize("how", ["absolute", "relative", "over another link"])
def test_a_link_that_leads_out_quotes_nothing(root: Path, say: Say, tmp_path: Path, place: str, how: str) -> None:
    target = tmp_path / ("outside/secret.yml" if place.endswith(".yml") else "outside/folder")
    if how == "relative":
        target = Path(os.path.relpath(target, (root / place).parent))
    elif how == "over another link":
        (root / "hop").symlink_to(target)
        target = root / "hop"
    replace_with_link(root / place, str(target))
    sarif = tmp_path / "out.sarif"
    code, text = say("validate", "--sarif", str(sarif))
    _, document = say("--output", "json", "validate")
    assert code == 3
    assert {"code": "link-outside"} in [{"code": p["code"]} for p in json.loads(document)["problems"]]
    assert CANARY not in text + document + sarif.read_text(encoding="utf-8")


@MERGE_REQUEST
@pytest.mark.parametrize(
    "target",
    ["/proc/self/environ", "/etc/passwd", "/dev/zero", "/dev/stdin", "../../.vault-password", "../../.git/config"],
)
def test_a_file_of_machine_or_person_is_not_read_as_one_of_the_inventory(root: Path, say: Say, target: str) -> None:
    (root / ".git").mkdir()
    (root / ".git/config").write_text(CANARY, encoding="utf-8")
    (root / ".vault-password").write_text(CANARY, encoding="utf-8")
    replace_with_link(root / FACILITY, target)
    code, text = say("validate", canary=CANARY)
    assert code == 3
    assert "is a link out of its folder of the inventory: it is not followed" in text
    assert CANARY not in text


@MERGE_REQUEST
@pytest.mark.parametrize("place", [FACILITY, "inventory.yml", "secrets/inventory.yml", "contacts/bac-giang.yml"])
def test_a_pipe_is_not_waited_for(root: Path, say: Say, place: str) -> None:
    (root / place).unlink()
    os.mkfifo(root / place)
    assert say("validate")[0] == (0 if place.startswith("contacts") else 3)
    keys = f"contacts-bac-giang@{EXAMPLE / '.contacts-passwords/bac-giang'}"
    checked = say("contacts", "check", "--province", "bac-giang", ANSIBLE_VAULT_IDENTITY_LIST=keys)
    assert checked[0] == (0 if place.startswith("secrets") else 3)


@MERGE_REQUEST
@pytest.mark.parametrize("place", ["contacts", "contacts/bac-giang.yml"])
def test_contacts_are_not_taken_over_a_link(root: Path, say: Say, tmp_path: Path, place: str) -> None:
    shutil.copytree(root / "contacts", tmp_path / "outside/contacts")
    elsewhere = tmp_path / "outside" / place
    replace_with_link(root / place, str(elsewhere))
    keys = f"contacts-bac-giang@{EXAMPLE / '.contacts-passwords/bac-giang'}"
    code, text = say("contacts", "check", "--province", "bac-giang", ANSIBLE_VAULT_IDENTITY_LIST=keys)
    assert code == (2 if place == "contacts" else 3)
    assert "it is not followed" in text
    named = ("contacts", "check", "--province", "bac-giang", "--contacts", str(tmp_path / "outside/contacts"))
    assert say(*named, ANSIBLE_VAULT_IDENTITY_LIST=keys)[0] == 0


@MERGE_REQUEST
def test_a_folder_that_is_named_like_a_file_is_none(root: Path, say: Say) -> None:
    (root / FACILITY).unlink()
    (root / FACILITY).mkdir()
    assert say("validate")[0] in {0, 3}


@MERGE_REQUEST
def test_secrets_are_not_taken_over_a_link(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "secrets", tmp_path / "outside/secrets")
    replace_with_link(root / "secrets", str(tmp_path / "outside/secrets"))
    assert list(secret_files_of(root)) == []


# --- writing ----------------------------------------------------------------------------------------
@MERGE_REQUEST
def test_the_lock_is_not_written_over_a_link(root: Path, say: Say, tmp_path: Path) -> None:
    lock = (root / "allocations.lock.yml").read_bytes()
    (tmp_path / "outside/lock.yml").write_bytes(lock)
    replace_with_link(root / "allocations.lock.yml", str(tmp_path / "outside/lock.yml"))
    assert say("allocate")[0] == 3
    assert (tmp_path / "outside/lock.yml").read_bytes() == lock


@MERGE_REQUEST
def test_a_facility_is_not_written_into_a_folder_elsewhere(root: Path, tmp_path: Path) -> None:
    from provisioner.base.errors import InventoryError  # noqa: PLC0415
    from provisioner.base.files import write_atomic  # noqa: PLC0415

    replace_with_link(root / "facilities/bac-giang", str(tmp_path / "outside/folder"))
    for place in ("facilities/bac-giang/new.yml", "facilities/bac-giang/below/new.yml"):
        with pytest.raises(InventoryError, match="would be written outside"):
            write_atomic(root / place, CANARY, within=root)
    assert not list((tmp_path / "outside/folder").glob("**/new.yml"))
    assert not (tmp_path / "outside/folder/below").exists()


@MERGE_REQUEST
@pytest.mark.parametrize(
    "words",
    [
        ("validate", "--sarif", "{}"),
        ("render", "--out", "{}"),
        ("site-package", "kcl-bg-001", "--out", "{}"),
        ("export", "progress", "--out", "{}", "--force"),
        ("export", "progress", "--docx", "{}", "--force"),
        ("export", "acceptance", "--docx-dir", "{}"),
        ("plan", "--out", "{}"),
        ("verify", "--html", "{}"),
        ("verify", "--junit", "{}"),
        ("verify", "--markdown", "{}"),
        ("schema", "facility", "--out", "{}"),
        ("import", "--template", "{}", "--force"),
        ("import", "{}"),
        ("apply", "{}"),
        ("plan", "push", "{}"),
        ("certificate", "set", "relay-viettel-1", "{}"),
        ("forge", "comment", "{}"),
        ("forge", "labels", "{}"),
        ("hosts", "prepare", "relay-viettel-1", "--public-key", "{}"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
@pytest.mark.parametrize("below", [False, True])
def test_a_path_of_the_command_line_is_not_taken_over_a_link_of_the_inventory(
    root: Path, say: Say, tmp_path: Path, words: tuple[str, ...], *, below: bool
) -> None:
    if (words[0] == "schema" or "--docx-dir" in words) and not below:
        return  # it writes into a folder
    target = tmp_path / "outside/target"
    target.mkdir() if below else target.write_text(CANARY, encoding="utf-8")
    (root / "out").symlink_to(target)
    named = root / "out/below" if below else root / "out"
    code, text = say(*(word.format(named) for word in words))
    assert code == 2, text
    assert "leads over the link" in text
    assert CANARY not in text
    assert list(target.iterdir()) == [] if below else target.read_text(encoding="utf-8") == CANARY


@LOCAL_USER
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("command", [("render",), ("site-package", "kcl-bg-001")])
@pytest.mark.parametrize("how", ["another user's", "everybody's", "in everybody's"])
def test_secrets_are_not_written_where_another_user_can_put_a_folder_of_his_own(
    say: Say, tmp_path: Path, command: tuple[str, ...], how: str
) -> None:
    out = tmp_path / "shared"
    out.mkdir()
    if how == "another user's":
        os.chown(out, 12345, 12345)
    else:
        out.chmod(0o777)
    code, text = say(*command, "--out", str(out / "below" if how.startswith("in") else out))
    assert code == 2, text
    assert list(out.iterdir()) == []
