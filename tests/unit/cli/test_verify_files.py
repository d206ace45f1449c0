"""The files of `verify`, the dashboard and the pages: they are what was found, and lead to each other."""

import json
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from provisioner.integrations.alerting.kit import dashboard_file
from provisioner.web.static import files_of
from tests.boards import NOW, StripedPast, board
from tests.example_terminal import EXAMPLE
from tests.unit.cli.test_plan import Terminal, call

__all__ = ["call"]  # the fixture
ASKED = ("verify", "--once", "--limit", "facility=kcl-bg-001")


def test_junit_and_markdown_say_what_was_printed(call: Terminal) -> None:
    code, result = call.document(*ASKED, "--junit", "out/verify.xml", "--markdown", "out/verify.md")
    assert code == 1
    cases = list(fromstring(Path("out/verify.xml").read_text(encoding="utf-8")).iter("testcase"))
    assert [case.attrib["name"] for case in cases] == [path["path"] for path in result["paths"]]
    assert {case.attrib["classname"] for case in cases} == {"bac-giang.kcl-bg-001"}
    passed = [case.attrib["name"] for case in cases if not len(case)]
    assert passed == [path["path"] for path in result["paths"] if path["verdict"] == "up"]
    page = Path("out/verify.md").read_text(encoding="utf-8")
    assert page.startswith("### Verification: ")
    assert all(f"`{incident['object']}`: {incident['cause']}" in page for incident in result["incidents"])


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--html"])
def test_a_file_that_cannot_be_written_is_a_warning_and_the_verification_is_kept(call: Terminal, option: str) -> None:
    Path("taken").write_text("a file", encoding="utf-8")
    before = len(call.document("history")[1]["runs"])
    code, out, err = call(*ASKED, option, "taken/below")
    assert code == 3
    assert "taken/below cannot be written" in err
    assert "the result is printed here" in err
    assert "paths are" in out
    assert len(call.document("history")[1]["runs"]) == before + 1


def test_a_secret_or_a_login_is_in_no_file(call: Terminal) -> None:
    call(*ASKED, "--junit", "a.xml", "--markdown", "a.md", "--details")
    for name in ("a.xml", "a.md"):
        text = Path(name).read_text(encoding="utf-8")
        assert "rtsp://" not in text
        assert "password=" not in text


__all__ = ["call"]  # the fixture


def test_the_dashboard_links_the_pages_and_invents_no_host(call: Terminal) -> None:
    assert json.loads(dashboard_file())["links"] == []
    folder = call.root / "kit"
    assert call("monitoring", str(folder), "--pages-url", "https://pages.example.com/")[0] == 0
    (link,) = json.loads((folder / "grafana-dashboard.json").read_text())["links"]
    assert link["url"] == "https://pages.example.com/"


def test_the_pages_link_the_dashboard_and_invent_no_host() -> None:
    address = "https://grafana.example.com/d/provisioner-paths"
    linked, plain = (dict(files_of(board(), StripedPast(), NOW, url)) for url in (address, ""))
    for name, content in linked.items():
        if name.endswith(".html") and name != "index.html":
            assert content.count(address.encode()) == 1, name
            assert b"Dashboard" not in plain[name], name


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "https://noc:secret@grafana.example.com/", "grafana", "https://", "https://a b/", "//x/"],
)
def test_what_is_no_address_or_holds_a_login_is_refused(call: Terminal, address: str, tmp_path: Path) -> None:
    commands = (
        ["report", "html", str(tmp_path / "x"), "--dashboard-url", address],
        ["serve", "--dashboard-url", address],
    )
    for words in (*commands, ["monitoring", str(tmp_path / "y"), "--pages-url", address]):
        code, _, err = call(*words)
        assert code == 2, words
        assert "secret" not in err.replace("may hold a secret", "")
    assert not (call.root / EXAMPLE / "x").exists()
