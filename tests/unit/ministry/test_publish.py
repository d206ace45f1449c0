"""`report publish` as it is typed: what a report says, what it leaves out, and what a way that fails gets later."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.base.errors import NoticeError
from provisioner.base.signing import public_key_in
from provisioner.base.text import canonical_json
from provisioner.cli.main import run
from provisioner.inventory.loader.load import load
from provisioner.ministry import bundle
from provisioner.ministry.bundle import Content, ReportKind
from provisioner.ministry.publish import publish
from provisioner.ministry.transports import FolderTransport, PublishSettings
from provisioner.record.sent import keep_notice
from tests import inventories
from tests.hostile import CONTROLLER
from tests.recorded import RecordingController, recording_controller
from tests.verified import DrawnNight

NOW = datetime(2021, 5, 20, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def controller(tmp_path: Path) -> RecordingController:
    """A copy of the example with two nights, a key, and a folder as way."""
    one = recording_controller(tmp_path)
    inventory = load(one.root, today=inventories.TODAY).partial
    assert inventory
    for back, share in ((1, 0.0), (0, 0.4)):
        DrawnNight(inventory, NOW - timedelta(hours=1) - back * DAY, seed=4, share=share).record(one.place)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "report.key"], check=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "report.toml").write_text('key = "report.key"\nfolder = "out"\n')
    return one


def sent(controller: RecordingController) -> list[bundle.OpenedReport]:
    """The reports in the folder, in their order."""
    key = public_key_in((controller.folder / "report.key.pub").read_bytes())
    assert key
    files = (controller.folder / "out").iterdir()
    reports = [bundle.opened(file.read_bytes(), {bundle.key_name(key): key}) for file in files]
    return sorted(reports, key=lambda one: one.report.sequence)


def test_a_report_says_what_pages_show_and_nothing_of_persons_hosts_or_addresses(
    controller: RecordingController,
) -> None:
    printed = controller.run("report", "publish", str(controller.folder / "report.toml"))
    assert printed.code == 0, printed.err
    (one,) = sent(controller)
    document = DrawnNight(
        load(controller.root, today=inventories.TODAY).partial,  # type: ignore[arg-type]
        NOW - timedelta(hours=1),
        seed=4,
        share=0.4,
    ).document()
    down = sum(c.paths for row in one.report.facilities for c in row.paths if c.verdict == "down")
    assert down == document["summary"]["down"]
    text = canonical_json(one.report.plain).decode()
    for secret in (
        "relay-",
        "centre-",
        "192.168.",
        "100.64.",
        "noc",
        "100.6",
        "rtsp",
        "gateway",
        "detail",
        "next_action",
    ):
        assert secret not in text, secret


def test_a_report_follows_its_predecessor_and_changes_are_few(controller: RecordingController) -> None:
    settings = PublishSettings(controller.folder / "report.key", (FolderTransport(controller.folder / "out"),))
    first = publish(controller.root, controller.environment, settings, NOW)
    inventory = load(controller.root, today=inventories.TODAY).partial
    assert inventory
    DrawnNight(inventory, NOW + timedelta(minutes=5), seed=9, share=0.3).record(controller.place)
    second = publish(controller.root, controller.environment, settings, NOW + timedelta(minutes=10), changes=True)
    third = publish(controller.root, controller.environment, settings, NOW + timedelta(minutes=11), changes=True)
    assert (first.report.sequence, second.report.kind, third.report.sequence) == (1, ReportKind.CHANGES, 3)
    assert 0 < len(second.report.facilities) < len(first.report.facilities)
    assert third.report.facilities == ()
    content, previous = Content(), None
    for one in sent(controller):
        assert one.report.previous == previous
        previous, content = one.hash, content.after(one)
    assert len(content.rows) == len(first.report.facilities)


class _Broken:
    """A way that loses what it is given while it is shut; it may have taken it."""

    def __init__(self, folder: Path) -> None:
        self._way, self.shut, self.takes = FolderTransport(folder), True, False

    @property
    def name(self) -> str:
        return "broken"

    def send(self, made: bytes) -> None:
        if self.takes or not self.shut:
            self._way.send(made)
        if self.shut:
            raise NoticeError("it is away", hint="wait")


def test_a_way_that_was_away_gets_every_report_in_order(controller: RecordingController) -> None:
    way = _Broken(controller.folder / "out")
    settings = PublishSettings(controller.folder / "report.key", (way,))
    for minute in range(3):
        way.takes = minute == 1
        failed = publish(controller.root, controller.environment, settings, NOW + timedelta(minutes=minute))
        assert failed.ways[0].message == "it is away"
    way.shut = False
    last = publish(controller.root, controller.environment, settings, NOW + timedelta(minutes=4))
    assert last.ways[0].sent == 4
    assert [one.report.sequence for one in sent(controller)] == [1, 2, 3, 4]


def test_a_memory_that_is_damaged_is_no_new_beginning(controller: RecordingController) -> None:
    file = str(controller.folder / "report.toml")
    assert controller.run("report", "publish", file).code == 0
    keep_notice(controller.place, "ministry/report", {"sequence": "x"}, NOW)
    refused = controller.run("report", "publish", file)
    assert (refused.code, "--after NUMBER" in refused.err) == (13, True)
    assert controller.run("report", "publish", file, "--after", "1").code == 0
    assert [(one.report.sequence, one.report.previous) for one in sent(controller)] == [(1, None), (2, None)]


@CONTROLLER
def test_a_key_that_others_may_read_signs_nothing(controller: RecordingController) -> None:
    (controller.folder / "report.key").chmod(0o644)
    refused = controller.run("report", "publish", str(controller.folder / "report.toml"))
    assert (refused.code, "chmod 600" in refused.err) == (2, True)
    assert sent(controller) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("folder = 'out'", "key is missing"),
        ("key = 'report.key'", "names no way"),
        ("key = 'report.key'\nfolder = 7", "folder is no text"),
        ("key = 'report.key'\nurl = 'http://example.com/'", "http:// is for this machine alone"),
        ("key = 'report.key'\nurl = 'https://example.com'\ncertificate = 'x'", "needs its key"),
        ("key = 'none.key'\nfolder = 'out'", "cannot be read"),
        ("keys = 'report.key'", "is no setting"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_a_hint(
    controller: RecordingController, settings: str, says: str
) -> None:
    (controller.folder / "report.toml").write_text(settings)
    refused = controller.run("report", "publish", str(controller.folder / "report.toml"))
    assert (refused.code, says in refused.err, "hint: " in refused.err) == (2, True, True), refused.err


def test_a_folder_that_is_away_is_a_warning_and_an_exit_code(controller: RecordingController) -> None:
    (controller.folder / "out").rmdir()
    printed = controller.run("report", "publish", str(controller.folder / "report.toml"))
    assert (printed.code, "cannot be written" in printed.err) == (14, True)
    assert run(["report", "publish", "--help"], controller.environment) == 0
