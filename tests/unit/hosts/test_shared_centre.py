"""A centre that several inventories share: what its door says to each of them, and what their tunnels may not take."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import HostError
from provisioner.desired.owner import UNMARKED, Owner, owner_in
from provisioner.desired.spec import HostSpec
from provisioner.hosts.identity import claims_of, is_free, may_be_declared_new, with_owner
from provisioner.hosts.runner import UNPROVED, CallOutcome, ForeignHostError, HostAnswer, unanswered
from provisioner_host import bundle
from provisioner_host.machine import paths
from provisioner_host.machine.shell import Failed
from provisioner_host.state import keys
from provisioner_host.tunnel import tunnel
from tests import fleets, inventories
from tests.hostile import MERGE_REQUEST
from tests.lab import direct

THEIRS = {"inventory": "vnpt", "key": "1" * 32, "at": "2021-05-20T01:30:00Z", "host": "centre", "who": "noc@two"}
OURS = {**THEIRS, "inventory": "viettel", "key": "0" * 32}
SHARED = fleets.state_of(
    inventories.inventory(settings=inventories.settings(id="viettel"), centres=[inventories.centre(shared=True)])
).hosts["centre"]
ALONE = replace(SHARED, side="")


# --- the door -------------------------------------------------------------------------------------
class Disk:
    """A host's disk, of which the door looks at two folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("etc", "var/lib"):
            (root / name).mkdir(parents=True)

    def marks(self, name: str, mark: object) -> None:
        """Leave a mark in a folder of ours."""
        folder = self.root / "var/lib" / name
        folder.mkdir()
        (folder / "owner.json").write_text(json.dumps(mark), encoding="ascii")

    def told(self, side: str) -> str:
        """What the door of a side says, or of who has the host alone."""
        text = Path(bundle.__file__).read_text(encoding="utf-8").replace('\nSIDE = ""\n', f'\nSIDE = "{side}"\n')
        # Its own places are f-strings of these beginnings.
        text = text.replace('"/etc/', f'"{self.root}/etc/').replace('"/var/lib"', f'"{self.root}/var/lib"')
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", f"{text}tell_owner()\n"], input=b"\n", capture_output=True, check=True
        )
        (line,) = done.stdout.decode().split("\n")[1:-1]
        return line.removeprefix(bundle.OWNER)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_a_side_speaks_of_its_own_inventory_and_not_of_the_others(disk: Disk) -> None:
    disk.marks("provisioner.vnpt", THEIRS)
    assert disk.told("viettel") == "nothing"
    disk.marks("provisioner.viettel", OURS)
    assert owner_in(disk.told("viettel")) == owner_in(json.dumps(OURS))
    assert owner_in(disk.told("vnpt")) == owner_in(json.dumps(THEIRS))


def test_who_wants_a_host_alone_is_told_of_the_sides_there(disk: Disk) -> None:
    disk.marks("provisioner.vnpt", THEIRS)
    there = owner_in(disk.told(""))
    assert there is not None
    assert (there.inventory, there.shape) == ("vnpt", "shared")
    assert "who shares the host with others" in there.words


def test_who_wants_a_side_is_told_of_who_has_the_host_alone(disk: Disk) -> None:
    disk.marks("provisioner", THEIRS)
    there = owner_in(disk.told("viettel"))
    assert there is not None
    assert (there.inventory, there.shape) == ("vnpt", "alone")
    assert "who has the host for itself alone" in there.words


@pytest.mark.parametrize("side", ["", "viettel"])
def test_a_folder_of_the_other_shape_without_a_mark_is_somebodys_too(disk: Disk, side: str) -> None:
    folder = disk.root / ("var/lib/provisioner" + ("" if side else ".vnpt"))
    folder.mkdir()
    assert disk.told(side) == "nothing"
    (folder / "manifest.json").touch()
    there = owner_in(disk.told(side))
    assert there is not None
    assert (there.inventory, bool(there.shape)) == ("", True)
    assert "somebody unknown" in there.words


def marked(spec: HostSpec, *, shape: str = "", **changes: Any) -> str:
    """What a door says of this inventory's own mark."""
    assert spec.owner is not None
    mark = {**OURS, "inventory": spec.owner.inventory, "key": spec.owner.key, **changes}
    return f"{shape} {json.dumps(mark)}".strip()


@MERGE_REQUEST
@pytest.mark.parametrize("shape", ["alone", "shared"])
@pytest.mark.parametrize("spec", [SHARED, ALONE], ids=["a side", "alone"])
def test_in_the_other_shape_a_host_is_open_to_nobody_adopted_or_released(spec: HostSpec, shape: str) -> None:
    own = marked(spec, shape=shape)
    for said in (own, marked(spec, shape=shape, released=True), f"{shape} unmarked", f"{shape} {json.dumps(THEIRS)}"):
        there = owner_in(said)
        assert there is not None
        for adopted in (None, UNMARKED, replace(there, shape=""), Owner("vnpt", "1" * 32, at=THEIRS["at"])):
            asked = replace(spec, adopted=adopted)
            assert not may_be_declared_new(asked, there)
            assert not is_free(asked, there)
            assert not direct.may_be_declared_new(said, claims_of(asked))


