"""`nightly` and `notify` as they are called: hosts in memory, real web and mail servers on this machine."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.text import VIETNAM
from provisioner.base.vault import VaultPasswords, decrypt, encrypt
from provisioner.operations.nightly import night as nightly_run
from provisioner.record.availability.path_state import StoredVerdict
from provisioner.record.entries import Operation
from provisioner.record.leases import FILE, LeaseHolder, night_lease
from tests.document_schemas import holds
from tests.histories import record_verdicts
from tests.processes import free_port
from tests.recorded import Printed, RecordingController, applied_controller
from tests.sinks import MailSink, WebSink, mail_sink, status, web_sink

CAMERA = "bac-giang/kcl-bg-001/cam-02/sub"
OTHER = "quang-nam/kcl-qn-001/cam-01/sub"
KEY = "canary-key-" + "k" * 32
ADDRESS, SENDER = "canary-dic@bacgiang.example.com", "canary-sender@provisioner.example.com"


class Nights:
    """A controller whose nights are told to servers of this machine."""

    def __init__(self, controller: RecordingController, stack: ExitStack) -> None:
        self.controller = controller
        self.hosts = controller.hosts
        self._stack = stack
        self._receivers: list[dict[str, Any]] = []
        self._secrets: dict[str, dict[str, Any]] = {}

    @property
    def reports(self) -> Path:
        """The folder of reports."""
        return self.controller.folder / "reports"

    def web(self, name: str, role: str, *answers: Any, secrets: dict[str, Any] | None = None, **fields: Any) -> WebSink:
        """Add a receiver with a web server of its own."""
        sink = self._stack.enter_context(web_sink(*answers))
        kind = fields.pop("kind", "webhook")
        self.add(name, {"kind": kind, "role": role, "language": "en", "url": sink.url(), **fields}, secrets)
        return sink

    def mail(self, name: str, role: str, **fields: Any) -> MailSink:
        """Add a receiver with a mail server of its own."""
        sink = self._stack.enter_context(mail_sink())
        place = {"server": "127.0.0.1", "port": sink.port, "security": "none"}
        self.add(name, {"kind": "smtp", "role": role, **place, **fields}, {"sender": SENDER, "addresses": [ADDRESS]})
        return sink

    def add(self, name: str, fields: dict[str, Any], secrets: dict[str, Any] | None = None) -> None:
        """Add a receiver, with what the vault holds for it."""
        self._receivers.append({"id": name, **fields})
        own = secrets if secrets is not None else {"key": KEY} if fields["kind"] == "webhook" else {}
        self._secrets[name] = own
        root = self.controller.root
        text = json.dumps({"version": 1, "receivers": self._receivers})
        (root / "receivers.yml").write_text(text, encoding="utf-8")
        password = (root / ".vault-password").read_bytes().strip()
        vaulted = encrypt(json.dumps({"receivers": self._secrets}).encode(), password, "secrets")
        (root / "secrets/receivers.yml").write_text(vaulted, encoding="utf-8")

    def run(self, *words: str, **environment: str) -> Printed:
        """Run a night, with reports."""
        return self.controller.run("nightly", "--report", str(self.reports), *words, **environment)

    def document(self, *words: str, **environment: str) -> dict[str, Any]:
        """Run a night: its document."""
        printed = self.run("--output", "json", *words, **environment)
        assert printed.document["exit_code"] == printed.code
        return printed.document

    def recorded(self) -> int:
        """How many verifications are in the record."""
        with closing(self.controller.history) as history:
            return sum(one.run.operation is Operation.VERIFY for one in history.runs())


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    """A controller whose hosts are as the inventory says."""
    with ExitStack() as stack:
        yield Nights(applied_controller(tmp_path), stack)


def states(document: dict[str, Any]) -> dict[str, str]:
    """What became of each step."""
    return {step["step"]: step["state"] for step in document["steps"]}


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    """What became of each notice."""
    return {notice["receiver"]: notice["outcome"] for notice in document["notices"]}


# --- a night --------------------------------------------------------------------------------------
def test_a_night_in_which_all_is_well_says_so_and_tells_nobody(nights: Nights) -> None:
    sink = nights.web("noc", "ministry")
    printed = nights.run()
    assert printed.code == 0
    assert "all paths up, no drift" in printed.out
    assert sink.taken == []
    night = json.loads((nights.controller.state / "night.json").read_text(encoding="utf-8"))
    assert (night["complete"], night["exit_code"]) == (True, 0)
    assert night["last_complete"]["run"] == night["run"] != ""
    for name, schema in (("verify", "verify"), ("drift", "drift"), ("nightly", "nightly")):
        holds(schema, json.loads((nights.reports / f"{name}.json").read_text(encoding="utf-8")))
    assert (nights.reports / "verify.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert nights.recorded() == 1


def test_what_changes_is_told_once_and_what_comes_back_too(nights: Nights) -> None:
    sink = nights.web("noc", "carrier", carrier="viettel")
    nights.hosts.silent = {CAMERA}
    first = nights.document()
    assert (first["exit_code"], outcomes(first)) == (1, {"noc": "sent"})
    assert outcomes(nights.document()) == {"noc": "nothing-new"}
    nights.hosts.silent = set()
    assert outcomes(nights.document()) == {"noc": "sent"}
    new, back = (json.loads(taken.body) for taken in sink.taken)
    for notice in (new, back):
        holds("notice", notice)
    assert (new["turns"]["new"], new["items"][0]["paths"], new["items"][0]["detail"] != "") == (1, [CAMERA], True)
    assert (back["turns"]["back"], back["items"][0]["turn"]) == (1, "back")


def test_a_new_receiver_is_told_since_when_as_status_and_pages_say(nights: Nights) -> None:
    began = datetime.now(UTC) - timedelta(days=9)
    record_verdicts(nights.controller.place, "before", began, {CAMERA: StoredVerdict("down", "silent")}, whole=False)
    sink = nights.web("noc", "carrier", carrier="viettel")
    nights.hosts.silent = {CAMERA}
    nights.document()
    (item,) = json.loads(sink.taken[0].body)["items"]
    assert item["first"] == began.astimezone(VIETNAM).date().isoformat()


def test_a_heartbeat_is_told_of_every_night(nights: Nights) -> None:
    sink = nights.web("noc", "ministry", heartbeat=True)
    assert outcomes(nights.document()) == {"noc": "sent"}
    assert json.loads(sink.taken[0].body)["changed"] is False


def test_a_mail_is_in_the_receivers_language_and_its_address_stands_nowhere(nights: Nights) -> None:
    sink = nights.mail("dic", "dic", province="bac-giang")
    nights.hosts.silent = {CAMERA}
    printed = nights.run()
    assert printed.code == 1
    (mail,) = sink.mails
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "1 luồng camera mất kết nối" in plain.get_content()
    assert "example" in mail["Subject"]
    assert "canary" not in printed.out + printed.err


def test_an_alertmanager_is_sent_what_stands_every_night_and_what_ended(nights: Nights) -> None:
    sink = nights.web("am", "ministry", kind="alertmanager")
    nights.hosts.silent = {CAMERA}
    nights.document()
    nights.document()
    nights.hosts.silent = set()
    nights.document()
    assert outcomes(nights.document()) == {"am": "nothing-new"}
    first, second, ended = (json.loads(taken.body) for taken in sink.taken)
    assert first[0]["labels"] == second[0]["labels"] == ended[0]["labels"]
    assert first[0]["endsAt"] > second[0]["startsAt"]
    assert ended[0]["endsAt"] < first[0]["endsAt"]


# --- nothing hides anything -----------------------------------------------------------------------
def test_a_webhook_that_fails_loses_nothing_and_is_told_after_the_next_night(nights: Nights) -> None:
    sink = nights.web("noc", "ministry", status(404), status(200))
    other = nights.web("viettel", "carrier", carrier="viettel")
    nights.hosts.silent = {CAMERA}
    night = nights.document()
    assert night["exit_code"] == 14
    assert outcomes(night) == {"noc": "failed", "viettel": "sent"}
    done = dict.fromkeys(("verify", "record", "drift", "report"), "done")
    assert states(night) == done | {"notify": "failed", "publish": "skipped", "metrics": "skipped"}
    assert night["verify"]["summary"]["down"] == 1
    assert nights.recorded() == 1
    assert night["ending"][0].startswith("notify: receiver noc was not told")
    assert outcomes(nights.document()) == {"noc": "sent", "viettel": "nothing-new"}
    assert json.loads(sink.taken[1].body)["turns"]["new"] == 1
    assert len(other.taken) == 1


def test_reports_that_cannot_be_written_lose_no_verification_and_no_notice(nights: Nights) -> None:
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    (nights.reports / "verify.json").mkdir(parents=True)
    night = nights.document()
    assert (night["exit_code"], states(night)["report"], outcomes(night)) == (15, "failed", {"noc": "sent"})
    assert (nights.recorded(), len(sink.taken)) == (1, 1)
    assert "verify.json cannot be written" in night["ending"][0]


def test_a_state_that_cannot_be_written_loses_no_report_and_no_notice(nights: Nights) -> None:
    """As on a disk that is full: there is no lease, no record and no memory, and all that was seen is told."""
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    full = nights.controller.folder / "full"
    full.write_text("no folder", encoding="utf-8")
    night = nights.document(PROVISIONER_STATE=str(full / "state"))
    assert (night["exit_code"], states(night)["record"], night["run"]) == (13, "failed", "")
    assert night["complete"] is False
    assert "lease" in night["notes"][0]
    assert json.loads((nights.reports / "verify.json").read_text(encoding="utf-8"))["summary"]["down"] == 1
    assert json.loads(sink.taken[0].body)["turns"]["new"] == 1


def test_a_record_of_a_newer_version_loses_no_report_and_no_notice(nights: Nights) -> None:
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    with nights.controller.tampered() as connection:
        connection.execute("UPDATE provisioner_schema SET version = 99")
    night = nights.document()
    assert (night["exit_code"], states(night)["record"], outcomes(night)) == (13, "failed", {"noc": "sent"})
    assert night["ending"][0].startswith("record: ")
    assert "use the version of provisioner that wrote it last" in night["ending"][0]
    assert len(sink.taken) == 1


def test_a_defect_in_one_step_is_that_steps_alone(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("canary of an exception")

    monkeypatch.setattr(nightly_run, "make_plan", broken)
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    night = nights.document()
    assert (night["exit_code"], states(night)["drift"], states(night)["record"]) == (70, "failed", "done")
    assert "canary" not in json.dumps(night["steps"])
    assert len(sink.taken) == 1
    assert night["complete"] is False


def test_drift_and_a_host_that_does_not_answer_have_codes_of_their_own(nights: Nights) -> None:
    nights.hosts.hosts["relay-viettel-1"].peers.clear()
    drifted = nights.document()
    assert (drifted["exit_code"], drifted["drifted"]) == (10, ["relay-viettel-1"])
    nights.hosts.hosts["relay-vnpt-1"].reachable = False
    night = nights.document()
    assert night["exit_code"] == 5
    assert night["ending"][0].startswith("drift: ")


@pytest.mark.parametrize("limited", [(), ("--limit", "province=quang-nam")])
def test_only_a_whole_night_is_a_complete_one(nights: Nights, limited: tuple[str, ...]) -> None:
    nights.document()
    night = nights.document(*limited)
    kept = json.loads((nights.controller.state / "night.json").read_text(encoding="utf-8"))
    assert (night["complete"], kept["run"]) == (not limited, night["run"])
    assert (kept["last_complete"]["run"] == night["run"]) == (not limited)


def test_of_what_a_limit_leaves_out_nothing_is_said_and_nothing_forgotten(nights: Nights) -> None:
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    nights.document()
    assert outcomes(nights.document("--limit", "province=quang-nam")) == {"noc": "nothing-new"}
    nights.hosts.silent = set()
    nights.document()
    assert [json.loads(taken.body)["turns"]["back"] for taken in sink.taken] == [0, 1]


# --- metrics ----------------------------------------------------------------------------------------
def test_metrics_are_those_of_this_night(nights: Nights) -> None:
    file = nights.controller.folder / "example.prom"
    file.write_text("of the night before", encoding="utf-8")
    nights.hosts.silent = {CAMERA}
    night = nights.document("--metrics", str(file))
    assert (night["exit_code"], states(night)["metrics"]) == (1, "done")
    text = file.read_text(encoding="utf-8")
    ended = datetime.fromisoformat(night["finished_at"]).timestamp()
    for extent in ("complete", "part"):
        (line,) = re.findall(rf"^provisioner_night_end_timestamp_seconds.*{extent}.* (\S+)$", text, re.MULTILINE)
        assert abs(float(line) - ended) < 1, "the night before this one is not what it tells of"
    assert re.search(rf"^provisioner_path_state.*{CAMERA}.* 3\.0$", text, re.MULTILINE)
    assert file.stat().st_mode & 0o777 == 0o644
    kept = json.loads((nights.controller.state / "night.json").read_text(encoding="utf-8"))
    assert (kept["steps"]["metrics"], kept["exit_code"]) == ("done", 1)
    reported = json.loads((nights.reports / "nightly.json").read_text(encoding="utf-8"))
    assert states(reported)["metrics"] == "done"
    written = nights.controller.folder / "written.prom"
    assert nights.controller.run("metrics", "--out", str(written)).code == 0
    assert without_moment(written.read_text(encoding="utf-8")) == without_moment(text)


def without_moment(text: str) -> list[str]:
    """Metrics without when they were written."""
    return [line for line in text.splitlines() if not line.startswith("provisioner_metrics_written_timestamp")]


def test_metrics_that_cannot_be_written_lose_nothing(nights: Nights) -> None:
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    file = nights.controller.folder / "gone/example.prom"
    printed = nights.run("--metrics", str(file))
    assert printed.code == 15
    assert f"metrics: {file} cannot be written: No such file or directory; make room" in printed.out
    kept = json.loads((nights.controller.state / "night.json").read_text(encoding="utf-8"))
    assert (kept["steps"]["metrics"], kept["exit_code"], kept["complete"]) == ("failed", 15, True)
    reported = json.loads((nights.reports / "nightly.json").read_text(encoding="utf-8"))
    assert (states(reported)["metrics"], reported["exit_code"]) == ("failed", 15)
    assert (nights.recorded(), len(sink.taken)) == (1, 1)


def test_a_history_that_cannot_be_read_leaves_the_metrics_of_before(nights: Nights) -> None:
    """Their age is what an alert goes by."""
    file = nights.controller.folder / "example.prom"
    assert nights.run("--metrics", str(file)).code == 0
    before = file.read_bytes()
    with nights.controller.tampered() as connection:
        connection.execute("UPDATE provisioner_schema SET version = 99")
    night = nights.document("--metrics", str(file))
    assert (night["exit_code"], states(night)["metrics"]) == (13, "failed")
    assert file.read_bytes() == before


@pytest.mark.parametrize("words", [("nightly", "--metrics"), ("metrics", "--out")])
def test_a_file_that_no_exporter_reads_is_refused_before_any_work(nights: Nights, words: tuple[str, str]) -> None:
    printed = nights.controller.run(*words, str(nights.controller.folder / "metrics.txt"))
    assert printed.code == 2
    assert "an exporter reads files that end in .prom" in printed.err
    assert "name it metrics.prom" in printed.err
    assert nights.recorded() == 0


# --- the lease ------------------------------------------------------------------------------------
def test_a_night_reports_to_the_ministry_and_a_way_that_fails_loses_nothing(nights: Nights) -> None:
    folder = nights.controller.folder
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "report.key"], check=True)
    settings = folder / "report.toml"
    settings.write_text('key = "report.key"\nfolder = "out"\n', encoding="utf-8")
    night = nights.document("--publish", str(settings))
    assert (night["exit_code"], states(night)["publish"]) == (14, "failed")
    assert [line for line in night["ending"] if line.startswith("publish: ") and "report is sent again" in line]
    (folder / "out").mkdir()
    night = nights.document("--publish", str(settings))
    assert (night["exit_code"], states(night)["publish"]) == (0, "done")
    assert len(list((folder / "out").iterdir())) == 2, "the report of the first night, too"
    assert states(nights.document())["publish"] == "skipped"
    assert nights.recorded() == 3
    settings.write_text("", encoding="utf-8")
    assert nights.run("--publish", str(settings)).code == 2
    assert nights.recorded() == 3, "wrong settings are refused before any work"


def test_a_second_night_is_refused_with_who_runs_the_first_and_since_when(nights: Nights) -> None:
    holder = LeaseHolder("noc@relay-1 (gitlab:noc#7)", "4711", "2021-05-20 01:30:00 +07:00")
    with night_lease(nights.controller.place, holder):
        printed = nights.run()
        assert nights.hosts.calls.count(("probe", "relay-viettel-1")) == 0
    assert printed.code == 9
    assert "noc@relay-1 (gitlab:noc#7) (process 4711) since 2021-05-20 01:30:00 +07:00" in printed.err
    assert nights.run().code == 0


def test_the_lease_of_a_process_that_is_gone_is_taken_over(nights: Nights) -> None:
    holder = {"who": "noc@relay-1", "process": "4711", "since": "2021-05-20 01:30:00 +07:00"}
    (nights.controller.state / FILE).write_text(json.dumps(holder), encoding="utf-8")
    night = nights.document()
    assert night["exit_code"] == 0
    assert re.search(r"noc@relay-1 \(process 4711\) .* taken over", night["notes"][0])
    assert nights.document()["notes"] == []


# --- receivers ------------------------------------------------------------------------------------
def test_receivers_with_errors_are_told_of_and_the_verification_stands(nights: Nights) -> None:
    nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    file = nights.controller.root / "receivers.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("webhook", "pigeon"), encoding="utf-8")
    printed = nights.run()
    assert printed.code == 14
    assert re.search(r"receivers\.yml:1:\d+: .*'pigeon'", printed.err)
    assert "down" in printed.out
    assert nights.recorded() == 1


def test_one_receiver_with_a_fault_keeps_no_other_from_being_told(nights: Nights) -> None:
    good = nights.web("good", "ministry")
    nights.web("no-key", "ministry", secrets={})
    nights.web("gone", "facility", facility="kcl-gone")
    nights.hosts.silent = {CAMERA}
    night = nights.document()
    assert outcomes(night) == {"good": "sent", "no-key": "faulty", "gone": "faulty"}
    assert night["exit_code"] == 14
    assert len(good.taken) == 1
    messages = {notice["receiver"]: notice["message"] for notice in night["notices"]}
    assert "no key" in messages["no-key"]
    assert "kcl-gone" in messages["gone"]


def secrets_in(root: Path) -> set[str]:
    """Every password and key of the example's vault, and whatever names a person in its contacts."""
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    passwords = VaultPasswords.from_environment(environment)
    words: set[str] = set()
    for file in sorted((root / "secrets").rglob("*.yml")):
        plain = decrypt(file.read_bytes(), passwords, name=file.name).decode()
        words |= set(re.findall(r'(?:password|key)"?: "?([^",}\s]{8,})', plain))
    for file in sorted((root / "contacts").glob("*.yml")):
        own = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / f".contacts-passwords/{file.stem}")}
        plain = decrypt(file.read_bytes(), VaultPasswords.from_environment(own), name=file.name).decode()
        words |= set(re.findall(r"(?:full_name|phone|email): [\"']?([^\"'\n]+)", plain))
    assert len(words) > 20
    return words


