"""Forms of news: document, alerts, record of a receiver. Pure.

A webhook and `notify --dry-run` get the document. An Alertmanager (API v2) gets all present alerts each night. An alert
that is not repeated ends by itself about a day after the night; an ended one ends at once. Alertmanager itself groups,
inhibits and sends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from provisioner.base.document import Count, Day, Moment, Positive, Printed, Row, Said, absent, of
from provisioner.base.language import Language, Translator, translator
from provisioner.base.roles import Matter, Reach, ReaderRole
from provisioner.base.text import Document, printable, start_of, utc_text
from provisioner.integrations.notify import news as night_news
from provisioner.integrations.notify.mail import Letter, counts_sentence, state_sentence, trial_sentence
from provisioner.inventory.model.receivers import Receiver
from provisioner.verify.document import SummaryRow
from provisioner.verify.result import Cause, Finding, Layer, Verdict

_MOST_ITEMS: Final = 500
_MOST_PATHS: Final = 100

LASTS: Final = timedelta(hours=30)  #: An alert's duration: until the next night ends, even if that starts late.

ALERT: Final = "ProvisionerNight"
COUNTS_ALERT: Final = "ProvisionerNightCounts"
_SEVERITIES: Final = {Verdict.DOWN: "critical", Verdict.QUARANTINED: "critical"}
_MOST_ALERTS: Final = 1_000
_LONGEST_LABEL: Final = 200
Labels = Mapping[str, str]
_VERSION: Final = 1

Turns = dict[night_news.NewsChange, Count]


class ItemRow(Row):
    """An incident that began, continues or ended."""

    turn: night_news.NewsChange = of("change")
    verdict: Verdict
    layer: Layer | None
    object: Said
    cause: str
    first: Day
    nights: Positive  #: The number of nights of this incident, with this one.
    paths_total: Count
    paths: tuple[Said, ...]
    provinces: tuple[Said, ...]
    facilities: tuple[Said, ...]
    carriers: tuple[Said, ...]
    detail: str  #: The evidence, in English; empty for roles that may not see a site's network.


class ProvinceRow(Row):
    """Paths of a province."""

    province: str
    counts: SummaryRow = of("verdicts")
    turns: Turns  #: Numbers of paths and hosts by their change since the receiver's last notice.


class NoticeDocument(Printed, name="notice", title="A notice"):
    """Body of a webhook's request; a test has no run and no counts."""

    test: bool
    inventory: Said
    run: str | None = absent()
    at: Moment | None = absent()
    night: Day | None = absent()  #: The day in Vietnam.
    receiver: Said
    role: ReaderRole | None = absent()
    of: str | None = absent()
    language: Language
    changed: bool | None = absent()  #: Whether the notice has news for the receiver; false in a heartbeat.
    counts: SummaryRow | None = absent()
    turns: Turns | None = absent()  #: Numbers of paths and hosts by their change since the receiver's last notice.
    left: Count | None = absent()  #: Paths of earlier notices that left the inventory.
    items: tuple[ItemRow, ...] | None = absent()
    items_left_out: Count | None = absent()
    provinces: tuple[ProvinceRow, ...] | None = absent()
    subject: Said
    text: Said


def notice_document(news: night_news.NightNews, receiver: Receiver, letter: Letter) -> NoticeDocument:
    """Return the `notice` document for one receiver."""
    items = news.items[:_MOST_ITEMS]
    return NoticeDocument(
        test=False,
        inventory=news.inventory,
        run=news.run,
        at=news.at,
        night=news.day,
        receiver=receiver.id,
        role=news.receiver_scope.role,
        of=news.receiver_scope.of,
        language=receiver.language,
        changed=news.has_changed,
        counts=news.counts,
        turns=news.turns,
        left=news.left,
        items=[_item_row(item, news) for item in items],
        items_left_out=len(news.items) - len(items),
        provinces=news.provinces,
        subject=letter.subject,
        text=letter.plain,
    )


def _item_row(item: night_news.NewsItem, news: night_news.NightNews) -> ItemRow:
    few = {"paths": item.paths[:_MOST_PATHS], "facilities": item.facilities[:_MOST_PATHS]}
    return ItemRow.made_of(item, nights=item.nights(news.day), paths_total=len(item.paths), **few)


def trial_document(inventory: str, receiver: Receiver, letter: Letter) -> NoticeDocument:
    """Return a test notice."""
    return NoticeDocument(
        test=True,
        inventory=inventory,
        receiver=receiver.id,
        language=receiver.language,
        subject=letter.subject,
        text=letter.plain,
    )


def alerts_of(
    news: night_news.NightNews, before: Sequence[Labels], language: Language
) -> tuple[list[Document], list[Labels]]:
    """Return alerts for an Alertmanager, and labels of the active ones."""
    say = translator(language)
    has_numbers_alone = news.receiver_scope.reach(Matter.STATUS) is Reach.COUNTS
    active = _numbers(news, say) if has_numbers_alone else [_alert_of(item, news, say) for item in _merged_items(news)]
    labels: list[Labels] = [alert["labels"] for alert in active]
    moment = utc_text(news.at)
    ended = [
        {"labels": dict(previous), "annotations": {}, "endsAt": moment}
        for previous in before
        if dict(previous) not in labels
    ]
    return [*active, *ended], labels


