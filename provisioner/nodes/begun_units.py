"""Which units a node has begun: their ids on its disk, before the first host hears of one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import replace_file
from provisioner.base.errors import StateError
from provisioner.base.regular_file import read_regular

_LINE: Final = re.compile(r"([0-9a-f]{32}) ([0-9]{1,12})")
_MOST_BYTES: Final = 64 * 1024 * 1024
REMEMBERED_S: Final = 24 * 3600
"""Longer than any unit may lie about, and than a clock is set back."""


class BegunUnits:
    """The units that were begun in the last day.

    Args:
        file: where they stand, a line each.
        now: the moment, in seconds since 1970.

    Raises:
        StateError: it cannot be read or written.
    """

    def __init__(self, file: Path, now: float) -> None:
        self._file = file
        try:
            lines = read_regular(file, most=_MOST_BYTES).decode(errors="replace").splitlines() if file.exists() else []
            matches = [match for line in lines if (match := _LINE.fullmatch(line))]
            self._begun = {match[1]: int(match[2]) for match in matches if int(match[2]) > now - REMEMBERED_S}
            replace_file(file, "".join(f"{unit} {at}\n" for unit, at in self._begun.items()).encode())
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(file, flags)
        except OSError as error:
            raise self._failure(error) from None

    def __contains__(self, unit: str) -> bool:
        return unit in self._begun

    def add(self, unit: str, now: float) -> None:
        """Write down that a unit is begun; it stays written whatever happens next.

        Raises:
            StateError: it cannot be written.
        """
        try:
            os.write(self._descriptor, f"{unit} {int(now)}\n".encode())
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._failure(error) from None
        self._begun[unit] = int(now)
        for old in [one for one, at in self._begun.items() if at < now - REMEMBERED_S]:
            del self._begun[old]

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)

    def _failure(self, error: OSError) -> StateError:
        hint = "nothing is begun without it: see that the disk has room and that the folder is the node's own"
        return StateError(f"{self._file} cannot be written: {error.strerror}", hint=hint)
