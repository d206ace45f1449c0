"""A notice sent over HTTP: one POST, and the number that the server answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from provisioner.base.https import Advice, Request, ServerLogin, exchange, taken

_ADVICE: Final = Advice("receivers.yml", "the key or login in secrets/receivers.yml")


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    login: ServerLogin | None = None,
    authorities: str = "",
) -> int:
    """Send a body: the number that the server answered.

    Args:
        url: where to, as it was checked when the inventory was read.
        body: JSON.
        headers: beside those that every request has.
        seconds: how long the server may be silent.
        login: for HTTP's basic authentication.
        authorities: a file of certificates; empty takes the usual ones.

    Raises:
        ReachError: it was not taken.
    """
    request = Request("POST", url, body, headers, login)
    return taken(exchange(request, seconds=seconds, advice=_ADVICE, authorities=authorities), _ADVICE).status
