"""Programs and systems that this machine's packages do not have: how each is made, below `out/real`."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parents[2] / "out/real"
GO2RTC: Final = HERE / "bin/go2rtc"
_GO2RTC: Final = "github.com/AlexxIT/go2rtc"
_GO2RTC_VERSION: Final = "v1.9.14"
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_MOST_S: Final = 3600


class MissingError(Exception):
    """A system cannot be had on this machine; the message says why."""


def run(words: Sequence[str | Path], *, folder: Path | None = None, more: dict[str, str] | None = None) -> str:
    """Run a program that makes something; return what it printed, or raise `MissingError`."""
    try:
        done = subprocess.run(
            list(map(str, words)),
            cwd=folder,
            env=os.environ | (more or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except OSError as error:
        raise MissingError(f"{words[0]}: {error.strerror}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["it failed"])[-1]
        raise MissingError(f"{words[0]}: {last}")
    return done.stdout


def make_go2rtc() -> None:
    """Build go2rtc from the Go module proxy."""
    if GO2RTC.exists():
        return
    module = HERE / "go2rtc"
    module.mkdir(parents=True, exist_ok=True)
    (module / "go.mod").write_text(f"module ours\ngo 1.24\nrequire {_GO2RTC} {_GO2RTC_VERSION}\n", encoding="utf-8")
    # A name with @VERSION would ask for the list of all versions, which not every proxy gives.
    more = {"GOBIN": str(GO2RTC.parent), "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    run(["go", "install", _GO2RTC], folder=module, more=more)


def root_of(suite: str, arch: str = "amd64") -> Path:
    """The archive of a bare Debian."""
    return HERE / "roots" / f"{suite}-{arch}.tar"


def make_root(suite: str, arch: str = "amd64") -> None:
    """Make a bare Debian; one for another processor runs through qemu."""
    root = root_of(suite, arch)
    if root.exists():
        return
    if os.geteuid():
        raise MissingError("only root can make a root of Debian")
    own = run(["dpkg", "--print-architecture"]).strip()
    if arch != own:
        if not (_BINFMT / "register").exists():
            run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT])
        run(["update-binfmts", "--enable", "qemu-aarch64"])
    draft = root.with_name(f"draft-{root.name}")
    draft.parent.mkdir(parents=True, exist_ok=True)
    run(["mmdebstrap", "--variant=minbase", "--mode=root", f"--architectures={arch}", suite, draft])
    draft.replace(root)
