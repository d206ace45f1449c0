# Copyright (C) the provisioner authors
#
# This plugin imports Ansible and is therefore licensed, alone in this project, under the GNU General
# Public License, version 3 or (at your option) any later version: https://www.gnu.org/licenses/gpl-3.0.txt
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds bundles (program and request) to the host's Python over standard input: one round trip a call.

No module is packed or copied, and nothing of a bundle stands in an argument or a variable. Starting Ansible
costs ten times a call, so a host's worker stays and takes one call after the other, each over a connection
of its own unless the call may share one.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

MARK = "PROVISIONER-ANSWER "
# A connection that may be shared waits so long for the next call; ssh(1) takes the first value of an option.
SHARED = "-o ControlMaster=auto -o ControlPersist=30 -o ControlPath={link} "

# The request is unpacked on tmpfs, root only, and is gone before the answer is read; what a process that was
# killed left there goes with the next one. The program holds no secret: it stays there under its own digest with
# its bytecode, which would take longer to make than most requests take; that of another version goes after an hour.
BOOTSTRAP = """
import hashlib, os, shutil, sys, tarfile, tempfile, time
os.umask(0o077)
for name in os.listdir("/run"):
    if name.startswith("provisioner-bundle-") and not os.path.exists("/proc/" + name.split("-")[2]):
        shutil.rmtree(os.path.join("/run", name), ignore_errors=True)
folder = tempfile.mkdtemp(prefix=f"provisioner-bundle-{os.getpid()}-", dir="/run")
try:
    program = []
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as bundle:
        for member in bundle:
            if member.name.startswith("provisioner_host/"):
                program.append((os.path.basename(member.name), bundle.extractfile(member).read()))
            elif hasattr(tarfile, "data_filter"):
                bundle.extract(member, folder, filter="data")
            else:
                bundle.extract(member, folder)
    digest = hashlib.sha256(repr(sorted(program)).encode()).hexdigest()[:32]
    place = f"/run/provisioner-program-{digest}"
    if not os.path.isdir(place):
        for name in os.listdir("/run"):
            other = os.path.join("/run", name)
            if name.startswith("provisioner-program-") and os.stat(other).st_mtime < time.time() - 3600:
                shutil.rmtree(other, ignore_errors=True)
        beside = tempfile.mkdtemp(prefix="provisioner-program-", dir="/run")
        os.mkdir(beside + "/provisioner_host")
        for name, source in program:
            with open(f"{beside}/provisioner_host/{name}", "wb") as file:
                file.write(source)
        try:
            os.rename(beside, place)
        except OSError:
            shutil.rmtree(beside)
    sys.path.insert(0, place)
    from provisioner_host.main import serve
    serve(folder)
finally:
    shutil.rmtree(folder, ignore_errors=True)
"""


class ActionModule(ActionBase):
    """`provisioner_host: {box: FOLDER, answers: FOLDER, link: SOCKET, stays: BOOL}`; all on the controller's tmpfs."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Carry what the box's pipe names, until it ends; the answers are files, the result says only that."""
        result = super().run(tmp, task_vars)
        box, answers = Path(self._task.args["box"]), Path(self._task.args["answers"])
        own = self._connection.get_option("ssh_args")
        shared = SHARED.format(link=self._task.args["link"]) + own
        with (box / "calls").open(encoding="ascii") as calls:
            while line := calls.readline():
                number, way = line.split()
                self._connection.set_option("ssh_args", shared if way == "shared" else own)
                _write(answers / number, self._carry(box / f"{number}.tar"))
                if not boolean(self._task.args["stays"]):
                    break
        return {**result, "changed": False}

    def _carry(self, path: Path) -> dict[str, Any]:
        bundle = path.read_bytes()
        path.unlink()
        try:
            done = self._low_level_execute_command(
                "/usr/bin/python3 -I -S -c " + shlex.quote(BOOTSTRAP), in_data=bundle, sudoable=True
            )
        except AnsibleConnectionFailure as error:
            return {"ok": False, "kind": "unreachable", "error": str(error)}
        except AnsibleError as error:
            return {"ok": False, "kind": "failed", "error": str(error)}
        line = next((x for x in reversed(done["stdout"].splitlines()) if x.startswith(MARK)), None)
        if line is None:
            said = (done.get("stderr") or done["stdout"] or "").strip()[-600:]
            return {"ok": False, "kind": "failed", "error": f"the host gave no answer (code {done['rc']}): {said}"}
        return dict(json.loads(line[len(MARK) :]))


def _write(path: Path, answer: dict[str, Any]) -> None:
    """Write an answer, whole or not at all: the controller takes it as soon as it is there."""
    beside = path.with_name(f".{path.name}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    beside.replace(path)
