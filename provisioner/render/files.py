"""Files as they lie on a host, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioner.desired.spec import TUNNEL
from provisioner.inventory.model import MediamtxArtefact

ETC = "/etc/provisioner"
LIB = "/usr/local/lib/provisioner"
UNITS = "/etc/systemd/system"
HOST_PROGRAM = f"{LIB}/provisioner-host"
MEDIAMTX_FILE = f"{ETC}/mediamtx.yml"
NFT_FILE = f"{ETC}/provisioner.nft"
WG_FILE = f"{ETC}/{TUNNEL}.conf"
PSK_FILE = f"{ETC}/{TUNNEL}.psk"
TUNNEL_FILE = f"{ETC}/tunnel.json"
TRUST_FILE = f"{ETC}/trust.json"
POLICY_FILE = f"{ETC}/policy.json"
SENTINEL_PREFIX = "cfg/"
RELAY_USER = "mediamtx"
PROBE_USER = "provisioner-probe"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file as it lies on a host.

    Attributes:
        path: absolute on a managed host, relative in a site package.
        mode: permission bits.
        secret: whether the content holds a secret; such a file is never printed.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False


def program_path(artefact: MediamtxArtefact) -> str:
    """Where a relay's MediaMTX lies: by version and checksum, so that an upgrade never overwrites."""
    sums = "".join(artefact.sha256[arch][:6] for arch in sorted(artefact.sha256))
    return f"{LIB}/mediamtx-{artefact.version}-{sums}"
