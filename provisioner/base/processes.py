"""Other programs, and forked helpers.

The current folder is often a checkout with proposed files: Python imports modules from it, and a relative entry of PATH
finds programs there. So each program starts in a named folder with an environment of its own and bounded output.

Helpers fork, and only without other threads, which could hold a lock. A new process would import from the current
folder first.
"""

import gc
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeVar, cast

_MOST_PROCESSES: Final = 8

T = TypeVar("T")
R = TypeVar("R")
_WORK: list[Callable[[int], object]] = []
Running = subprocess.Popen[bytes]  #: A started program, not yet waited for.
StillRunningError = subprocess.TimeoutExpired

_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_BLOCK: Final = 1 << 16
_MOST_SAID: Final = 1 << 16
_FILE_BLOCK: Final = 512  #: Unit of the shell's `ulimit -f`, by POSIX.
_BOUND_FILES: Final = 'ulimit -f "$1" && shift && exec "$@"'
# Variables that make an interpreter run more than its program.
_LEADS_ELSEWHERE: Final = ("BASH_ENV", "ENV", "OLDPWD", "PERL5LIB", "PERL5OPT", "PWD")
_LEADS_ELSEWHERE_BEGIN: Final = ("BASH_FUNC_", "GIT_", "PYTHON")
# `-I` leaves out the caller's folder, PYTHONPATH and the user's own modules. Our package is named by its folder, so
# that its neighbours cannot be imported; this also finds an editable checkout.
_RUN_MODULE: Final = """
import importlib.util, runpy, sys
folder, module = sys.argv[1:3]
spec = importlib.util.spec_from_file_location(
    "provisioner", folder + "/__init__.py", submodule_search_locations=[folder]
)
package = importlib.util.module_from_spec(spec)
sys.modules["provisioner"] = package
spec.loader.exec_module(package)
sys.argv[1:3] = []
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class Helpers:
    """A pool of forked processes, which inherit `work`.

    So its data is not copied per item; `inherited` calls it.
    """

    def __init__(self, count: int, work: Callable[[int], object] | None = None) -> None:
        # Small tasks do without these imports, which take time.
        import multiprocessing  # noqa: PLC0415
        from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor  # noqa: PLC0415

        fork = multiprocessing.get_context("fork")
        self._broken = BrokenProcessPool
        self._pool = ProcessPoolExecutor(count, mp_context=fork, initializer=_prepare_helper, initargs=(work,))

    def submit(self, function: Callable[..., R], *arguments: object) -> Callable[[], R | None]:
        """Submit work; return a function for its result, `None` if killed."""
        try:
            started = self._pool.submit(function, *arguments)
        except self._broken:
            return lambda: None

        def result() -> R | None:
            try:
                return started.result()
            except self._broken:
                return None

        return result

    def end(self) -> None:
        """Wait for running work and start no more."""
        self._pool.shutdown(cancel_futures=True)


class OutputTooLongError(Exception):
    """A program exceeded its output limit and was killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished program."""

    code: int  #: Its exit code; negative after a signal.
    output: bytes
    said: bytes = b""  #: The beginning of its standard error.


def in_parallel(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R | None]:
    """Yield a function's results from other processes; `None` if one was killed.

    Yields no item with one core, or if a fork is unsafe.
    """
    count = min(processes(), len(items))
    if not count or not can_fork():
        return
    helpers = Helpers(count, lambda number: function(items[number]))
    try:
        for result in [helpers.submit(inherited, number) for number in range(len(items))]:
            yield cast("R | None", result())
    finally:
        helpers.end()


def processes() -> int:
    """Return the number of helpers: the cores, at most 8, or 0."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PROCESSES) if cores > 1 else 0


def can_fork() -> bool:
    """Return whether a fork is safe."""
    return sys.platform == "linux" and threading.active_count() == 1


def _prepare_helper(work: Callable[[int], object] | None) -> None:
    """Prepare a helper: its parent handles Ctrl-C; garbage collection would waste time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    if work is not None:
        _WORK.append(work)


def inherited(number: int) -> object:
    """Do a piece of the inherited work."""
    return _WORK[-1](number)


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch garbage collection off for code that creates many lasting values."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()


def search_path(caller: Mapping[str, str]) -> str:
    """Return the absolute folders of the caller's PATH, or the system's."""
    named = (entry for entry in caller.get("PATH", "").split(":") if entry.startswith("/"))
    return ":".join(named) or _SYSTEM_PATH


def small_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with PATH alone of the caller's variables."""
    return {"LC_ALL": "C.UTF-8", "PATH": search_path(caller)}


