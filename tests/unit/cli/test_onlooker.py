"""What a terminal is shown while a verification waits, and that nothing else is."""

from __future__ import annotations

import io
import subprocess
import sys
import time

from provisioner.cli.onlooker import TerminalOnlooker, running_s


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def watched(stream: io.StringIO) -> TerminalOnlooker:
    onlooker = TerminalOnlooker(stream)
    onlooker.asked({"centre": 24, "relay-1": 20, "relay-2": 1})
    onlooker.answered("relay-2", "answered", 2.14)
    onlooker.answered("centre", "unreachable", 3.0)
    onlooker.answered("relay-1", "answered", 3.96)
    return onlooker


def test_a_terminal_is_told_whom_it_waits_for() -> None:
    terminal = Terminal()
    watched(terminal)
    asked, *rest = terminal.getvalue().splitlines()
    assert asked.startswith("asked centre (24 paths), relay-1 (20 paths), relay-2 (1 path): tunnels")
    assert rest == [
        "relay-2: answered after 2.1 s; waiting for centre, relay-1",
        "centre: unreachable after 3.0 s; waiting for relay-1",
        "relay-1: answered after 4.0 s",
    ]


def test_many_hosts_are_counted() -> None:
    terminal = Terminal()
    onlooker = TerminalOnlooker(terminal)
    onlooker.asked({f"relay-{n}": n for n in range(9)})
    onlooker.answered("relay-0", "answered", 1.0)
    first, second = terminal.getvalue().splitlines()
    assert "relay-3 (3 paths) and 5 more" in first
    assert second.endswith("waiting for relay-1, relay-2, relay-3, relay-4 and 4 more")


def test_a_file_or_a_pipe_is_told_nothing() -> None:
    pipe = io.StringIO()
    onlooker = watched(pipe)
    assert pipe.getvalue() == ""
    assert onlooker.before_s > 0


def test_a_process_knows_how_long_it_has_run() -> None:
    begun = time.monotonic()
    code = "import time; time.sleep(0.4); from provisioner.cli.onlooker import running_s; print(running_s())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.4 <= float(done.stdout) <= time.monotonic() - begun
    assert running_s() > 0
