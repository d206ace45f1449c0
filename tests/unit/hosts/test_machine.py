"""What a host says of itself: who else guards it, whether SELinux decides there, and which Python it may have."""

import ast
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner_host
from provisioner.hosts.facts import Condition, other_firewalls
from provisioner_host.look import readers
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.machine import sandbox, units
from provisioner_host.machine.shell import Failed
from provisioner_host.observe import machine
from provisioner_host.wire import ReadAnswer

# `nft -j list chains` of nftables 1.1.3 where firewalld 2.3 or ufw 0.36 of Debian 13 were on, and ufw off again.
LISTED = Path(__file__).parent / "firewalls"
SOURCES = Path(provisioner_host.__file__).parent
OURS = {"chain": {"family": "inet", "table": "provisioner", "name": "input", "handle": 1}}


# --- other firewalls --------------------------------------------------------------------------------
@pytest.mark.parametrize(("listed", "names"), [("firewalld", ["firewalld"]), ("ufw", ["ufw"]), ("ufw-off", [])])
def test_the_firewalls_of_others_are_known_by_their_rules(listed: str, names: list[str]) -> None:
    document = json.loads((LISTED / f"{listed}.json").read_text())
    document["nftables"].append(OURS)
    assert machine.firewalls_in(json.dumps(document)) == names


@pytest.mark.parametrize("listed", ["", "{}", "[]", '{"nftables": [{"chain": {}}]}', '{"nftables": 7}'])
def test_what_nft_does_not_say_is_no_firewall(listed: str) -> None:
    assert machine.firewalls_in(listed) == []


def test_a_firewall_that_is_known_is_told_with_what_opens_it_and_one_that_is_not_is_not() -> None:
    (fault,) = other_firewalls(["firewalld", "what; rm -rf /"])
    assert fault.condition is Condition.ANOTHER_FIREWALL
    assert fault.detail.startswith("firewalld filters beside our table")
    assert "firewall-cmd --permanent --add-port=PORT/udp" in fault.detail
    assert other_firewalls([]) == ()


