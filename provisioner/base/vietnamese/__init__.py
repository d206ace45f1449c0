"""Vietnamese text: what is kept, what is compared, and what is not Unicode at all. Pure; knows nothing else of ours.

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
