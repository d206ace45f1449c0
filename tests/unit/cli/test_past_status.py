"""`status` and `export` of an earlier moment, and beside the week before."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from provisioner.cli.support import session
from provisioner.operations.apply.verification import contents_of
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import open_history
from provisioner.report.progress import MEASURES
from tests.inventories import load_inventory
from tests.unit.cli.test_status import EXAMPLE, RELAYS, ROOT, Story, at, environment

FIRST, LAST = at("2021-06-13", "08:00:00"), at("2021-06-20", "08:00:00")
NEW = EXAMPLE / "facilities/quang-nam/kcl-qn-003.yml"
NIGHT = {"kcl-bg-001": 4, "kcl-bg-002": 1, "kcl-hd-001": 3, "kcl-qn-001": 1}


def commit(moment: datetime) -> None:
    when = {"GIT_COMMITTER_DATE": moment.isoformat(), "GIT_AUTHOR_DATE": "1999-01-01T00:00:00Z"}
    for words in (("init", "-q"), ("add", "-A", "inventories"), ("commit", "-qm", "x")):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words]
        subprocess.run(command, check=True, capture_output=True, timeout=30, env=os.environ | when)


@pytest.fixture
def weeks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[datetime], Story]]:
    """An inventory in Git, told up to a moment: the second week has a site more and one that is up at last."""
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
    monkeypatch.chdir(tmp_path)
    late = NEW.read_bytes()
    NEW.unlink()
    commit(at("2021-06-08", "08:00:00"))
    env = environment(tmp_path) | {"PATH": os.environ["PATH"]}
    with closing(open_history(state_folder_of(env, "example"))) as history:
        story = Story(history, contents_of(load_inventory(EXAMPLE, today=LAST.date())), env)
        story.apply(at("2021-05-08", "19:32:00"), RELAYS)
        for day in ("2021-06-11", "2021-06-12", "2021-06-13"):
            story.verify(at(day, "00:10:00"), NIGHT)

        def until(moment: datetime) -> Story:
            if moment == LAST:
                NEW.write_bytes(late)
                commit(at("2021-06-16", "08:00:00"))
                story.verify(at("2021-06-19", "00:10:00"), NIGHT | {"kcl-bg-001": 0, "kcl-bg-002": 2})
                story.verify(at("2021-06-20", "00:10:00"), NIGHT | {"kcl-bg-001": 0, "kcl-bg-002": 2})
            monkeypatch.setattr(session, "now", lambda: moment)
            return story

        yield until


def printed(story: Story, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert story.run("--output", "json", *words) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {key: value for key, value in document.items() if key not in {"packages", "unsealed_relays", "inventory"}}


def test_a_broken_moment_names_its_commit_and_no_temporary_folder(
    weeks: Callable[[datetime], Story], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = EXAMPLE / "inventory.yml"
    right = settings.read_text(encoding="utf-8")
    settings.write_text(f"bogus: 1\n{right}", encoding="utf-8")
    commit(at("2021-06-09", "08:00:00"))
    settings.write_text(right, encoding="utf-8")
    capsys.readouterr()
    assert weeks(LAST).run("status", "--as-of", "2021-06-10T08:00") == 3
    told = capsys.readouterr().err
    assert re.search(r"[0-9a-f]{12}:inventory\.yml:1:1: .*'bogus'", told), told
    assert ("provisioner-revision" in told, "name another moment" in told) == (False, True)


@pytest.mark.parametrize(
    "words", [("status",), ("export", "progress"), ("export", "surveys"), ("export", "acceptance")]
)
def test_an_old_report_comes_out_as_it_did(
    weeks: Callable[[datetime], Story], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    then = printed(weeks(FIRST), capsys, *words)
    story = weeks(LAST)
    assert printed(story, capsys, *words, "--as-of", "2021-06-13T08:00") == then
    assert printed(story, capsys, *words) != then


def test_a_week_is_compared_with_the_week_before(
    weeks: Callable[[datetime], Story], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(weeks(FIRST), capsys, "export", "progress")
    story = weeks(LAST)
    now = printed(story, capsys, "export", "progress", "--against-before")
    before = now.pop("before")
    shared = ("as_of", "runs", "total", "by_province", "by_carrier", "by_managing_body")
    assert {key: before[key] for key in shared} == {key: first[key] for key in shared}
    assert before["changed"] == [
        {"facility": "kcl-bg-002", "before": "provisioned", "now": "active"},
        {"facility": "kcl-qn-003", "before": None, "now": "registered"},
    ]
    assert printed(story, capsys, "status", "--against-before")["before"] == before
    assert story.run("status", "--against-before") == 0
    out = capsys.readouterr().out
    assert "compared with 2021-06-13 08:00:00 +07:00, by the evidence of 4 runs" in out
    assert "kcl-qn-003: not in the inventory → registered" in out
    assert [line.split() for line in out.splitlines() if line.startswith("bac-giang")] == [
        ["bac-giang", "2", "2", "(+1)", "6", "(+2)", "1", "2", "(-3)", "0", "0", "0", "(-1)"]
    ]
    assert story.run("export", "progress", "--against-before", "--out", "p.xlsx", "--docx", "p.docx") == 0
    sheet = load_workbook(tmp_path / "p.xlsx")["So với kỳ trước"]
    rows = [[cell for cell in row if cell is not None] for row in sheet.iter_rows(values_only=True)]
    numbers = next(row[1:] for row in rows if row and row[0] == "Tổng cộng")
    assert len(numbers) == 2 * len(MEASURES)
    assert numbers[:4] == [now["total"]["facilities"], 1, now["total"]["connected"], 1]


def test_names_of_now_alone_are_compared_with_nothing(
    weeks: Callable[[datetime], Story], capsys: pytest.CaptureFixture[str]
) -> None:
    story = weeks(LAST)
    for words in (("kcl-qn-003",), ("--limit", "facility=kcl-qn-003")):
        before = printed(story, capsys, "status", "--against-before", *words)["before"]
        assert (before["total"]["facilities"], [row["facility"] for row in before["changed"]]) == (0, ["kcl-qn-003"])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("status", "--as-of", "2021-06-20T08:01"), "2021-06-20 08:01:00 +07:00 is still to come"),
        (("status", "--as-of", "2021-06-08"), "Git has no commit of inventories/example from before 2021-06-08"),
        (("status", "--as-of", "Monday"), "'Monday' is not a time"),
        (("status", "--why", "--as-of", "2021-06-13"), "--why explains the present state"),
        (("status", "kcl-qn-003", "--as-of", "2021-06-13"), "there is no facility kcl-qn-003"),
        (("export", "zones", "--against-before"), "zones has no --against-before"),
        (("export", "progress", "--as-of", "2021-06-14", "--against-before"), "Git has no commit"),
    ],
)
def test_bad_input_is_a_sentence(
    weeks: Callable[[datetime], Story], words: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weeks(LAST).run(*words) == 2
    assert error in capsys.readouterr().err


def test_files_outside_of_git_have_no_past(
    weeks: Callable[[datetime], Story], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = weeks(LAST)
    shutil.rmtree(tmp_path / ".git")
    assert story.run("export", "progress", "--against-before", "--out", "p.xlsx") == 2
    assert "inventories/example is in no checkout of Git" in capsys.readouterr().err
    assert not (tmp_path / "p.xlsx").exists()
