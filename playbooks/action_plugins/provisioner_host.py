# Copyright (C) the provisioner authors
#
# This plugin imports Ansible and is therefore licensed, with the connection plugin beside it, under the GNU General
# Public License, version 3 or (at your option) any later version: https://www.gnu.org/licenses/gpl-3.0.txt
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends bundles to the host's Python on standard input.

No module is copied, and no part of a bundle is in an argument or variable. A host that has not proved its identity
under this connection's host key gets a challenge first. Starting Ansible costs ten times a call, so a host's worker
takes one call after another. Each has its own connection unless calls may share one. On a shared connection the host
program stays for all calls, and gets its own text only if the host lacks it.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import shlex
import time
from collections.abc import Callable
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
STAY = "PROVISIONER-STAY "
PROGRAM, THERE = "PROVISIONER-PROGRAM ", "there"
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
PARTS = ("tar", "seals", "challenge", "claims", "root", "own")
# One of these is of a call; without any the host is asked for its proof alone.
CALLS = ("tar", "root", "own")
# The route of calls with a connection of their own.
OWN = "own"
# So long ssh may take to end after its last answer.
FAREWELL_S = 1.0
LONGEST_OWNER = 4096
LONGEST_LINE = 300


def door(side: str, last: str) -> str:
    """Return a side's entry program with a last line that runs it.

    Raises:
        ValueError: the side's name is invalid.
    """
    if not SIDE.fullmatch(side):
        raise ValueError("a side is named in letters, figures and hyphens")
    return DOOR.read_text(encoding="utf-8").replace(NO_SIDE, f'\nSIDE = "{side}"\n', 1) + last


def installed(side: str) -> str:
    """Return the command of a side's installed program, without its word."""
    return f"{SUDO}/usr/local/lib/provisioner{'.' if side else ''}{side}/provisioner-host "


_FAREWELL = re.compile(r"(Shared )?[Cc]onnection to \S+ closed")


