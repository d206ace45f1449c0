"""Which package brings which program that a host needs, by its operating system. Pure.

Packages are a precondition: the host tells which programs it lacks (`playbooks/provisioner_host/observe.py`), and a
person installs them. Another system is another row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.base.errors import HostError
from provisioner.hosts.facts import OperatingSystem

Row = tuple[str, Mapping[str, str]]
"""The line that installs packages, and the package of each program."""

_DEBIAN: Row = (
    "apt-get install -y",
    {
        "nft": "nftables",
        "wg": "wireguard-tools",
        "ip": "iproute2",
        "ffmpeg": "ffmpeg",
        "setpriv": "util-linux",
        "wireguard-go": "wireguard-go",
    },
)
# By the ID of os-release. What calls itself like one of them (ID_LIKE) is taken for it.
PACKAGES: Mapping[str, Row] = {"debian": _DEBIAN, "ubuntu": _DEBIAN}


def lacks(host: str, system: OperatingSystem, programs: Sequence[str]) -> HostError:
    """The error of a host that lacks programs, with the line that installs them where it is known."""
    row = next((PACKAGES[name] for name in (system.id, *system.like) if name in PACKAGES), None)
    if row is None:
        named = ", ".join(sorted(programs))
        return HostError(
            f"{host} lacks the programs {named}",
            hint=f"install on it what brings them: the package names of {system.id or 'its system'} are not known here",
            object=host,
        )
    install, packages = row
    needed = sorted({packages.get(program, program) for program in programs})
    return HostError(
        f"{host} lacks {', '.join(needed)}", hint=f"run on it, as root: {install} {' '.join(needed)}", object=host
    )
