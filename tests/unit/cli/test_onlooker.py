"""How long a command had run when it asked its hosts."""

import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.base.language import Language, translator
from provisioner.cli.support.attendance import FirstAnswerClock, running_s
from provisioner.cli.verify_run import ResultSoFar
from provisioner.verify.result import Cause, Finding, Incident, Layer


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


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (Language.EN, ["after 9 s: camera kcl-002/cam-01: camera refuses, 2 paths", "after 9 s: 12 of 24 paths up"]),
        (
            Language.VI,
            [
                "sau 9 giây: camera kcl-002/cam-01: camera từ chối, 2 luồng camera",
                "sau 9 giây: 12 trong 24 luồng camera hoạt động",
            ],
        ),
    ],
)
def test_what_is_certain_is_printed_in_the_readers_language(language: Language, lines: list[str]) -> None:
    printed: list[str] = []
    invocation: Any = SimpleNamespace(say=translator(language), progress=SimpleNamespace(remark=printed.append))
    finding = Finding(Cause.CAMERA_REFUSES, Layer.CAMERA, "kcl-002/cam-01", "x")
    ResultSoFar(invocation).so_far(8.6, 12, 24, [Incident(finding, ("a", "b"))])
    assert printed == lines


def test_a_process_knows_how_long_it_has_run() -> None:
    begun = time.monotonic()
    code = "import time; time.sleep(0.4); from provisioner.cli.support.attendance import running_s; print(running_s())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The kernel counts in hundredths of a second.
    assert 0.4 <= float(done.stdout) + 0.02 <= time.monotonic() - begun + 0.04
    assert running_s() > 0
