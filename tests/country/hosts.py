"""Hosts that answer: `python -m tests.country.hosts DIR SOCKET`. Each call is served by a process of its own.

A probe is the on-host program's own, down to how it asks the Control API and takes its pages apart. In the place of
what only a kernel and a device can say (a tunnel's counters, connections, who answers at an address, systemd, the log)
stand here the same words of a country in which all is well but for what is dark.
"""

import ctypes
import gc
import io
import json
import os
import signal
import socketserver
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provisioner.desired.render.host import NFT_FILE
from provisioner.hosts.runner import HostCall
from provisioner_host.firewall import firewall
from provisioner_host.look import device_probe, probe, reach, readers
from provisioner_host.machine import units
from provisioner_host.machine.shell import Failed
from provisioner_host.observe import host as observed_host
from provisioner_host.relay import relay, service, source_log
from tests.country.ground import Ground, HeldHost, hosts_in
from tests.country.relay_api import PASSWORD, SentPath, SentPaths
from tests.country.relay_api import run as run_apis
from tests.processes import free_port
from tests.simulated import facts_of
from tests.unit.verify.world import SERVICE

_HANDSHAKE_S: Final = 30.0
_PATIENCE_S: Final = 60.0
_ONE_PATH: Final = "/v3/paths/get/"
_PICTURE_BYTES: Final = 60_000.0
_PR_SET_PDEATHSIG: Final = 1
_READ_S: Final = 1.5  #: What a real reader of a healthy stream takes.
ANSWERED: Final = b"."


@dataclass(frozen=True)
class Shadows:
    """What of a country is dark."""

    one_camera_in: int = 0  #: Of so many cameras one is unplugged.
    one_site_in: int = 0  #: Of so many sites one has lost its line.
    hosts: frozenset[str] = frozenset()  #: Hosts that cannot be reached.
    record: str = ""  #: Where each answer is kept, by the host's id; nowhere where it is empty.

    def dark(self, held: HeldHost) -> frozenset[str]:
        """The paths of a relay that bring nothing."""
        return frozenset(name for name, path in held.paths.items() if self.is_cut(path) or self._is_unplugged(path))

    def is_cut(self, path: SentPath) -> bool:
        """Whether a path's site has lost its line."""
        return _drawn(path.address, self.one_site_in)

    def _is_unplugged(self, path: SentPath) -> bool:
        return _drawn(f"{path.address}:{path.port}", self.one_camera_in)


def _drawn(word: str, one_in: int) -> bool:
    return bool(one_in) and int.from_bytes(word.encode()[-6:]) % one_in == 0


