"""A run's document as it is stored: one pass makes its hash and its packed text, of which no more is there at a time.

Imports nothing that is not pure.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from provisioner.base.document_parts import canonical_parts


class PackedDocument(NamedTuple):
    """A document, packed.

    Attributes:
        digest: the hash of its canonical text, as an entry names it.
    """

    digest: str
    packed: bytes


def packed_document(document: Mapping[str, object]) -> PackedDocument:
    """Pack a document, which may have a long list at its top."""
    hashed, machine, packed = hashlib.sha256(), zlib.compressobj(), bytearray()
    for part in canonical_parts(document):
        text = part.encode()
        hashed.update(text)
        packed += machine.compress(text)
    packed += machine.flush()
    return PackedDocument(f"sha256:{hashed.hexdigest()}", bytes(packed))
