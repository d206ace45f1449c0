"""HTTP digest authentication (RFC 7616), also used by RTSP. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from provisioner_host.machine.patterns import pattern

_PARAMETER = pattern(r'([a-z-]{1,20})\s*=\s*(?:"([^"\\\r\n]{0,300})"|([^\s",]{1,100}))', re.IGNORECASE)
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class Challenge(NamedTuple):
    """A device's digest challenge."""

    realm: str
    nonce: str
    algorithm: str
    opaque: str | None
    has_qop: bool


def challenge_in(field: str) -> Challenge | None:
    """Return a supported digest challenge; passwords are never sent in clear."""
    scheme = re.search(r"\bdigest\s+", field, re.IGNORECASE)
    if scheme is None:
        return None
    parameters = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(field, scheme.end())}
    algorithm = parameters.get("algorithm", "MD5").upper()
    if "nonce" not in parameters or "realm" not in parameters or algorithm not in _HASHES:
        return None
    modes = [mode.strip() for mode in parameters.get("qop", "").lower().split(",")]
    if modes not in ([""], ["auth"]) and "auth" not in modes:
        return None
    return Challenge(parameters["realm"], parameters["nonce"], algorithm, parameters.get("opaque"), "auth" in modes)


def digest(challenge: Challenge, login: tuple[str, str], request: tuple[str, str], turn: int, own_nonce: str) -> str:
    """Return the header that answers a challenge (RFC 7616).

    `request` is method and URI, `turn` the nonce count from 1, `own_nonce` our nonce.
    """
    (user, password), (method, path) = login, request

    def hashed(text: str) -> str:
        return hashlib.new(_HASHES[challenge.algorithm], text.encode(), usedforsecurity=False).hexdigest()

    of_login, of_request = hashed(f"{user}:{challenge.realm}:{password}"), hashed(f"{method}:{path}")
    count = f"{turn:08x}"
    middle = f"{challenge.nonce}:{count}:{own_nonce}:auth" if challenge.has_qop else challenge.nonce
    named = "".join(letter for letter in user if letter.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    parts = [
        f'username="{named}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{path}"',
        f"algorithm={challenge.algorithm}",
        f'response="{hashed(f"{of_login}:{middle}:{of_request}")}"',
        *([f'opaque="{challenge.opaque}"'] if challenge.opaque is not None else []),
        *([f'qop=auth, nc={count}, cnonce="{own_nonce}"'] if challenge.has_qop else []),
    ]
    return f"Digest {', '.join(parts)}"
