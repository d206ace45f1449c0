"""One contract for every way of a bundle: it arrives whole, once however often it is sent, and beside all others."""

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from provisioner.base import http as client
from provisioner.base.errors import NoticeError
from provisioner.ministry.bundle import bundle_name
from provisioner.ministry.receive import Receiver, receiving_app, receiving_server, take_from_broker
from provisioner.ministry.transports import (
    BrokerTransport,
    FolderTransport,
    HttpsTransport,
    ReportFolder,
    ReportTransport,
    read_bundle,
)
from provisioner.ministry.trust import Trust, read_trust
from provisioner.nodes.broker import issued, new_authority
from provisioner.nodes.envelope import PART_BYTES, VIEW, Joiner, cut, reporter_name
from provisioner.web import server
from tests.hostile import CONTROLLER
from tests.ministry import Reporter, facility, public_line
from tests.nodes.broker import BrokerServer, broker_of

TRUST: Trust = read_trust(
    f"""
scheme = "gso-2021"
[controllers.north]
keys = ["{public_line("north")}"]
provinces = {{ viettel = ["bac-giang"] }}
[controllers.south]
keys = ["{public_line("south")}"]
provinces = {{ vnpt = ["quang-nam"] }}
""",
    "keys.toml",
)


@dataclass
class Certificates:
    """An authority, a server's and a client's certificate, and a stranger's."""

    folder: Path

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        for name in ("ca", "strange"):
            authority = new_authority(now)
            (self.folder / f"{name}.pem").write_text(authority.certificate)
            for end, places in (("server", ["127.0.0.1"]), ("client", [])):
                made = issued(authority, end, places, now, 2)
                (self.folder / f"{name}-{end}.pem").write_text(made.certificate)
                (self.folder / f"{name}-{end}.key").write_text(made.key.reveal())

    def pair(self, name: str) -> tuple[str, str]:
        """A certificate and its key."""
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")


@dataclass
class Arrived:
    """A way, and the folder in which a view looks."""

    way: ReportTransport
    folder: ReportFolder

    def bundles(self, number: int) -> list[bytes]:
        """What a view finds, once so many are there."""
        until = time.monotonic() + 20
        while len(list(self.folder.bundles())) < number and time.monotonic() < until:
            time.sleep(0.05)
        return sorted(map(read_bundle, self.folder.bundles()))


@contextlib.contextmanager
def serving(folder: Path, certificates: Certificates) -> Iterator[int]:
    """A server of a view; its port."""
    certificate, key = certificates.pair("ca-server")
    address = server.ServerAddress("127.0.0.1", 0, Path(certificate), Path(key))
    listener, ready = server.listen(address), threading.Event()
    receiver = Receiver(folder, lambda: TRUST)
    running = receiving_server(receiver, address, certificates.folder / "ca.pem", listener, ready.set)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield listener.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of all ends."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def https_way(port: int, certificates: Certificates, name: str = "ca-client") -> HttpsTransport:
    limits = client.HttpLimits(attempts=1, authorities=str(certificates.folder / "ca.pem"))
    return HttpsTransport(f"https://127.0.0.1:{port}/reports", certificates.pair(name) if name else None, limits)


def of_broker(broker: BrokerServer, carrier: str = "viettel") -> BrokerTransport:
    return BrokerTransport(broker.broker(reporter_name(carrier)), carrier)


def send_at_last(way: ReportTransport, made: bytes) -> None:
    """Send once the view has made the stream."""
    until = time.monotonic() + 30
    while True:
        try:
            way.send(made)
        except NoticeError:
            assert time.monotonic() < until
            time.sleep(0.2)
        else:
            return


@contextlib.contextmanager
def taking(broker: BrokerServer, folder: Path) -> Iterator[list[str]]:
    """A view that takes what the broker has; what it tells."""
    folder.mkdir(exist_ok=True)
    told, stop = list[str](), threading.Event()
    work = (Receiver(folder, lambda: TRUST), broker.broker(VIEW), told.append, stop)
    thread = threading.Thread(target=take_from_broker, args=work)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture(params=["folder", "https", "broker"])
def arrived(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Arrived]:
    """Each way."""
    if request.param == "folder":
        yield Arrived(FolderTransport(tmp_path), ReportFolder(tmp_path))
        return
    if request.param == "broker":
        with broker_of(tmp_path) as broker, taking(broker, tmp_path / "reports"):
            send_at_last(of_broker(broker), b"no bundle")
            yield Arrived(of_broker(broker), ReportFolder(tmp_path / "reports"))
        return
    with serving(tmp_path, certificates) as port:
        yield Arrived(https_way(port, certificates), ReportFolder(tmp_path))


