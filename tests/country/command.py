"""The program over a country's simulated hosts: `python -m tests.country.command WORDS…`, as `provisioner WORDS…`.

Only what carries calls to hosts is another one, here and in a node. What was waited for between two looks at what
failed is told on standard error at the end, with the time of the whole command.
"""

import json
import os
import resource
import sys
import time
from typing import Final

from provisioner.cli.main import run
from provisioner.nodes import settings
from provisioner.operations.pipeline import session, stages
from provisioner.verify.path_history import Timepiece
from tests.country.carrier import CountryCarrier

_WHATEVER: Final = "--whatever-is-found"  #: Before the words: it ends with 0 as well where paths are down.


def main() -> int:
    """Run the command; its exit code."""
    begun, waited = time.monotonic(), [0.0]
    usual = stages.WATCH

    def pause(seconds: float) -> None:
        usual.pause(seconds)
        waited[0] += seconds

    for module, name, double in (
        (session, "AnsibleRunner", CountryCarrier),
        (settings, "AnsibleRunner", CountryCarrier),
        (stages, "WATCH", Timepiece(usual.now, pause)),
    ):
        setattr(module, name, double)
    words = sys.argv[1:]
    whatever = words[:1] == [_WHATEVER]
    code = run(words[1:] if whatever else words, os.environ)
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "seconds": round(time.monotonic() - begun, 2),
        "waited": round(waited[0], 2),
        "cpu": round(own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime, 2),
        "mib": round(own.ru_maxrss / 1024),
    }
    sys.stderr.write(f"\n{json.dumps(told)}\n")
    return 0 if whatever and code == 1 else code


if __name__ == "__main__":
    sys.exit(main())
