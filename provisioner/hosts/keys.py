"""Keys that are born on hosts (`keys init`).

A host's private keys and passwords stay on it; what comes back are a public key and hashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.base.errors import HostError
from provisioner.desired.spec import HostKind, HostSpec
from provisioner.hosts.runner import CallOutcome, HostCall, HostRunner, unreadable

KEYS_TIMEOUT_S = 60.0


def make_host_keys(
    specs: tuple[HostSpec, ...], runner: HostRunner
) -> tuple[dict[str, Mapping[str, Any]], dict[str, HostError]]:
    """Let hosts make what they lack; give what each tells, and the error of each that does not answer."""
    calls = [HostCall(s, {"operation": "keys", "relay": s.kind is HostKind.RELAY}) for s in specs]
    answers = runner.call(calls, timeout_s=KEYS_TIMEOUT_S)
    made, errors = {}, {}
    for spec in specs:
        answer = answers[spec.id]
        if answer.outcome is CallOutcome.ANSWERED:
            made[spec.id] = answer.document
        else:
            errors[spec.id] = unreadable(spec, answer)
    return made, errors
