"""Laws of notices: who gets to know what, that nothing is said twice, and that nothing is lost."""

import json
import random
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.base.roles import Matter, Reach, ReaderRole, ReaderScope
from provisioner.integrations.notify.formats import alerts_of, last_notice, notice_document, receiver_record
from provisioner.integrations.notify.mail import letter_of
from provisioner.integrations.notify.news import (
    NOTHING_KNOWN,
    LastNotice,
    NewsChange,
    NightItem,
    NightNews,
    news_for,
    scope_name,
)
from provisioner.verify.result import Cause, Verdict
from tests.hostile import RELAY
from tests.nights import LANGUAGES, READERS, SIGHTS, device, night, path, place_of, province_of, receiver

Sights = tuple[NightItem, ...]


def news_of(reader: ReaderScope, sights: Sights, last: LastNotice = NOTHING_KNOWN, number: int = 0) -> NightNews:
    return news_for(reader, night(sights, number), last, province_of)


def knowing(news: NightNews) -> LastNotice:
    return LastNotice(scope_name(news.receiver_scope), news.notified)


def everything_sent(news: NightNews, last: LastNotice, language: Language) -> str:
    """All that leaves this program for a receiver, by whichever way."""
    letter = letter_of(news, language)
    document = notice_document(news, receiver(news.receiver_scope, language), letter)
    alerts, _ = alerts_of(news, last.alerts, language)
    return "\n".join(
        (letter.subject, letter.plain, letter.page, json.dumps([document.plain, alerts], ensure_ascii=False))
    )


@given(READERS, SIGHTS, SIGHTS, LANGUAGES)
def test_the_table_denies_every_word(reader: ReaderScope, before: Sights, now: Sights, language: Language) -> None:
    last = knowing(news_of(reader, before))
    sent = everything_sent(news_of(reader, now, last, 1), last, language)
    every = (*before, *now)
    mine = [sight for sight in every if reader.sees(Matter.STATUS, place_of(sight))]
    # A facility that changes its carrier has the same names on both.
    allowed = {word for sight in mine for word in (sight.name, sight.facility, sight.object)}
    for word in {word for sight in every for word in (sight.name, sight.facility) if word} - allowed:
        assert word not in sent
    shown = {sight.detail for sight in mine if reader.sees(Matter.SITE_NETWORK, place_of(sight))}
    for detail in {sight.detail for sight in every if sight.detail} - shown:
        assert detail not in sent
    if not any(reader.sees(Matter.SITE_NETWORK, place_of(sight)) for sight in now):
        assert "10.9.8.7" not in sent
        assert "canary" not in sent


@given(READERS, SIGHTS, LANGUAGES)
def test_who_gets_numbers_alone_gets_no_name_of_a_path(reader: ReaderScope, now: Sights, language: Language) -> None:
    news = news_of(reader, now)
    if reader.reach(Matter.STATUS) is Reach.COUNTS:
        assert news.items == ()
        assert "cam-" not in everything_sent(news, NOTHING_KNOWN, language)
        assert news.counts["paths"] == sum(sight.is_path for sight in now)


@given(READERS, SIGHTS)
def test_each_path_is_counted_once_and_only_for_who_may_count_it(reader: ReaderScope, now: Sights) -> None:
    counts = news_of(reader, now).counts
    mine = [sight for sight in now if sight.is_path and reader.counts(Matter.STATUS, place_of(sight))]
    assert counts["paths"] == len(mine) == sum(counts[verdict.value] for verdict in Verdict)
    assert counts["up"] == sum(sight.verdict is Verdict.UP for sight in mine)


@given(READERS, SIGHTS, st.integers(1, 5))
def test_what_was_told_is_not_told_again(reader: ReaderScope, now: Sights, later: int) -> None:
    first = news_of(reader, now)
    again = news_of(reader, now, knowing(first), later)
    assert not again.has_changed
    assert again.notified == first.notified
    assert again.turns[NewsChange.STANDING] == len(first.notified)


@given(READERS, SIGHTS, SIGHTS)
def test_a_notice_that_was_not_delivered_is_in_the_next_one(reader: ReaderScope, lost: Sights, now: Sights) -> None:
    """Nothing is known of what was never taken: the next notice is as if there had been none before."""
    assert news_of(reader, lost).notified.keys() <= {sight.key for sight in lost}
    assert news_of(reader, now, NOTHING_KNOWN, 1).turns[NewsChange.NEW] == len(
        news_of(reader, now, NOTHING_KNOWN, 1).notified
    )


@given(READERS, SIGHTS, SIGHTS)
def test_what_is_known_at_the_end_is_what_is_not_up(reader: ReaderScope, before: Sights, now: Sights) -> None:
    news = news_of(reader, now, knowing(news_of(reader, before)), 1)
    counted = [sight for sight in now if reader.counts(Matter.STATUS, place_of(sight))]
    if reader.reach(Matter.STATUS) is Reach.COUNTS:
        counted = [sight for sight in now if sight.is_path]
    assert set(news.notified) == {sight.key for sight in counted if sight.verdict is not Verdict.UP}


