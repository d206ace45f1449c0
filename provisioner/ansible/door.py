"""Calls to hosts by ansible-runner: one play, one task, one round trip a host.

ansible-runner's traps are closed here: a child process, a private folder on tmpfs that is removed, host
keys checked against the inventory's own, no secret in a variable, an argument, the environment or an
artifact, and our own `ansible.cfg`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner.errors import HostError
from provisioner.hosts import CallOutcome, HostAnswer, HostCall
from provisioner.templates import HOST_PACKAGE, Templates, data_folder

# What may stand in an Ansible variable: a `{{ lookup(…) }}` there runs code on the controller.
_SAFE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._:-]*$")
_MAX_FORKS = 50
# Beyond the time of the calls themselves: for ansible-runner to start and to notice.
_MARGIN_S = 10.0
_GRACE_S = 3.0
_MOMENT_S = 0.05


class AnsibleRunner:
    """Carries calls to hosts over SSH, every call over new connections.

    Args:
        templates: holds the on-host program's sources.
        environment: the caller's environment; `PROVISIONER_SSH_KEY` names the key, else the agent has it.
    """

    def __init__(self, templates: Templates, environment: Mapping[str, str]) -> None:
        self._templates = templates
        self._environment = environment

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Give an answer for every call, by host id.

        Raises:
            HostError: ansible-runner itself did not work, or there is no tmpfs for secrets.
        """
        return {answer.host: answer for answer in self.stream(calls, timeout_s=timeout_s)}

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Give an answer for every call as soon as it is there; those of silent hosts come at the end.

        Raises:
            HostError: ansible-runner itself did not work, or there is no tmpfs for secrets.
        """
        if not calls:
            return
        with private_folder(self._environment) as folder:
            self._lay_out(folder, calls)
            waiting = [call.spec.id for call in calls]
            with self._child(folder, timeout_s, min(len(calls), _MAX_FORKS)) as child:
                for _ in _until_end(child, timeout_s + _MARGIN_S):
                    known = _known(folder)
                    here = {h: found for h in waiting if h in known and (found := _answer(folder, h)) is not None}
                    waiting = [host for host in waiting if host not in here]
                    yield from here.values()
                    if not waiting:
                        break
                code = child.poll()
            if code not in {None, 0} or (code == 0 and not (folder / "outcome.json").exists()):
                tail = (folder / "said").read_text(errors="replace").strip().splitlines()[-1:]
                raise HostError(f"ansible-runner did not work: {' '.join(tail)}", hint="run scripts/setup again")
            for host in waiting:
                yield HostAnswer(host, CallOutcome.UNREACHABLE, error=f"no answer within {timeout_s:.0f} s")

    def _lay_out(self, folder: Path, calls: Sequence[HostCall]) -> None:
        for name in ("inventory", "bundles", "answers", "failures", "home"):
            (folder / name).mkdir(mode=0o700)
        hosts, known = {}, []
        for call in calls:
            spec = call.spec
            _refuse_unsafe(spec.id, str(spec.address), spec.ssh.user)
            hosts[spec.id] = {
                "ansible_host": str(spec.address),
                "ansible_port": spec.ssh.port,
                "ansible_user": spec.ssh.user,
            }
            port = spec.ssh.port
            known.append(f"{spec.address if port == 22 else f'[{spec.address}]:{port}'} {spec.ssh.host_key}\n")  # noqa: PLR2004
            write_bundle(folder / "bundles" / f"{spec.id}.tar", call, self._templates)
        variables = {"bundles": str(folder / "bundles"), "answers": str(folder / "answers")}
        inventory = {"all": {"hosts": hosts, "vars": variables}}
        (folder / "inventory/hosts.json").write_text(json.dumps(inventory))
        (folder / "known_hosts").write_text("".join(known))
        (folder / "environment.json").write_text(json.dumps(self._ansible_environment(folder)))

    def _ansible_environment(self, folder: Path) -> dict[str, str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ControlMaster": "no",
            "ControlPath": "none",
            "GlobalKnownHostsFile": "/dev/null",
            "PasswordAuthentication": "no",
            "ServerAliveCountMax": "3",
            "ServerAliveInterval": "5",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(folder / "known_hosts"),
        }
        words = ["-F", "/dev/null"]
        if key := self._environment.get("PROVISIONER_SSH_KEY"):
            words += ["-i", key]
            options["IdentitiesOnly"] = "yes"
        words += [f"-o {name}={value}" for name, value in options.items()]
        environment = {
            "ANSIBLE_CONFIG": str(data_folder("playbooks") / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "ANSIBLE_LOCAL_TEMP": str(folder / "home/tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_ARGS": " ".join(words),
            "PATH": f"{Path(sys.executable).parent}:{self._environment.get('PATH', '/usr/bin:/bin')}",
        }
        if agent := self._environment.get("SSH_AUTH_SOCK"):
            environment["SSH_AUTH_SOCK"] = agent
        return environment

    @contextlib.contextmanager
    def _child(self, folder: Path, timeout_s: float, forks: int) -> Iterator[subprocess.Popen[bytes]]:
        playbooks = str(data_folder("playbooks"))
        argv = [sys.executable, "-m", "provisioner.ansible.child", str(folder), playbooks, str(timeout_s), str(forks)]
        environment = {"HOME": str(folder / "home"), "LC_ALL": "C.UTF-8", **_python_path(self._environment)}
        environment["PATH"] = f"{Path(sys.executable).parent}:{self._environment.get('PATH', '/usr/bin:/bin')}"
        # A session of its own: Ctrl-C at the terminal reaches us, and we decide what it means for hosts in flight.
        # The pipe to it says whether we live: at its end the child removes the private folder and ends, too.
        with (
            (folder / "said").open("wb") as said,
            subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as child,
        ):
            try:
                yield child
            finally:
                _kill(child)


def _until_end(child: subprocess.Popen[bytes], seconds: float) -> Iterator[bool]:
    """Give whether the child runs, every moment until it does not or its time is over, and once after it."""
    until = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < until:
        yield True
        time.sleep(_MOMENT_S)
    yield False


def _python_path(environment: Mapping[str, str]) -> dict[str, str]:
    path = environment.get("PYTHONPATH")
    return {"PYTHONPATH": path} if path else {}


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and its Ansible; hosts in flight finish by themselves."""
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    if child.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _refuse_unsafe(*values: str) -> None:
    for value in values:
        if not _SAFE.match(value):
            raise HostError(f"{value!r} may not reach Ansible: it could be a template that runs code here")


