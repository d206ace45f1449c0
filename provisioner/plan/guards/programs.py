"""Programs that changes bring to hosts: who needs MediaMTX's, and whether it can be had. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from provisioner.base.counted import counted
from provisioner.base.errors import HostError
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model import MediamtxArtefact
from provisioner.plan.changes import Action, Change, Resource
from provisioner.plan.guards.measures import named
from provisioner.render.files import program_path

Refusal = Callable[[MediamtxArtefact, str], HostError | None]
"""Why a program for an architecture would not be shipped; None where it would, or where that is not known."""


def needs_program(spec: HostSpec, changes: Iterable[Change]) -> bool:
    """Whether the changes of a host include MediaMTX's program."""
    path = program_path(spec.media.artefact) if spec.media else ""
    return any(
        c.host == spec.id and c.resource is Resource.FILE and c.name == path and c.action is not Action.NOOP
        for c in changes
    )


def lacking_programs(
    pending: Iterable[Change], hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts], refusal: Refusal
) -> tuple[str, ...]:
    """Why an apply would refuse to ship MediaMTX to hosts that need it, a sentence an architecture.

    Args:
        pending: the changes of a plan.
        hosts: the hosts that it is about.
        facts: what those hold that were read.
        refusal: why a program would not be shipped.
    """
    return tuple(_lacking(list(pending), hosts, facts, refusal))


def _lacking(
    pending: list[Change], hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts], refusal: Refusal
) -> Iterator[str]:
    of_host: dict[str, list[Change]] = defaultdict(list)
    for change in pending:
        of_host[change.host].append(change)
    needing: dict[str, list[str]] = defaultdict(list)
    artefacts: dict[str, MediamtxArtefact] = {}
    for spec in hosts:
        if spec.media and spec.id in facts and needs_program(spec, of_host[spec.id]):
            arch = facts[spec.id].arch
            needing[arch].append(spec.id)
            artefacts[arch] = spec.media.artefact
    for arch, names in sorted(needing.items()):
        error = refusal(artefacts[arch], arch)
        if error is not None:
            yield (
                f"MediaMTX for {arch} cannot be had here, so that an apply would refuse {counted(len(names), 'host')}"
                f" ({named(names)}): {error.message}; {error.hint}"
            )
