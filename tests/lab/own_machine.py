"""One more machine in the lab's management network, whose cable somebody may cut: programs of this one run in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Final

from .docker_cli import KEEP_LABEL, LABEL, OWNER_LABEL, RUN_LABEL, docker
from .lab import Lab
from .topology import Network

# What is dropped is lost without a word, as in a network that is cut: nobody is told that a connection has ended.
_CUT: Final = """
set -eu
nft -f - <<END
table inet cut {
  chain in { type filter hook input priority 0; ip saddr $1 drop; }
  chain out { type filter hook output priority 0; ip daddr $1 drop; }
}
END
"""


class OwnMachine:
    """A machine without a system of its own; it goes with the lab at the latest."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._name, self._network = f"{lab.project}-{name}", f"{lab.project}_{Network.MGMT}"
        given = lab.compose_environment
        labels = {LABEL: "host", RUN_LABEL: lab.run, OWNER_LABEL: given["LAB_OWNER"], KEEP_LABEL: given["LAB_KEEP"]}
        words = [word for label, value in labels.items() for word in ("--label", f"{label}={value}")]
        kind = ("--cap-add", "NET_ADMIN", "--network", self._network, "--entrypoint", "sleep")
        docker("run", "--detach", "--name", self._name, *kind, *words, given["LAB_IMAGE"], "infinity")

    @property
    def address(self) -> IPv4Address:
        """Its address."""
        form = f'{{{{(index .NetworkSettings.Networks "{self._network}").IPAddress}}}}'
        return IPv4Address(docker("inspect", "--format", form, self._name).stdout.strip())

    @property
    def inside(self) -> tuple[str, ...]:
        """The words by which a program of this machine runs in the network of that one."""
        process = docker("inspect", "--format", "{{.State.Pid}}", self._name).stdout.strip()
        return "nsenter", f"--net=/proc/{process}/ns/net", "--"

    @contextmanager
    def cut_off(self, other: IPv4Address) -> Iterator[None]:
        """Let nothing through between it and an address."""
        docker("exec", self._name, "sh", "-c", _CUT, "cut", str(other))
        try:
            yield
        finally:
            docker("exec", self._name, "nft", "delete", "table", "inet", "cut")

    def remove(self) -> None:
        """Remove it."""
        docker("rm", "--force", self._name, check=False)


@contextmanager
def own_machine(lab: Lab, name: str) -> Iterator[OwnMachine]:
    """One more machine of a lab, for a while."""
    machine = OwnMachine(lab, name)
    try:
        yield machine
    finally:
        machine.remove()
