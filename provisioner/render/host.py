"""HostSpec and templates to files, byte for byte as they lie on the host. Pure and deterministic."""

from __future__ import annotations

import json

from provisioner.base.errors import RenderError
from provisioner.base.secret import keyed_digest
from provisioner.desired.names import SECOND_TUNNEL, UNITS, HostNames
from provisioner.desired.spec import API_PORT, RTSP_PORT, RTSPS_PORT, HostSpec, RelayService, Tunnel
from provisioner.desired.units import UNIT_MEDIAMTX
from provisioner.inventory.model import MediamtxArtefact
from provisioner.render.files import (
    MEDIAMTX_FILE,
    READERS_FILE,
    RELAY_USER,
    SENTINEL_PREFIX,
    RenderedFile,
    program_path,
)
from provisioner.render.jinja import fill
from provisioner.render.media import hub_lines, path_lines, user_settings
from provisioner.render.templates import Templates

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 (our rules say who comes there)
"""All of a host's own addresses, of IPv4, as MediaMTX is told where to listen."""
ADMITTED = 0x08000000
"""The bit of a packet's mark by which the tables of a shared centre tell each other: SSH that one of them knows."""


def render_host(spec: HostSpec, templates: Templates) -> tuple[RenderedFile, ...]:
    """Every file that a host should hold, in the order of paths.

    Raises:
        RenderError: a template lacks a value, or a value does not fit its format.
    """
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
        files.append(_unit("quarantine", names, templates))
    if spec.media is not None:
        files += [_mediamtx_file(spec, templates), _media_unit(spec, spec.media.artefact, templates)]
        if (shown := spec.media.certificate) is not None:
            server = shown.server.reveal().encode()
            files.append(RenderedFile(READERS_FILE, server, 0o640, group=RELAY_USER, secret=True))
    return tuple(sorted(files, key=lambda f: f.path))


def identity_content(spec: HostSpec) -> bytes:
    """The key that is left on a host, with which it proves later that it is the same one, as it lies there."""
    return spec.identity.reveal().encode() + b"\n"


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _tunnel_files(tunnel: Tunnel, names: HostNames, templates: Templates) -> tuple[RenderedFile, ...]:
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


def firewall_file(spec: HostSpec, templates: Templates) -> RenderedFile:
    """The firewall's rules of a host.

    Raises:
        RenderError: it has none, or a value does not fit its format.
    """
    firewall, names = spec.firewall, spec.names
    if firewall is None:
        raise RenderError(f"{spec.id} has no firewall to render", object=spec.id)
    values = {
        "management": firewall.management_of(4),
        "management_v6": firewall.management_of(6),
        "speaks_ipv6": firewall.speaks_ipv6,
        "ssh_port": firewall.ssh_port,
        "reader_ports": [(port, "-tls" if port == RTSPS_PORT else "") for port in firewall.reader_ports],
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
    values |= {"publishers": firewall.publishers, "publish_port": RTSPS_PORT}
    return RenderedFile(names.nft_file, fill(templates, "nftables/provisioner.nft.j2", values), 0o640)


def _mediamtx_file(spec: HostSpec, templates: Templates) -> RenderedFile:
    media = spec.media
    if media is None:
        raise RenderError(f"{spec.id} has no relay to render", object=spec.id)
    is_open = isinstance(media, RelayService) and media.publishing is not None
    values = {
        "users": [user_settings(user) for user in media.users],
        "api_address": f"127.0.0.1:{API_PORT}",
        "address": media.address,
        # Sites push from outside of the tunnel: there the rules are what lets them in, and nobody else.
        "rtsps_address": EVERY_ADDRESS if is_open else media.address,
        "encryption": "no" if media.certificate is None else "strict" if media.certificate.strict else "optional",
        "rtsp_port": RTSP_PORT,
        "rtsps_port": RTSPS_PORT,
        "readers_file": READERS_FILE,
        "path_lines": path_lines(media.paths) if isinstance(media, RelayService) else hub_lines(media.paths),
        "sentinel": None,
    }
    bare = fill(templates, "mediamtx/mediamtx.yml.j2", values)
    # Keyed: the file holds camera passwords, and the sentinel's name is shown by the Control API.
    sentinel = SENTINEL_PREFIX + keyed_digest(spec.digest_key, bare).rpartition(":")[2][:12]
    content = fill(templates, "mediamtx/mediamtx.yml.j2", values | {"sentinel": sentinel})
    return RenderedFile(MEDIAMTX_FILE, content, 0o640, group=RELAY_USER, secret=True)


def _unit(word: str, names: HostNames, templates: Templates) -> RenderedFile:
    """A unit of ours by the last word of its name, which names the template, too."""
    values = {"host_program": names.host_program, "names": names}
    content = fill(templates, f"systemd/provisioner-{word}.service.j2", values)
    return RenderedFile(f"{UNITS}/{names.ours}-{word}.service", content)


def _media_unit(spec: HostSpec, artefact: MediamtxArtefact, templates: Templates) -> RenderedFile:
    """MediaMTX's unit: it speaks with the tunnel's pools, sites without a tunnel, and a hub's readers alone."""
    networks = [str(network) for network in spec.tunnel.routes]
    if spec.firewall is not None:
        networks += [str(network) for network in (*spec.firewall.routed, *spec.firewall.publishers)]
    if spec.hub is not None:
        networks += [f"{spec.hub.address}/32", *(str(network) for network in spec.hub.networks)]
    values = {"program": program_path(artefact), "networks": networks}
    content = fill(templates, "systemd/provisioner-mediamtx.service.j2", values)
    return RenderedFile(f"{UNITS}/{UNIT_MEDIAMTX}", content)
