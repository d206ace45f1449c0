"""Each command in both languages: as kept, the same for programs, under each other, and no English left in between."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.base.text import VIETNAM
from provisioner.cli.main import run
from provisioner.cli.plan_text import plan_ending_lines, plan_lines
from provisioner.cli.support import session
from provisioner.cli.support.terminal import Terminal
from provisioner.desired.limit import parse_limits
from provisioner.plan.plan import Plan
from provisioner.report.plan_markdown import MAX_BYTES, plan_comment
from provisioner.report.verify_html import html_page, verify_comment
from provisioner.report.verify_text import text_report
from provisioner.verify.result import Verdict
from tests import fleets, inventories
from tests.plans import World, of
from tests.unit.cli.test_plan_text import Screen
from tests.unit.cli.test_validate_cases import CASES, NAMES, lay_out
from tests.unit.verify.test_report import RESULTS
from tests.unit.verify.test_verify_cases import CASES as VERIFY_CASES
from tests.unit.verify.test_verify_cases import judged_case

ROOT = Path(__file__).parents[3]
NOW = datetime(2021, 6, 14, 8, 0, tzinfo=VIETNAM)
VI = translator(Language.VI)
SAY = {"en": ENGLISH, "vi": VI}

# Words that no Vietnamese sentence has, and hardly any English one goes without.
_ENGLISH = re.compile(
    r"\b(the|is|are|was|were|be|been|not|no|of|and|or|with|from|that|this|these|have|has|had|it|its|at|by|for|to|in|on|as"
    r"|which|where|when|who|why|what|would|will|can|cannot|does|did|do|there|here|one|more|than|until|since|before|after"
    r"|camera's|host|hosts|relay|relays|facility|facilities|carrier|carriers|path|paths|file|files|error|warning|hint|up"
    r"|down|unknown|degraded|level|key|password|tunnel|plan|write|add|correct|remove)\b"
)
# Vietnamese words that are written like English ones.
_VIETNAMESE_TOO = {"to", "in", "no", "do", "can", "on", "it", "at", "who"}
# What stays as it is in any sentence: what is quoted, ids and paths, keys of files and their values, commands, options.
_KEPT = re.compile(
    r"`[^`]*`|'[^']*'|\"[^\"]*\""
    r"|--by [a-z]+|--[a-z][a-z-]*(=\S+)?|\bprovisioner( [a-z][a-z-]*)?( [a-z]+)?(?=\W|$)|\S*[/_.=\d]\S*"
    r"|\S+: …"
    r"|\b(from|operating|state|kind|zone|blocked|plan|successor|until|since|due|before|moved|path): ?\S+|\{[^}]*\}"
)
# What other programs and people say, keys and values of files: nothing of ours to translate.
_FOREIGN = re.compile(
    r"ssh: connect to host 192\.0\.2\.2: timed out|the host program ended with code 1"
    r"|(?<=không phải YAML: ).*|(?<=các từ khóa ở đây là ).*|(?<=khảo sát ngày ....-..-.. bởi )[a-z, ]+"
)
_KEYS = {"until", "since", "due", "before", "plan", "key", "host", "path"}


def english_in(text: str) -> Iterator[str]:
    """Each line with English words in it that nobody meant to leave there."""
    for line in text.splitlines():
        rest = _KEPT.sub(" ", _FOREIGN.sub(" ", line))
        words = {word for word in _ENGLISH.findall(rest) if word not in _VIETNAMESE_TOO | _KEYS}
        if words:
            yield f"{line}  {sorted(words)}"


def called(capsys: pytest.CaptureFixture[str], env: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    code = run([*arguments], env)
    printed = capsys.readouterr()
    return code, printed.out if "json" in arguments else printed.out + printed.err


# --- status and validate --------------------------------------------------------------------------
COMMANDS = {
    "status": ("status",),
    "why": ("status", "--why"),
    "validate": ("validate", "--as-of", "2021-06-14"),
    "overdue": ("validate", "--as-of", "2031-06-14"),
}


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(session, "now", lambda: NOW)
    monkeypatch.chdir(ROOT)
    return {"PROVISIONER_STATE": str(tmp_path / "state"), "PROVISIONER_NO_CACHE": "1"}


def test_commands_say_what_is_kept_in_both_languages(
    env: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    golden_tree: Callable[[str, Mapping[str, bytes]], None],
) -> None:
    tree: dict[str, bytes] = {}
    codes: dict[str, int] = {}
    for name, command in COMMANDS.items():
        for language in SAY:
            asked = ("-i", "inventories/example", "--language", language, *command)
            code, text = called(capsys, env, *asked)
            tree[f"{name}.{language}.txt"] = text.replace(str(tmp_path), "…").encode()
            assert codes.setdefault(name, code) == code
    golden_tree("language/commands", tree)
    for name in COMMANDS:
        assert list(english_in(tree[f"{name}.vi.txt"].decode())) == []


@pytest.mark.parametrize("command", [*COMMANDS.values(), ("status", "nowhere"), ("validate", "--nothing")])
def test_documents_and_exit_codes_know_no_language(
    command: tuple[str, ...], env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("-i", "inventories/example", "--output", "json", *command)
    english = called(capsys, env, *asked)
    assert called(capsys, env | {"PROVISIONER_LANGUAGE": "vi"}, *asked) == english
    assert called(capsys, env, *asked, "--language", "vi") == english
    assert json.loads(english[1])["schema"].startswith("provisioner/")


def test_sarif_knows_no_language(env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = []
    for language in SAY:
        path = tmp_path / f"{language}.sarif"
        called(capsys, env, "-i", "inventories/example", "--language", language, "validate", "--sarif", str(path))
        logs.append(path.read_bytes())
    assert logs[0] == logs[1]


def test_a_language_that_is_none_is_wrong_usage(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = called(capsys, env, "--language", "xx", "-i", "inventories/example", "status")
    assert code == 2
    assert "'xx' is not one of 'en', 'vi'" in text
    code, text = called(capsys, env, "--language", "vi", "-i", "inventories/example", "status", "--language", "en")
    assert (code, "--language" in text) == (2, True)
    code, text = called(capsys, env | {"PROVISIONER_LANGUAGE": "tiếng Việt"}, "-i", "inventories/example", "status")
    assert (code, text) == (
        2,
        "error: PROVISIONER_LANGUAGE is 'tiếng Việt': no language of this program\nhint: write en or vi\n",
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_mistake_is_explained_in_vietnamese(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(CASES / name, tmp_path / "inv")
    monkeypatch.chdir(tmp_path)
    asked = ("-i", "inv", "validate", "--as-of", "2021-05-09")
    (code, english), (other, vietnamese) = (called(capsys, {}, "--language", one, *asked) for one in SAY)
    assert code == other
    assert list(english_in(vietnamese)) == []
    assert re.findall(r"inv/\S+?:\d+:\d+", vietnamese) == re.findall(r"inv/\S+?:\d+:\d+", english)
    assert len(vietnamese.splitlines()) == len(english.splitlines())


# --- verify ---------------------------------------------------------------------------------------
def test_reports_of_a_verification_are_as_kept_in_vi(golden_tree: Callable[[str, Mapping[str, bytes]], None]) -> None:
    tree = {}
    for name, result in RESULTS.items():
        tree[f"{name}.txt"] = text_report(result, say=VI)
        tree[f"{name}.detail.txt"] = text_report(result, detail=True, say=VI)
        tree[f"{name}.md"] = verify_comment(result, VI)
        tree[f"{name}.html"] = html_page(result, VI)
    golden_tree("language/report", {path: text.encode() for path, text in tree.items()})
    for name, text in tree.items():
        body = re.sub(r"<style>.*?</style>|<head>.*?</head>|<[^>]*>|`", " ", text, flags=re.DOTALL)
        assert list(english_in(body)) == [], name
    assert '<html lang="vi">' in tree["mixed.html"]


@pytest.mark.parametrize("path", sorted(VERIFY_CASES.glob("*.yml")), ids=lambda path: path.stem)
def test_every_cause_is_said_in_vietnamese(path: Path) -> None:
    result = judged_case(path)
    shown = text_report(result, detail=True, say=VI)
    assert list(english_in(shown)) == []
    assert len(shown.splitlines()) == len(text_report(result, detail=True).splitlines())


@pytest.mark.parametrize("say", SAY.values(), ids=SAY)
def test_columns_stand_under_each_other(say: Translator) -> None:
    lines = text_report(RESULTS["mixed"], detail=True, say=say).splitlines()
    assert all(unicodedata.is_normalized("NFC", line) for line in lines)
    levels = [line for line in lines if re.search(rf"  {say('level {level}', level=r'[0-9]')}  bac-giang/", line)]
    assert len(levels) == 5
    assert len({line.index("bac-giang/") for line in levels}) == 1
    head, row = next((head, row) for head, row in pairwise(lines) if row.startswith("viettel "))
    for verdict in (Verdict.UP, Verdict.DOWN):
        word = say.word(verdict)
        end = head.index(word) + len(word)
        assert row[:end][-1].isdigit()
        assert row[end : end + 1] in {" ", ""}


# --- plan -----------------------------------------------------------------------------------------
def _plans() -> dict[str, Plan]:
    """Plans with every kind of change and everything else that a plan says."""
    sites = {"kcl-bg-001": 2, "kcl-bg-002": 1}
    world = World()
    first = world.plan(of(sites), allow={}).plan
    world.apply(of(sites))
    world.watch("relay-viettel-1", {"bac-giang/kcl-bg-001/cam-01/sub": 3})
    empty = world.plan(of(sites)).plan
    protected = fleets.facility("kcl-bg-001", 1) | {"protected": True}
    less = world.plan(inventories.inventory(facilities=[protected]), allow={}).plan
    moved = world.plan(of({"kcl-bg-001": 2, "kcl-bg-003": 1}), password="another#1").plan
    one = parse_limits(("facility=kcl-bg-001",))
    limited = world.plan(of({"kcl-bg-001": 1, "kcl-bg-002": 2}), limit=one, allow={}).plan
    return {"first": first, "empty": empty, "less": less, "moved": moved, "limited": limited}


PLANS = _plans()


def _shown(plan: Plan, say: Translator, *, details: bool) -> str:
    terminal = Terminal.of(Screen("utf-8", watched=False), {}, color=False)
    lines = [
        *plan_lines(plan, terminal, details=details, everything=details, say=say),
        *plan_ending_lines(plan, terminal, say=say),
    ]
    return re.sub(r"\x1b\[\d*m", "", "\n".join(lines)) + "\n"


def test_plans_are_as_kept_in_both_languages(golden_tree: Callable[[str, Mapping[str, bytes]], None]) -> None:
    shown = {
        f"{name}.{word}.txt": _shown(plan, say, details=False)
        for name, plan in PLANS.items()
        for word, say in SAY.items()
    }
    digests = {name: re.sub(r"sha256:\w+|[A-Za-z0-9+/]{43}=", "…", text) for name, text in shown.items()}
    comments = {f"{name}.vi.md": plan_comment(plan, VI) for name, plan in PLANS.items()}
    digests |= {name: re.sub(r"sha256:\w+|[A-Za-z0-9+/]{43}=", "…", text) for name, text in comments.items()}
    golden_tree("language/plan", {name: text.encode() for name, text in digests.items()})


@pytest.mark.parametrize("name", PLANS)
def test_every_change_is_explained_in_vietnamese(name: str) -> None:
    plan = PLANS[name]
    vietnamese, english = (_shown(plan, say, details=True) for say in (VI, ENGLISH))
    assert list(english_in(vietnamese)) == []
    assert len(vietnamese.splitlines()) == len(english.splitlines())
    for change in plan.changes:
        assert change.name in vietnamese or VI.restated(change.name) in vietnamese
    comment = plan_comment(plan, VI)
    assert list(english_in(comment.replace("`", " "))) == []
    assert len(comment.encode()) <= MAX_BYTES
    assert len(comment.splitlines()) == len(plan_comment(plan).splitlines())
