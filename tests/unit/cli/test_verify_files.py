"""The files that `verify` writes: they are what was found, and one that cannot be written undoes nothing."""

from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

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
