"""Opening a TCP listener by an address such as `127.0.0.1:8554` or `:9997`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .errors import StartError, system_reason

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(address: str, handler: Handler, encryption: ssl.SSLContext | None = None) -> asyncio.Server:
    """Listen, encrypted or not; an address without a host means every interface.

    Raises:
        StartError: the address is wrong or in use.
    """
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit():
        message = f"listen tcp: address {address}: missing port in address"
        raise StartError(message)
    try:
        return await asyncio.start_server(handler, host.strip("[]") or None, int(port), ssl=encryption)
    except OSError as error:
        reason = system_reason(error) if error.errno else str(error)
        message = f"listen tcp {address}: bind: {reason}"
        raise StartError(message) from error


def endpoint(writer: asyncio.StreamWriter) -> str:
    """The address and port of the other side."""
    host, port = writer.get_extra_info("peername")[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def remote_host(writer: asyncio.StreamWriter) -> str:
    """The address of the other side."""
    return str(writer.get_extra_info("peername")[0])
