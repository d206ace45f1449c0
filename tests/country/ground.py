"""The ground of a simulated country: its inventory with the vault, and hosts that hold what they should.

`python -m tests.country.ground DIR --paths N` writes both; the same ones for the same seed.
"""

import argparse
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.operations.pipeline.session import Session
from tests import national
from tests.country.relay_api import SentPath
from tests.simulated import SimulatedHost, installed

PATHS: Final = 100_000
STREAMS_A_RELAY: Final = 1320  #: So that 100,000 paths are on some 130 relays.
_CAMERAS_A_PATH: Final = 0.685
_CODECS: Final = {"h264": "H264", "h265": "H265"}
_KBPS: Final = 512


@dataclass(frozen=True)
class Ground:
    """Where a country's files are."""

    folder: Path

    @property
    def root(self) -> Path:
        """The inventory."""
        return self.folder / "inventory"

    @property
    def password(self) -> Path:
        """The vault's password."""
        return self.folder / "password"

    @property
    def hosts(self) -> Path:
        """What the hosts hold."""
        return self.folder / "hosts.pickle"

    def environment(self, state: Path) -> dict[str, str]:
        """The environment of a command, with its state and its cache in a folder."""
        own = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        own |= {"XDG_CACHE_HOME": str(self.folder / "cache"), "XDG_STATE_HOME": str(state)}
        return own | {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.password)}


@dataclass(frozen=True)
class HeldHost:
    """A simulated host with the paths that its MediaMTX has."""

    host: SimulatedHost
    paths: Mapping[str, SentPath]


def lay(ground: Ground, paths: int, seed: int = 1, streams_a_relay: int = STREAMS_A_RELAY) -> None:
    """Write a country with about so many paths, applied."""
    ground.folder.mkdir(parents=True, exist_ok=True)
    ground.password.write_text("invented-for-the-country\n", encoding="utf-8")
    cameras = round(_CAMERAS_A_PATH * paths)
    country = national.Country(
        facilities=max(63, cameras // 10),
        cameras=max(63, cameras),
        seed=seed,
        password=ground.password.read_bytes().strip(),
        streams_a_relay=streams_a_relay,
    )
    national.generate(ground.root, country)
    session = Session(ground.root, ground.environment(ground.folder / "state"), national.TODAY)
    held = {spec.id: _held(spec, session) for spec in session.state.hosts.values()}
    plain = {host: (one.host, one.paths) for host, one in held.items()}
    ground.hosts.write_bytes(pickle.dumps(plain, protocol=pickle.HIGHEST_PROTOCOL))


def _held(spec: HostSpec, session: Session) -> HeldHost:
    return HeldHost(installed(spec, session.files[spec.id]), {p.name: _sent(p) for p in spec.paths})


def _sent(path: MediaPath) -> SentPath:
    return SentPath(
        name=path.name,
        address=str(path.pulled.address),
        port=path.pulled.port,
        on_demand=path.on_demand,
        codec=_CODECS[path.codec],
        width=path.width,
        height=path.height,
        kbps=_KBPS,
    )


def hosts_in(ground: Ground) -> dict[str, HeldHost]:
    """The hosts that were laid."""
    plain = pickle.loads(ground.hosts.read_bytes())  # noqa: S301 (written by `lay`)
    return {host: HeldHost(*one) for host, one in plain.items()}


def main() -> None:
    """Lay the country that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.country.ground", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--paths", type=int, default=PATHS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lay(Ground(options.folder), options.paths, options.seed)


if __name__ == "__main__":
    main()
