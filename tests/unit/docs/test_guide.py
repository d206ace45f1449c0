"""The guide says what the program does: its blocks are run, its tables are compared, its commands exist."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from provisioner.base import errors
from provisioner.base.text import VIETNAM
from provisioner.cli.main import cli, run
from provisioner.cli.support import session
from provisioner.cli.support.commands import COMMANDS
from provisioner.inventory.makes import rtsp_path
from provisioner.inventory.model.devices import Make, StreamName
from provisioner.inventory.model.policy import Limits
from provisioner.operations.apply import execution
from provisioner.plan.change import Impact
from provisioner.verify.document import verify_document
from provisioner.verify.result import VerifyResult
from tests.prepared import prepared
from tests.simulated import SimulatedHost, SimulatedHosts
from tests.unit.docs.pages import ROOT, ConsoleStep, all_pages, fences, section, steps, text_of

EXAMPLE = "inventories/example"
WATCHED = "bac-giang/kcl-bg-001/cam-03/sub"
#: The pages that together tell how the program is used.
GUIDE = (
    *("README.md", "docs/start/first-inventory.md", "docs/daily/daily-work.md", "docs/daily/facilities.md"),
    *("docs/operate/pipelines.md", "docs/daily/watching.md", "docs/reference/commands.md", "docs/operate/hosts.md"),
)
#: Pages with console blocks. Each begins anew: a fresh checkout whose example runs on the hosts.
RUN_HERE = (
    *("docs/daily/contacts.md", "docs/daily/documents.md", "docs/daily/import.md"),
    *("docs/operate/reachability.md", "docs/operate/readers.md"),
    *("docs/reference/geography.md", "docs/reference/language.md"),
    *(page for page in GUIDE if "hosts" not in page),
)
#: Pages whose blocks need another beginning, and the test that makes it and runs them.
RUN_ELSEWHERE = {
    "docs/daily/availability.md": "tests/unit/cli/test_availability.py",
    "docs/daily/lifecycle.md": "tests/unit/cli/test_status.py",
}
#: The moment of the example's reports: days to its openings and deadlines stand in them.
NOW = datetime(2021, 6, 13, 8, tzinfo=VIETNAM)
#: The command whose block is a report that other tests keep: simulated hosts give no evidence of pictures.
KEPT_REPORT = "provisioner verify --confirm"
GUIDE_TEXT = "\n".join(map(text_of, GUIDE))
REFERENCE = text_of("docs/reference/commands.md")
# What differs from run to run, and so does not have to be what a page shows.
_VARYING = {
    r"\bsha256:[0-9a-f]{64}\b": "sha256:…",
    r"\brun \d{8}T\d{6}Z-[0-9a-f]{6}\b": "run …",
    r"\b\d+\.\d\d s\b": "… s",
    r", until \d{4}-\d\d-\d\d$": ", until …",
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?\b": "…",
}


def comparable(text: str) -> str:
    for pattern, placeholder in _VARYING.items():
        text = re.sub(pattern, placeholder, text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


class Terminal:
    """Somebody at a terminal who types what a page shows."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self._environment = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self._code = 0

    def type(self, command: str) -> str:
        """Do a command; what it printed."""
        words = shlex.split(command.replace("\\\n", " "))
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._environment[name] = value
            return ""
        if command == "echo $?":
            return str(self._code)
        if words[0] == "provisioner":
            self._code = run(words[1:], self._environment)
            return self._capsys.readouterr().out
        return shell(self._folder, command)


def shell(folder: Path, command: str) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """A checkout whose example runs on hosts in memory, with two people who watch one path."""
    hosts, program = SimulatedHosts(), tmp_path / "mediamtx"
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: program)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "now", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "80")

    def build() -> None:
        program.touch()
        shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
        shell(tmp_path, "git init -q && git config user.name A && git config user.email a@example.com")
        shell(tmp_path, "git add inventories && git commit -qm A")
        hosts.hosts["relay-viettel-1"] = SimulatedHost(viewers={WATCHED: 2})
        password, state = f"{EXAMPLE}/.vault-password", str(tmp_path / "state")
        unlocked = {"ANSIBLE_VAULT_PASSWORD_FILE": password, "XDG_STATE_HOME": state}
        assert run(["-i", EXAMPLE, "apply", "--yes", "--allow", "trust=4"], unlocked) == 0
        capsys.readouterr()

    prepared(tmp_path, hosts, "guide", build)
    return Terminal(tmp_path, capsys)


@pytest.mark.parametrize("page", RUN_HERE)
def test_every_block_is_what_the_commands_print(page: str, terminal: Terminal, request: pytest.FixtureRequest) -> None:
    typed = list(steps(text_of(page)))
    assert typed, "no console block: take the page out of RUN_HERE"
    for step in typed:
        if step.command == KEPT_REPORT:
            continue
        printed = terminal.type(step.command)
        if request.config.getoption("--update-golden") and comparable(printed) != comparable(step.output):
            update(page, step, printed.rstrip() + "\n")
        else:
            assert comparable(printed) == comparable(step.output), (
                f"{step.command}\nrun pytest --update-golden tests/unit/docs, and read the diff"
            )


