"""Loading: strict about types, complete about problems, and a digest over what counts."""

import os
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import InventoryError
from provisioner.inventory.allocation import allocate
from provisioner.inventory.files.edit import render_lock, write_lock
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.load import load
from provisioner.inventory.rules.lock import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from tests import inventories as make
from tests.inventories import load_inventory

SITE = "facilities/bac-giang/kcl-bg-001.yml"
INVENTORIES = Path(__file__).parents[3] / "inventories"
TO_BE_MADE = {ALLOCATION_MISSING, HOST_KEYS_MISSING, GATEWAY_KEY_MISSING}


def codes(root: Path) -> list[str]:
    return [problem.code for problem in load(root, today=make.TODAY).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("08", "08"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("2021-05-06", "2021-05-06"),
        ("=", "="),
        ("[-]", ["-"]),
        (".", "."),
        (".inf", ".inf"),
        ("0x", "0x"),
        ("1" * 30, "1" * 30),
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("+84", 84),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("'08'", "08"),
        ('"true"', "true"),
    ],
)
def test_a_plain_scalar_is_read_as_the_core_schema_says_and_no_further(text: str, value: object) -> None:
    document = parse(f"k: {text}\n".encode())
    assert document.faults == ()
    assert document.value == {"k": value}
    assert type(document.value["k"]) is type(value)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cameras": [make.camera(port=True)]}, "value-invalid"),
        ({"cameras": [make.camera(port="554")]}, "value-invalid"),
        ({"cameras": [make.camera(port=554.0)]}, "value-invalid"),
        ({"cameras": [make.camera(port=65536)]}, "value-invalid"),
        ({"cameras": [make.camera(address=3232235777)]}, "value-invalid"),
        ({"cameras": [make.camera(address="192.168.1.300")]}, "value-invalid"),
        ({"cameras": [make.camera(recorder="nvr-01")]}, "value-invalid"),
        ({"cameras": {}}, "value-invalid"),
        ({"kind": 5}, "value-invalid"),
        ({"name": "two\nlines"}, "value-invalid"),
        ({"id": "KCL 1"}, "value-invalid"),
        ({"version": 2}, "value-invalid"),
        ({"gateway": {"lan": "192.168.1.1/24", "lan_interface": "lan0"}}, "value-invalid"),
        ({"operating": None}, "value-invalid"),
        ({"cameras": [make.camera(zone="nhà vệ sinh")]}, "zone-forbidden"),
        ({"cameras": [make.camera(zone="Toilet")]}, "zone-forbidden"),
        ({"cameras": [make.camera(zone="trong_phong")]}, "zone-forbidden"),
        ({"colour": "red"}, "key-unknown"),
    ],
)
def test_a_value_of_another_type_is_never_bent_into_shape(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    root = make.write_inventory(tmp_path, {SITE: make.facility(**changes)})
    loaded = load(root, today=make.TODAY)
    assert [p.code for p in loaded.problems] == [code]
    assert loaded.inventory is None
    assert all(p.hint and p.line >= 1 for p in loaded.problems)


@pytest.mark.parametrize("day", ["20210506", "1620000000", "2021-5-6", "2021-05-06T00:00:00", 20210506])
def test_a_day_is_written_in_one_way_only(tmp_path: Path, day: object) -> None:
    listed = {"version": 1, "designations": [make.designation(since=day)]}
    assert codes(make.write_inventory(tmp_path, {"designations.yml": listed})) == ["value-invalid"]


@pytest.mark.parametrize("user", ["{{ lookup('pipe','id') }}", "a b", "-oProxyCommand=x", "x;y", "", "tên", "a\n"])
def test_a_user_that_ansible_could_take_for_more_than_a_name_is_refused(tmp_path: Path, user: str) -> None:
    relay = make.relay("relay-viettel-1", 11, ssh={"user": user, "host_key": make.HOST_KEY})
    root = make.write_inventory(tmp_path, {"carriers/viettel.yml": make.carrier(relays=[relay])})
    (problem,) = load(root, today=make.TODAY).problems
    assert problem.code == "host-user-unsafe"
    assert "run a command on the controller" in problem.hint


def test_all_problems_of_all_files_come_at_once_and_in_order(tmp_path: Path) -> None:
    root = make.write_inventory(
        tmp_path,
        {
            SITE: make.facility(colour="red"),
            "centres/centre.yml": "a: [",
            "designations.yml": {"version": 1, "designations": [make.designation("nowhere")]},
        },
    )
    with pytest.raises(InventoryError) as caught:
        load_inventory(root, today=make.TODAY)
    codes = [problem.code for problem in caught.value.problems]
    assert {"key-unknown", "yaml-syntax", "province-unknown"} <= set(codes)
    assert list(caught.value.problems) == sorted(caught.value.problems)


def test_what_the_calling_command_makes_is_tolerated(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path)
    with pytest.raises(InventoryError):
        load_inventory(root, today=make.TODAY)
    assert load_inventory(root, today=make.TODAY, tolerate=TO_BE_MADE).facilities.keys() == {"kcl-bg-001"}


@pytest.mark.parametrize("missing", ["instructions.yml", "designations.yml"])
def test_a_file_that_has_to_be_there_is_missed_by_name(tmp_path: Path, missing: str) -> None:
    root = make.write_inventory(tmp_path, {missing: None})
    assert [(p.code, p.file) for p in load(root, today=make.TODAY).problems] == [("file-missing", str(root / missing))]


def test_a_folder_without_an_inventory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"holds no inventory\.yml"):
        load(tmp_path, today=make.TODAY)


