"""The quarantine unit: follows MediaMTX's log and quarantines refused logins.

MediaMTX retries every 5 s forever, and cameras lock out such clients. After two consecutive refusals the firewall's
`halted` set stops new connections to the device at once. Its paths leave the file as soon as possible: not during an
operation, and not within a second of another write.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from threading import Thread
from typing import IO

from provisioner_host.look import device_probe
from provisioner_host.machine import files, paths
from provisioner_host.machine.files import identity, words_of
from provisioner_host.machine.shell import PATH, Failed, run
from provisioner_host.onvif import onvif
from provisioner_host.relay import quarantine, relay
from provisioner_host.relay.quarantine import Refusals
from provisioner_host.state import leases
from provisioner_host.tunnel import tunnel

# What was refused before this unit was started counts for so long, and not from before the last write of the file.
_PAST_S = 600.0
_IDLE_S, _DUE_S = 5.0, 0.5
# How long a device stays halted where nobody lifts it: an operation may hold this host meanwhile.
_HALT_S = 300
_BLOCK, _LONGEST = 1 << 16, 1 << 20
_WHO = "quarantine"
_FEW_PATHS = 2


def watch() -> None:
    """Follow the log; restart in place if the program is replaced.

    If the log ends, `Failed` is raised and systemd restarts the unit.
    """
    program = _program_identity()
    # Gateways and this relay may change keys: somebody has to be there always; beside this, as the log may rest.
    Thread(target=_follow_gateways, daemon=True).start()
    with _open_relay_log() as log:
        watcher = Watcher()
        for lines in _log_batches(log, watcher):
            watcher.hear(lines)
            watcher.act()
            if _program_identity() not in (program, []):
                break
    # No restart by systemd: a unit that is between two runs is no healthy one to whoever confirms a change.
    os.execv(paths.HOST_PROGRAM, [str(paths.HOST_PROGRAM), "quarantine"])  # noqa: S606 (our own program, no words)


def _follow_gateways() -> None:
    for moved in tunnel.moves():
        for line in moved:
            _say(line)


def _program_identity() -> list[int]:
    with contextlib.suppress(OSError):
        return identity(paths.HOST_PROGRAM)
    return []


class Watcher:
    """Counted refusals and the response to them."""

    def __init__(self) -> None:
        self.refusals = Refusals(onvif.lately)
        self._logins: dict[str, str] = {}
        self._read: list[int] = []
        self._halted: dict[str, float] = {}

    @property
    def has_refused_logins(self) -> bool:
        """Whether logins wait for quarantine."""
        return bool(self.refusals.to_quarantine)

    def hear(self, lines: Iterable[str]) -> None:
        """Count log lines."""
        for line in lines:
            self.refusals.hear(line, self._login_of)

    def _login_of(self, path: str) -> str:
        now = _identity_of_file()
        if now != self._read:
            self._logins, self._read = dict(quarantine.pulled_in(quarantine.live_file())), now
            self.refusals.keep(self._logins.values())
        return self._logins.get(path, "")

    def act(self) -> None:
        """Quarantine refused logins; retry later if the file cannot be written."""
        if untried := self.refusals.to_quarantine.keys() - self.refusals.confirmed:
            self._try(untried)
        refused = self.refusals.to_quarantine
        if not refused:
            return
        self._halt_devices({quarantine.device_of(login) for login in refused})
        try:
            with leases.lock(_WHO):
                quarantined = _quarantine_refused(refused)
        except leases.Locked:
            return
        except (Failed, OSError) as error:
            _say(f"could not take {len(refused)} refused logins out of the relay's file: {words_of(error)}")
            return
        if quarantined is None:
            return
        for login in refused:
            self.refusals.settle(login)
        if not quarantined or _has_read():
            self._release()
        for path in quarantined:
            _say(f"path {path} is quarantined: its device refuses the password")

    def _try(self, logins: set[str]) -> None:
        """Try refused logins once; a device that takes one refused nothing.

        Devices lock out after some tries: a login of more than two paths was tried by each of them already.
        """
        pulled = [line for line in quarantine.lines_in(quarantine.live_file()) if not line.since]
        paths_of = Counter(line.login for line in pulled if not line.on_demand)
        taken = device_probe.try_logins(
            {line.login: line.source for line in pulled if line.login in logins and paths_of[line.login] <= _FEW_PATHS}
        )
        self.refusals.forget(taken)
        self.refusals.confirmed.update(logins - taken)

    def _halt_devices(self, devices: Collection[str]) -> None:
        """Stop new connections to devices, and renew expired halts."""
        now = time.monotonic()
        new = {device for device in devices if self._halted.get(device, 0.0) <= now}
        if new and _set_halted("add", sorted(f"{_element(device)} timeout {_HALT_S}s" for device in new)):
            self._halted |= dict.fromkeys(new, now + _HALT_S)

    def _release(self) -> None:
        for device in self._halted:
            _set_halted("delete", [_element(device)])
        self._halted = {}


def _element(device: str) -> str:
    return device.replace(":", " . ")


def _set_halted(verb: str, elements: Iterable[str]) -> bool:
    """Change the firewall's `halted` set; on failure only the quarantine protects devices."""
    command = ["nft", verb, "element", *paths.TABLE, "halted", f"{{ {', '.join(elements)} }}"]
    try:
        return run(command, check=False).returncode == 0
    except Failed:
        return False


