"""The packets of one camera on their way to many readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from . import sdp


class Reader(Protocol):
    """Somebody who set up a path's tracks."""

    def send(self, track: int, payload: bytes, *, is_report: bool) -> bool:
        """Take a packet; False says that it was dropped."""

    def close(self, reason: str) -> None:
        """End the session."""

    def reference(self) -> dict[str, object]:
        """The reader in its path's document."""


class Stream:
    """One camera's tracks while it is set up."""

    def __init__(self, description: sdp.Description) -> None:
        """Begin without packets and without readers."""
        self.title = description.title
        self.tracks = description.tracks
        self.inbound = 0
        self.outbound = 0
        self.playing: set[Reader] = set()

    def take(self, track: int, payload: bytes, *, is_report: bool) -> None:
        """Pass a packet on; sender reports go along but are not counted."""
        if not is_report:
            self.inbound += len(payload)
            self.tracks[track].learn(payload)
        for reader in tuple(self.playing):
            if reader.send(track, payload, is_report=is_report) and not is_report:
                self.outbound += len(payload)
