"""Which architecture a program is built for, by its first bytes: an ELF file, as it is or in a release's archive."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Final

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