def test_what_is_sent_is_there_once_and_whole(arrived: Arrived) -> None:
    reporter = Reporter()
    sent = [reporter.report([facility(up=number)]) for number in range(3)]
    for made in (*sent, sent[1], sent[0], sent[2]):
        arrived.way.send(made)
    assert arrived.bundles(3) == sorted(sent)
    assert arrived.way.name


def test_ends_that_send_at_once_do_not_harm_each_other(arrived: Arrived) -> None:
    north, south = Reporter(), Reporter("south", "vnpt")
    sent = [one.report([facility(up=number)]) for number in range(6) for one in (north, south)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(arrived.way.send, sent + sent))
    assert arrived.bundles(12) == sorted(sent)


def test_a_way_that_is_away_says_so_with_a_next_step(tmp_path: Path, certificates: Certificates) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for way in (FolderTransport(tmp_path / "none"), https_way(closed.getsockname()[1], certificates)):
            with pytest.raises(NoticeError) as caught:
                way.send(Reporter().report([facility()]))
            assert caught.value.hint


@CONTROLLER
def test_a_file_of_another_content_under_a_bundles_name_is_replaced(tmp_path: Path) -> None:
    made = Reporter().report([facility()])
    (tmp_path / bundle_name(made)).write_bytes(b"half")
    FolderTransport(tmp_path).send(made)
    assert Arrived(FolderTransport(tmp_path), ReportFolder(tmp_path)).bundles(1) == [made]


@CONTROLLER
def test_links_pipes_and_hidden_files_are_no_bundles(tmp_path: Path) -> None:
    import os  # noqa: PLC0415 (a pipe is made by it alone)

    made = Reporter().report([facility()])
    (tmp_path / "outside").write_bytes(made)
    (tmp_path / "a.report").symlink_to(tmp_path / "outside")
    (tmp_path / ".b.report").write_bytes(made)
    os.mkfifo(tmp_path / "c.report")
    (tmp_path / "d.report").mkdir()
    (tmp_path / "e").symlink_to(tmp_path)
    assert list(ReportFolder(tmp_path).bundles()) == []


@CONTROLLER
@pytest.mark.parametrize("name", ["", "strange-client"])
def test_a_stranger_gets_no_further_than_the_handshake(tmp_path: Path, certificates: Certificates, name: str) -> None:
    with serving(tmp_path, certificates) as port, pytest.raises(NoticeError):
        https_way(port, certificates, name).send(Reporter().report([facility()]))
    assert list(tmp_path.iterdir()) == []


def _put(port: int, certificates: Certificates, path: str, body: bytes, **headers: str) -> int:
    context = ssl.create_default_context(cafile=certificates.folder / "ca.pem")
    context.load_cert_chain(*certificates.pair("ca-client"))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    try:
        connection.request("PUT", path, body, {"Content-Length": str(len(body))} | headers)
        return connection.getresponse().status
    finally:
        connection.close()


@CONTROLLER
def test_what_is_no_bundle_of_a_known_key_is_not_stored(tmp_path: Path, certificates: Certificates) -> None:
    made, unknown = Reporter().report([facility()]), Reporter(key="stranger").report([facility()])
    with serving(tmp_path, certificates) as port:
        for body in (b"", b"PVR1", unknown, made[:-1], made + b"x", made[:80] + b"\0" + made[81:]):
            assert _put(port, certificates, "/reports/x", body) == 422
        assert _put(port, certificates, "/reports/x", made, **{"Content-Length": "99999999999"}) == 413
        assert _put(port, certificates, "/reports/x", made, **{"Content-Length": f"{2**25:020}"}) == 413
        assert _put(port, certificates, "/other", made) == 404
        assert list(ReportFolder(tmp_path).bundles()) == []
        assert _put(port, certificates, "/reports/..%2f..%2fetc", made) in {200, 404}
        assert _put(port, certificates, "/reports/x.report", made) == 200
    assert [stored.file.name for stored in ReportFolder(tmp_path).bundles()] == [bundle_name(made)]
    assert {path.name for path in tmp_path.rglob("*")} == {next(iter(TRUST.owners)), bundle_name(made)}


