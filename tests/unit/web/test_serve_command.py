"""`serve` and `report html` as they are typed: what is refused, what is written, and what a record of runs gives."""

import gc
import io
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
import weakref
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from provisioner.cli.contacts.access import cards_for
from provisioner.cli.main import run
from provisioner.cli.support.context import Invocation
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.questions.overview import Overview, overview
from provisioner.operations.questions.work import read_changes, read_work
from provisioner.web.readers import ENGINEER, read_web_user
from provisioner.web.source import RecordedSource
from tests import inventories
from tests.hostile import LOCAL_USER
from tests.recorded import EXAMPLE, RecordingController, recording_controller
from tests.unit.web.clients import Outline, crawl, local
from tests.verified import DrawnNight

AT = datetime(2021, 5, 9, 18, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, of which three nights are recorded: the last two alike, the first with nothing down."""
    folder = tmp_path_factory.mktemp("recorded")
    controller = recording_controller(folder)
    found = example(folder)
    for back, share in ((2, 0.0), (1, 0.4), (0, 0.4)):
        DrawnNight(found, AT - timedelta(days=back), seed=4, share=share).record(controller.place)
    return folder


def example(folder: Path) -> Inventory:
    """The copy's inventory; that hosts have no keys yet is no reason to see nothing."""
    found = load(folder / "example", today=inventories.TODAY).partial
    assert found
    return found


def source(folder: Path) -> RecordedSource[Overview]:
    controller = RecordingController(folder)
    now = AT + timedelta(minutes=30)
    return RecordedSource(
        lambda: overview(controller.root, controller.environment, now), lambda: now, read_work, read_changes
    )


def command(folder: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    controller = RecordingController(folder)
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["-i", str(controller.root), *arguments], controller.environment)
    return code, out.getvalue(), err.getvalue()


def test_what_is_recorded_is_what_is_shown(recorded: Path) -> None:
    one = source(recorded)
    board = one.load()
    document = DrawnNight(example(recorded), AT, seed=4, share=0.4).document()
    counts = {verdict: number for verdict, number in document["summary"].items() if verdict != "paths" and number}
    assert dict(board.counts) == counts
    assert len(board.incidents) == len(document["incidents"])
    assert board.verified_at == AT
    assert board.engine == "mediamtx 1.20.1"
    down = [path for path in board.paths if path.verdict == "down"]
    assert {path.since for path in down} == {AT - timedelta(days=1)}
    assert one.mark() != ""
    assert one.mark() == one.mark()


def test_the_strip_has_a_square_for_each_night(recorded: Path) -> None:
    one = source(recorded)
    board = one.load()
    down = next(path for path in board.paths if path.verdict == "down")
    prefix = down.name.rsplit("/", 2)[0] + "/"
    strip = one.past.nights(prefix, (AT + timedelta(hours=7)).date(), 4)[down.name]
    assert [night.verdict for night in strip] == ["", "up", "down", "down"]
    page = Outline(local(one).get(f"/en/facilities/{down.facility}").text).text
    assert "of the measured time" in page
    assert "32.43 % available" in page  # up for 24 h, down for 24 h and for the 26 h that a last look stands for


def test_a_record_without_a_run_shows_that_there_is_none(tmp_path: Path) -> None:
    one = source(recording_controller(tmp_path).folder)
    pages = crawl(local(one))
    assert "No verification yet" in pages["/en/"]
    assert not [address for address, page in pages.items() if "card good" in page], "green for what nobody looked at"
    assert "No host carries it yet" in pages["/en/facilities/kcl-bg-001"]
    assert len([address for address in pages if address.startswith("/en/facilities/")]) == 9


def test_report_html_writes_pages_that_lead_everywhere(recorded: Path, tmp_path: Path) -> None:
    code, out, _ = command(recorded, "report", "html", str(tmp_path / "pages"))
    assert code == 0
    assert "open " in out
    index = (tmp_path / "pages/en/index.html").read_text()
    board = source(recorded).load()
    sentence = "0 of 14 paths are known to be up; 10 were up more than 26 h ago"
    assert sentence in Outline(index).text, "the record is of 2021"
    assert (board.counts["up"], sum(board.counts.values())) == (10, 14)
    assert {path.stem for path in (tmp_path / "pages/vi/facilities").iterdir()} == set(board.by_id)


def test_report_html_refuses_a_folder_of_something_else(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").touch()
    code, _, err = command(recorded, "report", "html", str(tmp_path))
    assert (code, "holds something that is no page" in err) == (2, True)


@LOCAL_USER
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "can be reached from elsewhere"),  # noqa: S104 (it is refused)
        (["--host", "example.com"], "is no address"),
        (["--trust", "::/0"], "would trust everybody"),
        (["--certificate", "x.pem"], "TLS needs a certificate and its key"),
        (["--sign-in", "no-such-file.toml"], "cannot be read"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--host", "198.51.100.77", "--trust", "127.0.0.1"], "cannot be listened on"),
        (["--certificate", "x.pem", "--key", "y.pem"], "cannot be used"),
    ],
)
def test_a_server_that_cannot_be_is_refused_with_a_sentence(recorded: Path, arguments: list[str], says: str) -> None:
    code, _, err = command(recorded, "serve", *arguments)
    assert (code, says in err, "hint: " in err) == (2, True, True)


