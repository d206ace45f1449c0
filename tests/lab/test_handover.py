"""A province changes its carrier on real hosts: the new connection is made before the old one is broken."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory.files.edit import Flow, edited
from tests import inventories

from .deployment import Deployment
from .held_readers import LONGEST_GAP, HeldReaders
from .patience import stretched
from .test_verify import all_up, verified
from .topology import GATEWAYS, StreamKind, place

pytestmark = pytest.mark.lab
OLD, NEW = "relay-viettel-1", "relay-vnpt-1"
GATEWAY = next(gateway for gateway in GATEWAYS if gateway.facility == "kcl-hd-001")
PATHS = [place(f"{GATEWAY.facility}/{c.id}").path(kind) for c in GATEWAY.cameras for kind in StreamKind]
SUBS = [path for path in PATHS if path.endswith("/sub")]


@pytest.fixture
def handed_back(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment; after the test the gateway gets its first package again."""
    yield deployment
    deployment.git("reset", "--quiet", "--hard")
    _install(deployment)


def _install(deployment: Deployment) -> None:
    folder = deployment.lab.directory / "handover"
    deployment.run("site-package", GATEWAY.facility, "--out", str(folder))
    deployment.lab.install_site_package(GATEWAY.name, folder / GATEWAY.facility)
    shutil.rmtree(folder)


def _write(path: Path, changes: dict[tuple[str | int, ...], Any]) -> None:
    path.write_bytes(edited(path.read_bytes(), changes))


def _pending(deployment: Deployment) -> dict[str, set[tuple[str, str]]]:
    """What a plan does with paths, by host."""
    found: dict[str, set[tuple[str, str]]] = {OLD: set(), NEW: set()}
    for change in deployment.document("plan")["changes"]:
        if change["resource"] == "path":
            found[change["host"]].add((change["action"], change["name"]))
    return found


def _served(deployment: Deployment) -> dict[str, set[str]]:
    """Which relays prove which paths of the facility to be up."""
    report = deployment.document("verify", "--confirm", "--limit", f"facility={GATEWAY.facility}")
    found: dict[str, set[str]] = {}
    for path in report["paths"]:
        assert path["verdict"] == "up", path
        found.setdefault(path["relay"], set()).add(path["path"])
    return found


@pytest.mark.soak
def test_both_carriers_serve_until_the_new_connection_is_the_plan(handed_back: Deployment) -> None:
    deployment = handed_back
    # A site whose peer a test before took away and gave back makes its next handshake after two minutes.
    verified(deployment, "--limit", f"facility={GATEWAY.facility}", until=all_up, tries=12)
    file = deployment.facility_file(GATEWAY.facility)
    designation = Flow(province="hai-duong", carrier="vnpt", since="2021-06-01", source="illustrative, for the lab")
    _write(deployment.root / "designations.yml", {("designations", 3): designation})
    _write(file, {("successor",): {"state": "agreed", "carrier": "vnpt", "relay": NEW}})
    inventories.sign_file(file)
    deployment.run("allocate")
    deployment.run("keys", "init")
    with HeldReaders(deployment, OLD, SUBS) as readers:
        _install(deployment)
        assert _pending(deployment) == {OLD: set(), NEW: {("create", path) for path in PATHS}}
        deployment.run("apply", "--yes")
        assert _served(deployment) == {OLD: set(PATHS), NEW: set(PATHS)}
        seen = readers.finish()
    assert all(reader.played_on for reader in seen), seen
    assert max(reader.longest_gap for reader in seen) < stretched(LONGEST_GAP)

    deployment.commit("the new connection is accepted")
    text = file.read_text(encoding="utf-8")
    plan, successor = text.index("plan:\n"), text.index("successor:\n")
    file.write_text(text[:plan] + "plan:\n" + text[successor + len("successor:\n") :] + _between(text), "utf-8")
    deployment.run("allocate")
    with HeldReaders(deployment, NEW, SUBS) as readers:
        assert _pending(deployment) == {OLD: {("delete", path) for path in PATHS}, NEW: set()}
        deployment.run("apply", "--yes")
        _install(deployment)
        assert _served(deployment) == {NEW: set(PATHS)}
        seen = readers.finish()
    assert all(reader.played_on for reader in seen), seen
    deployment.git("reset", "--quiet", "--hard", "HEAD~1")


def _between(text: str) -> str:
    """What stands between the plan and its successor, which is the file's end."""
    after = text[text.index("plan:\n") + len("plan:\n") : text.index("successor:\n")]
    lines = after.splitlines(keepends=True)
    return "".join(lines[next(n for n, line in enumerate(lines) if not line.startswith(" ")) :])
