"""The newest board, loaded once for each run that is recorded, and the word to whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Final

from provisioner.base.errors import ProvisionerError
from provisioner.web.board import Board
from provisioner.web.scope import Reader, scoped
from provisioner.web.source import Source

INTERVAL_S: Final = 5.0
REREAD: Final = timedelta(minutes=15)
"""Files of the inventory change without a run: after so long all is read again."""
_ALIVE_S: Final = 15.0
MOST_LISTENERS: Final = 200


@dataclass
class Feed:
    """What is shown now.

    Attributes:
        source: where boards come from.
        interval_s: how often it is looked for something new.
        board: the newest board.
        trouble: why there is no newer one, in a sentence; empty where there is.
        loaded_at: when it was loaded, by the clock that never jumps.
        listeners: how many wait for the next one.
    """

    source: Source
    interval_s: float = INTERVAL_S
    trouble: str = ""
    listeners: int = 0
    closing: bool = False
    _board: Board | None = None
    _mark: str = ""
    _loaded_s: float = 0.0
    _scoped: dict[Reader, Board] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def board(self) -> Board:
        """The newest board, of everything."""
        if self._board is None:
            self.load()
        if self._board is None:
            raise TypeError("a board that was loaded is there")
        return self._board

    def of(self, reader: Reader) -> Board:
        """The newest board of what a reader may see; made once for all readers of one scope."""
        board, key = self.board, Reader(reader.scope)
        with self._lock:
            known = self._scoped.get(key)
        if known is not None and known.revision == board.revision:
            return known
        made = scoped(board, key)
        with self._lock:
            if len(self._scoped) >= _MOST_SCOPES:
                self._scoped.clear()
            self._scoped[key] = made
        return made

    def load(self) -> None:
        """Load the newest board.

        Raises:
            InventoryError, StateError: it cannot be read.
        """
        board = self.source.load()
        self._mark = self.source.mark()
        self._loaded_s = monotonic()
        with self._lock:
            self._board = board
            self._scoped.clear()

    def refresh(self) -> bool:
        """Load a newer board where there is one; what cannot be read leaves the old one, with a sentence on it."""
        try:
            if self.source.mark() == self._mark and monotonic() - self._loaded_s < REREAD.total_seconds():
                self.trouble = ""
                return False
            before = self._board.revision if self._board else ""
            self.load()
        except ProvisionerError as error:
            self.trouble = error.message
            return False
        self.trouble = ""
        return self.board.revision != before

    async def watch(self) -> None:
        """Look for something new until the server ends."""
        while True:
            await asyncio.sleep(self.interval_s)
            if await asyncio.to_thread(self.refresh):
                self._tell()

    def close(self) -> None:
        """End the streams of all who listen."""
        self.closing = True
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def events(self) -> AsyncIterator[bytes]:
        """The stream of one who listens: the board's revision now, and each later one."""
        self.listeners += 1
        try:
            last = ""
            while not self.closing:
                changed = self._changed
                if self.board.revision != last:
                    last = self.board.revision
                    yield f"event: recorded\ndata: {last}\n\n".encode()
                try:
                    await asyncio.wait_for(changed.wait(), _ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1


_MOST_SCOPES: Final = 256
