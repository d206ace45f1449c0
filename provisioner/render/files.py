"""HostSpec and templates to files, byte for byte as they lie on the host. Pure and deterministic."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import jinja2

from provisioner.base.errors import RenderError
from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import (
    API_PORT,
    KEEPALIVE_S,
    RTSP_PORT,
    TUNNEL,
    HostSpec,
    MediaPath,
    SiteSpec,
    StreamSource,
    Tunnel,
    User,
)
from provisioner.inventory.model import MediamtxArtefact
from provisioner.render.quote import FILTERS, flow, quoted_path, source_head, source_url
from provisioner.render.templates import Templates

ETC = "/etc/provisioner"
LIB = "/usr/local/lib/provisioner"
UNITS = "/etc/systemd/system"
HOST_PROGRAM = f"{LIB}/provisioner-host"
MEDIAMTX_FILE = f"{ETC}/mediamtx.yml"
NFT_FILE = f"{ETC}/provisioner.nft"
WG_FILE = f"{ETC}/{TUNNEL}.conf"
PSK_FILE = f"{ETC}/{TUNNEL}.psk"
TUNNEL_FILE = f"{ETC}/tunnel.json"
SENTINEL_PREFIX = "cfg/"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file as it lies on a host.

    Attributes:
        path: absolute on a managed host, relative in a site package.
        mode: permission bits.
        secret: whether the content holds a secret; such a file is never printed.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False


def program_path(artefact: MediamtxArtefact) -> str:
    """Where a relay's MediaMTX lies: by version and checksum, so that an upgrade never overwrites."""
    sums = "".join(artefact.sha256[arch][:6] for arch in sorted(artefact.sha256))
    return f"{LIB}/mediamtx-{artefact.version}-{sums}"


def path_settings(path: MediaPath) -> dict[str, object]:
    """A media path's settings as MediaMTX takes them."""
    return {"source": source_url(path.source)} | (_ON_DEMAND if path.on_demand else _PULLED)


_PULLED: Final[dict[str, object]] = {"rtspTransport": "tcp"}
# The start timeout is above readTimeout, else a camera that hangs leaves no line in the log.
_ON_DEMAND: Final[dict[str, object]] = {
    **_PULLED,
    "sourceOnDemand": True,
    "sourceOnDemandStartTimeout": "15s",
    "sourceOnDemandCloseAfter": "10s",
}
_REST: Final = {True: flow(_ON_DEMAND)[1:], False: flow(_PULLED)[1:]}


def path_lines(paths: Iterable[MediaPath]) -> str:
    """Media paths' lines in MediaMTX's file: each its name, and its settings in YAML flow style.

    A country has two hundred thousand of them: what a device's streams have in common is quoted once.
    """
    known: dict[tuple[str, str], tuple[StreamSource, str]] = {}
    lines = []
    for path in paths:
        source, device = path.source, (path.facility, path.device)
        seen = known.get(device)
        if seen is None or not _is_of_one_device(seen[0], source):
            seen = known[device] = (source, source_head(source))
        url = seen[1] + quoted_path(source.rtsp_path)
        lines.append(f'  {flow(path.name)}: {{"source": {flow(url)}, {_REST[path.on_demand]}\n')
    return "".join(lines)


def _is_of_one_device(one: StreamSource, other: StreamSource) -> bool:
    """Tell whether two sources have all but the path in common; the same values are the same objects."""
    same = one.address is other.address and one.password is other.password
    return same and (one.port, one.username) == (other.port, other.username)


def user_settings(user: User) -> dict[str, object]:
    """A user's entry in `authInternalUsers`."""
    return {
        "user": user.name,
        "pass": user.secret_hash,
        "ips": list(user.addresses),
        "permissions": [{"action": user.action, "path": ""} if user.action == "read" else {"action": user.action}],
    }


def render_host(spec: HostSpec, templates: Templates) -> tuple[RenderedFile, ...]:
    """Every file that a host should hold, in the order of paths.

    Raises:
        RenderError: a template lacks a value, or a value does not fit its format.
    """
    files = [
        RenderedFile(HOST_PROGRAM, templates.host_program, 0o755),
        *_tunnel_files(spec.tunnel, templates),
        _unit("provisioner-wg", templates),
        _unit("provisioner-revert", templates),
    ]
    if spec.firewall is not None:
        files += [_firewall_file(spec, templates), _unit("provisioner-nft", templates)]
    if spec.relay is not None:
        files += [_mediamtx_file(spec, templates), _unit("provisioner-mediamtx", templates, spec.relay.artefact)]
    return tuple(sorted(files, key=lambda f: f.path))