@dataclass(frozen=True)
class Hosts:
    """All hosts of a country, each with the port of its Control API."""

    held: Mapping[str, HeldHost]
    shadows: Shadows
    ports: Mapping[str, int]
    password: Path

    def answer(self, host: str, request: dict[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        """What a host's program answers; called in a process that serves this one call."""
        held = self.held[host]
        self._become(held, self.ports[host], files)
        with tempfile.TemporaryDirectory() as folder:
            if request["operation"] == "observe":
                return dict(observed_host.observe(request, Path(folder)))  # type: ignore[arg-type]  # as the host's program
            return dict(probe.probe(request, Path(folder)))  # type: ignore[arg-type]  # the same

    def _become(self, held: HeldHost, port: int, files: Mapping[str, bytes]) -> None:
        """Put a host's own kernel and devices in the place of this machine's."""
        dark, begun = self.shadows.dark(held), time.time()
        cut = {path.address for path in held.paths.values() if self.shadows.is_cut(path)}
        gone = {(held.paths[name].address, held.paths[name].port) for name in dark}
        kernel: list[tuple[Any, str, Any]] = [
            (relay, "API_PORT", port),
            (relay, "API_PASSWORD", self.password),
            (probe, "PROBE_PASSWORD", self.password),
            (observed_host, "observe", lambda request, _folder: facts_of(held.host, _call(request, files))),
            (firewall, "installed_places", lambda: firewall.endpoints_in(held.host.files[NFT_FILE][0].decode())),
            (reach, "live_tunnel", lambda _key: _tunnel(held, cut, begun)),
            (reach, "connect_all", lambda devices, _timeout, _mark=0: [_connected(d, gone) for d in sorted(devices)]),
            (source_log, "connections", lambda: _connections(held, dark, begun)),
            (source_log, "_halted_devices", list),
            (source_log, "count_to", lambda address, port: _count_to(held, dark, (address, port))),
            (readers, "read_all", lambda _logins, turns, times, done, _looks: _read(held, dark, turns, times, done)),
            (relay, "read_file", lambda: ""),
            (relay, "api", _api_of(SentPaths(held.paths, dark), relay.api)),
            (source_log, "last_words", lambda _paths, _since: ({}, {})),
            (device_probe, "at_devices", lambda *_asked: {"drops": [], "gateways": []}),
            (device_probe, "foreign_chains", list),
            (service, "spent", lambda: None),
            (service, "evidence", lambda _spent: dict(SERVICE)),
            (units, "states", lambda names: {name: {"active": "active"} for name in names}),
        ]
        for module, name, double in kernel:
            setattr(module, name, double)


def _call(request: Mapping[str, Any], files: Mapping[str, bytes]) -> HostCall:
    return HostCall(None, request, files)  # type: ignore[arg-type]  # who is asked is known


def _tunnel(held: HeldHost, cut: set[str], begun: float) -> dict[str, Any]:
    """The live tunnel: bytes come from every site but those whose line is cut."""
    now = time.time()
    link = held.host.link or {}
    moved = int((now - begun + 60) * _PICTURE_BYTES)
    peers = {}
    for key, peer in held.host.peers.items():
        is_cut = bool({ip.partition("/")[0] for ip in peer["allowed_ips"]} & cut)
        handshake = int(now - (86_400 if is_cut else _HANDSHAKE_S))
        counted = {"received_bytes": 1 if is_cut else moved, "sent_bytes": moved}
        peers[key] = {"allowed_ips": peer["allowed_ips"], "handshake": handshake, **counted}
    routes = sorted(link.get("routes", ()))
    return {"public_key": "", "listen_port": 51820, "routes": routes, "mtu": 1380, "peers": peers}


def _connected(device: tuple[str, int], gone: set[tuple[str, int]]) -> dict[str, Any]:
    if device not in gone:
        return {"address": device[0], "port": device[1], "outcome": "ok", "seconds": 0.01}
    # What a gateway says of a camera that is not there.
    icmp = {"sender": device[0], "type": 3, "code": 1}
    return {"address": device[0], "port": device[1], "outcome": "no-route", "seconds": 3.0, "icmp": icmp}


def _connections(held: HeldHost, dark: frozenset[str], begun: float) -> dict[source_log.SourceLink, int]:
    sends = (path for name, path in sorted(held.paths.items()) if not path.on_demand and name not in dark)
    received = int((time.time() - begun + 60) * _PICTURE_BYTES)
    return {source_log.SourceLink(20_000 + n, p.address, p.port): received for n, p in enumerate(sends)}


def _api_of(paths: SentPaths, over_http: Callable[..., Any]) -> Callable[..., Any]:
    """The Control API: lists are asked for over HTTP, a page at a time; of single paths a country has too many."""

    def asked(path: str, timeout_s: float = 5, **options: Any) -> Any:
        if not path.startswith(_ONE_PATH):
            # So many relays share this machine, and each has its own in a country.
            return over_http(path, max(timeout_s, _PATIENCE_S), **options)
        if (found := paths.get(path.removeprefix(_ONE_PATH))) is None:
            raise Failed("the relay's Control API: 404")
        return found.document()

    return asked


def _count_to(held: HeldHost, dark: frozenset[str], device: tuple[str, int]) -> int:
    """How many connections lead to a device while one of its on-demand paths is read."""
    of_device = (path for name, path in held.paths.items() if name not in dark)
    return sum((path.address, path.port) == device for path in of_device)


def _read(
    held: HeldHost,
    dark: frozenset[str],
    turns: Sequence[readers.Turn],
    times: readers.ReadTimes,
    done: Callable[[int, Any], None],
) -> None:
    """What readers see, so many at once: the picture that was agreed, or none."""
    for first in range(0, len(turns), times.readers):
        at_once = range(first, min(first + times.readers, len(turns)))
        time.sleep(_READ_S)
        for number in at_once:
            path = held.paths[turns[number][1]]
            codec = {"H264": "h264", "H265": "hevc"}[path.codec]
            frame = {"codec": codec, "width": path.width, "height": path.height, "seconds": _READ_S}
            missing = {"error": "no stream", "status": 404, "timed_out": False, "seconds": _READ_S}
            done(number, missing if path.name in dark else frame)


# --- the process --------------------------------------------------------------------------------------
class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """A process a call."""

    max_children = 600
    request_queue_size = 600
    hosts: Hosts


class _Served(socketserver.StreamRequestHandler):
    """One call: a line that says which host's, where its bundle lies and where its answer is to be laid."""

    def handle(self) -> None:
        """Answer it."""
        asked = json.loads(self.rfile.readline())
        hosts = self.server.hosts  # type: ignore[attr-defined]  # `_Server` has them
        self.wfile.write(ANSWERED)
        self.wfile.close()
        document = document_of(hosts, asked["host"], Path(asked["bundle"]))
        if hosts.shadows.record:
            lay_answer(Path(hosts.shadows.record) / asked["host"], document)
        lay_answer(Path(asked["answer"]), document)


def document_of(hosts: Hosts, host: str, bundle: Path) -> dict[str, Any]:
    """What comes of a call, as the plugin that carries it to a real host writes it."""
    if host in hosts.shadows.hosts:
        return {"ok": False, "kind": "unreachable", "error": "ssh: connect to host port 22: No route to host"}
    try:
        request, files = _unpacked(bundle)
        return {"ok": True, "answer": hosts.answer(host, request, files)}
    except Exception:  # noqa: BLE001 (a defect is told as a host tells it)
        return {"ok": False, "kind": "failed", "error": traceback.format_exc()[-500:]}


def _unpacked(bundle: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    with tarfile.open(bundle) as archive:
        parts = {one.name: (archive.extractfile(one) or io.BytesIO()).read() for one in archive if one.isfile()}
    files = {name.removeprefix("files/"): content for name, content in parts.items() if name.startswith("files/")}
    return json.loads(parts["request.json"]), files


def lay_answer(path: Path, document: Mapping[str, Any]) -> None:
    """Lay an answer, whole or not at all."""
    beside = path.with_name(f".{path.name}")
    beside.write_text(json.dumps(document), encoding="utf-8")
    beside.replace(path)


def serve(ground: Ground, place: Path, shadows: Shadows) -> None:
    """Serve calls until the process is ended."""
    held = hosts_in(ground)
    free = set[int]()
    while len(free) < len(held):
        free.add(free_port())
    ports = dict(zip(held, free, strict=True))
    password = ground.folder / "api-password"
    password.write_text(PASSWORD, encoding="ascii")
    parent, apis = os.getpid(), os.fork()
    if not apis:
        # However the parent ends, it ends as well.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        run_apis((ports[host], SentPaths(one.paths, shadows.dark(one))) for host, one in held.items())
        return
    with suppress(FileNotFoundError):
        place.unlink()
    # What is there stays there: processes share it as long as nobody counts it anew.
    gc.collect()
    gc.freeze()
    with _Server(str(place), _Served) as server:
        server.hosts = Hosts(held, shadows, ports, password)
        server.serve_forever()


def _main(arguments: Sequence[str]) -> None:
    folder, place, *words = arguments
    dark = dict(word.split("=", 1) for word in words)
    hosts = frozenset(filter(None, dark.get("hosts", "").split(",")))
    shadows = Shadows(int(dark.get("camera", 0)), int(dark.get("site", 0)), hosts, dark.get("record", ""))
    serve(Ground(Path(folder)), Path(place), shadows)


if __name__ == "__main__":
    _main(sys.argv[1:])
