"""Finds tables that drop a probe's packets, by the kernel's packet trace.

During a probe, a table of ours marks the probe's packets and their answers for the trace. The table accepts every
packet and is deleted at the end. `nft monitor trace` prints a line per rule. No other table is changed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from provisioner_host.machine.paths import PROBE_TABLE, SECOND_TUNNEL, TUNNEL, USER
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import PATH, Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import DropAnswer

DeviceAddress = tuple[str, int]

MARK = 0x70726F62  #: The packet mark of the probe.

_MOST_DEVICES = 200
_MOST_SAID = 4_000_000
_MOST_DROPS = 200
_READY_S = 0.3
_LAST_S = 0.2
_RATE = "limit rate 20/second burst 60 packets"
_LINE = pattern(
    r"^trace id (?P<id>[0-9a-f]+) (?P<table>\w+ \S+) (?P<chain>\S+) (?P<what>packet: |rule |policy )(?P<rest>.*)$"
)
_FIELD = pattern(r"\b(iif|oif|ip6? saddr|ip6? daddr|tcp sport|tcp dport|udp sport|udp dport) \"?([^\s\"]+)")
# The second one is there while a relay changes its own key.
_TUNNELS = f'{{ "{TUNNEL}", "{SECOND_TUNNEL}" }}'
_RULE_DROPS = pattern(r"\(verdict drop\)$")


class Trace:
    """The result of a trace; `drops` stays `None` if tracing is impossible."""

    def __init__(self) -> None:
        self.drops: list[DropAnswer] | None = None


@contextlib.contextmanager
def traced(devices: Iterable[DeviceAddress], listen_port: int) -> Iterator[Trace]:
    """Trace a probe's packets and their answers.

    Traced are packets with our mark, MediaMTX's connections to devices, and the tunnel's packets on `listen_port` (0
    without a tunnel).
    """
    trace, table = Trace(), " ".join(PROBE_TABLE)
    monitor = _Monitor()
    try:
        loaded = monitor.started and _loaded(rules(sorted(set(devices))[:_MOST_DEVICES], listen_port, _relay_user()))
        try:
            yield trace
        finally:
            if loaded:
                time.sleep(_LAST_S)
                with contextlib.suppress(Failed):
                    run(["nft", "delete", "table", *PROBE_TABLE], check=False)
        if loaded:
            trace.drops = parse(monitor.output().splitlines(), table, listen_port)
    finally:
        monitor.end()


def _loaded(text: str) -> bool:
    try:
        return run(["nft", "-f", "-"], stdin=text, check=False).returncode == 0
    except Failed:
        return False


def _relay_user() -> int | None:
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        return None


def rules(devices: list[DeviceAddress], listen_port: int, relay_user: int | None) -> str:
    """Return the marking table: first in order, accepting every packet."""
    places = ", ".join(f"{address} . {port}" for address, port in devices)
    first = "tcp flags & (syn | ack) == syn"
    out = [f"meta mark {MARK} meta nftrace set 1"]
    back = [f"iifname {_TUNNELS} meta l4proto icmp {_RATE} meta nftrace set 1"]
    if places and relay_user is not None:
        out.append(f"meta skuid {relay_user} ip daddr . tcp dport {{ {places} }} {first} {_RATE} meta nftrace set 1")
    if places:
        answer = "tcp flags & (syn | rst) != 0"
        back.append(f"iifname {_TUNNELS} ip saddr . tcp sport {{ {places} }} {answer} {_RATE} meta nftrace set 1")
    if listen_port:
        out.append(f"udp sport {listen_port} {_RATE} meta nftrace set 1")
        back.append(f"udp dport {listen_port} {_RATE} meta nftrace set 1")
    table = " ".join(PROBE_TABLE)
    chains = (_chain("out", "output", out), _chain("back", "prerouting", back))
    # One that a killed probe left is taken away first.
    return f"table {table}\ndelete table {table}\ntable {table} {{\n{''.join(chains)}}}\n"


def _chain(name: str, hook: str, lines: list[str]) -> str:
    body = "".join(f"\t\t{line}\n" for line in lines)
    return f"\tchain {name} {{\n\t\ttype filter hook {hook} priority -1000; policy accept;\n{body}\t}}\n"


class _Monitor:
    """`nft monitor trace` and the first 4 MB of its output."""

    def __init__(self) -> None:
        self._output = bytearray()
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                ["/usr/sbin/nft", "-nn", "monitor", "trace"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            )
            self._thread = threading.Thread(target=self._read_output, daemon=True)
            self._thread.start()
            # It tells of no packet from before it listens.
            time.sleep(_READY_S)

    @property
    def started(self) -> bool:
        """Whether it runs; an nft without trace exits at once."""
        return self._process is not None and self._process.poll() is None

    def _read_output(self) -> None:
        assert self._process is not None  # noqa: S101 (for the type checker)
        assert self._process.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._process.stdout.fileno(), 65536):
                if len(self._output) < _MOST_SAID:
                    self._output += chunk

    def output(self) -> str:
        """Return the output so far."""
        return self._output.decode(errors="replace")

    def end(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._thread.join(1)
            if self._process.stdout is not None:
                self._process.stdout.close()


def parse(lines: Iterable[str], own_table: str, listen_port: int) -> list[DropAnswer]:
    """Return the distinct drops in the output of `nft monitor trace`.

    `own_table` is the marking table; `listen_port` identifies the tunnel's packets.
    """
    packets: dict[str, dict[str, str]] = {}
    drops: list[DropAnswer] = []
    for matched in filter(None, map(_LINE.match, lines)):
        rest = matched["rest"].rstrip()
        if matched["what"] == "packet: ":
            packets.setdefault(matched["id"], dict(_FIELD.findall(rest)))
        elif matched["table"] != own_table and _drops(matched["what"], rest):
            drop = _drop_answer(matched["table"], matched["chain"], packets.get(matched["id"], {}), listen_port)
            if drop is not None and drop not in drops and len(drops) < _MOST_DROPS:
                drops.append(drop)
    return drops


def _drops(kind: str, text: str) -> bool:
    return bool(_RULE_DROPS.search(text)) if kind == "rule " else text.split(" ", 1)[0] == "drop"


def _drop_answer(table: str, chain: str, packet: dict[str, str], listen_port: int) -> DropAnswer | None:
    incoming = "iif" in packet
    side = "saddr" if incoming else "daddr"
    address = packet.get(f"ip {side}") or packet.get(f"ip6 {side}", "")
    ports = (packet.get(f"{kind} {'sport' if incoming else 'dport'}", "") for kind in ("tcp", "udp"))
    port = next((int(p) for p in ports if p.isdecimal()), 0)
    ours = packet.get(f"udp {'dport' if incoming else 'sport'}", "")
    if not address:
        return None
    family, _, name = table.partition(" ")
    return {
        "family": family,
        "table": name,
        "chain": chain,
        "incoming": incoming,
        "tunnel": ours == str(listen_port) and listen_port > 0,
        "address": address,
        "port": port,
    }
