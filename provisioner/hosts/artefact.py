"""The download of a file from an address that the inventory names, and so whoever proposes a change of it.

What is asked is public: each address of the chain of redirects is resolved once, held against that, and connected
to as it was resolved. A host that is named on this machine may be anywhere: carriers have mirrors of their own.

Which architecture a program is built for, by its first bytes: an ELF file, as it is or in a release's archive.

MediaMTX's program as a file to ship: from the release, a mirror or a local file, always by checksum.

The inventory names the source, and so does whoever proposes a change of it. A local file is taken only from folders
that this machine's own settings name, and of a file with another checksum nothing is said but that.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import struct
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import IO, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.exceptions import HTTPError

from provisioner.base.errors import HostError
from provisioner.base.files import make_own_folder, open_regular
from provisioner.base.text import printable
from provisioner.inventory.model import MediamtxArtefact

_GZIP: Final = b"\x1f\x8b"
_MAGIC: Final = b"\x7fELF"
_HEADER: Final = 20
# Where the header says in which order its bytes are, and e_machine (elf(5)).
_ORDER_AT, _MACHINE_AT = 5, 18
_ORDERS: Final = {1: "<H", 2: ">H"}
_MACHINES: Final = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}
# The program comes first in a release's archive, or after a few short texts.
_MOST_UNFOLDED: Final = 1 << 20


def architecture_of(artefact: Path, program: str) -> str:
    """The architecture of a program, e.g. `arm64`; empty where the file is no ELF, or is damaged.

    Args:
        artefact: the program itself, or a `.tar.gz` with it.
        program: its name in the archive.
    """
    with artefact.open("rb") as stream:
        begins = stream.read(_HEADER)
    return _named(_first_of(artefact, program) if begins.startswith(_GZIP) else begins)


def _first_of(archive: Path, program: str) -> bytes:
    try:
        with gzip.open(archive) as unfolded, tarfile.open(fileobj=unfolded, mode="r|") as entries:
            for entry in entries:
                if entry.offset_data > _MOST_UNFOLDED:
                    break
                if entry.name == program and (member := entries.extractfile(entry)) is not None:
                    return member.read(_HEADER)
    except (EOFError, OSError, tarfile.TarError, zlib.error):
        pass
    return b""


def _named(header: bytes) -> str:
    if len(header) < _HEADER or not header.startswith(_MAGIC) or header[_ORDER_AT] not in _ORDERS:
        return ""
    (machine,) = struct.unpack_from(_ORDERS[header[_ORDER_AT]], header, _MACHINE_AT)
    return _MACHINES.get(machine, f"machine {machine}")


FOLDERS: Final = "PROVISIONER_ARTEFACTS"
_RELEASE = "https://github.com/bluenviron/mediamtx/releases/download/v{version}/mediamtx_v{version}_linux_{arch}.tar.gz"
ARCHITECTURES: Final = ("amd64", "arm64")
"""Of what hardware a relay may be."""
_PROGRAM: Final = "mediamtx"
_SHOWN: Final = 40
_MOST_BYTES: Final = 256 * 1024 * 1024
_BLOCK: Final = 1 << 20


def fetch(artefact: MediamtxArtefact, arch: str, environment: Mapping[str, str]) -> Path:
    """The artefact for an architecture (`amd64`, `arm64`), checked, from the cache where it is there.

    Raises:
        HostError: it cannot be had, or its checksum is another one; nothing is installed then.
    """
    place = _place(artefact, arch, environment)
    if place.address and not place.path.exists():
        _download(place.address, place.path, place.checksum, environment)
    return _checked(place)


def refusal_here(artefact: MediamtxArtefact, arch: str, environment: Mapping[str, str]) -> HostError | None:
    """Why this machine would not ship an artefact, as far as it knows that without asking anybody.

    Of one that would have to be downloaded first nothing is known.
    """
    try:
        place = _place(artefact, arch, environment)
        if not place.address or place.path.exists():
            _checked(place)
    except HostError as error:
        return error
    return None


@dataclass(frozen=True)
class _Place:
    """Where an artefact lies on this machine, or is put; `address` is where it comes from, of a local file nothing."""

    path: Path
    arch: str
    checksum: str
    address: str
    origin: str


def _place(artefact: MediamtxArtefact, arch: str, environment: Mapping[str, str]) -> _Place:
    if arch not in ARCHITECTURES:
        raise HostError(
            f"there is no MediaMTX for {printable(arch, _SHOWN)}: relays are of {' or '.join(ARCHITECTURES)}",
            hint="a relay of that hardware cannot be had: put another machine in its place",
            object="mediamtx",
        )
    checksum = dict(artefact.sha256).get(arch)  # type: ignore[call-overload]
    if checksum is None:
        raise HostError(
            f"the inventory has no checksum of MediaMTX {artefact.version} for {arch}",
            hint=f"add it to inventory.yml at mediamtx.sha256.{arch}",
            object="mediamtx",
        )
    if artefact.source.startswith("file:"):
        named = _filled(artefact.source.removeprefix("file:"), artefact, arch)
        return _Place(_local(named, environment), arch, str(checksum), "", named)
    cached = _cache(environment) / f"{artefact.version}-{arch}-{checksum[:16]}"
    address = _filled(_RELEASE if artefact.source == "release" else artefact.source, artefact, arch)
    return _Place(cached, arch, str(checksum), address, address)


def _filled(source: str, artefact: MediamtxArtefact, arch: str) -> str:
    return source.replace("{version}", artefact.version).replace("{arch}", arch)


# --- local files ------------------------------------------------------------------------------------


def _local(named: str, environment: Mapping[str, str]) -> Path:
    """The file that is named, if it lies below a folder of artefacts; nothing elsewhere is so much as looked at."""
    folders = [Path(name) for name in environment.get(FOLDERS, "").split(":") if name.startswith("/")]
    inside = list(_inside(named, folders))
    if not inside:
        raise HostError(
            f"MediaMTX: file:{named} is in no folder of {FOLDERS}",
            hint=f"put the file into a folder of this machine, and name that in {FOLDERS}; the inventory cannot",
            object="mediamtx",
        )
    return next((path for path in inside if path.exists()), inside[0])


def _inside(named: str, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        written = os.path.normpath(folder / named)
        if Path(written).is_relative_to(os.path.normpath(folder)):
            path = Path(written).resolve()
            if path.is_relative_to(folder.resolve()):
                yield path


def _checked(place: _Place) -> Path:
    try:
        digest = _digest(place.path)
    except OSError:
        raise HostError(f"MediaMTX: {place.origin} is not there", hint="see mediamtx.source in inventory.yml") from None
    if digest != place.checksum:
        raise _other_checksum(place.origin)
    if (built_for := architecture_of(place.path, _PROGRAM)) not in {"", place.arch}:
        raise HostError(
            f"MediaMTX: {place.origin} is built for {built_for}, and the inventory has its checksum for {place.arch}",
            hint="nothing was installed; have mediamtx.source lead to each architecture's own file, and put its"
            f" checksum at mediamtx.sha256.{place.arch}",
            object="mediamtx",
        )
    return place.path


def _digest(path: Path) -> str:
    """The SHA-256 of a file; of one that is too large, no more than shows that it is not the one."""
    digest, left = hashlib.sha256(), _MOST_BYTES
    with os.fdopen(open_regular(path), "rb") as stream:
        while left > 0 and (block := stream.read(_BLOCK)):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest() if left > 0 else ""


def _other_checksum(origin: str) -> HostError:
    return HostError(
        f"MediaMTX: the checksum of {origin} is not the one in the inventory",
        hint="nothing was installed; compare mediamtx.sha256 with the release's checksums.sha256",
        object="mediamtx",
    )


# --- downloads --------------------------------------------------------------------------------------


def _cache(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "/root")) / ".cache")
    folder = Path(base) / "provisioner/mediamtx"
    try:
        make_own_folder(folder)
    except OSError as error:
        hint = "give yourself the folder, or name another one with XDG_CACHE_HOME"
        raise HostError(f"MediaMTX cannot be kept in {folder}: {error.strerror}", hint=hint) from None
    return folder


def _download(address: str, target: Path, checksum: str, environment: Mapping[str, str]) -> None:
    # Only here: what speaks HTTPS takes a tenth of a second, which each apply would pay.
    from provisioner.hosts.artefact import MirrorError, Mirrors, download  # noqa: PLC0415

    mirrors = Mirrors.from_environment(environment)
    handle, beside = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            download(address, stream, mirrors)
        if _digest(Path(beside)) != checksum:
            raise _other_checksum(address)
        Path(beside).replace(target)
    except MirrorError as error:
        raise HostError(
            f"MediaMTX: {address} cannot be had: {error}",
            hint="set mediamtx.source in inventory.yml to a mirror or file:PATH; a private network's mirror has to be"
            " named in PROVISIONER_ARTEFACT_MIRRORS",
            object="mediamtx",
        ) from None
    finally:
        Path(beside).unlink(missing_ok=True)


VARIABLE: Final = "PROVISIONER_ARTEFACT_MIRRORS"
_HTTPS_PORT: Final = 443
_MOST_HOPS: Final = 5
_MOST_BYTES_mirror: Final = 256 * 1024 * 1024
_MOST_S: Final = 900
_TIMEOUT_S: Final = (10, 60)
_BLOCK_mirror: Final = 1 << 20
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OF_RELEASES: Final = frozenset({"github.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com"})
_NAT64: Final = IPv6Network("64:ff9b::/96")


class MirrorError(Exception):
    """A file cannot be had; the message says why, and nothing of what is there."""


@dataclass(frozen=True)
class Mirrors:
    """Which hosts may be asked for a file, and over what.

    Attributes:
        named: hosts that this machine's person named: they may have any address.
        proxy: the proxy for HTTPS, or nothing.
        direct: for which hosts it is not asked, as `NO_PROXY` has them.
        authorities: a file of certificates of a carrier's own, or nothing.
    """

    named: frozenset[str] = frozenset()
    proxy: str = field(default="", repr=False)
    direct: str = ""
    authorities: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Mirrors:
        """What the caller's environment says; `~/.netrc` says nothing: its logins are for nobody that is named here."""
        named = environment.get(VARIABLE, "").replace(",", " ").lower().split()
        proxy = _first(environment, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        direct = _first(environment, "no_proxy", "NO_PROXY")
        authorities = _first(environment, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        return cls(frozenset(named), proxy, direct, authorities)


def _first(environment: Mapping[str, str], *names: str) -> str:
    return next((value for name in names if (value := environment.get(name, ""))), "")


def download(address: str, stream: IO[bytes], mirrors: Mirrors) -> None:
    """Fetch a file.

    Args:
        address: an `https://` address.
        stream: where it is written.
        mirrors: which hosts may be asked.

    Raises:
        MirrorError: it cannot be had, or may not be asked for.
    """
    until = time.monotonic() + _MOST_S
    for _ in range(_MOST_HOPS):
        try:
            with _answer(address, mirrors) as answer:
                if answer.status_code not in _REDIRECTS:
                    _copy(answer, stream, until)
                    return
                address = urljoin(address, answer.headers.get("Location", ""))
        except (OSError, ValueError, HTTPError) as error:
            raise MirrorError(type(error).__name__) from None
    raise MirrorError(f"more than {_MOST_HOPS} redirects")


def _answer(address: str, mirrors: Mirrors) -> requests.Response:
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or not host or not host.isascii() or parts.username or parts.password:
        raise MirrorError("it is no https:// address without a login")
    if mirrors.proxy and not should_bypass_proxies(address, no_proxy=mirrors.direct):
        return _ask_proxy(parts, host, mirrors)
    failure = MirrorError("no address")
    for resolved in _addresses(host, parts.port or _HTTPS_PORT, mirrors):
        try:
            return _ask(parts, host, resolved, mirrors)
        except requests.RequestException as error:
            failure = MirrorError(type(error).__name__)
    raise failure


def _ask_proxy(parts: SplitResult, host: str, mirrors: Mirrors) -> requests.Response:
    """Ask over the proxy: which address it connects to is seen by nobody here, so only hosts that are known are."""
    if host not in mirrors.named | _OF_RELEASES:
        raise MirrorError(f"over a proxy only hosts named in {VARIABLE} are asked")
    return _get(requests.Session(), parts.geturl(), parts.netloc, mirrors, {"https": mirrors.proxy})


def _ask(parts: SplitResult, host: str, resolved: str, mirrors: Mirrors) -> requests.Response:
    """Ask the very address that was resolved and looked at: a second look could be told another one."""
    literal = f"[{resolved}]" if ":" in resolved else resolved
    place = parts._replace(netloc=f"{literal}:{parts.port or _HTTPS_PORT}").geturl()
    session = requests.Session()
    session.mount("https://", _NamedHost(host))
    return _get(session, place, parts.netloc, mirrors, {})


def _get(
    session: requests.Session, address: str, host: str, mirrors: Mirrors, proxies: Mapping[str, str]
) -> requests.Response:
    session.trust_env = False
    return session.get(
        address,
        headers={"Accept-Encoding": "identity", "Host": host},
        proxies=dict(proxies),
        verify=mirrors.authorities or True,
        allow_redirects=False,
        stream=True,
        timeout=_TIMEOUT_S,
    )


class _NamedHost(HTTPAdapter):
    """Connects to an address, and holds the certificate against the host's name."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    def init_poolmanager(self, *args: object, **options: object) -> None:
        """Make connections that ask for the host, and take no other's certificate."""
        options |= {"server_hostname": self._host, "assert_hostname": self._host}
        super().init_poolmanager(*args, **options)  # type: ignore[arg-type]


def _copy(answer: requests.Response, stream: IO[bytes], until: float) -> None:
    if answer.status_code != _OK:
        raise MirrorError(f"it answers {answer.status_code}")
    size = 0
    while block := answer.raw.read(_BLOCK_mirror, decode_content=False):
        size += len(block)
        if size > _MOST_BYTES_mirror:
            raise MirrorError(f"it has more than {_MOST_BYTES_mirror // 2**20} MiB")
        if time.monotonic() > until:
            raise MirrorError(f"it takes more than {_MOST_S} s")
        stream.write(block)


# --- which addresses --------------------------------------------------------------------------------


def _addresses(host: str, port: int, mirrors: Mirrors) -> list[str]:
    """The addresses of a host, each one public unless the host is named on this machine.

    Raises:
        MirrorError: it has none that may be asked; whether it has others is not said.
    """
    try:
        listed = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        listed = []
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in listed))
    if not addresses or not (host in mirrors.named or all(map(is_public, addresses))):
        raise MirrorError(f"{host} has no public address, and is not named in {VARIABLE}")
    return addresses


def is_public(text: str) -> bool:
    """Tell whether an address is one of the public Internet, through whatever it is written as."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    inner = _inside_mirror(address)
    return address.is_global and not address.is_multicast and (inner is None or is_public(str(inner)))


def _inside_mirror(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to by a translator or a tunnel."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