class ActionModule(ActionBase):
    """Ansible action with `box, answers, link, over, alone, key, stays, side, program`.

    All files are on the controller's tmpfs. `link` is the prefix of shared connections' sockets, before a number.
    `over` is the socket of an open connection to a jump host, or empty. `alone` is an ssh configuration without open
    connections to jump hosts. `key` has ssh's options for the login key. `side` is the side of a shared host, or empty.
    `program` is that side's program.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Carry the calls named in the box's pipe until it ends.

        The answers are files; the result tells only that it ended.
        """
        result = super().run(tmp, task_vars)
        self._side = str(self._task.args["side"])
        self._proofs: dict[str, bytes] = {}
        # By route the program that stays, and whether it has served a call.
        self._staying: dict[str, tuple[Any, bool]] = {}
        self._is_older = self._has_program = False
        box, answers = Path(self._task.args["box"]), Path(self._task.args["answers"])
        own_args = self._connection.get_option("ssh_args") + Path(self._task.args["key"]).read_text(encoding="utf-8")
        # Of two files ssh(1) takes the last.
        alone = f"{own_args} -F {shlex.quote(self._task.args['alone'])}"
        with (box / "calls").open(encoding="ascii") as calls:
            _wait_for(self._task.args["over"])
            while line := calls.readline():
                number, route = line.split()
                link = f"{self._task.args['link']}.{route}"
                arg_sets = (own_args if route == OWN else SHARED.format(link=link) + own_args, alone)
                call = {part: _read_and_delete(box / f"{number}.{part}") for part in PARTS}
                if not any(call[part] is not None for part in CALLS):
                    # Asked for before there is a call: the first one over this connection tells what came of it.
                    self._proofs[route] = self._answer(call, route, arg_sets)
                    continue
                _write(answers / number, self._after_proof(call, route) or self._answer(call, route, arg_sets))
                self._end(OWN)
                if not boolean(self._task.args["stays"]):
                    break
        for route in list(self._staying):
            self._end(route)
        return {**result, "changed": False}

    def _after_proof(self, call: dict[str, bytes | None], route: str) -> bytes:
        """Return the failure of an earlier proof, or empty if it succeeded.

        Later calls over that connection ask for their own proofs.
        """
        proof = self._proofs.pop(route, None)
        if proof is None or call["challenge"] is None:
            return b""
        if not proof and route not in self._staying:
            call["challenge"] = None
        return proof

    def _answer(self, call: dict[str, bytes | None], route: str, arg_sets: tuple[str, ...]) -> bytes:
        """Carry a call, or only a proof; a successful proof is empty.

        If a host behind a jump host gave no output and ssh no reason, the call is tried over separate connections. With
        ControlPersist or an open jump connection, the messages of the ssh to the jump host are lost, and only they have
        the reason. The host received no request, so a second try is safe.
        """
        complaint = ""
        for ssh_args in arg_sets:
            self._connection.set_option("ssh_args", ssh_args)
            try:
                return self._carried(call, route)
            except AnsibleConnectionFailure as error:
                self._end(route)
                complaint = str(error)
                if not _NOTHING_CAME.fullmatch(complaint):
                    break
            except (AnsibleError, MemoryError) as error:
                self._end(route)
                return _failure("failed", str(error) or type(error).__name__)
        return _failure("unreachable", complaint)

    def _carried(self, call: dict[str, bytes | None], route: str) -> bytes:
        """Send the challenge or ask for the owner, then send the bundle."""
        for part, shell in ((call["root"], ROOT_SHELL), (call["own"], OWN_SHELL)):
            if part is not None:
                return self._fed(shell, part)
        challenge, claims = call["challenge"], call["claims"]
        if challenge is not None and (unproved := self._stay(route, json.loads(challenge))) is not None:
            return unproved
        if call["tar"] is None:
            return b""
        if call["seals"] is not None and route in self._staying:
            return self._framed(route, call)
        if claims is not None and (foreign := self._whose(json.loads(claims))) is not None:
            return foreign
        return self._carry(call["tar"], call["seals"])

    def _stay(self, route: str, challenge: dict[str, Any]) -> bytes | None:
        """Let the host program stay; return a failed proof, or `None`.

        An older program does not stay: it refuses the line without a proof, and is asked for one as it knows it.
        """
        ssh, has_served = self._staying.get(route, (None, False))
        if ssh is not None and ssh.is_waiting and not (challenge["needed"] and has_served):
            return None
        self._end(route)
        if not self._is_older:
            line = f"{STAY}{challenge['challenge']} {challenge['program']}\n".encode()
            command = _in_shell(installed(self._side) + "call")
            ssh, raw, raw_complaint = self._connection.start(command, line, whole_line(PROGRAM))
            out, complaint = (x[-LONGEST_COMPLAINT:].decode(errors="surrogateescape") for x in (raw, raw_complaint))
            proof = _last_after(PROOF, out)
            self._is_older, self._has_program = not proof, _last_after(PROGRAM, out) == THERE
            is_proved = _is_equal(proof, challenge["proof"])
            code = ssh.code
            if is_proved and code is None:
                self._staying[route] = ssh, False
                return None
            ssh.close(0)
            if proof:
                return _answered(code, b"", raw_complaint) if is_proved else self._unproved(code, out, complaint)
        return self._challenge(challenge) if challenge["needed"] else None

    def _framed(self, route: str, call: dict[str, bytes | None]) -> bytes:
        """Send a call to the program that stays on a route."""
        seals, (ssh, _) = json.loads(call["seals"]), self._staying[route]
        program = b"" if self._has_program else Path(self._task.args["program"]).read_bytes()
        line = seals["whole" if program else "bare"].encode()
        self._staying[route] = ssh, True
        out, complaint = ssh.exchange(line + call["tar"] + program, whole_line(MARK))
        self._connection.refuse_unconnected(ssh, complaint)
        answer = last_answer(out)
        if ssh.code is None and out.endswith(answer + b"\n") and out.count(f"\n{MARK}".encode()) == 1:
            self._has_program = True
        else:
            self._end(route)
        return _answered(ssh.code, answer, complaint)

    def _end(self, route: str) -> None:
        """End the program that stays on a route, if any."""
        if (staying := self._staying.pop(route, None)) is not None:
            staying[0].close(FAREWELL_S)

    def _challenge(self, challenge: dict[str, str]) -> bytes | None:
        """Challenge the host; return the failure, or `None` on success."""
        line = challenge["challenge"].encode() + b"\n"
        code, out, complaint = self._ask(installed(self._side) + "prove", line)
        if _is_equal(_last_after(PROOF, out), challenge["proof"]):
            return None
        return self._unproved(code, out, complaint)

    def _unproved(self, code: int | None, out: str, complaint: str) -> bytes:
        """Return the failure of an unproved host, with its owner."""
        owner = _last_after(OWNER, out)
        if not owner:
            # An older program says nothing of it; where one answers, something of somebody's is there.
            owner = self._look() if code else UNMARKED
        reason = _last_line(complaint) or "its proof is not the one of the key that was left there"
        return _failure("unproved", reason, owner)

    def _whose(self, claims: list[list[str]]) -> bytes | None:
        """Ask for the owner; return the failure, or `None` if acceptable."""
        owner = self._look()
        if not owner:
            return _failure("failed", "the host did not say whose it is, and was sent nothing else")
        return None if may_be_declared_new(owner, claims) else _failure("unproved", "somebody's mark is on it", owner)

    def _look(self) -> str:
        """Return the host's owner, or empty."""
        _, out, _ = self._ask(SUDO + PYTHON + shlex.quote(door(self._side, TELL)), b"")
        return _last_after(OWNER, out)

    def _carry(self, bundle: bytes, seals: bytes | None) -> bytes:
        whole = bundle + Path(self._task.args["program"]).read_bytes()
        if seals is None:
            return self._fed(SUDO + PYTHON + shlex.quote(door(self._side, RECEIVE)), whole)
        return self._fed(installed(self._side) + "call", json.loads(seals)["once"].encode() + whole)

    def _fed(self, command: str, data: bytes) -> bytes:
        code, out, complaint = self._connection.exec_command(_in_shell(command), in_data=data, sudoable=False)
        return _answered(code, last_answer(out), complaint)

    def _ask(self, command: str, data: bytes) -> tuple[int, str, str]:
        """Run a command with input; return code, last output, errors."""
        code, out, complaint = self._connection.exec_command(_in_shell(command), in_data=data, sudoable=False)
        return code, last_answer(out).decode(errors="surrogateescape"), complaint.decode(errors="surrogateescape")


