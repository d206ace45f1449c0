"""Laws of a verification's files for pipelines: JUnit agrees with the exit code, Markdown has no markup of a host's."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import FrozenFacility, Problem, Severity
from provisioner.report.ci_formats import junit_report
from provisioner.report.plan_markdown import MAX_BYTES
from provisioner.report.verify_html import verify_comment
from provisioner.verify.incidents import incidents_of
from provisioner.verify.result import (
    NO_FINDING,
    Cause,
    Finding,
    InMaintenance,
    LastProof,
    Layer,
    PathVerdict,
    Verdict,
    VerifyResult,
    exit_code,
)
from tests.laws.test_plan_comment_laws import ALLOWED, FEW, OURS, tokens, words

START = datetime(2021, 5, 11, 17, tzinfo=UTC)
END = START + timedelta(minutes=3)
SEEN = (Verdict.UP, Verdict.DEGRADED, Verdict.DOWN, Verdict.UNKNOWN, Verdict.QUARANTINED)


@st.composite
def path_verdicts(draw: st.DrawFn, number: int) -> PathVerdict:
    verdict = draw(st.sampled_from(SEEN))
    cause = Cause.NONE if verdict is Verdict.UP else draw(st.sampled_from([Cause.SILENT, Cause.NOT_CHECKED]))
    not_asked = verdict is Verdict.UNKNOWN and draw(st.booleans())
    path = PathVerdict(
        path=f"bac-giang/kcl-{number % 3}/cam-{number}/sub",
        carrier="viettel",
        province="bac-giang",
        facility=f"kcl-{number % 3}",
        camera=f"cam-{number}",
        relay="edge-1",
        verdict=verdict,
        level=0,
        finding=Finding(
            Cause.NOT_ASKED if not_asked else cause,
            None if verdict is Verdict.UP else draw(st.sampled_from(Layer)),
            draw(words),
            draw(words),
            0 if verdict is Verdict.UP else draw(st.integers(0, 7)),
        ),
        checked_at=None if not_asked and draw(st.booleans()) else END,
        last_proof=draw(st.none() | st.just(LastProof(7, START))),
    )
    if draw(st.integers(0, 4)):
        return path
    window = InMaintenance(START, END, draw(words), verdict)
    return replace(path, verdict=Verdict.MAINTENANCE, maintenance=window)


@st.composite
def results(draw: st.DrawFn) -> VerifyResult:
    paths = tuple(draw(path_verdicts(number)) for number in range(draw(st.integers(0, 9))))
    problem = Problem("a.yml", 1, 1, "code", draw(words), draw(words), "facility/kcl-9", Severity.ERROR)
    held = draw(st.sampled_from([(), (FrozenFacility("kcl-9", (problem,), "bac-giang"),)]))
    return VerifyResult(draw(words), START, END, paths, incidents_of(paths), held=held)


def cases_of(text: str) -> list[tuple[str, str, str]]:
    """Each case's name, the element in it (empty where it passed), and all that it says."""
    root = fromstring(text)
    assert root.tag == "testsuites"
    for suite in (root, *root):
        inner = list(suite.iter("testcase"))
        counts = Counter(element.tag for case in inner for element in case)
        shown = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
        assert shown == {
            "tests": len(inner),
            "failures": counts["failure"],
            "errors": counts["error"],
            "skipped": counts["skipped"],
        }
    cases = []
    for case in root.iter("testcase"):
        assert len(case) <= 1
        said = " ".join(f"{one.attrib['message']} {one.text or ''}" for one in case)
        cases.append((case.attrib["name"], case[0].tag if len(case) else "", said))
    return cases


# --- JUnit ----------------------------------------------------------------------------------------
@FEW
@given(result=results(), fail_on=st.sampled_from([Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN]))
def test_a_case_fails_iff_the_command_does(result: VerifyResult, fail_on: Verdict) -> None:
    cases = cases_of(junit_report(result, fail_on))
    failing = any(kind in {"failure", "error"} for name, kind, _ in cases if name != "kcl-9")
    assert failing == bool(exit_code(result, fail_on))
    assert [kind for name, kind, _ in cases if name == "kcl-9"] == ["error"] * len(result.held)


