"""A relay of 3,000 sites and 30,000 devices: what the host's own program takes for one edit, and who notices it."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from provisioner.desired.render.host import render_host
from provisioner.desired.spec import HostSpec
from tests import fleets
from tests import inventories as make

from .deployment import Deployment
from .patience import stretched
from .topology import RELAYS

pytestmark = [pytest.mark.lab, pytest.mark.soak]
SITES, DEVICES = 3000, 10
CHANGED, REAL = "kcl-bg-1500", "kcl-bg-0001"
MOST_CHANGE_S, MOST_EQUAL_S = 3.0, 2.0
_FILES = ("provisioner.nft", "wg-prov.conf", "wg-prov.psk", "tunnel.json")
_PROGRAM = Path(__file__).with_name("scale_measure.py")


def relay_of(public: str, changed: str) -> HostSpec:
    """A relay with so many sites; one of them has a real key, and one the key that is named here."""
    sites = [fleets.facility(f"kcl-bg-{number:04}", DEVICES) for number in range(1, SITES + 1)]
    keys = {REAL: public, CHANGED: changed}
    for site in sites:
        site["gateway"]["public_key"] = keys.get(site["id"], site["gateway"]["public_key"])
    one = make.carrier(relays=[make.relay("relay-viettel-1", 11, max_paths=100_000)])
    state = fleets.state_of(make.inventory(carriers=[one], facilities=sites))
    return state.hosts["relay-viettel-1"]


def test_one_edit_of_a_very_large_relay_takes_seconds_and_resets_no_session(
    deployment: Deployment, tmp_path: Path
) -> None:
    key = X25519PrivateKey.generate()
    raw = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = base64.b64encode(
        key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    ).decode()
    folder = tmp_path / "scale"
    for name, changed in (("before", "a key of before"), ("after", "a key of after")):
        spec = relay_of(public, make.public_key(changed))
        (folder / name).mkdir(parents=True)
        for file in render_host(spec, fleets.templates()):
            if Path(file.path).name in _FILES:
                (folder / name / Path(file.path).name).write_bytes(file.content)
    without_one = folder / "after" / "provisioner.nft"
    without_one.write_text(re.sub(r"10\.91\.5\.\d+ \. 10554, ", "", without_one.read_text(), count=1))
    peer = next(p for p in spec.tunnel.peers if p.name == f"site/{REAL}")
    site = {
        "key": base64.b64encode(raw).decode(),
        "public": public,
        "address": str(peer.allowed_ips[0].network_address),
        "relay": str(spec.tunnel.address),
    }
    (folder / "site.json").write_text(json.dumps(site))
    lab, host = deployment.lab, RELAYS[0].name
    lab.copy_in(host, folder, "/run/scale")
    lab.copy_in(host, _PROGRAM, "/run/scale_measure.py")
    try:
        words = ["unshare", "--net", "--mount", "python3", "-I", "/run/scale_measure.py", "/run/scale"]
        seen: dict[str, Any] = json.loads(lab.exec(host, words, timeout=300).stdout.splitlines()[-1])
    finally:
        lab.exec(host, ["rm", "-rf", "/run/scale", "/run/scale_measure.py"])
    print(f"{SITES} peers, {SITES * DEVICES} set elements: {json.dumps(seen)}")  # noqa: T201
    assert seen["peers"] == SITES + 1, "and the centre"
    assert (seen["differences_before"], seen["differences_after"]) == (0, 0)
    assert seen["differences_change"] == 1
    assert seen["same_handshake"] is True
    assert " 0% packet loss" in seen["ping"]
    assert seen["change_s"] < stretched(MOST_CHANGE_S), seen
    assert seen["equal_again_s"] < stretched(MOST_EQUAL_S), seen
