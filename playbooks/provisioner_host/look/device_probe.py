"""Closer probes of devices and relays without a picture.

Probes of devices and gateways and a trace of this host's own drops run in parallel, so they take no longer than the
connections that are retried anyway. They only collect evidence: the controller judges.

An accepted connection proves only a listener: the camera may hang, or another program may have the port. So devices get
a bounded request for their picture, without a login. A redirect is reported and never followed.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from provisioner_host.firewall import drops
from provisioner_host.look import reach
from provisioner_host.look.media_units import Unfit
from provisioner_host.look.reach import DeviceAddress
from provisioner_host.look.rtsp_talk import Refused, Talk
from provisioner_host.machine.paths import LOGINS_TAKEN, PROBE_TABLE, TABLE
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed, run
from provisioner_host.machine.stream_logins import without_login
from provisioner_host.onvif import onvif
from provisioner_host.relay import quarantine, relay
from provisioner_host.tunnel import endpoints

if TYPE_CHECKING:
    from provisioner_host.wire import (
        BaseChainAnswer,
        CentreRouteAnswer,
        CloserLookAnswer,
        DeviceEvidenceAnswer,
        DeviceReplyAnswer,
        EndpointAnswer,
        PathToProbe,
        TunnelAnswer,
    )


_REDIRECT = pattern(rb"^RTSP/1\.\d 30[1-5]\b")
_LOCATION = pattern(rb"^location[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_STRANGE_LETTER = pattern(r"[^A-Za-z0-9.:\[\]_-]")
_SHOWN = 80

_AT_ONCE = 32
_PATIENCE_S = 3.0
# Twice of it is less than MediaMTX's pause between two tries (5 s): a third try of its own would be the fourth.
_TRY_S = 2.0
_MOST_BYTES = 8192
_MOST_MEDIA = 8
_REDIRECTION = 3
_STATUS = pattern(rb"^RTSP/1\.\d (\d{3})\b")
_BEGINNING = b"RTSP/1."
_WEB = pattern(rb"^(?:HTTP/1\.\d \d{3}\b|<!doctype|<html)", re.IGNORECASE)
_ENCRYPTED = pattern(rb"^[\x15\x16]\x03[\x00-\x04]")
_LENGTH = pattern(rb"^content-length[ \t]*:[ \t]*(\d{1,5})\b", re.IGNORECASE | re.MULTILINE)
_MEDIA = pattern(rb"^m=(video|audio|application|text)\b", re.MULTILINE)
_TARGET = pattern(r"/[!-~]{0,500}")

_MOST_ASKED = 500
_GATEWAYS_S = 4.0
_MOST_CHAINS = 100


def redirect_in(answer: bytes) -> str:
    """Return an answer's redirect host and port without login, or empty."""
    location = _LOCATION.search(answer.partition(b"\r\n\r\n")[0]) if _REDIRECT.match(answer) else None
    if location is None:
        return ""
    try:
        authority = urlsplit(location[1].decode(errors="replace")).netloc
    except ValueError:
        authority = ""
    host = authority.rpartition("@")[2]
    return _STRANGE_LETTER.sub("?", host)[:_SHOWN] or "no address"


def query_devices(targets: Mapping[DeviceAddress, str], until: float) -> dict[DeviceAddress, DeviceReplyAnswer]:
    """Send requests to devices with open ports; return their answers."""
    devices = sorted(targets)
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        answers = asking.map(lambda device: _reply_of(device, targets[device], until), devices)
        return {device: answer for device, answer in zip(devices, answers) if answer is not None}


def target_of(source: str) -> str:
    """Return a source's path and query; `/` if withheld or malformed."""
    target = "/" + source.partition("://")[2].partition("/")[2]
    return target if _TARGET.fullmatch(target) and "***" not in target else "/"


def _reply_of(device: DeviceAddress, target: str, until: float) -> DeviceReplyAnswer | None:
    until = min(until, time.monotonic() + _PATIENCE_S)
    if until - time.monotonic() <= 0:
        return None
    try:
        return parse(*_first_bytes(device, target, until))
    except OSError:
        # Whoever took a connection a moment ago and does not now is looked at by `reach`.
        return None