def test_the_digest_is_of_what_the_files_say_not_of_how_they_look(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path / "a")
    before = load(root, today=make.TODAY).digest
    path = root / SITE
    path.write_text("# a comment\n" + path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    make.write_inventory(root / "contacts", {})
    assert (
        load(root, today=make.TODAY).digest
        == before
        == load(make.write_inventory(tmp_path / "b"), today=make.TODAY).digest
    )


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    document = parse(b"\xef\xbb\xbfid: x\nid: y\n")
    assert document.value == {"id": "y"}
    assert [(fault.code, fault.line, fault.column) for fault in document.faults] == [("key-duplicate", 2, 1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (SITE, make.facility(name="Trường Khác")),
        (SITE, "a: ["),
        ("facilities/bac-giang/kcl-bg-002.yml", make.facility("kcl-bg-002")),
        ("secrets/inventory.yml", "$ANSIBLE_VAULT;1.1;AES256\n61\n"),
        ("allocations.lock.yml", {"version": 1}),
    ],
)
def test_every_change_of_content_changes_the_digest(tmp_path: Path, name: str, value: object) -> None:
    root = make.write_inventory(tmp_path)
    before = load(root, today=make.TODAY).digest
    assert load(make.write_inventory(root, {name: value}), today=make.TODAY).digest != before


def test_places_lead_to_the_value_itself(tmp_path: Path) -> None:
    text = "version: 1\nid: kcl-bg-001\ncameras:\n  - id: cam-01\n    port: 554\n"
    places = load(make.write_inventory(tmp_path, {SITE: text}), today=make.TODAY).places
    port = places.at("facility/kcl-bg-001", "cameras", 0, "port")
    assert (port.line, port.column) == (5, 11)
    assert places.at("facility/kcl-bg-001", "cameras", 0, "zone").line == 4
    assert places.at("facility/nobody").file == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path)
    (root / SITE).chmod(0)
    assert codes(root) == ["file-unreadable"]


def test_a_name_of_any_bytes_can_be_reported(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path)
    name = os.fsencode(root / "facilities" / "bac-giang") + b"/\xff\xfe.yml"
    with open(name, "wb") as stream:  # noqa: PTH123 (a name that is no text)
        stream.write(b"a: 1\n")
    for problem in load(root, today=make.TODAY).problems:
        problem.position.encode()


def test_a_lock_written_beside_its_inventory_is_read_back(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path)
    inventory = load_inventory(root, today=make.TODAY, tolerate=TO_BE_MADE)
    lock = allocate(inventory)
    write_lock(root, lock)
    again = load_inventory(root, today=make.TODAY, tolerate=TO_BE_MADE)
    assert again.allocations == lock
    assert (root / "allocations.lock.yml").read_text(encoding="utf-8") == render_lock(lock)
    assert [path.name for path in root.glob(".*")] == []
    assert (root / "allocations.lock.yml").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["example", "lab"])
def test_the_inventories_in_the_repository_have_no_problem_in_any_file(name: str) -> None:
    assert load(INVENTORIES / name, today=make.TODAY).problems == ()


@pytest.mark.parametrize(
    ("file", "hint"), [(SITE, "remove the markers"), ("allocations.lock.yml", "run: provisioner allocate")]
)
def test_a_conflict_of_git_names_its_lines_and_what_to_do_with_the_file(tmp_path: Path, file: str, hint: str) -> None:
    root = make.write_inventory(tmp_path, {file: b"<<<<<<< HEAD\nversion: 1\n"})
    found = [(problem.code, problem.line, hint in problem.hint) for problem in load(root, today=make.TODAY).problems]
    assert ("yaml-conflict", 1, True) in found
