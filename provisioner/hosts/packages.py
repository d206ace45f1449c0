"""Which package brings which program that a host needs, by its operating system. Pure.

Packages are a precondition: the host tells which programs it lacks (`playbooks/provisioner_host/observe.py`), and a
person installs them, or has `hosts prepare` do it. Another family of systems is another entry of `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.errors import HostError
from provisioner.base.printable import printable
from provisioner.hosts.facts import OperatingSystem

_SHOWN, _LISTED = 40, 20
_NO_PACKAGE: Final = {"ffmpeg-decoders": "ffmpeg's decoders of H.264 and H.265"}
"""What a host may lack that is no program of its own, in words."""


@dataclass(frozen=True, slots=True)
class Family:
    """Systems that share package names.

    Attributes:
        name: as people call it.
        install: the line that installs packages, without them.
        packages: the package of each program that a host looks for, where it has one.
        origins: where a package comes from that the system itself does not have, by its name.
        without: what to do about a program that no package brings, by its name.
        ssh_unit: the unit of the SSH server.
        selinux_tools: the package that says which files belong to whom (`semanage`); empty where SELinux is not usual.
    """

    name: str
    install: str
    packages: Mapping[str, str]
    origins: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    ssh_unit: str = "ssh.service"
    selinux_tools: str = ""

    def line(self, programs: Iterable[str]) -> str:
        """The line that installs what brings some programs; empty where no package does."""
        needed = sorted({self.packages[program] for program in programs if program in self.packages})
        return f"{self.install} {' '.join(needed)}" if needed else ""

    def knows(self, program: str) -> bool:
        """Whether it is known what brings a program."""
        return program in self.packages or program in self.without


_DEBIAN: Final = Family(
    name="Debian",
    install="apt-get install -y",
    packages={
        "nft": "nftables",
        "wg": "wireguard-tools",
        "ip": "iproute2",
        "ss": "iproute2",
        "ffmpeg": "ffmpeg",
        "systemd-run": "systemd",
        "dbus": "dbus",
        "sudo": "sudo",
        "python3": "python3",
        "wireguard-go": "wireguard-go",
    },
    without={"ffmpeg-decoders": "the ffmpeg that is first in its path (/usr/sbin:/usr/bin) has to be the system's own"},
)
_RPM_FUSION: Final = (
    "ffmpeg comes from RPM Fusion (free), which needs EPEL and CRB: add these three first; EPEL's own ffmpeg-free"
    " decodes no H.265"
)
_ENTERPRISE_LINUX: Final = Family(
    name="Enterprise Linux",
    install="dnf install -y",
    packages={
        "nft": "nftables",
        "wg": "wireguard-tools",
        "ip": "iproute",
        "ss": "iproute",
        "ffmpeg": "ffmpeg",
        "systemd-run": "systemd",
        "dbus": "dbus",
        "sudo": "sudo",
        "python3": "python3",
    },
    origins={"ffmpeg": _RPM_FUSION},
    without={
        "ffmpeg-decoders": "put RPM Fusion's ffmpeg in the place of EPEL's: dnf swap ffmpeg-free ffmpeg --allowerasing",
        "wireguard-go": "boot the system's own kernel, which has WireGuard; no package there brings wireguard-go",
    },
    ssh_unit="sshd.service",
    selinux_tools="policycoreutils-python-utils",
)
# By the ID of os-release. What calls itself like one of them (ID_LIKE) is taken for it.
FAMILIES: Final[Mapping[str, Family]] = {
    "debian": _DEBIAN,
    "ubuntu": _DEBIAN,
    "rhel": _ENTERPRISE_LINUX,
    "centos": _ENTERPRISE_LINUX,
    "rocky": _ENTERPRISE_LINUX,
    "almalinux": _ENTERPRISE_LINUX,
    "ol": _ENTERPRISE_LINUX,
}


def family_of(system: OperatingSystem) -> Family | None:
    """The family of a system by what it calls itself, and by what it is like; None where that is not known."""
    return next((FAMILIES[name] for name in (system.id, *system.like) if name in FAMILIES), None)


def lacks(host: str, system: OperatingSystem, programs: Sequence[str]) -> HostError:
    """The error of a host that lacks programs, with the line that installs them where it is known."""
    family = family_of(system)
    # A person runs the line as root: no word of a host's own stands in it.
    if family is None or not all(map(family.knows, programs)):
        named = ", ".join(printable(program, _SHOWN) for program in sorted(programs)[:_LISTED])
        of = printable(system.id, _SHOWN) or "its system"
        return HostError(
            f"{host} lacks the programs {named}",
            hint=f"install on it what brings them: the package names of {of} are not known here",
            object=host,
        )
    needed = sorted({family.packages.get(program) or _NO_PACKAGE.get(program, program) for program in programs})
    origins = [family.origins[name] for name in needed if name in family.origins]
    without = [sentence for program, sentence in family.without.items() if program in programs]
    line, prepare = family.line(programs), f"provisioner hosts prepare {host}"
    return HostError(
        f"{host} lacks {', '.join(needed)}",
        hint="; ".join(
            [*([f"run on it, as root: {line}; or from here: {prepare}"] if line else []), *origins, *without]
        ),
        object=host,
    )
