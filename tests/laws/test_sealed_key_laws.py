"""A sealed box gives the key to who has the recovery key, for the host that it is of, and nothing to anybody else.

The host's arithmetic is held against the RFCs' own vectors, and against the library that opens the boxes.
"""

import base64
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import UsageError
from provisioner.base.recovery_key import BoxError, from_paper, line_from_paper, on_paper, open_box, pair_of, vouched
from provisioner.base.secret import Secret
from provisioner.base.text import canonical_text
from provisioner.record.verdict_rows import PackedProvince, seal_message
from provisioner_host.machine.shell import Failed
from provisioner_host.state import keys
from tests.hostile import RELAY

KEYS = st.binary(min_size=32, max_size=32)
SLUGS = st.from_regex(r"\A[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}\Z")
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def box(private: bytes, recovery: bytes, inventory: str = "i", host: str = "h") -> Any:
    """What a host with this private key hands out."""
    tunnel = pair_of(private)
    order: Any = {"recovery": pair_of(recovery).public_key, "inventory": inventory, "host": host}
    return keys.seal(tunnel.private_key.reveal(), tunnel.public_key, order)


# --- the arithmetic -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("scalar", "point", "product"),
    [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ],
)
def test_x25519_gives_what_rfc_7748_says(scalar: str, point: str, product: str) -> None:
    assert keys.x25519(bytes.fromhex(scalar), bytes.fromhex(point)).hex() == product


@settings(max_examples=60, deadline=None)
@given(scalar=KEYS, point=KEYS)
def test_x25519_is_that_of_the_library(scalar: bytes, point: bytes) -> None:
    ours = keys.x25519(scalar, point)
    key = X25519PrivateKey.from_private_bytes(scalar)
    assert keys.x25519(scalar, keys.BASE_POINT) == key.public_key().public_bytes_raw()
    if any(ours):
        assert key.exchange(X25519PublicKey.from_public_bytes(point)) == ours


def test_hkdf_gives_what_rfc_5869_says() -> None:
    salt, info = bytes(range(13)), bytes(range(0xF0, 0xFA))
    made = keys.hkdf(b"\x0b" * 22, salt=salt, info=info, size=42)
    assert made.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    made = keys.hkdf(b"\x0b" * 22, salt=b"", info=b"", size=42)
    assert made.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


@given(secret=KEYS, salt=st.binary(min_size=1, max_size=80), info=st.binary(max_size=200), size=st.integers(1, 200))
def test_hkdf_is_that_of_the_library(secret: bytes, salt: bytes, info: bytes, size: int) -> None:
    assert keys.hkdf(secret, salt=salt, info=info, size=size) == HKDF(SHA256(), size, salt, info).derive(secret)


# --- boxes ----------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(private=KEYS, recovery=KEYS, inventory=SLUGS, host=SLUGS)
def test_the_recovery_key_opens_the_sealed_one(private: bytes, recovery: bytes, inventory: str, host: str) -> None:
    sealed = box(private, recovery, inventory, host)
    public = pair_of(private).public_key
    key = open_box(sealed["box"], pair_of(recovery), inventory=inventory, host=host, public_key=public)
    assert key == Secret(base64.b64encode(private).decode())
    assert sealed["public_key"] == public
    assert re.fullmatch(r"[A-Za-z0-9+/]{128}", sealed["box"])


@settings(max_examples=40, deadline=None)
@given(private=KEYS, recovery=KEYS, other=KEYS, where=st.integers(0, 95), flip=st.integers(1, 255))
def test_nobody_else_has_anything_of_it(private: bytes, recovery: bytes, other: bytes, where: int, flip: int) -> None:
    sealed, pair, public = box(private, recovery), pair_of(recovery), pair_of(private).public_key
    changed = bytearray(base64.b64decode(sealed["box"]))
    changed[where] ^= flip
    damaged = base64.b64encode(changed).decode()
    attempts = [
        (sealed["box"], pair, "another", "h", public),
        (sealed["box"], pair, "i", "another", public),
        (sealed["box"], pair, "i", "h", pair_of(b"\x01" * 32).public_key),
    ]
    # X25519 has two ways to write a point: the top bit of the sender's key counts for nothing to it, but to the HMAC.
    attempts.append((damaged, pair, "i", "h", public))
    if pair_of(other).public_key != pair.public_key:
        attempts.append((sealed["box"], pair_of(other), "i", "h", public))
    for text, key, inventory, host, public_key in attempts:
        with pytest.raises(BoxError):
            open_box(text, key, inventory=inventory, host=host, public_key=public_key)