def _first_bytes(device: DeviceAddress, target: str, until: float) -> tuple[bytes, bool]:
    """Return the start of a device's answer, and whether it closed."""
    answer = b""
    with socket.create_connection(device, max(0.1, until - time.monotonic())) as link:
        url = f"rtsp://{device[0]}:{device[1]}{target}"
        link.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
        while not _is_whole(answer) and len(answer) < _MOST_BYTES and (left_s := until - time.monotonic()) > 0:
            link.settimeout(left_s)
            try:
                chunk = link.recv(_MOST_BYTES)
            except TimeoutError:
                break
            except ConnectionResetError:
                return answer, True
            if not chunk:
                return answer, True
            answer += chunk
    return answer, False


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def parse(answer: bytes, hung_up: bool) -> DeviceReplyAnswer:  # noqa: FBT001 (what `_first_bytes` gives)
    """Classify an answer: kind, RTSP status, offered media, redirect."""
    parsed: DeviceReplyAnswer = {"kind": "other", "status": None, "media": []}
    if not answer.strip():
        parsed["kind"] = "closed" if hung_up else "nothing"
    elif status := _STATUS.match(answer):
        body = answer.partition(b"\r\n\r\n")[2]
        media = [kind.decode() for kind in _MEDIA.findall(body)[:_MOST_MEDIA]]
        parsed = {"kind": "rtsp", "status": int(status[1]), "media": media}
    elif not hung_up and _BEGINNING.startswith(answer[: len(_BEGINNING)]):
        parsed["kind"] = "slow"
    elif _WEB.match(answer):
        parsed["kind"] = "http"
    elif _ENCRYPTED.match(answer):
        parsed["kind"] = "tls"
    if redirect := redirect_in(answer):
        parsed["redirect"] = redirect
    return parsed


def at_devices(
    devices: list[DeviceEvidenceAnswer],
    dark: Mapping[str, PathToProbe],
    tunnel: TunnelAnswer,
    connect_s: float,
    until: float,
) -> CloserLookAnswer:
    """Probe the devices of `dark` paths; update `devices` in place.

    Devices that timed out are tried again.
    """
    places = {(p["address"], p["port"]) for p in dark.values()}
    if not places or time.monotonic() >= until:
        return {"drops": None, "gateways": []}
    targets = _rtsp_targets(devices, dark)
    with ThreadPoolExecutor(3) as asking, drops.traced(places, tunnel["listen_port"]) as trace:
        answers = asking.submit(query_devices, targets, until)
        gateway_until = min(until, time.monotonic() + _GATEWAYS_S)
        addresses = {address for address, _ in places}
        pinged = asking.submit(endpoints.answers, addresses, tunnel["mtu"], gateway_until, drops.MARK)
        tried = asking.submit(reach.again, devices, connect_s, drops.MARK)
        devices[:] = tried.result()
        by_device, gateways = answers.result(), pinged.result()
    for device in devices:
        if answer := by_device.get((device["address"], device["port"])):
            device["said"] = answer
    return {"drops": trace.drops, "gateways": gateways}


def _rtsp_targets(devices: list[DeviceEvidenceAnswer], dark: Mapping[str, PathToProbe]) -> dict[DeviceAddress, str]:
    """Return each reachable device's first dark path, without a login."""
    answering = {(d["address"], d["port"]) for d in devices if d["outcome"] == "ok"}
    reachable = {name: p for name, p in sorted(dark.items()) if (p["address"], p["port"]) in answering}
    sources = relay.sources(set(reachable)) if reachable else {}
    targets: dict[DeviceAddress, str] = {}
    for name, path in reachable.items():
        if len(targets) < _MOST_ASKED:
            target = target_of(without_login(sources.get(name, "")))
            targets.setdefault((path["address"], path["port"]), target)
    return targets


