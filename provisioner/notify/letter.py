"""News as a letter: a subject, plain text, and the same as a simple page. Pure; every text of others is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Final

from provisioner.base.language import Language, Translator, marked, translator
from provisioner.base.printable import printable
from provisioner.base.roles import ReaderRole
from provisioner.notify.news import NewsItem, NightNews, ProvinceCounts, Turn
from provisioner.verify.result import Cause

_MOST_ITEMS: Final = 50
_MOST_PATHS: Final = 5
_LONGEST_DETAIL: Final = 300
_HEADINGS: Final = {
    Turn.NEW: marked("NEW"),
    Turn.CHANGED: marked("CHANGED"),
    Turn.BACK: marked("UP AGAIN"),
    Turn.STANDING: marked("STILL NOT UP"),
}
_SUBJECTS: Final = {
    Turn.NEW: marked("{count} new"),
    Turn.CHANGED: marked("{count} changed"),
    Turn.BACK: marked("{count} up again"),
    Turn.STANDING: marked("{count} still not up"),
}
_ROLES: Final = {
    ReaderRole.MINISTRY: marked("ministry"),
    ReaderRole.STEERING: marked("steering committee"),
    ReaderRole.DIC: marked("department of information and communications"),
    ReaderRole.HEALTH: marked("department of health"),
    ReaderRole.CARRIER: marked("carrier"),
    ReaderRole.FACILITY: marked("facility"),
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


def letter_of(news: NightNews, language: Language) -> Letter:
    """News as one reader reads them, the worst first."""
    say = translator(language)
    title = say("Night of {day}", day=written_day(news.day, say))
    subject = f"[provisioner {news.inventory}] {title}: {_gist(news, say)}"
    parts = [_Part(title, tuple((line, ()) for line in _head(news, say)))]
    parts += [part for turn in Turn if (part := _items(news, turn, say)).lines]
    if not news.items:
        parts += [part for part in (_provinces(news.provinces, say),) if part.lines]
    return _letter(subject, parts, _foot(news, say), language)


def trial_letter(inventory: str, language: Language) -> Letter:
    """A letter that tells nothing but that it came."""
    say = translator(language)
    title = say("test message")
    part = _Part(title, ((trial_sentence(say), ()),))
    return _letter(f"[provisioner {inventory}] {title}", [part], [_about(inventory, say)], language)


def trial_sentence(say: Translator) -> str:
    """That this is a test."""
    return say("This is a test message. Nothing is wrong, and nothing has to be done.")


def written_day(day: date, say: Translator) -> str:
    """A day as people write it."""
    return f"{day:%d/%m/%Y}" if say.language is Language.VI else day.isoformat()


_GONE: Final = marked("{paths} that were told of before are not in the inventory any more, or somebody else's now")


def _gist(news: NightNews, say: Translator) -> str:
    if not news.has_changed and not news.turns[Turn.STANDING]:
        return say("all paths up") if news.counts["paths"] else say("nothing changed")
    counts = ", ".join(say(_SUBJECTS[turn], count=number) for turn in Turn if (number := news.turns[turn]))
    return counts if news.has_changed else f"{say('nothing changed')}, {counts}"


def _head(news: NightNews, say: Translator) -> Iterator[str]:
    whose = say(_ROLES[news.reader.role])
    yield say("for: {role}", role=f"{whose} {news.reader.of}" if news.reader.of else whose)
    yield counts_sentence(news.counts, say)
    yield _gist(news, say)
    if news.left:
        yield say(_GONE, paths=_paths(news.left, say))


def counts_sentence(counts: Mapping[str, int], say: Translator) -> str:
    """How many paths are up."""
    if not counts["paths"]:
        return say("no path was measured")
    return say("{up} of {paths} up", up=counts["up"], paths=_paths(counts["paths"], say))


def _paths(number: int, say: Translator) -> str:
    return say.counted(number, "path")


def _items(news: NightNews, turn: Turn, say: Translator) -> _Part:
    items = news.of(turn)
    lines = [(_line(item, news, say), tuple(_below(item, say))) for item in items[:_MOST_ITEMS]]
    if (more := len(items) - _MOST_ITEMS) > 0:
        lines.append((say("and {count} more; the night's report has all", count=more), ()))
    return _Part(say(_HEADINGS[turn]), tuple(lines))


def _line(item: NewsItem, news: NightNews, say: Translator) -> str:
    what = f"{say.word(item.layer)} {item.object}" if item.layer else item.object
    if item.turn is Turn.BACK:
        number = f"{_paths(len(item.paths), say)} " if item.paths else ""
        before = say("before: {cause}", cause=cause_words(item.cause, say))
        return printable(f"{what}: {number}{say('up again')} ({before})")
    since = say("since {day}, night {number}", day=written_day(item.first, say), number=item.nights(news.day))
    said = f"{what}: {state_sentence(item, say)}"
    return printable(f"{said} ({since})" if item.first < news.day else said)


def state_sentence(item: NewsItem, say: Translator) -> str:
    """What is wrong, with how much hangs on it."""
    number = f"{_paths(len(item.paths), say)} " if item.paths else ""
    verdict = f"{number}{say.word(item.verdict)}"
    return f"{cause_words(item.cause, say)}: {verdict}" if item.cause else verdict


def cause_words(cause: Cause, say: Translator) -> str:
    """A cause in words; of the one that is not known, that it is none."""
    return say("cause unknown") if cause is Cause.UNKNOWN else say.word(cause)


def _below(item: NewsItem, say: Translator) -> Iterator[str]:
    if item.paths and item.paths != (item.object,):
        more = len(item.paths) - _MOST_PATHS
        named = [*item.paths[:_MOST_PATHS], *([say("and {count} more", count=more)] if more > 0 else [])]
        yield printable(", ".join(named))
    if item.detail:
        yield say("evidence: {detail}", detail=say.restated(printable(item.detail, _LONGEST_DETAIL)))


def _provinces(provinces: Iterable[ProvinceCounts], say: Translator) -> _Part:
    lines = (
        say(
            "{province}: {up} of {paths} up; {new} new, {back} up again, {standing} still not up",
            province=one.province,
            up=one.verdicts["up"],
            paths=one.verdicts["paths"],
            new=one.turns[Turn.NEW] + one.turns[Turn.CHANGED],
            back=one.turns[Turn.BACK],
            standing=one.turns[Turn.STANDING],
        )
        for one in provinces
    )
    return _Part(say("BY PROVINCE"), tuple((printable(line), ()) for line in lines))


def _foot(news: NightNews, say: Translator) -> Iterator[str]:
    if news.run:
        yield say("run {run}", run=news.run)
    yield _about(news.inventory, say)


def _about(inventory: str, say: Translator) -> str:
    inventory_id = say("An automatic message about the inventory {inventory}.", inventory=inventory)
    return f"{inventory_id} {say('Do not answer: nobody reads this address.')}"


# --- plain text and a page ------------------------------------------------------------------------


def _letter(subject: str, parts: Iterable[_Part], foot: Iterable[str], language: Language) -> Letter:
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


def _page(subject: str, parts: Iterable[_Part], foot: Iterable[str], language: Language) -> str:
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
