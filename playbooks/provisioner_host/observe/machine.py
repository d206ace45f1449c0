"""This machine: system, missing programs, and surroundings.

Surroundings are other firewalls, the default route, and other programs on our ports.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host.firewall import lockout
from provisioner_host.machine import paths, units
from provisioner_host.machine.files import cached, identity
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import PATH, Failed, run
from provisioner_host.tunnel import tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import DefaultRouteAnswer, MachineAnswer, PortAnswer, PortsToTake, SystemAnswer

NEEDED = ("nft", "wg", "ip", "ss", "ffmpeg", "systemd-run")
# Where the kernel has no WireGuard.
NEEDED_WITHOUT_KERNEL = "wireguard-go"
# What systemd is asked over, and where it is.
NEEDED_FOR_UNITS = "dbus"
# What a reader's ffmpeg has to decode by itself: some systems ship one that decodes neither.
NEEDED_OF_FFMPEG = "ffmpeg-decoders"
_DECODERS = frozenset({"h264", "hevc"})
_DECODER = pattern(r"^ V[F.][S.][X.][B.][D.] (\w+) ", re.MULTILINE)
_BUS = Path("/run/dbus/system_bus_socket")
_BUS_PROGRAMS = ("dbus-daemon", "dbus-broker-launch")
_OS_RELEASE = Path("/etc/os-release")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# What rules of others are known by: a table of firewalld's own, a chain of ufw's.
_OF_OTHERS = {"firewalld": ("table", "firewalld"), "ufw": ("chain", "ufw-user-input")}

_MOST_PORTS = 20
# States of sockets in the kernel's lists: one that waits for connections, and one of UDP that takes what comes.
_LISTENING = {"tcp": "0A", "udp": "07"}
_ANY, _ANY_6 = "00000000", "0" * 32
# As the kernel writes it, byte for byte from the last one.
_LOOPBACK, _LOOPBACK_6 = "0100007F", f"{'0' * 24}01000000"
_FIELDS = 8


class Socket(NamedTuple):
    """A listening socket."""

    address: str  #: In the kernel's form.
    port: int
    user: int  #: Its user id.


def machine() -> MachineAnswer:
    """Return facts about the machine."""
    name = os.uname().machine
    return {
        "arch": _ARCHITECTURES.get(name, name),
        "python": ".".join(map(str, sys.version_info[:3])),
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "os": _system_release(),
        "ssh_peer": lockout.connection_peer(),
        "selinux": units.selinux(),
    }


def _system_release() -> SystemAnswer:
    """Return the system from os-release; unknown parts are empty."""
    try:
        lines = _OS_RELEASE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = {name: value.strip("\"'") for name, _, value in (line.strip().partition("=") for line in lines)}
    return {
        "id": fields.get("ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "like": fields.get("ID_LIKE", "").split(),
    }


def missing_programs() -> list[str]:
    """Return the missing programs; we never install them."""
    missing = {program for program in NEEDED if shutil.which(program, path=PATH) is None}
    if not kernel_has_wireguard() and shutil.which(NEEDED_WITHOUT_KERNEL, path=PATH) is None:
        missing.add(NEEDED_WITHOUT_KERNEL)
    if not has_bus():
        missing.add(NEEDED_FOR_UNITS)
    if "ffmpeg" not in missing and not _decodes_all():
        missing.add(NEEDED_OF_FFMPEG)
    return sorted(missing)


def has_bus() -> bool:
    """Return whether systemd's bus works.

    A removed package leaves its socket until the next boot.
    """
    return _BUS.exists() and any(shutil.which(program, path=PATH) for program in _BUS_PROGRAMS)


def _decodes_all() -> bool:
    """Return whether ffmpeg decodes cameras' codecs, cached per boot and program."""
    program = Path(str(shutil.which("ffmpeg", path=PATH))).resolve()
    decodes: bool = cached("decoders", [str(program), identity(program)], _has_decoders)
    return decodes


