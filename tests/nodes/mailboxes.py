"""Ways between controllers and nodes in memory: a good one, and one that loses, doubles, swaps, delays and cuts."""

import queue
import random
import threading
import time
from collections.abc import Mapping

from provisioner.nodes.envelope import Joiner, cut


class Post:
    """A broker in memory."""

    def __init__(self) -> None:
        self._boxes: dict[str, queue.SimpleQueue[bytes]] = {}
        self._lock = threading.Lock()
        self.seen: list[bytes] = []

    def box(self, name: str) -> queue.SimpleQueue[bytes]:
        """What waits for somebody."""
        with self._lock:
            return self._boxes.setdefault(name, queue.SimpleQueue())

    def put(self, to: str, part: bytes) -> None:
        """Take a part."""
        self.seen.append(part)
        self.box(to).put(part)


class MemoryMailbox:
    """One end of a good way; messages travel in parts, as they do over a broker."""

    def __init__(self, post: Post, own: str) -> None:
        self._post, self._own, self._joiner = post, own, Joiner()

    @property
    def own(self) -> str:
        """Where answers are to be sent."""
        return self._own

    def send(self, to: str, message: bytes) -> None:
        """Hand over a message."""
        for part in cut(message):
            self._post.put(to, part)

    def receive(self, timeout_s: float) -> bytes | None:
        """The next message."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            try:
                part = self._post.box(self._own).get(timeout=left)
            except queue.Empty:
                return None
            if (whole := self._joiner.add(part)) is not None:
                return whole
        return None

    def close(self) -> None:
        """Nothing is open."""


class FaultyPost(Post):
    """A broker that does with every part what a seed says; `done` counts it."""

    def __init__(self, seed: int, rates: Mapping[str, float], *, late_s: float = 0.3) -> None:
        super().__init__()
        self._random, self._rates, self._late_s = random.Random(seed), rates, late_s  # noqa: S311 (faults, not keys)
        self.done: dict[str, int] = dict.fromkeys([*rates, "as it is"], 0)
        self._draw = threading.Lock()

    def put(self, to: str, part: bytes) -> None:
        """Take a part, more or less."""
        with self._draw:
            drawn, fault = self._random.random(), "as it is"
            for name, rate in self._rates.items():
                if drawn < rate:
                    fault = name
                    break
                drawn -= rate
            self.done[fault] += 1
        match fault:
            case "lost":
                return
            case "doubled":
                super().put(to, part)
            case "delayed":
                self._later(to, part)
                return
            case "cut":
                part = part[: len(part) // 2]
            case "changed":
                part = self._changed(part)
        super().put(to, part)

    def _later(self, to: str, part: bytes) -> None:
        """What comes later comes behind others, too."""
        timer = threading.Timer(self._random.random() * self._late_s, super().put, (to, part))
        timer.daemon = True
        timer.start()

    def _changed(self, part: bytes) -> bytes:
        at = self._random.randrange(len(part))
        return part[:at] + bytes([part[at] ^ (1 + self._random.randrange(255))]) + part[at + 1 :]
