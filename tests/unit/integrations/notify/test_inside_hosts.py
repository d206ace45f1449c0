"""Receivers of notices have public addresses, or this machine's own settings name their hosts."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from provisioner.base import http
from provisioner.base.http import HttpLimits, ReachError
from provisioner.base.secret import Secret
from provisioner.base.text import is_public
from provisioner.integrations.notify.delivery import Outgoing, deliver
from provisioner.integrations.notify.mail import Letter
from provisioner.inventory.model.receivers import MailSecurity, Receiver, ReceiverSecrets
from provisioner.operations.apply.silences import SilencedServer, SilenceText, make_silence
from tests.hostile import MERGE_REQUEST
from tests.sinks import certified, mail_sink, web_sink

QUICK: Final = HttpLimits(attempt_s=5.0, total_s=10.0, attempts=3, first_pause_s=0.01)
SECRETS: Final = ReceiverSecrets(key=Secret("k" * 40), sender=Secret("a@x.example"), addresses=(Secret("b@x.example"),))
INSIDE: Final = (
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),  # noqa: S104
    *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::7f00:1", "::ffff:0:7f00:1", "2001:db8::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "100::1", "5f00::1"),
)


def outgoing(kind: str, **fields: Any) -> Outgoing:
    receiver = Receiver.model_validate({"id": "noc", "kind": kind, "role": "ministry", **fields}, strict=False)
    return Outgoing(receiver, SECRETS, datetime.now(UTC), "d" * 32, {}, Letter("x", "x\n", "<p>x</p>\n"), [{}])


def refused(sent: Outgoing, patience: HttpLimits = QUICK) -> None:
    with pytest.raises(ReachError) as caught:
        deliver(sent, patience)
    assert caught.value.reason.endswith("has no public address, and is not named in PROVISIONER_RECEIVER_HOSTS")
    assert caught.value.attempts == 1


@MERGE_REQUEST
def test_a_public_address_of_this_machine_itself_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here it reaches services that its own rules let nobody else reach."""
    monkeypatch.setattr(http, "is_public", lambda _address: True)
    with web_sink() as sink, mail_sink() as mails:
        refused(outgoing("webhook", url=sink.url()))
        refused(outgoing("smtp", server="127.0.0.1", port=mails.port, security=MailSecurity.NONE))
        assert sink.taken == []


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by name; each look takes the first one away, so long as there is another."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look(host: Any, *words: Any, **more: Any) -> Any:
        if host not in known:
            return real(host, *words, **more)
        listed = known[host]
        return real(listed.pop(0) if listed[1:] else listed[0], *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return known


@MERGE_REQUEST
@pytest.mark.parametrize("kind", ["webhook", "alertmanager"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_no_receiver_on_this_machine_is_told_unless_the_machine_names_it(kind: str, host: str) -> None:
    with web_sink() as sink:
        url = f"http://{host}:{sink.port}/"
        refused(outgoing(kind, url=url))
        refused(outgoing(kind, url=url), replace(QUICK, named=frozenset({"mail.example.com", f"{host}:1"})))
        assert sink.taken == []
        if host != "127.0.0.2":
            for name in (host, f"{host}:{sink.port}"):
                deliver(outgoing(kind, url=url), replace(QUICK, named=frozenset({name})))
            assert len(sink.taken) == 2


@MERGE_REQUEST
@pytest.mark.parametrize("server", ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0"])
def test_no_mail_server_inside_is_spoken_to_unless_the_machine_names_it(tmp_path: Path, server: str) -> None:
    made = certified(tmp_path)
    with mail_sink(tls=made.server) as sink:
        refused(outgoing("smtp", server=server, port=sink.port, security="starttls"))
        assert sink.mails == []


@MERGE_REQUEST
@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "[::1]"])
def test_an_address_in_another_form_is_the_same_address(host: str) -> None:
    refused(outgoing("webhook", url=f"https://{host}:9/"))


@MERGE_REQUEST
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_a_name_that_leads_inside_is_not_asked(resolved: dict[str, list[str]], address: str) -> None:
    resolved["hooks.example.com"] = [address]
    refused(outgoing("webhook", url="https://hooks.example.com/"))
    refused(outgoing("smtp", server="hooks.example.com", port=25))


@MERGE_REQUEST
def test_the_checked_address_is_connected_to(resolved: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public at the first look, and loopback at the second."""
    connected: list[str] = []

    def connect(place: tuple[str, int], *_words: Any, **_more: Any) -> socket.socket:
        connected.append(place[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    for sent in (
        outgoing("webhook", url="https://hooks.example.com/"),
        outgoing("smtp", server="hooks.example.com", port=25),
        outgoing("smtp", server="hooks.example.com", port=465, security="implicit"),
    ):
        resolved["hooks.example.com"] = ["8.8.8.8", "127.0.0.1"]
        with pytest.raises(ReachError, match="reached"):
            deliver(sent, replace(QUICK, attempts=1))
    assert connected == ["8.8.8.8"] * 3


def test_a_named_host_is_held_to_its_certificate(tmp_path: Path, resolved: dict[str, list[str]]) -> None:
    resolved["hooks.example.com"] = ["127.0.0.1"]
    made = certified(tmp_path)
    patience = replace(QUICK, authorities=str(made.authority), named=frozenset({"hooks.example.com", "127.0.0.1"}))
    with web_sink(tls=made.server) as sink:
        deliver(outgoing("webhook", url=f"https://127.0.0.1:{sink.port}/"), patience)
        with pytest.raises(ReachError, match="certificate"):
            deliver(outgoing("webhook", url=f"https://hooks.example.com:{sink.port}/"), patience)
        assert [taken.headers["Host"] for taken in sink.taken] == [f"127.0.0.1:{sink.port}"]


@MERGE_REQUEST
def test_no_alertmanager_inside_is_silenced_unless_the_machine_names_it() -> None:
    with web_sink() as sink:
        server = SilencedServer("alerts", f"http://127.0.0.1:{sink.port}", None, QUICK)
        with pytest.raises(ReachError, match="no public address"):
            make_silence(server, (), SilenceText("x", "y"), datetime.now(UTC))
        assert sink.taken == []


@MERGE_REQUEST
@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public_is_known(address: str) -> None:
    assert not is_public(address)


def test_the_machine_names_hosts_in_its_environment() -> None:
    named = HttpLimits.of({"PROVISIONER_RECEIVER_HOSTS": "LocalHost, 127.0.0.1:9093,[::1]:25"}).named
    assert named == {"localhost", "127.0.0.1:9093", "[::1]:25"}
    assert HttpLimits.of({}).named == frozenset()