def update(page: str, step: ConsoleStep, printed: str) -> None:
    """Write what a command printed below it."""
    text, block = text_of(page), f"$ {step.command}\n"
    assert text.count(block + step.output) == 1, f"{page}: the block of {step.command} stands there twice"
    (ROOT / page).write_text(text.replace(block + step.output, block + printed), encoding="utf-8")


def test_the_block_of_verify_is_a_kept_report() -> None:
    reports = [step.output for step in steps(GUIDE_TEXT) if step.command == KEPT_REPORT]
    assert reports
    report = (ROOT / "tests/golden/report/mixed.txt").read_text(encoding="utf-8")
    assert set(reports) == {report}


def test_no_page_with_a_console_block_is_left_out() -> None:
    with_blocks = {page for page in all_pages() if any(_is_console(page))}
    assert with_blocks == set(RUN_HERE) | set(RUN_ELSEWHERE)
    for page, test in RUN_ELSEWHERE.items():
        assert f'"{page}"' in text_of(test), f"{test} does not read {page}"


def _is_console(page: str) -> Iterator[bool]:
    """Whether each fence of a page is a console block; a fence that only looks like one is an error."""
    for fence in fences(text_of(page)):
        prompts = any(line.lstrip().startswith("$ ") for line in fence.lines)
        assert not prompts or fence.language == "console", f"{page}:{fence.first}: write ```console"
        yield fence.language == "console"


def _all_commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli, **cli.context_settings)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", subcommand) for below, subcommand in command.commands.items())


@pytest.mark.parametrize(("name", "command"), list(_all_commands()), ids=str)
def test_every_command_has_help_and_is_in_the_guide(name: str, command: click.Command) -> None:
    assert (command.help or "").strip()
    assert isinstance(command, click.Group) or "Example: provisioner" in (command.help or "")
    assert f"**{name.partition(' ')[0]}" in GUIDE_TEXT
    assert name in GUIDE_TEXT


def test_no_command_of_the_guide_is_invented() -> None:
    named = set(re.findall(r"\*\*([a-z]+(?:-[a-z]+)?)(?: init)?\*\*", GUIDE_TEXT))
    assert named == set(COMMANDS)


def test_the_exit_codes_of_the_reference_are_those_of_the_program() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", section(REFERENCE, "Exit codes"), re.MULTILINE)}
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ProvisionerError)
    }
    assert raised <= listed
    assert listed == raised | {0, 1, 10, 70, 130}


def test_the_environment_of_the_reference_is_what_the_program_reads() -> None:
    listed = set(re.findall(r"\bPROVISIONER_[A-Z_]+", section(REFERENCE, "Environment")))
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "provisioner").rglob("*.py"))
    assert listed == {name for text in sources for name in re.findall(r"\bPROVISIONER_[A-Z_]+", text)}


def test_the_table_of_makes_is_what_the_program_does() -> None:
    for make in Make:
        row = re.search(rf"^\| `{make}` \| (.*) \| (.*) \|$", REFERENCE, re.MULTILINE)
        assert row is not None, make
        if make is Make.GENERIC:
            continue
        own, recorders = (rtsp_path(make, 1, StreamName.SUB, recorder=kind) for kind in (False, True))
        assert (row[1], row[2]) == (f"`{own}`", f"`{recorders}`")


def test_impacts_are_all_explained() -> None:
    assert {impact for impact in Impact if f"| `{impact.value}` |" not in GUIDE_TEXT} == set()


def test_every_file_of_the_example_is_listed() -> None:
    listed = re.findall(
        r"^- `([\w<>./-]+\.yml)`:", section(text_of("docs/start/first-inventory.md"), "The files"), re.MULTILINE
    )
    example = ROOT / EXAMPLE
    paths = {path for name in listed for path in example.glob(re.sub(r"<\w+>", "*", name))}
    assert sorted(paths) == sorted(example.rglob("*.yml"))


def test_the_levels_of_the_page_are_those_that_are_checked() -> None:
    moment = datetime(2021, 6, 1, tzinfo=UTC)
    checked = verify_document(VerifyResult("e", moment, moment, (), ())).level_names
    assert re.findall(r"^\| (\d) \|", section(text_of("docs/daily/watching.md"), "Every path"), re.MULTILINE) == list(
        checked
    )


def test_the_limits_of_the_page_are_those_of_the_policy() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\d+) \|$", section(text_of("docs/daily/plan.md"), "Policy"), re.MULTILINE)
    assert rows == [(name, str(number)) for name, number in Limits().model_dump().items()]
