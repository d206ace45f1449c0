"""A host's files from its spec and templates, with quoted values. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import jinja2

from provisioner.base.errors import RenderError
from provisioner.base.secret import keyed_digest
from provisioner.base.text import endpoint_text
from provisioner.desired import spec as specs
from provisioner.desired.names import ALONE, SECOND_TUNNEL, UNITS, HostNames
from provisioner.desired.render.quote import FILTERS, comment, flow, read_pattern, source_head, source_path, source_url
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import API_PORT
from provisioner.inventory.model.policy import MediamtxArtefact

_PULLED: Final[dict[str, object]] = {"rtspTransport": "tcp"}
# The start timeout is above readTimeout, else a camera that hangs leaves no line in the log.
_ON_DEMAND: Final[dict[str, object]] = {
    **_PULLED,
    "sourceOnDemand": True,
    "sourceOnDemandStartTimeout": "15s",
    "sourceOnDemandCloseAfter": "10s",
}
# A holder of a path's password cannot replace its present picture. A gateway whose line broke comes back after
# readTimeout, once its dead connection has timed out.
_PUSHED: Final[dict[str, object]] = {"source": "publisher", "overridePublisher": False}
_REST: Final = {True: flow(_ON_DEMAND)[1:], False: flow(_PULLED)[1:]}
_ANY_PATH: Final[dict[str, str]] = {"action": "read", "path": ""}

ETC = ALONE.etc
LIB = "/usr/local/lib/provisioner"
HOST_PROGRAM = ALONE.host_program
MEDIAMTX_FILE = f"{ETC}/mediamtx.yml"
READERS_FILE = f"{ETC}/readers.pem"  #: A relay's key and certificates: one file, so that they always match.
NFT_FILE = ALONE.nft_file
WG_FILE = ALONE.wg_file
PSK_FILE = ALONE.psk_file
TUNNEL_FILE = ALONE.tunnel_file
TRUST_FILE = ALONE.trust_file
POLICY_FILE = ALONE.policy_file
SENTINEL_PREFIX = "cfg/"
RELAY_USER = "mediamtx"
PROBE_USER = ALONE.probe_user
#: All IPv4 addresses of a host, as MediaMTX's listen address.
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 (our rules say who comes there)
#: Bit of the packet mark for SSH that a table of a shared centre admits; the other tables read it.
ADMITTED = 0x08000000


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file; its path is absolute on hosts, relative in site packages."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False  #: Whether it has a secret, and is never printed.


def fill(templates: Templates, name: str, values: Mapping[str, object]) -> bytes:
    """Render a template, e.g. `nftables/provisioner.nft.j2`, or raise `RenderError`."""
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
        # The texts of these errors are ours (`quote`) and hold no value of a secret.
        raise RenderError(f"template {name}: {error}", object=name) from None


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


# --- paths and users -------------------------------------------------------------------------------
def path_settings(path: specs.MediaPath) -> dict[str, object]:
    """Return a path's settings for MediaMTX."""
    if path.source is None:
        return _PUSHED
    return {"source": source_url(path.source)} | (_ON_DEMAND if path.on_demand else _PULLED)


def path_lines(paths: Iterable[specs.MediaPath]) -> str:
    """Return the paths' lines in MediaMTX's file, as YAML flow mappings."""
    # A country has two hundred thousand, so common parts of a device's streams are quoted once.
    by_device: dict[tuple[str, str], tuple[specs.StreamSource, str]] = {}
    lines = []
    for path in paths:
        source, device = path.source, (path.facility, path.device)
        if source is None:
            lines.append(f"  {flow(path.name)}: {flow(_PUSHED)}\n")
            continue
        first = by_device.get(device)
        if first is None or not _is_of_one_device(first[0], source):
            first = by_device[device] = (source, source_head(source))
        url = first[1] + source_path(source)
        lines.append(f'  {flow(path.name)}: {{"source": {flow(url)}, {_REST[path.on_demand]}\n')
    return "".join(lines)


def pushed_lines(streams: Iterable[specs.PushedStream]) -> str:
    """Return a pushing gateway's path lines, with device ids as comments."""
    return "".join(
        f"  {flow(stream.path)}: {flow(_pushed_settings(stream))} # {comment(stream.device)}\n" for stream in streams
    )


def certificate_pairs(places: Iterable[specs.PushEndpoint]) -> tuple[tuple[str, str], ...]:
    """Return pairs of present and next certificates that a gateway knows."""
    return tuple(sorted({(place.fingerprint, place.following) for place in places if place.following}))


