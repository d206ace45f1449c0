"""Who carries which package: what is recorded of it, what a person says of it, and what follows from what was seen."""

import json
import sqlite3
import zlib
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.support.context import today
from provisioner.record.state_folder import state_folder_of
from tests.hostile import LOCAL_USER
from tests.unit.cli.test_relay_drain import DRAIN, NEW, OLD, SITES, DrainTerminal, call

__all__ = ["call"]  # the fixture

ONE, TWO = SITES


class Desk:
    """Somebody who hands packages out."""

    def __init__(self, call: DrainTerminal) -> None:
        self.call, self._folders = call, 0

    def hand_out(self, *sites: str, vault: bool = True) -> str:
        self._folders += 1
        code, _, err = self.call(
            "site-package", *sites, "--out", str(self.call.root / f"sites-{self._folders}"), vault=vault
        )
        assert code == 0, err
        return err

    def standing(self, site: str) -> dict[str, Any]:
        _, document = self.call.document("status")
        (one,) = [one for one in document["packages"] if one["facility"] == site]
        of: dict[str, Any] = one
        return of

    def lines(self) -> list[str]:
        _, out, _ = self.call("status")
        return [line for line in out.splitlines() if "package" in line]

    def drained(self) -> None:
        """The old relay has let go of both sites, whose packages name both relays."""
        self.call.both()
        self.hand_out(*SITES)
        assert self.call("gateway", "installed", *SITES)[0] == 0
        code, document = self.call.document(*DRAIN, "--yes")
        assert (code, document["done"]) == (0, True)

    @property
    def file(self) -> Path:
        file = state_folder_of({"XDG_STATE_HOME": str(self.call.root / "state")}, "example").file
        assert file is not None
        return file

    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        with closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute(
                "SELECT e.operation, d.packed FROM provisioner_entries e JOIN provisioner_documents d ON d.run = e.run"
                " WHERE e.operation IN ('site-package', 'gateway-installed') ORDER BY e.number"
            ).fetchall()
        return [(operation, json.loads(zlib.decompress(packed))) for operation, packed in rows]


@pytest.fixture
def desk(call: DrainTerminal) -> Desk:
    return Desk(call)


def test_of_what_was_never_recorded_nothing_is_known(desk: Desk) -> None:
    one = desk.standing(ONE)
    assert (one["standing"], one["handed_out"], one["wanted"]) == ("not-recorded", None, [OLD])
    assert one["command"] == f"provisioner site-package {ONE} --out DIR"
    assert any("which package is installed there is not recorded" in line for line in desk.lines())


def test_a_package_is_recorded_without_a_secret_and_then_said_to_be_installed(desk: Desk) -> None:
    assert desk.hand_out(ONE) == ""
    one = desk.standing(ONE)
    assert (one["standing"], one["installed_at"], one["former"]) == ("handed-out", None, [])
    assert (one["handed_out"]["relays"], one["handed_out"]["takes_down"]) == ([OLD], False)
    assert one["command"] == f"provisioner gateway installed {ONE}"
    assert any(line.startswith("1 site: a package was handed out") for line in desk.lines())
    code, out, _ = desk.call("gateway", "installed", ONE)
    assert (code, out) == (0, f"recorded as installed: {ONE}; next: provisioner facility next {ONE}\n")
    one = desk.standing(ONE)
    assert (one["standing"], one["installed_at"] is not None, one["command"]) == ("current", True, None)
    desk.hand_out(ONE)
    assert desk.standing(ONE)["standing"] == "current", "the same package once more is the same"
    (handed, said), (installed, _), _ = desk.recorded()
    assert (handed, installed) == ("site-package", "gateway-installed")
    (relay,) = said["packages"][ONE]["relays"]
    assert relay["relay"] == OLD
    psks = [path.read_text(encoding="utf-8").strip() for path in (desk.call.root / "sites-1").rglob("*.psk")]
    assert psks
    whole = desk.file.read_bytes() + json.dumps(desk.recorded()).encode()
    assert all(psk.encode() not in whole for psk in psks)
    code, document = desk.call.document("history", "verify")
    assert (code, document["faults"]) == (0, [])


def test_a_package_that_expired_before_it_was_installed_is_told_until_there_is_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.hand_out(ONE, TWO)
    assert desk.call("gateway", "installed", TWO)[0] == 0
    until = today() + timedelta(days=30)
    assert desk.standing(ONE)["handed_out"]["valid_until"] == until.isoformat()
    (_, said), *_ = desk.recorded()
    assert said["packages"][ONE]["valid_until"] == until.isoformat()
    monkeypatch.setattr("provisioner.cli.status.today", lambda: until)
    assert desk.standing(ONE)["standing"] == "handed-out"
    monkeypatch.setattr("provisioner.cli.status.today", lambda: until + timedelta(days=1))
    one = desk.standing(ONE)
    assert (one["standing"], one["command"]) == ("expired", f"provisioner site-package {ONE} --out DIR")
    assert desk.standing(TWO)["standing"] == "current", "what is installed goes on"
    told = f"1 site: the package that was handed out expired, and is not known to be installed: {ONE}; the next one is:"
    assert f"{told} provisioner site-package {ONE} --out DIR" in desk.lines()
    desk.hand_out("--valid-days", "60", ONE)
    assert desk.standing(ONE)["standing"] == "handed-out", "the same once more is valid for longer"


