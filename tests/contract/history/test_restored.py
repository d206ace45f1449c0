"""A record that is saved while it is in use and brought back, by the commands of docs/operate/record.md."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from provisioner.record.state_folder import VARIABLE, StateFolder
from tests.postgresql import PostgresServer, server_programs
from tests.recorded import RecordingController, recording_controller

PAGE = Path(__file__).parents[3] / "docs/operate/record.md"
APPLY = ("apply", "--yes", "--allow", "trust=9")
RELAY = "relay-viettel-1"


def documented(begin: str) -> str:
    """A command of the page, as it stands there."""
    (command,) = re.findall(rf"^{re.escape(begin)}.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return str(command)


def shell(command: str, folder: Path) -> None:
    programs = server_programs()
    path = f"{programs}:/usr/bin:/bin" if programs else "/usr/bin:/bin"
    subprocess.run(
        ["bash", "-euc", command], cwd=folder, env={"PATH": path}, check=True, capture_output=True, timeout=60
    )


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def change(controller: RecordingController, state: str) -> None:
    controller.hosts.hosts[RELAY].units.discard("provisioner-nft.service")
    assert controller.run(*APPLY, **{VARIABLE: state}).code == 0


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the program sqlite3 is not on this machine")
def test_a_record_goes_on_from_a_copy(place: StateFolder, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    controller = recording_controller(tmp_path / "controller")
    state = place.url or str(tmp_path / "shared")
    assert controller.run(*APPLY, **{VARIABLE: state}).code == 0
    if place.url:
        back = saved_on_server(request.getfixturevalue("server"), state, tmp_path)
    else:
        back = saved_file(tmp_path / "shared/example", tmp_path)
    change(controller, state)
    relay = controller.hosts.hosts[RELAY]
    assert relay.epoch is not None
    last = relay.epoch["number"]
    state = back()
    told = controller.run("history", "verify", "--hosts", **{VARIABLE: state})
    assert told.code == 1
    lost = re.search(r"(\d+)", told.out)
    assert lost is not None
    change(controller, state)
    assert relay.epoch["number"] > last, "hosts know of the run that went"
    assert controller.run("plan", "--exit-code", **{VARIABLE: state}).code == 0


def saved_file(folder: Path, work: Path) -> Callable[[], str]:
    folder_in_page = "~/.local/state/provisioner/<inventory>"
    shell(documented("sqlite3 ").replace(folder_in_page, str(folder)), work)

    def back() -> str:
        shell(documented("mv record.db").partition("#")[0].replace(folder_in_page, str(folder)), work)
        for beside in ("state.db-wal", "state.db-shm"):
            (folder / beside).unlink(missing_ok=True)
        return str(folder.parent)

    return back


def saved_on_server(server: PostgresServer, state: str, work: Path) -> Callable[[], str]:
    named = "postgresql://noc@db.example.com/provisioner"
    shell(documented("pg_dump ").replace(named, f"'{libpq(state)}'"), work)

    def back() -> str:
        new = server.new_database()
        restore = documented("createdb ").partition("&& ")[2]
        shell(restore.replace("--dbname=provisioner", f"--dbname='{libpq(new)}'"), work)
        return new

    return back
