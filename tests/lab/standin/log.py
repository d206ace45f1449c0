"""The log: plain or JSON lines, to standard output and to a file."""

from __future__ import annotations

import datetime as dt
import enum
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from .errors import StartError, system_reason

if TYPE_CHECKING:
    from .config import Config


class Level(enum.IntEnum):
    """How much a line matters."""

    DEB = 1
    INF = 2
    WAR = 3
    ERR = 4


_LEVELS = {"debug": Level.DEB, "info": Level.INF, "warn": Level.WAR, "error": Level.ERR}


class Log:
    """Where lines go, by the configuration.

    Raises:
        StartError: the log file cannot be opened.
    """

    def __init__(self, config: Config) -> None:
        """Open the destinations."""
        self._level = _LEVELS[config.text("logLevel")]
        self._structured = config.flag("logStructured")
        self._targets: list[TextIO] = []
        self._files: list[TextIO] = []
        for destination in config.items("logDestinations"):
            if destination == "stdout":
                self._targets.append(sys.stdout)
            if destination == "file":
                self._targets.append(self._open(config.text("logFile")))

    def _open(self, name: str) -> TextIO:
        try:
            file = Path(name).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 (closed by close)
        except OSError as error:
            message = f"open {name}: {system_reason(error)}"
            raise StartError(message) from error
        self._files.append(file)
        return file

    def close(self) -> None:
        """Close the log file, if any."""
        for file in self._files:
            file.close()

    def write(self, level: Level, message: str) -> None:
        """Write one line."""
        if level < self._level:
            return
        line = self._line(level, message)
        for target in self._targets:
            target.write(line)
            target.flush()

    def _line(self, level: Level, message: str) -> str:
        now = dt.datetime.now().astimezone()
        if self._structured:
            stamp = now.isoformat(timespec="microseconds")
            quoted = json.dumps(message, ensure_ascii=False)
            return f'{{"timestamp":"{stamp}","level":"{level.name}","message":{quoted}}}\n'
        return f"{now:%Y/%m/%d %H:%M:%S} {level.name} {message}\n"

    def debug(self, message: str) -> None:
        """Write a debug line."""
        self.write(Level.DEB, message)

    def info(self, message: str) -> None:
        """Write an information line."""
        self.write(Level.INF, message)

    def warn(self, message: str) -> None:
        """Write a warning line."""
        self.write(Level.WAR, message)

    def error(self, message: str) -> None:
        """Write an error line."""
        self.write(Level.ERR, message)
