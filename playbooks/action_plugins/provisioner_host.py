# Copyright (C) the provisioner authors
#
# This plugin imports Ansible and is therefore licensed, with the connection plugin beside it, under the GNU General
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
import re
import shlex
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

MARK = "PROVISIONER-ANSWER "
# What is read of a host that gives no answer.
LONGEST_COMPLAINT = 64 * 1024
# What an answer of our program is made of; white space of other kinds would be lines to Ansible.
_ANSWER = re.compile(rb"[ -~]*")
# A connection that may be shared waits so long for the next call; ssh(1) takes the first value of an option.
SHARED = "-o ControlMaster=auto -o ControlPersist=30 -o ControlPath={link} "

# So long a connection to a jump host is waited for that was begun before; then each call says what is wrong itself.
JUMP_S = 1.0

# All that ssh says where nothing came of a host behind a jump host, and it does not know why.
_NOTHING_CAME = re.compile(
    r"(?:.*over ssh: )?(?:Control socket connect[^\r\n]*\s+)?(?:Stdio forwarding request failed[^\r\n]*\s+)?"
    r"kex_exchange_identification: [^\r\n]*\s+Connection closed by UNKNOWN port 65535\s*"
)

# At a first contact the host's door comes with the bundle: what is installed there later is the same text.
DOOR = Path(__file__).resolve().parents[1] / "provisioner_host/bundle.py"
RECEIVE = "\nreceive(sys.stdin.buffer)\n"
# Before that, without any bundle, it says whose the host is.
TELL = "\ntell_owner()\n"
SUDO = "/usr/bin/sudo -n "
PYTHON = "/usr/bin/python3 -I -S -c "
# A shell that reads what is fed to it. Whoever comes as another than root goes by sudo, which is not there on every
# host on which nothing of ours is.
OWN_SHELL = "exec /bin/sh -s"
ROOT_SHELL = (
    f'if [ "$(id -u)" = 0 ]; then exec /bin/sh -s -- "$SSH_CONNECTION"; fi; exec {SUDO}/bin/sh -s -- "$SSH_CONNECTION"'
)
# As `desired/names.py` makes it of an inventory's id; empty where one inventory has the host for itself.
SIDE = re.compile(r"(?=.{0,11}\Z)([a-z0-9]+(-[a-z0-9]+)*)?")
NO_SIDE = '\nSIDE = ""\n'
PROOF = "PROVISIONER-PROOF "
OWNER = "PROVISIONER-OWNER "
# As `desired/owner.py` reads them: what a host says of whose it is, and the forms of what counts in a mark.
NOTHING, UNMARKED = "nothing", "unmarked"
# What stands before a mark of the other shape: of a host that somebody has alone, or that several share.
SHAPES = ("alone ", "shared ")
MARK_FORMS = {
    "inventory": r"(?=.{1,63}\Z)[a-z0-9]+(-[a-z0-9]+)*",
    "key": r"[0-9a-f]{32}",
    "at": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
}
# What lies in a box for one call: a bundle with what is asked before it, or a script for a shell.
PARTS = ("tar", "seal", "challenge", "claims", "root", "own")
# One of these is of a call; without any the host is asked for its proof alone.
CALLS = ("tar", "root", "own")
LONGEST_OWNER = 4096
LONGEST_LINE = 300


def door(side: str, last: str) -> str:
    """The door's text as one of a side, with a last line that calls it.

    Raises:
        ValueError: there is no such side.
    """
    if not SIDE.fullmatch(side):
        raise ValueError("a side is named in letters, figures and hyphens")
    return DOOR.read_text(encoding="utf-8").replace(NO_SIDE, f'\nSIDE = "{side}"\n', 1) + last


def installed(side: str) -> str:
    """What calls the installed program of a side, before the word."""
    return f"{SUDO}/usr/local/lib/provisioner{'.' if side else ''}{side}/provisioner-host "


_FAREWELL = re.compile(r"(Shared )?[Cc]onnection to \S+ closed")


