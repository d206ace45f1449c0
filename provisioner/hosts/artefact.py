"""MediaMTX's program as a file for hosts, identified by its checksum.

It comes from the release, a mirror or a local file. An author of an inventory change may name any source. So local
files come only from folders in this machine's settings, and an error about a wrong checksum tells no more.
"""

import gzip
import hashlib
import os
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from provisioner.base.errors import HostError
from provisioner.base.files import make_own_folder, open_regular
from provisioner.base.text import msg, printable
from provisioner.inventory.model.policy import MediamtxArtefact

_GZIP: Final = b"\x1f\x8b"
_MAGIC: Final = b"\x7fELF"
_HEADER: Final = 20
# Offsets of the byte order and of e_machine in the header (elf(5)).
_ORDER_AT, _MACHINE_AT = 5, 18
_ORDERS: Final = {1: "<H", 2: ">H"}
_MACHINES: Final = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}
# The program comes first in a release's archive, or after a few short texts.
_MOST_UNFOLDED: Final = 1 << 20

FOLDERS: Final = "PROVISIONER_ARTEFACTS"
_RELEASE = "https://github.com/bluenviron/mediamtx/releases/download/v{version}/mediamtx_v{version}_linux_{arch}.tar.gz"
ARCHITECTURES: Final = ("amd64", "arm64")  #: Architectures of relays.
_PROGRAM: Final = "mediamtx"
_SHOWN: Final = 40
_MOST_BYTES: Final = 256 * 1024 * 1024
_BLOCK: Final = 1 << 20
# By the attributes that the kernel changes with every write: an apply needs the file once for each new relay.
_DIGESTS: Final[dict[tuple[int, ...], str]] = {}


@dataclass(frozen=True)
class _ArtefactSource:
    """An artefact's local path and source; `address` is empty if local."""

    path: Path
    arch: str
    checksum: str
    address: str
    origin: str


def architecture_of(artefact: Path, program: str) -> str:
    """Return the architecture of a program or `.tar.gz` (ELF), or empty."""
    with artefact.open("rb") as stream:
        begins = stream.read(_HEADER)
    return _machine_of(_header_of_program(artefact, program) if begins.startswith(_GZIP) else begins)


def _header_of_program(archive: Path, program: str) -> bytes:
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


def _machine_of(header: bytes) -> str:
    if len(header) < _HEADER or not header.startswith(_MAGIC) or header[_ORDER_AT] not in _ORDERS:
        return ""
    (machine,) = struct.unpack_from(_ORDERS[header[_ORDER_AT]], header, _MACHINE_AT)
    return _MACHINES.get(machine, f"machine {machine}")


def fetch(artefact: MediamtxArtefact, arch: str, environment: Mapping[str, str]) -> Path:
    """Return the verified artefact, cached if possible, or raise `HostError`."""
    source = _source_of(artefact, arch, environment)
    if source.address and not source.path.exists():
        _download(source.address, source.path, source.checksum, environment)
    return _checked_path(source)


def refusal_here(artefact: MediamtxArtefact, arch: str, environment: Mapping[str, str]) -> HostError | None:
    """Return why this machine would not ship an artefact, without network."""
    try:
        source = _source_of(artefact, arch, environment)
        if not source.address or source.path.exists():
            _checked_path(source)
    except HostError as error:
        return error
    return None


def _source_of(artefact: MediamtxArtefact, arch: str, environment: Mapping[str, str]) -> _ArtefactSource:
    if arch not in ARCHITECTURES:
        raise HostError(
            msg(
                "there is no MediaMTX for {arch}: relays are of {architectures}",
                printable(arch, _SHOWN),
                " or ".join(ARCHITECTURES),
            ),
            hint="a relay of that hardware cannot be had: put another machine in its place",
            object="mediamtx",
        )
    checksum = dict(artefact.sha256).get(arch)  # type: ignore[call-overload]
    if checksum is None:
        raise HostError(
            msg("the inventory has no checksum of MediaMTX {version} for {arch}", artefact.version, arch),
            hint=msg("add it to inventory.yml at mediamtx.sha256.{arch}", arch),
            object="mediamtx",
        )
    if artefact.source.startswith("file:"):
        named = _filled(artefact.source.removeprefix("file:"), artefact, arch)
        return _ArtefactSource(_local(named, environment), arch, str(checksum), "", named)
    cached = _cache_folder(environment) / f"{artefact.version}-{arch}-{checksum[:16]}"
    address = _filled(_RELEASE if artefact.source == "release" else artefact.source, artefact, arch)
    return _ArtefactSource(cached, arch, str(checksum), address, address)


