"""What a webhook is sent: a body, and beside it a signature over the moment and the body. Pure."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from provisioner.base.secret import Secret

TIMESTAMP: Final = "Provisioner-Timestamp"
SIGNATURE: Final = "Provisioner-Signature"
DELIVERY: Final = "Provisioner-Delivery"


def body_of(document: object) -> bytes:
    """A document as it is sent."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def signed_headers(body: bytes, key: Secret, at: datetime, delivery: str) -> Mapping[str, str]:
    """The headers by which a receiver knows that a body is ours, is not old, and is not the same one again.

    The signature is an HMAC-SHA-256 over the timestamp, a full stop, and the body's bytes.

    Args:
        body: what is sent.
        key: the receiver's.
        at: when it is sent.
        delivery: names this notice; it stays the same when it is sent again.
    """
    timestamp = str(int(at.timestamp()))
    mac = hmac.digest(key.reveal().encode(), timestamp.encode() + b"." + body, "sha256").hex()
    return {TIMESTAMP: timestamp, SIGNATURE: f"v1={mac}", DELIVERY: delivery}