ROLES: dict[str, dict[str, Any]] = {
    "ministry": {},
    "steering": {},
    "dic": {"province": "bac-giang"},
    "health": {"province": "quang-nam"},
    "carrier": {"carrier": "vnpt"},
    "facility": {"facility": "kcl-bg-001"},
}
SEES = {
    "ministry": {CAMERA, OTHER},
    "steering": set[str](),
    "dic": {CAMERA},
    "health": {OTHER},
    "carrier": {OTHER},
    "facility": {CAMERA},
}


def test_no_role_gets_another_ones_paths_nor_anybody_a_secret_or_a_person(nights: Nights) -> None:
    sinks = {role: nights.web(role, role, **of) for role, of in ROLES.items()}
    mails = {role: nights.mail(f"{role}-mail", role, **of) for role, of in ROLES.items()}
    nights.hosts.silent = {CAMERA, OTHER}
    printed = nights.run()
    assert printed.code == 1
    sent = {role: sinks[role].taken[0].body.decode() + mails[role].mails[0].as_string() for role in ROLES}
    for role, text in sent.items():
        assert {path for path in (CAMERA, OTHER) if path in text} == SEES[role], role
        is_engineer = role in {"carrier", "facility"}
        details = [item["detail"] for item in json.loads(sinks[role].taken[0].body)["items"]]
        assert all(bool(detail) == is_engineer for detail in details), role
    private = secrets_in(nights.controller.root) | {KEY}
    log = "\n".join([*sent.values(), printed.out, printed.err, *everything_below(nights.controller.folder)])
    assert {word for word in private if word in log} == set()
    assert "canary-dic" not in printed.out + printed.err + "\n".join(everything_below(nights.controller.folder))


