"""MediaMTX's program as a file to ship: from the release, a mirror or a local file, always by checksum."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import requests

from provisioner.base.errors import HostError
from provisioner.base.own_folder import make_own_folder
from provisioner.inventory.model import MediamtxArtefact

_RELEASE = "https://github.com/bluenviron/mediamtx/releases/download/v{version}/mediamtx_v{version}_linux_{arch}.tar.gz"
_TIMEOUT_S = (10, 120)


def fetch(artefact: MediamtxArtefact, arch: str, root: Path, environment: Mapping[str, str]) -> Path:
    """The artefact for an architecture (`amd64`, `arm64`), checked, from the cache where it is there.

    `root` is the inventory's folder: a relative `file:` path is from there.

    Raises:
        HostError: it cannot be had, or its checksum is another one; nothing is installed then.
    """
    checksum = dict(artefact.sha256).get(arch)  # type: ignore[call-overload]
    if checksum is None:
        raise HostError(
            f"the inventory has no checksum of MediaMTX {artefact.version} for {arch}",
            hint=f"add it to inventory.yml at mediamtx.sha256.{arch}",
            object="mediamtx",
        )
    if artefact.source.startswith("file:"):
        path = (root / artefact.source.removeprefix("file:")).resolve()
        return _checked(path, str(checksum), str(path))
    cached = _cache(environment) / f"{artefact.version}-{arch}-{checksum[:16]}"
    address = _RELEASE if artefact.source == "release" else artefact.source
    address = address.replace("{version}", artefact.version).replace("{arch}", arch)
    if not cached.exists():
        _download(address, cached, str(checksum))
    return _checked(cached, str(checksum), address)


def _cache(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "/root")) / ".cache")
    folder = Path(base) / "provisioner/mediamtx"
    try:
        make_own_folder(folder)
    except OSError as error:
        hint = "give yourself the folder, or name another one with XDG_CACHE_HOME"
        raise HostError(f"MediaMTX cannot be kept in {folder}: {error.strerror}", hint=hint) from None
    return folder


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked(path: Path, checksum: str, origin: str) -> Path:
    if not path.is_file():
        raise HostError(f"MediaMTX: {origin} is not there", hint="see mediamtx.source in inventory.yml")
    digest = _digest(path)
    if digest != checksum:
        raise HostError(
            f"MediaMTX: the checksum of {origin} is {digest}, the inventory says {checksum}",
            hint="nothing was installed; compare with the release's checksums.sha256",
            object="mediamtx",
        )
    return path


def _download(address: str, target: Path, checksum: str) -> None:
    try:
        with requests.get(address, stream=True, timeout=_TIMEOUT_S) as answer:
            answer.raise_for_status()
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as stream:
                for part in answer.iter_content(1 << 20):
                    stream.write(part)
    except requests.RequestException as error:
        raise HostError(
            f"MediaMTX: {address} cannot be had: {type(error).__name__}",
            hint="set mediamtx.source in inventory.yml to a mirror or to file:PATH",
            object="mediamtx",
        ) from None
    beside = Path(stream.name)
    digest = _digest(beside)
    if digest != checksum:
        beside.unlink()
        raise HostError(
            f"MediaMTX: the checksum of {address} is {digest}, the inventory says {checksum}",
            hint="nothing was installed; compare with the release's checksums.sha256",
            object="mediamtx",
        )
    beside.replace(target)
