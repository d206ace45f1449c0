"""Which errors hold which facilities: whatever is wrong with one, the others are valid by themselves."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import InventoryError, Problem
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.loader.frozen import ValidPart, partition, valid_part
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.hosts import Tombstone
from provisioner.inventory.model.inventory import Inventory
from tests import fleets, inventories

NAMES = ("kcl-bg-001", "kcl-bg-002", "kcl-bg-0021", "kcl-bg-003")
Plain = dict[str, Any]


def files(**changes: Any) -> dict[str, Any]:
    """Facilities' files, some of them others."""
    listed = {name: fleets.facility(name) for name in NAMES} | {k.replace("_", "-"): v for k, v in changes.items()}
    return {f"facilities/bac-giang/{name}.yml": plain for name, plain in listed.items()}


def written(tmp_path: Path, changed: dict[str, Any]) -> Path:
    """An inventory with a lock for all four, and then some files changed; None deletes one."""
    root = inventories.write_inventory(tmp_path / "inventory", files())
    write_lock(root, whole().allocations)
    for name, value in changed.items():
        if value is None:
            (root / name).unlink()
    return inventories.write_files(root, changed)


def whole() -> Inventory:
    listed = [fleets.facility(name) for name in NAMES]
    carriers = [inventories.carrier(), inventories.carrier("vnpt", 21)]
    return fleets.complete(inventories.inventory(carriers=carriers, facilities=listed))


def part(root: Path, **options: Any) -> ValidPart:
    return valid_part(load(root, today=inventories.TODAY), root, **options)


def one(name: str, value: Any) -> dict[str, Any]:
    return {f"facilities/bac-giang/{name}.yml": value}


def unsigned(name: str) -> Plain:
    plain = fleets.facility(name)
    return plain | {"plan": {key: value for key, value in plain["plan"].items() if key != "sign_offs"}}


WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "bytes": lambda name: one(name, b"\xff\x00\x01: ["),
    "no text": lambda name: one(name, b""),
    "one wrong word": lambda name: one(name, fleets.facility(name) | {"operating": "opne"}),
    "a field is missing": lambda name: one(name, {k: v for k, v in fleets.facility(name).items() if k != "kind"}),
    "unsigned": lambda name: one(name, unsigned(name)),
    "another id": lambda name: one(name, fleets.facility("kcl-bg-999")),
    "a neighbour's id": lambda name: one(name, fleets.facility(NAMES[(NAMES.index(name) + 1) % len(NAMES)])),
    "a neighbour's id, unsigned": lambda name: one(name, unsigned(NAMES[(NAMES.index(name) + 1) % len(NAMES)])),
    "twice": lambda name: {f"facilities/hai-duong/{name}.yml": fleets.facility(name)},
    "no key": lambda name: one(
        name, inventories.facility(name, gateway={"lan": "192.168.1.0/24", "lan_interface": "br"})
    ),
    "a carrier without a file": lambda name: one(
        name, fleets.facility(name, plan={"state": "proposed", "carrier": "fpt", "relay": "relay-viettel-1"})
    ),
    "a camera more": lambda name: one(name, fleets.facility(name, 3)),
    "a camera less": lambda name: one(name, fleets.facility(name, 1)),
    "closed": lambda name: one(name, fleets.facility(name, operating="closed")),
    "gone": lambda name: one(name, None),
    "protected": lambda name: one(name, fleets.facility(name, protected=True)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES[1:3])
def test_what_is_wrong_with_one_holds_that_one(tmp_path: Path, way: str, name: str) -> None:
    found = part(written(tmp_path, WAYS[way](name)))
    held = {name} | ({"kcl-bg-999"} if way == "another id" else set())
    assert set(found.held) == held
    before = {key: value for key, value in whole().facilities.items() if key != name}
    assert found.inventory.facilities == before
    assert found.held[name].file.endswith(".yml")
    assert found.held[name].reason


def test_two_that_have_one_key_are_both_held(tmp_path: Path) -> None:
    plain = fleets.facility("kcl-bg-003")
    plain["gateway"]["public_key"] = inventories.public_key("kcl-bg-001")
    assert set(part(written(tmp_path, one("kcl-bg-003", plain))).held) == {"kcl-bg-001", "kcl-bg-003"}


