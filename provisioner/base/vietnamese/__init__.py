"""Vietnamese text: cleaned, compared, and read from wrong encodings. Pure.

It is outside `geography`, because spreadsheet import and the inventory must fold with the same function.
"""

from __future__ import annotations

from provisioner.base.vietnamese.spelling import (
    Legacy,
    LegacyEncoding,
    clean,
    fold,
    legacy_encoding,
    possible_readings,
    read_legacy,
)

__all__ = ["Legacy", "LegacyEncoding", "clean", "fold", "legacy_encoding", "possible_readings", "read_legacy"]