def _has_decoders() -> bool:
    try:
        return decodes(run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-decoders"], check=False).stdout)
    except Failed:
        return True


def decodes(listing: str) -> bool:
    """Return whether ffmpeg's decoder list suffices; an empty list passes."""
    decoders = set(_DECODER.findall(listing))
    return not decoders or decoders >= _DECODERS


def kernel_has_wireguard() -> bool:
    """Return whether the kernel has WireGuard, built in or as a module."""
    if Path("/sys/module/wireguard").exists():
        return True
    if shutil.which("modprobe", path=PATH) is None:
        return False
    return run(["modprobe", "-n", "-q", "wireguard"], check=False).returncode == 0


def firewalls() -> list[str]:
    """Return active firewalls of others, whose refusals precede our rules."""
    if shutil.which("nft", path=PATH) is None:
        return []
    listed = run(["nft", "-j", "list", "chains"], check=False)
    return firewalls_in(listed.stdout) if listed.returncode == 0 else []


def firewalls_in(listed: str) -> list[str]:
    """Return others' firewalls in nft's list of chains."""
    try:
        chains = [entry["chain"] for entry in json.loads(listed)["nftables"] if "chain" in entry]
        foreign = [chain for chain in chains if (chain["family"], chain["table"]) != paths.TABLE]
        names = {("table", chain["table"]) for chain in foreign} | {("chain", chain["name"]) for chain in foreign}
    except (ValueError, KeyError, TypeError):
        return []
    return sorted(name for name, mark in _OF_OTHERS.items() if mark in names)


def default_route() -> DefaultRouteAnswer | None:
    """Return the default route's interface and MTU, or `None`."""
    listed = run(["ip", "-j", "-4", "route", "show", "default"], check=False)
    routes = [route for route in json.loads(listed.stdout or "[]") if route.get("dev")]
    if not routes:
        return None
    route = min(routes, key=lambda entry: int(entry.get("metric", 0)))
    device = str(route["dev"])
    links = json.loads(run(["ip", "-j", "link", "show", "dev", device], check=False).stdout or "[]")
    # A route may have one of its own.
    sizes = [int(entry["mtu"]) for entry in (*links, *route.get("metrics", ())) if "mtu" in entry]
    return {"device": device, "mtu": min(sizes)} if sizes else None


def taken(wanted: PortsToTake) -> list[PortAnswer]:
    """Return our ports that other programs use, at most 20."""
    own_users, tcp = _own_users(), list(_listening_sockets("tcp"))
    answer: list[PortAnswer] = []
    for port in wanted["tcp"]:
        foreign = [listener for listener in tcp if listener.port == port and listener.user not in own_users]
        answer += [
            _port_answer("tcp", listener) for listener in foreign if listener.address in {_ANY, _ANY_6, _LOOPBACK}
        ]
    for port in wanted["udp"]:
        if port not in tunnel.listened_ports():
            answer += [_port_answer("udp", listener) for listener in _listening_sockets("udp") if listener.port == port]
    led = set(wanted.get("led", ()))
    # What this machine says to itself is led nowhere: a resolver that waits on loopback is in nobody's way.
    answer += [
        _port_answer("udp", listener)
        for listener in _listening_sockets("udp")
        if listener.port in led and not _is_loopback(listener.address)
    ]
    return answer[:_MOST_PORTS]


def _is_loopback(address: str) -> bool:
    return address.endswith("7F") if len(address) == len(_ANY) else address == _LOOPBACK_6


def _own_users() -> Collection[int]:
    with contextlib.suppress(KeyError):
        return {pwd.getpwnam(paths.USER).pw_uid}
    return ()


def _port_answer(protocol: str, socket: Socket) -> PortAnswer:
    user = str(socket.user)
    with contextlib.suppress(KeyError):
        user = pwd.getpwuid(socket.user).pw_name
    return {"protocol": protocol, "port": socket.port, "user": user}


def _listening_sockets(protocol: str) -> Iterator[Socket]:
    for family in ("", "6"):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/net/{protocol}{family}").read_text()
            yield from sockets_in(text, _LISTENING[protocol])


def sockets_in(text: str, state: str) -> Iterator[Socket]:
    """Yield the sockets with a state in the kernel's list. Pure."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _FIELDS or fields[3] != state:
            continue
        address, _, port = fields[1].partition(":")
        with contextlib.suppress(ValueError):
            yield Socket(address, int(port, 16), int(fields[7]))
