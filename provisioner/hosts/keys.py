"""Keys that are born on hosts (`keys init`).

A host's private keys and passwords stay on it; what comes back are a public key and hashes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from provisioner.base.errors import HostError
from provisioner.desired.spec import HostKind, HostSpec
from provisioner.hosts.document import Fields, UnreadableError, parsed
from provisioner.hosts.owner import owner_to_mark
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, unanswered
from provisioner.render.host import identity_content

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host.wire import KeysRequest

KEYS_TIMEOUT_S = 60.0

# As the lock takes them (`inventory/model`): what a host says goes there without another look.
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
_HASH = re.compile(r"sha256:[A-Za-z0-9+/]{43}=")


def make_host_keys(
    specs: Sequence[HostSpec],
    runner: HostRunner,
    program: bytes,
    *,
    known: Mapping[str, str] = MappingProxyType({}),
    unproved: bool = False,
    who: str = "",
) -> tuple[dict[str, Mapping[str, str]], dict[str, HostError]]:
    """Let hosts make what they lack: what each of them has, and the error of each that does not answer.

    Args:
        specs: the hosts.
        runner: carries the calls.
        program: the on-host program, which stays there with the key by which the host proves itself later.
        known: public keys that are recorded already, each with whose it is: a host cannot have another's.
        unproved: whether the hosts need not prove that they are those that were managed before.
        who: who does it, for the mark of whose the hosts are.
    """
    calls = [HostCall(spec, _request(spec, who), _left(spec, program), unproved=unproved) for spec in specs]
    answers = runner.call(calls, timeout_s=KEYS_TIMEOUT_S)
    made: dict[str, Mapping[str, str]] = {}
    errors: dict[str, HostError] = {}
    for spec in specs:
        try:
            made[spec.id] = _keys(spec, answers[spec.id])
        except HostError as error:
            errors[spec.id] = error
    foreign = _not_their_own(made, known)
    return {host: keys for host, keys in made.items() if host not in foreign}, errors | foreign


def _not_their_own(made: Mapping[str, Mapping[str, str]], known: Mapping[str, str]) -> dict[str, HostError]:
    """The hosts that say of a key that it is theirs which is recorded as another's, or which two of them have."""
    owners = Counter(keys["public_key"] for keys in made.values())
    errors = {}
    for host, keys in made.items():
        key = keys["public_key"]
        others = [known[key]] if known.get(key, host) != host else []
        if not others and owners[key] > 1 and known.get(key) != host:
            others = sorted(other for other in made if other != host and made[other]["public_key"] == key)
        if others:
            errors[host] = HostError(
                f"{host} says that it has the public key of {', '.join(others)}",
                hint="no two hosts can have one: find out which of them is not what it says, and make its key anew",
                object=host,
            )
    return errors


def _left(spec: HostSpec, program: bytes) -> dict[str, bytes]:
    return {"identity": identity_content(spec), "program": program}


def _request(spec: HostSpec, who: str) -> KeysRequest:
    request: KeysRequest = {"operation": "keys", "relay": spec.kind is HostKind.RELAY, "who": who}
    owner = owner_to_mark(spec)
    # One that is taken over is so by its first apply, after its plan has said what that cuts.
    if owner is not None and spec.adopted is None:
        request["owner"] = owner
    return request


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