class ActionModule(ActionBase):
    """`provisioner_host: {box, answers, link, over, alone, key, stays, side}`: places, a switch and a name.

    All of it is on the controller's tmpfs; `link` is what sockets of shared connections begin with, a number follows;
    `over` is the socket of a connection to a jump host that has been begun, empty where there is none on the way;
    `alone` is the configuration of ssh without connections to jump hosts that are open already; `key` has the words for
    ssh that name the key to log in with; `side` is whose side of a shared host the calls are for, empty where it is not
    shared.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Carry what the box's pipe names, until it ends; the answers are files, the result says only that."""
        result = super().run(tmp, task_vars)
        self._side = str(self._task.args["side"])
        self._proofs: dict[str, bytes] = {}
        box, answers = Path(self._task.args["box"]), Path(self._task.args["answers"])
        own = self._connection.get_option("ssh_args") + Path(self._task.args["key"]).read_text(encoding="utf-8")
        # Of two files ssh(1) takes the last.
        alone = f"{own} -F {shlex.quote(self._task.args['alone'])}"
        with (box / "calls").open(encoding="ascii") as calls:
            _wait_for(self._task.args["over"])
            while line := calls.readline():
                number, way = line.split()
                link = f"{self._task.args['link']}.{way}"
                ways = (own if way == "own" else SHARED.format(link=link) + own, alone)
                call = {part: _taken(box / f"{number}.{part}") for part in PARTS}
                if not any(call[part] is not None for part in CALLS):
                    # Asked for before there is a call: the first one over this connection tells what came of it.
                    self._proofs[way] = self._answer(call, ways)
                    continue
                _write(answers / number, self._after_proof(call, way) or self._answer(call, ways))
                if not boolean(self._task.args["stays"]):
                    break
        return {**result, "changed": False}

    def _after_proof(self, call: dict[str, bytes | None], way: str) -> bytes:
        """Take the proof that was asked for before a call that needs one: why there is none; empty where there is one.

        What is asked next over that connection asks for its own again.
        """
        proof = self._proofs.pop(way, None)
        if proof is None or call["challenge"] is None:
            return b""
        if not proof:
            call["challenge"] = None
        return proof

    def _answer(self, call: dict[str, bytes | None], ways: tuple[str, ...]) -> bytes:
        """Carry one call, or ask for the proof alone, which is an empty answer where there is one.

        Where nothing came over a jump host and ssh does not say why, it is tried over connections of its own: what the
        ssh to a jump host says is lost with ControlPersist, and with a connection to it that was open before; and it
        alone knows what is wrong. Of a host that nothing came of nothing was asked either.
        """
        said = ""
        for way in ways:
            self._connection.set_option("ssh_args", way)
            try:
                return self._carried(call)
            except AnsibleConnectionFailure as error:
                said = str(error)
                if not _NOTHING_CAME.fullmatch(said):
                    break
            except (AnsibleError, MemoryError) as error:
                return _failure("failed", str(error) or type(error).__name__)
        return _failure("unreachable", said)

    def _carried(self, call: dict[str, bytes | None]) -> bytes:
        """First the challenge, or whose the host is, and only to one that may have it the bundle."""
        for part, shell in ((call["root"], ROOT_SHELL), (call["own"], OWN_SHELL)):
            if part is not None:
                return self._fed(shell, part)
        challenge, claims = call["challenge"], call["claims"]
        if challenge is not None and (unproved := self._challenge(json.loads(challenge))) is not None:
            return unproved
        if call["tar"] is None:
            return b""
        if claims is not None and (foreign := self._whose(json.loads(claims))) is not None:
            return foreign
        return self._carry(call["tar"], call["seal"])

    def _challenge(self, challenge: dict[str, str]) -> bytes | None:
        """Have the host prove that it holds the key that was left on it: None if it does."""
        line = challenge["challenge"].encode() + b"\n"
        code, out, complaint = self._ask(installed(self._side) + "prove", line)
        proof = _last_after(PROOF, out)
        if hmac.compare_digest(proof.encode(), challenge["proof"].encode()):
            return None
        owner = _last_after(OWNER, out)
        if not owner:
            # An older program says nothing of it; where one answers, something of somebody's is there.
            owner = self._look() if code else UNMARKED
        said = _last_word(complaint)
        return _failure("unproved", said or "its proof is not the one of the key that was left there", owner)

    def _whose(self, claims: list[list[str]]) -> bytes | None:
        """Ask a host that proves nothing whose it is: None if nobody's, or one's of whom it may be taken."""
        owner = self._look()
        if not owner:
            return _failure("failed", "the host did not say whose it is, and was sent nothing else")
        return None if is_open(owner, claims) else _failure("unproved", "somebody's mark is on it", owner)

    def _look(self) -> str:
        """What the host says of whose it is, to the door's text; empty where it says nothing."""
        _, out, _ = self._ask(SUDO + PYTHON + shlex.quote(door(self._side, TELL)), b"")
        return _last_after(OWNER, out)

    def _carry(self, bundle: bytes, seal: bytes | None) -> bytes:
        """Feed a bundle to the installed program, sealed; at a first contact to the host's Python."""
        if seal is None:
            return self._fed(SUDO + PYTHON + shlex.quote(door(self._side, RECEIVE)), bundle)
        return self._fed(installed(self._side) + "call", seal + bundle)

    def _fed(self, command: str, data: bytes) -> bytes:
        """Feed a command on the host: its answer."""
        code, out, complaint = self._ask(command, data)
        if not out.startswith(MARK):
            said = _last_word(complaint) or _last_word(out) or "it said nothing"
            return _failure("failed", f"the host gave no answer (code {code}): {said}")
        return out[len(MARK) :].encode("ascii", "replace")

    def _ask(self, command: str, data: bytes) -> tuple[int, str, str]:
        """Feed a command on the host: its code, the last answer in its output or the end of that, its complaints."""
        # The shell is the login's own else; a second command in it keeps a last line from being lost (ansible#13876).
        shell = "/bin/sh -c " + shlex.quote(f"{command} && sleep 0")
        code, out, complaint = self._connection.exec_command(shell, in_data=data, sudoable=False)
        return code, last_answer(out).decode(errors="surrogateescape"), complaint.decode(errors="surrogateescape")