def try_logins(sources: Mapping[str, str]) -> set[str]:
    """Try each refused login once; return those that their devices take.

    MediaMTX proves a login once a connection: a device that calls the challenge stale refuses it by the same status as
    a wrong password. What a device takes is remembered for `logins_taken`.
    """
    until = time.monotonic() + _TRY_S
    due = sorted(login for login, source in sources.items() if source.startswith("rtsp://"))[:_MOST_ASKED]
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        answers = asking.map(lambda login: _takes_login(sources[login], until), due)
        taken = {login for login, is_taken in zip(due, answers) if is_taken}
    for login in taken:
        onvif.note(login, LOGINS_TAKEN)
    return taken


def logins_taken(paths: Collection[str]) -> list[EndpointAnswer]:
    """Return pulled paths' devices that took the login of the quarantine unit."""
    lines = quarantine.lines_in(quarantine.live_file()) if LOGINS_TAKEN.exists() else ()
    logins = {line.login for line in lines if line.name in paths and not line.since}
    devices = (quarantine.device_of(login).split(":") for login in logins if onvif.lately(login, LOGINS_TAKEN))
    return [{"address": address, "port": int(port)} for address, port in sorted(devices)]


def _takes_login(source: str, until: float) -> bool:
    """Return whether a device takes a source's login; follow no redirect."""
    login, _, tail = source.partition("://")[2].partition("/")
    user, _, password = login.rpartition("@")[0].partition(":")
    endpoint = quarantine.device_of(login)
    address, _, port = endpoint.partition(":")
    talk = Talk(endpoint, (unquote(user), unquote(password)), tail)
    try:
        with (
            suppress(OSError, ValueError, Unfit),
            socket.create_connection((address, int(port)), max(0.1, until - time.monotonic())) as link,
        ):
            link.sendall(talk.begin())
            while not talk.login_taken and (left_s := until - time.monotonic()) > 0:
                link.settimeout(left_s)
                data = link.recv(_MOST_BYTES)
                if not data:
                    break
                for request, _ in talk.take(data):
                    if request and not talk.login_taken:
                        link.sendall(request)
    except Refused as refused:
        return talk.login_taken and refused.status // 100 != _REDIRECTION
    return talk.login_taken


def at_relays(
    places: Iterable[DeviceAddress], tunnel: TunnelAnswer, connect_s: float, until: float
) -> tuple[list[CentreRouteAnswer], CloserLookAnswer]:
    """Probe unreadable relays from a centre: connections, packets, own drops."""
    targets = sorted(set(places))
    if not targets or time.monotonic() >= until:
        return [], {"drops": None, "gateways": []}
    with ThreadPoolExecutor(2) as asking, drops.traced(targets, tunnel["listen_port"]) as trace:
        gateway_until = min(until, time.monotonic() + _GATEWAYS_S)
        addresses = {address for address, _ in targets}
        pinged = asking.submit(endpoints.answers, addresses, tunnel["mtu"], gateway_until, drops.MARK)
        tried = asking.submit(reach.connect_all, targets, connect_s, drops.MARK)
        connected, gateways = tried.result(), pinged.result()
    return list(connected), {"drops": trace.drops, "gateways": gateways}


def foreign_chains() -> list[BaseChainAnswer] | None:
    """Return other tables' base chains, or `None` if listing fails."""
    try:
        listed = json.loads(run(["nft", "-j", "list", "chains"]).stdout)["nftables"]
    except (Failed, ValueError, KeyError):
        return None
    chains = (entry["chain"] for entry in listed if "hook" in entry.get("chain", ()))
    foreign = [_base_chain(chain) for chain in chains if (chain["family"], chain["table"]) not in {TABLE, PROBE_TABLE}]
    return foreign[:_MOST_CHAINS]


def _base_chain(chain: dict[str, str]) -> BaseChainAnswer:
    return {
        "family": chain["family"],
        "table": chain["table"],
        "chain": chain["name"],
        "hook": chain["hook"],
        "policy": chain.get("policy", ""),
    }
