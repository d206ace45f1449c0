"""An address or a name with a port, as one text: of an IPv6 address in brackets. Pure."""

from __future__ import annotations


def endpoint_text(host: object, port: int) -> str:
    """A host and a port, e.g. `192.0.2.1:22`, `[2001:db8::1]:22`, `relay.example.com:22`.

    Args:
        host: an address or a host name, or the text of one.
        port: the port.
    """
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
