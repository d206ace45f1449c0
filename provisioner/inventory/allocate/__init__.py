"""Tunnel addresses, ports and prefixes of sites: recorded once, never moved. Pure.

What is recorded already stays as it is. New entries take the first free place, in the order of ids, so that the
order of files and list items decides nothing. What is gone leaves a tombstone, and is never given to anybody else.
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
