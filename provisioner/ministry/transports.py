"""The ways of a bundle to a view, and the view's folder.

A bundle's file is named by its key and its bytes. So a bundle that is sent twice is there once, and no bundle takes
another one's place. A file appears whole or not at all. Readers trust neither names nor folders.
"""

import heapq
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Protocol

from provisioner.base import http
from provisioner.base.errors import HostError, NoticeError, UsageError
from provisioner.base.files import read_regular, replace_file
from provisioner.base.service import toml_settings
from provisioner.base.text import checked_url, printable
from provisioner.ministry.bundle import MOST_PACKED, SUFFIX, bundle_name
from provisioner.nodes.envelope import is_carrier
from provisioner.nodes.jetstream import Broker, MailboxError, reporter_mailbox

_MOST_SETTINGS: Final = 64 * 1024
_OF_BROKER: Final = ("broker_ca", "broker_certificate", "broker_certificate_key")
_SETTINGS: Final = frozenset(
    {"key", "folder", "url", "ca", "certificate", "certificate_key", "broker", "carrier", *_OF_BROKER}
)
_EXAMPLE: Final = 'e.g. key = "report.key" and folder = "/srv/reports"'
_SHOWN: Final = 80
MOST_FILES: Final = 20_000  #: Reports of a folder that a view looks at.
_ADVICE: Final = http.Advice("the settings of reports", "the client certificate")


class ReportTransport(Protocol):
    """A way of bundles to a view."""

    @property
    def name(self) -> str:
        """Its name in messages and in the memory of what was sent."""

    def send(self, bundle: bytes) -> None:
        """Deliver a bundle, any number of times, or raise `NoticeError`."""


@dataclass(frozen=True, slots=True)
class FolderTransport:
    """A folder that a view reads: shared, mounted or copied."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder."""
        return f"folder {self.folder}"

    def send(self, bundle: bytes) -> None:
        """Write the bundle's file, unless it is there."""
        file = self.folder / bundle_name(bundle)
        try:
            if file.exists() and read_regular(file, most=MOST_PACKED) == bundle:
                return
            replace_file(file, bundle, mode=0o644)
        except OSError as error:
            hint = "see that the folder is there, has space, and is yours to write to; the report is sent again"
            raise NoticeError(f"{file} cannot be written: {error.strerror}", hint=hint) from None


@dataclass(frozen=True)
class HttpsTransport:
    """A view's server, which asks for a client certificate."""

    url: str
    certificate: tuple[str, str] | None
    limits: http.HttpLimits = field(default_factory=http.HttpLimits)

    @property
    def name(self) -> str:
        """The server's address."""
        return self.url

    def send(self, bundle: bytes) -> None:
        """Send the bundle with PUT."""
        request = http.Request(
            "PUT",
            f"{self.url.rstrip('/')}/{bundle_name(bundle)}",
            bundle,
            {"Content-Type": "application/octet-stream"},
            certificate=self.certificate,
        )
        try:
            http.try_often(partial(self._attempt, request), self.limits)
        except http.ReachError as error:
            raise NoticeError(f"{self.url}: {error.reason}", hint=error.hint) from None

    def _attempt(self, request: http.Request, seconds: float) -> None:
        answer = http.exchange(request, seconds=seconds, advice=_ADVICE, authorities=self.limits.authorities)
        http.successful_answer(answer, _ADVICE)


@dataclass(frozen=True, slots=True)
class BrokerTransport:
    """A broker (NATS JetStream) that keeps the last bundles of each carrier."""

    broker: Broker
    carrier: str  #: The carrier of the subject.

    @property
    def name(self) -> str:
        """The broker's address."""
        return self.broker.url

    def send(self, bundle: bytes) -> None:
        """Publish the bundle; afterwards it is on the broker's disk."""
        mailbox = reporter_mailbox(self.broker, self.carrier)
        try:
            mailbox.send("", bundle)
        except MailboxError as error:
            raise NoticeError(error.message, hint=error.hint) from None
        finally:
            mailbox.close()


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """A controller's key and its ways."""

    key: Path
    ways: tuple[ReportTransport, ...]


