"""A site package: files that a technician installs on a gateway. Pure.

The files depend on the access mode, the gateway's system and the purpose. The package contains the site's pre-shared
key. Its programs compare its validity with the gateway's clock.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from provisioner.base.text import HostName, endpoint_text, start_of
from provisioner.desired.render.host import RenderedFile, certificate_pairs, fill, pushed_lines
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import KEEPALIVE_S, TUNNEL, PushEndpoint, SiteLink, SiteSpec
from provisioner.inventory.model.facility import Access, GatewaySystem

#: Systems without their usual file during a key change. Its import would combine next pre-shared keys with the present
#: key.
ALONE_IN_A_CHANGE: Final = frozenset({GatewaySystem.ROUTEROS, GatewaySystem.WIREGUARD})
USUAL_DAYS: Final = 30  #: Default validity: a month of appointments at a site.
MOST_DAYS: Final = 365
#: Name of the gateway's map to devices, in a package.
_MAP_NAMES: Final[Mapping[Access, str]] = {
    Access.PULL_PORTMAP: "port map",
    Access.PULL_NAT_MAP: "address map",
    Access.ROUTED: "network",
    Access.PUBLISH: "streams",
}
SUMS: Final = "SHA256SUMS"  #: Checksums of the other files, for sha256sum.
MANIFEST: Final = "manifest.yml"  #: Facility, gateway and validity of the package.
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}  #: Output of `uname -m` by architecture.


class PackageFile(NamedTuple):
    """A file of a site package, with its template."""

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
#: Files for a site with a relay known by name.
NAMED: Final = (
    PackageFile("site-names", "site/site-names.j2", 0o755),
    PackageFile("provisioner-site-names.service", "site/provisioner-site-names.service.j2", 0o644),
    PackageFile("provisioner-site-names.timer", "site/provisioner-site-names.timer.j2", 0o644),
)

#: Files for a gateway that maps ports or addresses; only their content differs.
_MAPPING: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = {
    GatewaySystem.LINUX: (*_PROGRAMS, PackageFile("provisioner-site.nft", "site/provisioner-site.nft.j2", 0o600)),
    GatewaySystem.ROUTEROS: (PackageFile("site.rsc", "site/site.rsc.j2", 0o600, secret=True),),
    GatewaySystem.OPENWRT: (PackageFile("install.sh", "site/install-openwrt.sh.j2", 0o755),),
    GatewaySystem.WIREGUARD: (PackageFile("wg-prov.conf", "site/wg-prov.conf.j2", 0o600, secret=True),),
}

#: Files for a gateway that pushes.
_PUSHING: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = {
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

#: Files by access mode and gateway system, beside the sheet and the peers' files.
PACKAGES: Final[Mapping[Access, Mapping[GatewaySystem, tuple[PackageFile, ...]]]] = {
    Access.PULL_PORTMAP: _MAPPING,
    Access.PULL_NAT_MAP: _MAPPING,
    Access.ROUTED: dict.fromkeys(GatewaySystem, ()),
    Access.PUBLISH: _PUSHING,
}

#: Files for a change of the gateway's key.
KEY_CHANGE: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = {
    GatewaySystem.LINUX: (PackageFile("change-key.sh", "site/change-key.sh.j2", 0o755),),
    GatewaySystem.ROUTEROS: (
        PackageFile("next-key.rsc", "site/next-key.rsc.j2", 0o600),
        PackageFile("switch-key.rsc", "site/switch-key.rsc.j2", 0o600, secret=True),
    ),
    GatewaySystem.OPENWRT: (PackageFile("change-key.sh", "site/change-key.sh.j2", 0o755),),
    GatewaySystem.WIREGUARD: (PackageFile("next-key.conf", "site/wg-prov.conf.j2", 0o600, secret=True),),
}
SHEET_OF_CHANGE: Final = PackageFile("setup.html", "site/change-key.html.j2", 0o644)
TAKE_DOWN_SHEET: Final = PackageFile("take-down.html", "site/take-down.html.j2", 0o644)
#: Files that take a gateway out of service, beside the sheet.
TAKE_DOWN: Final[Mapping[GatewaySystem, tuple[PackageFile, ...]]] = {
    GatewaySystem.LINUX: (PackageFile("install.sh", "site/take-down.sh.j2", 0o755),),
    GatewaySystem.ROUTEROS: (PackageFile("take-down.rsc", "site/take-down.rsc.j2", 0o600),),
    GatewaySystem.OPENWRT: (PackageFile("install.sh", "site/take-down-openwrt.sh.j2", 0o755),),
    # Its commands are unknown: only the sheet lists the steps.
    GatewaySystem.WIREGUARD: (),
}


class Validity(NamedTuple):
    """First and last day of a package, in Vietnam's time zone.

    This is no protection: the files' holder has their secrets, and clocks can be set. It prevents the installation of
    old packages after relays, ports and keys have changed.
    """

    made_on: date
    until: date

    @property
    def made_s(self) -> int:
        """First second of the first day; an earlier clock is wrong."""
        return int(start_of(self.made_on).timestamp())

    @property
    def ends_s(self) -> int:
        """First second after the last day."""
        return int(start_of(self.until + timedelta(days=1)).timestamp())

    @property
    def made_number(self) -> int:
        """First day as the number YYYYMMDD."""
        return _day_as_number(self.made_on)

    @property
    def until_number(self) -> int:
        """Last day as the number YYYYMMDD."""
        return _day_as_number(self.until)


class SitePackage(NamedTuple):
    """A site package; a take-down alone has no `until`."""

    files: tuple[RenderedFile, ...]
    takes_down: bool = False
    system: GatewaySystem = GatewaySystem.LINUX
    changes_key: bool = False
    until: date | None = None

    @property
    def is_sheet(self) -> bool:
        """Whether it has no file to install."""
        return not (self.takes_down or any(file.path.endswith((".sh", ".rsc", ".conf")) for file in self.files))

    @property
    def installed_by(self) -> str:
        """A technician's action, e.g. `run install.sh in it`."""
        if self.system is GatewaySystem.WIREGUARD:
            return f"follow {'take-down' if self.takes_down else 'setup'}.html of it"
        if self.changes_key:
            is_routeros = self.system is GatewaySystem.ROUTEROS
            return "import next-key.rsc, later switch-key.rsc, of it" if is_routeros else "run change-key.sh in it"
        if self.system is not GatewaySystem.ROUTEROS:
            return "run install.sh in it"
        (script,) = (file.path for file in self.files if file.path.endswith(".rsc"))
        return f"import {script} of it"


