"""Trial of a device's new login by two of its paths.

A recorder's channels all connect at once, and connections in progress cannot be stopped. So the other paths are
quarantined meanwhile; the next write restores them, or confirms their quarantine.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from provisioner_host.change.transaction import OPERATION_S
from provisioner_host.machine import paths
from provisioner_host.machine.files import write
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed, run
from provisioner_host.relay import quarantine, relay
from provisioner_host.relay.quarantine import LoginLine, login_line_in
from provisioner_host.state import dead_man, leases

if TYPE_CHECKING:
    from provisioner_host.change.transaction import ApplyTransaction

FIRST = 2  #: Number of paths that try a new login.
_PATIENCE_S, _PAUSE_S = 5.0, 0.2
_STARTED = pattern(r'"message":"\[path (\S+)\] \[RTSP source\] started"')

Tried = Mapping[str, frozenset[str]]  #: New logins with the paths that try them.


def tried_first(wanted: str, live: str) -> Tried:
    """Return logins with too many paths, and the paths that try. Pure.

    Logins in use are left out.
    """
    names: dict[str, list[str]] = {}
    # What has a new login is a new line: a relay may have ten thousand others.
    live_lines = set(live.splitlines())
    for path in quarantine.lines_in("\n".join(line for line in wanted.splitlines() if line not in live_lines)):
        if not path.since and not path.on_demand:
            names.setdefault(path.login, []).append(path.name)
    crowded = {
        login: frozenset(sorted(path_names)[:FIRST]) for login, path_names in names.items() if len(path_names) > FIRST
    }
    used_logins = {login for _, login in quarantine.pulled_in(live)} if crowded else set()
    return {login: path_names for login, path_names in crowded.items() if login not in used_logins}


def without_logins(wanted: str, logins: Collection[str], since: str, excepted: Tried | None = None) -> str:
    """Return a file without some logins' paths, except `excepted` ones. Pure."""
    stays = {
        (name, login)
        for name, login in quarantine.pulled_in(wanted)
        if login not in logins or name in (excepted or {}).get(login, ())
    }
    refused = quarantine.refused_in(wanted) | dict.fromkeys(logins, since)
    return quarantine.without(quarantine.whole(wanted), refused, stays)


def refused_of(lines: Iterable[str], tried: Tried) -> dict[str, int]:
    """Count refusals by login in log lines since its paths' start. Pure."""
    login_of = {name: login for login, names in tried.items() for name in names}
    counts = dict.fromkeys(tried, 0)
    for line in lines:
        if (started := _STARTED.search(line)) and (login := login_of.get(started[1])):
            counts[login] = 0
        elif (heard := login_line_in(line)) and (login := login_of.get(heard.path)):
            counts[login] = _next(counts[login], heard)
    return counts


def _next(count: int, heard: LoginLine) -> int:
    return count + 1 if heard.refused else 0


def prove(change: ApplyTransaction) -> None:
    """Try new logins first; stage refused ones as quarantined.

    `Failed` is raised if MediaMTX does not read its file.
    """
    staged = change.staged(paths.MEDIAMTX_FILE)
    wanted = staged.read_bytes().decode("utf-8", "surrogateescape")
    tried = tried_first(wanted, quarantine.live_file())
    if not tried:
        return
    started, since = time.time(), leases.moment()
    _write_trial_file(change, without_logins(wanted, tried.keys(), since, tried))
    refused = _refused_logins(tried, started)
    if refused:
        from provisioner_host.look import device_probe  # noqa: PLC0415 (few changes try a login, and each would wait)

        sources = {line.login: line.source for line in quarantine.lines_in(wanted)}
        refused -= device_probe.try_logins({login: sources[login] for login in refused})
    if refused:
        text = without_logins(wanted, refused, since)
        staged.write_bytes(text.encode("utf-8", "surrogateescape"))
        change.request["sentinel"] = quarantine.sentinel_in(text)
        devices = ", ".join(sorted(map(quarantine.device_of, refused)))
        change.notes.append(f"quarantined, as the new password is refused: {devices}")
    # This host is at work itself: nobody's silence must return it in the middle.
    dead_man.renew(change.run_id, change.confirm_s)
    leases.extend(change.run_id, OPERATION_S)


def _write_trial_file(change: ApplyTransaction, text: str) -> None:
    wanted = change.wanted[str(paths.MEDIAMTX_FILE)]
    content = text.encode("utf-8", "surrogateescape")
    for _ in range(2):
        relay.wait_for_gap()
        write(paths.MEDIAMTX_FILE, content, mode=wanted["mode"], owner=wanted["owner"], group=wanted["group"])
        if relay.wait_for(quarantine.sentinel_in(text), 5):
            return
    raise Failed("MediaMTX has not read the file with which new logins are tried")


def _refused_logins(tried: Tried, started: float) -> set[str]:
    """Return the refused logins; logins without a timely answer pass."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        accepted = {login for login, names in tried.items() if names & (relay.flowing_paths() or set())}
        counts = refused_of(_relay_log(started), tried)
        refused = {login for login, count in counts.items() if count and login not in accepted}
        settled = {login for login in refused if counts[login] >= len(tried[login])} | accepted
        if settled >= tried.keys() or time.monotonic() >= until:
            return refused
        time.sleep(_PAUSE_S)


def _relay_log(since: float) -> list[str]:
    unit = f"_SYSTEMD_UNIT={paths.UNIT_MEDIAMTX}"
    command = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--since=@{int(since)}", unit]
    try:
        return run(command, check=False).stdout.splitlines()
    except (Failed, UnicodeDecodeError):
        return []