def test_who_to_call_comes_from_the_vault_and_each_look_is_in_the_access_log(tmp_path: Path) -> None:
    controller = recording_controller(tmp_path)
    passwords = sorted((EXAMPLE / ".contacts-passwords").iterdir())
    ids = ",".join(f"contacts-{path.name}@{path}" for path in passwords)
    environment = controller.environment | {"ANSIBLE_VAULT_IDENTITY_LIST": ids}
    ask = cards_for(Invocation(controller.root, json=False, env=environment), "night shift of the NOC")
    log = controller.state / "contacts-access.log"
    assert not log.exists()
    dic = read_web_user("dic:bac-giang")
    assert dic
    cards = ask("bac-giang", "kcl-bg-001", dic)
    assert cards
    assert all(card.name and card.phone for card in cards)
    assert "Secret" not in repr(cards)
    assert cards[0].name not in repr(cards)
    assert ask("bac-giang", "kcl-none", ENGINEER) == []
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert (first["action"], first["requester"], first["purpose"]) == (
        "show",
        "dic:bac-giang",
        "night shift of the NOC",
    )
    assert (first["provinces"], first["records"], second["requester"]) == (["bac-giang"], len(cards), "noc")
    assert cards[0].name not in log.read_text()


@pytest.fixture
def served(recorded: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The real program, on a free port."""
    controller = RecordingController(recorded)
    program = [sys.executable, "-m", "provisioner", "-i", str(controller.root), "serve", "--port", "0"]
    environment = os.environ | controller.environment
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert address, line
            yield address[0], process
        finally:
            process.kill()


def test_the_program_serves_and_ends_when_it_is_told(served: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = served
    with urllib.request.urlopen(f"{address}en/", timeout=60) as answer:  # noqa: S310 (our own address)
        assert "paths are known to be up" in answer.read().decode()
    listening = urllib.request.urlopen(f"{address}events", timeout=60)  # noqa: S310 (our own address)
    assert listening.readline() == b"event: recorded\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    listening.close()


def test_the_program_speaks_tls_with_a_certificate_of_its_own(recorded: Path, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    controller = RecordingController(recorded)
    program = [sys.executable, "-m", "provisioner", "-i", str(controller.root), "serve", "--port", "0"]
    program += ["--certificate", str(certificate), "--key", str(key)]
    environment = os.environ | controller.environment
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = re.search(r"https://127\.0\.0\.1:\d+/", process.stdout.readline())
            assert address
            trust = ssl.create_default_context(cafile=certificate)
            with urllib.request.urlopen(f"{address[0]}vi/", timeout=60, context=trust) as answer:  # noqa: S310 (ours)
                assert answer.headers["Strict-Transport-Security"]
        finally:
            process.kill()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pages")])
    begin = datetime.now(UTC) - timedelta(days=1)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number()).not_valid_before(begin)
    signed = made.not_valid_after(begin + timedelta(days=2)).add_extension(loopback, critical=False).sign(key, SHA256())
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "pages.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "pages.key").write_bytes(plain)
    return folder / "pages.pem", folder / "pages.key"


def test_nothing_of_earlier_boards_is_kept(recorded: Path) -> None:
    one = source(recorded)
    earlier = weakref.ref(one.load())
    one.load()
    gc.collect()
    assert earlier() is None
    assert gc.get_freeze_count() == 0
