"""Notices on their way, at real servers on this machine: what is taken, what is tried again, and what ends anyway."""

import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.http import HttpLimits, ReachError
from provisioner.base.secret import Secret
from provisioner.base.text import Document
from provisioner.integrations.notify.delivery import Outgoing, deliver
from provisioner.integrations.notify.mail import Letter
from provisioner.inventory.model.receivers import MailSecurity, Receiver, ReceiverSecrets
from tests import sinks
from tests.hostile import MERGE_REQUEST
from tests.processes import free_port
from tests.sinks import certified, mail_sink, status, web_sink

HERE = frozenset({"127.0.0.1"})
KEY = "canary-key-" + "k" * 32
SENDER, FIRST, SECOND = "canary-noc@provisioner.example", "canary-a@dic.example", "canary-b@dic.example"
QUICK = HttpLimits(named=HERE, attempt_s=20.0, total_s=60.0, attempts=3, first_pause_s=0.01)
# A busy machine has the seconds of one attempt for its handshake, too.
SHORT = HttpLimits(named=HERE, attempt_s=3.0, total_s=6.0, attempts=1, first_pause_s=0.01)
DOCUMENT: Document = {"schema": "provisioner/notice", "text": "Đêm 20/05/2021: mất hình"}
LETTER = Letter("[provisioner example] Đêm 20/05/2021", "mất hình\n", "<!doctype html><p>mất hình</p>\n")
ALERTS: list[Document] = [{"labels": {"alertname": "ProvisionerNight"}, "annotations": {}}]


def outgoing(kind: str, secrets: dict[str, Any] | None = None, **fields: Any) -> Outgoing:
    receiver = Receiver.model_validate({"id": "noc", "kind": kind, "role": "ministry", **fields}, strict=False)
    vaulted = {name: _secret(value) for name, value in (secrets or {}).items()}
    at = datetime(2021, 5, 20, 20, 30, tzinfo=UTC)
    return Outgoing(receiver, ReceiverSecrets(**vaulted), at, "d" * 32, DOCUMENT, LETTER, ALERTS)


def _secret(value: Any) -> Any:
    return tuple(map(Secret, value)) if isinstance(value, list) else Secret(value)


def webhook(url: str) -> Outgoing:
    return outgoing("webhook", {"key": KEY}, url=url)


# --- webhooks -------------------------------------------------------------------------------------
def test_a_webhook_gets_a_body_that_its_key_proves() -> None:
    """The recipe of docs/operate/nightly.md, as a receiver would write it."""
    with web_sink() as sink:
        assert deliver(webhook(sink.url()), QUICK).attempts == 1
    (taken,) = sink.taken
    timestamp = taken.headers["Provisioner-Timestamp"]
    mac = hmac.new(KEY.encode(), timestamp.encode() + b"." + taken.body, "sha256").hexdigest()
    assert taken.headers["Provisioner-Signature"] == f"v1={mac}"
    assert int(timestamp) == 1_621_542_600
    assert json.loads(taken.body) == DOCUMENT
    assert taken.headers["Content-Type"] == "application/json"
    assert KEY not in str(taken.headers)


def test_a_server_that_fails_is_asked_again_with_the_same_notice() -> None:
    with web_sink(status(500), status(429), status(204)) as sink:
        assert deliver(webhook(sink.url()), QUICK).attempts == 3
    assert len({taken.headers["Provisioner-Delivery"] for taken in sink.taken}) == 1
    assert len({taken.body for taken in sink.taken}) == 1


@pytest.mark.parametrize(("number", "times"), [(500, 3), (503, 3), (429, 3), (400, 1), (401, 1), (404, 1), (410, 1)])
def test_what_will_not_pass_is_not_tried_again(number: int, times: int) -> None:
    with web_sink(status(number)) as sink, pytest.raises(ReachError, match=str(number)) as caught:
        deliver(webhook(sink.url()), QUICK)
    assert (len(sink.taken), caught.value.attempts) == (times, times)
    assert caught.value.hint


