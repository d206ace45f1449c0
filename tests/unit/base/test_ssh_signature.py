"""Signatures are judged as the real `ssh-keygen` judges them, and nothing that is malformed gets as far as that."""

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.ssh_signature import (
    MAX_BYTES,
    SignatureFormError,
    is_made_by_its_key,
    public_key_of,
    signature_of,
    ssh_text,
    unarmoured,
)
from tests import signatures as make
from tests.hostile import MERGE_REQUEST

MESSAGE = b"party: dic\ncontent: x\n"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
GOOD = make.by_hand(MESSAGE, PRIVATE)


def by_token(touched: int) -> str:
    blob, scheme = make.token_blob(PRIVATE), b"sk-ssh-ed25519@openssh.com"
    return make.by_hand(MESSAGE, PRIVATE, blob=blob, scheme=scheme, touched=touched)


def holds(encoded: str, message: bytes = MESSAGE) -> bool:
    """Whether a signature is one, is for plans, and is of a message."""
    try:
        signature = signature_of(encoded)
    except SignatureFormError:
        return False
    return signature.namespace == make.NAMESPACE.encode() and is_made_by_its_key(signature, message)


# --- as ssh-keygen has it -------------------------------------------------------------------------
@pytest.mark.parametrize("kind", make.KINDS)
def test_what_ssh_keygen_signs_is_of_its_key_and_of_nothing_else(kind: str) -> None:
    encoded = unarmoured(make.armoured(MESSAGE, "office", kind))
    assert holds(encoded)
    assert not holds(encoded, MESSAGE + b"\n")
    assert signature_of(encoded).key == public_key_of(make.public_line("office", kind))


@pytest.mark.parametrize("kind", make.KINDS)
def test_a_fingerprint_is_the_one_that_ssh_keygen_shows(kind: str) -> None:
    argv = ["ssh-keygen", "-l", "-f", f"{make.key_file('office', kind)}.pub"]
    shown = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()[1]
    assert public_key_of(make.public_line("office", kind)).fingerprint == shown


@pytest.mark.parametrize("hash_name", [b"sha256", b"sha512"])
def test_what_holds_here_holds_for_ssh_keygen(tmp_path: Path, hash_name: bytes) -> None:
    encoded = make.by_hand(MESSAGE, PRIVATE, hash_name=hash_name)
    assert holds(encoded)
    assert (_accepts(tmp_path, encoded, MESSAGE), _accepts(tmp_path, encoded, b"other")) == (True, False)


def _accepts(folder: Path, encoded: str, message: bytes) -> bool:
    """Whether the real `ssh-keygen -Y verify` takes a signature."""
    line = f"office ssh-ed25519 {base64.b64encode(make.ed25519_blob(PRIVATE)).decode()}\n"
    (folder / "allowed").write_text(line, encoding="utf-8")
    armour = f"-----BEGIN SSH SIGNATURE-----\n{encoded}\n-----END SSH SIGNATURE-----\n"
    (folder / "made.sig").write_text(armour, encoding="utf-8")
    argv = ["ssh-keygen", "-Y", "verify", "-f", f"{folder}/allowed", "-I", "office", "-n", make.NAMESPACE]
    done = subprocess.run([*argv, "-s", f"{folder}/made.sig"], input=message, capture_output=True, check=False)
    return done.returncode == 0


def test_a_tokens_signature_counts_only_if_somebody_touched_it() -> None:
    key = public_key_of(f"sk-ssh-ed25519@openssh.com {base64.b64encode(make.token_blob(PRIVATE)).decode()}")
    touched = by_token(1)
    assert holds(touched)
    assert signature_of(touched).key == key
    assert not holds(by_token(0))


# --- what is refused ------------------------------------------------------------------------------
@MERGE_REQUEST
@given(at=st.integers(0, len(base64.b64decode(GOOD)) - 1), bit=st.integers(0, 7))
def test_a_signature_with_one_other_bit_is_none(at: int, bit: int) -> None:
    data = bytearray(base64.b64decode(GOOD))
    data[at] ^= 1 << bit
    assert not holds(base64.b64encode(data).decode())


@MERGE_REQUEST
@given(st.integers(0, len(base64.b64decode(GOOD)) - 1))
def test_a_signature_that_was_cut_is_none(length: int) -> None:
    assert not holds(base64.b64encode(base64.b64decode(GOOD)[:length]).decode())


