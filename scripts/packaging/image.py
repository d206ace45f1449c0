"""The container image, made of a bundle by Docker, and the Debian that it stands on."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from scripts.packaging.bill import SystemPackage
from scripts.packaging.errors import RefusedError
from scripts.packaging.programs import run

#: Debian's suites that the image can stand on, each with the image that is pulled for it.
SUITES: Final = {"bookworm": "debian:12-slim", "trixie": "debian:13-slim"}
#: The packages of Debian's that the program needs.
NEEDS: Final = ("git", "libatomic1", "libstdc++6", "openssh-client", "python3", "tzdata")
_LABEL: Final = "provisioner.image"
_PULL_S: Final = 60
_BUILD_S: Final = 900


def base_image(suite: str) -> str:
    """A Debian to build on: the pulled one, by its digest; where none can be pulled, one made of Debian's packages.

    Raises:
        RefusedError: neither can be had.
    """
    pulled = _pulled(SUITES[suite])
    if pulled:
        return pulled
    made = f"provisioner-base-{suite}:{'-'.join(NEEDS).replace('+', '.')}"  # a tag has no plus
    if run(["docker", "image", "ls", "--quiet", made]).strip():
        return made
    if shutil.which("mmdebstrap") is None:
        raise RefusedError(
            f"{SUITES[suite]} cannot be pulled here, and mmdebstrap, which makes one, is missing",
            hint="apt-get install mmdebstrap; or leave the image out: --no-image",
        )
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "base.tar"
        # As in Debian's own small images: no manuals, no translations.
        lean = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "info", "locale", "lintian")]
        kind = ["--variant=minbase", '--aptopt=APT::Install-Recommends "false"', f"--include={','.join(NEEDS)}"]
        run(["mmdebstrap", *kind, *lean, suite, archive], timeout_s=_BUILD_S)
        run(["docker", "import", "--change", f"LABEL {_LABEL}=base", archive, made])
    return made


def _pulled(name: str) -> str:
    """The image with its digest; empty where it cannot be pulled."""
    try:
        run(["docker", "pull", "--quiet", name], timeout_s=_PULL_S)
    except RefusedError:
        return ""
    return run(["docker", "image", "inspect", "--format", "{{index .RepoDigests 0}}", name]).strip()


@dataclass(frozen=True, slots=True)
class Image:
    """An image that can be built."""

    bundle: Path  #: The archive of the bundle of this machine.
    version: str  #: The program's version.
    revision: str  #: The commit's id.
    seconds: int  #: The time that it says, since 1970.

    @contextmanager
    def built(self, base: str, tag: str) -> Iterator[None]:
        """Build it for a while, without any network where the base has what is needed.

        Whatever had its tag before has it again afterwards.

        Args:
            base: the image that it stands on.
            tag: what it is called.

        Raises:
            RefusedError: Docker refuses it.
        """
        before = run(["docker", "image", "ls", "--quiet", "--no-trunc", tag]).strip()
        try:
            self._build(base, tag)
            yield
        finally:
            if run(["docker", "image", "ls", "--quiet", tag]).strip():
                run(["docker", "image", "rm", tag])
            if before:
                run(["docker", "tag", before, tag])

    def _build(self, base: str, tag: str) -> None:
        created = datetime.fromtimestamp(self.seconds, UTC).isoformat().replace("+00:00", "Z")
        said = {"BASE": base, "VERSION": self.version, "REVISION": self.revision, "CREATED": created}
        arguments = [word for name, value in said.items() for word in ("--build-arg", f"{name}={value}")]
        made_here = base.startswith("provisioner-base-")
        with tempfile.TemporaryDirectory() as scratch:
            run(["tar", "-C", scratch, "-xf", self.bundle])
            (folder,) = Path(scratch).iterdir()
            arguments += ["--tag", tag, "--label", f"{_LABEL}=image", "--file", f"{folder}/Containerfile"]
            arguments += ["--network", "none"] if made_here else []
            run(["docker", "build", "--quiet", *arguments, folder], timeout_s=_BUILD_S)


def system_packages(tag: str) -> tuple[SystemPackage, ...]:
    """The packages of Debian's in an image."""
    form = "${Package} ${Version} ${Architecture}\\n"
    argv = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "dpkg-query",
        tag,
        "--show",
        f"--showformat={form}",
    ]
    return tuple(SystemPackage(*line.split()) for line in run(argv).splitlines())


def save(tag: str, target: Path) -> None:
    """Write an image as `docker load` reads it, compressed.

    Raises:
        RefusedError: Docker refuses it.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        plain = Path(scratch) / "image.tar"
        run(["docker", "save", "--output", plain, tag])
        with plain.open("rb") as source, target.open("wb") as stream:
            archive = gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=6, mtime=0)
            with archive:
                shutil.copyfileobj(source, archive)
