"""A confined program starts while others look, and is asked when it is told to; where it never is it asks nobody."""

import json
import sys
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from provisioner_host.machine import confined

_ECHO = """
import sys
print("up", flush=True)
def serve(asked):
    print("asked", asked)
"""
MODULES = [["provisioner_host.echo", _ECHO]]
COMMAND = (sys.executable, *confined.PROGRAM[1:])


def run(start: confined.Start | None, heard: list[bytes], until_s: float = 30) -> str:
    def hear(lines: Iterator[bytes]) -> bool:
        heard.extend(lines)
        return False

    until = time.monotonic() + until_s
    return confined.run(COMMAND, MODULES, json.dumps({"a": 1}).encode(), until, hear, start=start)


def test_it_is_asked_at_once_where_nobody_says_when() -> None:
    heard: list[bytes] = []
    assert run(None, heard) == ""
    assert heard == [b"up", b"asked {'a': 1}"]


def test_it_starts_before_it_is_asked() -> None:
    start, heard = confined.Start(), list[bytes]()
    going = Thread(target=run, args=(start, heard))
    going.start()
    until = time.monotonic() + 30
    while not heard and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert heard == [b"up"]
    start.now()
    start.never()
    going.join(30)
    assert heard == [b"up", b"asked {'a': 1}"]


@pytest.mark.parametrize("decided", [True, False])
def test_what_is_never_asked_ends_and_has_asked_nobody(decided: bool) -> None:  # noqa: FBT001
    start, heard = confined.Start(), list[bytes]()
    if decided:
        start.never()
    begun = time.monotonic()
    # Nobody who decides comes: the time runs out.
    assert run(start, heard, 20 if decided else 1)
    assert heard == [b"up"]
    assert time.monotonic() - begun < 15
