"""Keys that are born on hosts (`keys init`).

A host's private keys and passwords stay on it; what comes back are a public key and hashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from provisioner.base.errors import HostError
from provisioner.desired.spec import HostKind, HostSpec
from provisioner.hosts.document import Fields, UnreadableError, parsed
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, unanswered
from provisioner.render.host import identity_file

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host.wire import KeysRequest

KEYS_TIMEOUT_S = 60.0

# As the lock takes them (`inventory/model`): what a host says goes there without another look.
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
_HASH = re.compile(r"sha256:[A-Za-z0-9+/]{43}=")


def make_host_keys(
    specs: Sequence[HostSpec], runner: HostRunner, program: bytes, *, unproved: bool = False
) -> tuple[dict[str, Mapping[str, str]], dict[str, HostError]]:
    """Let hosts make what they lack: what each of them has, and the error of each that does not answer.

    Args:
        specs: the hosts.
        runner: carries the calls.
        program: the on-host program, which stays there with the key by which the host proves itself later.
        unproved: whether the hosts need not prove that they are those that were managed before.
    """
    calls = [HostCall(spec, _request(spec), _left(spec, program), unproved=unproved) for spec in specs]
    answers = runner.call(calls, timeout_s=KEYS_TIMEOUT_S)
    made: dict[str, Mapping[str, str]] = {}
    errors: dict[str, HostError] = {}
    for spec in specs:
        try:
            made[spec.id] = _keys(spec, answers[spec.id])
        except HostError as error:
            errors[spec.id] = error
    return made, errors


def _left(spec: HostSpec, program: bytes) -> dict[str, bytes]:
    return {"identity": identity_file(spec).content, "program": program}


def _request(spec: HostSpec) -> KeysRequest:
    return {"operation": "keys", "relay": spec.kind is HostKind.RELAY}


def _keys(spec: HostSpec, answer: HostAnswer) -> Mapping[str, str]:
    """A host's public key and, of a relay, its two hashes, by the names that they have in the lock.

    Raises:
        HostError: it did not answer, or its answer cannot be read.
    """
    if answer.outcome is not CallOutcome.ANSWERED:
        raise unanswered(spec, answer)
    hashes = ("api_hash", "probe_hash") if spec.kind is HostKind.RELAY else ()

    def parse(fields: Fields) -> dict[str, str]:
        public_key = {"public_key": _matching(fields, "public_key", _PUBLIC_KEY)}
        return public_key | {name: _matching(fields, name, _HASH) for name in hashes}

    return parsed(spec.id, answer.document, parse)


def _matching(fields: Fields, name: str, form: re.Pattern[str]) -> str:
    text = fields.text(name)
    if not form.fullmatch(text):
        raise UnreadableError(f"{name} is not of its form")
    return text
