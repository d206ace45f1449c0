"""A site package: what a technician installs on a site's gateway. Pure; it holds the site's pre-shared key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from provisioner.base.endpoint import endpoint_text
from provisioner.desired.spec import KEEPALIVE_S, TUNNEL, PushEnd, SiteLink, SiteSpec
from provisioner.inventory.model import Access, GatewaySystem
from provisioner.inventory.model.addresses import HostName
from provisioner.render.files import RenderedFile
from provisioner.render.jinja import fill
from provisioner.render.media import pushed_lines
from provisioner.render.templates import Templates


class PackageFile(NamedTuple):
    """One file of a site package: its name there, its template, its permission bits, and whether a secret is in it."""

    name: str
    template: str
    mode: int
    secret: bool = False


_MAP_NAMES: Final[Mapping[Access, str]] = MappingProxyType(
    {
        Access.PULL_PORTMAP: "port map",
        Access.PULL_NAT_MAP: "address map",
        Access.ROUTED: "network",
        Access.PUBLISH: "streams",
    }
)
"""What a package calls the way in which its gateway leads to devices."""


class _None(dict[object, tuple[object, ...]]):
    """A mapping in which nothing is found."""

    def __missing__(self, key: object) -> tuple[object, ...]:
        return ()


_NO_MAPS: Final[Mapping[str, object]] = MappingProxyType({"port_maps": (), "overlays": _None()})
"""What the templates of routers ask for, of which each mode fills in its own."""
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

_MAPPING: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = MappingProxyType(
    {
        GatewaySystem.LINUX: (*_PROGRAMS, PackageFile("provisioner-site.nft", "site/provisioner-site.nft.j2", 0o600)),
        GatewaySystem.ROUTEROS: (PackageFile("site.rsc", "site/site.rsc.j2", 0o600, secret=True),),
        GatewaySystem.OPENWRT: (PackageFile("install.sh", "site/install-openwrt.sh.j2", 0o755),),
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
_SHEETS: Final[Mapping[Access, PackageFile]] = MappingProxyType(
    {
        mode: PackageFile("setup.html", f"site/{'setup' if mode.has_tunnel else f'setup-{mode}'}.html.j2", 0o644)
        for mode in Access
    }
)
"""What a technician has in hand; of a routed site that is all."""
_KEY_CHANGE: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = MappingProxyType(
    {
        GatewaySystem.LINUX: (PackageFile("change-key.sh", "site/change-key.sh.j2", 0o755),),
        GatewaySystem.ROUTEROS: (
            PackageFile("next-key.rsc", "site/next-key.rsc.j2", 0o600),
            PackageFile("switch-key.rsc", "site/switch-key.rsc.j2", 0o600, secret=True),
        ),
        GatewaySystem.OPENWRT: (PackageFile("change-key.sh", "site/change-key.sh.j2", 0o755),),
    }
)
"""What a package has besides while its gateway's key is changed; RouterOS's has nothing else to import."""
_SHEET_OF_CHANGE: Final = PackageFile("setup.html", "site/change-key.html.j2", 0o644)
_TAKE_DOWN: Final[Mapping[GatewaySystem, PackageFile]] = MappingProxyType(
    {
        GatewaySystem.LINUX: PackageFile("install.sh", "site/take-down.sh.j2", 0o755),
        GatewaySystem.ROUTEROS: PackageFile("take-down.rsc", "site/take-down.rsc.j2", 0o600),
        GatewaySystem.OPENWRT: PackageFile("install.sh", "site/take-down-openwrt.sh.j2", 0o755),
    }
)
SUMS: Final = "SHA256SUMS"
"""The checksums of a package's other files, as sha256sum reads them."""


class SitePackage(NamedTuple):
    """A site package.

    Attributes:
        files: its files in the order of names.
        takes_down: whether it takes the gateway down.
        system: what its gateway runs.
    """

    files: tuple[RenderedFile, ...]
    takes_down: bool = False
    system: GatewaySystem = GatewaySystem.LINUX
    changes_key: bool = False

    @property
    def is_sheet(self) -> bool:
        """Whether nothing of it is installed, as of a site that has no tunnel and never had one."""
        return not any(file.path.endswith((".sh", ".rsc")) for file in self.files)

    @property
    def installed_by(self) -> str:
        """What a technician does with it, e.g. `run install.sh in it`."""
        if self.changes_key:
            is_routeros = self.system is GatewaySystem.ROUTEROS
            return "import next-key.rsc, later switch-key.rsc, of it" if is_routeros else "run change-key.sh in it"
        if self.system is not GatewaySystem.ROUTEROS:
            return "run install.sh in it"
        (script,) = (file.path for file in self.files if file.path.endswith(".rsc"))
        return f"import {script} of it"


