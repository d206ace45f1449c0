"""Which files a site package has: by access mode, by what its gateway runs, and by what it is for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from provisioner.inventory.model import Access, GatewaySystem


class PackageFile(NamedTuple):
    """One file of a site package: its name there, its template, its permission bits, and whether a secret is in it."""

    name: str
    template: str
    mode: int
    secret: bool = False


_PROGRAMS = (
    PackageFile("install.sh", "site/install.sh.j2", 0o755),
    PackageFile("site-up", "site/site-up.j2", 0o755),
    PackageFile("site-down", "site/site-down.j2", 0o755),
    PackageFile("provisioner-site.service", "site/provisioner-site.service.j2", 0o644),
)
NAMED: Final = (
    PackageFile("site-names", "site/site-names.j2", 0o755),
    PackageFile("provisioner-site-names.service", "site/provisioner-site-names.service.j2", 0o644),
    PackageFile("provisioner-site-names.timer", "site/provisioner-site-names.timer.j2", 0o644),
)
"""Of a site with a relay that is known by its name."""

_MAPPING: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = MappingProxyType(
    {
        GatewaySystem.LINUX: (*_PROGRAMS, PackageFile("provisioner-site.nft", "site/provisioner-site.nft.j2", 0o600)),
        GatewaySystem.ROUTEROS: (PackageFile("site.rsc", "site/site.rsc.j2", 0o600, secret=True),),
        GatewaySystem.OPENWRT: (PackageFile("install.sh", "site/install-openwrt.sh.j2", 0o755),),
        GatewaySystem.WIREGUARD: (PackageFile("wg-prov.conf", "site/wg-prov.conf.j2", 0o600, secret=True),),
    }
)
"""Of a gateway that maps ports or addresses: the files are the same, and what is in them is not."""

_PUSHING: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = MappingProxyType(
    {
        GatewaySystem.LINUX: (
            PackageFile("install.sh", "site/install-publish.sh.j2", 0o755),
            PackageFile("site-publish", "site/site-publish.j2", 0o755),
            PackageFile("provisioner-publish.service", "site/provisioner-publish.service.j2", 0o644),
            PackageFile("publish.yml", "site/publish.yml.j2", 0o600, secret=True),
        ),
        # MediaMTX runs on no router: the rules refuse such a gateway.
        GatewaySystem.ROUTEROS: (),
        GatewaySystem.OPENWRT: (),
        GatewaySystem.WIREGUARD: (),
    }
)
"""Of a gateway that pushes."""

PACKAGES: Final[Mapping[Access, Mapping[GatewaySystem, tuple[PackageFile, ...]]]] = MappingProxyType(
    {
        Access.PULL_PORTMAP: _MAPPING,
        Access.PULL_NAT_MAP: _MAPPING,
        Access.ROUTED: MappingProxyType(dict.fromkeys(GatewaySystem, ())),
        Access.PUBLISH: _PUSHING,
    }
)
"""The files of a site package by access mode and by what its gateway runs, beside the sheet and those of the peers."""

KEY_CHANGE: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = MappingProxyType(
    {
        GatewaySystem.LINUX: (PackageFile("change-key.sh", "site/change-key.sh.j2", 0o755),),
        GatewaySystem.ROUTEROS: (
            PackageFile("next-key.rsc", "site/next-key.rsc.j2", 0o600),
            PackageFile("switch-key.rsc", "site/switch-key.rsc.j2", 0o600, secret=True),
        ),
        GatewaySystem.OPENWRT: (PackageFile("change-key.sh", "site/change-key.sh.j2", 0o755),),
        GatewaySystem.WIREGUARD: (PackageFile("next-key.conf", "site/wg-prov.conf.j2", 0o600, secret=True),),
    }
)
"""What a package has while its gateway's key is changed."""

ALONE_IN_A_CHANGE: Final = frozenset({GatewaySystem.ROUTEROS, GatewaySystem.WIREGUARD})
"""Whose usual file is left out then: who imported it would have the next pre-shared keys with the present key."""

SHEET_OF_CHANGE: Final = PackageFile("setup.html", "site/change-key.html.j2", 0o644)
TAKE_DOWN_SHEET: Final = PackageFile("take-down.html", "site/take-down.html.j2", 0o644)
TAKE_DOWN: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = MappingProxyType(
    {
        GatewaySystem.LINUX: (PackageFile("install.sh", "site/take-down.sh.j2", 0o755),),
        GatewaySystem.ROUTEROS: (PackageFile("take-down.rsc", "site/take-down.rsc.j2", 0o600),),
        GatewaySystem.OPENWRT: (PackageFile("install.sh", "site/take-down-openwrt.sh.j2", 0o755),),
        # Nobody knows its commands: the sheet alone says what goes.
        GatewaySystem.WIREGUARD: (),
    }
)
"""What takes a gateway out of service, beside the sheet."""


def sheet_of(access: Access, system: GatewaySystem) -> PackageFile:
    """What a technician has in hand; of a routed site that is all."""
    if not access.has_tunnel:
        name = f"setup-{access}"
    else:
        name = "setup-wireguard" if system is GatewaySystem.WIREGUARD else "setup"
    return PackageFile("setup.html", f"site/{name}.html.j2", 0o644)
