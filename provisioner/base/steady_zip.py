"""Zip files whose bytes depend on what is in them alone: spreadsheets and documents made twice are the same. Pure."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest moment that the format can say."""

_CHUNK: Final = 8192
_UNCHANGED: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType({})


def steady_zip(content: bytes, changes: Mapping[str, Callable[[bytes], bytes]] = _UNCHANGED) -> bytes:
    """The same members in the same order, without the moments at which they were packed.

    Args:
        content: a zip file.
        changes: by a member's name, what becomes of its bytes.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as steady:
        for name in packed.namelist():
            info = zipfile.ZipInfo(name, _EPOCH)
            # Else the file says on which system it was made.
            info.create_system, info.compress_type = 0, zipfile.ZIP_DEFLATED
            if change := changes.get(name):
                steady.writestr(info, change(packed.read(name)))
                continue
            # A country's sheet is larger than what it is packed into, and never held as a whole.
            with packed.open(name) as source, steady.open(info, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    return out.getvalue()
