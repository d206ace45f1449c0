"""A host of one machine: the host's program itself over real files below a folder, with false programs and MediaMTX.

The false programs keep what systemd, the kernel and MediaMTX would hold. Everything else is the host's own code.
"""

import base64
import contextlib
import grp
import hashlib
import importlib
import json
import os
import pkgutil
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import provisioner_host
from provisioner.desired.render.host import RenderedFile
from provisioner.desired.spec import HostSpec
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.operations.rollout.job import Job, RolloutOptions, confirm_call, first_call
from provisioner.plan.change import Action
from provisioner.plan.diff import changes_of
from provisioner.plan.guards.policy import needs_program
from provisioner_host import main
from provisioner_host.change import preflight, quarantine_trial
from provisioner_host.firewall import firewall
from provisioner_host.look import device_probe
from provisioner_host.machine import paths, shell
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay
from provisioner_host.state import dead_man
from provisioner_host.tunnel import interface, tunnel
from tests.conftest import QuickClock

OPTIONS = RolloutOptions(gate=None, lockout_check=False, who="noc")
_PLACES = ("/etc/provisioner", "/etc/systemd", "/usr/local/lib/provisioner", "/var/lib/provisioner", "/run")
_IN_JSON = re.compile(rf'"(?=(?:{"|".join(_PLACES)})[/"])')
_FAILED = 1
#: What stands for MediaMTX's release.
PROGRAM = b"a program"
PROGRAM_SUM = hashlib.sha256(PROGRAM).hexdigest()


def _modules() -> list[Any]:
    for module in pkgutil.walk_packages(provisioner_host.__path__, "provisioner_host."):
        importlib.import_module(module.name)
    return [module for name, module in sys.modules.items() if name.startswith("provisioner_host.")]


def _moved(value: Any, root: Path) -> Any:
    """The value with every path of a host below the folder."""
    if isinstance(value, (str, Path)):
        moves = str(value).startswith(_PLACES) and "\n" not in str(value)
        return type(value)(f"{root}{value}") if moves else value
    if isinstance(value, (tuple, frozenset)) and not hasattr(value, "_fields"):
        return type(value)(_moved(part, root) for part in value)
    if isinstance(value, dict):
        return {key: _moved(part, root) for key, part in value.items()}
    return value


class _Clock(QuickClock):
    """The same for a module that reads the time of day too."""

    def time(self) -> float:
        """Seconds since 1970, with all that was waited for."""
        return self.now().timestamp()


