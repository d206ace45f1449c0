"""Which files an inventory has: all of them are found, in one order, and none is missed without a word."""

import os
from pathlib import Path

import pytest

from provisioner.inventory.files.layout import layout_of, secret_files_of


def lay_out(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a: 1\n")
    return root


def test_every_kind_of_file_has_its_owner_and_its_place_in_the_order(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        *("secrets/inventory.yml", "secrets/carriers/vnpt.yml", "secrets/cameras/ha-nam.yml", "inventory.yml"),
        *("facilities/ha-nam/b.yml", "facilities/ha-nam/a.yml", "facilities/an-giang/c.yml", "designations.yml"),
        *("centres/x.yml", "carriers/vnpt.yml", "instructions.yml", "allocations.lock.yml"),
    )
    layout = layout_of(tmp_path)
    assert layout.problems == ()
    assert [file.owner for file in layout.files] == [
        *("allocations", "designations", "instructions", "inventory", "carrier/vnpt", "centre/x"),
        *("facility/c", "facility/a", "facility/b"),
        *("secrets/inventory", "secrets/cameras/ha-nam", "secrets/carriers/vnpt"),
    ]
    assert list(secret_files_of(tmp_path)) == [file for file in layout.files if file.model is None]
    assert all(file.path.is_file() for file in layout.files)


@pytest.mark.parametrize(
    "name",
    [
        *("inventory.yaml", "extra.yml", "facilities/a.yml", "facilities/ha-nam/a.yaml", "facilities/ha-nam/x/a.yml"),
        *("carriers/x/a.yml", "secrets/a.yml", "secrets/contacts/a.yml", "secrets/cameras/x/y/a.yml", "deep/er/a.yml"),
    ],
)
def test_a_file_that_nobody_reads_is_told(tmp_path: Path, name: str) -> None:
    layout = layout_of(lay_out(tmp_path, name))
    assert layout.files == ()
    assert [(problem.code, problem.file) for problem in layout.problems] == [("file-unexpected", f"{tmp_path}/{name}")]


@pytest.mark.parametrize(
    "name", ["contacts/.a.yml", ".git/a.yml", "facilities/ha-nam/.a.yml", ".a.yml", "notes.txt", "facilities/.x/a.yml"]
)
def test_hidden_files_are_left_alone(tmp_path: Path, name: str) -> None:
    layout = layout_of(lay_out(tmp_path, name))
    assert (layout.files, layout.problems) == ((), ())


def test_contacts_are_no_files_of_an_inventory_but_in_the_clear_they_are_told(tmp_path: Path) -> None:
    lay_out(tmp_path, "contacts/ha-nam.yml", "contacts/ha-noi.yml", "contacts/hai-duong.yml", "contacts/thai-binh.yml")
    # Its password is not of contacts, whoever encrypted it.
    (tmp_path / "contacts/hai-duong.yml").write_bytes(b"$ANSIBLE_VAULT;1.2;AES256;secrets\n00\n")
    (tmp_path / "contacts/thai-binh.yml").write_bytes(b"$ANSIBLE_VAULT;1.1;AES256\n00\n")
    (tmp_path / "contacts/ha-noi.yml").write_bytes(b"$ANSIBLE_VAULT;1.2;AES256;contacts-ha-noi\n00\n")
    for name, vault_id in (("phu-tho", "contacts-ha-nam"), ("phu-yen", "default"), ("son-la", "contacts")):
        text = f"$ANSIBLE_VAULT;1.2;AES256;{vault_id}\n00\n"
        (tmp_path / f"contacts/{name}.yml").write_text(text, encoding="utf-8")
    layout = layout_of(tmp_path)
    assert layout.files == ()
    problems = [(problem.code, problem.file, problem.object) for problem in layout.problems]
    assert problems == [
        ("contacts-not-encrypted", f"{tmp_path}/contacts/ha-nam.yml", "contacts/ha-nam"),
        *(
            ("contacts-under-another-id", f"{tmp_path}/contacts/{name}.yml", f"contacts/{name}")
            for name in ("hai-duong", "phu-tho", "phu-yen")
        ),
    ]


def test_what_is_no_regular_file_is_told_and_never_opened(tmp_path: Path) -> None:
    folder = tmp_path / "facilities/ha-nam"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.yml")
    (folder / "itself.yml").symlink_to("itself.yml")
    (folder / "nowhere.yml").symlink_to("gone.yml")
    layout = layout_of(tmp_path)
    assert layout.files == ()
    assert [problem.code for problem in layout.problems] == ["file-unexpected"] * 3


def test_a_province_may_be_a_link_to_another_and_a_link_elsewhere_does_not_lead_round(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "inv", "facilities/an-giang/b.yml", "facilities/an-giang-cu/a.yml")
    (root / "facilities/an-giang-cu").rename(root / "facilities/elsewhere")
    (root / "facilities/ha-nam").symlink_to("elsewhere")
    (root / "round").symlink_to(root)
    (root / "facilities/an-giang/round").symlink_to(root)
    layout = layout_of(root)
    assert [file.owner for file in layout.files] == ["facility/b", "facility/a", "facility/a"]
    assert layout.problems == ()


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path, "facilities/ha-nam/a.yml")
    scan = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("ha-nam"):
            raise PermissionError
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        (problem,) = layout_of(tmp_path).problems
    assert (problem.code, problem.file) == ("folder-unreadable", f"{tmp_path}/facilities/ha-nam")
