# Copyright (C) the provisioner authors
#
# This plugin imports Ansible and is therefore licensed, with the action plugin beside it, under the GNU General
# Public License, version 3 or (at your option) any later version: https://www.gnu.org/licenses/gpl-3.0.txt
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ssh connection with command input and bounded output.

A command may stay for further input.

Ansible's own plugin keeps all output of a host, in several copies, without an option for less.
"""

from __future__ import annotations

import io
import os
import selectors
import shlex
import subprocess
from collections.abc import Callable

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: provisioner_ssh
short_description: bounded ssh
description: Runs one command through ssh, and ends ssh once it sends more than any program of ours has to say.
options:
  host:
    description: The name that ssh's configuration has for the host.
    vars: [{name: inventory_hostname}]
  ssh_args:
    description: The words for ssh before the host.
    env: [{name: ANSIBLE_SSH_ARGS}]
"""

# A host may be in other hands, and sends what it likes. A relay of ten thousand paths has ten megabytes to say;
# nothing that is much longer is read (`hosts/answers.py` refuses it again), nor a complaint longer than a page.
LONGEST_ANSWER = 16 * 1024 * 1024
LONGEST_COMPLAINT = 64 * 1024
# As much as a pipe holds where a page has 4 KiB (pipe(7)); with 64 KiB it holds a mebibyte.
_PART = 64 * 1024
_METHODS = "PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey"
_WORDS = ("KbdInteractiveAuthentication=no", _METHODS, "ConnectTimeout=15")
# ssh ends with this code if it is not connected.
_NOT_CONNECTED = 255
# A shared connection that ends while ssh asks it for a session.
_BROKEN = b"mux_client_hello_exchange: write packet: Broken pipe"


class Connection(ConnectionBase):
    """A host behind ssh; each command is an ssh process.

    Processes may share connections.
    """

    transport = "provisioner_ssh"
    has_pipelining = True

    def _connect(self) -> Connection:
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command on the host.

        Raises:
            AnsibleConnectionFailure: the host is not reached.
            AnsibleError: the host sent too much, or ssh does not start.
        """
        ssh, out, complaint = self.start(cmd, in_data or b"")
        return ssh.code, out, complaint

    def start(
        self, cmd: str, data: bytes, is_answer: Callable[[bytearray], bool] | None = None
    ) -> tuple[Ssh, bytes, bytes]:
        """Start a command with data; return ssh, its output and errors.

        It raises what `exec_command` does. See `Ssh.exchange` for `is_answer`.
        """
        host = self.get_option("host")
        options = [argument for option in _WORDS for argument in ("-o", option)]
        command = ["ssh", *shlex.split(self.get_option("ssh_args")), *options, host, cmd]
        ssh = Ssh(command)
        out, complaint = ssh.exchange(data, is_answer)
        if ssh.code == _NOT_CONNECTED and _BROKEN in complaint:
            ssh = Ssh(command)
            out, complaint = ssh.exchange(data, is_answer)
        self.refuse_unconnected(ssh, complaint)
        return ssh, out, complaint

    def refuse_unconnected(self, ssh: Ssh, complaint: bytes) -> None:
        """Raise `AnsibleConnectionFailure` if ssh ended without a connection."""
        if ssh.code == _NOT_CONNECTED:
            host, reason = self.get_option("host"), complaint.decode(errors="surrogateescape")
            raise AnsibleConnectionFailure(
                f'Data could not be sent to remote host "{host}". Make sure this host can be reached over ssh: {reason}'
            )

    def put_file(self, in_path: str, out_path: str) -> None:
        """Refuse to copy files."""
        raise AnsibleError("this connection copies no files")

    fetch_file = put_file

    def close(self) -> None:
        """Do nothing: ssh itself manages shared connections."""


class Ssh:
    """An ssh process.

    Raises:
        AnsibleError: ssh does not start.
    """

    def __init__(self, command: list[str]) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        except OSError as error:
            raise AnsibleError("Unable to execute ssh command line on a controller.") from error
        self._end = os.fdopen(os.pidfd_open(self._process.pid), "rb")
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)

    @property
    def _streams(self) -> tuple[io.RawIOBase, ...]:
        return self._process.stdin, self._process.stdout, self._process.stderr

    @property
    def code(self) -> int | None:
        """Ssh's exit code; `None` while it runs."""
        return self._process.poll()

    @property
    def is_waiting(self) -> bool:
        """Whether ssh runs, and has sent nothing since the last answer."""
        return self.code is None and self._process.stdout.read(1) is None

    def exchange(self, data: bytes, is_answer: Callable[[bytearray], bool] | None = None) -> tuple[bytes, bytes]:
        """Send data; return output and errors, each up to a bound.

        ssh stays once `is_answer` is true of the output and all data is sent. Without `is_answer` the input ends with
        the data, and the output with ssh.

        Raises:
            AnsibleError: the host sent too much.
        """
        stdin, stdout, stderr = self._streams
        outputs = {stdout: bytearray(), stderr: bytearray()}
        bounds = {stdout: LONGEST_ANSWER, stderr: LONGEST_COMPLAINT}
        unsent, has_ended, is_answered = memoryview(data), False, False
        with selectors.DefaultSelector() as ready:
            for stream in (stdin, *outputs):
                ready.register(stream, selectors.EVENT_READ if stream in outputs else selectors.EVENT_WRITE)
            ready.register(self._end, selectors.EVENT_READ)
            while not has_ended and not is_answered:
                streams = [key.fileobj for key, _ in ready.select()]
                # A connection that stays in the background may keep the pipes open: they hold the last words of ssh.
                has_ended = self._end in streams
                if stdin in streams:
                    unsent = _unsent_rest(unsent, stdin)
                    if not unsent:
                        ready.unregister(stdin)
                        if is_answer is None:
                            stdin.close()
                for stream in outputs if has_ended else outputs.keys() & streams:
                    part = stream.read(bounds[stream] + 1 if has_ended else _PART)
                    outputs[stream] += part or b""
                    if part == b"" and not has_ended:
                        ready.unregister(stream)
                    if len(outputs[stream]) > bounds[stream]:
                        self.close(0)
                        raise AnsibleError(f"it sent more than {bounds[stream]} bytes, which no program of ours does")
                is_answered = is_answer is not None and is_answer(outputs[stdout])
        if has_ended or unsent:
            self.close(0)
        return bytes(outputs[stdout]), bytes(outputs[stderr])

    def close(self, patience_s: float) -> None:
        """End the input; kill ssh if it stays longer than this."""
        for stream in (*self._streams, self._end):
            stream.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _unsent_rest(data: memoryview, stream: io.RawIOBase) -> memoryview:
    """Write data and return the rest, empty if the reader has gone."""
    try:
        return data[stream.write(data) or 0 :]
    except BrokenPipeError:
        return data[:0]