def test_two_boxes_of_one_key_have_nothing_in_common() -> None:
    one, other = (base64.b64decode(box(b"\x07" * 32, b"\x09" * 32)["box"]) for _ in range(2))
    assert all(one[at : at + 32] != other[at : at + 32] for at in (0, 32, 64))


@pytest.mark.parametrize("point", [bytes(32), (1).to_bytes(32, "little")], ids=["zero", "one"])
def test_a_recovery_key_to_which_everything_is_nothing_is_sealed_to_by_nobody(point: bytes) -> None:
    tunnel = pair_of(b"\x07" * 32)
    order: Any = {"recovery": base64.b64encode(point).decode(), "inventory": "i", "host": "h"}
    with pytest.raises(Failed, match="is no key"):
        keys.seal(tunnel.private_key.reveal(), tunnel.public_key, order)


@RELAY
@settings(max_examples=40, deadline=None)
@given(data=st.binary(min_size=96, max_size=96), recovery=KEYS)
def test_what_a_host_made_up_opens_to_an_error_and_nothing_else(data: bytes, recovery: bytes) -> None:
    for text in (data, bytes(32) + data[32:]):
        with pytest.raises(BoxError):
            open_box(
                base64.b64encode(text).decode(),
                pair_of(recovery),
                inventory="i",
                host="h",
                public_key=pair_of(b"\x01" * 32).public_key,
            )


# --- on paper -------------------------------------------------------------------------------------
@given(private=KEYS)
def test_what_is_written_down_is_read_as_the_same_key(private: bytes) -> None:
    pair = pair_of(private)
    lines = on_paper(pair.private_key)
    assert all(re.fullmatch(r"[1-4]: [0-9A-Z]{4}( [0-9A-Z]{4}){3}", line) for line in lines)
    bare = [line[3:] for line in lines]
    for text in (
        "\n".join(lines),
        "\n".join(bare).lower(),
        "".join(bare).replace(" ", "-"),
        "\n\n".join(line.replace("0", "o").replace("1", "l") for line in bare),
    ):
        assert from_paper(text) == pair


@given(private=KEYS, line=st.integers(0, 3), at=st.integers(0, 15), letter=st.sampled_from(ALPHABET))
def test_a_mistyped_letter_is_seen_and_its_line_named(private: bytes, line: int, at: int, letter: str) -> None:
    text = on_paper(pair_of(private).private_key)[line][3:].replace(" ", "")
    typed = text[:at] + letter + text[at + 1 :]
    if typed == text:
        return
    read: bytes | UsageError
    try:
        read = line_from_paper(line + 1, typed)
    except UsageError as error:
        read = error
    if isinstance(read, UsageError):
        assert f"line {line + 1}" in read.message
        assert typed not in read.message + read.hint
    else:  # one in 65,536: what the checksum misses is another key all the same, and so not the inventory's
        assert read != line_from_paper(line + 1, text)


@given(private=KEYS)
def test_lines_that_changed_places_are_seen(private: bytes) -> None:
    first, second, *rest = (line[3:] for line in on_paper(pair_of(private).private_key))
    if first != second:
        with pytest.raises(UsageError):
            from_paper("\n".join([second, first, *rest]))


@pytest.mark.parametrize("text", ["", "x", "1: AAAA", "!" * 64, "0" * 63, "0" * 65, "\n".join(["0" * 16] * 5)])
def test_what_is_no_recovery_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="this is no recovery key"):
        from_paper(text)


@given(
    one=st.text("abc", min_size=1, max_size=3),
    other=st.text("abc", min_size=1, max_size=3),
    ids=st.tuples(SLUGS, SLUGS),
)
def test_a_vouched_key_is_of_one_vault_one_inventory_and_one_key(one: str, other: str, ids: tuple[str, str]) -> None:
    word = vouched(Secret(one), ids[0], "key")
    assert (vouched(Secret(other), ids[0], "key") == word) == (one == other)
    assert (vouched(Secret(one), ids[1], "key") == word) == (ids[0] == ids[1])
    assert vouched(Secret(one), ids[0], "another") != word


texts = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.integers(-(2**63), 2**63 - 1)


@given(inventory=texts, province=texts, listing=texts, run=texts, number=numbers, at=numbers, plane=st.binary())
def test_a_row_is_sealed_over_one_text(
    *, inventory: str, province: str, listing: str, run: str, number: int, at: int, plane: bytes
) -> None:
    packed = PackedProvince(province, listing, plane, plane)
    said = seal_message(inventory, packed, run, number, at)
    empty = seal_message("", PackedProvince("", "", plane, plane), "", 0, 0)
    planes = empty.removeprefix('["verdicts","","",0,"",0,"",').removesuffix("]").replace('"', "").split(",")
    assert said == canonical_text(["verdicts", inventory, province, number, run, at, listing, *planes])
