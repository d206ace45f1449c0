"""The view's server, which takes bundles over HTTPS.

A client certificate keeps strangers out. Whose bundle it is, the signature says. A bundle is stored if its signature
fits a key of the file, below the folder of that key; each key has a bounded number of bytes. So one controller can
neither take another's place nor fill the disk of all.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from provisioner.base.errors import NoticeError, UsageError
from provisioner.ministry.bundle import MOST_PACKED, BundleError, bundle_name, key_of, verified
from provisioner.ministry.transports import MOST_FILES, FolderTransport, ReportFolder
from provisioner.ministry.trust import Trust
from provisioner.nodes.envelope import PART_BYTES
from provisioner.nodes.jetstream import Broker, MailboxError, view_mailbox
from provisioner.web.server import Listener, ServerAddress, server_of

_MOST_OF_KEY: Final = 2 * 2**30  #: Bytes of one key's bundles.
_BODY_S: Final = 120.0
_ASKED_S, _AGAIN_S = 1.0, 5.0
_SMALL: Final = 2**20  #: Bytes; a report of 20,000 facilities has fewer.
_MOST_AT_ONCE: Final = 8  #: Larger bodies in memory.


@dataclass
class Receiver:
    """Stores bundles of known keys."""

    folder: Path
    trust: Callable[[], Trust]

    def store(self, bundle: bytes) -> str:
        """Store a bundle and return its name; or raise `BundleError`, `NoticeError`, `UsageError`."""
        key = key_of(bundle)
        verified(bundle, self.trust().keys)
        own = self.folder / key
        try:
            own.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise NoticeError(f"{own} cannot be used: {error.strerror}") from None
        name, sizes = bundle_name(bundle), [stored.size for stored in ReportFolder(own).bundles()]
        is_full = len(sizes) >= MOST_FILES or sum(sizes) + len(bundle) > _MOST_OF_KEY
        if is_full and not (own / name).exists():
            raise NoticeError(f"the reports of {key} are {MOST_FILES} files, or more than {_MOST_OF_KEY // 2**30} GiB")
        FolderTransport(own).send(bundle)
        return name


def receiving_app(receiver: Receiver) -> Starlette:
    """Return the application: `PUT /reports/NAME` alone."""
    slots = asyncio.Semaphore(_MOST_AT_ONCE)

    async def put(request: Request) -> Response:
        length = _length(request.headers.get("content-length", ""))
        if length is None:
            return PlainTextResponse("a report has a length, and a bounded one\n", 413, {"Connection": "close"})
        # Slow senders of large bodies may hold all slots. Bodies of usual size need none.
        async with slots if length > _SMALL else nullcontext():
            try:
                body = await asyncio.wait_for(_body(request, length), _BODY_S)
                name = await run_in_threadpool(receiver.store, body)
            except (TimeoutError, ClientDisconnect):
                return PlainTextResponse("the report did not come whole\n", 408)
            except BundleError as error:
                return PlainTextResponse(f"{error}\n", 422)
            except (NoticeError, UsageError) as error:
                return PlainTextResponse(f"{error.message}\n", 507)
        if name != request.path_params["name"]:
            return PlainTextResponse("stored under its own name\n", 200)
        return PlainTextResponse("stored\n", 200)

    return Starlette(routes=[Route("/reports/{name}", put, methods=["PUT"])])


def take_from_broker(receiver: Receiver, broker: Broker, tell: Callable[[str], None], stop: threading.Event) -> None:
    """Store a broker's bundles until `stop`; tell what is wrong."""
    mailbox = view_mailbox(broker, MOST_PACKED // PART_BYTES + 1)
    try:
        while not stop.is_set():
            try:
                bundle = mailbox.receive(_ASKED_S)
                if bundle is not None:
                    tell(f"took {receiver.store(bundle)}")
            except (BundleError, NoticeError, MailboxError, UsageError) as error:
                tell(getattr(error, "message", str(error)))
                stop.wait(_AGAIN_S if isinstance(error, MailboxError) else 0)
    finally:
        mailbox.close()


def _length(text: str) -> int | None:
    """Return a body's length in bytes, if it is within the bound."""
    digits = text.lstrip("0") or text[-1:]
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MOST_PACKED))
    return int(digits) if is_number and int(digits) <= MOST_PACKED else None


async def _body(request: Request, length: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > length:
            raise BundleError("it is longer than its length")
        parts.append(part)
    return b"".join(parts)


def receiving_server(
    receiver: Receiver, address: ServerAddress, clients: Path, listener: Listener, ready: Callable[[], None]
) -> uvicorn.Server:
    """Return a server for holders of certificates, or raise `UsageError`.

    `clients` is the authority of the certificates.
    """
    if not address.is_secure:
        raise UsageError("reports are taken over TLS alone", hint="write --certificate FILE --key FILE")
    try:
        ssl.create_default_context(cafile=str(clients))
    except (OSError, ssl.SSLError):
        hint = "write the PEM file of the authority that signs controllers' certificates"
        raise UsageError(f"{clients} cannot be used", hint=hint) from None
    return server_of(receiving_app(receiver), address, listener, ready, clients=clients)