# --- SELinux ----------------------------------------------------------------------------------------
@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `restorecon` that writes down what it was asked for, and an SELinux whose state a test sets."""
    programs = tmp_path / "bin"
    programs.mkdir()
    asked = tmp_path / "asked"
    program = programs / "restorecon"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nexit "$(cat {tmp_path}/code 2>/dev/null || echo 0)"\n')
    program.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr("provisioner_host.machine.shell.PATH", path)
    monkeypatch.setattr(units, "PATH", str(programs))
    monkeypatch.setattr(units, "_ENFORCE", tmp_path / "enforce")
    return tmp_path


@pytest.mark.parametrize(("written", "state"), [("1", "enforcing"), ("0\n", "permissive"), (None, "off")])
def test_whether_selinux_decides_is_read_off_the_kernel(labels: Path, written: str | None, state: str) -> None:
    if written is not None:
        (labels / "enforce").write_text(written)
    assert units.selinux() == state


def test_labels_are_given_to_what_is_there_in_one_call(labels: Path) -> None:
    (labels / "enforce").write_text("1")
    (labels / "unit").touch()
    units.relabel([labels / "unit", labels / "gone"])
    assert (labels / "asked").read_text() == f"-R {labels}/unit\n"


def test_where_selinux_is_off_nobody_is_asked(labels: Path) -> None:
    (labels / "unit").touch()
    units.relabel([labels / "unit"])
    assert not (labels / "asked").exists()


@pytest.mark.parametrize(("state", "refused"), [("1", True), ("0", False)])
def test_labels_that_fail_hold_a_change_up_where_selinux_decides(labels: Path, state: str, *, refused: bool) -> None:
    (labels / "enforce").write_text(state)
    (labels / "unit").touch()
    (labels / "code").write_text("255")
    if refused:
        with pytest.raises(Failed, match="restorecon"):
            units.relabel([labels / "unit"])
    else:
        units.relabel([labels / "unit"])
    (labels / "bin/restorecon").unlink()
    if refused:
        with pytest.raises(Failed, match="install policycoreutils"):
            units.relabel([labels / "unit"])
    else:
        units.relabel([labels / "unit"])


# As systemd 257 said it on a Debian 13 whose SELinux let no pipe through the bus.
NOT_STARTED = "Failed to start transient service unit: Connection reset by peer"


@pytest.mark.parametrize("state", ["1", "0"])
def test_a_confined_program_that_was_not_started_is_told_with_its_likely_cause(labels: Path, state: str) -> None:
    (labels / "enforce").write_text(state)
    said = sandbox.not_started(f"something else\n{NOT_STARTED}\n")
    assert said.startswith(NOT_STARTED)
    assert ("ausearch -m avc" in said) is (state == "1")
    assert sandbox.not_started(f"MediaMTX: {NOT_STARTED}") == ""
    assert sandbox.not_started("") == ""


def test_what_keeps_readers_from_starting_is_what_their_reads_are_said_to_lack(
    labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (labels / "enforce").write_text("1")
    program = labels / "bin/systemd-run"
    program.write_text(f"#!/bin/sh\necho '{NOT_STARTED}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sandbox, "refusal", lambda: "")
    answers: list[ReadAnswer] = []
    times = readers.ReadTimes(1, 10, time.monotonic() + 10)
    login = {"probe": Login("10.91.0.1", 8554, "probe", "c4nary")}
    readers.read_all(login, [("probe", "a/b/c/sub")], times, lambda _turn, answer: answers.append(answer))
    (answer,) = answers
    assert "SELinux decides on this host" in answer["not_run"]


# --- Python -----------------------------------------------------------------------------------------
# What came after 3.9, which is what Enterprise Linux 9 has. Of syntax `ruff` says it (`per-file-target-version`).
NEWER_NAMES = frozenset(
    {
        *(
            *("UTC", "pairwise", "batched", "file_digest", "StrEnum", "Self", "NotRequired", "Unpack", "TypeAlias"),
            "override",
        ),
        *("aclosing", "bit_count", "hardlink_to", "setns", "fromisoformat", "ExceptionGroup", "TaskGroup", "tomllib"),
        *("chdir", "getencoding", "eventfd", "ParamSpec", "assert_never", "reveal_type", "anext"),
    }
)
NEWER_ARGUMENTS = frozenset(
    {("zip", "strict"), ("dataclass", "slots"), ("dataclass", "kw_only"), ("Popen", "process_group")}
)


def newer_than_3_9(source: str) -> list[str]:
    """What in a module Python 3.9 does not have; what only the type checker reads does not count."""
    tree = ast.parse(source, feature_version=(3, 9))
    unread = {id(node) for part in _for_types(tree) for node in ast.walk(part)}
    said = []
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        name = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", None)
        if isinstance(node, (ast.Attribute, ast.Name, ast.alias)) and name in NEWER_NAMES:
            said.append(str(name))
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            said += [f"{called}({k.arg})" for k in node.keywords if (called, k.arg) in NEWER_ARGUMENTS]
            if called in {"isinstance", "issubclass"} and isinstance(node.args[1], ast.BinOp):
                said.append(f"{called} of a union")
    return said


def _for_types(tree: ast.AST) -> Iterator[ast.AST]:
    """What is never evaluated: annotations, and what is imported for them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield node
        yield from (part for name in ("annotation", "returns") if (part := getattr(node, name, None)) is not None)


@pytest.mark.parametrize(
    "module", sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.py") if path.name != "wire.py")
)
def test_a_module_of_a_host_is_of_its_oldest_python(module: str) -> None:
    assert newer_than_3_9((SOURCES / module).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        *("from datetime import UTC", "import hashlib\nhashlib.file_digest(1, 2)", "list(zip(a, b, strict=True))"),
        *("isinstance(a, int | str)", "@dataclass(slots=True)\nclass A: ..."),
    ],
)
def test_what_is_newer_is_seen(source: str) -> None:
    assert newer_than_3_9(source)


def test_syntax_that_is_newer_is_seen() -> None:
    with pytest.raises(SyntaxError):
        newer_than_3_9("match a:\n    case 1: pass")
