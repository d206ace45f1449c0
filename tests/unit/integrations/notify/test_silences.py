"""Silences at a real Alertmanager and at the one in memory: made, renewed, ended; and servers that answer oddly."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from provisioner.base.http import HttpLimits, ReachError, ServerLogin
from provisioner.base.secret import Secret
from provisioner.desired.spec import HostSpec
from provisioner.operations.apply.silences import (
    AlertMatchers,
    LabelMatcher,
    SilencedServer,
    SilenceText,
    end_silence,
    make_silence,
    renew_silence,
    silenced_alerts,
)
from provisioner.plan.change import HostCut
from tests import fleets, inventories
from tests.alertmanager import Alertmanager
from tests.hostile import MERGE_REQUEST
from tests.processes import free_port
from tests.silences import SilencesInMemory, is_silenced, silences_served

SOON = HttpLimits(named=frozenset({"127.0.0.1"}), attempt_s=2.0, total_s=4.0, attempts=2, first_pause_s=0.01)
TEXT = SilenceText("provisioner", "run r-1 of inventory example: apply")
ONE: AlertMatchers = (LabelMatcher("inventory", "example"), LabelMatcher("path", "a|b\\-c", is_pattern=True))
REAL = pytest.param(
    "real", marks=pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="it is missing")
)


@pytest.fixture(params=["double", REAL])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SilencedServer]:
    """An Alertmanager."""
    if request.param == "double":
        with silences_served() as memory:
            yield SilencedServer("alerts", memory.url, None, SOON)
        return
    real = Alertmanager(tmp_path)
    yield SilencedServer("alerts", real.url, None, SOON)
    real.stop()


def until(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def state_of(server: SilencedServer, name: str) -> str:
    known: dict[str, Any] = requests.get(f"{server.url}/api/v2/silence/{name}", timeout=30).json()
    return str(known["status"]["state"])


def end_of(server: SilencedServer, name: str) -> datetime:
    known: dict[str, Any] = requests.get(f"{server.url}/api/v2/silence/{name}", timeout=30).json()
    return datetime.fromisoformat(known["endsAt"])


def test_a_silence_is_made_lasts_longer_under_the_same_id_and_ends(server: SilencedServer) -> None:
    silence = make_silence(server, ONE, TEXT, until(1))
    assert state_of(server, silence.id) == "active"
    assert end_of(server, silence.id) < until(2)
    renewed = renew_silence(server, silence, TEXT, until(3))
    assert renewed is not None
    assert renewed == silence
    assert end_of(server, silence.id) > until(2)
    end_silence(server, silence.id)
    assert state_of(server, silence.id) == "expired"
    end_silence(server, silence.id)  # once more: it has ended
    end_silence(server, "00000000-0000-4000-8000-000000000000")


def test_a_silence_that_a_person_ended_is_not_renewed(server: SilencedServer) -> None:
    silence = make_silence(server, ONE, TEXT, until(1))
    requests.delete(f"{server.url}/api/v2/silence/{silence.id}", timeout=30).raise_for_status()
    assert renew_silence(server, silence, TEXT, until(3)) is None
    assert state_of(server, silence.id) == "expired"


def test_a_silence_says_the_run_and_the_inventory_and_no_person(server: SilencedServer) -> None:
    silence = make_silence(server, ONE, TEXT, until(1))
    known = requests.get(f"{server.url}/api/v2/silence/{silence.id}", timeout=30).json()
    assert (known["createdBy"], known["comment"]) == (TEXT.creator, TEXT.comment)


@pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="it is missing")
def test_alertmanager_hides_exactly_the_alerts_that_the_tests_own_matcher_hides(tmp_path: Path) -> None:
    real = Alertmanager(tmp_path)
    try:
        _hides_the_same(SilencedServer("alerts", real.url, None, SOON), real)
    finally:
        real.stop()


def relay() -> HostSpec:
    listed = [fleets.facility("kcl-bg-1", 3), fleets.facility("kcl-bg-11", 2), fleets.facility("kcl-bg-12", 1)]
    state = fleets.state_of(inventories.inventory(facilities=listed))
    return next(host for host in state.hosts.values() if host.relay is not None)


def _hides_the_same(server: SilencedServer, real: Alertmanager) -> None:
    from tests.laws.test_silence_laws import alerts_of, never_about_paths  # noqa: PLC0415 (the same alerts)

    spec = relay()
    pulled = [path for path in spec.paths if not path.on_demand]
    one = next(path.name for path in pulled if path.facility == "kcl-bg-1")
    cut = HostCut(spec.id, facilities=frozenset({"kcl-bg-11"}), paths=frozenset({one, "x/y/a.b*(c)/sub"}))
    silences = silenced_alerts("example", cut, spec.paths)
    about = [labels for labels, _ in alerts_of(spec.id, spec.paths)]
    about += [{**labels, "host": "another-relay"} for labels in about]
    gone = {"alertname": "ProvisionerPathDown", "inventory": "example", "scope": "path", "host": spec.id}
    about += [*never_about_paths(spec.id), {**gone, "path": "x/y/a.b*(c)/sub"}, {**gone, "path": "x/y/aXb(c)/sub"}]
    body = [{"labels": labels, "annotations": {}} for labels in about]
    requests.post(f"{real.url}/api/v2/alerts", json=body, timeout=30).raise_for_status()
    for matchers in silences:
        make_silence(server, matchers, TEXT, until(3))
    real.wait_for(lambda: len(real.alerts()) == len({tuple(sorted(labels.items())) for labels in about}))
    seen = {tuple(sorted(a["labels"].items())): bool(a["status"]["silencedBy"]) for a in real.alerts()}
    assert seen == {tuple(sorted(labels.items())): is_silenced(silences, labels) for labels in about}
    assert 0 < sum(seen.values()) < len(seen)


# --- servers that are no good ---------------------------------------------------------------------
@pytest.fixture
def memory() -> Iterator[SilencesInMemory]:
    """An Alertmanager in memory."""
    with silences_served() as memory:
        yield memory


@MERGE_REQUEST
@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"silenceID": 7}',
        b'{"silenceID": ""}',
        b'{"silenceID": "../../-/reload"}',
        b'{"silenceID": "' + b"a" * 65 + b'"}',
        b'{"silenceID": "a", ' + b" " * 70_000 + b"}",
        b"[" * 60_000,
        b"\xff\xfe",
    ],
)
def test_an_answer_that_no_alertmanager_gives_is_an_error_and_hidden(memory: SilencesInMemory, odd: bytes) -> None:
    memory.odd = odd
    server = SilencedServer("alerts", memory.url, None, SOON)
    with pytest.raises(ReachError) as caught:
        make_silence(server, ONE, TEXT, until(1))
    assert caught.value.reason == "it answers what no Alertmanager does"
    assert [path for _, path in memory.asked] == ["/api/v2/silences"]


@pytest.mark.parametrize(
    "odd", [b'{"startsAt": "x\\u0000", "status": {"state": "active"}}', b'{"startsAt": "2021-05-09T00:00:00Z"}', b"7"]
)
def test_an_odd_silence_is_not_renewed(memory: SilencesInMemory, odd: bytes) -> None:
    server = SilencedServer("alerts", memory.url, None, SOON)
    silence = make_silence(server, ONE, TEXT, until(1))
    memory.odd = odd
    with pytest.raises(ReachError):
        renew_silence(server, silence, TEXT, until(3))


def test_the_login_is_that_of_the_receiver(memory: SilencesInMemory) -> None:
    login = ServerLogin(Secret("name"), Secret("canary-of-silences"))
    make_silence(SilencedServer("alerts", f"{memory.url}/", login, SOON), ONE, TEXT, until(1))
    assert memory.headers == ["Basic bmFtZTpjYW5hcnktb2Ytc2lsZW5jZXM="]


@pytest.mark.parametrize(("number", "tries"), [(503, 2), (401, 1), (400, 1), (302, 1)])
def test_a_server_that_does_not_take_it_is_asked_a_bounded_number_of_times(
    memory: SilencesInMemory, number: int, tries: int
) -> None:
    memory.broken = number
    with pytest.raises(ReachError):
        make_silence(SilencedServer("alerts", memory.url, None, SOON), ONE, TEXT, until(1))
    assert len(memory.asked) == tries


def test_nobody_there_is_an_error() -> None:
    server = SilencedServer("alerts", f"http://127.0.0.1:{free_port()}", None, SOON)
    with pytest.raises(ReachError):
        make_silence(server, ONE, TEXT, until(1))