def own_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment for a user's program, without interpreter settings."""
    variables = {
        name: value
        for name, value in caller.items()
        if name not in _LEADS_ELSEWHERE and not name.startswith(_LEADS_ELSEWHERE_BEGIN)
    }
    return variables | {"PATH": search_path(caller)}


def run_quietly(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: bytes = b"",
    timeout_s: float,
    most_bytes: int,
    most_written: int | None = None,
    kill_children: bool = False,
) -> Ended:
    """Run a program to its end, in the root folder.

    The program is found in the environment's PATH. `most_bytes` limits its output, `most_written` each file that it
    or its children write. `kill_children` kills its children too, but it cannot use the terminal then. A program
    that does not start raises `OSError`, a slow one `StillRunningError`, a wordy one `OutputTooLongError`.
    """
    with tempfile.TemporaryFile() as stdin_file:
        stdin_file.write(stdin)
        stdin_file.seek(0)
        with subprocess.Popen(
            _with_file_limit([program_path(argv[0], environment), *argv[1:]], most_written),
            stdin=stdin_file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            start_new_session=kill_children,
        ) as child:
            try:
                return _read_to_end(child, list(argv), timeout_s, most_bytes)
            except BaseException:
                _kill(child, kill_children=kill_children)
                raise


def _kill(child: Running, *, kill_children: bool) -> None:
    if kill_children:
        # It leads a session of its own, and is not waited for yet: the number is still its own.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()


def _with_file_limit(argv: list[str], most_written: int | None) -> list[str]:
    """Wrap a program so that the kernel limits the files it writes.

    A shell sets its own limit and becomes the program; a limit set later would miss its children.
    """
    if most_written is None:
        return argv
    return ["/bin/sh", "-c", _BOUND_FILES, "sh", str(most_written // _FILE_BLOCK), *argv]


def ask_program(argv: Sequence[str], environment: Mapping[str, str], folder: Path, *, timeout_s: float) -> Ended:
    """Run a program at the terminal for its output; errors as `run_quietly`."""
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, env=dict(environment), cwd=folder, timeout=timeout_s, check=False
    )
    return Ended(done.returncode, done.stdout)


def show_on_terminal(argv: Sequence[str], environment: Mapping[str, str], text: bytes) -> int:
    """Pipe a text to a pager, or raise `OSError`; return its code."""
    command = [program_path(argv[0], environment), *argv[1:]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=dict(environment), cwd="/") as child:
        if child.stdin is None:
            raise ValueError("the program was started without a pipe")
        with suppress(BrokenPipeError):
            child.stdin.write(text)
        with suppress(BrokenPipeError):
            child.stdin.close()
        return child.wait()


def start_module(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, output: IO[bytes]
) -> Running:
    """Start a module of this package in a new interpreter and session."""
    package = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _RUN_MODULE, package, module, *arguments],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def start_silently(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Running:
    """Start a program without input or output, or raise `OSError`."""
    nothing = subprocess.DEVNULL
    command = [program_path(argv[0], environment), *argv[1:]]
    return subprocess.Popen(command, env=dict(environment), cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing)


def program_path(name: str, environment: Mapping[str, str]) -> str:
    """Find a program in PATH's absolute folders, or raise `FileNotFoundError`."""
    for folder in environment.get("PATH", _SYSTEM_PATH).split(":"):
        if not (folder.startswith("/") or name.startswith("/")):
            continue
        path = os.path.join(folder, name)  # noqa: PTH118 (a name that is a path stays one)
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return path
    raise FileNotFoundError(name)


def _read_to_end(child: Running, argv: list[str], timeout_s: float, most_bytes: int) -> Ended:
    if child.stdout is None or child.stderr is None:
        raise ValueError("the program was started without pipes")
    until = time.monotonic() + timeout_s
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, output)
        selector.register(child.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready and time.monotonic() >= until:
                raise StillRunningError(argv, timeout_s)
            for key, _ in ready:
                if not (block := os.read(key.fd, _BLOCK)):
                    selector.unregister(key.fileobj)
                key.data.extend(block)
            if len(output) > most_bytes:
                raise OutputTooLongError(argv[0])
            del errors[_MOST_SAID:]
    return Ended(child.wait(max(0.1, until - time.monotonic())), bytes(output), bytes(errors))
