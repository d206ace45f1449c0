"""Answers as bytes that no program of ours sends, and hosts one of which sends them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from provisioner.hosts.ansible.play import answer_in
from provisioner.hosts.answers import MOST_PARTS
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner
from tests.odd import ODDITIES, odd_document

Mutation = Callable[[Any], bytes]  #: From the document that a host would answer to what it sends.

DEEP = b'{"ok": true, "answer": {"outcome": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
MANY = b'{"ok": true, "answer": {"paths": [' + b"0," * MOST_PARTS + b"0]}}"
_SAID: tuple[bytes, ...] = (
    *(b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff\xfe", b"\x00", DEEP, MANY),
    *(b'{"ok": true}', b'{"ok": true, "answer": null}', b'{"ok": true, "answer": {}}', b'{"ok": 1, "answer": {}}'),
    *(b'{"ok": false}', b'{"error": 7}', b'{"kind": "unreachable", "error": "' + rb"\u001b[2J\ud800" + b'"}'),
    b'{"ok": true, "answer": {"outcome": ' + b"9" * 5000 + b"}}",
    b'{"ok": true, "answer": {"outcome": NaN, "live_digest": Infinity}}',
    b'{"ok": true, "answer": {"outcome": "armed", "outcome": "applied", "outcome": null}}',
)


def sent(document: Any) -> bytes:
    """What a host sends that answers as it should; what Python cannot even write is deeper than any."""
    try:
        return json.dumps({"ok": True, "answer": document}).encode()
    except RecursionError:
        return DEEP


def _cut(at: int) -> Mutation:
    return lambda document: sent(document)[: at % (len(sent(document)) + 1)]


def _spoilt(at: int, byte: int) -> Mutation:
    def spoil(document: Any) -> bytes:
        raw = bytearray(sent(document))
        raw[at % len(raw)] = byte
        return bytes(raw)

    return spoil


def _said(words: bytes) -> Mutation:
    return lambda _document: words


MUTATIONS: st.SearchStrategy[Mutation] = st.one_of(
    st.lists(ODDITIES, min_size=1, max_size=3).map(lambda odd: lambda document: sent(odd_document(document, odd))),
    st.sampled_from(_SAID).map(_said),
    st.builds(_cut, st.integers(0, 10**6)),
    st.builds(_spoilt, st.integers(0, 10**6), st.integers(0, 255)),
)


class ByteHosts:
    """Hosts one of which sends other bytes than it would, for some operations."""

    def __init__(self, hosts: HostRunner, odd: str, mutations: Mapping[str, Mutation]) -> None:
        self._hosts, self._odd, self._mutations = hosts, odd, mutations

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        answers = self._hosts.call(calls, timeout_s=timeout_s)
        return {call.spec.id: self._answer(call, answers[call.spec.id]) for call in calls}

    def _answer(self, call: HostCall, answer: HostAnswer) -> HostAnswer:
        mutation = self._mutations.get(str(call.request["operation"]))
        if call.spec.id != self._odd or mutation is None or answer.outcome is not CallOutcome.ANSWERED:
            return answer
        return answer_in(answer.host, mutation(answer.document))