@given(READERS, SIGHTS, SIGHTS)
@example(
    ReaderScope(ReaderRole.CARRIER, "viettel"),
    (device("kcl-bac-giang-1", 1, "viettel"),),
    (device("kcl-bac-giang-1", 1, "vnpt"),),
)
def test_every_change_is_in_exactly_one_place(reader: ReaderScope, before: Sights, now: Sights) -> None:
    first = news_of(reader, before)
    news = news_of(reader, now, knowing(first), 1)
    were, bad = set(first.notified), set(news.notified)
    assert news.turns[NewsChange.NEW] == len(bad - were)
    assert news.turns[NewsChange.CHANGED] + news.turns[NewsChange.STANDING] == len(bad & were)
    assert news.turns[NewsChange.BACK] + news.left == len(were - bad)


@given(READERS, SIGHTS, LANGUAGES, st.randoms(use_true_random=False))
def test_the_order_of_evidence_changes_nothing(
    reader: ReaderScope, now: Sights, language: Language, chance: random.Random
) -> None:
    shuffled = list(now)
    chance.shuffle(shuffled)
    one, other = news_of(reader, now), news_of(reader, tuple(shuffled))
    assert letter_of(one, language) == letter_of(other, language)
    assert one.notified == other.notified


@given(READERS, SIGHTS, LANGUAGES)
def test_what_is_kept_is_read_back(reader: ReaderScope, now: Sights, language: Language) -> None:
    news = news_of(reader, now)
    _, labels = alerts_of(news, (), language)
    read = last_notice(json.loads(json.dumps(receiver_record(news, labels))))
    assert (read.scope, dict(read.known)) == (scope_name(reader), dict(news.notified))
    assert [dict(one) for one in read.alerts] == [dict(one) for one in labels]


@given(
    st.dictionaries(
        st.sampled_from(["version", "known", "scope", "alerts"]), st.sampled_from([1, {}, [], "x", {"a": 1}])
    )
)
def test_a_record_that_is_none_of_ours_is_nothing(document: dict[str, object]) -> None:
    assert isinstance(last_notice(document), LastNotice)


@given(READERS, READERS, SIGHTS)
def test_a_receiver_that_reads_as_another_one_begins_anew(one: ReaderScope, other: ReaderScope, now: Sights) -> None:
    """What was told to a carrier is never said to be back to the province that has its name now."""
    if one != other:
        news = news_of(other, now, knowing(news_of(one, now)), 1)
        assert news.turns == news_of(other, now, NOTHING_KNOWN, 1).turns


@given(READERS, SIGHTS, SIGHTS, LANGUAGES)
def test_alerts_stand_for_all_that_is_broken_and_end_with_it(
    reader: ReaderScope, before: Sights, now: Sights, language: Language
) -> None:
    first = news_of(reader, before)
    _, stood = alerts_of(first, (), language)
    news = news_of(reader, now, knowing(first), 1)
    alerts, standing = alerts_of(news, stood, language)
    keys = [tuple(sorted(alert["labels"].items())) for alert in alerts]
    assert len(keys) == len(set(keys)), "Alertmanager takes alerts with the same labels for one"
    ended = [alert["labels"] for alert in alerts if alert["endsAt"] <= f"{news.at:%Y-%m-%dT%H:%M:%SZ}"]
    assert sorted(map(str, ended)) == sorted(str(dict(one)) for one in stood if one not in standing)
    assert bool(standing) == bool(news.notified)
    assert all(value for alert in alerts for value in alert["labels"].values())


@RELAY
@given(SIGHTS, LANGUAGES)
def test_a_page_holds_no_markup_of_others(now: Sights, language: Language) -> None:
    bad = (replace(one.finding, object=f"<script>{one.object}", detail="<img src=x onerror=y>") for one in now)
    hostile = tuple(replace(one, finding=finding) for one, finding in zip(now, bad, strict=True))
    letter = letter_of(news_of(ReaderScope(ReaderRole.CARRIER, "viettel"), hostile), language)
    tags: set[str] = set()

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, _attributes: object) -> None:
            tags.add(tag)

    Tags().feed(letter.page)
    assert tags <= {"html", "head", "meta", "title", "body", "h1", "h2", "ul", "li", "br", "small", "p"}
    assert "\n" not in letter.subject


@pytest.mark.parametrize("language", list(Language))
def test_a_failure_says_which_night_of_it_this_is(language: Language) -> None:
    reader = ReaderScope(ReaderRole.MINISTRY)
    down = (path("kcl-bac-giang-1", 1, "viettel", Verdict.DOWN, Cause.SILENT),)
    last = NOTHING_KNOWN
    for number in range(3):
        news = news_of(reader, down, last, number)
        last = knowing(news)
    text = letter_of(news, language).plain
    assert ("night 3" if language is Language.EN else "đêm thứ 3") in text


def test_a_camera_that_is_down_is_told_of_once() -> None:
    down = path("kcl-hai-duong-1", 1, "vnpt", Verdict.DOWN, Cause.SILENT)
    starved = replace(down.finding, cause=Cause.STARVED)
    less = replace(down, name=down.name.replace("/sub", "/main"), verdict=Verdict.DEGRADED, finding=starved)
    (item,) = news_of(ReaderScope(ReaderRole.MINISTRY), (less, down)).items
    assert (item.verdict, item.cause, item.paths) == (Verdict.DOWN, Cause.SILENT, tuple(sorted([less.name, down.name])))
