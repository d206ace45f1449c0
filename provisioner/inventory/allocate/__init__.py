"""Tunnel addresses, ports and prefixes of sites: first free, recorded once, never moved, never anybody else's.

Pure. What is recorded already stays as it is; what is new is served in the order of ids, so that the
order of files and list items decides nothing; what is gone leaves a tombstone.
"""

from __future__ import annotations

from provisioner.inventory.allocate.allocation import (
    NEEDS,
    allocate,
    asked_devices_of,
    carrier_of,
    devices_of,
    next_carrier_of,
    next_pool_carrier_of,
    numbered,
    pool_carrier_of,
    ported,
    prefix_carriers_of,
    protected_marks,
)

__all__ = [
    "NEEDS",
    "allocate",
    "asked_devices_of",
    "carrier_of",
    "devices_of",
    "next_carrier_of",
    "next_pool_carrier_of",
    "numbered",
    "pool_carrier_of",
    "ported",
    "prefix_carriers_of",
    "protected_marks",
]
