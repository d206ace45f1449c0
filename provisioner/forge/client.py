"""The calls of one project's API: sent, tried again where that may help, and their answers parsed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from provisioner.base.attempt import Patience, ReachError, try_often
from provisioner.base.errors import NoticeError
from provisioner.base.https import Advice, HttpAnswer, Request, exchange, taken
from provisioner.base.secret import Secret
from provisioner.forge.dialect import Call, Dialect, account_in
from provisioner.forge.forgejo import Forgejo
from provisioner.forge.github import GitHub
from provisioner.forge.gitlab import GitLab
from provisioner.forge.place import ForgeKind, ForgePlace

_MOST_BYTES: Final = 16 * 1024 * 1024
_ADVICE: Final = Advice("PROVISIONER_FORGE_URL", "the token in PROVISIONER_FORGE_TOKEN, with its rights,")
_DIALECTS: Final[Mapping[ForgeKind, Callable[[str], Dialect]]] = {
    ForgeKind.GITHUB: GitHub,
    ForgeKind.GITLAB: GitLab,
    ForgeKind.FORGEJO: Forgejo,
}


class ForgeClient:
    """One project of one forge, as whoever has the token."""

    def __init__(self, place: ForgePlace, token: Secret, patience: Patience) -> None:
        """Say where, as whom, and how long is waited."""
        self.place = place
        self.dialect: Dialect = _DIALECTS[place.kind](place.project)
        self._token = token
        self._patience = patience

    def ask(self, call: Call) -> object:
        """Send a call, and take the answer apart; None where it has none, or a number that is no success.

        Raises:
            NoticeError: it was not taken, or the answer is no JSON.
        """
        answer = self._send(call)
        if answer.is_cut:
            raise self._error("it answers more than any merge request has", "see what stands at that address")
        if not answer.body.strip() or answer.status in call.accepted:
            return None
        try:
            document: object = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._error("its answer is no JSON", "see that PROVISIONER_FORGE_URL is its API's address") from None
        return document

    def account(self) -> str:
        """Whose the token is; empty where the forge does not say.

        Raises:
            NoticeError: it could not be asked.
        """
        return account_in(self.ask(self.dialect.account())) or self.dialect.runner

    def tell(self, call: Call) -> None:
        """Send a call whose answer says nothing.

        Raises:
            NoticeError: it was not taken.
        """
        self._send(call)

    def _send(self, call: Call) -> HttpAnswer:
        body = b"" if call.document is None else json.dumps(call.document, ensure_ascii=False).encode()
        request = Request(
            call.method,
            f"{self.place.url}{call.path}",
            body,
            self.dialect.headers(self._token),
            most_bytes=_MOST_BYTES,
        )

        def attempt(seconds: float) -> HttpAnswer:
            answer = exchange(request, seconds=seconds, advice=_ADVICE, authorities=self._patience.authorities)
            return answer if answer.status in call.accepted else taken(answer, _ADVICE)

        try:
            return try_often(attempt, self._patience).value
        except ReachError as error:
            raise self._error(error.reason, error.hint) from None

    def _error(self, reason: str, hint: str) -> NoticeError:
        place = f"{self.place.kind} project {self.place.project}"
        return NoticeError(f"{place} was not told: {reason}", hint=hint, object=self.place.project)
