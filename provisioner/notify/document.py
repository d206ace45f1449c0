"""News as a document for programs: what a webhook is sent, and what `notify --dry-run` shows. Pure."""

from __future__ import annotations

from typing import Final

from provisioner.base.clock import local_iso
from provisioner.base.json_document import Document
from provisioner.inventory.model import Receiver
from provisioner.notify.letter import Letter
from provisioner.notify.news import NewsItem, NightNews

_MOST_ITEMS: Final = 500
_MOST_PATHS: Final = 100


def notice_document(news: NightNews, receiver: Receiver, letter: Letter) -> Document:
    """The `notice` document: what one receiver is told of a night."""
    items = news.items[:_MOST_ITEMS]
    return {
        "schema": "provisioner/notice",
        "version": 1,
        "test": False,
        "inventory": news.inventory,
        "run": news.run,
        "at": local_iso(news.at),
        "night": news.day.isoformat(),
        "receiver": receiver.id,
        "role": news.reader.role.value,
        "of": news.reader.of,
        "language": receiver.language.value,
        "changed": news.has_changed,
        "counts": dict(news.counts),
        "turns": dict(news.turns),
        "left": news.left,
        "items": [_item(item, news) for item in items],
        "items_left_out": len(news.items) - len(items),
        "provinces": [
            {"province": one.province, "counts": dict(one.verdicts), "turns": dict(one.turns)} for one in news.provinces
        ],
        "subject": letter.subject,
        "text": letter.plain,
    }


def trial_document(inventory: str, receiver: Receiver, letter: Letter) -> Document:
    """A document that tells nothing but that it came."""
    return {
        "schema": "provisioner/notice",
        "version": 1,
        "test": True,
        "inventory": inventory,
        "receiver": receiver.id,
        "language": receiver.language.value,
        "subject": letter.subject,
        "text": letter.plain,
    }


def _item(item: NewsItem, news: NightNews) -> Document:
    return {
        "turn": item.turn.value,
        "verdict": item.verdict.value,
        "layer": item.layer.value if item.layer else None,
        "object": item.object,
        "cause": item.cause.value,
        "first": item.first.isoformat(),
        "nights": item.nights(news.day),
        "paths_total": len(item.paths),
        "paths": list(item.paths[:_MOST_PATHS]),
        "provinces": list(item.provinces),
        "facilities": list(item.facilities[:_MOST_PATHS]),
        "carriers": list(item.carriers),
        "detail": item.detail,
    }
