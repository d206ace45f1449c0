"""News as a letter, and its mail to a mail server.

A letter has a subject, plain text, and an HTML page with the same content and escaped values. A mail's header contains
only our own words, checked addresses, or encoded text, so an inventory cannot add a header line. A server is reached
over TLS or on this machine, and errors never quote its answers.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from typing import BinaryIO, Final

from provisioner.base.http import RECEIVER_HOSTS, ReachError, ServerLogin, allowed_addresses, ends_with_attempt
from provisioner.base.language import Language, Translator, marked, translator
from provisioner.base.roles import ReaderRole
from provisioner.base.secret import Secret
from provisioner.base.text import printable
from provisioner.integrations.notify.news import NewsChange, NewsItem, NightNews, ProvinceCounts
from provisioner.inventory.model.receivers import MailSecurity
from provisioner.verify.result import Cause

_MOST_ITEMS: Final = 50
_MOST_PATHS: Final = 5
_LONGEST_DETAIL: Final = 300
_HEADINGS: Final = {
    NewsChange.NEW: marked("NEW"),
    NewsChange.CHANGED: marked("CHANGED"),
    NewsChange.BACK: marked("UP AGAIN"),
    NewsChange.STANDING: marked("STILL NOT UP"),
}
_SUBJECTS: Final = {
    NewsChange.NEW: marked("{count} new"),
    NewsChange.CHANGED: marked("{count} changed"),
    NewsChange.BACK: marked("{count} up again"),
    NewsChange.STANDING: marked("{count} still not up"),
}
_ROLES: Final = {
    ReaderRole.MINISTRY: marked("ministry"),
    ReaderRole.STEERING: marked("steering committee"),
    ReaderRole.DIC: marked("department of information and communications"),
    ReaderRole.HEALTH: marked("department of health"),
    ReaderRole.CARRIER: marked("carrier"),
    ReaderRole.FACILITY: marked("facility"),
}
_GONE: Final = marked("{paths} that were told of before are not in the inventory any more, or somebody else's now")

#: The form of addresses, checked with the inventory and again before a header.
_PLAIN_ADDRESS: Final = re.compile(r"[!#$%&'*+/=?^_`{|}~.0-9A-Za-z-]{1,64}@[0-9A-Za-z.-]{1,255}")

FIRST_LASTING: Final = 500
_READY: Final = 220

_MOST_ANSWERED: Final = 256 * 1024  #: The most bytes of a server's answers per connection; TLS restarts the count.
_LOGIN_WANTED: Final = 530
_NEEDS_LOGIN: Final = "if the server wants a login, write username and password in secrets/receivers.yml"
_SHARE: Final = 0.9  #: Share of an attempt's time for one answer, so that its own time-out comes first.
_HELO: Final = "localhost"  #: This machine's name for servers, in place of its real one.


@dataclass(frozen=True, slots=True)
class Letter:
    """A one-line subject, plain text, and an HTML page."""

    subject: str
    plain: str
    page: str


@dataclass(frozen=True, slots=True)
class _Part:
    heading: str
    lines: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server; `named` are hosts that may have any address."""

    host: str
    port: int
    security: MailSecurity
    login: ServerLogin | None = None
    authorities: str = ""
    named: Collection[str] = ()


def letter_of(news: NightNews, language: Language) -> Letter:
    """Return news as a letter, worst first."""
    say = translator(language)
    title = say("Night of {day}", day=_written_day(news.day, say))
    subject = f"[provisioner {news.inventory}] {title}: {_news_summary(news, say)}"
    parts = [_Part(title, tuple((line, ()) for line in _news_head_lines(news, say)))]
    parts += [part for change in NewsChange if (part := _items_part(news, change, say)).lines]
    if not news.items:
        parts += [part for part in (_provinces(news.provinces, say),) if part.lines]
    return _letter_with(subject, parts, _news_foot(news, say), language)


