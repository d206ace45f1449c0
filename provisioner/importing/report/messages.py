"""The sentences of findings, in English and in Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.contacts.messages import CATALOGUE as OF_CONTACTS
from provisioner.contacts.messages import Language, Wording
from provisioner.importing.cells.findings import FindingLevel, Remark
from provisioner.importing.report.messages_en import ENGLISH
from provisioner.importing.report.messages_vi import OF_RULES, VIETNAMESE

__all__ = ["CATALOGUE", "LEVELS", "Language", "wording"]

CATALOGUE: Mapping[Language, Mapping[str, Wording]] = {
    Language.EN: {**OF_CONTACTS[Language.EN], **ENGLISH},
    Language.VI: {**OF_CONTACTS[Language.VI], **VIETNAMESE},
}
LEVELS: Mapping[Language, Mapping[FindingLevel, str]] = {
    Language.EN: {FindingLevel.ERROR: "error", FindingLevel.WARNING: "warning", FindingLevel.NOTE: "note"},
    Language.VI: {FindingLevel.ERROR: "lỗi", FindingLevel.WARNING: "cảnh báo", FindingLevel.NOTE: "ghi chú"},
}


def wording(remark: Remark, language: Language) -> Wording:
    """Message and hint of a remark; the inventory's rules bring their own, in English."""
    fills = dict(remark.fills)
    if "message" in fills:
        own = Wording(fills["message"], fills["hint"])
        translated = OF_RULES.get(remark.code, OF_RULES[""]) if language is Language.VI else None
        return Wording(translated.message.format_map(fills), translated.hint.format_map(fills)) if translated else own
    words = CATALOGUE[language][remark.code]
    return Wording(words.message.format_map(fills), words.hint.format_map(fills))