def test_a_redirect_is_not_followed() -> None:
    with web_sink() as other, web_sink(status(307, Location=other.url())) as sink:
        with pytest.raises(ReachError, match="redirect"):
            deliver(webhook(sink.url()), QUICK)
        assert other.taken == []


@MERGE_REQUEST
@pytest.mark.parametrize(
    "answer",
    [sinks.hang, sinks.drip, sinks.drip_body, sinks.go_on],
    ids=["hangs", "drips", "drips its body", "goes on"],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_does_not_come_to_an_end_is_left_and_holds_no_thread(
    tmp_path: Path, answer: Callable[[Any], None], *, tls: bool
) -> None:
    made = certified(tmp_path)
    with web_sink(answer, tls=made.server if tls else None) as sink:
        began = time.monotonic()
        with pytest.raises(ReachError, match="answer"):
            deliver(
                webhook(sink.url(scheme="https" if tls else "http")), replace(SHORT, authorities=str(made.authority))
            )
        assert time.monotonic() - began < 30.0
        assert_no_attempt_goes_on()


def assert_no_attempt_goes_on() -> None:
    """A server that says a byte now and then would hold each thread, and its connection, for as long as it likes."""
    until = time.monotonic() + 5.0
    while left := [thread for thread in threading.enumerate() if thread.name == "attempt"]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_of_an_endless_answer_little_is_read() -> None:
    with web_sink(sinks.flood) as sink:
        assert deliver(webhook(sink.url()), QUICK).attempts == 1
        assert sink.sent < 64 * 1024 * 1024


@MERGE_REQUEST
def test_of_an_endless_redirect_little_is_read() -> None:
    with web_sink(sinks.flood_elsewhere) as sink:
        with pytest.raises(ReachError, match="redirect"):
            deliver(webhook(sink.url()), QUICK)
        assert sink.sent < 64 * 1024 * 1024


@pytest.mark.parametrize("place", ["closed", "garbage"])
def test_what_speaks_no_http_is_said_so(place: str) -> None:
    with web_sink(sinks.garbage) as sink:
        url = sink.url() if place == "garbage" else f"http://127.0.0.1:{free_port()}/"
        with pytest.raises(ReachError, match="reached"):
            deliver(webhook(url), QUICK)


def test_a_certificate_is_held_against_its_authority(tmp_path: Path) -> None:
    made = certified(tmp_path)
    with web_sink(tls=made.server) as sink:
        with pytest.raises(ReachError, match="certificate") as caught:
            deliver(webhook(sink.url(scheme="https")), QUICK)
        assert caught.value.attempts == 1
        trusting = HttpLimits(named=HERE, attempts=1, authorities=str(made.authority))
        assert deliver(webhook(sink.url(scheme="https")), trusting).attempts == 1
    assert len(sink.taken) == 1


def test_neither_a_proxy_nor_a_login_of_the_machine_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with web_sink() as sink:
        deliver(webhook(sink.url()), QUICK)
    assert "Authorization" not in sink.taken[0].headers


# --- Alertmanager ---------------------------------------------------------------------------------
def test_an_alertmanager_is_sent_alerts_with_a_login_that_may_have_accents() -> None:
    secrets = {"username": "noc", "password": "mật-khẩu"}
    with web_sink() as sink:
        deliver(outgoing("alertmanager", secrets, url=sink.url("/prefix/")), QUICK)
    (taken,) = sink.taken
    assert taken.path == "/prefix/api/v2/alerts"
    assert json.loads(taken.body) == ALERTS
    assert taken.headers["Authorization"].startswith("Basic ")


# --- mail -----------------------------------------------------------------------------------------
def mail(port: int, security: str, **secrets: Any) -> Outgoing:
    vaulted = {"sender": SENDER, "addresses": [FIRST, SECOND]} | secrets
    return outgoing("smtp", vaulted, server="127.0.0.1", port=port, security=MailSecurity(security))


def test_a_mail_is_plain_text_and_a_page_to_all_addresses() -> None:
    with mail_sink() as sink:
        assert deliver(mail(sink.port, "none"), QUICK).note == ""
    (sent,) = sink.mails
    assert sink.envelopes == [(SENDER, (FIRST, SECOND))]
    assert sent["Subject"] == LETTER.subject
    assert sent["Auto-Submitted"] == "auto-generated"
    plain, page = sent.get_body(("plain",)), sent.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content().replace("\r\n", "\n") == LETTER.plain
    assert "mất hình" in page.get_content()


def test_a_mail_server_hears_that_it_was_all() -> None:
    with mail_sink() as sink:
        deliver(mail(sink.port, "none"), QUICK)
        until = time.monotonic() + 5
        while not sink.quits and time.monotonic() < until:
            time.sleep(0.02)
    assert sink.quits == 1


@pytest.mark.parametrize("security", ["starttls", "implicit"])
@pytest.mark.parametrize("login", [("noc", "Mat-khau-canary"), ("giám-sát", "mật-khẩu-canary")])
def test_a_login_is_sent_over_an_encrypted_way_only(tmp_path: Path, security: str, login: tuple[str, str]) -> None:
    made = certified(tmp_path)
    with mail_sink(tls=made.server, implicit=security == "implicit", login=login) as sink:
        notice = mail(sink.port, security, username=login[0], password=login[1])
        with pytest.raises(ReachError, match="certificate"):
            deliver(notice, QUICK)
        assert sink.logins == []
        trusting = HttpLimits(named=HERE, attempts=1, authorities=str(made.authority))
        assert deliver(notice, trusting).attempts == 1
        assert sink.logins == [login]
        wrong = mail(sink.port, security, username=login[0], password="another-canary")
        with pytest.raises(ReachError, match="refuses the login") as caught:
            deliver(wrong, HttpLimits(named=HERE, attempts=3, authorities=str(made.authority)))
    assert caught.value.attempts == 1
    assert len(sink.mails) == 1


def test_each_wrong_setting_of_a_mail_server_is_named(tmp_path: Path) -> None:
    made = certified(tmp_path)
    trusting = HttpLimits(named=HERE, attempts=1, attempt_s=20.0, authorities=str(made.authority))

    def hint_of(port: int, security: str, patience: HttpLimits = trusting) -> str:
        with pytest.raises(ReachError) as caught:
            deliver(mail(port, security), patience)
        return caught.value.hint

    with mail_sink(tls=made.server, login=("noc", "Mat-khau-canary")) as sink:
        assert "REQUESTS_CA_BUNDLE" in hint_of(sink.port, "starttls", replace(trusting, authorities=""))
        assert "username and password" in hint_of(sink.port, "starttls")
    with mail_sink(refused=frozenset({FIRST, SECOND})) as sink:
        assert "username and password" in hint_of(sink.port, "none")
    with mail_sink(tls=made.server, implicit=True) as sink:
        assert "server, port and security" in hint_of(sink.port, "starttls", replace(trusting, attempt_s=6.0))


def test_a_server_without_encryption_gets_nothing() -> None:
    with mail_sink() as sink, pytest.raises(ReachError, match="encryption"):
        deliver(mail(sink.port, "starttls"), QUICK)
    assert sink.mails == []


GREETING = b"220 mail canary-said\r\n"
OFFERS = b"250-mail canary-said\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN CRAM-MD5\r\n"
WITHOUT_TLS = OFFERS.replace(b"250-STARTTLS\r\n", b"")
LOGS_IN = b"334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"
# What a server says line by line as the client speaks; after the last one it takes whatever comes.
HOSTILE_MAIL_SERVERS = {
    "that strips STARTTLS": [GREETING, WITHOUT_TLS, LOGS_IN],
    "that strips STARTTLS and greets first": [GREETING + WITHOUT_TLS + LOGS_IN],
    "with an old form of AUTH alone": [GREETING, WITHOUT_TLS.replace(b"AUTH ", b"AUTH="), LOGS_IN],
    "without EHLO": [GREETING, b"502 no\r\n", b"250 mail\r\n", LOGS_IN],
    "that refuses STARTTLS": [GREETING, OFFERS, b"454 later\r\n" + WITHOUT_TLS + LOGS_IN],
    "that takes STARTTLS for something else": [GREETING, OFFERS, b"250 ok\r\n" + WITHOUT_TLS + LOGS_IN],
    "that goes on in plain": [GREETING, OFFERS, b"220 go\r\n" + WITHOUT_TLS + LOGS_IN],
    "that asks for a login": [GREETING, OFFERS, b"334 VXNlcm5hbWU6\r\n" + LOGS_IN],
    "that hangs up": [GREETING, OFFERS, b"220 go\r\n", b""],
}


def plain_smtp_server(answers: list[bytes], got: bytearray, listener: socket.socket) -> None:
    """Answer each of a client's lines with the next answer, and keep all that it sends."""
    with suppress(OSError), listener.accept()[0] as client:
        client.settimeout(10)
        for answer in answers:
            client.sendall(answer)
            if not answer:
                return
            got += client.recv(65_536)
        while more := client.recv(65_536):
            got += more


def assert_no_secret_in(got: bytes) -> None:
    secrets = ["noc-canary", "Mat-khau-canary", SENDER, FIRST, SECOND, "example] "]
    for secret in secrets:
        assert secret.encode() not in got
    words = got.split()
    assert b"AUTH" not in words
    assert b"MAIL" not in words


@MERGE_REQUEST
@pytest.mark.parametrize("security", ["starttls", "implicit"])
@pytest.mark.parametrize("answers", HOSTILE_MAIL_SERVERS.values(), ids=HOSTILE_MAIL_SERVERS)
def test_nothing_goes_out_before_a_server_proved_itself(tmp_path: Path, answers: list[bytes], security: str) -> None:
    authority, got = certified(tmp_path).authority, bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=plain_smtp_server, args=(answers, got, listener), daemon=True)
        thread.start()
        notice = mail(listener.getsockname()[1], security, username="noc-canary", password="Mat-khau-canary")
        with pytest.raises(ReachError) as caught:
            deliver(notice, HttpLimits(named=HERE, attempts=1, attempt_s=3.0, authorities=str(authority)))
        thread.join(20)
    assert not thread.is_alive()
    assert_no_secret_in(bytes(got))
    assert "canary" not in caught.value.reason + caught.value.hint


