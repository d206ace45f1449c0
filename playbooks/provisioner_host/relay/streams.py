"""Observed streams, saved for a change that follows at once."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from provisioner_host.machine import files
from provisioner_host.machine.files import canonical
from provisioner_host.machine.paths import RUN, STREAMS

# What was observed longer ago says nothing of a stream that has stopped since.
_MOMENT_S = 4.0


def save_streams(listed: list[dict[str, Any]]) -> None:
    """Save the present streams, so that a following change knows which flow."""
    streams = {"at": time.time(), "paths": {item["name"]: stream_of(item) for item in listed}}
    # What cannot be kept is seen over the look alone.
    with contextlib.suppress(OSError):
        files.folder(RUN, 0o700)
        new_file = STREAMS.with_name(f".{STREAMS.name}.{os.getpid()}")
        new_file.write_bytes(canonical(streams))
        new_file.replace(STREAMS)


def recent_streams(now: float) -> tuple[float, dict[str, list[Any]]] | None:
    """Return time and streams, saved up to 4 s ago."""
    stored = files.read_json(STREAMS)
    if (
        not isinstance(stored, dict)
        or not isinstance(stored.get("at"), float)
        or not isinstance(stored.get("paths"), dict)
    ):
        return None
    return (stored["at"], stored["paths"]) if 0 < now - stored["at"] <= _MOMENT_S else None


def stream_of(item: dict[str, Any]) -> tuple[str, int]:
    """Return a stream's start time (or empty) and received bytes."""
    return str(item.get("availableTime") or "") if item.get("available") else "", int(item.get("inboundBytes") or 0)
