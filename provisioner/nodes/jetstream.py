"""Messages between controller and nodes over NATS JetStream.

Both ends connect to a broker, and each may use only its own subjects. Units wait in one stream, read by the node's
consumer, and reports in another. Both stay sealed on the broker's disk for a few minutes. The library needs asyncio,
which runs in its own thread here.
"""

import asyncio
import contextlib
import logging
import os
import queue
import re
import secrets as random
import ssl
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import nats
from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

from provisioner.base.errors import HostError
from provisioner.base.text import printable
from provisioner.nodes import envelope

T = TypeVar("T")
_CONNECT_S: Final = 5.0
_SEND_S: Final = 5.0
_CLOSE_S: Final = 2.0
_FETCH_S: Final = 2.0
_AGAIN_S: Final = 1.0
_LIES_S: Final = 600.0

_MOST_LYING: Final = 1024**3  #: Limit per stream. The broker counts it twice if asked again for an existing stream.

_SHOWN: Final = 200
_HINT: Final = "see whether the broker runs, and whether the certificates and the addresses in the file are right"

#: The broker's errors about a full disk or a limit of its file.
_FULL: Final = re.compile("no space left|error creating store|storage resources|maximum bytes|limits exceeded")

_MOST_KEPT: Final = 64  #: Parts of bundles that the broker keeps of a carrier.
_ROOM: Final = "make room for 3 GiB in the folder that store_dir of its file names, and let max_file_store allow them"
_OUT_OF_TIME: Final = (9, 10)  #: OpenSSL's codes of a certificate that is not valid yet, and of one that has ended.
_CLOCK: Final = "see whether this machine's clock is right; if it is, write new certificates: provisioner node broker"
_HUNG: Final = "see whether it runs; one whose disk was full may hang: make room in its store_dir, and restart it"


class MailboxError(HostError):
    """The broker is unreachable or refuses messages."""


class Mailbox(Protocol):
    """One end of the link.

    Messages may be lost, repeated, delayed or reordered, but they arrive whole.
    """

    @property
    def own(self) -> str:
        """The address for answers."""

    def send(self, to: str, message: bytes) -> None:
        """Send to a carrier's node or a controller's `own`, or raise `MailboxError`."""

    def receive(self, timeout_s: float) -> bytes | None:
        """Return the next message, `None` after the timeout, or raise `MailboxError`."""

    def close(self) -> None:
        """Close the link."""


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker's address and our credentials."""

    url: str  #: `tls://HOST:PORT`; `nats://` only on this machine.
    ca: Path | None = None  #: Its trusted certificates; `None` without encryption.
    certificate: Path | None = None  #: Ours, with its chain.
    certificate_key: Path | None = None  #: Its key.


@dataclass(frozen=True, slots=True)
class _End:
    name: str  #: Its name at the broker.
    own: str  #: The address for answers, and its consumer.
    stream: str  #: The stream that it reads.
    subject_of: Callable[[str], str]  #: Returns the subject of messages to an end.
    prepare: Callable[[JetStreamContext], Awaitable[None]]  #: Creates missing streams and consumers.
    most_parts: int = envelope.MOST_PARTS  #: Parts of a message that it receives.


