"""One relay never stops the country: whatever it sends to whatever it is asked, every command comes to its end."""

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.cli.main import run
from provisioner.operations.apply import execution
from provisioner.operations.rollout import job
from tests.hostile import RELAY
from tests.odd_bytes import DEEP, MANY, MUTATIONS, ByteHosts, Mutation, sent
from tests.unit.operations.rollout.world import Clock
from tests.watched import WatchedHosts

ROOT = Path(__file__).parents[2]
EXAMPLE = "inventories/example"
ODD, OTHER = "relay-viettel-1", "relay-vnpt-1"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\r\nok: everything applied\x9b31m\ud800<b>@all"
CHANGE = ("observe", "apply", "look", "confirm", "status", "abort")
DOCUMENTED = {0, 1, 5, 6, 7, 8, 9, 10, 11}


class Country:
    """A checkout of the example, its hosts, and somebody who calls the program there."""

    def __init__(self, root: Path) -> None:
        self.root, self.hosts, self.runs = root, WatchedHosts(), 0
        self.mutations: Mapping[str, Mutation] = {}
        self.clock = Clock()

    def runner(self, *_arguments: object) -> ByteHosts:
        """The hosts, with what the odd one sends."""
        return ByteHosts(self.hosts, ODD, self.mutations)

    def call(self, mutations: Mapping[str, Mutation], *words: str) -> tuple[int, str, str]:
        """One call of the program: exit code, output, complaints."""
        self.mutations, self.runs = mutations, self.runs + 1
        env = {"HOME": str(self.root), "XDG_STATE_HOME": str(self.root / "state"), "PROVISIONER_NO_CACHE": "1"}
        env |= {"ANSIBLE_VAULT_PASSWORD_FILE": f"{EXAMPLE}/.vault-password"}
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(["-i", EXAMPLE, *words, *_allowed(words)], env)
        return code, out.getvalue(), err.getvalue()

    def forget(self) -> None:
        """Make all hosts new ones, which hold nothing."""
        self.hosts.hosts.clear()


def _allowed(words: tuple[str, ...]) -> tuple[str, ...]:
    """Say that hosts which were never applied are meant, where a command takes that."""
    return ("--allow", "trust=9") if {"plan", "apply"} & set(words) and "--resume" not in words else ()


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """The example, applied."""
    root, before = tmp_path_factory.mktemp("country"), Path.cwd()
    shutil.copytree(ROOT / EXAMPLE, root / EXAMPLE)
    whole = Country(root)
    (root / "mediamtx").touch()
    os.chdir(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", whole.runner)
        patch.setattr(execution, "fetch", lambda *_arguments: root / "mediamtx")
        usual = job.RolloutOptions.__init__

        def at_once(self: job.RolloutOptions, **options: Any) -> None:
            usual(self, **{**options, "clock": whole.clock, "sleep": whole.clock.sleep})

        patch.setattr(job.RolloutOptions, "__init__", at_once)
        yield whole
    os.chdir(before)


def law(test: Any) -> Any:
    """Try it with mutations of all kinds."""
    return settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])(test)


def assert_decent(code: int, out: str, err: str) -> None:
    """The command ended as documented, and printed nothing that a terminal obeys."""
    assert code in DOCUMENTED, err
    shown = (out + err).replace("\n", "")
    assert shown.isprintable(), [c for c in shown if not c.isprintable()]
    assert "Traceback" not in err
    assert "internal error" not in err


@law
@given(mutation=MUTATIONS)
@example(mutation=lambda _document: DEEP)
@example(mutation=lambda _document: MANY)
@pytest.mark.parametrize("command", ["plan", pytest.param("drift", marks=pytest.mark.soak)])
def test_a_plan_has_all_other_hosts_whatever_one_answers(country: Country, command: str, mutation: Mutation) -> None:
    country.forget()
    code, out, err = country.call({"observe": mutation}, "--output", "json", command)
    assert_decent(code, out, err)
    document = json.loads(out)
    assert OTHER in {change["host"] for change in document["changes"]}
    assert set(document["unreadable"]) <= {ODD}
    assert_decent(*country.call({"observe": mutation}, command, "--details"))
    assert_decent(*country.call({"observe": mutation}, "--output", "markdown", command))


@law
@given(
    mutations=st.dictionaries(st.sampled_from(["observe", "apply", "look", "confirm", "status", "abort"]), MUTATIONS)
)
def test_an_apply_changes_the_others_whatever_one_says(country: Country, mutations: Mapping[str, Mutation]) -> None:
    country.forget()
    code, out, err = country.call(mutations, "--output", "json", "apply", "--yes", "--max-failed", "9")
    assert_decent(code, out, err)
    results = {host["host"]: host["outcome"] for host in json.loads(out)["hosts"]}
    assert results[OTHER] == "applied"
    assert country.hosts.hosts[OTHER].armed is None
    assert results[ODD] in {"applied", "rolled-back", "not-started", "unreachable"}
    if results[ODD] == "applied":
        assert country.hosts.hosts[ODD].receipts
    else:
        assert code in {5, 7, 8, 9, 11}