def _identity_of_file() -> list[int]:
    with contextlib.suppress(OSError):
        return identity(paths.MEDIAMTX_FILE)
    return []


def _quarantine_refused(to_quarantine: Mapping[str, frozenset[str]]) -> list[str] | None:
    """Quarantine refused logins and return the paths; `None` if too soon."""
    live = quarantine.live_file()
    pulled = quarantine.pulled_in(live)
    if not {login for _, login in pulled} & to_quarantine.keys():
        return []
    if relay.gap_left() > 0:
        return None
    text = with_refused_quarantined(live, to_quarantine, relay.flowing_paths(), leases.moment())
    _rewrite(text)
    return sorted(name for name, _ in pulled - quarantine.pulled_in(text))


def with_refused_quarantined(
    live: str, to_quarantine: Mapping[str, frozenset[str]], flowing: Collection[str] | None, since: str
) -> str:
    """Quarantine refused logins in a live file, except flowing paths. Pure.

    `due` are the logins and their refused paths. If `flowing` is `None` (unknown), only refused paths are quarantined.
    """
    refused = dict.fromkeys(to_quarantine, since) | quarantine.refused_in(live)
    stays = {
        (name, login)
        for name, login in quarantine.pulled_in(live)
        if login not in to_quarantine or (name not in to_quarantine[login] if flowing is None else name in flowing)
    }
    return quarantine.without(quarantine.whole(live), refused, stays)


def _rewrite(text: str) -> None:
    status = paths.MEDIAMTX_FILE.stat()
    content = text.encode("utf-8", "surrogateescape")
    files.write(paths.MEDIAMTX_FILE, content, mode=stat.S_IMODE(status.st_mode), group=paths.USER)


def _has_read() -> bool:
    """Return whether MediaMTX has read its file; write a missed file again."""
    text = quarantine.live_file()
    sentinel = quarantine.sentinel_in(text)
    if not sentinel or relay.wait_for(sentinel, 4):
        return True
    with contextlib.suppress(Failed, OSError), leases.lock(_WHO):
        if quarantine.live_file() == text:
            _rewrite(text)
    return relay.wait_for(sentinel, 4)


# --- the log --------------------------------------------------------------------------------------
@contextlib.contextmanager
def _open_relay_log() -> Iterator[IO[bytes]]:
    since = time.time() - _PAST_S
    with contextlib.suppress(OSError):
        since = max(since, paths.MEDIAMTX_FILE.stat().st_mtime)
    unit = f"_SYSTEMD_UNIT={paths.UNIT_MEDIAMTX}"
    command = ["journalctl", "--follow", "--no-pager", "--quiet", "--output=cat", f"--since=@{since:.0f}", unit]
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as process:
        try:
            if process.stdout is None:
                raise Failed("journalctl: it has no output")
            yield process.stdout
        finally:
            process.kill()


def _log_batches(log: IO[bytes], watcher: Watcher) -> Iterator[list[str]]:
    """Yield batches of log lines, empty after a quiet interval."""
    rest = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(log, selectors.EVENT_READ)
        while True:
            if not waiting.select(_DUE_S if watcher.has_refused_logins else _IDLE_S):
                yield []
                continue
            block = os.read(log.fileno(), _BLOCK)
            if not block:
                raise Failed("the log of MediaMTX cannot be followed: journalctl has ended")
            *lines, rest = (rest + block).split(b"\n")
            # A line without end is none of MediaMTX's.
            rest = rest if len(rest) < _LONGEST else b""
            yield [line.decode(errors="replace") for line in lines]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