def _news_head_lines(news: NightNews, say: Translator) -> Iterator[str]:
    whose = say(_ROLES[news.receiver_scope.role])
    yield say("for: {role}", role=f"{whose} {news.receiver_scope.of}" if news.receiver_scope.of else whose)
    yield counts_sentence(news.counts, say)
    yield _news_summary(news, say)
    if news.left:
        yield say(_GONE, paths=_counted_paths(news.left, say))


def _news_summary(news: NightNews, say: Translator) -> str:
    if not news.has_changed and not news.turns[NewsChange.STANDING]:
        return say("all paths up") if news.counts["paths"] else say("no changes")
    counts = ", ".join(say(_SUBJECTS[change], count=number) for change in NewsChange if (number := news.turns[change]))
    return counts if news.has_changed else f"{say('no changes')}, {counts}"


def _items_part(news: NightNews, change: NewsChange, say: Translator) -> _Part:
    items = news.of(change)
    lines = [(_item_line(item, news, say), tuple(_item_details(item, say))) for item in items[:_MOST_ITEMS]]
    if (more := len(items) - _MOST_ITEMS) > 0:
        lines.append((say("and {count} more; the night's report has all", count=more), ()))
    return _Part(say(_HEADINGS[change]), tuple(lines))


def _item_line(item: NewsItem, news: NightNews, say: Translator) -> str:
    subject = f"{say.word(item.layer)} {item.object}".lstrip()
    if item.change is NewsChange.BACK:
        number = f"{_counted_paths(len(item.paths), say)} " if item.paths else ""
        before = say("before: {cause}", cause=_cause_words(item.cause, say))
        return printable(f"{subject}: {number}{say('up again')} ({before})")
    since = say("since {day}, night {number}", day=_written_day(item.first, say), number=item.nights(news.day))
    sentence = f"{subject}: {state_sentence(item, say)}"
    return printable(f"{sentence} ({since})" if item.first < news.day else sentence)


def _item_details(item: NewsItem, say: Translator) -> Iterator[str]:
    if item.paths and item.paths != (item.object,):
        more = len(item.paths) - _MOST_PATHS
        named = [*item.paths[:_MOST_PATHS], *([say("and {count} more", count=more)] if more > 0 else [])]
        yield printable(", ".join(named))
    if item.detail:
        yield say("evidence: {detail}", detail=say.restated(printable(item.detail, _LONGEST_DETAIL)))
    if item.change is not NewsChange.BACK and item.next_step:
        yield say("next: {step}", step=say(item.next_step))


def _provinces(provinces: Iterable[ProvinceCounts], say: Translator) -> _Part:
    lines = (
        say(
            "{province}: {up} of {paths} up; {new} new, {back} up again, {standing} still not up",
            province=counts.province,
            up=counts.verdicts["up"],
            paths=counts.verdicts["paths"],
            new=counts.turns[NewsChange.NEW] + counts.turns[NewsChange.CHANGED],
            back=counts.turns[NewsChange.BACK],
            standing=counts.turns[NewsChange.STANDING],
        )
        for counts in provinces
    )
    return _Part(say("BY PROVINCE"), tuple((printable(line), ()) for line in lines))


def _news_foot(news: NightNews, say: Translator) -> Iterator[str]:
    if news.run:
        yield say("run {run}", run=news.run)
    yield _about(news.inventory, say)


def trial_letter(inventory: str, language: Language) -> Letter:
    """Return a test letter."""
    say = translator(language)
    title = say("test message")
    part = _Part(title, ((trial_sentence(say), ()),))
    return _letter_with(f"[provisioner {inventory}] {title}", [part], [_about(inventory, say)], language)


def _letter_with(subject: str, parts: Iterable[_Part], foot: Iterable[str], language: Language) -> Letter:
    parts, foot = list(parts), list(foot)
    return Letter(printable(subject), _plain_text(parts, foot), _html_page(subject, parts, foot, language))


def _plain_text(parts: Iterable[_Part], foot: Iterable[str]) -> str:
    blocks = []
    for number, part in enumerate(parts):
        mark = "- " if number else ""
        lines = [part.heading]
        for line, below in part.lines:
            lines += [f"{mark}{line}", *(f"    {detail}" for detail in below)]
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, "\n".join(["-- ", *foot])]) + "\n"


