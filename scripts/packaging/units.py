"""The systemd units that the Debian package brings, for inventories and carriers by name: none is enabled.

`%i` is the inventory's folder below `/srv/provisioner`, and what is its own below `/etc/provisioner`; of a node it is
the carrier's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from provisioner.report.night_units import NightUnits

PROGRAM: Final = PurePosixPath("/usr/bin/provisioner")
_NAME: Final = "INVENTORY"  #: Stands for the instance while a unit is made, as a `%` would be doubled.
_NIGHT: Final = "provisioner-nightly@"
_WATCH: Final = "provisioner-watch@"
_WATCH_HEAD: Final = f"""\
[Unit]
Description=Watch of the inventory {_NAME}: do camera paths flow
Wants=network-online.target
After=network-online.target

[Service]
User=provisioner
# A port of its own for each inventory: provisioner-watch@NAME.service.d/port.conf with Environment=PORT=9465
Environment=PORT=9464
ExecStart={PROGRAM} -i /srv/provisioner/{_NAME} watch --listen $PORT
Restart=on-failure
RestartSec=10
"""
_AGENT: Final = "provisioner-agent@"
_AGENT_HEAD: Final = f"""\
[Unit]
Description=Agent of the inventory {_NAME}: hosts are brought to what its branch says
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
User=provisioner
ExecStart={PROGRAM} agent /etc/provisioner-agent/{_NAME}/agent.toml
Restart=always
RestartSec=10
WatchdogSec=2min
# Hosts on their way are brought to the end of their wave.
TimeoutStopSec=15min
"""
_NODE: Final = "provisioner-node@"
_NODE_HEAD: Final = f"""\
[Unit]
Description=Node of the carrier {_NAME}: its hosts are called from here
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
User=provisioner
ExecStart={PROGRAM} node run /etc/provisioner-node/{_NAME}/node.toml
Restart=always
RestartSec=10
WatchdogSec=2min
# What was begun is carried to its end.
TimeoutStopSec=15min
StateDirectory=provisioner-node/{_NAME}
StateDirectoryMode=0700
RuntimeDirectory=provisioner-node/{_NAME}
RuntimeDirectoryMode=0700
Environment=XDG_RUNTIME_DIR=%t/provisioner-node/{_NAME}
"""
_WATCH_FOOT: Final = """
[Install]
WantedBy=multi-user.target
"""


def units() -> Mapping[str, str]:
    """The texts of all units, by their names."""
    etc = PurePosixPath("/etc/provisioner") / _NAME
    night = NightUnits(
        inventory=_NAME,
        folder=PurePosixPath("/srv/provisioner") / _NAME,
        program=PROGRAM,
        vault=etc / "vault-password",
        key=etc / "ssh-key",
    )
    service, timer = _body(night.service), _body(night.timer)
    shut_in = service[service.index("LoadCredential=") :]
    watch = _WATCH_HEAD + shut_in + _WATCH_FOOT
    agent = _AGENT_HEAD + shut_in + _WATCH_FOOT
    texts = {f"{_NIGHT}.service": service, f"{_NIGHT}.timer": timer, f"{_WATCH}.service": watch}
    texts[f"{_AGENT}.service"] = agent
    # No vault, no inventory, no history: a node has none of them.
    apart = service[service.index("UMask=") :]
    texts[f"{_NODE}.service"] = _NODE_HEAD + apart + _WATCH_FOOT
    return {name: _instance(text) for name, text in texts.items()}


def _body(text: str) -> str:
    """A unit without the lines that say where it was printed to."""
    return text[text.index("[Unit]") :]


def _instance(text: str) -> str:
    return text.replace(f"provisioner-nightly-{_NAME}", f"{_NIGHT}%i").replace(_NAME, "%i")
