"""Signatures and Ed25519 keys, by a library that imports slowly. Pure."""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_CURVES: Final[dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}


def verifies(algorithm: str, key: Sequence[bytes], made: Sequence[bytes], signed: bytes) -> bool:
    """Return whether a public key made a signature over these bytes.

    `algorithm` is `ed25519`, `rsa-sha2-256`, `rsa-sha2-512` or a NIST curve. `key` is the Ed25519 key or curve point,
    for RSA exponent and modulus. `made` has one number, two for ECDSA.
    """
    try:
        _verify_signature(algorithm, key, made, signed)
    except (InvalidSignature, ValueError):  # ValueError: a point that is not on its curve
        return False
    return True


def _verify_signature(algorithm: str, key: Sequence[bytes], signature_parts: Sequence[bytes], message: bytes) -> None:
    if algorithm == "ed25519":
        ed25519.Ed25519PublicKey.from_public_bytes(key[0]).verify(signature_parts[0], message)
    elif algorithm in _CURVES:
        curve, digest = _CURVES[algorithm]
        der = utils.encode_dss_signature(*(int.from_bytes(number, "big") for number in signature_parts))
        ec.EllipticCurvePublicKey.from_encoded_point(curve, key[0]).verify(der, message, ec.ECDSA(digest))
    else:
        exponent, modulus = (int.from_bytes(number, "big") for number in key)
        digest = hashes.SHA512() if algorithm == "rsa-sha2-512" else hashes.SHA256()
        rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(
            signature_parts[0], message, padding.PKCS1v15(), digest
        )


def is_signed_by(public: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether a key made a plain signature over a message."""
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def private_key_in(content: bytes) -> Ed25519PrivateKey | None:
    """Read an unencrypted Ed25519 key from OpenSSH or PEM; `None` if invalid."""
    is_ssh = b"OPENSSH PRIVATE KEY" in content
    load = serialization.load_ssh_private_key if is_ssh else serialization.load_pem_private_key
    try:
        key: object = load(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PrivateKey) else None


def public_key_in(content: bytes) -> Ed25519PublicKey | None:
    """Read a public Ed25519 key from OpenSSH or PEM; `None` if invalid."""
    is_pem = content.startswith(b"-----")
    load = serialization.load_pem_public_key if is_pem else serialization.load_ssh_public_key
    try:
        key: object = load(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None