@CONTROLLER
@pytest.mark.parametrize("length", ["", "-1", "+1", "x", "1e3", "²", "٣", "9" * 5_000, f"{2**25:05000}"])
def test_a_length_that_is_none_is_refused(tmp_path: Path, length: str) -> None:
    async def put() -> int:
        transport = httpx.ASGITransport(receiving_app(Receiver(tmp_path, lambda: TRUST)))
        async with httpx.AsyncClient(transport=transport, base_url="https://view.example.com") as sender:
            header = {b"Content-Length": length.encode()}
            return (await sender.put("/reports/x", content=b"", headers=header)).status_code

    assert asyncio.run(put()) == 413


@CONTROLLER
def test_a_controller_that_fills_its_share_leaves_room_for_others(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, south = Reporter(), Reporter("south", "vnpt")
    sent = [north.report([facility(up=number)]) for number in range(4)]
    monkeypatch.setattr("provisioner.ministry.receive._MOST_OF_KEY", len(sent[0]) * 2)
    with serving(tmp_path, certificates) as port:
        way = https_way(port, certificates)
        way.send(sent[0])
        with pytest.raises(NoticeError):
            list(map(way.send, sent[1:]))
        way.send(sent[0])
        other = south.report([facility()])
        way.send(other)
        assert other in map(read_bundle, ReportFolder(tmp_path).bundles())
        monkeypatch.setattr("provisioner.ministry.receive.MOST_FILES", 1)
        with pytest.raises(NoticeError):
            https_way(port, certificates).send(south.report([facility()]))


@CONTROLLER
def test_a_body_that_does_not_come_keeps_nobody_waiting(tmp_path: Path, certificates: Certificates) -> None:
    with serving(tmp_path, certificates) as port:
        context = ssl.create_default_context(cafile=certificates.folder / "ca.pem")
        context.load_cert_chain(*certificates.pair("ca-client"))
        held = []
        for _ in range(12):
            raw = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
            raw.sendall(b"PUT /reports/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nPV")
            held.append(raw)
        began = time.monotonic()
        https_way(port, certificates).send(Reporter().report([facility()]))
        assert time.monotonic() - began < 10
        for raw in held:
            raw.close()


def test_a_view_that_was_away_takes_what_the_broker_kept(tmp_path: Path) -> None:
    reporter = Reporter()
    sent = [reporter.report([facility(up=number)]) for number in range(3)]
    with broker_of(tmp_path) as broker:
        way, folder = of_broker(broker), ReportFolder(tmp_path / "reports")
        with taking(broker, folder.folder):
            way_in = Arrived(way, folder)
            send_at_last(way, sent[0])
            assert way_in.bundles(1) == sent[:1]
        for made in sent[1:]:
            way.send(made)
        assert way_in.bundles(1) == sent[:1]
        with taking(broker, folder.folder):
            assert way_in.bundles(3) == sorted(sent)


@CONTROLLER
def test_a_carrier_publishes_nothing_under_anothers_subject_and_drops_none_of_its_parts(tmp_path: Path) -> None:
    north, south = Reporter(), Reporter("south", "vnpt")
    with broker_of(tmp_path) as broker, taking(broker, tmp_path / "reports") as told:
        folder = ReportFolder(tmp_path / "reports")
        own = Arrived(of_broker(broker, "vnpt"), folder)
        send_at_last(own.way, south.report([facility("kcl-qn-001")]))
        until = time.monotonic() + 20
        forged = BrokerTransport(broker.broker(reporter_name("viettel")), "vnpt")
        with pytest.raises(NoticeError):
            forged.send(north.report([facility()]))
        of_broker(broker).send(b"no report at all")
        assert len(own.bundles(1)) == 1
        while not any("no report" in line for line in told) and time.monotonic() < until:
            time.sleep(0.05)
        assert any("no report" in line for line in told)
        assert len(own.bundles(1)) == 1


@CONTROLLER
def test_parts_of_one_sender_displace_no_part_of_another() -> None:
    bundle = bytes(range(256)) * 5000
    first, *rest = cut(bundle)
    flood = [next(cut(bytes(PART_BYTES + 1))) for _ in range(40)]
    joiners: dict[str, Joiner] = {}
    joined = [
        joiners.setdefault(subject, Joiner(40)).add(part)
        for subject, part in [("b", first), *(("a", part) for part in flood), *(("b", part) for part in rest)]
    ]
    assert bundle in joined
    alone = Joiner(40)
    assert bundle not in [alone.add(part) for part in [first, *flood, *rest]], "one joiner for all would lose it"
