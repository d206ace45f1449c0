"""The life of the relay: start, reloads, end."""

from __future__ import annotations

import asyncio
import platform
import signal
from typing import TYPE_CHECKING

from . import VERSION, config
from .api import Api
from .auth import Authenticator
from .errors import ConfigError, NotImplementedHereError, StartError
from .features import quiet_defaults, refuse_unknown
from .log import Log
from .path import PathTable, timestamp
from .reload import FileWatch, Restart, restarts
from .rtsp_server import RtspServer

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config


class Relay:
    """One running relay."""

    def __init__(self, file: Path, loaded: Config, log: Log) -> None:
        """Prepare; run starts."""
        self._file = file
        self._config = loaded
        self._log = log
        self._started = timestamp()
        self._authenticator = Authenticator(loaded.users)
        self._paths: PathTable | None = None
        self._rtsp: dict[str, RtspServer] = {}
        self._api: Api | None = None
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until a signal or a bad reload; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        self._log.info(f"MediaMTX {VERSION} (a test double, not MediaMTX), linux, {platform.machine()}")
        self._log.info(f"configuration loaded from {self._file.absolute()}")
        try:
            self._accept(self._config)
            await self._create()
            watch = FileWatch(self._file, self._changed.set)
        except (NotImplementedHereError, StartError, OSError) as error:
            self._say(error)
            await self._close(Restart(log=True, paths=True, rtsp=True, api=True))
            return 1
        await self._serve()
        watch.close()
        await self._close(Restart(log=True, paths=True, rtsp=True, api=True))
        self._log.close()
        return 0

    def _say(self, error: Exception) -> None:
        """A refusal is no log line of the real relay: it must stand out in any format."""
        if isinstance(error, NotImplementedHereError):
            print(f"ERR: {error}", flush=True)  # noqa: T201 (not in the log's format)
        self._log.error(str(error))

    def _accept(self, loaded: Config) -> None:
        refuse_unknown(loaded)
        for feature in quiet_defaults(loaded):
            self._log.warn(f"the stand-in leaves off what is on by default: {feature}")

    async def _serve(self) -> None:
        while True:
            changed = asyncio.ensure_future(self._changed.wait())
            stop = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait({changed, stop}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            stop.cancel()
            if self._stop.is_set():
                self._log.info("shutting down gracefully")
                return
            self._changed.clear()
            if not await self._reload():
                return

    async def _reload(self) -> bool:
        """Take the changed file; False says that the relay must end, as the real one does."""
        self._log.info("reloading configuration (file changed)")
        old_log = self._log
        try:
            new = config.load(self._file)
            for key in new.deprecated:
                self._log.warn(config.deprecation(key))
            self._accept(new)
            await self._replace(new)
        except (ConfigError, NotImplementedHereError, StartError) as error:
            self._log = old_log
            self._say(error)
            return False
        return True

    async def _replace(self, new: Config) -> None:
        restart = restarts(self._config, new)
        self._authenticator.users = new.users
        if not restart.paths and self._paths is not None:
            await self._paths.reload(new.paths)
        await self._close(restart)
        self._config = new
        if self._api is not None:
            self._api.config = new
        if restart.log:
            old = self._log
            self._log = Log(new)
            old.close()
        await self._create()

    async def _create(self) -> None:
        if self._paths is None:
            self._paths = PathTable(self._config, self._log)
        encryption = self._config.text("rtspEncryption")
        for family, is_on in (("rtsp", encryption != "strict"), ("rtsps", encryption != "no")):
            if is_on and family not in self._rtsp and self._config.flag("rtsp"):
                encrypted = family == "rtsps"
                server = RtspServer(self._config, self._authenticator, self._paths, self._log, encrypted=encrypted)
                await server.start()
                self._rtsp[family] = server
        if self._api is None and self._config.flag("api"):
            api = Api(
                self._config,
                started=self._started,
                authenticator=self._authenticator,
                paths=self._paths,
                servers=self._rtsp,
                log=self._log,
            )
            await api.start()
            self._api = api

    async def _close(self, restart: Restart) -> None:
        if restart.api and self._api is not None:
            self._api.close()
            self._api = None
        if restart.rtsp:
            for server in self._rtsp.values():
                await server.close()
            self._rtsp.clear()
        if restart.paths and self._paths is not None:
            await self._paths.close()
            self._paths = None