def _numbers(news: night_news.NightNews, say: Translator) -> list[Document]:
    """Return one alert per affected province, for receivers of numbers only."""
    fields = {"alertname": COUNTS_ALERT, "severity": "warning", "inventory": news.inventory}
    return [
        _alert_document(fields | {"province": counts.province}, counts_sentence(counts.verdicts, say), "", news)
        for counts in news.provinces
        if any(
            counts.turns[change]
            for change in (night_news.NewsChange.NEW, night_news.NewsChange.CHANGED, night_news.NewsChange.STANDING)
        )
    ]


def _alert_of(item: night_news.NewsItem, news: night_news.NightNews, say: Translator) -> Document:
    # No `scope`: by that the alerts of a watch hide each other, and a night's drift explains no cut line of now.
    labels = {
        "alertname": ALERT,
        "severity": _SEVERITIES.get(item.verdict, "warning"),
        "inventory": news.inventory,
        "layer": item.layer or "",
        "object": item.object,
        "cause": item.cause.value,
        "carrier": _single_name(item.carriers),
        "province": _single_name(item.provinces),
        "facility": _single_name(item.facilities),
        "host": _single_name(item.hosts),
    }
    summary = f"{item.object}: {state_sentence(item, say)}"
    document = _alert_document(labels, summary, item.detail, news)
    document["startsAt"] = utc_text(start_of(item.first))
    return document


def _single_name(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ""


def _alert_document(labels: Labels, summary: str, detail: str, news: night_news.NightNews) -> Document:
    annotations = {"summary": printable(summary), "description": printable(detail, _LONGEST_LABEL)}
    return {
        # Alertmanager drops a label without a value, so a later look-up would fail.
        "labels": {name: printable(value, _LONGEST_LABEL) for name, value in labels.items() if value},
        "annotations": {name: text for name, text in annotations.items() if text},
        "endsAt": utc_text(news.at + LASTS),
    }


def _merged_items(news: night_news.NightNews) -> list[night_news.NewsItem]:
    """Merge items of one finding, whose paths may differ in turn."""
    merged: dict[Finding, night_news.NewsItem] = {}
    for item in news.items:
        if item.change is night_news.NewsChange.BACK:
            continue
        key = replace(item.finding, detail="")
        merged[key] = _joined(merged[key], item) if key in merged else item
    return list(merged.values())[:_MOST_ALERTS]


def _joined(item: night_news.NewsItem, twin: night_news.NewsItem) -> night_news.NewsItem:
    return replace(
        item,
        verdict=night_news.worst_of_verdicts([item.verdict, twin.verdict]),
        paths=tuple(sorted({*item.paths, *twin.paths})),
        first=min(item.first, twin.first),
        provinces=tuple(sorted({*item.provinces, *twin.provinces})),
        facilities=tuple(sorted({*item.facilities, *twin.facilities})),
        carriers=tuple(sorted({*item.carriers, *twin.carriers})),
        hosts=tuple(sorted({*item.hosts, *twin.hosts})),
    )


def trial_alert(inventory: str, receiver: str, at: datetime, language: Language) -> list[Document]:
    """Return a test alert that ends after five minutes."""
    labels = {"alertname": "ProvisionerTest", "severity": "none", "inventory": inventory, "receiver": receiver}
    summary = trial_sentence(translator(language))
    ends = utc_text(at + timedelta(minutes=5))
    return [{"labels": labels, "annotations": {"summary": summary}, "startsAt": utc_text(at), "endsAt": ends}]


def receiver_record(news: night_news.NightNews, alerts: Sequence[Labels]) -> Document:
    """Return a receiver's stored document: role, notified troubles and alerts."""
    return {
        "version": _VERSION,
        "scope": night_news.scope_name(news.receiver_scope),
        "known": {
            key: [problem.verdict.value, problem.cause.value, problem.first.isoformat()]
            for key, problem in news.notified.items()
        },
        "alerts": [dict(labels) for labels in alerts],
    }


def last_notice(document: Document | None) -> night_news.LastNotice:
    """Parse a receiver's record; `NOTHING_KNOWN` if missing or not understood."""
    if document is None or document.get("version") != _VERSION:
        return night_news.NOTHING_KNOWN
    try:
        problems = {
            str(key): night_news.NotifiedProblem(Verdict(verdict), Cause(cause), date.fromisoformat(first))
            for key, (verdict, cause, first) in document["known"].items()
        }
        alerts = tuple({str(name): str(value) for name, value in labels.items()} for labels in document["alerts"])
        return night_news.LastNotice(str(document["scope"]), problems, alerts)
    except (KeyError, TypeError, ValueError, AttributeError):
        return night_news.NOTHING_KNOWN