def _wait_for(socket: str) -> None:
    """Wait for a connection to a jump host that has been begun: many that make one of their own are turned away."""
    until = time.monotonic() + JUMP_S
    while socket and not Path(socket).exists() and time.monotonic() < until:
        time.sleep(0.01)


def _taken(path: Path) -> bytes | None:
    """Take what a file holds, and remove it; None where there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    path.unlink()
    return content


def _last_word(said: str) -> str:
    """The last line of what a host printed: a server's banner comes before it, and its farewell after."""
    lines = [line.strip() for line in said.splitlines()]
    spoken = [line for line in lines if line and not _FAREWELL.match(line)]
    return spoken[-1][-LONGEST_LINE:] if spoken else ""


def _last_after(mark: str, said: str) -> str:
    """What stands after a mark in the last line that begins with it; empty where none does, or nothing."""
    line = next((x for x in reversed(said.splitlines()) if x.startswith(mark)), "")
    return line[len(mark) :].strip()[:LONGEST_OWNER]


def is_open(owner: str, claims: list[list[str]]) -> bool:
    """Whether what a host says of its owner is no hindrance: nobody's, released, or one of these claims.

    The controller judges the same by `hosts/owner.py`, for its words; this is the last look before a bundle.
    """
    if owner == NOTHING:
        return True
    if owner.startswith(SHAPES):
        return False
    mark = _mark_in(owner)
    if mark is None:
        return ["", "", ""] in claims
    known = [mark["inventory"], mark["key"]]
    return mark.get("released") is True or [*known, ""] in claims or [*known, mark["at"]] in claims


def _mark_in(owner: str) -> dict[str, Any] | None:
    """A mark of our form, else None."""
    try:
        mark = json.loads(owner)
    except (ValueError, RecursionError):
        return None
    if not isinstance(mark, dict):
        return None
    whole = all(isinstance(mark.get(n), str) and re.fullmatch(form, mark[n]) for n, form in MARK_FORMS.items())
    return mark if whole else None


def _failure(kind: str, error: str, owner: str = "") -> bytes:
    whose = {"owner": owner} if owner else {}
    return json.dumps({"ok": False, "kind": kind, "error": error[-2000:], **whose}).encode("ascii")


def last_answer(out: bytes) -> bytes:
    """The last line of what a host printed that is an answer, else the end of it: Ansible splits it into lines."""
    mark = MARK.encode()
    start = 0 if (at := out.rfind(b"\n" + mark)) < 0 else at + 1
    if not out.startswith(mark, start):
        return out[-LONGEST_COMPLAINT:]
    end = out.find(b"\n", start)
    line = out[start : None if end < 0 else end]
    # One that is none of ours is left out; the controller finds no answer in its place.
    return line if _ANSWER.fullmatch(line) else mark


def _write(path: Path, answer: bytes) -> None:
    """Write an answer, whole or not at all: the controller takes it as soon as it is there."""
    beside = path.with_name(f".{path.name}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(answer)
    beside.replace(path)
