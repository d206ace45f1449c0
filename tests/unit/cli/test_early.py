"""What calls hosts starts beside a command's own imports: for commands that call hosts, once, and for no other."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from provisioner.base.errors import HostError
from provisioner.cli.main import begin
from provisioner.hosts.ansible import early_start as waiting
from provisioner.operations.apply import early_start


class Begun:
    """What would be Ansible."""

    started: list[Mapping[str, str]]

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.is_open = True
        self.started.append(environment)

    def close(self) -> None:
        self.is_open = False


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mapping[str, str]]]:
    Begun.started = []
    monkeypatch.setattr(waiting, "WaitingAnsible", Begun)
    yield Begun.started
    early_start.end()


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["-i", "inventories/lab", "--output", "json", "verify", "--limit", "facility=plan"],
        ["apply", "--yes"],
        ["apply", "plan.json"],
        ["drift", "-i", "x"],
        ["nightly"],
        ["plan", "--out", "plan.json"],
    ],
)
def test_a_command_that_calls_hosts_begins_them_once(started: list[Mapping[str, str]], words: list[str]) -> None:
    environment = {"PATH": "/usr/bin"}
    begin(words, environment)
    assert started == [environment]
    begun = early_start.started()
    assert begun is not None
    early_start.end()
    assert early_start.started() is None


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["status"],
        ["validate"],
        ["facility", "plan", "kcl-1"],
        ["history", "verify"],
        ["verify", "--help"],
        ["apply", "-h"],
        ["plan", "--offline", "--against", "main"],
        ["plan", "diff", "a.json", "b.json"],
        ["plan", "push", "a.json"],
        ["--", "verify"],
    ],
)
def test_a_command_that_calls_nobody_begins_nothing(started: list[Mapping[str, str]], words: list[str]) -> None:
    begin(words, {})
    assert started == []
    assert early_start.started() is None
    early_start.end()


def test_where_nodes_call_hosts_nothing_is_begun_here(started: list[Mapping[str, str]], tmp_path: Path) -> None:
    begin(["verify"], {"PROVISIONER_NODES": str(tmp_path / "nodes.yml")})
    assert started == []


def test_where_it_cannot_begin_the_call_itself_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_environment: Mapping[str, str]) -> None:
        raise HostError("no tmpfs to keep secrets on while they travel")

    monkeypatch.setattr(waiting, "WaitingAnsible", refuses)
    begin(["verify"], {})
    assert early_start.started() is None