@contextlib.contextmanager
def private_folder(environment: Mapping[str, str]) -> Iterator[Path]:
    """Give a folder of mode 0700 on tmpfs; it is gone afterwards, whatever happened.

    Raises:
        HostError: this machine has no tmpfs that we may write to.
    """
    candidates = (environment.get("XDG_RUNTIME_DIR", ""), "/dev/shm", "/run")  # noqa: S108 (tmpfs is the point)
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    tmpfs = {mount[1] for mount in mounts if mount[2] == "tmpfs"}
    for candidate in candidates:
        if candidate and os.access(candidate, os.W_OK) and _mount_of(Path(candidate)) in tmpfs:
            _sweep(Path(candidate))
            prefix = f"provisioner-{os.getpid()}-{_started(os.getpid())}-"
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=candidate))
            break
    else:
        raise HostError(
            "no tmpfs to keep secrets on while they travel",
            hint="set XDG_RUNTIME_DIR to a folder on tmpfs, or mount one on /dev/shm",
        )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(pid: int) -> str:
    """Give when a process began, as the kernel counts; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _sweep(parent: Path) -> None:
    """Remove the private folders of processes that are gone: one that was killed could not remove its own."""
    for folder in parent.glob("provisioner-*-*-*"):
        _, pid, started, *_ = folder.name.split("-")
        if pid.isdigit() and folder.owner() == Path(f"/proc/{os.getpid()}").owner() and _started(int(pid)) != started:
            shutil.rmtree(folder, ignore_errors=True)


def _mount_of(path: Path) -> str:
    path = path.resolve()
    while not path.is_mount():
        path = path.parent
    return str(path)


def write_bundle(path: Path, call: HostCall, templates: Templates) -> None:
    """Write what travels for one call: the on-host program, the request, and the files that go with it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as bundle:
        for name, source in templates.host_sources.items():
            _add(bundle, f"{HOST_PACKAGE}/{name}", source)
        _add(bundle, "request.json", json.dumps(call.request).encode())
        for name, content in call.files.items():
            _add(bundle, f"files/{name}", content)
        if call.artefact is not None:
            bundle.add(call.artefact, "files/artefact", recursive=False)


def _add(bundle: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    bundle.addfile(entry, io.BytesIO(content))


def _known(folder: Path) -> set[str]:
    """Give the hosts of which something has come; two folders are listed, however many hosts there are."""
    entries = (*(folder / "answers").iterdir(), *(folder / "failures").iterdir())
    return {entry.name.removesuffix(".json") for entry in entries if not entry.name.startswith(".")}


def _answer(folder: Path, host: str) -> HostAnswer | None:
    """Give a host's answer, or why there will be none; None as long as neither is known."""
    with contextlib.suppress(FileNotFoundError):
        document: dict[str, Any] = json.loads((folder / "answers" / f"{host}.json").read_text())
        if document["ok"]:
            return HostAnswer(host, CallOutcome.ANSWERED, document["answer"])
        return HostAnswer(host, CallOutcome.FAILED, error=document["error"])
    with contextlib.suppress(FileNotFoundError):
        failure = json.loads((folder / "failures" / f"{host}.json").read_text())
        kind = CallOutcome.UNREACHABLE if failure["kind"] == "unreachable" else CallOutcome.FAILED
        return HostAnswer(host, kind, error=" ".join(failure["message"].split())[:600])
    return None
