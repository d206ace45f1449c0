"""What pyinfra runs: the same files, rules, tunnel, relay and units. pyinfra is no dependency of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyinfra import config, host  # type: ignore[import-not-found]
from pyinfra.operations import files, server, systemd  # type: ignore[import-not-found]

config.SUDO = True
WANTED: dict[str, Any] = host.data.wanted
# What an operator would write on a host that has no curl.
READ_BACK = """python3 - <<'END'
import base64, pathlib, time, urllib.error, urllib.request
password = pathlib.Path("/etc/provisioner/keys/api.password").read_text().strip()
login = base64.b64encode(f"api:{{password}}".encode()).decode()
address = "http://127.0.0.1:9997/v3/config/paths/get/{sentinel}"
for _ in range(200):
    try:
        urllib.request.urlopen(urllib.request.Request(address, headers={{"Authorization": f"Basic {{login}}"}}))
        break
    except urllib.error.HTTPError:
        time.sleep(0.1)
else:
    raise SystemExit("the relay has not read its file")
END"""


def put(file: dict[str, str]) -> Any:
    """Put a file where it belongs."""
    return files.put(
        name=f"Install {file['path']}",
        src=file["source"],
        dest=file["path"],
        user=file["owner"],
        group=file["group"],
        mode=file["mode"],
    )


files.directory(name="Make /etc/provisioner", path="/etc/provisioner", user="root", group="mediamtx", mode="750")
files.directory(name="Make the folder of programs", path="/usr/local/lib/provisioner", user="root", mode="755")

installed = {file["path"]: put(file) for file in WANTED["files"]}
rules = put(WANTED["rules"])
relay = files.template(
    name="Install the relay's configuration",
    src=str(Path(__file__).parent / "plain_role/templates/mediamtx.yml.j2"),
    dest=WANTED["relay"]["path"],
    user=WANTED["relay"]["owner"],
    group=WANTED["relay"]["group"],
    mode=WANTED["relay"]["mode"],
    # As Ansible has it, for the same template.
    jinja_env_kwargs={"trim_blocks": True},
    bench=WANTED,
)


def unit_changed() -> bool:
    """Whether systemd has to read a unit again."""
    return any(operation.did_change() for path, operation in installed.items() if path.endswith(".service"))


def tunnel_changed() -> bool:
    """Whether one of the tunnel's files is new."""
    return any(operation.did_change() for path, operation in installed.items() if path.startswith("/etc/provisioner/"))


systemd.daemon_reload(name="Read the units again", _if=unit_changed)
for unit in ("provisioner-nft", "provisioner-wg", "provisioner-mediamtx"):
    systemd.service(name=f"Enable and start {unit}", service=f"{unit}.service", running=True, enabled=True)

file = WANTED["rules"]["path"]
server.shell(name="Check and load the rules", commands=[f"nft -c -f {file} && nft -f {file}"], _if=rules.did_change)
server.shell(
    name="Bring the tunnel up to date",
    commands=["/usr/local/lib/provisioner/provisioner-host wg-up"],
    _if=tunnel_changed,
)
server.shell(
    name="Wait until the relay has read its file",
    commands=[READ_BACK.format(sentinel=WANTED["relay"]["sentinel"])],
    _if=relay.did_change,
)
