"""What streams, subjects and ends are called at the broker. Pure."""

from __future__ import annotations

import re
from typing import Final

UNITS: Final = "provisioner-units"
"""The stream in which units lie."""
REPORTS: Final = "provisioner-reports"
"""The stream in which reports lie."""
UNITS_SUBJECT: Final = "provisioner.units"
REPORTS_SUBJECT: Final = "provisioner.reports"
CONTROLLER: Final = "controller"
DOMAIN: Final = "provisioner"
"""The broker's own name, by which it is asked through brokers of carriers, too (leaf nodes)."""
API: Final = f"$JS.{DOMAIN}.API"
"""Below what the broker is asked for streams and what lies in them."""

_CARRIER: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
"""As the inventory has ids."""


def is_carrier(text: str) -> bool:
    """Whether a text may be a carrier's id."""
    return _CARRIER.fullmatch(text) is not None


def node_name(carrier: str) -> str:
    """What a carrier's node is called, and its consumer."""
    return f"node-{carrier}"


def inbox_of(end: str) -> str:
    """Below what an end listens for answers of the broker."""
    return f"_INBOX.{end}"
