"""A relay and a hub over it, both as they are rendered: what readers of the hub get, and what its relay sees."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from provisioner.desired.render.host import MEDIAMTX_FILE, READERS_FILE
from provisioner.desired.render.quote import source_url
from provisioner.desired.spec import HostSpec
from provisioner_host.look.rtsp_talk import Login
from tests import fleets
from tests import inventories as make
from tests.hostile import VIEWER
from tests.looks import read
from tests.processes import free_port

from .relay import API_PASSWORD, API_USER, LATE, Engine, Relay, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .camera import CameraYard

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("ffmpeg")]

RELAY, HUB = "relay-viettel-1", "centre"
OWN, OTHER = "bac-giang/kcl-bg-001/cam-01/sub", "hai-duong/kcl-hd-001/cam-01/sub"
PATIENT: Final = 20 + LATE


class Chain:
    """A camera, a relay that pulls it, a hub that pulls the relay when somebody reads."""

    def __init__(self, engine: Engine, folder: Path, yard: CameraYard, encryption: str, stack: ExitStack) -> None:
        viewer = {"id": "dic", "reads": ["bac-giang"], "networks": ["127.0.0.0/8"]}
        tls: dict[str, Any] = {"reader_tls": {"encryption": encryption}} if encryption else {}
        sites = [fleets.facility("kcl-bg-001", 1), fleets.facility("kcl-hd-001", 1, province="hai-duong")]
        centre = make.centre(hub={"address": "203.0.113.31"}, viewers=[viewer])
        inventory = make.inventory(carriers=[make.carrier(**tls)], centres=[centre], facilities=sites)
        self._state, camera = fleets.state_of(inventory), yard.camera()
        self._ports = {name: free_port() for name in ("relay", "relay-tls", "hub", "relay-api", "hub-api")}
        place = f"rtsp://127.0.0.1:{camera.port}/s"
        self._cameras = {source_url(path.pulled): place for path in self._state.hosts[RELAY].paths}
        self.relay = stack.enter_context(self._started(engine, folder / "relay", RELAY))
        self.hub = stack.enter_context(self._started(engine, folder / "hub", HUB))
        wait_for(lambda: all(self.relay.path(path)["available"] for path in (OWN, OTHER)))

    def _started(self, engine: Engine, folder: Path, host: str) -> Relay:
        """An engine on a host's rendered file, at ports of this machine."""
        folder.mkdir()
        ours = (MEDIAMTX_FILE, READERS_FILE)
        files = {f.path: f.content.decode() for f in fleets.files_of(self._state)[host] if f.path in ours}
        own = folder / "readers.pem"
        own.write_text(files.get(READERS_FILE, ""))
        kind = "hub" if host == HUB else "relay"
        text = files[MEDIAMTX_FILE]
        for source, camera in self._cameras.items():
            text = text.replace(source, camera)
        for old, name in (("10.91.0.1:8554", "relay"), ("10.91.0.1:8322", "relay-tls"), ("203.0.113.31:8322", "hub")):
            text = text.replace(old, f"127.0.0.1:{self._ports[name]}")
        text = text.replace("127.0.0.1:9997", f"127.0.0.1:{self._ports[f'{kind}-api']}")
        config = yaml.safe_load(text.replace(READERS_FILE, str(own)))
        for user in config["authInternalUsers"]:
            user["ips"] = ["127.0.0.1"]
        # The API answers to these tests; the host's own password for it was born nowhere.
        users = [user for user in config["authInternalUsers"] if user["user"] not in {"api", "probe"}]
        of_tests = {"user": API_USER, "pass": API_PASSWORD, "ips": [], "permissions": [{"action": "api"}]}
        config["authInternalUsers"] = [of_tests, *users]
        return Relay(engine, folder, config, api_port=self._ports[f"{kind}-api"], rtsp_port=self._ports["relay"])

    @property
    def spec(self) -> HostSpec:
        """The hub."""
        return self._state.hosts[HUB]

    def read(self, path: str, password: str = "viewer-centre-dic") -> dict[str, Any]:
        """What the viewer gets of a path at the hub."""
        hub = self.spec.hub
        assert hub is not None
        login = Login("127.0.0.1", self._ports["hub"], "viewer-dic", password, hub.tls.fingerprint)
        return dict(read(login, path, PATIENT))

    def pulls(self) -> set[str]:
        """The paths that the hub pulls from the relay now."""
        sessions = list[dict[str, Any]]()
        for family in ("rtspsessions", "rtspssessions"):
            answer = self.relay.api(f"/v3/{family}/list")
            sessions += answer.json()["items"] if answer.status == 200 else []
        assert {one["user"] for one in sessions} <= {"centre-centre"}
        return {one["path"] for one in sessions if one["state"] == "read"}


@pytest.fixture(params=["", "optional", "strict"])
def chain(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path, yard: CameraYard) -> Iterator[Chain]:
    with ExitStack() as stack:
        yield Chain(engine, tmp_path, yard, request.param, stack)


@VIEWER
def test_a_viewer_gets_its_province_through_the_hub_on_demand_and_nothing_else(chain: Chain) -> None:
    assert chain.pulls() == set()
    assert "codec" in (own := chain.read(OWN)), own
    assert chain.pulls() <= {OWN}
    assert chain.read(OTHER)["status"] == 401
    assert chain.read(OWN, "wrong")["status"] == 401
    assert chain.pulls() <= {OWN}
    # Ten seconds after the last reader.
    wait_for(lambda: chain.pulls() == set(), 15 + LATE)
    assert "codec" in chain.read(OWN)