@MERGE_REQUEST
def test_what_a_server_said_in_plain_does_not_count_over_tls(tmp_path: Path) -> None:
    """Who sits between them puts the offer of a login, or an answer to it, before the first byte of TLS."""
    made, plain, sealed = certified(tmp_path), bytearray(), bytearray()

    def answer() -> None:
        with suppress(OSError), listener.accept()[0] as client:
            client.settimeout(10)
            for said in (GREETING, OFFERS, b"220 go\r\n250-mail\r\n250 AUTH LOGIN\r\n" + LOGS_IN):
                client.sendall(said)
                if not said.startswith(b"220 go"):
                    plain.extend(client.recv(65_536))
            with made.server.wrap_socket(client, server_side=True) as over_tls:
                while line := over_tls.recv(65_536):
                    sealed.extend(line)
                    over_tls.sendall(b"250 mail\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        notice = mail(listener.getsockname()[1], "starttls", username="noc-canary", password="Mat-khau-canary")
        with pytest.raises(ReachError, match="encryption, or no login"):
            deliver(notice, HttpLimits(named=HERE, attempts=1, authorities=str(made.authority)))
        thread.join(20)
    assert not thread.is_alive()
    assert b"STARTTLS" in plain
    assert b"ehlo" in sealed.lower()
    assert_no_secret_in(bytes(plain))
    assert_no_secret_in(bytes(sealed))


def test_an_address_that_is_refused_keeps_the_notice_from_nobody_else() -> None:
    with mail_sink(refused=frozenset({FIRST})) as sink:
        assert deliver(mail(sink.port, "none"), QUICK).note == "1 of its 2 addresses were refused"
    assert sink.envelopes == [(SENDER, (SECOND,))]


def test_an_address_that_is_taken_later_is_tried_again_and_nobody_gets_the_mail_twice() -> None:
    """Postfix says so where it greylists one of two addresses."""
    with mail_sink() as sink:
        sink.later = {FIRST}
        delivered = deliver(mail(sink.port, "none"), QUICK)
    assert (delivered.note, delivered.attempts) == ("", 2)
    assert sink.envelopes == [(SENDER, (SECOND,)), (SENDER, (FIRST,))]


def test_no_address_and_nothing_that_a_server_said_is_repeated() -> None:
    with mail_sink(refused=frozenset({FIRST, SECOND})) as sink, pytest.raises(ReachError) as caught:
        deliver(mail(sink.port, "none"), QUICK)
    assert caught.value.attempts == 1
    assert "canary" not in caught.value.reason + caught.value.hint + repr(caught.value)


@MERGE_REQUEST
@pytest.mark.parametrize("line", [b"220-" + b"x" * 8_000 + b"\r\n", b"220-\r\n", b"220 x\r\n", b"220-\r\n250"])
@pytest.mark.parametrize("said", [b"", b"220 mail\r\n", b"220 mail\r\n250 mail\r\n"])
def test_of_a_mail_server_without_end_little_is_read(said: bytes, line: bytes) -> None:
    sent = 0

    def answer() -> None:
        nonlocal sent
        with suppress(OSError), listener.accept()[0] as client:
            client.sendall(said)
            while sent < 64 * 1024 * 1024:
                sent += client.send(line * 100)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        once = replace(QUICK, attempts=1)
        with pytest.raises(ReachError):
            deliver(mail(listener.getsockname()[1], "none"), once)
        thread.join(20)
    assert not thread.is_alive()
    assert sent < 32 * 1024 * 1024


def test_a_mail_server_that_says_nothing_is_left() -> None:
    with web_sink() as sink:  # it waits for a request, as the client waits for a greeting
        began = time.monotonic()
        with pytest.raises(ReachError):
            deliver(mail(sink.port, "none"), SHORT)
        assert time.monotonic() - began < 30.0


@MERGE_REQUEST
@pytest.mark.parametrize("security", ["none", "implicit"])
def test_a_mail_server_that_does_not_come_to_an_end_holds_no_thread(tmp_path: Path, security: str) -> None:
    made, over = certified(tmp_path), threading.Event()

    def greeted(client: socket.socket) -> socket.socket:
        return made.server.wrap_socket(client, server_side=True) if security == "implicit" else client

    def answer() -> None:
        for _ in range(SHORT.attempts):
            with suppress(OSError), greeted(listener.accept()[0]) as client:
                while not over.wait(0.05):
                    client.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(ReachError, match="answer"):
            deliver(mail(listener.getsockname()[1], security), replace(SHORT, authorities=str(made.authority)))
        try:
            assert_no_attempt_goes_on()
        finally:
            over.set()
            thread.join(20)


@pytest.mark.parametrize(
    "address", ["a@b.vn\r\nBcc: c@d.vn", "a@b.vn, c@d.vn", "Nguyễn <a@b.vn>", "a@b.vn\nSubject: x", "", "no address"]
)
def test_no_address_brings_a_line_of_its_own_into_the_head(address: str) -> None:
    notice = mail(free_port(), "none", addresses=[address])
    with pytest.raises(ReachError, match="complete"):
        deliver(notice, SHORT)


def test_a_subject_brings_no_line_of_its_own_into_the_head() -> None:
    hostile = replace(LETTER, subject="x\r\nBcc: canary@evil.example")
    with mail_sink() as sink:
        with pytest.raises(ReachError, match="complete"):
            deliver(replace(mail(sink.port, "none"), letter=hostile), QUICK)
        assert sink.mails == []


def test_a_receiver_that_lacks_something_is_not_tried() -> None:
    for lacking in (outgoing("webhook", {}, url="https://a.example"), outgoing("smtp", {"sender": SENDER})):
        with pytest.raises(ReachError, match="complete"):
            deliver(lacking, SHORT)
