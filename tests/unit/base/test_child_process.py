"""One door to other programs: what they get of the caller, how much they may say, and that there is no other door."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.base.git import without_programs_of
from provisioner.base.processes import (
    OutputTooLongError,
    StillRunningError,
    own_environment,
    program_path,
    run_quietly,
    search_path,
    small_environment,
    start_module,
)
from tests.hostile import MERGE_REQUEST

PACKAGE = Path(__file__).parents[3] / "provisioner"
DOOR = PACKAGE / "base/processes.py"
# Forked, and never started afresh: it looks for no program or module in the caller's folder.
FORK = "hosts/ansible/child.py"
# Threads and one loop of events; no process begins by them.
THREADS = {
    "ministry/receive.py": {"asyncio"},
    "nodes/jetstream.py": {"asyncio"},
    "hosts/identity.py": {"concurrent.futures"},
    "operations/nightly/notices.py": {"concurrent.futures"},
    "operations/watch/run.py": {"concurrent.futures"},
    "web/app.py": {"asyncio"},
    "web/server.py": {"asyncio"},
    "web/sign_in.py": {"asyncio"},
    "web/source.py": {"asyncio"},
}
STARTERS = ("asyncio", "multiprocessing", "pty", "subprocess", "_posixsubprocess", "pexpect")
CALLS = ("system", "popen", "posix_spawn", "posix_spawnp", "startfile", "forkpty", "fork")
EXECS = ("exec", "spawn")


def names_that_start(tree: ast.AST) -> Iterator[str]:
    """Every name in a module by which another process can begin."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in STARTERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {*STARTERS, "concurrent"}:
            yield str(node.module)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and is_a_start(node.attr):
            yield f"os.{node.attr}"


def is_a_start(name: str) -> bool:
    return name in CALLS or name.startswith(EXECS)


@MERGE_REQUEST
def test_no_other_module_starts_a_program() -> None:
    starting = {}
    for path in PACKAGE.rglob("*.py"):
        names = set(names_that_start(ast.parse(path.read_text(encoding="utf-8"))))
        if names and path != DOOR:
            starting[path.relative_to(PACKAGE).as_posix()] = names
    assert starting == {FORK: {"os.fork"}} | THREADS
    for name in THREADS:
        text = (PACKAGE / name).read_text(encoding="utf-8")
        assert "ProcessPool" not in text, name
        assert "create_subprocess" not in text, name


@MERGE_REQUEST
def test_only_folders_that_do_not_depend_on_the_callers_are_searched_for_programs() -> None:
    assert search_path({"PATH": ":.:bin:../bin:/usr/bin::/bin"}) == "/usr/bin:/bin"
    assert search_path({"PATH": "."}) == search_path({}) == "/usr/local/bin:/usr/bin:/bin"


@MERGE_REQUEST
def test_no_folder_of_a_checkout_is_searched_for_programs(tmp_path: Path) -> None:
    inside, outside = tmp_path / "checkout/bin", tmp_path / "bin"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    (outside / "in").symlink_to(inside)
    (inside / "out").symlink_to(outside)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = [inside, outside / "in", inside / "out", inside / "../bin", tmp_path / "loop", outside]
    caller = {"PATH": ":".join(map(str, names))}
    none = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    assert without_programs_of({"PATH": str(inside)}, inside.parent) == none
    assert without_programs_of(caller, inside.parent) == {"PATH": str(outside)}
    assert without_programs_of({"HOME": "/home/x"}, inside.parent) == {"HOME": "/home/x"}


