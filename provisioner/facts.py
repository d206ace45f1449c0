"""What was read from a host: the answers of the on-host program as typed values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host's facts, without secrets (files and pre-shared keys as keyed digests).

    The nested documents are those of `playbooks/provisioner_host/observe.py`.

    Attributes:
        live_digest: one digest over what a plan rests on; a host that moved has another one.
    """

    host: str
    arch: str
    missing_packages: tuple[str, ...]
    files: dict[str, dict[str, Any] | None]
    manifest: dict[str, Any] | None
    units: dict[str, dict[str, Any]]
    tunnel: dict[str, Any] | None
    firewall: dict[str, Any]
    keys: dict[str, bool]
    armed: dict[str, Any] | None
    relay: dict[str, Any] | None
    runtime: dict[str, Any] | None
    program: dict[str, Any] | None
    live_digest: str

    @property
    def viewers(self) -> dict[str, int]:
        """Live readers by path; empty where the relay does not run."""
        return dict(self.runtime["viewers"]) if self.runtime else {}


def parse_facts(host: str, document: dict[str, Any]) -> HostFacts:
    """Give a host's facts from the answer of its `observe`."""
    return HostFacts(
        host=host,
        arch=document["host"]["arch"],
        missing_packages=tuple(document["missing_packages"]),
        files=document["files"],
        manifest=document["manifest"],
        units=document["units"],
        tunnel=document["tunnel"],
        firewall=document["firewall"],
        keys=document["keys"],
        armed=document["armed"],
        relay=document.get("relay"),
        runtime=document.get("runtime"),
        program=document.get("program"),
        live_digest=document["live_digest"],
    )


def engine_name(versions: list[str]) -> str:
    """Give the name of the relay engine for every output, from what the programs say of themselves.

    MediaMTX prints `v1.20.1`; the lab's stand-in prints `v1.20.1+standin` and is never called MediaMTX.
    """
    names = sorted({_engine(version) for version in versions if version})
    return ", ".join(names) or "none"


def _engine(version: str) -> str:
    number, _, kind = version.removeprefix("v").partition("+")
    return f"stand-in {number} (not MediaMTX)" if kind == "standin" else f"mediamtx {number}"
