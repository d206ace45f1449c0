"""The systemd units of a host, by name. Pure."""

from __future__ import annotations

from provisioner.desired.spec import HostSpec

UNIT_MEDIAMTX = "provisioner-mediamtx.service"


UNIT_NFT = "provisioner-nft.service"


UNIT_QUARANTINE = "provisioner-quarantine.service"


UNIT_REVERT = "provisioner-revert.service"


UNIT_WG = "provisioner-wg.service"


def units_of(spec: HostSpec) -> tuple[str, ...]:
    """The units that a host should have, in the order in which they start."""
    media = (UNIT_MEDIAMTX, UNIT_QUARANTINE) if spec.relay else ()
    return (UNIT_NFT, UNIT_WG, *media, UNIT_REVERT)
