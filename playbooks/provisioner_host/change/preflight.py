"""Checks beside the live files, and installation of new MediaMTX programs."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host.change.transaction import ApplyTransaction
from provisioner_host.firewall import firewall, lockout
from provisioner_host.machine import files, paths, units
from provisioner_host.machine.paths import SIDE
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay
from provisioner_host.tunnel import second_tunnel, tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import FactsAnswer, ProgramToInstall

_GZIP = b"\x1f\x8b"
MOST_UNPACKED = 256 * 1024 * 1024  #: Four times the size of MediaMTX.


def install_program(change: ApplyTransaction) -> None:
    """Install the MediaMTX in the request, if any."""
    program = change.request["program"]
    if program is None or not program["artefact"]:
        return
    change.step("install MediaMTX", lambda: install(change.folder / "files/artefact", program))


def uninstall_program(change: ApplyTransaction) -> None:
    """Remove the new program of a refused change."""
    program = change.request["program"]
    manifest = files.read_json(paths.MANIFEST)
    if program is None or not program["artefact"] or manifest is None:
        return
    if program["path"] in manifest.get("programs", {}) and program["path"] not in change.had_programs:
        Path(program["path"]).unlink(missing_ok=True)
        del manifest["programs"][program["path"]]
        if manifest == {"files": [], "programs": {}}:
            paths.MANIFEST.unlink()
        else:
            files.write_json(paths.MANIFEST, manifest)


def install(artefact: Path, program: ProgramToInstall) -> None:
    """Install MediaMTX from a release archive or a bare program.

    Raises:
        Failed: the checksum differs, or the archive has no program.
    """
    digest = files.sha256(artefact)
    if digest != program["sha256"]:
        raise Failed(f"the artefact's checksum is {digest}, the inventory says {program['sha256']}")
    with artefact.open("rb") as stream:
        folded = stream.read(len(_GZIP)) == _GZIP
    content = program_in(artefact) if folded else artefact.read_bytes()
    target = Path(program["path"])
    # Listed first: a program that is listed and not there is nothing, one that is there unlisted stays for ever.
    manifest = files.read_json(paths.MANIFEST) or {"files": []}
    programs = manifest.get("programs", {}) | {str(target): hashlib.sha256(content).hexdigest()}
    files.write_json(paths.MANIFEST, manifest | {"programs": programs})
    files.write(target, content, mode=0o755)
    units.relabel((target,))


class _Bounded(io.RawIOBase):
    """A stream with a size limit, against decompression bombs."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        super().__init__()
        self._stream = stream
        self._left = MOST_UNPACKED

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise Failed(f"the archive unfolds to more than {MOST_UNPACKED // 2**20} MiB")
        return content


def program_in(artefact: Path) -> bytes:
    """Return the program in a release archive."""
    try:
        with gzip.open(artefact) as unfolded, tarfile.open(fileobj=_Bounded(unfolded), mode="r|") as archive:
            for entry in archive:
                if entry.name == "mediamtx" and entry.isreg() and (member := archive.extractfile(entry)) is not None:
                    return bytes(member.read())
    except (EOFError, OSError, tarfile.TarError, zlib.error) as error:
        raise Failed(f"the archive cannot be read: {type(error).__name__}") from None
    raise Failed("the archive holds no mediamtx")


def check(change: ApplyTransaction, facts: FactsAnswer) -> None:
    """Check all changes beside the live state, or raise `Failed`."""
    wanted = change.wanted
    change.step("check files", lambda: _refuse_folders(wanted))
    if str(paths.NFT_FILE) in wanted:
        rules = change.staged(paths.NFT_FILE)
        change.step("check rules", lambda: firewall.intended(rules))
        if must_load(facts) and change.request["lockout"]["check"]:
            ssh = change.request["lockout"]
            change.step("check lock-out", lambda: lockout.check(rules, ssh["ssh_port"], ssh["networks"]))
    if SIDE and str(paths.TUNNEL_FILE) in wanted:
        link = change.staged(paths.TUNNEL_FILE)
        change.step("check networks", lambda: tunnel.refuse_collision(link))
    if str(paths.TUNNEL_FILE) in wanted:
        second = change.staged(paths.TUNNEL_FILE)
        change.step("check next key", lambda: second_tunnel.refuse_keys(second))
    if str(paths.WG_FILE) in wanted and _tunnel_moves(change, facts):
        conf, psk = change.staged(paths.WG_FILE), change.staged(paths.PSK_FILE)
        change.step("check tunnel", lambda: tunnel.check(conf, psk))
    program = change.request["program"]
    if program is not None and str(paths.MEDIAMTX_FILE) in wanted and _relay_files_differ(change):
        path = Path(program["path"])
        readers = change.content(str(paths.READERS_FILE)) if str(paths.READERS_FILE) in wanted else b""
        change.step("check relay", lambda: check_relay(path, change.content(str(paths.MEDIAMTX_FILE)), readers))


def _refuse_folders(wanted: Iterable[str]) -> None:
    for path in wanted:
        if Path(path).is_dir():
            raise Failed(f"{path} is a folder, and a file of ours belongs there: move it away, and plan again")


def check_relay(program: Path, content: bytes, readers: bytes = b"") -> None:
    """Test MediaMTX's file as an unprivileged user, or raise `Failed`.

    `readers` is the key and certificates of encrypted readers, or empty.
    """
    folder = paths.RUN / f"stage-{os.getpid()}"
    files.folder(paths.RUN, 0o700)
    files.folder(folder, 0o750, group=paths.PROBE_USER)
    try:
        if readers:
            readers_file = folder / paths.READERS_FILE.name
            files.write(readers_file, readers, mode=0o640, group=paths.PROBE_USER)
            content = content.replace(f'"{paths.READERS_FILE}"'.encode(), f'"{readers_file}"'.encode())
        files.write(folder / "mediamtx.yml", content, mode=0o640, group=paths.PROBE_USER)
        relay.check(program, folder / "mediamtx.yml")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def must_load(facts: FactsAnswer) -> bool:
    """Return whether the live rules differ from the wanted ones."""
    return bool(facts["firewall"]["differences"])


def _tunnel_moves(change: ApplyTransaction, facts: FactsAnswer) -> bool:
    moved = any(change.differs(p) for p in (paths.WG_FILE, paths.PSK_FILE, paths.TUNNEL_FILE))
    return moved or facts["tunnel"] is None


def _relay_files_differ(change: ApplyTransaction) -> bool:
    unit = paths.UNIT_FOLDER / paths.UNIT_MEDIAMTX
    names = (paths.MEDIAMTX_FILE, paths.READERS_FILE)
    moved = any(str(path) in change.wanted and change.differs(path) for path in names)
    return moved or (str(unit) in change.wanted and change.differs(unit))