def _tunnel_files(tunnel: Tunnel, templates: Templates) -> tuple[RenderedFile, ...]:
    conf = _fill(templates, "wireguard/wg-prov.conf.j2", {"listen_port": tunnel.listen_port, "peers": tunnel.peers})
    psks = "".join(f"{p.public_key} {p.psk.reveal()}\n" for p in tunnel.peers)
    link = {
        "address": f"{tunnel.address}/32",
        "interface": TUNNEL,
        "mtu": tunnel.mtu,
        "routes": [str(route) for route in tunnel.routes],
    }
    return (
        RenderedFile(WG_FILE, conf, 0o640),
        RenderedFile(PSK_FILE, psks.encode(), 0o600, secret=True),
        RenderedFile(TUNNEL_FILE, (json.dumps(link, indent=2, sort_keys=True) + "\n").encode(), 0o640),
    )


def _firewall_file(spec: HostSpec, templates: Templates) -> RenderedFile:
    firewall = spec.firewall
    if firewall is None:
        raise RenderError(f"{spec.id} has no firewall to render", object=spec.id)
    values = {
        "management": firewall.management_networks,
        "centres": firewall.centres,
        "cameras": firewall.cameras,
        "ssh_port": firewall.ssh_port,
        "wireguard_port": firewall.wireguard_port,
        "rtsp_port": RTSP_PORT,
        "tunnel": TUNNEL,
    }
    return RenderedFile(NFT_FILE, _fill(templates, "nftables/provisioner.nft.j2", values), 0o640)


def _mediamtx_file(spec: HostSpec, templates: Templates) -> RenderedFile:
    relay = spec.relay
    if relay is None:
        raise RenderError(f"{spec.id} has no relay to render", object=spec.id)
    values = {
        "users": [user_settings(user) for user in relay.users],
        "api_address": f"127.0.0.1:{API_PORT}",
        "rtsp_address": f"{relay.address}:{RTSP_PORT}",
        "path_lines": path_lines(relay.paths),
        "sentinel": None,
    }
    bare = _fill(templates, "mediamtx/mediamtx.yml.j2", values)
    # Keyed: the file holds camera passwords, and the sentinel's name is shown by the Control API.
    sentinel = SENTINEL_PREFIX + keyed_digest(spec.digest_key, bare).rpartition(":")[2][:12]
    content = _fill(templates, "mediamtx/mediamtx.yml.j2", values | {"sentinel": sentinel})
    return RenderedFile(MEDIAMTX_FILE, content, 0o640, group="mediamtx", secret=True)


def _unit(name: str, templates: Templates, artefact: MediamtxArtefact | None = None) -> RenderedFile:
    values = {"host_program": HOST_PROGRAM, "program": program_path(artefact) if artefact else ""}
    return RenderedFile(f"{UNITS}/{name}.service", _fill(templates, f"systemd/{name}.service.j2", values))


def render_site(spec: SiteSpec, templates: Templates) -> tuple[RenderedFile, ...]:
    """The site package: what a technician installs on a Linux gateway. It holds the site's pre-shared key.

    Raises:
        RenderError: as for a host.
    """
    values = {
        "facility": spec.facility,
        "keepalive_s": KEEPALIVE_S,
        "lan_interface": spec.lan_interface,
        "links": spec.links,
        "mtu": spec.mtu,
        "port_maps": [(m.port, (m.address, m.device_port)) for m in spec.port_maps],
        "tunnel": TUNNEL,
    }
    names = {"install.sh": 0o755, "site-up": 0o755, "site-down": 0o755}
    names |= {"provisioner-site.nft": 0o600, "provisioner-site.service": 0o644}
    files = [RenderedFile(n, _fill(templates, f"site/{n}.j2", values), mode) for n, mode in names.items()]
    for link in spec.links:
        peer = _fill(templates, "site/peer.conf.j2", values | {"link": link})
        files.append(RenderedFile(f"peers/{link.relay}.conf", peer, 0o600))
        files.append(RenderedFile(f"peers/{link.relay}.psk", (link.psk.reveal() + "\n").encode(), 0o600, secret=True))
    return tuple(sorted(files, key=lambda f: f.path))


# --- jinja2 ---------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _environment(texts: tuple[tuple[str, str], ...]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(texts)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (configuration files, not HTML; each value passes a quoting filter)
    )
    environment.filters.update(FILTERS)
    return environment


def _fill(templates: Templates, name: str, values: Mapping[str, object]) -> bytes:
    environment = _environment(tuple(templates.texts.items()))
    try:
        return environment.get_template(name).render(values).encode()
    except jinja2.UndefinedError as error:
        raise RenderError(
            f"template {name} asks for a value that it does not get: {error.message}",
            hint="compare the template with those of this version; a site's own copy may be older",
            object=name,
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(f"template {name}, line {error.lineno}: {error.message}", object=name) from None
    except jinja2.TemplateNotFound:
        raise RenderError(f"template {name} is missing", hint="install provisioner again", object=name) from None
    except (TypeError, ValueError) as error:
        # The texts of these errors are ours (`quoting`) and hold no value of a secret.
        raise RenderError(f"template {name}: {error}", object=name) from None
