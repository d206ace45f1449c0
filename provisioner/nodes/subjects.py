"""What streams, subjects and ends are called at the broker. Pure."""

from __future__ import annotations

from typing import Final

UNITS: Final = "provisioner-units"
"""The stream in which units lie."""
REPORTS: Final = "provisioner-reports"
"""The stream in which reports lie."""
UNITS_SUBJECT: Final = "provisioner.units"
REPORTS_SUBJECT: Final = "provisioner.reports"
CONTROLLER: Final = "controller"


def node_name(carrier: str) -> str:
    """What a carrier's node is called, and its consumer."""
    return f"node-{carrier}"


def inbox_of(end: str) -> str:
    """Below what an end listens for answers of the broker."""
    return f"_INBOX.{end}"
