"""Which package brings which program that a host needs, by its operating system. Pure.

Packages are a precondition: the host tells which programs it lacks (`playbooks/provisioner_host/observe.py`), and a
person installs them. Another system is another row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.base.errors import HostError
from provisioner.base.printable import printable
from provisioner.hosts.facts import OperatingSystem

_SHOWN, _LISTED = 40, 20

Row = tuple[str, Mapping[str, str]]
"""The line that installs packages, and the package of each program."""

_DEBIAN: Row = (
    "apt-get install -y",
    {
        "nft": "nftables",
        "wg": "wireguard-tools",
        "ip": "iproute2",
        "ss": "iproute2",
        "ffmpeg": "ffmpeg",
        "systemd-run": "systemd",
        "dbus": "dbus",
        "wireguard-go": "wireguard-go",
    },
)
# By the ID of os-release. What calls itself like one of them (ID_LIKE) is taken for it.
PACKAGES: Mapping[str, Row] = {"debian": _DEBIAN, "ubuntu": _DEBIAN}


def lacks(host: str, system: OperatingSystem, programs: Sequence[str]) -> HostError:
    """The error of a host that lacks programs, with the line that installs them where it is known."""
    row = next((PACKAGES[name] for name in (system.id, *system.like) if name in PACKAGES), None)
    # A person runs the line as root: no word of a host's own stands in it.
    if row is None or not row[1].keys() >= set(programs):
        named = ", ".join(printable(program, _SHOWN) for program in sorted(programs)[:_LISTED])
        of = printable(system.id, _SHOWN) or "its system"
        return HostError(
            f"{host} lacks the programs {named}",
            hint=f"install on it what brings them: the package names of {of} are not known here",
            object=host,
        )
    install, packages = row
    needed = sorted({packages[program] for program in programs})
    return HostError(
        f"{host} lacks {', '.join(needed)}", hint=f"run on it, as root: {install} {' '.join(needed)}", object=host
    )
