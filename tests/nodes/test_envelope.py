"""Envelopes: what is sealed comes out again, by one alone, and nothing that was changed comes out at all."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.nodes.envelope import (
    EnvelopeError,
    EnvelopeHeader,
    EnvelopeKind,
    ExchangeKey,
    new_exchange_key,
    open_envelope,
    public_exchange_key,
    seal_envelope,
)
from tests.hostile import NODE

CONTROLLER, NODE_KEY, STRANGER = (ExchangeKey(bytes([number]) * 32) for number in (1, 2, 3))
SENDERS = {CONTROLLER.public.name: CONTROLLER.public}
names = st.binary(min_size=16, max_size=16).map(bytes.hex)
headers = st.builds(
    EnvelopeHeader,
    kind=st.sampled_from(EnvelopeKind),
    carrier=st.sampled_from(["vnpt", "viettel-hn", "a"]),
    sender=st.just(CONTROLLER.public.name),
    recipient=st.just(NODE_KEY.public.name),
    unit=names,
    session=names,
    sent=st.floats(1, 1e10),
    until=st.floats(0, 1e10),
    reply=st.from_regex(r"[A-Za-z0-9-]{0,64}", fullmatch=True),
)
HEADER = EnvelopeHeader(
    kind=EnvelopeKind.UNIT,
    carrier="vnpt",
    sender=CONTROLLER.public.name,
    recipient=NODE_KEY.public.name,
    unit="0" * 32,
    session="1" * 32,
    sent=1.0,
    until=2.0,
    reply="controller-1",
)


@given(headers, st.binary(max_size=2000))
def test_what_is_sealed_comes_out_as_it_was(header: EnvelopeHeader, payload: bytes) -> None:
    message = seal_envelope(header, payload, CONTROLLER, NODE_KEY.public)
    assert open_envelope(message, NODE_KEY, SENDERS) == (header, payload)


@NODE
@given(st.data())
@settings(max_examples=200)
def test_nothing_that_was_changed_in_one_bit_or_cut_is_opened(data: st.DataObject) -> None:
    message = seal_envelope(HEADER, b"what hosts are to do", CONTROLLER, NODE_KEY.public)
    at, bit = data.draw(st.integers(0, len(message) - 1)), data.draw(st.integers(0, 7))
    changed = message[:at] + bytes([message[at] ^ 1 << bit]) + message[at + 1 :]
    for one in (changed, message[:at], message + b"\0"):
        with pytest.raises(EnvelopeError):
            open_envelope(one, NODE_KEY, SENDERS)


@NODE
@given(st.binary(max_size=400))
def test_what_anybody_makes_up_is_no_envelope(made_up: bytes) -> None:
    for one in (made_up, b"PVN1" + made_up, b"PVN1\0\0\0\2{}" + made_up):
        with pytest.raises(EnvelopeError):
            open_envelope(one, NODE_KEY, SENDERS)


@NODE
def test_another_key_neither_opens_nor_signs() -> None:
    message = seal_envelope(HEADER, b"secret", CONTROLLER, NODE_KEY.public)
    with pytest.raises(EnvelopeError, match="sealed to another one"):
        open_envelope(message, STRANGER, SENDERS)
    with pytest.raises(EnvelopeError, match="nobody who is known"):
        open_envelope(message, NODE_KEY, {STRANGER.public.name: STRANGER.public})
    # Signed by a stranger in the controller's name.
    forged = seal_envelope(HEADER, b"do harm", STRANGER, NODE_KEY.public)
    with pytest.raises(EnvelopeError, match="does not fit"):
        open_envelope(forged, NODE_KEY, SENDERS)
    # Sealed to a stranger, in whose header the node stands.
    other = seal_envelope(HEADER, b"do harm", CONTROLLER, STRANGER.public)
    with pytest.raises(EnvelopeError, match="does not fit"):
        open_envelope(other, NODE_KEY, SENDERS)


@NODE
@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, carrier="../vnpt"),
        replace(HEADER, unit="short"),
        replace(HEADER, session="X" * 32),
        replace(HEADER, reply="a.b"),
        replace(HEADER, sent=float("nan")),
        replace(HEADER, until=-1.0),
        replace(HEADER, carrier="a" * 900),
    ],
)
def test_a_header_of_another_form_is_none_though_it_is_signed(header: EnvelopeHeader) -> None:
    message = seal_envelope(header, b"", CONTROLLER, NODE_KEY.public)
    with pytest.raises(EnvelopeError):
        open_envelope(message, NODE_KEY, SENDERS)


@given(st.text(max_size=200))
def test_a_line_is_a_public_key_or_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no public exchange key"):
        public_exchange_key(line)


def test_a_public_key_comes_back_from_its_line() -> None:
    public = new_exchange_key().public
    assert public_exchange_key(f" {public.line}\n") == public