@pytest.mark.soak
@law
@given(mutations=st.dictionaries(st.sampled_from(("rollback", *CHANGE)), MUTATIONS))
def test_a_rollback_returns_the_others_whatever_one_says(country: Country, mutations: Mapping[str, Mutation]) -> None:
    country.forget()
    assert country.call({}, "apply", "--yes")[0] == 0
    code, out, err = country.call(mutations, "--output", "json", "rollback", ODD, OTHER, "--yes", "--max-failed", "9")
    assert_decent(code, out, err)
    results = {host["host"]: host["outcome"] for host in json.loads(out)["hosts"]}
    assert results[OTHER] == "returned"


@law
@given(mutation=MUTATIONS)
def test_a_verification_has_all_other_paths_whatever_one_answers(country: Country, mutation: Mutation) -> None:
    country.forget()
    assert country.call({}, "apply", "--yes")[0] == 0
    code, out, err = country.call({"probe": mutation}, "--output", "json", "verify")
    assert_decent(code, out, err)
    paths = json.loads(out)["paths"]
    assert {path["verdict"] for path in paths if path["relay"] == OTHER} == {"up"}
    assert_decent(*country.call({"probe": mutation}, "verify", "--details"))


@RELAY
@pytest.mark.parametrize("operation", ["look", "confirm"])
@pytest.mark.parametrize("answer", [b'{"ok": true, "answer": {"outcome": [[]]}}', DEEP, MANY, b"\xff", b""])
def test_a_relay_that_answers_nonsense_leaves_the_healthy_one_confirmed(
    country: Country, operation: str, answer: bytes
) -> None:
    country.forget()
    mutations = dict.fromkeys([operation, "status"], lambda _document: answer)
    code, out, _ = country.call(mutations, "--output", "json", "apply", "--yes")
    results = {host["host"]: host for host in json.loads(out)["hosts"]}
    assert (code, results[OTHER]["outcome"], country.hosts.hosts[OTHER].armed) == (5, "applied", None)
    assert results[ODD]["outcome"] == "unreachable"
    assert "receipts" in results[ODD]["cause"] or "returns to last-good by itself" in results[ODD]["cause"]


@RELAY
@pytest.mark.parametrize("command", [("plan", "--details"), ("drift",), ("verify", "--details"), ("apply", "--yes")])
def test_no_text_of_a_relay_reaches_the_terminal_as_it_is(country: Country, command: tuple[str, ...]) -> None:
    def hostile(document: Any) -> Any:
        if isinstance(document, dict):
            return {name: hostile(value) for name, value in document.items()}
        if isinstance(document, list):
            return [hostile(value) for value in document]
        return f"{document}{HOSTILE}" if isinstance(document, str) and document != "armed" else document

    country.forget()
    for operations in (("observe", "probe"), ("apply", "look", "confirm", "status", "abort", "probe")):
        mutations = dict.fromkeys(operations, lambda document: sent(hostile(document)))
        code, out, err = country.call(mutations, *command)
        assert_decent(code, out, err)
        assert "ok: everything applied" not in [line.strip() for line in (out + err).splitlines()]


@RELAY
@pytest.mark.parametrize(("kind", "quoted"), [("failed", 1), ("unreachable", 0)])
def test_what_a_relay_complains_of_is_one_short_line_of_its_own(country: Country, kind: str, quoted: int) -> None:
    """Why it cannot be reached is said in our own words: none of its own are quoted then."""
    country.forget()
    complaint = json.dumps({"ok": False, "kind": kind, "error": HOSTILE + "x" * 10**6}).encode()
    code, out, err = country.call({"observe": lambda _document: complaint}, "plan")
    assert_decent(code, out, err)
    assert code == 5
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {ODD} ")
    assert sum("owned" in line for line in err.splitlines()) == quoted
    assert len(line) < 1000


@RELAY
def test_a_run_that_only_one_relay_has_heard_of_is_not_the_last_one(country: Country) -> None:
    country.forget()
    assert country.call({}, "apply", "--yes")[0] == 0
    invented = {"generations": [{"run": "zzzz", "at": 1}]}
    mutations = {"observe": lambda document: sent(document | invented)}
    code, out, err = country.call(mutations, "--output", "json", "rollback", "--yes")
    assert_decent(code, out, err)
    assert OTHER in {host["host"] for host in json.loads(out)["hosts"] if host["outcome"] == "returned"}