def everything_below(folder: Path) -> Iterator[str]:
    """What is written into the state and the reports."""
    for below in ("state", "reports"):
        for file in sorted((folder / below).rglob("*")):
            if file.is_file():
                yield file.read_bytes().decode("utf-8", "replace")


# --- notify ---------------------------------------------------------------------------------------
def notified(nights: Nights, *words: str) -> tuple[int, dict[str, Any]]:
    printed = nights.controller.run("--output", "json", "notify", *words)
    return printed.code, printed.document


def test_what_could_not_be_delivered_is_delivered_by_notify(nights: Nights) -> None:
    sink = nights.web("noc", "ministry", status(404), status(200))
    nights.hosts.silent = {CAMERA}
    assert nights.run().code == 14
    code, document = notified(nights)
    assert (code, outcomes(document)) == (0, {"noc": "sent"})
    assert json.loads(sink.taken[1].body)["run"] == document["run"]
    assert outcomes(notified(nights)[1]) == {"noc": "nothing-new"}


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(nights: Nights) -> None:
    sink = nights.web("noc", "ministry")
    assert nights.run("--no-notify").code == 0
    nights.hosts.silent = {CAMERA}
    nights.run("--no-notify")
    code, document = notified(nights, "--dry-run")
    assert (code, outcomes(document)) == (0, {"noc": "would-send"})
    holds("notice", document["notices"][0]["notice"])
    text = nights.controller.run("notify", "--dry-run").out
    assert CAMERA in text
    assert sink.taken == []