class _None(dict[object, tuple[object, ...]]):
    """A mapping that is empty for any key."""

    def __missing__(self, key: object) -> tuple[object, ...]:
        return ()


#: Default values of routers' templates; each mode replaces its own.
_NO_MAPS: Final[Mapping[str, object]] = {"port_maps": (), "overlays": _None()}


def sheet_of(access: Access, system: GatewaySystem) -> PackageFile:
    """Return the template of the technician's sheet, a routed site's only file."""
    if not access.has_tunnel:
        name = f"setup-{access}"
    else:
        name = "setup-wireguard" if system is GatewaySystem.WIREGUARD else "setup"
    return PackageFile("setup.html", f"site/{name}.html.j2", 0o644)


def valid_for(made_on: date, days: int) -> Validity:
    """Return the validity of a package for some days."""
    return Validity(made_on, made_on + timedelta(days=days))


def _day_as_number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def render_closed_site(facility: str, templates: Templates, system: GatewaySystem = GatewaySystem.LINUX) -> SitePackage:
    """Render a closed gateway's removal, without secret and expiry, as `render_site`."""
    files = _take_down_files(facility, templates, system)
    manifest = {"facility": facility, "system": system.value, "does": "take-down", "relays": (), "valid": None}
    return SitePackage(_listed([*files, _manifest(manifest, templates)]), takes_down=True, system=system)


def _take_down_files(facility: str, templates: Templates, system: GatewaySystem) -> list[RenderedFile]:
    values = {"facility": facility, "tunnel": TUNNEL, "system": system.value}
    return [_filled(file, values, templates) for file in (*TAKE_DOWN[system], TAKE_DOWN_SHEET)]