@MERGE_REQUEST
@given(st.binary(max_size=200))
def test_bytes_that_are_no_signature_are_refused_and_break_nothing(data: bytes) -> None:
    assert not holds(base64.b64encode(data).decode())
    assert not holds(base64.b64encode(b"SSHSIG\0\0\0\1" + data).decode())


@MERGE_REQUEST
@pytest.mark.parametrize(
    "encoded",
    [
        GOOD + "=",
        f" {GOOD}",
        GOOD[:8] + "\n" + GOOD[8:],
        base64.b64encode(base64.b64decode(GOOD) + b"\0").decode(),
        base64.b64encode(b"\0" * (MAX_BYTES + 1)).decode(),
        base64.b64encode(b"SSHSIG\0\0\0\1\xff\xff\xff\xff").decode(),
        "ü",
        "",
    ],
)
def test_a_signature_is_written_in_one_form_only(encoded: str) -> None:
    assert not holds(encoded)


@MERGE_REQUEST
@pytest.mark.parametrize(
    "encoded",
    [
        make.by_hand(MESSAGE, PRIVATE, namespace=b"git"),
        make.by_hand(MESSAGE, PRIVATE, namespace=b"file"),
        make.by_hand(MESSAGE, PRIVATE, namespace=b""),
        make.by_hand(MESSAGE, PRIVATE, reserved=b"x"),
        make.by_hand(MESSAGE, PRIVATE, hash_name=b"sha1"),
        make.by_hand(MESSAGE, PRIVATE, version=2),
        make.by_hand(MESSAGE, PRIVATE, scheme=b"ssh-rsa"),
        make.by_hand(MESSAGE, PRIVATE, scheme=b"sk-ssh-ed25519@openssh.com"),
        make.by_hand(MESSAGE, PRIVATE, blob=make.token_blob(PRIVATE)),
        make.by_hand(MESSAGE, Ed25519PrivateKey.generate(), blob=make.ed25519_blob(PRIVATE)),
    ],
)
def test_a_signature_made_for_or_by_anything_else_is_none(encoded: str) -> None:
    assert not holds(encoded)


@MERGE_REQUEST
def test_nothing_is_put_where_the_signature_does_not_reach() -> None:
    namespace, made = ssh_text(make.NAMESPACE.encode()), ssh_text(b"ssh-ed25519") + ssh_text(b"?" * 64)
    data = base64.b64decode(GOOD)
    reserved = data.replace(namespace + ssh_text(b""), namespace + ssh_text(b"x"))
    head, signature = data[: -len(ssh_text(made))], data[-len(made) :]
    follows = head + ssh_text(signature + b"x")
    assert head + ssh_text(signature) == data
    assert [holds(base64.b64encode(other).decode()) for other in (data, reserved, follows)] == [True, False, False]


@MERGE_REQUEST
def test_an_rsa_signature_with_sha1_is_none() -> None:
    encoded = unarmoured(make.armoured(MESSAGE, "office", "rsa-2048"))
    data = base64.b64decode(encoded)
    for scheme in (b"rsa-sha2-512", b"rsa-sha2-256"):
        data = data.replace(ssh_text(scheme), ssh_text(b"ssh-rsa"))
    assert not holds(base64.b64encode(data).decode())


@pytest.mark.parametrize(
    "line",
    [
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAAAA",
        f"ssh-rsa {make.public_line('office').split()[1]}",
        f"{make.public_line('office')} somebody@example.com",
        f"{make.public_line('office')}=",
        make.rsa_line(b"", b""),
        make.rsa_line(b"\x03", b"\x7f" * 128),
        make.rsa_line(b"\x01", b"\x7f" * 256),
    ],
    ids=["cut", "dss", "other-type", "comment", "padded", "empty", "short", "exponent"],
)
def test_what_is_no_key_that_may_sign_is_refused(line: str) -> None:
    with pytest.raises(SignatureFormError):
        public_key_of(line)


@pytest.mark.parametrize("data", [b"", GOOD.encode(), b"-----BEGIN SSH SIGNATURE-----\n" * 2, b"x" * 100_000])
def test_a_file_that_ssh_keygen_did_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(SignatureFormError):
        unarmoured(data)


def test_a_point_that_is_not_on_its_curve_verifies_nothing() -> None:
    good = base64.b64decode(unarmoured(make.armoured(MESSAGE, "office", "ecdsa-256")))
    at = good.index(b"nistp256", good.index(b"nistp256") + 1) + 20
    assert not holds(base64.b64encode(good[:at] + b"\x00\x00" + good[at + 2 :]).decode())
