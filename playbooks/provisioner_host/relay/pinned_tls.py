"""Encrypted connections to relays, which are known by the fingerprint of their certificate and by nothing else.

Whoever signed a certificate, and for how long, says nothing here: the tunnel leads to the relay alone, and which
certificate it shows is written down. The library is loaded where somebody reads encrypted, as it costs every start.
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

ANOTHER = "it shows another certificate than the one that is written down"
"""What is said of a relay that cannot be the one that is meant; the controller knows it by these words."""


def own(file: Path | None = None) -> str:
    """The fingerprint of the certificate that this host shows its own readers.

    Raises:
        OSError, ValueError: it has none.
    """
    from provisioner_host.machine.paths import READERS_FILE  # noqa: PLC0415 (the confined part has no such module)

    text = (file or READERS_FILE).read_text(encoding="ascii")
    begin = text.index(_BEGIN) + len(_BEGIN)
    return hashlib.sha256(base64.b64decode(text[begin : text.index(_END, begin)])).hexdigest()


def wrapped(link: socket.socket) -> ssl.SSLSocket:
    """A connection, to be encrypted: nothing has been said over it yet."""
    import ssl  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(link, do_handshake_on_connect=False)


def shows(link: ssl.SSLSocket, fingerprint: str) -> bool:
    """Whether the other end of a connection that is encrypted by now showed that certificate."""
    return hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest() == fingerprint


def refusal(address: str, port: int, fingerprint: str, timeout_s: float) -> str:
    """Why a relay is not read from; empty where it shows its certificate.

    Args:
        address: the relay's.
        port: of its encrypted RTSP.
        fingerprint: of the certificate that it has to show, SHA-256 in hexadecimal.
        timeout_s: how long all of it may take.
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
