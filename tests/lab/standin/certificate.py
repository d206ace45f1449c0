"""The certificate that encrypted readers are shown: watched, and served anew while nobody is cut."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .errors import StartError, system_reason

if TYPE_CHECKING:
    from .log import Log

_EVERY: Final = 0.2


class WatchedCertificate:
    """Key and certificate of a server, read again when their files change; what cannot be read changes nothing."""

    def __init__(self, key: str, certificate: str, log: Log) -> None:
        """Read both.

        Raises:
            StartError: they cannot be read, or do not belong together.
        """
        self._files, self._log = (Path(certificate), Path(key)), log
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self._load()
        except OSError as error:
            reason = system_reason(error) if error.errno else str(error)
            raise StartError(f"open {certificate}: {reason}") from error
        self._seen = self._state()
        self._task = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Watch no more."""
        self._task.cancel()

    def _load(self) -> None:
        # Aside first: a context that was given half of a pair shows nobody anything.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            context.load_cert_chain(*self._files)

    def _state(self) -> list[tuple[int, int]]:
        states = []
        for file in self._files:
            with contextlib.suppress(OSError):
                status = file.stat()
                states.append((status.st_ino, status.st_mtime_ns))
        return states

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            if (now := self._state()) == self._seen:
                continue
            self._seen = now
            name = self._files[0]
            try:
                self._load()
            except OSError as error:
                self._log.error(f"certloader failed to load after change to {name}: {error}")
            else:
                self._log.info(f"certificate reloaded after change to {name}")
