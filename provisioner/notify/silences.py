"""The door to an Alertmanager's silences (its API v2): made, renewed, ended.

What it answers is read up to a bound and believed in nothing but a silence's id, its beginning and its state, each of a
strict form: the id goes into an address.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from provisioner.base.attempt import Patience, ReachError, try_often
from provisioner.base.https import Advice, HttpAnswer, Request, ServerLogin, exchange, taken
from provisioner.base.json_document import Document
from provisioner.notify.silenced import AlertMatchers

_ADVICE: Final = Advice("receivers.yml", "the login in secrets/receivers.yml")
_SILENCES: Final = "/api/v2/silences"
_SILENCE: Final = "/api/v2/silence/"
_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_MOMENT: Final = re.compile(r"[0-9TZ:.+-]{10,40}")
_EARLIER: Final = timedelta(hours=1)
_NOT_THERE: Final = 404
_ENDED: Final = "expired"
_NO_ANSWER: Final = "see that the address in receivers.yml is an Alertmanager's, without /api/v2"


@dataclass(frozen=True)
class SilencedServer:
    """An Alertmanager at which alerts are silenced.

    Attributes:
        receiver: its id in `receivers.yml`.
        url: its address, without `/api/v2`.
    """

    receiver: str
    url: str
    login: ServerLogin | None
    patience: Patience


@dataclass(frozen=True, slots=True)
class SilenceText:
    """What a silence says to who sees it there: no person, no secret."""

    creator: str
    comment: str


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that an Alertmanager has."""

    id: str
    matchers: AlertMatchers


def make_silence(server: SilencedServer, matchers: AlertMatchers, text: SilenceText, until: datetime) -> Silence:
    """Silence alerts from now on.

    Args:
        server: where.
        matchers: which alerts.
        text: what it says.
        until: when it ends by itself.

    Raises:
        ReachError: the server was not reached, or did not take it.
    """
    # It begins when the server has it, whatever this machine's clock says: an Alertmanager takes no earlier moment.
    begin = _moment(datetime.now(UTC) - _EARLIER)
    return Silence(_put(server, matchers, text, (begin, _moment(until))), matchers)


def renew_silence(server: SilencedServer, silence: Silence, text: SilenceText, until: datetime) -> Silence | None:
    """Have a silence last longer; None where somebody has ended it there, which is left so.

    Raises:
        ReachError: the server was not reached, or did not take it.
    """
    state, begin = _state(server, silence.id)
    if state == _ENDED:
        return None
    return Silence(_put(server, silence.matchers, text, (begin, _moment(until)), id=silence.id), silence.matchers)


def end_silence(server: SilencedServer, name: str) -> None:
    """End a silence now; one that is not there, or that has ended, is well.

    Raises:
        ReachError: the server was not reached, or did not take it.
    """
    if not _ID.fullmatch(name):
        return
    request = Request("DELETE", server.url.rstrip("/") + _SILENCE + name)
    try:
        _asked(replace(server, patience=replace(server.patience, attempts=1)), request, also=_NOT_THERE)
    except ReachError:
        # One that has ended is an error of the server's to Alertmanager.
        if _state(server, name)[0] != _ENDED:
            _asked(server, request, also=_NOT_THERE)


def _state(server: SilencedServer, name: str) -> tuple[str, str]:
    """A silence's state, and when it began; what is not there has ended."""
    known = _asked(server, Request("GET", server.url.rstrip("/") + _SILENCE + name), also=_NOT_THERE)
    if known.status == _NOT_THERE:
        return _ENDED, ""
    document = _document(known)
    begin, status = document.get("startsAt"), document.get("status")
    state = status.get("state") if isinstance(status, dict) else None
    if not isinstance(begin, str) or not _MOMENT.fullmatch(begin) or not isinstance(state, str):
        raise _misunderstood()
    return state, begin


def _put(server: SilencedServer, matchers: AlertMatchers, text: SilenceText, times: tuple[str, str], **own: str) -> str:
    begin, end = times
    body: Document = {
        "matchers": [matcher.document for matcher in matchers],
        "startsAt": begin,
        "endsAt": end,
        "createdBy": text.creator,
        "comment": text.comment,
        **own,
    }
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    said = _document(_asked(server, Request("POST", server.url.rstrip("/") + _SILENCES, data))).get("silenceID")
    if not isinstance(said, str) or not _ID.fullmatch(said):
        raise _misunderstood()
    return said


def _asked(server: SilencedServer, request: Request, *, also: int = 0) -> HttpAnswer:
    whole = Request(request.method, request.url, request.body, login=server.login)

    def attempt(seconds: float) -> HttpAnswer:
        answer = exchange(whole, seconds=seconds, advice=_ADVICE, authorities=server.patience.authorities)
        return answer if answer.status == also else taken(answer, _ADVICE)

    return try_often(attempt, server.patience).value


def _document(answer: HttpAnswer) -> Document:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _misunderstood() from None
    if answer.is_cut or not isinstance(document, dict):
        raise _misunderstood()
    return document


def _misunderstood() -> ReachError:
    return ReachError("it answers what no Alertmanager does", _NO_ANSWER, lasting=True)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
