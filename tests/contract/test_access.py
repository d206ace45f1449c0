"""Who may read and who may ask the Control API."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from .reader import Dialogue, describe
from .relay import API_PASSWORD, API_USER, LATE, READER, READER_HASH, READER_PASSWORD, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from .camera import CameraYard
    from .conftest import StartRelay
    from .relay import Relay

pytestmark = pytest.mark.contract

PATH: Final = "hn/site/cam-1/sub"
OTHER: Final = "hcm/site/cam-1/sub"
# A refusal of wrong credentials comes after up to four seconds.
_LONGEST_DELAY: Final = 8.0 + LATE
# Sooner than the shortest delay of a failure. A busy machine is late now and then; a delay comes every time.
_AT_ONCE: Final = 1.9
_TRIES: Final = 5


def _start(start_relay: StartRelay, yard: CameraYard) -> Relay:
    source = f"rtsp://127.0.0.1:{yard.camera().port}/s"
    relay = start_relay({PATH: {"source": source}, OTHER: {"source": source}})
    far = {"user": "far", "pass": READER_HASH, "ips": ["10.0.0.0/8"], "permissions": [{"action": "read"}]}
    exact = {"user": "exact", "pass": READER_HASH, "permissions": [{"action": "read", "path": OTHER}]}
    relay.config["authInternalUsers"] += [far, exact]
    relay.reload("users")
    wait_for(lambda: relay.path(PATH)["available"] and relay.path(OTHER)["available"])
    return relay


def _seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_reading(start_relay: StartRelay, yard: CameraYard) -> None:
    relay = _start(start_relay, yard)
    expected = {
        (PATH, READER, READER_PASSWORD): 200,
        (OTHER, READER, READER_PASSWORD): 401,
        (OTHER, "exact", READER_PASSWORD): 200,
        (PATH, "exact", READER_PASSWORD): 401,
        (PATH, READER, "wrong"): 401,
        (PATH, READER, READER_HASH): 401,
        (PATH, "far", READER_PASSWORD): 401,
        (PATH, API_USER, API_PASSWORD): 401,
        ("hn/none", READER, READER_PASSWORD): 400,
    }

    def status(case: tuple[str, str, str]) -> int:
        return describe(relay.rtsp_port, case[0], case[1:]).status

    began = time.monotonic()
    with ThreadPoolExecutor(len(expected)) as pool:
        got = dict(zip(expected, pool.map(status, expected), strict=True))
    assert got == expected
    assert time.monotonic() - began < _LONGEST_DELAY
    relay.wait_for_log("failed to authenticate: authentication failed")


def test_a_reader_without_credentials_is_asked_for_them(start_relay: StartRelay, yard: CameraYard) -> None:
    relay = _start(start_relay, yard)

    def ask() -> None:
        with Dialogue(relay.rtsp_port) as dialogue:
            first = dialogue.ask("DESCRIBE", PATH)
            assert first.status == 401
            assert first.headers["www-authenticate"].startswith("Basic realm=")
            # The connection stays open for the next try.
            assert dialogue.ask("OPTIONS", PATH).status == 200

    assert any(_seconds(ask) < _AT_ONCE for _ in range(_TRIES))


def test_an_unknown_path_says_so_before_it_asks_for_credentials(start_relay: StartRelay) -> None:
    assert describe(start_relay().rtsp_port, "hn/none", None).status == 400


def test_the_api(start_relay: StartRelay) -> None:
    relay = start_relay()

    def ask() -> None:
        missing = relay.api("/v3/info", credentials=None)
        assert (missing.status, missing.json()) == (401, {"status": "error", "error": "authentication error"})

    assert any(_seconds(ask) < _AT_ONCE for _ in range(_TRIES))
    began = time.monotonic()
    wrong = [(API_USER, "wrong"), ("nobody", API_PASSWORD), (READER, READER_PASSWORD)]
    with ThreadPoolExecutor(len(wrong)) as pool:
        answers = list(pool.map(lambda pair: relay.api("/v3/info", credentials=pair), wrong))
        # Waiting failures do not hold a good login up.
        assert relay.api("/v3/info").status == 200
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert time.monotonic() - began < _LONGEST_DELAY