def test_one_that_has_a_hosts_key_is_held_alone(tmp_path: Path) -> None:
    plain = fleets.facility("kcl-bg-003")
    plain["gateway"]["public_key"] = inventories.public_key("relay-viettel-1")
    assert set(part(written(tmp_path, one("kcl-bg-003", plain))).held) == {"kcl-bg-003"}


@pytest.mark.parametrize(
    "name",
    [
        *("inventory.yml", "instructions.yml", "designations.yml", "carriers/viettel.yml", "centres/centre.yml"),
        "allocations.lock.yml",
    ],
)
def test_a_file_that_all_share_stops_all(tmp_path: Path, name: str) -> None:
    root = written(tmp_path, one("kcl-bg-002", b"\xff") | {name: "nonsense: ["})
    with pytest.raises(InventoryError) as raised:
        part(root)
    assert any(name in problem.file for problem in raised.value.problems)


def test_a_move_from_a_file_that_is_still_there_holds_both(tmp_path: Path) -> None:
    move = {"from": "bac-giang/kcl-bg-002", "to": "bac-giang/kcl-bg-003", "until": "2021-06-01"}
    changed = one("kcl-bg-002", b"[") | {"inventory.yml": inventories.settings(moved=[move])}
    assert {"kcl-bg-002", "kcl-bg-003"} <= set(part(written(tmp_path, changed)).held)


