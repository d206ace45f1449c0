"""What controller and host both know by heart: names that stand twice are the same, and types cost a host nothing."""

import ast
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

import provisioner_host
from provisioner.base.private_text import address_without_login
from provisioner.desired import names, spec
from provisioner.desired.render import host
from provisioner.desired.render.templates import load_templates
from provisioner.hosts import answers
from provisioner.hosts.ansible import play
from provisioner.inventory.model.policy import ApprovedChanges
from provisioner.operations.rollout.answers import ChangeState, CheckRefusal
from provisioner.plan.diff import comparison
from provisioner.plan.diff import files as plan_files
from provisioner.plan.diff.files import overrides_ours
from provisioner_host import bundle, main, wire
from provisioner_host.machine import files as host_files
from provisioner_host.machine import paths, stream_logins
from provisioner_host.machine import units as host_units
from tests import fleets, inventories
from tests.lab import direct
from tests.lab.direct import MARK

HOST_FOLDER = Path(provisioner_host.__file__).parent

#: Controller's, host's.
TWICE = {
    "the tunnel's interface": (spec.TUNNEL, paths.TUNNEL),
    "RTSP": (spec.RTSP_PORT, paths.RTSP_PORT),
    "the Control API": (spec.API_PORT, paths.API_PORT),
    "our folder": (host.ETC, paths.ETC),
    "our programs": (host.LIB, paths.LIB),
    "units": (names.UNITS, paths.UNIT_FOLDER),
    "the on-host program": (host.HOST_PROGRAM, paths.HOST_PROGRAM),
    "MediaMTX's file": (host.MEDIAMTX_FILE, paths.MEDIAMTX_FILE),
    "the rules": (host.NFT_FILE, paths.NFT_FILE),
    "the tunnel's file": (host.WG_FILE, paths.WG_FILE),
    "pre-shared keys": (host.PSK_FILE, paths.PSK_FILE),
    "the tunnel's link": (host.TUNNEL_FILE, paths.TUNNEL_FILE),
    "who reads streams": (host.PROBE_USER, paths.PROBE_USER),
    "what a host was trusted for": (host.TRUST_FILE, paths.TRUST_FILE),
    "the policy that it was applied under": (host.POLICY_FILE, paths.POLICY_FILE),
    "a host's identity, for its door and its program": (bundle.IDENTITY, paths.IDENTITY),
    "the mark of a sealed bundle": (play.SEAL, bundle.SEAL.decode()),
    "the mark of a proof": (direct.PROOF, bundle.PROOF),
    "the mark of an owner": (direct.OWNER, bundle.OWNER),
    "whose a host is, for its door and its program": (bundle.OWNER_FILE, paths.OWNER),
    "what was installed, for its door and its program": (bundle.MANIFEST, paths.MANIFEST),
    "the program that takes bundles": (direct.INSTALLED.split()[-1], paths.HOST_PROGRAM),
    "the longest answer": (direct.LONGEST_ANSWER, answers.LONGEST_ANSWER),
    "sentinels": (host.SENTINEL_PREFIX, paths.SENTINEL_PREFIX),
    "MediaMTX's unit": (spec.UNIT_MEDIAMTX, paths.UNIT_MEDIAMTX),
    "the rules' unit": (spec.UNIT_NFT, paths.UNIT_NFT),
    "the tunnel's unit": (spec.UNIT_WG, paths.UNIT_WG),
    "the unit that returns": (spec.UNIT_REVERT, paths.UNIT_REVERT),
    "the unit that returns, its file": (f"{names.UNITS}/{spec.UNIT_REVERT}", paths.REVERT_UNIT_FILE),
    "our table": (("inet", names.HostNames().table), paths.TABLE),
    "what is no plain file": (plan_files.NOT_A_FILE, host_files.NOT_A_FILE),
    "receipts": (names.HostNames().receipts, paths.RECEIPTS),
    "the mark of an answer": (MARK, main.ANSWER),
    "states of a change": (sorted(ChangeState), sorted(get_args(wire.Outcome))),
    "changes that people approve": (sorted(ApprovedChanges), sorted(get_args(wire.ChangesToApprove))),
    "refusals": (sorted(CheckRefusal), sorted(get_args(wire.Refusal))),
}


@pytest.mark.parametrize("name", TWICE)
def test_what_stands_on_both_sides_is_the_same(name: str) -> None:
    ours, theirs = TWICE[name]
    assert ours == (str(theirs) if isinstance(theirs, Path) else theirs)


def test_both_sides_write_and_hide_alike() -> None:
    document = {"b": [1, 2.5, None, True], "a": "Bắc Giang ✓"}
    assert comparison.canonical(document) == host_files.canonical(document)
    for source in (
        "rtsp://user:p%40ss@100.64.0.4:8554/a/b",
        "rtsp://100.64.0.4/a@b",
        "rtsp://user:p%40ss@100.64.0.4/live/p%2540ss/1",
        "rtsp://user:x@100.64.0.4/1?channel=1&PWD=abc",
        "rtsp://100.64.0.4",
    ):
        assert address_without_login(source) == stream_logins.without_login(source)


def test_both_sides_know_alike_what_overrides_units_of_ours() -> None:
    ours = (
        "/etc/systemd/system/provisioner-mediamtx.service.d/a.conf",
        "/run/systemd/system/provisioner-.service.d/a.conf",
        "/etc/systemd/system.control/provisioner-wg.service",
    )
    others = ("/etc/systemd/system/service.d/a.conf", "/usr/lib/systemd/system/service.d/provision.conf", "", "x")
    alone = fleets.state_of(inventories.inventory()).hosts["centre"]
    for judge in (partial(overrides_ours, alone), host_units.of_ours):
        assert [path for path in (*ours, *others) if judge(path)] == list(ours)


def test_the_types_of_what_travels_are_imported_by_the_type_checker_alone() -> None:
    assert "wire.py" not in load_templates().host_sources
    for module in sorted(HOST_FOLDER.rglob("*.py")):
        assert not list(_imports_at_run_time(ast.parse(module.read_text(encoding="utf-8")))), module.name


def _imports_at_run_time(tree: ast.AST) -> list[ast.AST]:
    """What imports `wire` outside `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = [tree]
    imports: list[ast.AST] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "provisioner_host.wire":
            imports.append(node)
        waiting += ast.iter_child_nodes(node)
    return imports