def _html_page(subject: str, parts: Iterable[_Part], foot: Iterable[str], language: Language) -> str:
    body = []
    for number, part in enumerate(parts):
        heading = "h1" if number == 0 else "h2"
        body.append(f"<{heading}>{escape(part.heading)}</{heading}>")
        body.append("<ul>")
        for line, below in part.lines:
            inner = "".join(f"<br><small>{escape(detail)}</small>" for detail in below)
            body.append(f"<li>{escape(line)}{inner}</li>")
        body.append("</ul>")
    body.append(f"<p><small>{'<br>'.join(map(escape, foot))}</small></p>")
    head = f'<meta charset="utf-8"><title>{escape(subject)}</title>'
    lines = "\n".join(body)
    return f'<!doctype html>\n<html lang="{language.value}"><head>{head}</head><body>\n{lines}\n</body></html>\n'


def _about(inventory: str, say: Translator) -> str:
    inventory_id = say("An automatic message about the inventory {inventory}.", inventory=inventory)
    return f"{inventory_id} {say('Do not answer: mail to this address is not read.')}"


def trial_sentence(say: Translator) -> str:
    """Return the sentence of a test message."""
    return say("This is a test message. There is no problem, and you need not act.")


def _written_day(day: date, say: Translator) -> str:
    return f"{day:%d/%m/%Y}" if say.language is Language.VI else day.isoformat()


def counts_sentence(counts: Mapping[str, int], say: Translator) -> str:
    """Format the number of paths that are up."""
    if not counts["paths"]:
        return say("no path was measured")
    return say("{up} of {paths} up", up=counts["up"], paths=_counted_paths(counts["paths"], say))


def state_sentence(item: NewsItem, say: Translator) -> str:
    """Format an item's cause, number of paths and verdict."""
    number = f"{_counted_paths(len(item.paths), say)} " if item.paths else ""
    verdict = f"{number}{say.word(item.verdict)}"
    return f"{_cause_words(item.cause, say)}: {verdict}" if item.cause else verdict


def _counted_paths(number: int, say: Translator) -> str:
    return say.counted(number, "path")


def _cause_words(cause: Cause, say: Translator) -> str:
    return say("cause unknown") if cause is Cause.UNKNOWN else say.word(cause)