def _in_shell(command: str) -> str:
    # The shell is the login's own else; a second command in it keeps a last line from being lost (ansible#13876).
    return "/bin/sh -c " + shlex.quote(f"{command} && sleep 0")


def _answered(code: int | None, answer: bytes, complaint: bytes) -> bytes:
    """Return the answer in its line, or a failure."""
    if answer.startswith(MARK.encode()):
        return answer[len(MARK) :]
    said = _last_line(complaint.decode(errors="surrogateescape")) or _last_line(answer.decode(errors="surrogateescape"))
    return _failure("failed", f"the host gave no answer (code {code}): {said or 'it said nothing'}")


def whole_line(mark: str) -> Callable[[bytearray], bool]:
    """Return a check for a whole line with a mark.

    Each byte is searched once.
    """
    begin, begun, searched = f"\n{mark}".encode(), -1, 0

    def is_there(out: bytearray) -> bool:
        nonlocal begun, searched
        if begun < 0:
            begun = out.find(begin, max(0, searched - len(begin)))
        end = out.find(b"\n", max(begun + 1, searched)) if begun >= 0 else -1
        searched = len(out)
        return end >= 0

    return is_there


def _wait_for(socket: str) -> None:
    """Wait for an open jump connection; jump hosts reject many new ones."""
    until = time.monotonic() + JUMP_S
    while socket and not Path(socket).exists() and time.monotonic() < until:
        time.sleep(0.01)


def _read_and_delete(path: Path) -> bytes | None:
    """Read and delete a file; return `None` if it is missing."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    path.unlink()
    return content


def _last_line(text: str) -> str:
    """Return the last line without a server's banner and farewell."""
    lines = [line.strip() for line in text.splitlines()]
    spoken = [line for line in lines if line and not _FAREWELL.match(line)]
    return spoken[-1][-LONGEST_LINE:] if spoken else ""


def _is_equal(proof: str, expected: str) -> bool:
    """Return whether a host's text, of any bytes, is the expected proof."""
    return hmac.compare_digest(proof.encode(errors="surrogateescape"), expected.encode())


def _last_after(mark: str, text: str) -> str:
    """Return the text after a mark in the last line with it."""
    line = next((x for x in reversed(text.splitlines()) if x.startswith(mark)), "")
    return line[len(mark) :].strip()[:LONGEST_OWNER]


def may_be_declared_new(owner: str, claims: list[list[str]]) -> bool:
    """Return whether the owner is no obstacle: none, released, or claimed.

    The controller checks the same in `hosts/owner.py`, for its messages; this is the last check before a bundle.
    """
    if owner == NOTHING:
        return True
    if owner.startswith(SHAPES):
        return False
    mark = _mark_in(owner)
    if mark is None:
        return ["", "", ""] in claims
    names = [mark["inventory"], mark["key"]]
    return mark.get("released") is True or [*names, ""] in claims or [*names, mark["at"]] in claims


def _mark_in(owner: str) -> dict[str, Any] | None:
    """Parse a mark; return `None` if it is invalid."""
    try:
        mark = json.loads(owner)
    except (ValueError, RecursionError):
        return None
    if not isinstance(mark, dict):
        return None
    is_valid = all(isinstance(mark.get(n), str) and re.fullmatch(form, mark[n]) for n, form in MARK_FORMS.items())
    return mark if is_valid else None


def _failure(kind: str, error: str, owner: str = "") -> bytes:
    owner_part = {"owner": owner} if owner else {}
    return json.dumps({"ok": False, "kind": kind, "error": error[-2000:], **owner_part}).encode("ascii")


def last_answer(out: bytes) -> bytes:
    """Return the last answer line, or the end of the output.

    Ansible splits the output into lines.
    """
    mark = MARK.encode()
    start = 0 if (at := out.rfind(b"\n" + mark)) < 0 else at + 1
    if not out.startswith(mark, start):
        return out[-LONGEST_COMPLAINT:]
    end = out.find(b"\n", start)
    line = out[start : None if end < 0 else end]
    # One that is none of ours is left out; the controller finds no answer in its place.
    return line if _ANSWER.fullmatch(line) else mark


def _write(path: Path, answer: bytes) -> None:
    """Write an answer atomically: the controller reads it at once."""
    new_path = path.with_name(f".{path.name}")
    descriptor = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(answer)
    new_path.replace(path)