def _pushed_settings(stream: specs.PushedStream) -> dict[str, object]:
    forward = []
    for at, user, password in stream.ends:
        login = f"{quote(user, safe='')}:{quote(password.reveal(), safe='')}"
        address = f"rtsps://{login}@{endpoint_text(*at.endpoint)}/{quote(stream.path)}"
        forward.append({"dest": address, "destFingerprint": at.fingerprint})
    return {"source": source_url(stream.source)} | _PULLED | {"forward": forward}


def hub_settings(path: specs.HubPath) -> dict[str, object]:
    """Return a hub path's settings for MediaMTX: pulled on demand."""
    pinned = {"sourceFingerprint": path.fingerprint} if path.fingerprint else {}
    return {"source": path.source.reveal()} | pinned | _ON_DEMAND


def hub_lines(paths: Iterable[specs.HubPath]) -> str:
    """Return a hub's path lines in MediaMTX's file."""
    return "".join(f"  {flow(path.name)}: {flow(hub_settings(path))}\n" for path in paths)


def _is_of_one_device(first: specs.StreamSource, second: specs.StreamSource) -> bool:
    """Return whether two sources differ only in the path; compares object identity."""
    same = first.address is second.address and first.password is second.password
    return same and (first.port, first.username) == (second.port, second.username)


def user_settings(user: specs.User) -> dict[str, object]:
    """Return a user's entry in `authInternalUsers`."""
    return {"user": user.name, "pass": user.secret_hash, "ips": list(user.addresses), "permissions": _permissions(user)}


def _permissions(user: specs.User) -> list[dict[str, str]]:
    if user.action == "publish":
        return [{"action": "publish", "path": user.publishes}]
    if user.action != "read":
        return [{"action": user.action}]
    return [{"action": "read", "path": path} for path in map(read_pattern, user.reads)] or [_ANY_PATH]


# --- files -----------------------------------------------------------------------------------------
def program_path(artefact: MediamtxArtefact) -> str:
    """Return MediaMTX's path, with version and checksum, so upgrades never overwrite."""
    sums = "".join(artefact.sha256[arch][:6] for arch in sorted(artefact.sha256))
    return f"{LIB}/mediamtx-{artefact.version}-{sums}"


def render_host(spec: specs.HostSpec, templates: Templates) -> tuple[RenderedFile, ...]:
    """Render all files of a host, sorted by path; errors as `fill`."""
    names = spec.names
    files = [
        RenderedFile(names.host_program, templates.for_side(spec.side).host_program, 0o755),
        *_tunnel_files(spec.tunnel, names, templates),
        _unit("wg", names, templates),
        _unit("revert", names, templates),
    ]
    if spec.trust is not None:
        files.append(RenderedFile(names.trust_file, _json(spec.trust.as_document()), 0o640))
    if spec.policy is not None:
        files.append(RenderedFile(names.policy_file, _json(spec.policy.as_document()), 0o640))
    if spec.firewall is not None:
        files += [firewall_file(spec, templates), _unit("nft", names, templates)]
    if spec.relay is not None:
        files.append(_unit("quarantine", names, templates, _device_networks(spec)))
    if spec.media is not None:
        files += [_mediamtx_file(spec, templates), _media_unit(spec, spec.media.artefact, templates)]
        if (certificate := spec.media.certificate) is not None:
            server = certificate.server.reveal().encode()
            files.append(RenderedFile(READERS_FILE, server, 0o640, group=RELAY_USER, secret=True))
    return tuple(sorted(files, key=lambda file: file.path))


def identity_content(spec: specs.HostSpec) -> bytes:
    """Return the content of a host's identity key file."""
    return spec.identity.reveal().encode() + b"\n"


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _tunnel_files(tunnel: specs.Tunnel, names: HostNames, templates: Templates) -> tuple[RenderedFile, ...]:
    conf = fill(templates, "wireguard/wg-prov.conf.j2", {"listen_port": tunnel.listen_port, "peers": tunnel.peers})
    psks = "".join(f"{p.public_key} {p.psk.reveal()}\n" for p in tunnel.peers)
    link: dict[str, object] = {
        "address": f"{tunnel.address}/32",
        "interface": names.tunnel,
        "mtu": tunnel.mtu,
        "routes": [str(route) for route in tunnel.routes],
    }
    if tunnel.following is not None:
        link["following"] = {"public_key": tunnel.following.public_key, "port": tunnel.following.port}
    return (
        RenderedFile(names.wg_file, conf, 0o640),
        RenderedFile(names.psk_file, psks.encode(), 0o600, secret=True),
        RenderedFile(names.tunnel_file, _json(link), 0o640),
    )


