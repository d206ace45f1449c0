"""TLS connections to relays, authenticated by certificate fingerprint only.

Issuer and expiry do not matter: the tunnel leads to the relay alone, and its fingerprint is on record. `ssl` is
imported on use, as it slows every start.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"

#: The refusal of a wrong certificate; the controller matches these words.
ANOTHER = "it shows another certificate than the one that is written down"


def own(file: Path | None = None) -> str:
    """Return the fingerprint of this host's certificate for readers.

    `OSError` or `ValueError` is raised without a certificate.
    """
    from provisioner_host.machine.paths import READERS_FILE  # noqa: PLC0415 (the confined part has no such module)

    text = (file or READERS_FILE).read_text(encoding="ascii")
    begin = text.index(_BEGIN) + len(_BEGIN)
    return hashlib.sha256(base64.b64decode(text[begin : text.index(_END, begin)])).hexdigest()


def wrapped(link: socket.socket) -> ssl.SSLSocket:
    """Wrap a fresh connection in TLS, before the handshake."""
    import ssl  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(link, do_handshake_on_connect=False)


def shows(link: ssl.SSLSocket, fingerprint: str) -> bool:
    """Return whether the peer of an encrypted connection has this fingerprint."""
    return hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest() == fingerprint


def refusal(address: str, port: int, fingerprint: str, timeout_s: float) -> str:
    """Return why a relay fails the fingerprint check, or an empty string.

    `timeout_s` limits the whole check.
    """
    until = time.monotonic() + timeout_s
    try:
        with socket.create_connection((address, port), timeout_s) as plain:
            plain.settimeout(max(0.1, until - time.monotonic()))
            link = wrapped(plain)
            with contextlib.closing(link):
                link.do_handshake()
                return "" if shows(link, fingerprint) else ANOTHER
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except OSError as error:
        return error.strerror or str(error)
