"""Reports: text and HTML of one result that has everything, against the kept files; escaping and scale."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.report.verify_html import MOST_LISTED, html_page
from provisioner.report.verify_text import sentence, text_report
from provisioner.verify.result import Cause, Finding, Layer, Verdict, VerifyResult, exit_code

from .world import CENTRE, RELAY, answers, change, documents, judged, printed

_VOID = {"meta", "link", "br", "hr", "img", "input"}


def _mixed() -> VerifyResult:
    """A result with paths that are up, degraded, down and unknown."""
    hosts = documents()
    relay = hosts[RELAY]["relay"]
    relay["devices"][2]["outcome"] = "refused"
    relay["paths"]["bac-giang/kcl-002/cam-01/sub"] = {
        "samples": [{"available": False, "online": True, "inbound_bytes": 0}] * 2,
        "read": {"error": "Server returned 404 Not Found", "status": 404},
    }
    relay["paths"]["bac-giang/kcl-001/cam-09/sub"]["read"] = {"not_run": "no time was left"}
    small = {"codec": "h264", "width": 352, "height": 288}
    relay["paths"]["bac-giang/kcl-001/cam-02/sub"]["read"] = small
    hosts[CENTRE]["centre"]["relays"][RELAY]["bac-giang/kcl-001/cam-02/sub"] = small
    return judged(answers(hosts))


def _drifted() -> VerifyResult:
    unreachable = HostAnswer(CENTRE, CallOutcome.UNREACHABLE, error="ssh: connect to host 192.0.2.2: timed out")
    return judged(answers() | {CENTRE: unreachable}, {RELAY: [change(f"file-{n}") for n in range(12)]})


RESULTS = {"all-up": judged(answers()), "mixed": _mixed(), "drifted": _drifted()}


def test_reports_are_as_kept(golden_tree: Callable[[str, Mapping[str, bytes]], None]) -> None:
    tree = {}
    for name, result in RESULTS.items():
        tree[f"{name}.txt"] = text_report(result)
        tree[f"{name}.detail.txt"] = text_report(result, detail=True)
        tree[f"{name}.json"] = printed(result)
        tree[f"{name}.html"] = html_page(result)
    golden_tree("report", {path: text.encode() for path, text in tree.items()})


class _Checker(HTMLParser):
    """Checks that elements nest, and collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in {"src", "href"}]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_the_page_is_well_formed_and_fetches_nothing(name: str) -> None:
    page = html_page(RESULTS[name])
    checker = _Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert checker.fetched == []
    assert "<script" not in page
    assert not re.search(r"@import|url\(", page)


def _hostile(text: str) -> VerifyResult:
    result = judged(answers())
    path = replace(
        result.paths[0], verdict=Verdict.DOWN, finding=Finding(Cause.UNKNOWN, Layer.STREAM, result.paths[0].path, text)
    )
    host = replace(result.hosts[0], outcome="failed", error=text)
    return replace(result, paths=(path, *result.paths[1:]), hosts=(host,), engine=text)


def test_what_other_programs_say_is_escaped() -> None:
    page = html_page(_hostile("<script>alert('x')</script>\x1b[31m\x00"))
    assert "<script>" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;?[31m?" in page
    text = text_report(_hostile("\x1b]0;title\x07"), detail=True)
    assert "\x1b" not in text
    assert "\x07" not in text


def test_vietnamese_letters_stay_as_they_are() -> None:
    assert "Đường truyền hỏng" in html_page(_hostile("Đường truyền hỏng"))
    assert "Đường truyền hỏng" in text_report(_hostile("Đường truyền hỏng"), detail=True)


def test_colours_are_there_only_when_they_are_asked_for() -> None:
    assert "\x1b[" not in text_report(RESULTS["mixed"], detail=True)
    assert "\x1b[" in text_report(RESULTS["mixed"], detail=True, color=True)


def test_the_engine_comes_first() -> None:
    assert text_report(RESULTS["mixed"]).startswith("engine: mediamtx 1.20.1\n")


def test_a_result_without_paths_never_sounds_like_success() -> None:
    empty = replace(RESULTS["all-up"], paths=())
    assert sentence(empty) == "no path was checked"
    assert exit_code(empty) == exit_code(empty, Verdict.DOWN) == 1
    assert "no path was checked" in html_page(empty)


def test_above_some_thousands_the_page_lists_failures_only() -> None:
    result = RESULTS["mixed"]
    good = RESULTS["all-up"].paths[0]
    many = tuple(replace(good, path=f"p/f{n // 10}/c/{n}", facility=f"f{n // 10}") for n in range(MOST_LISTED))
    page = html_page(replace(result, paths=(*result.paths, *many)))
    assert "p/f1/c/10" not in page
    assert "bac-giang/kcl-002/cam-01/sub" in page
    assert len(page) < 100_000


def test_json_says_what_the_text_says() -> None:
    document = json.loads(printed(RESULTS["mixed"]))
    assert document["summary"] == {
        "paths": 5,
        "up": 2,
        "degraded": 1,
        "down": 1,
        "unknown": 1,
        "maintenance": 0,
        "quarantined": 0,
    }