def test_after_a_drain_status_lists_the_sites_that_still_name_the_old_relay(desk: Desk) -> None:
    desk.drained()
    one = desk.standing(ONE)
    assert (one["standing"], one["former"], one["wanted"]) == ("older", [OLD], [NEW])
    said = f"2 sites may carry a package that names {OLD} as it is not any more: {ONE}, {TWO}; next:"
    assert f"{said} provisioner site-package {ONE} {TWO} --out DIR" in desk.lines()
    code, out, _ = desk.call("hosts", "decommission", OLD, "--dry-run")
    assert f"2 sites may carry a package that names {OLD}, and go on knocking: {ONE}, {TWO}" in out, out
    desk.hand_out(ONE)
    assert (desk.standing(ONE)["standing"], desk.standing(ONE)["former"]) == ("handed-out", [OLD])
    assert desk.call("gateway", "installed", ONE)[0] == 0
    assert desk.standing(ONE)["standing"] == "current"
    code, document = desk.call.document("hosts", "decommission", OLD, "--dry-run")
    assert (code, document["named_by"]) == (0, [TWO])


def test_a_plan_lists_the_older_packages_of_its_hosts_and_their_devices(desk: Desk) -> None:
    desk.drained()
    code, document = desk.call.document("plan")
    assert (code, [one["facility"] for one in document["packages"]]) == (0, SITES)
    assert f"2 sites may carry a package that names {OLD}" in desk.call("plan")[1]
    assert desk.call.document("plan", "--limit", "host=relay-vnpt-1")[1]["packages"] == []
    desk.hand_out(*SITES)
    assert desk.call.document("plan")[1]["packages"] == []
    assert desk.call("gateway", "installed", ONE)[0] == 0
    desk.call.edit("facilities/bac-giang/kcl-bg-001.yml", "lan_interface: ", "lan_interface: x")
    assert [one["facility"] for one in desk.call.document("plan")[1]["packages"]] == [ONE]
    assert "1 site may carry a package that is older than the inventory: kcl-bg-001" in desk.call("plan")[1]


def test_a_package_that_was_handed_out_before_may_be_said_to_be_there(desk: Desk) -> None:
    code, _, err = desk.call("gateway", "installed", ONE)
    assert (code, f"no package of {ONE} is recorded as handed out" in err, "--as-desired" in err) == (2, True, True)
    assert desk.recorded() == []
    assert desk.call("gateway", "installed", ONE, "--as-desired")[0] == 0
    assert desk.standing(ONE)["standing"] == "current"


def test_a_site_that_nobody_knows_is_refused(desk: Desk) -> None:
    code, _, err = desk.call("gateway", "installed", "kcl-bg-999")
    assert (code, "there is no facility kcl-bg-999" in err) == (2, True)


@LOCAL_USER
def test_without_the_vaults_key_nothing_is_recorded_and_that_is_said(desk: Desk) -> None:
    desk.hand_out(ONE)
    code, _, err = desk.call("gateway", "installed", ONE, vault=False)
    assert (code, "nothing is recorded" in err) == (12, True)
    desk.call.edit(f"facilities/bac-giang/{TWO}.yml", "\noperating: open", "\noperating: closed")
    assert desk.call("allocate", vault=False)[0] == 0
    assert "this is done, and not recorded" in desk.hand_out(TWO, vault=False)
    assert len(desk.recorded()) == 1
    assert desk.call("history", "verify")[0] == 0


def test_a_closed_sites_gateway_goes_by_its_last_package(desk: Desk) -> None:
    desk.hand_out(TWO)
    desk.call.edit(f"facilities/bac-giang/{TWO}.yml", "\noperating: open", "\noperating: closed")
    assert desk.call("allocate")[0] == 0
    one = desk.standing(TWO)
    assert (one["standing"], one["wanted"], one["former"]) == ("older", [], [OLD])
    desk.hand_out(TWO)
    assert desk.standing(TWO)["handed_out"]["takes_down"]
    assert desk.call("gateway", "installed", TWO)[0] == 0
    assert desk.standing(TWO)["standing"] == "current"


@LOCAL_USER
def test_a_record_that_was_changed_is_named_and_stops_no_plan(desk: Desk) -> None:
    desk.hand_out(ONE)
    with closing(sqlite3.connect(desk.file)) as connection:
        connection.execute(
            "UPDATE provisioner_documents SET packed = x'00' WHERE run ="
            " (SELECT run FROM provisioner_entries WHERE operation = 'site-package')"
        )
        connection.commit()
    code, _, err = desk.call("status")
    assert (code, "is damaged" in err) == (13, True)
    code, _, err = desk.call("plan")
    assert (code, "which packages sites carry is not known" in err) == (0, True)


def test_a_replaced_relays_packages_are_recorded(desk: Desk) -> None:
    desk.call.hosts.hosts[OLD].is_new_hardware = True
    folder = desk.call.root / "dark"
    words = ("--allow", "trust=1", "--recovery-lost", "--yes", "--packages", str(folder))
    code, _, err = desk.call("relay", "replace", OLD, *words)
    assert code == 0, err
    assert desk.standing(ONE)["standing"] == "handed-out"
    assert [operation for operation, _ in desk.recorded()] == ["site-package"]


def test_the_words_are_those_of_the_reader(desk: Desk) -> None:
    desk.drained()
    _, out, _ = desk.call("--language", "vi", "status")
    assert any(OLD in line and f"provisioner site-package {ONE} {TWO} --out DIR" in line for line in out.splitlines())
    assert "may carry a package" not in out
