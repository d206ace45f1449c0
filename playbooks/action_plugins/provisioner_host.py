# Copyright (C) the provisioner authors
#
# This plugin imports Ansible and is therefore licensed, alone in this project, under the GNU General
# Public License, version 3 or (at your option) any later version: https://www.gnu.org/licenses/gpl-3.0.txt
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds one bundle (program and request) to the host's Python over standard input: one round trip.

No module is packed or copied, and nothing of the bundle stands in an argument or a variable.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

MARK = "PROVISIONER-ANSWER "

# The bundle is unpacked on tmpfs, root only, and is gone before the answer is read; what a process that was
# killed left there goes with the next one.
BOOTSTRAP = """
import os, shutil, sys, tarfile, tempfile
os.umask(0o077)
for name in os.listdir("/run"):
    if name.startswith("provisioner-bundle-") and not os.path.exists("/proc/" + name.split("-")[2]):
        shutil.rmtree(os.path.join("/run", name), ignore_errors=True)
folder = tempfile.mkdtemp(prefix=f"provisioner-bundle-{os.getpid()}-", dir="/run")
try:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as bundle:
        bundle.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else bundle.extractall(folder)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    from provisioner_host.main import serve
    serve(folder)
finally:
    shutil.rmtree(folder, ignore_errors=True)
"""


class ActionModule(ActionBase):
    """`provisioner_host: {bundle: FILE, answer: FILE}`; both are on the controller's tmpfs."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the bundle and write the answer beside it; the result itself says only that there is one."""
        result = super().run(tmp, task_vars)
        bundle = Path(self._task.args["bundle"]).read_bytes()
        done = self._low_level_execute_command(
            "/usr/bin/python3 -I -S -c " + shlex.quote(BOOTSTRAP), in_data=bundle, sudoable=True
        )
        line = next((x for x in reversed(done["stdout"].splitlines()) if x.startswith(MARK)), None)
        if line is None:
            said = (done.get("stderr") or done["stdout"] or "").strip()[-600:]
            return {**result, "failed": True, "msg": f"the host gave no answer (code {done['rc']}): {said}"}
        answer = json.loads(line[len(MARK) :])
        # Whole or not at all: the controller takes it as soon as it is there.
        target = Path(self._task.args["answer"])
        beside = target.with_name(f".{target.name}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(answer, stream)
        beside.replace(target)
        return {**result, "changed": False}
