"""Files as they lie on a host, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioner.desired.names import ALONE
from provisioner.inventory.model import MediamtxArtefact

ETC = ALONE.etc
LIB = "/usr/local/lib/provisioner"
HOST_PROGRAM = ALONE.host_program
MEDIAMTX_FILE = f"{ETC}/mediamtx.yml"
READERS_FILE = f"{ETC}/readers.pem"
"""The key and the certificates that a relay shows readers: one file, so that no moment has one without the other."""
NFT_FILE = ALONE.nft_file
WG_FILE = ALONE.wg_file
PSK_FILE = ALONE.psk_file
TUNNEL_FILE = ALONE.tunnel_file
TRUST_FILE = ALONE.trust_file
POLICY_FILE = ALONE.policy_file
SENTINEL_PREFIX = "cfg/"
RELAY_USER = "mediamtx"
PROBE_USER = ALONE.probe_user


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