class JetStreamMailbox:
    """One end of the link, connected on first use."""

    def __init__(self, broker: Broker, end: _End) -> None:
        for library in ("asyncio", "nats"):
            # Log lines of a library without a handler would go to standard error.
            logging.getLogger(library).addHandler(logging.NullHandler())
        self._broker, self._end = broker, end
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._reader: asyncio.Task[None] | None = None
        self._events: queue.SimpleQueue[bytes | MailboxError] = queue.SimpleQueue()
        self._refusal: MailboxError | None = None
        self._refusals = 0
        self._is_closed = False

    @property
    def own(self) -> str:
        """The address for answers."""
        return self._end.own

    def send(self, to: str, message: bytes) -> None:
        """Send a message; afterwards it is on the broker's disk."""
        client, subject = self._open_client(), self._end.subject_of(to)
        for part in envelope.cut(message):
            self._run(self._publish(client.jetstream(domain=envelope.DOMAIN), subject, part), _SEND_S + 1)

    async def _publish(self, stream: JetStreamContext, subject: str, part: bytes) -> None:
        try:
            await stream.publish(subject, part, timeout=_SEND_S)
        except NoStreamResponseError:
            # Its store may be new and empty.
            await self._end.prepare(stream)
            await stream.publish(subject, part, timeout=_SEND_S)

    def receive(self, timeout_s: float) -> bytes | None:
        """Return the next message, or `None` after the timeout."""
        client = self._open_client()
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            if self._refusal is not None:
                raise self._refusal from None
            if not client.is_connected:
                raise MailboxError(f"the broker {self._broker_address} is not reached", hint=_HINT) from None
            return None
        if isinstance(event, MailboxError):
            raise event
        return event

    def close(self) -> None:
        """Close the link."""
        with self._lock:
            self._is_closed = True
            if not self._thread.is_alive():
                self._loop.close()
                return
            with contextlib.suppress(MailboxError):
                self._run(self._end_all(), _CONNECT_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _end_all(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._client is not None:
            # Closing waits for open requests, for ever if the broker is gone.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.close(), _CLOSE_S)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the connection -----------------------------------------------------------------------------
    def _open_client(self) -> Client:
        with self._lock:
            if self._is_closed:
                raise MailboxError("the way to the nodes is closed")
            if self._client is None:
                if not self._thread.is_alive():
                    self._thread.start()
                self._client = self._run(self._connect(), 2 * _CONNECT_S)
            return self._client

    async def _connect(self) -> Client:
        first_failure = self._loop.create_future()

        async def failed(error: Exception) -> None:
            """Replace the library's output to standard error."""
            if not first_failure.done():
                first_failure.set_exception(error)
            elif "permissions violation" in str(error).lower():
                self._refused(error)

        dialling = self._loop.create_task(
            nats.connect(
                self._broker.url,
                name="provisioner",
                tls=self._tls_context(),
                connect_timeout=int(_CONNECT_S),
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                inbox_prefix=envelope.inbox_of(self._end.name),
                error_cb=failed,
            )
        )
        # The library dials on for ever. A person who waits is told of the first failure.
        await asyncio.wait({dialling, first_failure}, timeout=_CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
        if not dialling.done():
            dialling.cancel()
            if first_failure.done():
                await first_failure
            raise TimeoutError
        first_failure.cancel()
        client = await dialling
        try:
            await self._end.prepare(client.jetstream(domain=envelope.DOMAIN))
        except BaseException:
            await client.close()
            raise
        if self._end.own:
            self._reader = self._loop.create_task(self._read(client))
        return client

    def _tls_context(self) -> ssl.SSLContext | None:
        broker = self._broker
        if broker.ca is None:
            return None
        context = ssl.create_default_context(cafile=str(broker.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if broker.certificate is not None:
            context.load_cert_chain(str(broker.certificate), str(broker.certificate_key))
        return context

    async def _read(self, client: Client) -> None:
        """Receive messages while connected; report errors and retry."""
        joiners, subscription = defaultdict[str, envelope.Joiner](lambda: envelope.Joiner(self._end.most_parts)), None
        while not client.is_closed:
            before = self._refusals
            try:
                if subscription is None:
                    stream = client.jetstream(domain=envelope.DOMAIN)
                    subscription = await stream.pull_subscribe_bind(self._end.own, stream=self._end.stream)
                for message in await subscription.fetch(1, timeout=_FETCH_S):
                    self._refusal = None
                    await message.ack()
                    if (complete := joiners[message.subject].add(message.data)) is not None:
                        self._events.put(complete)
            except TimeoutError:
                self._refusal = self._refusal if self._refusals > before else None
            except Exception as error:  # noqa: BLE001 (the library has errors of many kinds, and all mean one thing)
                subscription = None
                self._events.put(self._error_of(error))
                await asyncio.sleep(_AGAIN_S)

    def _refused(self, error: Exception) -> None:
        """Store the broker's refusal until it ends."""
        self._refusals += 1
        refusal = f"does not let {self._end.name} do what it has to: {printable(str(error), _SHOWN)}"
        self._refusal = MailboxError(f"the broker {self._broker_address} {refusal}", hint=_HINT)

    def _run(self, work: Coroutine[object, object, T], timeout_s: float) -> T:
        """Run a coroutine in the library's thread, or raise `MailboxError`."""
        doing = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return doing.result(timeout_s)
        except MailboxError:
            raise
        except Exception as error:  # noqa: BLE001 (as above)
            doing.cancel()
            raise self._error_of(error) from None

    @property
    def _broker_address(self) -> str:
        return printable(self._broker.url.partition("://")[2], _SHOWN)

    def _error_of(self, error: Exception) -> MailboxError:
        hint = _HINT
        if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
            text, hint = "gives no answer", _HUNG
        elif isinstance(error, APIError) and _FULL.search(error.description or ""):
            text, hint = f"has no room: {printable(error.description or '', _SHOWN)}", _ROOM
        elif isinstance(error, (NoStreamResponseError, ServiceUnavailableError)):
            text = "has no JetStream, or not the streams of provisioner"
        elif isinstance(error, APIError):
            text = f"refuses: {printable(error.description or type(error).__name__, _SHOWN)}"
        elif isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OUT_OF_TIME:
            text, hint = f"shows no valid certificate: {error.verify_message}", _CLOCK
        elif isinstance(error, ssl.SSLError):
            text = f"is not the one that the file names: {printable(str(error.reason), _SHOWN)}"
        elif isinstance(error, OSError) and (error.errno or 0) > 0:
            # The library's own words repeat the number and the address.
            text = f"is not reached: {os.strerror(error.errno or 0)}"
        else:
            text = f"is not reached: {printable(' '.join(str(error).split()) or type(error).__name__, _SHOWN)}"
        return MailboxError(f"the broker {self._broker_address} {text}", hint=hint)


def controller_mailbox(broker: Broker, carriers: Sequence[str]) -> JetStreamMailbox:
    """Return a controller's end; it creates missing streams and consumers."""
    consumer = f"controller-{random.token_hex(8)}"

    async def make_streams_and_consumers(stream: JetStreamContext) -> None:
        await _make_streams(stream)
        for carrier in carriers:
            await _make_consumer(
                stream, envelope.UNITS, envelope.node_name(carrier), f"{envelope.UNITS_SUBJECT}.{carrier}", lasts=True
            )
        await _make_consumer(
            stream, envelope.REPORTS, consumer, f"{envelope.REPORTS_SUBJECT}.*.{consumer}", lasts=False
        )

    return JetStreamMailbox(
        broker,
        _End(
            envelope.CONTROLLER,
            consumer,
            envelope.REPORTS,
            lambda to: f"{envelope.UNITS_SUBJECT}.{to}",
            make_streams_and_consumers,
        ),
    )


async def _make_streams(stream: JetStreamContext) -> None:
    for name, subject, retention in (
        (envelope.UNITS, f"{envelope.UNITS_SUBJECT}.*", RetentionPolicy.WORK_QUEUE),
        (envelope.REPORTS, f"{envelope.REPORTS_SUBJECT}.*.*", RetentionPolicy.LIMITS),
    ):
        await stream.add_stream(
            StreamConfig(
                name=name,
                subjects=[subject],
                retention=retention,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_age=_LIES_S,
                max_bytes=_MOST_LYING,
            )
        )


async def _make_consumer(stream: JetStreamContext, stream_name: str, name: str, subject: str, *, lasts: bool) -> None:
    await stream.add_consumer(
        stream_name,
        ConsumerConfig(
            name=name,
            durable_name=name if lasts else None,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=30,
            deliver_policy=DeliverPolicy.ALL,
            inactive_threshold=None if lasts else _LIES_S,
        ),
    )


def node_mailbox(broker: Broker, carrier: str) -> JetStreamMailbox:
    """Return a node's end; the controller creates its consumer."""

    async def prepare(_: JetStreamContext) -> None:
        return

    name = envelope.node_name(carrier)
    return JetStreamMailbox(
        broker, _End(name, name, envelope.UNITS, lambda to: f"{envelope.REPORTS_SUBJECT}.{carrier}.{to}", prepare)
    )


def reporter_mailbox(broker: Broker, carrier: str) -> JetStreamMailbox:
    """Return the sending end of a controller that reports for a carrier."""

    async def prepare(_: JetStreamContext) -> None:
        return

    subject = f"{envelope.BUNDLES_SUBJECT}.{carrier}"
    return JetStreamMailbox(
        broker, _End(envelope.reporter_name(carrier), "", envelope.BUNDLES, lambda _: subject, prepare)
    )


def view_mailbox(broker: Broker, most_parts: int) -> JetStreamMailbox:
    """Return a view's end; it gets all kept bundles at each start."""
    consumer = f"{envelope.VIEW}-{random.token_hex(8)}"

    async def prepare(stream: JetStreamContext) -> None:
        await stream.add_stream(
            StreamConfig(
                name=envelope.BUNDLES,
                subjects=[f"{envelope.BUNDLES_SUBJECT}.*"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_msgs_per_subject=_MOST_KEPT,
                max_bytes=_MOST_LYING,
            )
        )
        await _make_consumer(stream, envelope.BUNDLES, consumer, f"{envelope.BUNDLES_SUBJECT}.*", lasts=False)

    return JetStreamMailbox(broker, _End(envelope.VIEW, consumer, envelope.BUNDLES, lambda to: to, prepare, most_parts))
