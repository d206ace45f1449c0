"""Observes hosts in parallel, one call each, without changes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from provisioner.base.errors import HostError
from provisioner.base.processes import without_collector
from provisioner.desired.render.host import RenderedFile, program_path
from provisioner.desired.spec import API_PORT, HostSpec, reader_ports, units_of
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, ending_certificate, findings, other_firewalls, parse_facts
from provisioner.hosts.preparation import lacks
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, unanswered

OBSERVE_TIMEOUT_S = 90.0


def observe(
    specs: Iterable[HostSpec],
    files: Mapping[str, tuple[RenderedFile, ...]],
    runner: HostRunner,
    *,
    unproved: bool = False,
) -> tuple[dict[str, HostFacts], dict[str, HostError]]:
    """Return facts by host, and errors; `unproved` hosts' lack trust."""
    calls = []
    for spec in specs:
        request, contents = observe_request(spec, files[spec.id])
        calls.append(HostCall(spec, request, contents, shares=True, unproved=unproved))
    started = datetime.now(UTC)
    answers = runner.call(calls, timeout_s=OBSERVE_TIMEOUT_S)
    call_times = started, datetime.now(UTC)
    facts: dict[str, HostFacts] = {}
    errors: dict[str, HostError] = {}
    with without_collector():
        for spec in specs:
            try:
                answered = _facts(spec, answers[spec.id], call_times)
                facts[spec.id] = replace(answered, proved=False, trust=None, policy=None) if unproved else answered
            except HostError as error:
                errors[spec.id] = error
    return facts, errors


def _facts(spec: HostSpec, answer: HostAnswer, call_times: tuple[datetime, datetime]) -> HostFacts:
    """Return a host's facts; `call_times` are start and end of the call."""
    if answer.outcome is not CallOutcome.ANSWERED:
        raise unanswered(spec, answer)
    facts = parse_facts(spec.id, answer.document)
    if facts.missing_programs:
        raise lacks(spec.id, facts.machine["os"], facts.missing_programs)
    if cause := _frozen_conflict(spec, facts.held):
        hint = f"mend {', '.join(facility.position or facility.id for facility in spec.held)}; the other hosts go on"
        raise HostError(f"{spec.id}: {cause}", hint=hint, object=spec.id)
    faults = findings(facts.disks, facts.clock, *call_times)
    ending = ending_certificate(spec.id, spec.media.certificate if spec.media else None, call_times[1])
    return replace(facts, faults=(*faults, *other_firewalls(facts.firewalls), *ending))


def _frozen_conflict(spec: HostSpec, frozen: wire.FrozenAnswer) -> str:
    """Return why frozen parts conflict with the desired state; empty if not."""
    if spec.held and (unclear := frozen["unclear"]):
        return f"{unclear}: what in it is of {', '.join(site.id for site in spec.held)}, which is held, cannot be told"
    for peer in spec.tunnel.peers:
        if peer.public_key in frozen["peers"]:
            return f"{peer.name} has the key of {frozen['peers'][peer.public_key]}, which is held"
        if shared := set(frozen["addresses"]) & {str(network) for network in peer.allowed_ips}:
            return f"{peer.name} has the address {min(shared)} of a facility that is held"
    return ""


def observe_request(spec: HostSpec, files: Iterable[RenderedFile]) -> tuple[wire.ObserveRequest, dict[str, bytes]]:
    """Return the request that observes a host, with its files."""
    files = list(files)
    request: wire.ObserveRequest = {
        "operation": "observe",
        "digest_key": spec.digest_key.reveal(),
        "files": [file.path for file in files],
        "units": list(units_of(spec)),
        "program": program_path(spec.media.artefact) if spec.media else None,
        "networks": [str(network) for network in spec.tunnel.routes],
    }
    if spec.relay is not None and spec.tunnel.listen_port is not None:
        request["ports"] = {"tcp": [*spec.relay.ports, API_PORT], "udp": [spec.tunnel.listen_port]}
        if spec.firewall is not None and spec.firewall.further_ports:
            request["ports"]["led"] = list(spec.firewall.further_ports)
    if spec.hub is not None:
        request["ports"] = {"tcp": [*reader_ports(spec.hub.tls), API_PORT], "udp": []}
    if spec.held:
        request["held"] = sorted(spec.frozen_names)
    rules = [file.content for file in files if file.path == spec.names.nft_file]
    return request, {"nft": rules[0]} if rules else {}
