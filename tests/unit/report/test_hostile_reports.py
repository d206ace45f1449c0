"""A text of a host or of an inventory stays a text in every report: no markup, no link, nobody called, no control."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from defusedxml.ElementTree import fromstring
from markdown_it import MarkdownIt

from provisioner.base.errors import Problem
from provisioner.report.ci_formats import junit_report, sarif_log
from provisioner.report.verify_html import html_page, verify_comment
from provisioner.report.verify_text import text_report
from provisioner.verify.result import Finding, Incident, Layer, VerifyResult
from tests.hostile import MERGE_REQUEST, RELAY
from tests.unit.verify import world

TEXTS = (
    "<script>fetch('//example.com')</script>",
    "<img src=//example.com/x onerror=alert(1)>",
    "</td></table><a href='//example.com'>here</a>",
    "[here](https://example.com) ![x](https://example.com/x.png) @all #1",
    "\x1b]8;;https://example.com\x1b\\here\x1b]8;;\x1b\\\x1b[2J\x07\x00\r\nall 9 paths are up",
    "\u202e\u2066up\u2069\u2028\u200b",
)


class Tags(HTMLParser):
    """The elements of a page, and where its attributes lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.names.append(tag)
        self.places += [value or "" for name, value in attrs if name in {"href", "src", "style"} or name[:2] == "on"]


def result(text: str) -> VerifyResult:
    """A verification in which every text that somebody else may have written is this one."""
    good = world.judged(world.answers())
    paths = tuple(replace(path, finding=replace(path.finding, detail=text, object=text)) for path in good.paths)
    incident = Incident(Finding(paths[0].cause, Layer.HOST, text, text), (paths[0].path,))
    hosts = tuple(replace(host, outcome="failed", error=text, drift=None) for host in good.hosts)
    return replace(good, engine=text, paths=paths, incidents=(incident,), hosts=hosts)


@RELAY
@pytest.mark.parametrize("text", TEXTS)
def test_a_page_has_no_element_of_a_hosts(text: str) -> None:
    plain, page = Tags(), Tags()
    plain.feed(html_page(result("a text")))
    page.feed(html_page(result(text)))
    assert (page.names, page.places) == (plain.names, plain.places)
    assert html_page(result(text)).replace("\n", "").isprintable()


@RELAY
@pytest.mark.parametrize("text", TEXTS)
def test_a_report_as_text_has_no_line_of_a_hosts(text: str) -> None:
    shown = text_report(result(text), detail=True)
    assert shown.replace("\n", "").isprintable()
    assert len(shown.splitlines()) == len(text_report(result("a text"), detail=True).splitlines())


@RELAY
@pytest.mark.parametrize("text", TEXTS)
def test_files_for_pipelines_hold_no_element_and_no_link_of_a_hosts(text: str) -> None:
    shown, plain = (fromstring(junit_report(result(one))) for one in (text, "a text"))
    assert [element.tag for element in shown.iter()] == [element.tag for element in plain.iter()]
    assert "".join(shown.itertext()).replace("\n", "").isprintable()
    comments = [
        [
            token.type
            for whole in MarkdownIt("commonmark").parse(verify_comment(result(one)))
            for token in (whole, *(whole.children or ()))
        ]
        for one in (text, "a text")
    ]
    assert set(comments[0]) == set(comments[1])


@MERGE_REQUEST
@pytest.mark.parametrize("text", TEXTS)
def test_a_problem_in_sarif_is_a_message_and_no_link(text: str) -> None:
    problem = Problem("a/b.yml", 1, 1, "code", text, text, text)
    log = sarif_log([problem], version="1", folder="/x")
    (found,) = log["runs"][0]["results"]
    message = found["message"]["text"]
    assert message.isprintable()
    assert "](" not in message
    assert "markdown" not in found["message"]
    assert found["properties"]["object"].isprintable()
    assert json.loads(json.dumps(log)) == log
