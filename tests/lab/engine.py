"""The relay program of the lab: the real MediaMTX where one can be had, else the stand-in, which says so."""

import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import requests

from .errors import LabError
from .patience import stretched
from .standin.build import build

VERSION: Final = "v1.20.1"
_STANDIN_VERSION: Final = f"{VERSION}+standin"
_RELEASE: Final = "https://github.com/bluenviron/mediamtx/releases/download/{0}/mediamtx_{0}_linux_{1}.tar.gz"
_ARCHIVES: Final = {
    "x86_64": ("amd64", "81b143f55a5d23d4a8c028d52869c14ea4a59919900528698fcc97a747fd69c6"),
    "aarch64": ("arm64", "d1689f0bfefb1864e5ed3dcc8495eb2d7ec0a654f90bf3cd48980cb3bd08718a"),
}
_TIMEOUTS: Final = (3, 30)
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that relays: where it is, the digest of its file, what it says of its version, and its full name."""

    path: Path
    sha256: str
    version: str
    name: str

    @property
    def arch(self) -> str:
        """This machine's architecture, as releases name it."""
        return _ARCHIVES.get(platform.machine(), (platform.machine(), ""))[0]

    @property
    def is_real(self) -> bool:
        """Whether this is MediaMTX itself."""
        return self.version == VERSION


def find_engine() -> Engine:
    """Return the first that works of: `MEDIAMTX_BIN`, PATH, the cache, the official release, the stand-in."""
    if named := os.environ.get("MEDIAMTX_BIN"):
        return _named(Path(named))
    cached = _cache() / VERSION / "mediamtx"
    for candidate in (shutil.which("mediamtx"), cached):
        if candidate and _version(Path(candidate)) == VERSION:
            return _engine(Path(candidate))
    if _download(cached):
        return _engine(cached)
    return _engine(_standin())


def standin() -> Engine:
    """Return the stand-in, whatever else there is."""
    return _engine(_standin())


def _named(path: Path) -> Engine:
    """Take what was named; a wrong name must not quietly give something else."""
    version = _version(path)
    if version not in {VERSION, _STANDIN_VERSION}:
        raise LabError(f"MEDIAMTX_BIN={path} says {version or 'nothing'}; needed is {VERSION}")
    return _engine(path)


def _engine(path: Path) -> Engine:
    version = _version(path)
    number = VERSION.removeprefix("v")
    name = f"mediamtx {number}" if version == VERSION else f"stand-in {number} (not MediaMTX)"
    return Engine(path, _sha256(path), version, name)


def _version(path: Path) -> str:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=stretched(15), check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "provisioner" / "mediamtx"


def _download(target: Path) -> bool:
    """Fetch the official release; false where it cannot be reached. Another checksum than ours is an error."""
    if platform.machine() not in _ARCHIVES:
        return False
    architecture, expected = _ARCHIVES[platform.machine()]
    with tempfile.TemporaryFile() as archive:
        try:
            with requests.get(_RELEASE.format(VERSION, architecture), stream=True, timeout=_TIMEOUTS) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(_CHUNK):
                    archive.write(chunk)
        except requests.RequestException:
            return False
        archive.seek(0)
        found = hashlib.file_digest(archive, "sha256").hexdigest()
        if found != expected:
            raise LabError(f"the release of MediaMTX {VERSION} has the checksum {found}, not {expected}")
        archive.seek(0)
        _unpack(archive, target)
    return True


def _unpack(archive: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=archive, mode="r:gz") as tar, tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        packed = tar.extractfile("mediamtx")
        if packed is None:
            raise LabError(f"the release of MediaMTX {VERSION} has no program in it")
        program = Path(scratch) / "mediamtx"
        with program.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        program.chmod(0o755)
        # Whole or not at all: others may look for it at the same time.
        program.replace(target)


def _standin() -> Path:
    target = _cache() / _STANDIN_VERSION / "mediamtx"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        return build(Path(scratch) / "mediamtx").replace(target)
