"""The province that a row names. What is said of an unknown one does not repeat the cell's text."""

from __future__ import annotations

from provisioner.geography import (
    SCHEMES,
    ContradictoryProvinceError,
    Province,
    ProvinceError,
    by_code,
    by_name,
    merged_into,
    read_province,
)
from provisioner.geography.suggest import similar
from provisioner.importing.cells.findings import Remark, error
from provisioner.importing.tables.records import Record
from provisioner.inventory.model import Inventory


def province_of(record: Record, inventory: Inventory) -> tuple[str | None, Remark | None]:
    """The slug of the province that a row names, by the list of its facility or of the inventory.

    None without a remark where the row names none, None with a remark where it cannot be understood.
    """
    text, code = record.text("province"), record.text("province_code")
    named = code if text is None else text
    if named is None:
        return None, None
    existing = inventory.facilities.get(record.text("facility_id") or "")
    own = existing.province_scheme if existing else None
    schemes = dict.fromkeys([*([own] if own else []), inventory.settings.province_scheme])
    remark: Remark | None = None
    for scheme in schemes:
        try:
            return read_province(named, scheme, code if text else None).slug, None
        except ContradictoryProvinceError:
            remark = _contradiction(named, code or "", scheme)
        except ProvinceError:
            remark = _unknown(named, scheme)
    return None, remark


def _contradiction(text: str, code: str, scheme: str) -> Remark:
    name = by_name(text, scheme) if _is_name(text, scheme) else "?"
    return error("province-contradiction", name=name, coded=by_code(code, scheme), scheme=scheme)


def _is_name(text: str, scheme: str) -> bool:
    try:
        return bool(by_name(text, scheme))
    except ProvinceError:
        return False


def _unknown(text: str, scheme: str) -> Remark:
    if scheme != SCHEMES[0] and _is_name(text, SCHEMES[0]):
        old = by_name(text, SCHEMES[0])
        return error("province-merged", scheme=scheme, old=old, older=SCHEMES[0], now=merged_into(old))
    close: list[Province] = list(similar(text, scheme))
    coded = _coded(text.zfill(2), scheme)
    if coded:  # Excel took the zero
        close = [coded]
    if not close:
        return error("province-unknown", scheme=scheme)
    return error("province-similar", scheme=scheme, similar="; ".join(map(str, close)))


def _coded(code: str, scheme: str) -> Province | None:
    try:
        return by_code(code, scheme)
    except ProvinceError:
        return None
