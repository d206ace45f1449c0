"""Keys of invented offices, and signatures: by the real `ssh-keygen`, and by hand for what it would not make."""

import atexit
import base64
import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provisioner.base.ssh_signature import ssh_text

KINDS = ("ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048")
NAMESPACE = "plan@provisioner"


@cache
def key_file(office: str, kind: str = "ed25519") -> Path:
    """An office's private key; the public one lies beside it."""
    folder = mkdtemp(prefix="keys-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / f"{office}-{kind}"
    name, _, bits = kind.partition("-")
    size = ["-b", bits] if bits else []
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "", "-t", name, *size, "-f", str(path)], check=True)
    return path


def public_line(office: str, kind: str = "ed25519") -> str:
    """An office's public key, as signers.yml has it."""
    words = key_file(office, kind).with_name(f"{office}-{kind}.pub").read_text(encoding="utf-8").split()
    return " ".join(words[:2])


def armoured(message: bytes, office: str, kind: str = "ed25519", namespace: str = NAMESPACE) -> bytes:
    """What the real `ssh-keygen` makes of a message."""
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key_file(office, kind))]
    return subprocess.run(argv, input=message, capture_output=True, check=True).stdout


def bare(data: bytes) -> str:
    """The base64 of an armoured signature."""
    return b"".join(data.split(b"\n")[1:-2]).decode()


def ed25519_blob(private: Ed25519PrivateKey) -> bytes:
    """A public key in SSH's wire format."""
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return ssh_text(b"ssh-ed25519") + ssh_text(raw)


def by_hand(
    message: bytes,
    private: Ed25519PrivateKey,
    *,
    blob: bytes | None = None,
    namespace: bytes = NAMESPACE.encode(),
    hash_name: bytes = b"sha512",
    reserved: bytes = b"",
    scheme: bytes = b"ssh-ed25519",
    version: int = 1,
    touched: int | None = None,
) -> str:
    """A signature in base64, with whatever is wished to be wrong with it; with `touched` it is a token's."""
    hashed = hashlib.new(hash_name.decode(), message).digest()
    signed = b"SSHSIG" + ssh_text(namespace) + ssh_text(reserved) + ssh_text(hash_name) + ssh_text(hashed)
    flags = b""
    if touched is not None:
        flags = bytes([touched, 0, 0, 0, 7])
        signed = hashlib.sha256(b"ssh:").digest() + flags + hashlib.sha256(signed).digest()
    made = ssh_text(scheme) + ssh_text(private.sign(signed)) + flags
    parts = [blob or ed25519_blob(private), namespace, reserved, hash_name, made]
    data = b"SSHSIG" + version.to_bytes(4, "big") + b"".join(ssh_text(part) for part in parts)
    return base64.b64encode(data).decode()


def token_blob(private: Ed25519PrivateKey) -> bytes:
    """The same key as if it lived in a security token."""
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return ssh_text(b"sk-ssh-ed25519@openssh.com") + ssh_text(raw) + ssh_text(b"ssh:")


def rsa_line(exponent: bytes, modulus: bytes) -> str:
    """A line with an RSA key of these numbers."""
    blob = ssh_text(b"ssh-rsa") + ssh_text(exponent) + ssh_text(modulus)
    return f"ssh-rsa {base64.b64encode(blob).decode()}"
