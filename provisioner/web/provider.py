"""The one door to the provider at which readers sign in: its metadata, its keys, and what a code is worth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import requests

from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.web.merged import part, text
from provisioner.web.provider_settings import ProviderSettings, is_safe

_TIMEOUT_S: Final = (5, 10)
_MOST_BYTES: Final = 512 * 1024
_KEPT_S: Final = 3600.0
_AGAIN_S: Final = 60.0
"""Keys are asked for anew at most so often, whatever tokens name."""


class ProviderError(Exception):
    """The provider does not answer, or not as one does; the message quotes nothing of what it said."""


@dataclass
class Provider:
    """An OpenID provider.

    Attributes:
        settings: which one.
        secret: what this server proves itself by; None for a public client.
    """

    settings: ProviderSettings
    secret: Secret | None = None
    _metadata: Document = field(default_factory=dict)
    _keys: Document = field(default_factory=dict)
    _asked_s: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def endpoint(self, name: str) -> str:
        """An address of the provider's, by its published metadata.

        Raises:
            ProviderError: it publishes none, or one that is not safe.
        """
        with self._lock:
            if self._is_old("metadata", _KEPT_S):
                address = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
                metadata = _answer(requests.Request("GET", address))
                if metadata.get("issuer") != self.settings.issuer:
                    raise ProviderError("the provider calls itself something else than issuer says")
                self._metadata = metadata
                self._asked_s["metadata"] = monotonic()
            address = text(self._metadata.get(name))
        if not is_safe(urlsplit(address)):
            raise ProviderError(f"the provider's {name} is no https:// address")
        return address

    def keys(self, *, again: bool = False) -> Document:
        """The keys by which it signs; `again` asks anew, where that is not too often.

        Raises:
            ProviderError: they cannot be had.
        """
        address = self.endpoint("jwks_uri")
        with self._lock:
            if self._is_old("keys", _AGAIN_S if again else _KEPT_S):
                self._keys = _answer(requests.Request("GET", address))
                self._asked_s["keys"] = monotonic()
            return self._keys

    def _is_old(self, what: str, seconds: float) -> bool:
        asked = self._asked_s.get(what)
        return asked is None or monotonic() - asked > seconds

    def token(self, code: str, verifier: str) -> str:
        """The ID token that a code is worth.

        Raises:
            ProviderError: it is worth none.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        login = (self.settings.client_id, self.secret.reveal()) if self.secret else None
        answer = _answer(requests.Request("POST", self.endpoint("token_endpoint"), data=form, auth=login))
        return text(answer.get("id_token"))


def _answer(request: requests.Request) -> Document:
    """What the provider says: one JSON object, not too long, from the very address that was asked."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            request.headers["Accept"] = "application/json"
            prepared = session.prepare_request(request)
            with session.send(prepared, timeout=_TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                content = answer.raw.read(_MOST_BYTES + 1, decode_content=True)
                if answer.status_code != requests.codes.ok or len(content) > _MOST_BYTES:
                    raise ProviderError(f"the provider answers {answer.status_code}")
                return part(json.loads(content))
    except (requests.RequestException, OSError, ValueError) as error:
        raise ProviderError(f"the provider does not answer as one does ({type(error).__name__})") from None