def read_publish_settings(file: Path) -> PublishSettings:
    """Read a controller's settings, file names by its folder; or raise `UsageError`."""
    try:
        text = read_regular(file, most=_MOST_SETTINGS).decode()
    except (OSError, UnicodeDecodeError):
        hint = f"name the file with the key and the ways of reports, {_EXAMPLE}"
        raise UsageError(f"{file} cannot be read", hint=hint) from None
    values = toml_settings(text, os.fspath(file), _SETTINGS, _EXAMPLE)
    for name, value in values.items():
        if not isinstance(value, str) or not value or not value.isprintable():
            _refuse(f"{file}: {name} is no text", f"write it in quotes, {_EXAMPLE}")
    if "key" not in values:
        _refuse(f"{file}: key is missing", "make one: ssh-keygen -t ed25519 -N '' -f report.key")
    place = {name: file.absolute().parent / value for name, value in values.items() if name not in {"url", "broker"}}
    ways: list[ReportTransport] = [FolderTransport(place["folder"])] if "folder" in values else []
    if "url" in values:
        ways.append(_https_way(values["url"], place, file))
    if "broker" in values:
        if not {*_OF_BROKER, "carrier"} <= values.keys() or not is_carrier(values["carrier"]):
            _refuse(f"{file}: broker is not complete", f"write carrier, {', '.join(_OF_BROKER)} too")
        ways.append(BrokerTransport(Broker(values["broker"], *(place[name] for name in _OF_BROKER)), values["carrier"]))
    if not ways:
        _refuse(f"{file} names no way", f"write folder, url or broker, {_EXAMPLE}")
    return PublishSettings(place["key"], tuple(ways))


def _https_way(url: str, place: Mapping[str, Path], file: Path) -> HttpsTransport:
    try:
        checked_url(url)
    except ValueError as error:
        _refuse(f"{file}: url {printable(url, _SHOWN)}: {error}", "e.g. https://view.example.com/reports")
    if ("certificate" in place) != ("certificate_key" in place):
        _refuse(f"{file}: a client certificate needs its key", "write certificate and certificate_key")
    pair = (str(place["certificate"]), str(place["certificate_key"])) if "certificate" in place else None
    return HttpsTransport(url, pair, http.HttpLimits(authorities=str(place["ca"]) if "ca" in place else ""))


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint)


# --- the view's end -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A file in the folder of reports."""

    file: Path
    size: int
    changed: int  #: The time of its last change, in nanoseconds.


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """A folder with bundles, and the folders in it."""

    folder: Path

    def bundles(self, without: Collection[StoredBundle] = ()) -> Iterator[StoredBundle]:
        """Yield each folder's newest bundles, but some, or raise `UsageError`."""
        try:
            with os.scandir(self.folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            hint = "name the folder in which reports of controllers arrive"
            raise UsageError(f"{self.folder} cannot be read: {error.strerror}", hint=hint) from None
        yield from _newest(listed, without)
        for entry in listed:
            with suppress(OSError):  # it was taken away meanwhile
                if entry.is_dir(follow_symlinks=False):
                    with os.scandir(entry.path) as entries:
                        yield from _newest(entries, without)


def _newest(entries: Iterable[os.DirEntry[str]], without: Collection[StoredBundle]) -> list[StoredBundle]:
    stored = (one for one in _stored(entries) if one not in without)
    return heapq.nlargest(MOST_FILES, stored, key=lambda one: (one.changed, one.file))


def _stored(entries: Iterable[os.DirEntry[str]]) -> Iterator[StoredBundle]:
    for one in entries:
        with suppress(OSError):
            if one.name.endswith(SUFFIX) and not one.name.startswith(".") and one.is_file(follow_symlinks=False):
                status = one.stat(follow_symlinks=False)
                yield StoredBundle(Path(one.path), status.st_size, status.st_mtime_ns)


def read_bundle(stored: StoredBundle) -> bytes:
    """Return a file's bytes, or raise `HostError`."""
    try:
        return read_regular(stored.file, most=MOST_PACKED)
    except OSError as error:
        raise HostError(f"{stored.file.name} cannot be read: {error.strerror}") from None
