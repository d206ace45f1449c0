"""Workbooks that an import gives out: files that nobody else can read."""

from __future__ import annotations

from pathlib import Path

from provisioner.contacts.private_file import write_private


def write_workbook(path: Path, content: bytes, *, force: bool) -> None:
    """Write a workbook with mode 0600.

    Raises:
        UsageError: there is one already, or it cannot be written.
    """
    write_private(path, content, force=force)