class FalseHost:
    """One host.

    The program with the number `failing` fails. Files belong to this process whatever a change asks for; `owners` has
    it ask for others. MediaMTX overlooks `lost_writes` of its file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.enabled: set[str] = set()
        self.active: set[str] = set()
        self.rules: str | None = None
        self.interfaces: dict[str, str] = {}
        self.links: dict[str, dict[str, Any]] = {}
        self.read = ""
        self.seen: tuple[int, int] = (0, 0)
        self.lost_writes = 0
        self.answers = True
        self.log = ""
        self.dark: set[str] = set()
        self.reads: list[str] = []
        self.ran: list[str] = []
        self.unread_units: set[str] = set()
        self.public_keys: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.clock = _Clock()
        self.failing = 0

    # --- what the controller does -----------------------------------------------------------------
    def call(self, calls: Sequence[HostCall], *, timeout_s: float = 60) -> dict[str, HostAnswer]:
        """Carry calls to the host's program."""
        assert timeout_s > 0
        return {call.spec.id: self._answered(call) for call in calls}

    def _answered(self, call: HostCall) -> HostAnswer:
        try:
            return HostAnswer(call.spec.id, CallOutcome.ANSWERED, self.ask(call.request, call.files))
        except Failed as error:
            return HostAnswer(call.spec.id, CallOutcome.FAILED, error=str(error))

    def ask(self, request: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
        """Have the host's program do an operation."""
        bundle = self.root / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        (bundle / "files").mkdir(parents=True)
        for name, content in (files or {}).items():
            (bundle / "files" / name).write_bytes(content)
        here = json.loads(_IN_JSON.sub(f'"{self.root}', json.dumps(request)))
        if self.owners:
            here["files"] = {path: file | self.owners for path, file in here["files"].items()}
        answer = main._operation(here, bundle)  # noqa: SLF001 (the door's other half is of standard input)
        whole: dict[str, Any] = json.loads(json.dumps(answer).replace(str(self.root), ""))
        return whole

    def job(self, spec: HostSpec, files: tuple[RenderedFile, ...], rollback: str | None = None) -> Job:
        """Plan."""
        facts, errors = observe([spec], {spec.id: files}, self)
        assert not errors, errors
        live = facts[spec.id]
        changes = tuple(c for c in changes_of(spec, files, live) if c.action is not Action.NOOP)
        brings = self.root if needs_program(spec, changes) else None
        return Job(spec, files, live, live.live_digest, brings, PROGRAM_SUM, changes=changes, rollback=rollback)

    def start(self, job: Job, run: str = "run-1", **changes: Any) -> dict[str, Any]:
        """Begin a change, and leave the host armed."""
        call = first_call(job, run, OPTIONS)
        return self.ask({**call.request, **changes}, {**call.files, "artefact": PROGRAM})

    def apply(self, spec: HostSpec, files: tuple[RenderedFile, ...], run: str = "run-1") -> None:
        """Bring the host to a state."""
        job = self.job(spec, files)
        started, confirmed = self.start(job, run), self.confirm(job, run)
        assert (started["outcome"], confirmed["outcome"]) == ("armed", "applied"), (started, confirmed)

    def confirm(self, job: Job, run: str = "run-1") -> dict[str, Any]:
        """Confirm it."""
        call = confirm_call(job, run, OPTIONS)
        return self.ask(call.request, call.files)

    def later(self, operation: str, job: Job, run: str = "run-1", **more: Any) -> dict[str, Any]:
        """Ask for the status of a run, or abort it."""
        common = {k: v for k, v in confirm_call(job, run, OPTIONS).request.items() if k not in {"files", "observe"}}
        return self.ask({**common, "operation": operation, **more})

    # --- what it holds ----------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        """All that a host is: our files, and what runs of them. Records of runs are no part of it."""
        files = {
            str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mode)
            for place in ("etc", "usr/local/lib")
            for path in sorted((self.root / place).rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        peers = {name: sorted(interface.peers_in(text)) for name, text in self.interfaces.items()}
        return {
            "files": files,
            "enabled": sorted(self.enabled - {paths.UNIT_REVERT}),
            "active": sorted(self.active - {paths.UNIT_REVERT}),
            "rules": self.rules,
            "peers": peers,
            "links": {name: {**link, "routes": sorted(link["routes"])} for name, link in self.links.items()},
            "relay": self.read if paths.UNIT_MEDIAMTX in self.active else "",
        }

    # --- its programs -----------------------------------------------------------------------------
    def program(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a false program."""
        words = " ".join(argv)
        self.ran.append(words)
        if len(self.ran) == self.failing:
            return subprocess.CompletedProcess(list(argv), _FAILED, "", f"{argv[0]}: out of order")
        answer = getattr(self, f"_{argv[0].replace('-', '_')}", None)
        done = answer(*argv[1:], stdin=options.get("input") or "") if answer else ""
        code, stdout, stderr = (0, done, "") if isinstance(done, str) else done
        return subprocess.CompletedProcess(list(argv), code, stdout, stderr)

    def _systemctl(self, verb: str, *words: str, stdin: str) -> str:
        del stdin
        names = [word for word in words if not word.startswith("-")]
        if verb == "show":
            return "\n\n".join(map(self._shown, names))
        if verb == "daemon-reload":
            self.unread_units.clear()
        if verb in {"enable", "disable"}:
            (self.enabled.update if verb == "enable" else self.enabled.difference_update)(names)
            self._link_revert()
        if verb in {"stop", "kill"} or "--now" in words:
            self.active.difference_update(names)
        if verb in {"start", "restart"}:
            for name in names:
                self._started(name, anew=verb == "restart")
        return ""

    def _shown(self, name: str) -> str:
        exists = (paths.UNIT_FOLDER / name).exists()
        fields = {
            "Id": name,
            "ActiveState": "active" if name in self.active else "inactive",
            "UnitFileState": ("enabled" if name in self.enabled else "disabled") if exists else "",
            "NeedDaemonReload": "yes" if name in self.unread_units else "no",
            "FragmentPath": str(paths.UNIT_FOLDER / name) if exists else "",
            "DropInPaths": "",
            "MainPID": "1",
        }
        return "\n".join(f"{key}={value}" for key, value in fields.items())

    def _link_revert(self) -> None:
        link = paths.UNIT_FOLDER / "sysinit.target.wants" / paths.UNIT_REVERT
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        if paths.UNIT_REVERT in self.enabled:
            link.symlink_to(paths.REVERT_UNIT_FILE)

    def _started(self, name: str, *, anew: bool) -> None:
        if not (paths.UNIT_FOLDER / name).exists():
            raise Failed(f"systemctl: {name} not found")
        if name in self.active and not anew:
            return
        self.active.add(name)
        if name == paths.UNIT_REVERT:
            dead_man._publish_watched_run()  # noqa: SLF001 (what the unit does first)
        elif name == paths.UNIT_WG:
            tunnel.up(in_unit=True)
        elif name == paths.UNIT_NFT:
            firewall.load_installed()
        elif name == paths.UNIT_MEDIAMTX:
            self.answers, self.seen = True, (0, 0)
            self._reload(loses=False)

    def _nft(self, *words: str, stdin: str) -> Any:
        if words[:2] == ("-f", "-"):
            self.rules = stdin
        elif words[:2] == ("delete", "table"):
            self.rules = None
        elif words[:3] == ("-j", "list", "table"):
            return (1, "", "No such file or directory") if self.rules is None else json.dumps(listed(self.rules))
        elif words[:2] == ("-j", "list"):
            return json.dumps(listed(self.rules) if self.rules is not None else {"nftables": []})
        return ""

    def _getent(self, _kind: str, _name: str, *, stdin: str) -> str:
        return f"x:x:990:990{stdin}"

    def _journalctl(self, *_words: str, stdin: str) -> str:
        return self.log + stdin

    def _ip(self, *words: str, stdin: str) -> Any:
        if words[:2] == ("link", "add"):
            self.interfaces[words[2]], self.links[words[2]] = "", {"mtu": 1420, "addresses": [], "routes": []}
            (interface._INTERFACES / words[2]).mkdir(parents=True, exist_ok=True)  # noqa: SLF001 (the kernel's list)
        elif words[:2] == ("link", "del"):
            del self.interfaces[words[2]], self.links[words[2]]
            (interface._INTERFACES / words[2]).rmdir()  # noqa: SLF001 (the same)
        elif words[0] == "-batch":
            for command in stdin.splitlines():
                self._ip_command(command.split())
        elif words[:3] == ("-j", "address", "show"):
            link = self.links.get(words[4])
            if link is None:
                return 1, "", "Device does not exist"
            parts = [address.split("/") for address in link["addresses"]]
            addresses = [{"family": "inet", "local": a, "prefixlen": int(length)} for a, length in parts]
            return json.dumps([{"ifname": words[4], "mtu": link["mtu"], "addr_info": addresses}])
        elif words[:3] == ("-j", "route", "show"):
            return json.dumps([{"dst": network} for network in self.links.get(words[4], {"routes": []})["routes"]])
        return ""

    def _ip_command(self, words: list[str]) -> None:
        link = self.links[words[words.index("dev") + 1] if "dev" in words else words[2]]
        if words[0] == "link":
            link["mtu"] = int(words[4])
            return
        held = link["addresses" if words[0] == "address" else "routes"]
        if words[2] in held:
            held.remove(words[2])
        if words[1] == "replace":
            held.append(words[2])

    def _wg(self, verb: str, *words: str, stdin: str) -> Any:
        if verb == "pubkey":
            return self._public_key(stdin.strip()) + "\n"
        if verb in {"setconf", "syncconf"}:
            if words[0] not in self.interfaces:
                return 1, "", "Unable to modify interface: No such device"
            self.interfaces[words[0]] = Path(words[1]).read_text()
        if verb == "show":
            return self._wg_show(*words)
        return ""

    def _wg_show(self, name: str, column: str) -> Any:
        if name not in self.interfaces:
            return 1, "", "No such device"
        text = self.interfaces[name]
        own = {key: value for key, _, value in (line.partition(" = ") for line in text.splitlines())}
        key, port = self._public_key(own.get("PrivateKey", "")), own.get("ListenPort", "51820")
        if column == "public-key":
            return key
        if column == "listen-port":
            return port
        blocks = [dict(re.findall(r"^(\w+) = (.*)$", block, re.MULTILINE)) for block in text.split("[Peer]")[1:]]
        if column == "dump":
            peers = [
                (b["PublicKey"], b["PresharedKey"], "(none)", b.get("AllowedIPs", "(none)").replace(" ", ""),
                 "0", "0", "0", b.get("PersistentKeepalive", "off"))
                for b in blocks
            ]  # fmt: skip
            return "\n".join("\t".join(row) for row in [("private", key, port, "off"), *peers])
        return "\n".join(f"{b['PublicKey']}\t{'0' if 'handshake' in column else '(none)'}" for b in blocks)

    def _public_key(self, private: str) -> str:
        made = base64.b64encode(hashlib.sha256(private.encode()).digest()).decode()
        return self.public_keys.setdefault(private, made)

    # --- MediaMTX ---------------------------------------------------------------------------------
    def _reload(self, *, loses: bool = True) -> None:
        status = paths.MEDIAMTX_FILE.stat() if paths.MEDIAMTX_FILE.exists() else None
        now = (status.st_ino, status.st_mtime_ns) if status else (0, 0)
        if now == self.seen:
            return
        self.seen = now
        if loses and self.lost_writes:
            self.lost_writes -= 1
        elif status:
            self.read = paths.MEDIAMTX_FILE.read_text()
            self.reads.append(self.read)

    def api(self, path: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
        """Answer as MediaMTX's Control API does."""
        assert timeout_s
        assert method == "GET"
        if not self.answers or paths.UNIT_MEDIAMTX not in self.active:
            raise Failed("the relay's Control API: no answer")
        self._reload()
        lines = list(filter(None, map(relay.PATH_LINE.match, self.read.splitlines())))
        names = [json.loads(line[1]) for line in lines]
        if path == "/v3/info":
            return {"version": "v1.20.1", "started": "2021-06-01T00:00:00Z"}
        if path.startswith("/v3/config/paths/get/"):
            if path.removeprefix("/v3/config/paths/get/") not in names:
                raise relay.NoSuchPage("the relay's Control API: 404")
            return {}
        if path.startswith("/v3/paths/list"):
            flows = {name: name not in self.dark and not name.startswith("cfg/") for name in names}
            return {"items": [{"name": name, "available": flow, "readers": []} for name, flow in flows.items()]}
        return {"items": []}


def listed(rules: str) -> dict[str, Any]:
    """A table as nft would list it: a rule for each line of its file."""
    table = {"family": paths.TABLE[0], "table": paths.TABLE[1]}
    lines = [line.strip() for line in rules.splitlines() if line.strip()]
    found = [{"rule": {**table, "chain": "input", "comment": line, "expr": [line]}} for line in lines]
    return {"nftables": [{"chain": {**table, "name": "input"}}, *found]}


class _Scratch:
    """A namespace apart: its rules are its own."""

    def __init__(self) -> None:
        self._rules = ""

    def run(self, argv: Sequence[str], stdin: str = "", **_more: Any) -> SimpleNamespace:
        """Take rules, and list them."""
        if argv[:2] == ["nft", "-f"]:
            self._rules = stdin
            if "refused" in stdin:
                raise Failed("nft: syntax error")
        return SimpleNamespace(returncode=0, stdout=json.dumps(listed(self._rules)), stderr="")


@contextlib.contextmanager
def _scratch() -> Iterator[_Scratch]:
    yield _Scratch()


def _user(root: Path) -> Callable[[str], Any]:
    return lambda name: pwd.struct_passwd(
        (name, "x", os.getuid(), os.getgid(), "", str(root / "none"), "/sbin/nologin")
    )


@contextlib.contextmanager
def false_host(root: Path, spec: HostSpec) -> Iterator[FalseHost]:
    """A bare host that has its keys, as `keys init` leaves it."""
    host = FalseHost(root)
    with pytest.MonkeyPatch.context() as patch:
        for module in _modules():
            for name, value in list(vars(module).items()):
                if not name.startswith("__") and (moved := _moved(value, root)) != value:
                    patch.setattr(module, name, moved)
        _programs(host, patch)
        for folder in (
            paths.KEYS,
            paths.STATE,
            paths.RUN,
            paths.LIB,
            paths.UNIT_FOLDER,
            root / "run/dbus",
            root / "net",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        (root / "run/dbus/system_bus_socket").touch()
        paths.WG_KEY.write_text("private")
        paths.IDENTITY.write_text(spec.identity.reveal() + "\n")
        for place in (paths.API_PASSWORD, paths.PROBE_PASSWORD):
            place.write_text("password\n")
        yield host


def _programs(host: FalseHost, patch: pytest.MonkeyPatch) -> None:
    numbers = count()

    def which(name: str, path: str = "") -> str:
        assert path
        place = host.root / "usr/sbin" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        return str(place)

    fake = SimpleNamespace(run=host.program, TimeoutExpired=subprocess.TimeoutExpired)
    group = grp.struct_group(("root", "x", os.getgid(), []))
    for owner, name, value in (
        (shell, "subprocess", fake),
        (shutil, "which", which),
        (pwd, "getpwnam", _user(host.root)),
        (grp, "getgrnam", lambda _name: group),
        (os, "chown", lambda *_: None),
        (os, "fchown", lambda *_: None),
        (os, "fsync", lambda _: None),
        (os, "sync", lambda: None),
        (interface, "_INTERFACES", host.root / "net"),
        (interface, "is_bound", lambda _port: False),
        (firewall, "scratch", _scratch),
        (tunnel, "scratch", _scratch),
        (relay, "api", host.api),
        (relay, "time", host.clock),
        (quarantine_trial, "time", host.clock),
        (relay, "WRITE_GAP_S", 0.0),
        (preflight, "check_relay", lambda *_: next(numbers)),
        (relay, "program_in", lambda unit: _moved(_program_in(unit), host.root)),
        (device_probe, "try_logins", lambda _sources: set()),
    ):
        patch.setattr(owner, name, value)


_program_in = relay.program_in
