"""The page of threats names where every hostile test is, under its attacker, and no test or file that is none."""

import json
import re
import subprocess
import sys

import pytest

from tests.hostile import ATTACKERS, written
from tests.unit.docs.pages import ROOT, section, text_of

PAGE = text_of("docs/internals/threats.md")
ENOUGH = 60
_COUNTED = """
import json
from tests.hostile import collected
counted = collected()
print(json.dumps(sorted(counted.cases)))
"""


def test_every_hostile_test_stands_under_its_attacker_and_none_is_invented() -> None:
    cases = written()
    assert len(cases) >= ENOUGH
    for attacker in ATTACKERS:
        named = section(PAGE, f"A {attacker}")
        of_attacker = [name.split("::") for who, name in cases if who == attacker]
        assert set(re.findall(r"`(tests/[\w/]+\.py)`", named)) == {file for file, _ in of_attacker}, attacker
        assert set(re.findall(r"`(test_\w+)`", named)) <= {test for _, test in of_attacker}, attacker


@pytest.mark.soak
def test_what_is_written_is_what_pytest_collects() -> None:
    # In a process of its own: pytest does not collect within pytest.
    done = subprocess.run([sys.executable, "-c", _COUNTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert written() == {(attacker, name) for attacker, name in json.loads(done.stdout)}