def test_a_test_message_says_that_it_is_one(nights: Nights) -> None:
    web = nights.web("noc", "ministry")
    manager = nights.web("am", "ministry", kind="alertmanager")
    mail = nights.mail("dic", "dic", province="bac-giang")
    for name in ("noc", "am", "dic"):
        assert notified(nights, "--test", name)[0] == 0
    body = json.loads(web.taken[0].body)
    holds("notice", body)
    assert body["test"] is True
    assert json.loads(manager.taken[0].body)[0]["labels"]["alertname"] == "ProvisionerTest"
    assert "tin thử" in mail.mails[0]["Subject"]


def test_a_test_that_fails_ends_with_a_code_and_a_hint(nights: Nights) -> None:
    nights.add("noc", {"kind": "webhook", "role": "ministry", "url": f"http://127.0.0.1:{free_port()}/"})
    nights.web("moved", "ministry", status(301, Location="https://evil.example"))
    printed = nights.controller.run("notify", "--test", "moved")
    assert printed.code == 14
    assert "redirect" in printed.err
    assert "hint: write the address itself" in printed.err
    assert "evil" not in printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--test", "noc-vietel"], "did you mean noc-viettel?"),
        (["--receiver", "noc-vietel"], "did you mean noc-viettel?"),
        ([], "verify first"),
    ],
)
def test_an_unknown_receiver_or_verification_is_wrong_usage(nights: Nights, words: list[str], said: str) -> None:
    nights.web("noc-viettel", "carrier", carrier="viettel")
    printed = nights.controller.run("notify", *words)
    assert (printed.code, said in printed.err) == (2, True)


