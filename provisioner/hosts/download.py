"""The download of a file from an inventory's address.

An author of an inventory change names the address. So each redirect's host is resolved once, has to be public, and is
connected at that address. Hosts named on this machine may have any address, since carriers have their own mirrors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.utils import should_bypass_proxies
from urllib3.exceptions import HTTPError

from provisioner.base.http import ReachError, allowed_addresses, ending_session, led_to, named_hosts, within

VARIABLE: Final = "PROVISIONER_ARTEFACT_MIRRORS"
_HTTPS_PORT: Final = 443
_MOST_HOPS: Final = 5
_MOST_BYTES: Final = 256 * 1024 * 1024
_MOST_S: Final = 900
_TIMEOUT_S: Final = (10, 60)
_BLOCK: Final = 1 << 20
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OF_RELEASES: Final = frozenset({"github.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com"})


class MirrorError(Exception):
    """A file is not available; the message gives the reason, without content."""


@dataclass(frozen=True)
class Mirrors:
    """The allowed hosts, and proxy settings."""

    named: frozenset[str] = frozenset()  #: Hosts that this machine's settings name, with any address.
    proxy: str = field(default="", repr=False)
    direct: str = ""  #: Hosts without proxy, as in `NO_PROXY`.
    authorities: str = ""  #: A file of a carrier's own CA certificates, if any.

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Mirrors":
        """Read the environment; `~/.netrc` is ignored, so no login leaks."""
        proxy = _first(environment, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        direct = _first(environment, "no_proxy", "NO_PROXY")
        authorities = _first(environment, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        return cls(named_hosts(environment, VARIABLE), proxy, direct, authorities)


def _first(environment: Mapping[str, str], *names: str) -> str:
    return next((value for name in names if (value := environment.get(name, ""))), "")


def download(address: str, stream: IO[bytes], mirrors: Mirrors) -> None:
    """Download an `https://` address into a stream, or raise `MirrorError`."""
    try:
        within(_MOST_S, lambda: _follow_redirects(address, stream, mirrors))
    except ReachError:
        raise MirrorError(f"it takes more than {_MOST_S} s") from None


def _follow_redirects(address: str, stream: IO[bytes], mirrors: Mirrors) -> None:
    for _ in range(_MOST_HOPS):
        try:
            with _request_answer(address, mirrors) as answer:
                if answer.status_code not in _REDIRECTS:
                    _copy_body(answer, stream)
                    return
                address = urljoin(address, answer.headers.get("Location", ""))
        except (OSError, ValueError, HTTPError) as error:
            raise MirrorError(type(error).__name__) from None
    raise MirrorError(f"more than {_MOST_HOPS} redirects")


def _request_answer(address: str, mirrors: Mirrors) -> requests.Response:
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or not host or not host.isascii() or parts.username or parts.password:
        raise MirrorError("it is no https:// address without a login")
    if mirrors.proxy and not should_bypass_proxies(address, no_proxy=mirrors.direct):
        return _ask_proxy(parts, host, mirrors)
    failure = MirrorError("no address")
    for resolved in _addresses(host, parts.port or _HTTPS_PORT, mirrors):
        try:
            return _ask(parts, resolved, mirrors)
        except requests.RequestException as error:
            failure = MirrorError(type(error).__name__)
    raise failure


def _ask_proxy(parts: SplitResult, host: str, mirrors: Mirrors) -> requests.Response:
    """Ask a known host over a proxy, whose final address is invisible."""
    if host not in mirrors.named | _OF_RELEASES:
        raise MirrorError(f"over a proxy only hosts named in {VARIABLE} are asked")
    return _get(ending_session(), parts.geturl(), parts.netloc, mirrors, {"https": mirrors.proxy})


def _ask(parts: SplitResult, resolved: str, mirrors: Mirrors) -> requests.Response:
    """Ask the address that was checked; a second lookup could differ."""
    session = ending_session()
    return _get(session, led_to(session, parts, resolved), parts.netloc, mirrors, {})


def _get(
    session: requests.Session, address: str, host: str, mirrors: Mirrors, proxies: Mapping[str, str]
) -> requests.Response:
    return session.get(
        address,
        headers={"Accept-Encoding": "identity", "Host": host},
        proxies=dict(proxies),
        verify=mirrors.authorities or True,
        allow_redirects=False,
        stream=True,
        timeout=_TIMEOUT_S,
    )


def _copy_body(answer: requests.Response, stream: IO[bytes]) -> None:
    if answer.status_code != _OK:
        raise MirrorError(f"it answers {answer.status_code}")
    size = 0
    while block := answer.raw.read(_BLOCK, decode_content=False):
        size += len(block)
        if size > _MOST_BYTES:
            raise MirrorError(f"it has more than {_MOST_BYTES // 2**20} MiB")
        stream.write(block)


# --- which addresses --------------------------------------------------------------------------------
def _addresses(host: str, port: int, mirrors: Mirrors) -> list[str]:
    """Return a host's addresses, all public unless the host is named."""
    try:
        return allowed_addresses(host, port, mirrors.named, VARIABLE)
    except ReachError as error:
        raise MirrorError(error.reason) from None
