"""The systemd units of a host, by name. Pure."""

from __future__ import annotations

from provisioner.desired.names import ALONE
from provisioner.desired.spec import HostSpec

UNIT_MEDIAMTX = "provisioner-mediamtx.service"


UNIT_NFT = ALONE.unit_nft


UNIT_QUARANTINE = "provisioner-quarantine.service"


UNIT_REVERT = ALONE.unit_revert


UNIT_WG = ALONE.unit_wg


def units_of(spec: HostSpec) -> tuple[str, ...]:
    """The units that a host should have, in the order in which they start."""
    media = (UNIT_MEDIAMTX, UNIT_QUARANTINE) if spec.relay else (UNIT_MEDIAMTX,) if spec.hub else ()
    names = spec.names
    return (names.unit_nft, names.unit_wg, *media, names.unit_revert)