def test_what_receivers_were_told_survives_a_record_that_somebody_wrote_into(nights: Nights) -> None:
    """A row with another's seal is nothing: all of it is told again, and a note says why."""
    sink = nights.web("noc", "ministry")
    nights.hosts.silent = {CAMERA}
    nights.document()
    with nights.controller.tampered() as connection:
        connection.execute("UPDATE provisioner_notices SET packed = zeroblob(9)")
    night = nights.document()
    assert outcomes(night) == {"noc": "sent"}
    assert "not what this program wrote" in night["notes"][0]
    assert len(sink.taken) == 2


# --- units ----------------------------------------------------------------------------------------
def test_a_unit_is_printed_and_nothing_else_is_done(nights: Nights) -> None:
    service = nights.controller.run("nightly", "--print-units", "service")
    timer = nights.controller.run("nightly", "--print-units", "timer", "--at", "02:10")
    assert (service.code, timer.code) == (0, 0)
    assert f"-i {nights.controller.root} nightly" in service.out
    assert "OnCalendar=*-*-* 02:10:00 Asia/Ho_Chi_Minh" in timer.out
    assert "ReadWritePaths" not in service.out
    words = ("nightly", "--metrics", "/var/lib/prometheus/node-exporter/example.prom", "--print-units", "service")
    measured = nights.controller.run(*words).out
    assert " --metrics /var/lib/prometheus/node-exporter/example.prom\n" in measured
    assert "\nReadWritePaths=-/var/lib/prometheus/node-exporter\n" in measured
    reporting = nights.controller.run(
        "nightly", "--publish", "/etc/provisioner/report.toml", "--print-units", "service"
    )
    assert " --publish /etc/provisioner/report.toml\n" in reporting.out
    own = nights.controller.run("nightly", "--metrics", "/var/tmp/example.prom", "--print-units", "service")  # noqa: S108
    assert (own.code, "where no exporter sees a file" in own.err) == (2, True)
    assert not (nights.controller.state / "night.json").exists()
    assert nights.controller.run("nightly", "--print-units", "timer", "--at", "2").code == 2
    assert os.environ.get("PROVISIONER_STATE") is None
