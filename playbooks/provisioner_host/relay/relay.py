"""MediaMTX on the host: its file, its Control API, trials of files."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from provisioner_host.machine import sandbox, units
from provisioner_host.machine.files import canonical, keyed_digest
from provisioner_host.machine.namespace import Scratch, scratch
from provisioner_host.machine.paths import API_PASSWORD, API_PORT, MEDIAMTX_FILE, SENTINEL_PREFIX, UNIT_MEDIAMTX
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import PATH, Failed, scrub
from provisioner_host.machine.stream_logins import without_login
from provisioner_host.relay.quarantine import whole

if TYPE_CHECKING:
    from provisioner_host.wire import PathAnswer, RelayAnswer, RuntimeAnswer

# A write within a second of the last reload is silently lost (measured on 1.20.1), so there is more between.
WRITE_GAP_S = 1.6
PATH_LINE = pattern(r'^  ("(?:[^"\\]|\\.)*"): (\{.*\})$')
PATHS = "/v3/paths/list?itemsPerPage=1000000"  #: Lists all paths at once: each page walks them all.
# A path's name goes in as it was asked for: with a line's end in it, it would be a second question, with our login.
_ASKED = pattern(r"/[!-~]+")
_TRIAL_LIMITS = ("LimitFSIZE=64M", "MemoryMax=2G", "RuntimeMaxSec=30", "TasksMax=64")
_VERSION, _MOST_OF_VERSION, _VERSION_S = pattern(r"v?(\d{1,4}\.\d{1,4}\.\d{1,4})\s"), 64, 5
_SETTING_LINE = pattern(r"^([A-Za-z][A-Za-z0-9]*): (.*)$")
USERS_LINE = "authInternalUsers: "
_EVERY_ADDRESS, _LOOPBACK = "0.0.0.0", "127.0.0.1"  # noqa: S104 (read, and listened at by nobody here)

# A path's settings that we write. Another hand's may hold anything: a command line with a password, an address.
_OURS = frozenset({"rtspTransport", "sourceOnDemandStartTimeout", "sourceOnDemandCloseAfter"})
_SET = "set"
# Sessions of readers without encryption and with it: each is listed by a server of its own.
_FAMILIES = ("rtspsessions", "rtspssessions")
_TYPES = ("rtspSession", "rtspsSession")


class NoSuchPage(Failed):
    """A 404 of the Control API: missing object or disabled server."""


# --- the file -------------------------------------------------------------------------------------
def describe(content: str, key: str) -> RelayAnswer:
    """Return a relay file's settings and paths without secrets.

    We write one setting or path per line; other lines are counted in `foreign`.
    """
    settings: dict[str, Any] = {}
    paths: dict[str, PathAnswer] = {}
    sentinel, foreign = None, 0
    for line in content.splitlines():
        if not line.strip() or line.startswith("#") or line == "paths:":
            continue
        try:
            if entry := PATH_LINE.match(line):
                name, value = json.loads(entry[1]), json.loads(entry[2])
                if name.startswith(SENTINEL_PREFIX):
                    sentinel = name
                else:
                    paths[name] = describe_path(value, key)
            elif entry := _SETTING_LINE.match(line):
                settings[entry[1]] = _setting_value(entry[1], entry[2], key)
            else:
                foreign += 1
        except ValueError:
            foreign += 1
    return {"settings": settings, "paths": paths, "sentinel": sentinel, "foreign": foreign}


def read_file() -> str:
    """Return the live file without quarantine marks; empty if it is missing."""
    try:
        return whole(MEDIAMTX_FILE.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return ""


def stages(live: str, wanted: str, size: int) -> Iterator[tuple[str, str]]:
    """Yield intermediate files with growing paths, each with its own sentinel.

    From the first step on, everything but new paths is as wanted. New paths come `size` at a time, in file order. The
    wanted file, the last step, is not yielded.
    """
    live_names = set(_paths_by_line(live).values())
    new = [number for number, name in _paths_by_line(wanted).items() if name not in live_names]
    if len(new) <= size:
        return
    lines = wanted.splitlines(keepends=True)
    sentinel = describe(wanted, "")["sentinel"]
    if sentinel is None:
        return
    for step, start in enumerate(range(size, len(new), size)):
        name = f"{sentinel}{step:04x}"
        hidden = set(new[start:])
        text = "".join(line for number, line in enumerate(lines) if number not in hidden)
        yield name, text.replace(json.dumps(sentinel), json.dumps(name))


def _paths_by_line(content: str) -> dict[int, str]:
    matches = ((number, PATH_LINE.match(line)) for number, line in enumerate(content.splitlines()))
    named = {number: match[1] for number, match in matches if match}
    return {number: name for number, name in named.items() if not name.startswith(f'"{SENTINEL_PREFIX}')}


def program_in(unit: str) -> Path:
    """Return the program that a unit starts, or raise `Failed`."""
    line = re.search(r'^ExecStart="?([^" ]+)"? ', unit, re.MULTILINE)
    if line is None:
        raise Failed(f"{UNIT_MEDIAMTX} starts no program")
    return Path(line[1])


def describe_path(value: dict[str, Any], key: str) -> PathAnswer:
    """Return a path's settings without credentials, and its keyed digests."""
    settings = {k: v if k in _OURS or isinstance(v, bool) else _SET for k, v in value.items() if k != "source"}
    if "source" in value:
        settings["source"] = without_login(str(value["source"]))
    return {
        "settings": settings,
        "digest": keyed_digest(key, canonical(value)),
        "source_digest": keyed_digest(key, str(value.get("source", "")).encode()),
    }


