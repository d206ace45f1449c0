"""The webhook of a forge: it wakes the agent, and nothing else. What it brings is read to its end and not used. Pure.

GitHub and Forgejo sign the body (HMAC-SHA-256); GitLab sends the secret itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from provisioner.base.secret import Secret

PATH: Final = "/hook"
MOST_BODY: Final = 1024 * 1024
SIGNATURES: Final = ("HTTP_X_HUB_SIGNATURE_256", "HTTP_X_GITEA_SIGNATURE", "HTTP_X_FORGEJO_SIGNATURE")
TOKEN: Final = "HTTP_X_GITLAB_TOKEN"  # noqa: S105 (a header's name)
_PREFIX: Final = "sha256="


def is_genuine(headers: Mapping[str, object], body: bytes, secret: Secret) -> bool:
    """Whether whoever sent a body knows the secret.

    Args:
        headers: as WSGI has them.
        body: all of it.
        secret: that the forge was given.
    """
    key = secret.reveal().encode()
    expected = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
    signed = [str(headers[name]).removeprefix(_PREFIX) for name in SIGNATURES if name in headers]
    # Every comparison takes as long as any other, and all are made.
    matches = [hmac.compare_digest(one.encode("utf-8", "replace"), expected) for one in signed]
    if TOKEN in headers:
        given = hashlib.sha256(str(headers[TOKEN]).encode("utf-8", "replace")).digest()
        matches.append(hmac.compare_digest(given, hashlib.sha256(key).digest()))
    return any(matches)
