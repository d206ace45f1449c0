"""Read hosts: one call a host, all at the same time. An effect stage; of what a host holds it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from provisioner.base.errors import HostError
from provisioner.desired.spec import HostSpec
from provisioner.desired.units import units_of
from provisioner.hosts.facts import HostFacts, parse_facts
from provisioner.hosts.runner import CallOutcome, HostCall, HostRunner, unreadable
from provisioner.render.files import NFT_FILE, RenderedFile, program_path

OBSERVE_TIMEOUT_S = 90.0


def observe(
    specs: Iterable[HostSpec], files: Mapping[str, tuple[RenderedFile, ...]], runner: HostRunner
) -> tuple[dict[str, HostFacts], dict[str, HostError]]:
    """The facts of every host that answers, and the error of each that does not."""
    calls = []
    for spec in specs:
        request, contents = observe_request(spec, files[spec.id])
        calls.append(HostCall(spec, request, contents, shares=True))
    answers = runner.call(calls, timeout_s=OBSERVE_TIMEOUT_S)
    facts: dict[str, HostFacts] = {}
    errors: dict[str, HostError] = {}
    for call in calls:
        answer = answers[call.spec.id]
        if answer.outcome is not CallOutcome.ANSWERED:
            errors[call.spec.id] = unreadable(call.spec, answer)
            continue
        found = parse_facts(call.spec.id, dict(answer.document))
        if found.missing_packages:
            errors[call.spec.id] = _lacks(call.spec, found.missing_packages)
        else:
            facts[call.spec.id] = found
    return facts, errors


def _lacks(spec: HostSpec, packages: tuple[str, ...]) -> HostError:
    return HostError(
        f"{spec.id} lacks {', '.join(packages)}",
        hint=f"run on it, as root: apt-get install -y {' '.join(packages)}",
        object=spec.id,
    )


def observe_request(spec: HostSpec, files: Iterable[RenderedFile]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The request that reads a host, and the contents that go with it."""
    files = list(files)
    request = {
        "operation": "observe",
        "digest_key": spec.digest_key.reveal(),
        "files": [file.path for file in files],
        "units": list(units_of(spec)),
        "program": program_path(spec.relay.artefact) if spec.relay else None,
    }
    rules = [file.content for file in files if file.path == NFT_FILE]
    return request, {"nft": rules[0]} if rules else {}
