"""Removal of labs: one that has ended, and those whose process was killed."""

import json
from collections.abc import Iterator
from typing import Any

from .docker_cli import KEEP_LABEL, LABEL, OWNER_LABEL, RUN_LABEL, docker, listed
from .owner import Owner
from .record import recorded

_ATTEMPTS = 3


def remove(run: str) -> None:
    """Remove everything that carries the label of a run, and its directory; what is not there is no error."""
    label = f"{RUN_LABEL}={run}"
    # A creation that was under way when its process was killed may still add something: look again.
    for _ in range(_ATTEMPTS):
        containers, networks = listed("container", label), listed("network", label)
        if not containers and not networks:
            break
        # One after the other: Docker may lose count of who is still in a network that several leave at once, and
        # then refuses to remove it until its daemon starts again.
        for container in containers:
            docker("rm", "--force", "--volumes", container, check=False)
        if networks:
            docker("network", "rm", *networks, check=False)
    for record in recorded():
        if record.run == run:
            record.remove()


def reap() -> list[str]:
    """Remove the runs whose process is gone, unless they are to be kept; return their ids."""
    orphans = sorted({run for run, owner, keep in _known() if not keep and Owner.parse(owner).is_gone})
    for run in orphans:
        remove(run)
    return orphans


def _known() -> Iterator[tuple[str, str, bool]]:
    """Yield run, owner and whether to keep it, from Docker's labels and from the records."""
    for kind in ("container", "network"):
        if found := listed(kind, RUN_LABEL):
            for labels in _labels(kind, found):
                if LABEL in labels and OWNER_LABEL in labels:
                    yield labels[RUN_LABEL], labels[OWNER_LABEL], labels.get(KEEP_LABEL) == "yes"
    for record in recorded():
        yield record.run, record.owner, record.keep


def _labels(kind: str, ids: list[str]) -> Iterator[dict[str, str]]:
    # One that vanishes between the two calls belongs to a lab that is just being removed by its own process.
    shown: list[dict[str, Any]] = json.loads(docker(kind, "inspect", *ids, check=False).stdout or "[]")
    for each in shown:
        yield (each["Config"]["Labels"] if kind == "container" else each["Labels"]) or {}
