# Copyright (C) the provisioner authors
#
# This plugin imports Ansible and is therefore licensed, alone in this project, under the GNU General
# Public License, version 3 or (at your option) any later version: https://www.gnu.org/licenses/gpl-3.0.txt
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds bundles (program and request) to the host's Python over standard input: one round trip a call.

No module is packed or copied, and nothing of a bundle stands in an argument or a variable. A host that has not
proved itself on this connection's host key is challenged first, and gets nothing before it has. Starting Ansible
costs ten times a call, so a host's worker stays and takes one call after the other, each over a connection
of its own unless the call may share one.
"""

from __future__ import annotations

import hmac
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

# At a first contact the host's door comes with the bundle: what is installed there later is the same text.
DOOR = Path(__file__).resolve().parents[1] / "provisioner_host/bundle.py"
BOOTSTRAP = DOOR.read_text(encoding="utf-8") + "\nreceive(sys.stdin.buffer)\n"
INSTALLED = "sudo -n /usr/local/lib/provisioner/provisioner-host "
PROOF = "PROVISIONER-PROOF "
NO_SUDO = "sudo: a "  # "sudo: a password is required", "sudo: a terminal is required"


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
                _write(answers / number, self._answer(box, number))
                if not boolean(self._task.args["stays"]):
                    break
        return {**result, "changed": False}

    def _answer(self, box: Path, number: str) -> dict[str, Any]:
        """Carry one call: first the challenge, if there is one, and only to a host that meets it the bundle."""
        bundle, seal = _taken(box / f"{number}.tar") or b"", _taken(box / f"{number}.seal")
        challenge = _taken(box / f"{number}.challenge")
        try:
            if challenge is not None and (unproved := self._challenge(json.loads(challenge))) is not None:
                return unproved
            return self._carry(bundle, seal)
        except AnsibleConnectionFailure as error:
            return {"ok": False, "kind": "unreachable", "error": str(error)}
        except AnsibleError as error:
            return {"ok": False, "kind": "failed", "error": str(error)}

    def _challenge(self, challenge: dict[str, str]) -> dict[str, Any] | None:
        """Have the host prove that it holds the key that was left on it: None if it does."""
        line = challenge["challenge"].encode() + b"\n"
        done = self._low_level_execute_command(INSTALLED + "prove", in_data=line, sudoable=False)
        proof = next((x for x in reversed(done["stdout"].splitlines()) if x.startswith(PROOF)), "")
        if hmac.compare_digest(proof[len(PROOF) :].strip().encode(), challenge["proof"].encode()):
            return None
        said = (done.get("stderr") or "").strip()[-600:]
        kind = "failed" if said.startswith(NO_SUDO) else "unproved"
        return {"ok": False, "kind": kind, "error": said or "its proof is not the one of the key that was left there"}

    def _carry(self, bundle: bytes, seal: bytes | None) -> dict[str, Any]:
        """Feed a bundle to the installed program, sealed; at a first contact to the host's Python."""
        if seal is None:
            command = "/usr/bin/python3 -I -S -c " + shlex.quote(BOOTSTRAP)
            done = self._low_level_execute_command(command, in_data=bundle, sudoable=True)
        else:
            done = self._low_level_execute_command(INSTALLED + "call", in_data=seal + bundle, sudoable=False)
        line = next((x for x in reversed(done["stdout"].splitlines()) if x.startswith(MARK)), None)
        if line is None:
            said = (done.get("stderr") or done["stdout"] or "").strip()[-600:]
            return {"ok": False, "kind": "failed", "error": f"the host gave no answer (code {done['rc']}): {said}"}
        return dict(json.loads(line[len(MARK) :]))


def _taken(path: Path) -> bytes | None:
    """Take what a file holds, and remove it; None where there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    path.unlink()
    return content


def _write(path: Path, answer: dict[str, Any]) -> None:
    """Write an answer, whole or not at all: the controller takes it as soon as it is there."""
    beside = path.with_name(f".{path.name}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    beside.replace(path)
