"""What a service tells systemd of itself (sd_notify(3)): that it is ready, what it does, that it lives."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from provisioner.base.printable import printable

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_LONGEST: Final = 200


class ServiceNotice:
    """The way to systemd, where a service was started by it; else nothing is said."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Find out where it listens."""
        named = environment.get(_SOCKET, "")
        # A name that begins with @ is one of the abstract namespace.
        self._place = f"\0{named[1:]}" if named.startswith("@") else named if named.startswith("/") else ""
        asked = environment.get(_WATCHDOG, "")
        self.watchdog_s: float = int(asked) / 1_000_000 if asked.isdecimal() else 0.0

    def ready(self, status: str) -> None:
        """Say that the service has begun its work."""
        self._send(f"READY=1\nSTATUS={printable(status, _LONGEST)}")

    def status(self, text: str) -> None:
        """Say what it does, as `systemctl status` shows it."""
        self._send(f"STATUS={printable(text, _LONGEST)}")

    def alive(self) -> None:
        """Say that it lives."""
        self._send("WATCHDOG=1")

    def leaving(self) -> None:
        """Say that it ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._place:
            return
        # Nobody may be listening any more: that is nobody's failure.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.sendto(text.encode(), self._place)
