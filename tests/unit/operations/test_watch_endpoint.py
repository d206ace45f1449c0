"""The endpoint of metrics: on loopback alone, for who calls this machine by its own name, and nothing but metrics."""

import http.client
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric as Family

from provisioner.base.errors import StateError, UsageError
from provisioner.integrations.alerting.metric_catalogue import NIGHT, WRITTEN_AT, MetricSheet
from provisioner.operations.watch.endpoint import endpoint_of, served
from tests.hostile import VIEWER


def families() -> Iterable[Family]:
    sheet = MetricSheet("example", NIGHT)
    sheet.put(WRITTEN_AT, 7)
    return sheet.families()


def asked(port: int, method: str = "GET", path: str = "/metrics", host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@VIEWER
def test_metrics_are_read_and_nothing_else() -> None:
    with served(("127.0.0.1", 0), families) as port:
        status, text = asked(port)
        assert (status, "provisioner_metrics_written_timestamp_seconds{" in text) == (200, True)
        assert asked(port, path="/")[0] == 404
        assert asked(port, path="/../../etc/passwd")[0] == 404
        assert asked(port, method="POST")[0] == 405
        assert asked(port, host="localhost:1")[0] == 200
        for strange in ("monitor.example.com:1", "192.0.2.1:1", "localhost.example.com:1", "x"):
            assert asked(port, host=strange)[0] == 403
    with pytest.raises(OSError, match="refused"):
        asked(port)


def test_what_cannot_be_read_is_no_metrics() -> None:
    def closed() -> Iterable[Family]:
        raise StateError("the history is closed", hint="open it")

    with served(("127.0.0.1", 0), closed) as port:
        assert asked(port) == (503, "the history is closed\n")


def test_a_port_that_is_taken_is_said() -> None:
    with (
        served(("127.0.0.1", 0), families) as port,
        pytest.raises(UsageError, match="cannot be listened on"),
        served(("127.0.0.1", port), families),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("[::1]:9464", ("::1", 9464)),
        ("127.8.8.8:1", ("127.8.8.8", 1)),
    ],
)
def test_a_place_on_loopback_is_taken(text: str, place: tuple[str, int]) -> None:
    assert endpoint_of(text) == place


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:9464", "192.0.2.1:1", "[::]:1", "10.0.0.1:9464", "example.com:1", "x", "", "70000", "-1", ":9", "1:2:3"],
)
def test_any_other_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        endpoint_of(text)


@VIEWER
@given(st.text(max_size=30))
def test_no_text_makes_it_listen_on_the_network(text: str) -> None:
    try:
        address, port = endpoint_of(text)
    except UsageError:
        return
    assert address.startswith("127.") or address == "::1"
    assert 0 <= port <= 65535
