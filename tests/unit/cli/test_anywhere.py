"""`-i` and `--output` before the command or after it, and what is asked where a word was mistyped."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import click
import pytest

from provisioner.base.errors import UsageError
from provisioner.cli.main import run
from provisioner.cli.support.commands import COMMANDS, FORMER
from provisioner.operations.questions.history import PastRuns
from provisioner.record.event_log import EventLog
from provisioner.record.store import History
from tests import inventories as make
from tests.command_tree import every_command

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
UNLOCKED = {"ANSIBLE_VAULT_PASSWORD_FILE": str(EXAMPLE / ".vault-password")}


def _env(tmp_path: Path) -> dict[str, str]:
    return UNLOCKED | {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.mark.parametrize(
    "order",
    [
        ["-i", "DIR", "--output", "json", "status"],
        ["-i", "DIR", "status", "--output", "json"],
        ["--output=json", "status", "-i", "DIR"],
        ["status", "-i", "DIR", "--output", "json"],
        ["status", "kcl-bg-001", "--inventory", "DIR", "--output=json"],
        ["-i", "DIR", "--output", "json", "status", "--output", "json", "-i", "DIR"],
    ],
)
def test_both_places_mean_the_same(order: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(EXAMPLE) if word == "DIR" else word for word in order], _env(tmp_path)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == "provisioner/status"
    assert "kcl-bg-001" in {row["facility"] for row in printed["facilities"]}


def test_a_command_of_a_group_takes_them_in_every_place(capsys: pytest.CaptureFixture[str]) -> None:
    for order in (
        ["geography", "lookup", "bac-giang", "--scheme", "gso-2021", "--output", "json"],
        ["geography", "--output", "json", "lookup", "bac-giang", "--scheme", "gso-2021"],
    ):
        assert run(order, {}) == 0
        assert json.loads(capsys.readouterr().out)["schema"] == "provisioner/geography"


def test_every_command_lists_them_in_its_help_once() -> None:
    for name, leaf in every_command().items():
        if isinstance(leaf, click.Group):
            continue
        options = [option for param in leaf.params for option in param.opts]
        assert options.count("-i") == options.count("--output") == 1, name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-i", "one", "status", "-i", "two"], "-i is given twice, and says one and two: name one"),
        (["status", "-i", "one", "-i", "two"], "-i is given twice, and says one and two: name one"),
        (["--output", "text", "status", "--output", "markdown"], "--output is given twice"),
    ],
)
def test_two_that_differ_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, {}) == 2
    assert said in capsys.readouterr().err


def test_markdown_is_for_plan_and_drift_alone_wherever_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--output", "markdown", "status"], ["status", "--output", "markdown"]):
        assert run(["-i", str(EXAMPLE), *words], {}) == 2
        assert "status has no Markdown: only drift, plan, plan diff have" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--output", "json", "--nope"],
        ["status", "--output=json", "--limit"],
        ["statsu", "--output", "json"],
        ["keys", "--output", "json", "nope"],
        ["schema", "nope", "--output", "json"],
        ["status", "--output", "json"],
    ],
)
def test_wrong_usage_is_one_json_document_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, {}) == 2
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert document["schema"] == "provisioner/error"
    assert set(document) == {"schema", "version", "code", "message", "hint", "object"}


def test_a_state_folder_of_the_checkout_is_refused_after_the_command_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make.write_inventory(tmp_path)
    monkeypatch.setattr("provisioner.cli.support.context.is_tracked_path", lambda *_: True)
    assert run(["status", "-i", str(root)], {"PROVISIONER_STATE": str(root / "state")}) == 13
    assert "its history may be made up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (["statsu"], "did you mean status?"),
        (["contacts", "lsit"], "did you mean list?"),
        (["validate", "--outptu", "json"], "did you mean --output?"),
        (["schema", "facilty"], "did you mean facility"),
        (["export", "progess"], "did you mean progress?"),
        (["verify", "--fail-on", "degrade"], "did you mean degraded?"),
        (["plan", "--limit", "facility=kcl-bg-01"], "did you mean kcl-bg-001"),
        (["plan", "--limit", "carrier=vietel"], "did you mean viettel?"),
        (["plan", "--limit", "provinse=bac-giang"], "did you mean province?"),
        (["plan", "--limit", "host=relay-viettel-2"], "did you mean relay-viettel-1"),
        (["plan", "--limit", "province=bac-gaing"], "did you mean bac-giang?"),
        (["plan", "--allow", "trsut=3"], "did you mean trust?"),
        (["status", "--limit", "facility=kcl-bg-01"], "did you mean kcl-bg-001"),
        (["status", "kcl-bg-01"], "did you mean kcl-bg-001"),
        (["export", "progress", "--limit", "carrier=vnp"], "did you mean vnpt?"),
        (["render", "--out", "OUT", "--limit", "host=relay-vnpt"], "did you mean relay-vnpt-1"),
        (["sign-off", "kcl-bg-01", "--by", "dic", "--source", "12/BB"], "did you mean kcl-bg-001"),
        (["site-package", "kcl-bg-01", "--out", "OUT"], "did you mean kcl-bg-001"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_it_is_like(
    words: list[str], question: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [str(tmp_path / "out") if word == "OUT" else word for word in words]
    assert run(["-i", str(EXAMPLE), *typed], _env(tmp_path)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert question in err


def test_one_unknown_name_beside_a_known_one_is_not_left_out_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--limit", "facility=kcl-bg-001", "--limit", "facility=kcl-bg-0O2"]
    assert run(["-i", str(EXAMPLE), "status", *words], _env(tmp_path)) == 2
    assert "--limit facility=kcl-bg-0O2: there is no such facility" in capsys.readouterr().err


def test_a_run_that_is_not_recorded_is_answered_with_one_that_is() -> None:
    recorded = SimpleNamespace(run=SimpleNamespace(id="20210512T000130Z-ab12"))
    history = SimpleNamespace(past=lambda: SimpleNamespace(runs=(recorded,)))
    runs = PastRuns(cast("History", history), cast("EventLog", None))
    with pytest.raises(UsageError) as caught:
        runs.run("20210512T000130Z-ab21")
    assert caught.value.hint == "did you mean 20210512T000130Z-ab12?"


# --- former spellings of options --------------------------------------------------------------------
@pytest.mark.parametrize("command", FORMER)
def test_a_former_spelling_is_no_option_of_its_command_and_the_present_one_is(command: str) -> None:
    of_command = [leaf for name, leaf in every_command().items() if name.split()[0] == command]
    options = {option for leaf in of_command for param in leaf.params for option in param.opts}
    for former, present in FORMER[command].items():
        assert former not in options, "it would be rewritten"
        assert present in options


def test_a_former_spelling_works_with_a_note_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for option in ("--as-of", "--date"):
        assert run(["-i", str(EXAMPLE), "--output", "json", "validate", f"{option}=2021-06-14"], UNLOCKED) == 0
        answers.append(capsys.readouterr())
    (new, quiet), (old, noted) = answers
    assert new == old
    assert quiet == ""
    assert noted == "warning: --date is now --as-of: the former spelling ends with the next major release\n"


def test_a_former_spelling_behind_two_dashes_is_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", str(EXAMPLE), "history", "--", "--limit"], UNLOCKED) == 2
    assert "is now" not in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--details", "--language", "--limit", "--public-key"])
def test_an_option_has_one_form_in_all_commands(option: str) -> None:
    forms = {
        (type(param.type).__name__, param.metavar)
        for leaf in every_command().values()
        for param in leaf.params
        if option in param.opts
    }
    assert len(forms) == 1, forms


def test_the_programs_help_names_each_subcommand() -> None:
    """A newcomer finds `plan push` or `keys recovery` without a page: its words stand behind its group."""
    lines = {name: entry.help.lower().replace(" ", "") for name, entry in COMMANDS.items()}
    for name in every_command():
        group, _, below = name.partition(" ")
        assert not below or below.partition("-")[0][:5] in lines[group], name
