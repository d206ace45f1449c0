"""`quarantine list` and `quarantine lift`, and what other commands say of refused passwords, on hosts in memory."""

import json
from pathlib import Path

import pytest

from provisioner.desired.render.host import MEDIAMTX_FILE
from provisioner_host.change.quarantine_watch import with_refused_quarantined
from provisioner_host.relay import quarantine
from tests.document_schemas import holds
from tests.example_terminal import ExampleTerminal, applied

RELAY = "relay-viettel-1"
PATH = "bac-giang/kcl-bg-001/cam-03/sub"
SINCE = "2021-06-01T12:00:00Z"


class Terminal(ExampleTerminal):
    """Somebody whose cameras refuse their passwords."""

    @property
    def text(self) -> str:
        return self.hosts.hosts[RELAY].files[MEDIAMTX_FILE][0].decode()

    def refuse(self, path: str = PATH) -> list[str]:
        """Let the device of a path refuse its login: what is out then."""
        host, text = self.hosts.hosts[RELAY], self.text
        [login] = [one.login for one in quarantine.lines_in(text) if one.name == path]
        out = with_refused_quarantined(text, {login: frozenset({path})}, set(), SINCE)
        host.files[MEDIAMTX_FILE] = (out.encode(), *host.files[MEDIAMTX_FILE][1:])
        return self.out

    @property
    def out(self) -> list[str]:
        return sorted(one.name for one in quarantine.lines_in(self.text) if one.since)

    def other_channel(self) -> None:
        """Change another path of the relay."""
        self.edit("facilities/bac-giang/kcl-bg-002.yml", "sub: {", 'sub: { rtsp_path: "/other", ')
        parties = ["--by", "dic", "--by", "health", "--by", "carrier"]
        assert self("sign-off", "kcl-bg-002", *parties, "--on", "2021-06-01", "--source", "02/BB")[0] == 0


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return applied(Terminal, tmp_path, monkeypatch, capsys)


def test_what_is_quarantined_is_listed_everywhere_and_is_no_drift(call: Terminal) -> None:
    assert call("quarantine", "list")[1].startswith("no path is quarantined")
    out = call.refuse()
    assert PATH in out
    code, listed = call.document("quarantine", "list")
    assert (code, [one["path"] for one in listed["quarantined"]]) == (0, out)
    assert {one["since"] for one in listed["quarantined"]} == {SINCE}
    for command in ("plan", "drift"):
        code, document = call.document(command)
        assert (code, document["changes"]) == (0, [])
        assert document["quarantined"] == listed["quarantined"]
        holds(command, document)
        assert f"QUARANTINED: {len(out)} path" in call(command)[1]
        assert f"QUARANTINED: {len(out)} path" in call("--output", "markdown", command)[1]
    assert all(path in call("quarantine", "list")[1] for path in out)


def test_a_limit_lists_its_own(call: Terminal) -> None:
    call.refuse()
    assert call.document("quarantine", "list", "--limit", "facility=kcl-bg-002")[1]["quarantined"] == []
    assert call.document("quarantine", "list", "--limit", "facility=kcl-bg-001")[1]["quarantined"]


def test_lifting_a_path_brings_all_of_its_device_back_and_is_recorded(call: Terminal) -> None:
    whole = call.text
    assert call.refuse()
    code, lifted = call.document("quarantine", "lift", PATH, "--yes", "--approval", "the camera was reset")
    assert (code, lifted["outcome"], lifted["remaining"]) == (0, "applied", [])
    assert call.out == []
    assert call.text == whole
    run = next(run for run in call.document("history")[1]["runs"] if run["run"] == lifted["run"])
    assert run["who"]
    assert "the camera was reset" in json.dumps(run)


def test_it_says_of_every_path_that_comes_along_that_its_device_is_asked_again(call: Terminal) -> None:
    out = call.refuse()
    assert len(out) > 1
    err = call("quarantine", "lift", PATH, "--yes")[2]
    assert [path for path in out if f"is asked again for {path}" in err] == out


def test_lifting_by_a_limit_takes_what_is_quarantined_there(call: Terminal) -> None:
    call.refuse()
    assert call("quarantine", "lift", "--limit", "facility=kcl-bg-002", "--yes")[0] == 2
    assert call.out
    assert call("quarantine", "lift", "--limit", "facility=kcl-bg-001", "--yes")[0] == 0
    assert call.out == []


def test_what_is_not_quarantined_is_not_lifted_and_nobody_is_asked_where_nobody_is(call: Terminal) -> None:
    call.refuse()
    writes = call.hosts.hosts[RELAY].writes
    assert call("quarantine", "lift")[0] == 2
    code, _, err = call("quarantine", "lift", PATH.replace("cam-03", "cam-33"), "--yes")
    assert (code, "is not quarantined" in err, PATH in err) == (2, True, True)
    assert call("quarantine", "lift", PATH)[0] == 2
    assert call.hosts.hosts[RELAY].writes == writes


def test_a_host_with_other_changes_is_not_lifted_on(call: Terminal) -> None:
    out = call.refuse()
    call.other_channel()
    code, _, err = call("quarantine", "lift", PATH, "--yes")
    assert (code, "has other changes pending" in err) == (6, True)
    assert call.out == out
    # They may be applied: what is out stays so.
    assert call("apply", "--yes", "--allow", "viewers=99")[0] == 0
    assert call.out == out
    assert call("plan", "--exit-code")[0] == 0
