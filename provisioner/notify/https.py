"""The only door to HTTP for notices: one POST, no redirect, no proxy, no login of a machine's own, little read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError

from provisioner.base.secret import Secret
from provisioner.notify.attempt import ReachError

MOST_READ: Final = 64 * 1024
"""So much of an answer is read, and thrown away: its number says all that is needed."""
_BLOCK: Final = 4096
_OK: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_TOO_MANY: Final = 429
_TIME_OUT: Final = 408
_FIRST_OF_SERVER: Final = 500
_LOGIN: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class ServerLogin:
    """A name and a password for HTTP's basic authentication, or a mail server's login."""

    username: Secret
    password: Secret


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
    session = requests.Session()
    session.trust_env = False
    try:
        with session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "provisioner", **headers},
            auth=HTTPBasicAuth(login.username.reveal().encode(), login.password.reveal().encode()) if login else None,
            timeout=seconds,
            verify=authorities or True,
            allow_redirects=False,
            stream=True,
        ) as answer:
            _read_little(answer)
            return _judged(answer.status_code)
    except requests.exceptions.SSLError:
        hint = "see that its certificate is valid and its authority known (REQUESTS_CA_BUNDLE names one's own)"
        raise ReachError("its certificate is not trusted", hint, lasting=True) from None
    except requests.exceptions.Timeout:
        raise ReachError("it did not answer in time", "see whether the server runs, and what it waits for") from None
    except (requests.RequestException, HTTPError, OSError, ValueError):
        hint = "see whether the address in receivers.yml is right, the server runs, and this machine gets there"
        raise ReachError("it cannot be reached, or speaks no HTTP", hint) from None
    finally:
        session.close()


def _read_little(answer: requests.Response) -> None:
    """Read so much of an answer that a short one is whole; a long one is cut off."""
    size = 0
    while size < MOST_READ and (block := answer.raw.read(_BLOCK, decode_content=False)):
        size += len(block)


def _judged(status: int) -> int:
    """Take a number that says that the body was taken.

    Raises:
        ReachError: it says another thing.
    """
    if status in _OK:
        return status
    if status in _REDIRECTS:
        hint = "write the address itself into receivers.yml"
        raise ReachError(f"it answers {status}: a redirect is not followed", hint, lasting=True)
    if status in _LOGIN:
        hint = "see that the key or login in secrets/receivers.yml is the one that the server knows"
        raise ReachError(f"it answers {status}: it does not take what it is sent from here", hint, lasting=True)
    is_passing = status in {_TOO_MANY, _TIME_OUT} or status >= _FIRST_OF_SERVER
    hint = "see the server's own log" if is_passing else "see that the address in receivers.yml is the right one"
    raise ReachError(f"it answers {status}", hint, lasting=not is_passing)
