"""What a receiver was told, as a document that is kept, and back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from provisioner.base.json_document import Document
from provisioner.notify.alerts import Labels
from provisioner.notify.news import NOTHING_KNOWN, KnownTrouble, LastNotice, NightNews, scope_name
from provisioner.verify.result import Cause, Verdict

_VERSION: Final = 1


def record_of(news: NightNews, alerts: Sequence[Labels]) -> Document:
    """What a receiver knows once it was told."""
    return {
        "version": _VERSION,
        "scope": scope_name(news.reader),
        "known": {
            key: [known.verdict.value, known.cause.value, known.first.isoformat()] for key, known in news.knows.items()
        },
        "alerts": [dict(labels) for labels in alerts],
    }


def last_notice(document: Document | None) -> LastNotice:
    """What a receiver was told last; nothing where none is kept, or none that this version understands."""
    if document is None or document.get("version") != _VERSION:
        return NOTHING_KNOWN
    try:
        known = {
            str(key): KnownTrouble(Verdict(verdict), Cause(cause), date.fromisoformat(first))
            for key, (verdict, cause, first) in document["known"].items()
        }
        alerts = tuple({str(name): str(value) for name, value in labels.items()} for labels in document["alerts"])
        return LastNotice(str(document["scope"]), known, alerts)
    except (KeyError, TypeError, ValueError, AttributeError):
        return NOTHING_KNOWN