def mail_of(letter: Letter, sender: Secret, addresses: Sequence[Secret], at: datetime, delivery: str) -> EmailMessage:
    """Return a letter as a mail, or raise `ValueError`."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _parsed_address(sender)
    mail["To"] = tuple(map(_parsed_address, addresses))
    mail["Subject"] = letter.subject
    mail["Date"] = at
    mail["Message-ID"] = f"<{delivery}@{_parsed_address(sender).domain}>"
    # No vacation notice answers a machine (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.plain, cte="quoted-printable")
    mail.add_alternative(letter.page, subtype="html", cte="quoted-printable")
    return mail


def _parsed_address(text: Secret) -> Address:
    if not _PLAIN_ADDRESS.fullmatch(text.reveal()):
        raise ValueError("it is no plain e-mail address")
    return Address(addr_spec=text.reveal())


def send_mail(mail: EmailMessage, server: MailServer, addresses: Sequence[str], *, seconds: float) -> Mapping[str, int]:
    """Send a mail, unless all are refused (`ReachError`); return refused addresses."""
    try:
        return _send_over_smtp(mail, server, addresses, seconds)
    except smtplib.SMTPAuthenticationError:
        hint = "see that the login in secrets/receivers.yml is the one that the server knows"
        raise ReachError("it refuses the login", hint, lasting=True) from None
    except smtplib.SMTPRecipientsRefused as error:
        is_lasting = all(code >= FIRST_LASTING for code, _ in error.recipients.values())
        hint = "see whether the addresses in secrets/receivers.yml are right"
        hint = hint if server.login else f"{hint}; {_NEEDS_LOGIN}"
        raise ReachError("it takes none of the addresses", hint, lasting=is_lasting) from None
    except smtplib.SMTPNotSupportedError:
        hint = "write security: implicit with its port (465 as a rule), or have its STARTTLS or login switched on"
        raise ReachError("it offers no encryption, or no login", hint, lasting=True) from None
    except smtplib.SMTPResponseException as error:
        hint = _NEEDS_LOGIN if error.smtp_code == _LOGIN_WANTED else "see the server's own log"
        raise ReachError(f"it answers {error.smtp_code}", hint, lasting=error.smtp_code >= FIRST_LASTING) from None
    except ssl.SSLCertVerificationError:
        hint = "see that its certificate is valid and its authority known (REQUESTS_CA_BUNDLE names one's own)"
        raise ReachError("its certificate is not trusted", hint, lasting=True) from None
    except (ssl.SSLError, smtplib.SMTPException, OSError, ValueError, EOFError):
        hint = "see whether server, port and security in receivers.yml are right, and this machine gets there"
        raise ReachError("it cannot be reached, or speaks no SMTP", hint) from None


def _send_over_smtp(
    mail: EmailMessage, server: MailServer, addresses: Sequence[str], seconds: float
) -> Mapping[str, int]:
    context = ssl.create_default_context(cafile=server.authorities or None)
    *others, last = allowed_addresses(server.host, server.port, server.named, RECEIVER_HOSTS)
    client: smtplib.SMTP | None = None
    for address in others:
        with suppress(ConnectionError):
            client = client or _connected_client(server, address, _SHARE * seconds, context)
    client = client or _connected_client(server, last, _SHARE * seconds, context)
    try:
        if server.security is MailSecurity.STARTTLS:
            client.starttls(context=context)
        if server.login:
            client.login(_Utf8(server.login.username.reveal()), _Utf8(server.login.password.reveal()))
        refused = client.send_message(mail, mail["From"].addresses[0].addr_spec, addresses)
        return {address: code for address, (code, _) in refused.items()}
    finally:
        # The mail is sent; a failed goodbye does not matter.
        with suppress(OSError, smtplib.SMTPException):
            client.putcmd("QUIT")
        client.close()


class _BoundedAnswers:
    """A server's answers up to a limit, which smtplib lacks."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = _MOST_ANSWERED

    def readline(self, most: int) -> bytes:
        line = self._stream.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the server says too much")
        return line

    def close(self) -> None:
        self._stream.close()


class _Utf8(str):
    """Text that smtplib encodes as UTF-8, after RFC 4616."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "strict") -> bytes:
        del encoding
        return super().encode("utf-8", errors)


class _Bounded(smtplib.SMTP):
    def auth(
        self, mechanism: str, authobject: Callable[..., str | None], *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        def answer(challenge: bytes | None = None) -> str | None:
            text = authobject(challenge)
            return text if text is None else _Utf8(text)

        return super().auth(mechanism, answer, initial_response_ok=initial_response_ok)  # type: ignore[arg-type]  # its stub has overloads

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return ends_with_attempt(super()._get_socket(host, port, timeout))  # type: ignore[misc]

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _BoundedAnswers(self.sock.makefile("rb"))
        return super().getreply()


class _BoundedTls(_Bounded, smtplib.SMTP_SSL):
    """The same over TLS."""


def _connected_client(server: MailServer, address: str, seconds: float, context: ssl.SSLContext) -> smtplib.SMTP:
    """Connect to a server's address; the certificate must match the server's name."""
    client: smtplib.SMTP
    if server.security is MailSecurity.IMPLICIT:
        client = _BoundedTls(local_hostname=_HELO, timeout=seconds, context=context)
    else:
        client = _Bounded(local_hostname=_HELO, timeout=seconds)
    client._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001 (certificates are held against it)
    code, answer = client.connect(address, server.port)
    if code != _READY:
        client.close()
        raise smtplib.SMTPConnectError(code, answer)
    return client
