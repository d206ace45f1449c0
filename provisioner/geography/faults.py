"""What goes wrong when a province is looked up. A command ends with 2; an importer reports the row.

Messages and hints are whole: whoever catches one has nothing to add but the place.
"""

from __future__ import annotations

from typing import ClassVar

from provisioner.base.errors import UsageError


class ProvinceError(UsageError):
    """A text, code or slug does not name exactly one province."""

    code: ClassVar[str] = "province"


class UnknownSchemeError(ProvinceError):
    """There is no such list of provinces."""

    code = "province-scheme-unknown"


class UnknownProvinceError(ProvinceError):
    """Nothing in the list has this code, slug or name; a similar name is suggested and never taken."""

    code = "province-unknown"


class AmbiguousProvinceError(ProvinceError):
    """A code, slug or unit has several readings; the message shows them."""

    code = "province-ambiguous"


class ContradictoryProvinceError(ProvinceError):
    """A name and a code that stand together are of two provinces; the message shows both readings."""

    code = "province-contradiction"