def _filled(file: PackageFile, values: Mapping[str, object], templates: Templates) -> RenderedFile:
    return RenderedFile(file.name, fill(templates, file.template, values), file.mode, secret=file.secret)


def _manifest(values: Mapping[str, object], templates: Templates) -> RenderedFile:
    return _filled(PackageFile(MANIFEST, "site/manifest.yml.j2", 0o644), values, templates)


def _listed(files: Iterable[RenderedFile]) -> tuple[RenderedFile, ...]:
    listed = sorted((file for file in files if file.path != SUMS), key=lambda f: f.path)
    sums = "".join(f"{hashlib.sha256(file.content).hexdigest()}  {file.path}\n" for file in listed)
    return tuple(sorted((*listed, RenderedFile(SUMS, sums.encode())), key=lambda f: f.path))


def with_printed_sheets(package: SitePackage) -> SitePackage:
    """Add codes and PDFs to a package: slow, so not in `render_site`."""
    # The libraries that draw take as long to import as all the rest.
    from provisioner.desired.render.sheet_pdf import printed_sheet  # noqa: PLC0415

    files = [
        printed
        for file in package.files
        for printed in (printed_sheet(file) if file.path.endswith(".html") else [file])
    ]
    return package._replace(files=_listed(files))


def render_site(
    spec: SiteSpec, templates: Templates, valid: Validity, *, takes_down: bool = False
) -> tuple[RenderedFile, ...]:
    """Render a package, sorted, with `takes_down` also removal, or raise `RenderError`."""
    places = tuple(end.at for end in spec.pushed[0].ends) if spec.pushed else ()
    goes_by_name = any(isinstance(place.endpoint[0], HostName) for place in places)
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
        "takes_down": takes_down,
        "does": "change-key" if spec.changes_key else "install",
        "valid": valid,
        "devices": spec.devices.listed,
        **spec.devices.template_values,
        **_pushing_values(spec, places),
    }
    named = NAMED if goes_by_name and spec.links and spec.system is GatewaySystem.LINUX else ()
    sheet = SHEET_OF_CHANGE if spec.changes_key else sheet_of(spec.access, spec.system)
    files = [_filled(package_file, values, templates) for package_file in (*_scripts_of(spec), *named, sheet)]
    files += _take_down_files(spec.facility, templates, spec.system) if takes_down else []
    files += [file for link in spec.links for file in _peer_files(spec, link, values, templates)]
    return _listed([*files, _manifest(values, templates)])


def _pushing_values(spec: SiteSpec, places: Sequence[PushEndpoint]) -> Mapping[str, object]:
    if spec.artefact is None:
        return {}
    sums = [(arch, _MACHINES[arch], sum_) for arch, sum_ in sorted(spec.artefact.sha256.items())]
    return {
        "push_places": places,
        "path_lines": pushed_lines(spec.pushed),
        "known_pairs": certificate_pairs(places),
        "artefact": spec.artefact,
        "builds": sums,
        "origin": f"mediamtx_v{spec.artefact.version}_linux_$arch.tar.gz of the release",
    }


def _scripts_of(spec: SiteSpec) -> tuple[PackageFile, ...]:
    usual = PACKAGES[spec.access][spec.system]
    if not spec.changes_key:
        return usual
    return KEY_CHANGE[spec.system] if spec.system in ALONE_IN_A_CHANGE else (*usual, *KEY_CHANGE[spec.system])


def _peer_files(
    spec: SiteSpec, link: SiteLink, values: Mapping[str, object], templates: Templates
) -> Iterator[RenderedFile]:
    if spec.system in ALONE_IN_A_CHANGE:
        return
    if spec.system is GatewaySystem.LINUX:
        peer = fill(templates, "site/peer.conf.j2", {**values, "link": link})
        yield RenderedFile(f"peers/{link.relay}.conf", peer, 0o600)
        if link.goes_by_name:
            name = f"{endpoint_text(*link.relay_endpoint)}\n".encode()
            yield RenderedFile(f"peers/{link.relay}.name", name, 0o600)
    yield RenderedFile(f"peers/{link.relay}.psk", (link.psk.reveal() + "\n").encode(), 0o600, secret=True)
