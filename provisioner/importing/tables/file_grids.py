"""From a file's bytes to grids. Whatever is no spreadsheet is refused by name; nothing raises anything else."""

from __future__ import annotations

import stat
from pathlib import Path

from provisioner.importing.cells.findings import FileRefusedError, error
from provisioner.importing.cells.grid import Grid
from provisioner.importing.cells.limits import MAX_FILE_BYTES
from provisioner.importing.tables.delimited import read_delimited
from provisioner.importing.tables.xlsx import read_workbook

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The container of .xls, and of workbooks that are closed with a password."""


def read_file(path: Path) -> bytes:
    """Read a file that is an ordinary one and not too large.

    Raises:
        FileRefusedError: it is not, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileRefusedError(error("file-not-regular"))
        if status.st_size > MAX_FILE_BYTES:
            raise FileRefusedError(error("file-too-large", limit=MAX_FILE_BYTES // 2**20))
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise FileRefusedError(error("file-missing")) from None
    except OSError as failure:
        raise FileRefusedError(error("file-unreadable", cause=failure.strerror or "")) from None
    if len(data) > MAX_FILE_BYTES:
        raise FileRefusedError(error("file-too-large", limit=MAX_FILE_BYTES // 2**20))
    return data


def grids_of(data: bytes) -> tuple[Grid, ...]:
    """The sheets of a file; what it is follows from its bytes, not from its name.

    Raises:
        FileRefusedError: it is no spreadsheet that can be read.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise FileRefusedError(error("file-empty"))
    if data.startswith(_ZIP):
        return read_workbook(data)
    if data.startswith(_OLE):
        closed = "EncryptedPackage".encode("utf-16-le") in data
        raise FileRefusedError(error("file-encrypted" if closed else "file-xls"))
    return (read_delimited(data),)
