"""Allocation of tunnel addresses, and of sites' ports and prefixes. Pure.

Recorded entries never change. New entries take the first free value, in the order of ids, so that the order of files
and list items does not matter. Removed entries leave a tombstone and are never reused.
"""

from __future__ import annotations

from provisioner.inventory.allocate.allocation import (
    NEEDS,
    allocate,
    carrier_of,
    devices_of,
    next_carrier_of,
    next_pool_carrier_of,
    numbered,
    pool_carrier_of,
    ported,
    prefix_carriers_of,
    probed_devices_of,
    protected_marks,
)

__all__ = [
    "NEEDS",
    "allocate",
    "carrier_of",
    "devices_of",
    "next_carrier_of",
    "next_pool_carrier_of",
    "numbered",
    "pool_carrier_of",
    "ported",
    "prefix_carriers_of",
    "probed_devices_of",
    "protected_marks",
]