def error_of(said: str) -> HostError:
    answer = HostAnswer(SHARED.id, CallOutcome.UNPROVED, error=UNPROVED, owner=owner_in(said))
    return unanswered(SHARED, with_owner(SHARED, answer))


def test_a_host_of_the_other_shape_says_what_is_to_be_done_and_offers_no_adoption() -> None:
    for shape, step in (("alone", "takes it out of service"), ("shared", "write `shared: true`")):
        error = error_of(f"{shape} {json.dumps(THEIRS)}")
        assert isinstance(error, ForeignHostError)
        assert ("belongs to inventory vnpt" in error.message, "adopt" in error.message) == (True, False)
        assert step in str(error.hint)
    assert "provisioner hosts adopt centre" in error_of(json.dumps(THEIRS)).message


# --- who is beside --------------------------------------------------------------------------------
def test_a_host_names_the_others_and_never_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "STATE", tmp_path / "provisioner.viettel")
    monkeypatch.setattr(paths, "OWNER", tmp_path / "provisioner.viettel/owner.json")
    for name, text in (("viettel", json.dumps(OURS)), ("vnpt", json.dumps(THEIRS)), ("odd", "[1"), ("none", "")):
        (tmp_path / f"provisioner.{name}").mkdir()
        if text:
            (tmp_path / f"provisioner.{name}/owner.json").write_text(text, encoding="ascii")
    assert keys.beside() == [THEIRS]


# --- networks -------------------------------------------------------------------------------------
class Routes:
    """What `ip` says of a host's routes and addresses."""

    def __init__(self, routes: dict[str, str], addresses: dict[str, str]) -> None:
        self.routes, self.addresses = routes, addresses

    def run(self, argv: Sequence[str], **_options: object) -> subprocess.CompletedProcess[str]:
        """What it prints."""
        from ipaddress import IPv4Network  # noqa: PLC0415 (here alone)

        if "address" in argv:
            listed: list[dict[str, Any]] = [
                {"ifname": name, "addr_info": [{"local": local}]} for name, local in self.addresses.items()
            ]
        else:
            how, wanted = argv[-2], IPv4Network(argv[-1])
            nets = {IPv4Network(network): device for network, device in self.routes.items()}
            inside = {n: d for n, d in nets.items() if (n.subnet_of(wanted) if how == "root" else wanted.subnet_of(n))}
            listed = [{"dst": str(n).removesuffix("/32"), "dev": d} for n, d in inside.items()]
        return subprocess.CompletedProcess(list(argv), 0, json.dumps(listed), "")


@pytest.mark.parametrize(
    ("routes", "addresses", "named"),
    [
        ({"10.91.0.0/16": "wgp-vnpt"}, {}, "10.91.0.0/16 is reached by wgp-vnpt"),
        ({"10.91.7.0/24": "wgp-vnpt"}, {}, "10.91.7.0/24 is reached by wgp-vnpt"),
        ({"10.80.0.0/12": "wgp-vnpt"}, {}, "10.80.0.0/12 is reached by wgp-vnpt"),
        ({}, {"wgp-vnpt": "10.90.0.1"}, "10.90.0.1 is the address of wgp-vnpt"),
        ({"10.91.0.0/16": "wgp-viettel", "10.92.0.0/16": "wgp-vnpt"}, {"wgp-viettel": "10.90.0.1"}, ""),
        ({"10.91.7.0/24": "eth1", "0.0.0.0/0": "eth0"}, {"eth0": "10.90.0.1"}, ""),
    ],
    ids=["the same", "a part", "a wider one", "its address", "nothing", "the machine's own"],
)
def test_a_tunnel_that_would_take_another_sides_networks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, routes: dict[str, str], addresses: dict[str, str], named: str
) -> None:
    monkeypatch.setattr(paths, "TUNNEL", "wgp-viettel")
    monkeypatch.setattr(tunnel, "SIDE", "viettel")
    monkeypatch.setattr(tunnel, "run", Routes(routes, addresses).run)
    link = tmp_path / "tunnel.json"
    link.write_text(json.dumps({"address": "10.90.0.1/32", "routes": ["10.91.0.0/16"]}), encoding="ascii")
    if named:
        with pytest.raises(Failed) as raised:
            tunnel.refuse_collision(link)
        assert named in str(raised.value)
    else:
        tunnel.refuse_collision(link)
