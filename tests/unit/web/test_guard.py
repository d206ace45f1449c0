"""What no reader's browser sends is refused; what every answer says about itself; nobody is trusted without reason."""

import socket
from pathlib import Path

import pytest

from provisioner.base.errors import UsageError
from provisioner.web.pages import CallCard
from provisioner.web.readers import (
    HeaderIdentification,
    LocalIdentification,
    WebUser,
    read_trusted_networks,
    read_web_user,
    role_name,
)
from provisioner.web.server import ServerAddress, names_of, refuse_open
from tests.hostile import LOCAL_USER, VIEWER
from tests.unit.web.clients import HOST, ROLES, listening, local, reader

EVERYWHERE = "0.0.0.0"  # noqa: S104 (it is refused)


@VIEWER
@pytest.mark.parametrize(
    "host", ["example.com", "example.com:8300", "127.0.0.1", "127.0.0.1:8301", "", "127.0.0.1:8300.example"]
)
def test_a_name_of_somebody_elses_that_leads_here_is_not_answered(host: str) -> None:
    answer = local().get("/en/", headers={"Host": host})
    assert (answer.status_code, "kcl" in answer.text) == (421, False)


@VIEWER
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(method: str) -> None:
    assert local().request(method, "/en/").status_code == 405


@VIEWER
def test_a_question_is_bounded() -> None:
    client = local()
    assert client.request("GET", "/en/", content=b"x").status_code == 413
    assert client.get(f"/en/?q={'x' * 3000}").status_code == 414
    assert client.get(f"/en/facilities?q={'x' * 1500}").status_code == 200
    assert client.get("/en/", headers=[(f"x-{n}", "y") for n in range(120)]).status_code == 431


@VIEWER
@pytest.mark.parametrize("length", ["5", "0"])
def test_what_follows_a_body_of_two_lengths_is_no_request(length: str) -> None:
    with listening() as port, socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        host = f"Host: 127.0.0.1:{port}\r\n"
        two = f"Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        client.sendall(f"GET /en/ HTTP/1.1\r\n{host}{two}GET /second HTTP/1.1\r\n{host}\r\n".encode())
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    assert answers.startswith(b"HTTP/1.1 413 ")
    assert answers.count(b"HTTP/1.1 ") == 1


@VIEWER
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("kind", ["image", "iframe", "empty", "script", ""])
def test_a_page_of_another_site_asks_in_no_reader_s_name(site: str, kind: str) -> None:
    asked: list[str] = []

    def contacts(_province: str, facility: str, _reader: WebUser) -> list[CallCard]:
        asked.append(facility)
        return []

    client = reader("noc", contacts)
    embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": kind}
    assert client.get("/en/contacts/kcl-bg-001", embedded).status_code == 403
    assert asked == []
    for own in ({**embedded, "Sec-Fetch-Dest": "document"}, {**embedded, "Sec-Fetch-Site": "same-origin"}):
        assert client.get("/en/contacts/kcl-bg-001", own).status_code == 200
    assert len(asked) == 2


@pytest.mark.parametrize(
    "address", ["/", "/en/", "/vi/facilities", "/en/facilities/kcl-bg-001", "/vi/nothing", "/assets/page.css", "/xx/"]
)
def test_every_answer_keeps_its_page_alone_with_its_server(address: str) -> None:
    answer = local().get(address)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    if "assets" not in address:
        assert answer.headers["cache-control"] == "no-store"


def test_the_first_address_leads_to_the_readers_language() -> None:
    client = local()
    for asked, language in (("en-GB,en", "en/"), ("vi", "vi/"), ("", "vi/"), ("fr", "vi/")):
        assert client.get("/", headers={"Accept-Language": asked}).headers["location"] == language
    assert client.get("/en").headers["location"] == "en/"


@VIEWER
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_what_comes_through_a_proxy_is_not_the_engineer(header: str) -> None:
    answer = local().get("/en/", headers={header: "198.51.100.9"})
    assert (answer.status_code, "--trust" in answer.text, "kcl" in answer.text) == (403, True, False)


@LOCAL_USER
def test_a_role_is_believed_of_the_proxy_alone() -> None:
    client = reader("noc")
    assert client.get("/en/").status_code == 200
    client.address = "198.18.0.8"
    for address in ("/en/", "/events", "/", "/en/contacts/kcl-bg-001"):
        assert client.get(address).status_code == 403
    assert client.get("/nothing/at/all").status_code == 404


@VIEWER
@pytest.mark.parametrize(
    "role",
    ["", "root", "noc:all", "dic", "dic:", "dic:../x", "ministry:bac-giang", "carrier:VIETTEL", "noc, ministry", "NOC"],
)
def test_a_role_that_is_none_sees_nothing(role: str) -> None:
    answer = reader(role).get("/en/")
    assert (answer.status_code, "kcl" in answer.text) == (403, False)
    assert read_web_user(role) is None


@VIEWER
def test_a_second_role_beside_the_proxys_is_believed_no_more_than_the_first() -> None:
    client = reader("dic:bac-giang")
    two = [("X-Provisioner-Role", "dic:bac-giang"), ("X-Provisioner-Role", "noc")]
    del client.headers["X-Provisioner-Role"]
    assert client.get("/en/", headers=two).status_code == 403


@VIEWER
def test_a_second_name_beside_the_proxys_is_believed_no_more_than_the_first() -> None:
    two = [("X-Provisioner-User", "somebody-else"), ("X-Provisioner-User", "proxy-says")]
    assert reader("noc").get("/en/", headers=two).status_code == 403
    assert reader("noc").get("/en/", headers=two[1:]).status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_read_as_it_is_written(role: str) -> None:
    read = read_web_user(role)
    assert read is not None
    assert role_name(read) == role


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "example.com", "198.18.0.1/8", ""])
def test_not_everybody_is_trusted(text: str) -> None:
    with pytest.raises(UsageError):
        read_trusted_networks([text])


@pytest.mark.parametrize(
    ("host", "trusts", "signs_in", "tls", "opens"),
    [
        ("127.0.0.1", False, False, False, True),
        ("127.9.9.9", False, False, False, True),
        ("::1", False, False, False, True),
        (EVERYWHERE, False, False, False, False),
        (EVERYWHERE, False, False, True, False),
        (EVERYWHERE, True, False, False, True),
        ("198.18.0.1", False, True, True, True),
        ("198.18.0.1", False, True, False, False),
        ("::", False, False, False, False),
        ("localhost", False, False, False, False),
    ],
)
def test_an_open_server_is_refused(host: str, *, trusts: bool, signs_in: bool, tls: bool, opens: bool) -> None:
    file = Path("x.pem") if tls else None
    place = ServerAddress(host, 8300, file, file)
    if opens:
        refuse_open(place, trusts=trusts, signs_in=signs_in)
        return
    with pytest.raises(UsageError) as refused:
        refuse_open(place, trusts=trusts, signs_in=signs_in)
    assert refused.value.hint


def test_a_server_is_called_by_its_own_names_and_those_that_it_was_given() -> None:
    assert HOST in names_of(ServerAddress(), 8300)
    assert "localhost" in names_of(ServerAddress(port=80), 80)
    assert names_of(ServerAddress("198.18.0.1", names=["pages.example.com"]), 8300) == (
        "198.18.0.1:8300",
        "pages.example.com",
    )
    assert LocalIdentification()
    assert HeaderIdentification(())