@FEW
@given(result=results(), fail_on=st.sampled_from([Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN]))
def test_only_what_is_up_has_passed_and_every_path_is_there_once(result: VerifyResult, fail_on: Verdict) -> None:
    cases = {name: kind for name, kind, _ in cases_of(junit_report(result, fail_on))}
    assert {name for name, kind in cases.items() if not kind} == {p.path for p in result.paths if p.verdict is SEEN[0]}
    assert {path.path for path in result.paths} <= set(cases)


@FEW
@given(result=results())
def test_a_failure_says_its_cause_and_what_to_do(result: VerifyResult) -> None:
    said = {name: text for name, kind, text in cases_of(junit_report(result)) if kind in {"failure", "error"}}
    for path in result.paths:
        if path.path in said:
            assert path.cause.value in said[path.path]
            assert "next: " in said[path.path]


@pytest.mark.parametrize("text", ["\x00\x01\x1b[31m", "]]>", "<a b='\"'>&amp;", "\ud800", "\ufffe", "\u202e"])
def test_no_text_breaks_the_xml(text: str) -> None:
    bad = _path(0, verdict=Verdict.DOWN, finding=Finding(Cause.SILENT, Layer.CAMERA, text, text))
    result = VerifyResult("mediamtx", START, END, (bad,), ())
    written = junit_report(result)
    assert written.encode()
    ((_, kind, said),) = cases_of(written)
    assert kind == "failure"
    assert said.replace("\n", "").isprintable()


def _path(number: int, **changes: Any) -> PathVerdict:
    plain: dict[str, Any] = {"verdict": Verdict.UP, "level": 7, "finding": NO_FINDING, "checked_at": END}
    names: dict[str, Any] = {
        "carrier": "viettel",
        "province": "bac-giang",
        "facility": f"kcl-{number // 9}",
        "relay": "edge-1",
    }
    path = f"bac-giang/kcl-{number // 9}/cam-{number}/sub"
    return PathVerdict(path=path, camera=f"cam-{number}", **names, **(plain | changes))


# --- Markdown -------------------------------------------------------------------------------------
@FEW
@given(result=results())
def test_nothing_that_a_host_wrote_is_markup(result: VerifyResult) -> None:
    for token in tokens(verify_comment(result)):
        assert token.type.removesuffix("_open").removesuffix("_close") in ALLOWED, token
        if token.type in {"text", "html_block"}:
            assert re.fullmatch(rf"(?:{OURS.pattern}|[/()→'])*", token.content, re.DOTALL), token.content


def test_a_comment_on_a_country_is_bounded_and_says_what_it_leaves_out() -> None:
    findings = (Finding(Cause.SILENT, Layer.CAMERA, f"cam-{n}", "Ẳ" * 500) for n in range(3000))
    paths = tuple(_path(n, verdict=Verdict.DOWN, finding=one, level=2) for n, one in enumerate(findings))
    text = verify_comment(VerifyResult("mediamtx", START, END, paths, incidents_of(paths)))
    assert len(text.encode()) <= MAX_BYTES
    assert text.startswith("### Verification: 0 of 3000 paths are up: 3000 down\n")
    assert re.search(r"… and \d+ incidents more", text)
    assert re.search(r"\d+ paths left out of this comment: `provisioner verify --details`", text)
    assert text.count("<details>") == text.count("</details>")


def test_what_is_not_up_is_named_with_its_cause() -> None:
    down = _path(1, verdict=Verdict.DOWN, finding=Finding(Cause.TUNNEL_DOWN, Layer.TUNNEL, "site/kcl-0"), level=0)
    paths = (_path(0), down)
    text = verify_comment(VerifyResult("mediamtx 1.20.1", START, END, paths, incidents_of(paths)))
    assert "| `viettel` | 2 | 1 | 1 |" in text
    step = Cause.TUNNEL_DOWN.next_step
    assert f"- **down** tunnel `site/kcl-0`: tunnel down, 1 path → {step} (`bac-giang/kcl-0/cam-1/sub`)" in text
    assert "| `bac-giang/kcl-0/cam-1/sub` | down | tunnel down |" in text
