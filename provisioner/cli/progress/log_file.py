"""The file of `--log`: what a command did and when, without what was typed, without a secret, without a person.

Standard output and what a result says are not in it, nor arguments, nor sentences that may repeat what somebody wrote.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.printable import printable
from provisioner.base.private_text import is_private

_LONGEST: Final = 400
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LEFT_OUT: Final = "(left out: it looks like a password or a person's data)"


class LogFile:
    """A file that lines are added to, each with its moment; only its owner can read it.

    Args:
        path: where; made where it is missing.

    Raises:
        UsageError: it cannot be written, or is no file of the user's own.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            hint = "name a file in a folder that you can write to, and no link"
            raise UsageError(f"--log {path} cannot be written: {error.strerror}", hint=hint) from None
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            os.close(self._descriptor)
            raise UsageError(f"--log {path} is no file of your own", hint="name a new one")
        os.fchmod(self._descriptor, 0o600)
        self._is_open = True

    def write(self, text: str) -> None:
        """Add a line; a disk that is full ends no command."""
        words = _LEFT_OUT if is_private(text) else printable(text, _LONGEST)
        if self._is_open:
            try:
                os.write(self._descriptor, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {os.getpid()} {words}\n".encode())
            except OSError:
                self.close()

    def close(self) -> None:
        """Write no more."""
        if self._is_open:
            self._is_open = False
            os.close(self._descriptor)