def firewall_file(spec: specs.HostSpec, templates: Templates) -> RenderedFile:
    """Render a host's firewall, or raise `RenderError`."""
    firewall, names = spec.firewall, spec.names
    if firewall is None:
        raise RenderError(f"{spec.id} has no firewall to render", object=spec.id)
    values = {
        "management": firewall.management_of(4),
        "management_v6": firewall.management_of(6),
        "speaks_ipv6": firewall.speaks_ipv6,
        "ssh_port": firewall.ssh_port,
        "reader_ports": [(port, "-tls" if port == specs.RTSPS_PORT else "") for port in firewall.reader_ports],
        "own_port": firewall.reader_ports[0],
        "table": names.table,
        "tunnel": names.tunnel,
        "relay_address": spec.tunnel.address,
        "relay_user": RELAY_USER,
        "probe_user": names.probe_user,
    }
    if spec.relay is None:
        template = "nftables/shared-centre.nft.j2" if spec.side else "nftables/centre.nft.j2"
        values |= {"relays": firewall.relays, "admitted": ADMITTED, "hub": firewall.hub}
        return RenderedFile(names.nft_file, fill(templates, template, values), 0o640)
    values |= {"centres": firewall.centres, "cameras": firewall.cameras, "wireguard_port": firewall.wireguard_port}
    second = firewall.second_port
    values |= {"tunnels": [names.tunnel, SECOND_TUNNEL] if second else [names.tunnel]}
    values |= {"tunnel_ports": [(firewall.wireguard_port, ""), *([(second, "-next")] if second else [])]}
    values |= {"onvif": firewall.onvif, "routed": firewall.routed, "further_ports": firewall.further_ports}
    values |= {"publishers": firewall.publishers, "publish_port": specs.RTSPS_PORT}
    return RenderedFile(names.nft_file, fill(templates, "nftables/provisioner.nft.j2", values), 0o640)


def _mediamtx_file(spec: specs.HostSpec, templates: Templates) -> RenderedFile:
    media = spec.media
    if media is None:
        raise RenderError(f"{spec.id} has no relay to render", object=spec.id)
    is_open = isinstance(media, specs.RelayService) and media.publishing is not None
    values = {
        "users": [user_settings(user) for user in media.users],
        "api_address": f"127.0.0.1:{API_PORT}",
        "address": media.address,
        # Sites push from outside of the tunnel; the firewall admits only them there.
        "rtsps_address": EVERY_ADDRESS if is_open else media.address,
        "encryption": "no" if media.certificate is None else "strict" if media.certificate.strict else "optional",
        "rtsp_port": specs.RTSP_PORT,
        "rtsps_port": specs.RTSPS_PORT,
        "readers_file": READERS_FILE,
        "path_lines": path_lines(media.paths) if isinstance(media, specs.RelayService) else hub_lines(media.paths),
        "sentinel": None,
    }
    bare = fill(templates, "mediamtx/mediamtx.yml.j2", values)
    # Keyed: the file holds camera passwords, and the sentinel's name is shown by the Control API.
    sentinel = SENTINEL_PREFIX + keyed_digest(spec.digest_key, bare).rpartition(":")[2][:12]
    content = fill(templates, "mediamtx/mediamtx.yml.j2", values | {"sentinel": sentinel})
    return RenderedFile(MEDIAMTX_FILE, content, 0o640, group=RELAY_USER, secret=True)


def _unit(unit: str, names: HostNames, templates: Templates, networks: Sequence[str] = ()) -> RenderedFile:
    values = {"host_program": names.host_program, "names": names, "networks": networks}
    content = fill(templates, f"systemd/provisioner-{unit}.service.j2", values)
    return RenderedFile(f"{UNITS}/{names.ours}-{unit}.service", content)


def _device_networks(spec: specs.HostSpec) -> list[str]:
    """Return networks of a relay's devices: tunnel pools, and sites without tunnel."""
    return [str(network) for network in (*spec.tunnel.routes, *(spec.firewall.routed if spec.firewall else ()))]


def _media_unit(spec: specs.HostSpec, artefact: MediamtxArtefact, templates: Templates) -> RenderedFile:
    networks = _device_networks(spec)
    if spec.firewall is not None:
        networks += map(str, spec.firewall.publishers)
    if spec.hub is not None:
        networks += [f"{spec.hub.address}/32", *(str(network) for network in spec.hub.networks)]
    values = {"program": program_path(artefact), "networks": networks}
    content = fill(templates, "systemd/provisioner-mediamtx.service.j2", values)
    return RenderedFile(f"{UNITS}/{specs.UNIT_MEDIAMTX}", content)
