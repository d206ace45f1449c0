"""The command line, the same as the real relay's for what the lab uses."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import VERSION, config
from .core import Relay
from .errors import ConfigError, StartError
from .log import Level, Log

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stand-in; return the exit code."""
    parser = argparse.ArgumentParser(prog="mediamtx", description="A stand-in for MediaMTX, for labs only.")
    parser.add_argument("confpath", nargs="?", default="mediamtx.yml", help="path to a config file")
    parser.add_argument("--version", action="store_true", help="print version")
    options = parser.parse_args(arguments)
    if options.version:
        sys.stdout.write(f"{VERSION}\n")
        return 0
    file = Path(options.confpath)
    try:
        loaded = config.load(file)
        for key in loaded.deprecated:
            _warn(config.deprecation(key))
        log = Log(loaded)
    except (ConfigError, StartError) as error:
        sys.stdout.write(f"ERR: {error}\n")
        return 1
    sys.stdout.flush()
    return asyncio.run(_run(file, loaded, log))


def _warn(message: str) -> None:
    """The log is not open yet: the real relay warns in its plain format here."""
    sys.stdout.write(f"{dt.datetime.now().astimezone():%Y/%m/%d %H:%M:%S} {Level.WAR.name} {message}\n")


async def _run(file: Path, loaded: config.Config, log: Log) -> int:
    return await Relay(file, loaded, log).run()


if __name__ == "__main__":
    sys.exit(main())
