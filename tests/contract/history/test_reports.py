"""A record in PostgreSQL and one in SQLite report the same to the ministry."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.inventory.loader.load import load
from provisioner.ministry.publish import publish
from provisioner.ministry.transports import FolderTransport, PublishSettings, ReportFolder
from provisioner.ministry.trust import ReportState
from provisioner.ministry.view import View
from provisioner.record.state_folder import state_folder_of
from tests import inventories
from tests.postgresql import PostgresServer, server_programs
from tests.recorded import recording_controller
from tests.verified import DrawnNight

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(server_programs() is None, reason="no PostgreSQL server is installed"),
]

NOW = datetime(2021, 5, 20, 3, 0, tzinfo=UTC)


def test_reports_of_both_databases_are_the_same_bytes_and_a_view_shows_them(
    tmp_path: Path, server: PostgresServer
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "report.key"], check=True)
    keys = tmp_path / "keys.toml"
    line = (tmp_path / "report.key.pub").read_text().strip()
    shown = []
    for name, variables in (("sqlite", {}), ("postgresql", {"PROVISIONER_STATE": server.new_database()})):
        folder = tmp_path / name
        (folder / "reports").mkdir(parents=True)
        controller = recording_controller(folder)
        inventory = load(controller.root, today=inventories.TODAY).partial
        assert inventory
        environment = controller.environment | variables
        assert (state_folder_of(environment, "example").file is None) is (name == "postgresql")
        settings = PublishSettings(tmp_path / "report.key", (FolderTransport(folder / "reports"),))
        for night in range(3):
            at = NOW - timedelta(hours=1, days=2 - night)
            DrawnNight(inventory, at, seed=4 + night, share=0.3).record(state_folder_of(environment, "example"))
            publish(controller.root, environment, settings, at + timedelta(minutes=30), changes=night == 1)
        designated: dict[str, set[str]] = {}
        for facility in inventory.facilities.values():
            for carrier in inventory.carriers:
                designated.setdefault(carrier, set()).add(facility.province)
        table = "".join(f"{carrier} = {sorted(slugs)}\n" for carrier, slugs in designated.items())
        keys.write_text(
            f'scheme = "gso-2021"\n[controllers.example]\nkeys = ["{line}"]\n[controllers.example.provinces]\n{table}'
        )
        country = View(ReportFolder(folder / "reports"), keys, folder / "view.json").country(NOW)
        (standing,) = country.standings
        assert standing.standing is ReportState.CURRENT
        assert country.path_counts["down"]
        files = {file.name: file.read_bytes() for file in (folder / "reports").iterdir()}
        assert len(files) == 3
        shown.append((files, country.path_counts, country.facilities))
    assert shown[0] == shown[1]
