"""What was read from a host: the answers of the on-host program as typed values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host's facts, without secrets (files and pre-shared keys as keyed digests).

    The nested documents are those of `playbooks/provisioner_host/observe.py`.

    Attributes:
        live_digest: one digest over what a plan rests on; a host that moved has another one.
        generations: the states that the host can return to, the newest first: `run` is the one that came after.
        ssh_peer: the address from which the host saw the controller come, empty where it did not tell.
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
    ssh_peer: str = ""
    generations: tuple[dict[str, Any], ...] = ()

    @property
    def viewers(self) -> dict[str, int]:
        """Live readers by path; empty where the relay does not run, or does not tell (`counted`)."""
        return dict(self.runtime["viewers"]) if self.runtime else {}

    @property
    def counted(self) -> bool:
        """Whether it is known who watches: the relay told, or it does not run. A centre has no viewers of its own."""
        states = (unit["active"] for name, unit in self.units.items() if name.startswith("provisioner-mediamtx"))
        return self.runtime is not None or all(state in {"inactive", "failed"} for state in states)


def parse_facts(host: str, document: dict[str, Any]) -> HostFacts:
    """A host's facts from the answer of its `observe`."""
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
        generations=tuple(document.get("generations", ())),
        ssh_peer=_address(document["host"].get("ssh_peer")),
    )


def _address(text: object) -> str:
    """An address without its zone, empty where it is none: a host may tell anything."""
    try:
        return str(ip_address(str(text).partition("%")[0]))
    except ValueError:
        return ""


def engine_name(versions: list[str]) -> str:
    """The name of the relay engine for every output, from what the programs say of themselves.

    MediaMTX prints `v1.20.1`; the lab's stand-in prints `v1.20.1+standin` and is never called MediaMTX.
    """
    names = sorted({_engine(version) for version in versions if version})
    return ", ".join(names) or "none"


def _engine(version: str) -> str:
    number, _, kind = version.removeprefix("v").partition("+")
    return f"stand-in {number} (not MediaMTX)" if kind == "standin" else f"mediamtx {number}"
