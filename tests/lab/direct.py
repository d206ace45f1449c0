"""Calls to hosts of the lab past SSH and Ansible: the same bundle, the same first lines on the host, much faster.

For tests that change hosts many times. What SSH itself does is tested with the real carrier.
"""

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Final

from provisioner.desired.render.templates import Templates
from provisioner.hosts.ansible.play import program_bundle, write_bundle
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall

from .lab import Lab

_PLAYBOOKS: Final = Path(__file__).parents[2] / "playbooks"


def _plugin(file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("plugin", _PLAYBOOKS / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ACTION = _plugin("action_plugins/provisioner_host.py")
BOOTSTRAP: Final = str(_ACTION.door("", _ACTION.RECEIVE))
MARK: Final = str(_ACTION.MARK)
PROOF: Final = str(_ACTION.PROOF)
OWNER: Final = str(_ACTION.OWNER)
INSTALLED: Final = str(_ACTION.installed(""))
LONGEST_ANSWER: Final = int(_plugin("connection_plugins/provisioner_ssh.py").LONGEST_ANSWER)


def may_be_declared_new(owner: str, claims: list[list[str]]) -> bool:
    """Whether the carrier sends a bundle to a host that says this of its owner."""
    return bool(_ACTION.may_be_declared_new(owner, claims))


def whole_bundle(call: HostCall, templates: Templates) -> bytes:
    """A call's bundle with the program that is to serve it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "bundle.tar"
        write_bundle(path, call)
        return path.read_bytes() + program_bundle(templates)


class DirectRunner:
    """Carries calls by `docker exec`."""

    def __init__(self, lab: Lab, templates: Templates) -> None:
        """Take the lab and the on-host program to carry."""
        self._lab, self._templates = lab, templates

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
            answers = list(pool.map(lambda call: self._one(call, timeout_s), calls))
        return {answer.host: answer for answer in answers}

    def _one(self, call: HostCall, timeout_s: float) -> HostAnswer:
        host = call.spec.id
        content = whole_bundle(call, self._templates)
        argv = ["/usr/bin/python3", "-I", "-S", "-c", BOOTSTRAP]
        done = self._lab.exec(host, argv, stdin=content, check=False, timeout=timeout_s)
        line = next((x for x in reversed(done.stdout.splitlines()) if x.startswith(MARK)), None)
        if line is None:
            return HostAnswer(
                host, CallOutcome.FAILED, error=f"no answer (code {done.returncode}): {done.stderr[-300:]}"
            )
        answer = json.loads(line[len(MARK) :])
        if answer["ok"]:
            return HostAnswer(host, CallOutcome.ANSWERED, answer["answer"])
        return HostAnswer(host, CallOutcome.FAILED, error=answer["error"])
