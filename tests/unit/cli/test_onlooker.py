"""How long a command had run when it asked its hosts."""

from __future__ import annotations

import subprocess
import sys
import time

from provisioner.cli.support.attendance import FirstAnswerClock, running_s


def test_the_first_time_that_hosts_are_asked_counts() -> None:
    onlooker = FirstAnswerClock()
    assert onlooker.before_s == 0.0
    onlooker.hosts_called({"relay-1": 20})
    first = onlooker.before_s
    assert 0 < first <= running_s()
    time.sleep(0.02)
    onlooker.answered("relay-1", "answered", 0.1)
    onlooker.hosts_called({"relay-1": 1})
    assert onlooker.before_s == first


def test_a_process_knows_how_long_it_has_run() -> None:
    begun = time.monotonic()
    code = "import time; time.sleep(0.4); from provisioner.cli.support.attendance import running_s; print(running_s())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The kernel counts in hundredths of a second.
    assert 0.4 <= float(done.stdout) + 0.02 <= time.monotonic() - begun + 0.04
    assert running_s() > 0
