"""Vietnamese text: cleaned, compared, and read from wrong encodings. Pure.

It stands outside `geography` because importing spreadsheets folds headers and the inventory folds zones
with the same function: two functions would disagree one day.
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