def in_its_place(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "a link out":
        path.symlink_to("/etc/hostname")
    elif kind == "a link to nothing":
        path.symlink_to("nowhere.yml")
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
        (path / "more.yml").write_text("a: 1\n")
    elif kind == "another ending":
        path.with_suffix(".yaml").write_text("a: 1\n")
    elif kind == "one folder up":
        (path.parent.parent / path.name).write_text("a: 1\n")


@pytest.mark.parametrize(
    "kind", ["a link out", "a link to nothing", "a pipe", "a folder", "another ending", "one folder up"]
)
def test_what_is_no_file_in_the_place_of_one_holds_that_one(tmp_path: Path, kind: str) -> None:
    root = written(tmp_path, {})
    in_its_place(root / "facilities/bac-giang/kcl-bg-002.yml", kind)
    held = part(root).held
    assert set(held) == {"kcl-bg-002"}
    assert held["kcl-bg-002"].province == ("" if kind == "one folder up" else "bac-giang")


@pytest.mark.parametrize("name", [b"\xff\xfe.yml", b"a\nb.yml", b"notes.yaml"])
def test_a_file_that_nobody_reads_among_the_facilities_stops_none_of_them(tmp_path: Path, name: bytes) -> None:
    root = written(tmp_path, {})
    (Path(os.fsdecode(os.fsencode(root / "facilities/bac-giang") + b"/" + name))).write_text("a: 1\n")
    result = part(root)
    assert set(result.inventory.facilities) == set(NAMES)
    assert all(held.isprintable() for held in result.held)
    assert len(result.held) == 1


def test_a_province_folder_that_is_a_link_out_stops_all(tmp_path: Path) -> None:
    root = written(tmp_path, {})
    (root / "facilities/hai-duong").symlink_to("/etc")
    with pytest.raises(InventoryError):
        part(root)


def test_a_facility_that_takes_an_older_name_of_another_holds_those_two(tmp_path: Path) -> None:
    move = {"from": "bac-giang/kcl-bg-002", "to": "bac-giang/kcl-bg-003", "until": "2021-06-01"}
    root = written(tmp_path, {"inventory.yml": inventories.settings(moved=[move])})
    assert set(part(root).held) == {"kcl-bg-002", "kcl-bg-003"}


def retired(root: Path, name: str) -> None:
    """Delete a facility as `allocate` leaves it: without an entry, with a tombstone."""
    lock = whole().allocations
    site = lock.sites[name]
    stone = Tombstone(object=f"site/{name}", pool=f"carriers/{site.carrier}", tunnel_address=site.tunnel_address)
    left = {other: entry for other, entry in lock.sites.items() if other != name}
    write_lock(root, lock.model_copy(update={"sites": left, "tombstones": (*lock.tombstones, stone)}))
    (root / f"facilities/bac-giang/{name}.yml").unlink()


def ordered(name: str) -> Plain:
    """An order that gives a facility a day of its own."""
    order = {"ref": "1", "issuer": "x", "issued_on": "2021-05-01", "before": "2021-06-01", "scope": ["ubnd_tinh"]}
    return {"version": 1, "instructions": [order | {"facilities": {name: "2021-06-10"}}]}


def test_an_order_for_a_facility_that_was_removed_is_about_that_one(tmp_path: Path) -> None:
    root = written(tmp_path, {"instructions.yml": ordered("kcl-bg-002")})
    retired(root, "kcl-bg-002")
    assert set(part(root).held) == {"kcl-bg-002"}


def test_an_order_for_a_facility_that_never_was_stops_all(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as raised:
        part(written(tmp_path, {"instructions.yml": ordered("kcl-bg-02")}))
    assert [problem.code for problem in raised.value.problems] == ["facility-unknown"]


def test_a_move_to_a_facility_that_was_removed_is_about_that_one(tmp_path: Path) -> None:
    move = {"from": "bac-giang/kcl-bg-000", "to": "bac-giang/kcl-bg-002", "until": "2021-06-01"}
    root = written(tmp_path, {"inventory.yml": inventories.settings(moved=[move])})
    retired(root, "kcl-bg-002")
    held = part(root).held
    assert "kcl-bg-002" in held
    assert set(held) <= {"kcl-bg-000", "kcl-bg-002"}


def test_what_a_held_facility_would_weigh_is_no_load_of_its_relay(tmp_path: Path) -> None:
    carrier = inventories.carrier(relays=[inventories.relay("relay-viettel-1", 11, max_paths=8)])
    root = written(tmp_path, WAYS["a camera more"]("kcl-bg-002") | {"carriers/viettel.yml": carrier})
    assert set(part(root).held) == {"kcl-bg-002"}


def test_a_protected_facility_that_is_deleted_beside_a_broken_one_is_held_as_well(tmp_path: Path) -> None:
    root = written(tmp_path, one("kcl-bg-002", b"["))
    lock = whole().allocations
    sites = {name: site for name, site in lock.sites.items() if name != "kcl-bg-003"}
    write_lock(root, lock.model_copy(update={"sites": sites, "protected": ("facility/kcl-bg-003",)}))
    (root / "facilities/bac-giang/kcl-bg-003.yml").unlink()
    assert set(part(root).held) == {"kcl-bg-002", "kcl-bg-003"}


def test_what_a_command_is_there_to_solve_holds_nobody(tmp_path: Path) -> None:
    root = written(tmp_path, WAYS["a camera more"]("kcl-bg-002"))
    assert part(root, tolerate={"allocation-missing"}).held == {}


def test_a_held_facility_says_where_it_is_and_whose(tmp_path: Path) -> None:
    held = part(written(tmp_path, one("kcl-bg-002", b"["))).held["kcl-bg-002"]
    assert (held.province, held.carriers, held.names) == ("bac-giang", ("viettel",), ("kcl-bg-002",))
    assert held.line > 0


ids = st.sampled_from(NAMES)
problems = st.builds(
    Problem,
    file=st.just("a.yml"),
    line=st.integers(0, 3),
    column=st.just(0),
    code=st.sampled_from(["one", "other"]),
    message=st.just("it is wrong"),
    object=st.one_of(ids.map("facility/{}".format), st.sampled_from(["inventory", "carrier/viettel", ""])),
    concerns=st.lists(ids, max_size=2).map(tuple),
)


@given(listed=st.lists(problems, max_size=6), held=st.sets(ids, max_size=2))
def test_every_error_stops_all_or_holds_all_that_it_names(listed: list[Problem], held: set[str]) -> None:
    of_one, of_all = partition(listed, held)
    for problem in listed:
        if not problem.facilities:
            assert problem in of_all
        elif not set(problem.facilities) <= held:
            assert all(problem in of_one[name] for name in problem.facilities)
    assert all(name in p.facilities for name, found in of_one.items() for p in found)
    assert not any(problem.facilities for problem in of_all)
