"""The program with hosts in memory that take their time: `python -m tests.slow_program SECONDS WORD…`."""

import sys
import time
from collections.abc import Iterator, Sequence

from provisioner.cli.main import main
from provisioner.hosts.ansible.early_start import WaitingAnsible
from provisioner.hosts.runner import HostAnswer, HostCall, OpenRunner
from provisioner.operations.pipeline import session
from tests.simulated import SimulatedHosts


class SlowHosts(SimulatedHosts, OpenRunner):
    """Hosts that answer one after the other."""

    delay_s = 1.0

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        for call in calls:
            time.sleep(self.delay_s)
            yield self.call([call], timeout_s=timeout_s)[call.spec.id]

    def use_started(self, begun: WaitingAnsible) -> None:
        """Let what was begun end: these hosts are not called by it."""
        begun.close()


if __name__ == "__main__":
    SlowHosts.delay_s = float(sys.argv.pop(1))
    hosts = SlowHosts()
    setattr(session, "AnsibleRunner", lambda _templates, _environment: hosts)  # noqa: B010
    main()
