"""A site package: what a technician installs on a Linux gateway. Pure; it holds the site's pre-shared key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from provisioner.base.endpoint import endpoint_text
from provisioner.desired.spec import KEEPALIVE_S, TUNNEL, SiteSpec
from provisioner.inventory.model import Access
from provisioner.render.files import RenderedFile
from provisioner.render.jinja import fill
from provisioner.render.templates import Templates


class PackageFile(NamedTuple):
    """One file of a site package: its name there, its template, its permission bits."""

    name: str
    template: str
    mode: int


_PROGRAMS = (
    PackageFile("install.sh", "site/install.sh.j2", 0o755),
    PackageFile("site-up", "site/site-up.j2", 0o755),
    PackageFile("site-down", "site/site-down.j2", 0o755),
    PackageFile("provisioner-site.service", "site/provisioner-site.service.j2", 0o644),
)
_NAMED = (
    PackageFile("site-names", "site/site-names.j2", 0o755),
    PackageFile("provisioner-site-names.service", "site/provisioner-site-names.service.j2", 0o644),
    PackageFile("provisioner-site-names.timer", "site/provisioner-site-names.timer.j2", 0o644),
)
"""Of a site with a relay that is known by its name."""

PACKAGES: Final[Mapping[Access, tuple[PackageFile, ...]]] = MappingProxyType(
    {Access.PULL_PORTMAP: (*_PROGRAMS, PackageFile("provisioner-site.nft", "site/provisioner-site.nft.j2", 0o600))}
)
"""The files of a site package by access mode, beside those of the peers."""


class SitePackage(NamedTuple):
    """A site package: its files in the order of names, and whether it takes the gateway down."""

    files: tuple[RenderedFile, ...]
    takes_down: bool = False


def render_closed_site(facility: str, templates: Templates) -> SitePackage:
    """The package that takes the gateway of a closed facility out of service; no secret is in it.

    Raises:
        RenderError: the template lacks a value.
    """
    script = fill(templates, "site/take-down.sh.j2", {"facility": facility, "tunnel": TUNNEL})
    return SitePackage((RenderedFile("install.sh", script, 0o755),), takes_down=True)


def render_site(spec: SiteSpec, templates: Templates) -> tuple[RenderedFile, ...]:
    """The site package, in the order of names.

    Raises:
        RenderError: a template lacks a value, or a value does not fit its format.
    """
    goes_by_name = any(link.goes_by_name for link in spec.links)
    values = {
        "facility": spec.facility,
        "goes_by_name": goes_by_name,
        "keepalive_s": KEEPALIVE_S,
        "lan_interface": spec.lan_interface,
        "links": spec.links,
        "mtu": spec.mtu,
        "tunnel": TUNNEL,
        **spec.devices.template_values,
    }
    listed = (*PACKAGES[spec.access], *(_NAMED if goes_by_name else ()))
    files = [RenderedFile(name, fill(templates, template, values), mode) for name, template, mode in listed]
    for link in spec.links:
        peer = fill(templates, "site/peer.conf.j2", values | {"link": link})
        files.append(RenderedFile(f"peers/{link.relay}.conf", peer, 0o600))
        if link.goes_by_name:
            name = f"{endpoint_text(*link.relay_endpoint)}\n".encode()
            files.append(RenderedFile(f"peers/{link.relay}.name", name, 0o600))
        files.append(RenderedFile(f"peers/{link.relay}.psk", (link.psk.reveal() + "\n").encode(), 0o600, secret=True))
    return tuple(sorted(files, key=lambda f: f.path))