def render_closed_site(facility: str, templates: Templates, system: GatewaySystem = GatewaySystem.LINUX) -> SitePackage:
    """The package that takes the gateway of a closed facility out of service; no secret is in it.

    Raises:
        RenderError: the template lacks a value.
    """
    name, template, mode, _ = _TAKE_DOWN[system]
    script = fill(templates, template, {"facility": facility, "tunnel": TUNNEL})
    return SitePackage((RenderedFile(name, script, mode),), takes_down=True, system=system)


def render_site(
    spec: SiteSpec, templates: Templates, taken_down: SitePackage | None = None
) -> tuple[RenderedFile, ...]:
    """The site package, in the order of names.

    Args:
        spec: what the site's gateway should hold.
        templates: of the package.
        taken_down: what takes a gateway of before down, and goes along.

    Raises:
        RenderError: a template lacks a value, or a value does not fit its format.
    """
    ends = _push_ends(spec)
    goes_by_name = any(isinstance(end.endpoint[0], HostName) for end in ends)
    goes_by_name = goes_by_name or any(link.goes_by_name for link in spec.links)
    values = {
        **_NO_MAPS,
        "access": spec.access.value,
        "map_name": _MAP_NAMES[spec.access],
        "facility": spec.facility,
        "goes_by_name": goes_by_name,
        "keepalive_s": KEEPALIVE_S,
        "lan": spec.lan,
        "lan_interface": spec.lan_interface,
        "links": spec.links,
        "mtu": spec.mtu,
        "system": spec.system.value,
        "changes_key": spec.changes_key,
        "next_key": spec.next_key,
        "tunnel": TUNNEL,
        "relays": spec.relays,
        "takes_down": taken_down is not None,
        "devices": spec.devices.listed,
        **spec.devices.template_values,
        **_pushing_values(spec, ends),
    }
    named = _NAMED if goes_by_name and spec.links and spec.system is GatewaySystem.LINUX else ()
    files = [
        RenderedFile(one.name, fill(templates, one.template, values), one.mode, secret=one.secret)
        for one in (*_scripts_of(spec), *named, _SHEET_OF_CHANGE if spec.changes_key else _SHEETS[spec.access])
    ]
    files += taken_down.files if taken_down else ()
    files += [file for link in spec.links for file in _peer_files(spec, link, values, templates)]
    listed = sorted(files, key=lambda f: f.path)
    sums = "".join(f"{hashlib.sha256(file.content).hexdigest()}  {file.path}\n" for file in listed)
    return tuple(sorted((*listed, RenderedFile(SUMS, sums.encode())), key=lambda f: f.path))


def _push_ends(spec: SiteSpec) -> tuple[PushEnd, ...]:
    """Where the site pushes, each relay once."""
    return spec.pushed[0].ends if spec.pushed else ()


_MACHINES: Final = MappingProxyType({"amd64": "x86_64", "arm64": "aarch64"})
"""What `uname -m` says of each architecture."""


def _pushing_values(spec: SiteSpec, ends: Sequence[PushEnd]) -> Mapping[str, object]:
    """What the templates of a package that pushes ask for, by name."""
    if spec.artefact is None:
        return {}
    sums = [(arch, _MACHINES[arch], sum_) for arch, sum_ in sorted(spec.artefact.sha256.items())]
    return {
        "push_places": ends,
        "path_lines": pushed_lines(spec.pushed),
        "artefact": spec.artefact,
        "builds": sums,
        "origin": f"mediamtx_v{spec.artefact.version}_linux_$arch.tar.gz of the release",
    }


def _scripts_of(spec: SiteSpec) -> tuple[PackageFile, ...]:
    usual = PACKAGES[spec.access][spec.system]
    if not spec.changes_key:
        return usual
    # A router that imported the usual file would have the next pre-shared keys with its present key.
    return _KEY_CHANGE[spec.system] if spec.system is GatewaySystem.ROUTEROS else (*usual, *_KEY_CHANGE[spec.system])


def _peer_files(
    spec: SiteSpec, link: SiteLink, values: Mapping[str, object], templates: Templates
) -> Iterator[RenderedFile]:
    """What a relay is known by, in files of its own where the gateway puts them together."""
    if spec.system is GatewaySystem.ROUTEROS:
        return
    if spec.system is GatewaySystem.LINUX:
        peer = fill(templates, "site/peer.conf.j2", {**values, "link": link})
        yield RenderedFile(f"peers/{link.relay}.conf", peer, 0o600)
        if link.goes_by_name:
            name = f"{endpoint_text(*link.relay_endpoint)}\n".encode()
            yield RenderedFile(f"peers/{link.relay}.name", name, 0o600)
    yield RenderedFile(f"peers/{link.relay}.psk", (link.psk.reveal() + "\n").encode(), 0o600, secret=True)