def sources(paths: set[str]) -> dict[str, str]:
    """Return live paths' sources with credentials, for removal from texts."""
    lines = (PATH_LINE.match(line) for line in read_file().splitlines())
    by_path: dict[str, str] = {}
    for entry in lines:
        if entry and (name := json.loads(entry[1])) in paths:
            by_path[name] = str(_settings_in(entry[2]).get("source", ""))
    return by_path


def changed_paths(then: str, now: str) -> list[str]:
    """Return the paths that differ between two relay files."""
    before, after = _lines_by_path(then), _lines_by_path(now)
    both = (name for name, line in after.items() if before.get(name, line) != line)
    return sorted(json.loads(name) for name in both if _settings_in(before[name]) != _settings_in(after[name]))


def _lines_by_path(content: str) -> dict[str, str]:
    matches = filter(None, map(PATH_LINE.match, content.splitlines()))
    return {match[1]: match[2] for match in matches if not match[1].startswith(f'"{SENTINEL_PREFIX}')}


def _settings_in(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def users_of(content: str) -> list[dict[str, Any]] | None:
    """Return a relay file's users; `None` without exactly one valid line."""
    lines = [line for line in content.splitlines() if line.startswith(USERS_LINE)]
    try:
        listed = json.loads(lines[0].removeprefix(USERS_LINE)) if len(lines) == 1 else None
    except ValueError:
        return None
    whole = isinstance(listed, list) and all(isinstance(user, dict) for user in listed)
    return listed if whole else None


def _setting_value(name: str, text: str, key: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if name == "authInternalUsers":
        # Another form than ours may hold a password anywhere.
        if not isinstance(value, list) or not all(isinstance(user, dict) for user in value):
            return keyed_digest(key, text.encode())
        return [{**user, "pass": keyed_digest(key, str(user.get("pass")).encode())} for user in value]
    return value


# --- the Control API ------------------------------------------------------------------------------
def api(path: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
    """Call the Control API on loopback.

    HTTP/1.0 by hand: importing `urllib` takes longer than all calls of a small change.

    Raises:
        Failed: no valid answer, or the path has invalid characters.
    """
    if not _ASKED.fullmatch(path):
        raise Failed("the relay's Control API: 400")
    password = API_PASSWORD.read_text().strip()
    login = base64.b64encode(f"api:{password}".encode()).decode()
    begin = (f"{method} {path} HTTP/1.0", "Host: 127.0.0.1", f"Authorization: Basic {login}")
    length = () if method == "GET" else ("Content-Length: 0",)
    head = (*begin, *length, "Connection: close", "", "")
    try:
        with socket.create_connection(("127.0.0.1", API_PORT), timeout_s) as link:
            link.sendall("\r\n".join(head).encode())
            with link.makefile("rb") as stream:
                answer = stream.read()
        status, _, rest = answer.partition(b"\r\n")
        if status.split()[1:2] == [b"404"]:
            raise NoSuchPage("the relay's Control API: 404")
        if status.split()[1:2] != [b"200"]:
            raise Failed(f"the relay's Control API: {status[:60].decode(errors='replace') or 'no answer'}")
        return json.loads(rest.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError) as error:
        raise Failed(f"the relay's Control API: {error}") from None


def reader_sessions() -> list[dict[str, Any]]:
    """Return RTSP and RTSPS sessions with API `family`, or raise `Failed`."""
    listed: list[dict[str, Any]] = []
    answered = 0
    for family in _FAMILIES:
        try:
            items = api(f"/v3/{family}/list?itemsPerPage=1000000")["items"]
        except NoSuchPage:
            # That server is off.
            continue
        except (KeyError, TypeError):
            items = None
        if not isinstance(items, list):
            raise Failed("the relay's Control API does not list its sessions")
        answered += 1
        listed += [{**session, "family": family} for session in items]
    if not answered:
        raise Failed("the relay's Control API does not list its sessions")
    return listed


def flowing_paths() -> set[str] | None:
    """Return the paths that have a stream, or `None` if unknown."""
    try:
        return {str(item["name"]) for item in api(PATHS)["items"] if item.get("available")}
    except (Failed, OSError, KeyError, TypeError, AttributeError):
        return None


def runtime(note: Callable[[list[dict[str, Any]]], None] = lambda _: None) -> RuntimeAnswer | None:
    """Return the running relay's version, start, sentinel and viewers by path.

    `note` gets the listed paths.
    """
    try:
        info = api("/v3/info")
        listed = api(PATHS)["items"]
    except (Failed, FileNotFoundError, KeyError):
        return None
    names = [item["name"] for item in listed]
    note(listed)
    return {
        "version": info.get("version", ""),
        "started": info.get("started", ""),
        "sentinel": next((n for n in names if n.startswith(SENTINEL_PREFIX)), None),
        "viewers": {name: len(ids) for name, ids in readers_of(listed).items()},
    }


def readers_of(listed: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the ids of readers by path, if it has any.

    MediaMTX 1.20.1 lists a reader without a session for ever if its SETUP failed. Such readers do not count.
    """
    readers = {item["name"]: item["readers"] for item in listed if item.get("readers")}
    try:
        known = {session.get("id") for session in reader_sessions()} if readers else set()
    except (Failed, FileNotFoundError):
        known = None
    alive = {
        name: [
            str(r.get("id", "")) for r in each if known is None or r.get("type") not in _TYPES or r.get("id") in known
        ]
        for name, each in readers.items()
    }
    return {name: sorted(ids) for name, ids in alive.items() if ids}


def wait_for(sentinel: str, seconds: float) -> bool:
    """Wait until the relay has read the file with this sentinel."""
    started = time.monotonic()
    until = started + seconds
    while True:
        try:
            api(f"/v3/config/paths/get/{sentinel}", timeout_s=2)
        except Failed:
            if time.monotonic() > until:
                return False
            time.sleep(_pause(started))
        else:
            return True


def _pause(started: float) -> float:
    return min(0.5, max(0.03, 0.15 * (time.monotonic() - started)))


def gap_left(file: Path | None = None) -> float:
    """Return seconds until the relay would notice a new write."""
    try:
        age = time.time() - (file or MEDIAMTX_FILE).stat().st_mtime
    except FileNotFoundError:
        return 0.0
    # A clock that jumped back gives a negative age: then a whole gap is waited.
    return max(0.0, min(WRITE_GAP_S, WRITE_GAP_S - age))


def wait_for_gap(file: Path | None = None) -> None:
    """Wait until the relay would notice a new write of this file."""
    time.sleep(gap_left(file))


def log(since_s: float) -> str:
    """Return MediaMTX's recent log lines, or an empty string if unreadable."""
    return units.journal("-u", UNIT_MEDIAMTX, f"--since=-{since_s:.0f}s")


# --- trying a file --------------------------------------------------------------------------------
def check(program: Path, conf: Path) -> None:
    """Start this MediaMTX with a file in a scratch namespace.

    MediaMTX 1.20.1 has no check option, but reads the whole file first and exits if it is invalid (measured). The check
    ends once its sockets are open. Sources cannot be reached from the namespace.

    Raises:
        Failed: MediaMTX refuses the file, or does not open its sockets.
    """
    addresses = _addresses(conf.read_text())
    if not addresses:
        raise Failed("MediaMTX's new file names no address, so that nothing shows whether it is taken")
    # A file and no pipe: MediaMTX logs a line or two a path before all its sockets are open, and a full pipe
    # that nobody reads stops it there (1,000 paths never came up).
    with scratch() as namespace, tempfile.TemporaryFile(dir=conf.parent) as output:
        namespace.ip(["link set lo up", *(f"address replace {a}/32 dev lo" for a, _ in addresses)])
        command = _trial_command([str(program), str(conf)], conf.parent, namespace)
        with _started(command, output) as process:
            try:
                _await_sockets(namespace, process, addresses, output)
            except Failed as refused:
                asked = _trial_command([str(program), "--version"], conf.parent, namespace)
                raise Failed(f"{refused}{_version_told(asked, conf.parent)}") from None
            finally:
                process.kill()
                sandbox.end(command)


def _version_told(command: list[str], folder: Path) -> str:
    """Return the version that the program says; the inventory may declare another."""
    with tempfile.TemporaryFile(dir=folder) as output, _started(command, output) as process:
        try:
            process.wait(_VERSION_S)
        except subprocess.TimeoutExpired:
            return ""
        finally:
            process.kill()
            sandbox.end(command)
        output.seek(0)
        told = _VERSION.match(output.read(_MOST_OF_VERSION).decode(errors="replace"))
    return f"; the program says that it is MediaMTX {told[1]}" if told else ""


def _trial_command(argv: list[str], folder: Path, namespace: Scratch) -> list[str]:
    if refusal := sandbox.refusal():
        raise Failed(refusal)
    # Whose program it is nobody knows: it sees the file that it is to try, this namespace, and nothing else.
    limits = (
        f"BindReadOnlyPaths={folder}",
        f"NetworkNamespacePath={namespace.path}",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
        *_TRIAL_LIMITS,
    )
    # It lives for a tenth of a second: one core and no collector are enough, and take less of the host.
    environment = {"GOMAXPROCS": "1", "GOGC": "off"}
    return sandbox.confined(argv, "trial", limits, environment)


def _started(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
    )


def _addresses(content: str) -> list[tuple[str, int]]:
    addresses = re.findall(r'^(?:rtspAddress|rtspsAddress|apiAddress): "([0-9.]+):(\d+)"$', content, re.MULTILINE)
    # What listens at every address answers at this one.
    return [(_LOOPBACK if address == _EVERY_ADDRESS else address, int(port)) for address, port in addresses]


def _await_sockets(
    namespace: Scratch, process: subprocess.Popen[bytes], addresses: list[tuple[str, int]], log: IO[bytes]
) -> None:
    started = time.monotonic()
    until = started + 15
    while process.poll() is None and time.monotonic() < until:
        # By connecting: the kernel's table of sockets is large, and takes longer to read than MediaMTX to start.
        addresses = [address for address in addresses if not namespace.call(partial(_accepts_connections, address))]
        if not addresses:
            return
        time.sleep(_pause(started))
    refused = process.poll() is not None
    process.kill()
    log.seek(0)
    text = scrub(log.read().decode(errors="replace"))
    if why := sandbox.not_started(text):
        raise Failed(f"MediaMTX could not be tried with its new file: {why}")
    errors = [line for line in text.splitlines() if "ERR" in line]
    text = (errors or text.splitlines() or ["it said nothing"])[-1][-400:]
    raise Failed(f"MediaMTX refuses its new file: {text}" if refused else f"MediaMTX does not open its sockets: {text}")


def _accepts_connections(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        return False
    return True