@MERGE_REQUEST
@pytest.mark.parametrize("path", ["", ":", ".", "bin::."])
def test_a_path_of_no_whole_folder_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    for file in (tmp_path / "ssh", tmp_path / "bin/ssh"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n", encoding="utf-8")
        file.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        program_path("ssh", {"PATH": path})


@MERGE_REQUEST
def test_a_program_of_ours_gets_nothing_else_of_the_callers_environment() -> None:
    caller = {"PATH": "/bin", "CANARY": "canary-8sYr2bLx", "GIT_DIR": "x", "PYTHONPATH": "x", "LD_PRELOAD": "x"}
    assert small_environment(caller) == {"LC_ALL": "C.UTF-8", "PATH": "/bin"}
    done = run_quietly(["env"], small_environment({"PATH": os.defpath}), timeout_s=10, most_bytes=9999)
    assert sorted(done.output.decode().split()) == sorted(
        ["LC_ALL=C.UTF-8", f"PATH={search_path({'PATH': os.defpath})}"]
    )


@MERGE_REQUEST
def test_a_persons_program_gets_what_it_needs_and_nothing_that_leads_interpreters_elsewhere() -> None:
    caller = {
        "HOME": "/home/x",
        "VAULT_TOKEN": "t",
        "PATH": ".:/bin",
        "PYTHONSTARTUP": "x",
        "BASH_ENV": "x",
        "GIT_DIR": "x",
    }
    assert own_environment(caller) == {"HOME": "/home/x", "VAULT_TOKEN": "t", "PATH": "/bin"}


@MERGE_REQUEST
def test_a_program_starts_in_the_root_folder_and_is_found_by_the_path_that_is_made_for_it(tmp_path: Path) -> None:
    (tmp_path / "pwd").write_text("#!/bin/sh\necho canary-8sYr2bLx\n", encoding="utf-8")
    (tmp_path / "pwd").chmod(0o755)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        done = run_quietly(["pwd"], small_environment({"PATH": ".:/usr/bin:/bin"}), timeout_s=10, most_bytes=99)
    finally:
        os.chdir(before)
    assert done.output == b"/\n"


@MERGE_REQUEST
def test_a_program_that_writes_without_end_is_ended() -> None:
    with pytest.raises(OutputTooLongError):
        run_quietly(["yes"], small_environment(os.environ), timeout_s=60, most_bytes=2**20)


@MERGE_REQUEST
def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(StillRunningError):
        run_quietly(["sleep", "60"], small_environment(os.environ), timeout_s=0.2, most_bytes=99)


@MERGE_REQUEST
def test_what_a_program_starts_first_of_all_is_bound_in_what_it_writes_into_one_file(tmp_path: Path) -> None:
    environment = small_environment(os.environ)
    for number in range(20):
        file = tmp_path / str(number)
        argv = ["sh", "-c", f"head -c 300000 /dev/zero > {file} & wait $!"]
        done = run_quietly(argv, environment, timeout_s=20, most_bytes=10, most_written=100_000)
        assert (done.code != 0, file.stat().st_size) == (True, 99_840)


def test_what_a_program_reads_and_writes_may_be_more_than_a_pipe_holds() -> None:
    given = os.urandom(2**20)
    done = run_quietly(["cat"], small_environment(os.environ), stdin=given, timeout_s=60, most_bytes=2**20)
    assert (done.code, done.output) == (0, given)


def test_what_a_program_complains_of_is_kept_within_bounds() -> None:
    script = "head -c 3000000 /dev/zero >&2; exit 3"
    done = run_quietly(["sh", "-c", script], small_environment(os.environ), timeout_s=60, most_bytes=9)
    assert (done.code, len(done.said)) == (3, 2**16)


@MERGE_REQUEST
def test_an_interpreter_of_ours_imports_nothing_from_its_folder_or_beside_the_package(tmp_path: Path) -> None:
    for name in ("json", "runpy", "sitecustomize", "provisioner"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('canary-8sYr2bLx')\n", encoding="utf-8")
    environment = small_environment(os.environ) | {
        "PYTHONPATH": str(tmp_path),
        "PYTHONSTARTUP": str(tmp_path / "json.py"),
    }
    with (tmp_path / "said").open("wb") as said:
        started = start_module("provisioner.base.text", ["one"], environment, tmp_path, said)
        with started:
            assert started.wait(60) == 0, (tmp_path / "said").read_text(encoding="utf-8")
    assert (tmp_path / "said").read_bytes() == b""