def _filled(source: str, artefact: MediamtxArtefact, arch: str) -> str:
    return source.replace("{version}", artefact.version).replace("{arch}", arch)


# --- local files ------------------------------------------------------------------------------------
def _local(named: str, environment: Mapping[str, str]) -> Path:
    """Return the named file if in an allowed folder; touch no other."""
    folders = [Path(name) for name in environment.get(FOLDERS, "").split(":") if name.startswith("/")]
    inside = list(_paths_inside(named, folders))
    if not inside:
        raise HostError(
            msg("MediaMTX: file:{named} is in no folder of {folders}", named, FOLDERS),
            hint=msg(
                "put the file into a folder of this machine, and name that in {folders}; the inventory cannot", FOLDERS
            ),
            object="mediamtx",
        )
    return next((path for path in inside if path.exists()), inside[0])


def _paths_inside(named: str, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        written = os.path.normpath(folder / named)
        if Path(written).is_relative_to(os.path.normpath(folder)):
            path = Path(written).resolve()
            if path.is_relative_to(folder.resolve()):
                yield path


def _checked_path(source: _ArtefactSource) -> Path:
    try:
        digest = _digest(source.path)
    except OSError:
        raise HostError(
            msg("MediaMTX: {origin} is not there", source.origin), hint="see mediamtx.source in inventory.yml"
        ) from None
    if digest != source.checksum:
        raise _other_checksum(source.origin)
    if (built_for := architecture_of(source.path, _PROGRAM)) not in {"", source.arch}:
        raise HostError(
            msg(
                "MediaMTX: {origin} is built for {built_for}, and the inventory has its checksum for {arch}",
                source.origin,
                built_for,
                source.arch,
            ),
            hint=msg(
                "MediaMTX was not installed; let mediamtx.source lead to each architecture's own file,"
                " and put its checksum at mediamtx.sha256.{arch}",
                source.arch,
            ),
            object="mediamtx",
        )
    return source.path


def _digest(path: Path) -> str:
    """Return a file's SHA-256, once per process; empty if too large."""
    with os.fdopen(open_regular(path), "rb") as stream:
        status = os.fstat(stream.fileno())
        same = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if same not in _DIGESTS:
            _DIGESTS[same] = _digest_of(stream)
        return _DIGESTS[same]


def _digest_of(stream: BinaryIO) -> str:
    digest, bytes_left = hashlib.sha256(), _MOST_BYTES
    while bytes_left > 0 and (block := stream.read(_BLOCK)):
        digest.update(block)
        bytes_left -= len(block)
    return digest.hexdigest() if bytes_left > 0 else ""


def _other_checksum(origin: str) -> HostError:
    return HostError(
        msg("MediaMTX: the checksum of {origin} is not the one in the inventory", origin),
        hint="MediaMTX was not installed; compare mediamtx.sha256 with the release's checksums.sha256",
        object="mediamtx",
    )


# --- downloads --------------------------------------------------------------------------------------
def _cache_folder(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "/root")) / ".cache")
    folder = Path(base) / "provisioner/mediamtx"
    try:
        make_own_folder(folder)
    except OSError as error:
        hint = "give yourself the folder, or name another one with XDG_CACHE_HOME"
        raise HostError(
            msg("MediaMTX cannot be kept in {folder}: {strerror}", folder, error.strerror), hint=hint
        ) from None
    return folder


def _download(address: str, target: Path, checksum: str, environment: Mapping[str, str]) -> None:
    # Only here: what speaks HTTPS takes a tenth of a second, which each apply would pay.
    from provisioner.hosts.download import MirrorError, Mirrors, download  # noqa: PLC0415

    mirrors = Mirrors.from_environment(environment)
    handle, draft = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            download(address, stream, mirrors)
        if _digest(Path(draft)) != checksum:
            raise _other_checksum(address)
        Path(draft).replace(target)
    except MirrorError as error:
        raise HostError(
            msg("MediaMTX: {address} cannot be had: {error}", address, error),
            hint="set mediamtx.source in inventory.yml to a mirror or file:PATH; a private network's mirror has to be"
            " named in PROVISIONER_ARTEFACT_MIRRORS",
            object="mediamtx",
        ) from None
    finally:
        Path(draft).unlink(missing_ok=True)
