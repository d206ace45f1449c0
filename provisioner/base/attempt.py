"""One attempt to reach a server, and how often and how long it is tried: whatever is at the other end, it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, TypeVar

T = TypeVar("T")

ATTEMPT_S: Final = 20.0
"""So long one attempt may take, the name of the server and its certificate looked up."""
TOTAL_S: Final = 90.0
"""So long all attempts may take."""
MOST_ATTEMPTS: Final = 4
_FIRST_PAUSE_S: Final = 2.0
_LONGER: Final = 3.0
_SHORTEST_S: Final = 0.1


class ReachError(Exception):
    """A server was not reached, or took nothing.

    Attributes:
        reason: why, in a sentence without anything that the other end said, nor an address of a person.
        hint: what to do.
        lasting: whether it would be the same a moment later.
        attempts: how often it was tried.
    """

    def __init__(self, reason: str, hint: str, *, lasting: bool = False, attempts: int = 1) -> None:
        super().__init__(reason)
        self.attempts = attempts
        self.reason = reason
        self.hint = hint
        self.lasting = lasting


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        authorities: a file with certificates of an authority of one's own; empty takes the system's.
        pause: lets time pass.
    """

    attempt_s: float = ATTEMPT_S
    total_s: float = TOTAL_S
    attempts: int = MOST_ATTEMPTS
    first_pause_s: float = _FIRST_PAUSE_S
    authorities: str = ""
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Patience:
        """The usual one, with the authorities that the environment names."""
        names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        return cls(authorities=next((value for name in names if (value := environment.get(name, ""))), ""))


@dataclass(frozen=True, slots=True)
class Reached(Generic[T]):
    """What came of it, and after how many attempts."""

    value: T
    attempts: int


def try_often(attempt: Callable[[float], T], patience: Patience) -> Reached[T]:
    """Try, and try again after pauses that grow, until it works, cannot work, or took too long.

    Args:
        attempt: one attempt, with how long it may take.
        patience: how long and how often.

    Raises:
        ReachError: it did not work; the last reason, and how often it was tried.
    """
    until = time.monotonic() + patience.total_s
    pause = patience.first_pause_s
    number = 0
    while True:
        number += 1
        try:
            seconds = max(_SHORTEST_S, min(patience.attempt_s, until - time.monotonic()))
            return Reached(within(seconds, partial(attempt, seconds)), number)
        except ReachError as error:
            left = until - time.monotonic() - pause
            if error.lasting or number >= patience.attempts or left <= 0:
                times = f" (tried {number} times)" if number > 1 else ""
                raise ReachError(error.reason + times, error.hint, lasting=error.lasting, attempts=number) from None
        patience.pause(pause)
        pause *= _LONGER


def within(seconds: float, call: Callable[[], T]) -> T:
    """Do something in so many seconds, or leave it: its thread is not waited for, and ends with the program.

    A server that sends a byte now and then keeps any time-out of a socket from ever coming.

    Raises:
        ReachError: it took longer, or failed so.
    """
    values: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001 (raised again by who waits)
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="attempt")
    thread.start()
    thread.join(max(0.0, seconds))
    if values:
        return values[0]
    if errors:
        raise errors[0]
    raise ReachError(f"it did not answer within {seconds:.0f} s", "see whether the server runs, and what it waits for")
