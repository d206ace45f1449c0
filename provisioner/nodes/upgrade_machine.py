"""The door to a node's own machine: dpkg, systemd, and the folder of what comes back."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from provisioner.base.errors import HostError, LockedError, ProvisionerError, UsageError
from provisioner.base.files import open_regular, replace_file
from provisioner.base.processes import Ended, OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.text import printable
from provisioner.nodes.broker import reaches_broker
from provisioner.nodes.upgrade import (
    ARMED,
    BACK,
    FOLDER,
    INSTALLED,
    OVER,
    PACKAGE,
    RETURNING,
    SCRIPT,
    SERVICE,
    SYSTEM,
    TIMER,
    WANTED,
    DpkgState,
    NodePackage,
    NodeStanding,
    missing,
    package_in,
    return_script,
    return_service,
    return_timer,
)

_LOCK: Final = PurePosixPath("/run/provisioner-node-upgrade.lock")
_NEW: Final = "new.deb"
_NODES: Final = "provisioner-node@*.service"
_FIELDS: Final = ("Package", "Version", "Architecture")
_SHOWN: Final = "Id,ActiveState,SubState,MainPID,StatusText"
_REHEARSAL: Final = ("--simulate", "--no-install-recommends", "--allow-downgrades", "install")
_UNMET: Final = "unmet dependencies:"
_QUICK_S: Final = 60.0
_UNPACK_S: Final = 300.0
_AGAIN_S: Final = 1.0
_MOST_SAID: Final = 4 * 1024 * 1024
_SAID: Final = 300
_NEWER_RUNS: Final = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "provisioner"
runpy.run_module("provisioner", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """What the unit of a node runs.

    Attributes:
        unit: its name.
        user: as whom; empty for root.
        words: what follows the program's name.
    """

    unit: str
    user: str
    words: tuple[str, ...]


class DebianMachine:
    """The machine on which this runs, for one upgrade.

    Args:
        environment: the caller's.
        root: where its files are.
    """

    def __init__(self, environment: Mapping[str, str], root: Path = Path("/")) -> None:
        small = small_environment(environment)
        # dpkg calls what lies in these two; who becomes root has them in his path, or not.
        self._environment = small | {"PATH": f"{small['PATH']}:/usr/sbin:/sbin"}
        self._root = root
        self._folder = self._at(FOLDER)
        self._new, self._back = self._folder / _NEW, self._folder / BACK
        self._new_version = ""

    def _at(self, place: PurePosixPath) -> Path:
        return self._root / place.relative_to("/")

    # --- before anything is changed -------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one upgrade run at a time, and none while the machine is to return; what was copied goes afterwards.

        Raises:
            LockedError: there is another one.
        """
        with self._at(_LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LockedError("another upgrade of this node is going on", hint="wait until it has ended") from None
            if self._is_armed():
                hint = (
                    f"wait for that, or have it now: systemctl start {SERVICE}; journalctl -u {SERVICE} has how it goes"
                )
                raise LockedError("an upgrade of this node was cut off: its machine returns by itself", hint=hint)
            shutil.rmtree(self._folder, ignore_errors=True)
            try:
                yield
            finally:
                if not self._is_armed():
                    shutil.rmtree(self._folder, ignore_errors=True)

    def _is_armed(self) -> bool:
        return any((self._folder / name).exists() for name in (ARMED, RETURNING))

    def taken(self, new: Path, back: Path) -> tuple[NodePackage, NodePackage]:
        """Copy both packages to where root alone writes, so that what is looked at is what is installed.

        Raises:
            UsageError: one cannot be read, or is no package of provisioner.
        """
        self._folder.mkdir(mode=0o700)
        newer, older = self._taken(new, self._new), self._taken(back, self._back)
        self._new_version = newer.version
        return newer, older

    def _taken(self, file: Path, copy: Path) -> NodePackage:
        try:
            with os.fdopen(open_regular(file), "rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}", hint="name the Debian package") from None
        ended = self._run("dpkg-deb", "--field", str(copy), *_FIELDS)
        if ended.code:
            hint = "name the file of a release, and compare its checksum"
            raise UsageError(f"{file} is no Debian package", hint=hint)
        return package_in(ended.output.decode(errors="replace"), str(file))

    def state(self) -> DpkgState:
        """What dpkg says of this machine."""
        asked = self._run("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}\n${Version}", PACKAGE)
        status, _, version = asked.output.decode(errors="replace").partition("\n") if not asked.code else ("", "", "")
        audit = self._run("dpkg", "--audit")
        unfinished = audit.output.decode(errors="replace") or (_words_of(audit.said) if audit.code else "")
        return DpkgState(self._said("dpkg", "--print-architecture"), status, version, unfinished)

    def nodes(self) -> tuple[NodeStanding, ...]:
        """The nodes that run."""
        said = self._said("systemctl", "list-units", "--plain", "--no-legend", "--state=active", _NODES)
        return self.standings([line.split()[0] for line in said.splitlines() if line.strip()])

    def rehearse(self, package: NodePackage) -> None:
        """Have apt say whether what the newer package needs is there; dpkg asks after files are exchanged.

        Raises:
            HostError: something is missing.
        """
        ended = self._run("apt-get", *_REHEARSAL, str(self._new))
        said = ended.output.decode(errors="replace")
        if lacks := (missing(said) if not ended.code else _words_of(said.partition(_UNMET)[2] or ended.said)):
            hint = "install what it needs first, by apt, or take the package for this Debian"
            raise HostError(f"{package.file} is not installed by itself: {lacks}", hint=hint)

    def check(self, package: NodePackage, unit: str) -> None:
        """Have the newer program read what a node reads, as its user, out of a folder that goes afterwards.

        Raises:
            HostError: it does not.
        """
        program = self._program(unit)
        with tempfile.TemporaryDirectory(prefix="provisioner-newer-", dir=self._folder.parent) as folder:
            unpacked = self._run("dpkg-deb", "--extract", str(self._new), folder, timeout_s=_UNPACK_S)
            modules = next(iter(Path(folder).glob("usr/lib/provisioner/lib/python3.*/site-packages")), None)
            if unpacked.code or modules is None:
                raise HostError(f"{package.file} holds no program that can be unpacked", hint=_RELEASED)
            python = f"/usr/bin/{modules.parent.name}"
            if not os.access(python, os.X_OK):
                hint = "take the package for this Debian"
                raise HostError(f"{package.file} needs {python}, which this machine does not have", hint=hint)
            run = [python, "-I", "-B", "-c", _NEWER_RUNS, str(modules), *program.words, "--check"]
            if program.user:
                group = _group_of(program)
                os.chown(folder, 0, group)
                Path(folder).chmod(0o750)
                run = ["setpriv", f"--reuid={program.user}", f"--regid={group}", "--init-groups", "--", *run]
            ended = self._run(*run)
        if ended.code:
            said = _words_of(ended.said or ended.output)
            hint = "correct the file as the newer version wants it, where the one before reads that too"
            raise HostError(f"the program of {package.file} does not take what {unit} reads: {said}", hint=hint)

    def _program(self, unit: str) -> NodeProgram:
        said = self._said("systemctl", "show", "--property=User,ExecStart", unit)
        values = dict(line.partition("=")[::2] for line in said.splitlines())
        words = values.get("ExecStart", "").partition("argv[]=")[2].partition(" ; ")[0].split()
        if words[1:3] != ["node", "run"]:
            hint = "let it run `provisioner node run FILE`, as the package's unit does"
            raise HostError(f"{unit} runs another program than a node: {printable(' '.join(words), _SAID)}", hint=hint)
        return NodeProgram(unit, values.get("User", ""), tuple(words[1:]))

    # --- as an upgrade sees it ------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def standings(self, units: Sequence[str]) -> tuple[NodeStanding, ...]:
        """How units stand."""
        if not units:
            return ()
        said = self._said("systemctl", "show", f"--property={_SHOWN}", "--", *units)
        return tuple(_standing(block) for block in said.split("\n\n") if block.strip())

    def version(self) -> str:
        """Which version is installed; empty where none is, or half of one."""
        state = self.state()
        return state.version if state.status == INSTALLED else ""

    def arm(self, units: Sequence[str], seconds: float) -> None:
        """Let the machine return by itself after so long, and when it is started anew; all of it, or nothing."""
        back, system = self.version(), self._at(SYSTEM)
        try:
            system.mkdir(parents=True, exist_ok=True)
            replace_file(self._folder / SCRIPT, return_script(back, units).encode(), mode=0o700)
            replace_file(system / SERVICE, return_service(back).encode(), mode=0o644)
            replace_file(system / TIMER, return_timer(back, seconds).encode(), mode=0o644)
            for words in (("daemon-reload",), ("enable", "--quiet", SERVICE), ("restart", TIMER), ("is-active", TIMER)):
                self._said("systemctl", *words)
            # Without this one all of it does nothing but remove itself.
            replace_file(self._folder / ARMED, b"")
            os.sync()
        except OSError as error:
            self._clear()
            raise HostError(f"{error.filename or FOLDER} cannot be written: {error.strerror}", hint=_ROOM) from None
        except BaseException:
            self._clear()
            raise

    def disarm(self) -> bool:
        """Let it not return any more; False where it has begun to."""
        try:
            (self._folder / ARMED).rename(self._folder / OVER)
        except FileNotFoundError:
            return False
        self._clear()
        return True

    def _clear(self) -> None:
        """Take away what returns; what cannot go does nothing any more, and goes when its time comes."""
        with suppress(ProvisionerError):
            self._run("systemctl", "stop", TIMER)
        for place in (WANTED, SYSTEM / TIMER, SYSTEM / SERVICE):
            with suppress(OSError):
                self._at(place).unlink(missing_ok=True)
        with suppress(ProvisionerError):
            self._run("systemctl", "daemon-reload")
        shutil.rmtree(self._folder, ignore_errors=True)

    def install(self, timeout_s: float) -> None:
        """Exchange the package for the newer one."""
        words = ("dpkg", "--force-confdef", "--force-confold", "--install", str(self._new))
        try:
            self._said(*words, timeout_s=timeout_s)
        except HostError:
            # It may be another package that dpkg could not finish with, e.g. the manual pages' index.
            if self.version() != self._new_version:
                raise

    def go_back(self, timeout_s: float) -> None:
        """Have the machine return now, and wait until it has."""
        until = self.now() + timeout_s
        while self._is_armed():
            if self.now() >= until:
                raise HostError(f"{SERVICE} has not ended", hint=f"see journalctl -u {SERVICE}")
            self._run("systemctl", "start", SERVICE, timeout_s=max(1.0, until - self.now()))
            if self._is_armed():
                self.sleep(_AGAIN_S)

    # --- programs -------------------------------------------------------------------------------------

    def _said(self, *argv: str, timeout_s: float = _QUICK_S) -> str:
        """What a program says that has to work."""
        ended = self._run(*argv, timeout_s=timeout_s)
        if ended.code:
            command = " ".join(argv[:2])
            said = _words_of(ended.said or ended.output) or f"it ended with {ended.code}"
            raise HostError(f"{command}: {said}", hint="see what this machine's log says (journalctl)")
        return ended.output.decode(errors="replace").strip()

    def _run(self, *argv: str, timeout_s: float = _QUICK_S) -> Ended:
        try:
            return run_quietly(
                argv, self._environment, timeout_s=timeout_s, most_bytes=_MOST_SAID, with_started=True
            )  # fmt: skip
        except FileNotFoundError:
            hint = "this upgrades a node on Debian, under systemd: one from an image has another tag instead"
            raise HostError(f"this machine has no {argv[0]}", hint=hint) from None
        except (OSError, StillRunningError, OutputTooLongError) as error:
            said = f"no end after {timeout_s:.0f} s" if isinstance(error, StillRunningError) else "it cannot be run"
            raise HostError(f"{' '.join(argv[:2])}: {said}", hint="see what this machine is busy with") from None


_RELEASED: Final = "name the file of a release, and compare its checksum"
_ROOM: Final = "see that its disk has room and is not read-only; nothing was exchanged"


def _standing(block: str) -> NodeStanding:
    values = dict(line.partition("=")[::2] for line in block.splitlines())
    line, process = values.get("StatusText", ""), values.get("MainPID", "")
    return NodeStanding(
        values.get("Id", ""),
        f"{values.get('ActiveState', '')} ({values.get('SubState', '')})",
        int(process) if process.isdecimal() else 0,
        reaches_broker(line),
        printable(line, _SAID),
    )


def _group_of(program: NodeProgram) -> int:
    try:
        return pwd.getpwnam(program.user).pw_gid
    except KeyError:
        hint = "make it: systemd-sysusers provisioner.conf"
        raise HostError(f"{program.unit} runs as {program.user}, whom this machine does not know", hint=hint) from None


def _words_of(said: bytes | str) -> str:
    text = said if isinstance(said, str) else said.decode(errors="replace")
    return printable(" ".join(text.split()), _SAID)
