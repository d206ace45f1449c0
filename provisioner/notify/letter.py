"""News as a letter: a subject, plain text, and the same as a simple page. Pure; every text of others is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from provisioner.base.printable import printable
from provisioner.inventory.model import NoticeLanguage
from provisioner.notify.news import NewsItem, NightNews, ProvinceCounts, Turn
from provisioner.notify.words import NoticeWording, Phrase

_MOST_ITEMS: Final = 50
_MOST_PATHS: Final = 5
_LONGEST_DETAIL: Final = 300
_HEADINGS: Final = {
    Turn.NEW: Phrase.NEW,
    Turn.CHANGED: Phrase.CHANGED,
    Turn.BACK: Phrase.BACK,
    Turn.STANDING: Phrase.STANDING,
}
_SUBJECTS: Final = {
    Turn.NEW: Phrase.SUBJECT_NEW,
    Turn.CHANGED: Phrase.SUBJECT_CHANGED,
    Turn.BACK: Phrase.SUBJECT_BACK,
    Turn.STANDING: Phrase.SUBJECT_STANDING,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """What a person reads: a subject of one line, plain text, and a page."""

    subject: str
    plain: str
    page: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A heading, and below it lines; each line has lines of its own."""

    heading: str
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def letter_of(news: NightNews, language: NoticeLanguage) -> Letter:
    """News as one reader reads them, the worst first."""
    words = NoticeWording(language)
    subject = f"[provisioner {news.inventory}] {_title(news, words)}: {_gist(news, words)}"
    parts = [_Part(_title(news, words), tuple((line, ()) for line in _head(news, words)))]
    parts += [part for turn in Turn if (part := _items(news, turn, words)).lines]
    if not news.items:
        parts += [part for part in (_provinces(news.provinces, words),) if part.lines]
    return _letter(subject, parts, _foot(news, words), language)


def trial_letter(inventory: str, language: NoticeLanguage) -> Letter:
    """A letter that tells nothing but that it came."""
    words = NoticeWording(language)
    subject = f"[provisioner {inventory}] {words.say(Phrase.TEST_SUBJECT)}"
    part = _Part(words.say(Phrase.TEST_SUBJECT), ((words.say(Phrase.TEST), ()),))
    return _letter(subject, [part], [words.say(Phrase.FOOT, inventory=inventory)], language)


def _title(news: NightNews, words: NoticeWording) -> str:
    return words.say(Phrase.NIGHT, day=words.day(news.day))


def _gist(news: NightNews, words: NoticeWording) -> str:
    if not news.has_changed and not news.turns[Turn.STANDING]:
        return words.say(Phrase.ALL_UP if news.counts["paths"] else Phrase.NOTHING_NEW)
    said = [words.say(_SUBJECTS[turn], n=number) for turn in Turn if (number := news.turns[turn])]
    return ", ".join(said) if news.has_changed else f"{words.say(Phrase.NOTHING_NEW)}, {', '.join(said)}"


def _head(news: NightNews, words: NoticeWording) -> Iterator[str]:
    whose = words.role(news.reader.role)
    yield words.say(Phrase.FOR, role=f"{whose} {news.reader.of}" if news.reader.of else whose)
    counts = news.counts
    yield (
        words.say(Phrase.COUNTED, up=counts["up"], paths=counts["paths"])
        if counts["paths"]
        else words.say(Phrase.NONE_COUNTED)
    )
    yield _gist(news, words)
    if news.left:
        yield words.say(Phrase.LEFT, n=news.left)


def _items(news: NightNews, turn: Turn, words: NoticeWording) -> _Part:
    items = news.of(turn)
    lines = [(_line(item, news, words), tuple(_below(item, words))) for item in items[:_MOST_ITEMS]]
    if (more := len(items) - _MOST_ITEMS) > 0:
        lines.append((words.say(Phrase.MORE_ITEMS, n=more), ()))
    return _Part(words.say(_HEADINGS[turn]), tuple(lines))


def _line(item: NewsItem, news: NightNews, words: NoticeWording) -> str:
    what = f"{words.layer(item.layer)} {item.object}" if item.layer else item.object
    number = f"{words.paths(len(item.paths))} " if item.paths else ""
    if item.turn is Turn.BACK:
        before = words.say(Phrase.BEFORE, cause=words.cause(item.cause))
        return printable(f"{what}: {number}{words.say(Phrase.UP_AGAIN)} ({before})")
    since = words.say(Phrase.SINCE, day=words.day(item.first), n=item.nights(news.day))
    said = (
        f"{words.cause(item.cause)}: {number}{words.verdict(item.verdict)}"
        if item.cause
        else words.verdict(item.verdict)
    )
    return printable(f"{what}: {said} ({since})" if item.first < news.day else f"{what}: {said}")


def _below(item: NewsItem, words: NoticeWording) -> Iterator[str]:
    if item.paths and item.paths != (item.object,):
        more = len(item.paths) - _MOST_PATHS
        named = [*item.paths[:_MOST_PATHS], *([words.say(Phrase.MORE, n=more)] if more > 0 else [])]
        yield printable(", ".join(named))
    if item.detail:
        yield words.say(Phrase.DETAIL, detail=printable(item.detail, _LONGEST_DETAIL))


def _provinces(provinces: Iterable[ProvinceCounts], words: NoticeWording) -> _Part:
    lines = (
        words.say(
            Phrase.PROVINCE,
            province=one.province,
            up=one.verdicts["up"],
            paths=one.verdicts["paths"],
            new=one.turns[Turn.NEW] + one.turns[Turn.CHANGED],
            back=one.turns[Turn.BACK],
            standing=one.turns[Turn.STANDING],
        )
        for one in provinces
    )
    return _Part(words.say(Phrase.BY_PROVINCE), tuple((printable(line), ()) for line in lines))


def _foot(news: NightNews, words: NoticeWording) -> Iterator[str]:
    if news.run:
        yield words.say(Phrase.RUN, run=news.run)
    yield words.say(Phrase.FOOT, inventory=news.inventory)


# --- plain text and a page ------------------------------------------------------------------------


def _letter(subject: str, parts: Iterable[_Part], foot: Iterable[str], language: NoticeLanguage) -> Letter:
    parts, foot = list(parts), list(foot)
    return Letter(printable(subject), _plain(parts, foot), _page(subject, parts, foot, language))


def _plain(parts: Iterable[_Part], foot: Iterable[str]) -> str:
    blocks = []
    for number, part in enumerate(parts):
        mark = "- " if number else ""
        lines = [part.heading]
        for line, below in part.lines:
            lines += [f"{mark}{line}", *(f"    {one}" for one in below)]
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, "\n".join(["-- ", *foot])]) + "\n"


def _page(subject: str, parts: Iterable[_Part], foot: Iterable[str], language: NoticeLanguage) -> str:
    body = []
    for number, part in enumerate(parts):
        heading = "h1" if number == 0 else "h2"
        body.append(f"<{heading}>{escape(part.heading)}</{heading}>")
        body.append("<ul>")
        for line, below in part.lines:
            inner = "".join(f"<br><small>{escape(one)}</small>" for one in below)
            body.append(f"<li>{escape(line)}{inner}</li>")
        body.append("</ul>")
    body.append(f"<p><small>{'<br>'.join(map(escape, foot))}</small></p>")
    head = f'<meta charset="utf-8"><title>{escape(subject)}</title>'
    lines = "\n".join(body)
    return f'<!doctype html>\n<html lang="{language.value}"><head>{head}</head><body>\n{lines}\n</body></html>\n'
