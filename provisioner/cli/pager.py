"""A long result at a terminal goes through the reader's pager; a file, a pipe, a document and a job get it as it is.

Whatever becomes of the pager, the command's exit code stays: one that cannot be started, ends with an error or is left
early changes nothing, and what it did not show is printed.
"""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Final

import click

from provisioner.cli.terminal import SafeStream, size_of

VARIABLE: Final = "PROVISIONER_PAGER"
_LESS: Final = "FRX"
"""As Git has it: what fits on the screen is printed, colours stay, and the text is still there afterwards."""
_NOT_ITS_OWN: Final = ("ANSIBLE_", "PROVISIONER_", "_PROVISIONER_")
_PAGED: Final = frozenset(
    {
        *("availability", "drift", "export", "geography list", "history", "plan", "plan diff"),
        *("quarantine list", "retention", "schema", "status"),
    }
)
"""Commands that show what somebody wants to read; what asks, changes or proves something prints as it goes on."""


def is_paged(command: str) -> bool:
    """Whether a command, by its words without the program's, shows what is read."""
    return command in _PAGED


def pager_of(env: Mapping[str, str]) -> list[str]:
    """The pager's words; none where there is to be no pager, or where it is a file of the folder that one is in."""
    named = env.get(VARIABLE) if VARIABLE in env else env.get("PAGER", "less")
    try:
        words = shlex.split(named or "")
    except ValueError:
        return []
    is_elsewhere = bool(words) and (words[0].startswith("/") or "/" not in words[0])
    return words if is_elsewhere and words[0].rpartition("/")[2] != "cat" else []


@contextmanager
def paged(env: Mapping[str, str], *, wanted: bool) -> Iterator[None]:
    """Keep standard output until the end of the block, and show it then, through the pager where it is long.

    Args:
        env: the environment.
        wanted: whether the command and its options leave room for a pager.
    """
    stream = sys.stdout
    words = pager_of(env) if wanted and _is_read(env) else []
    if not words or not isinstance(stream, SafeStream):
        yield
        return
    with stream.held() as held:
        try:
            yield
        except BaseException:
            stream.release("".join(held))
            raise
    text = "".join(held)
    if not _is_long(text, stream) or not _show(words, env, text, stream):
        stream.release(text)


def _is_read(env: Mapping[str, str]) -> bool:
    """Whether a person is at a terminal that a pager can use; a job of a pipeline may have one as well."""
    return sys.stdout.isatty() and sys.stdin.isatty() and env.get("TERM", "dumb") != "dumb" and not env.get("CI")


def _is_long(text: str, stream: SafeStream) -> bool:
    columns, lines = size_of(stream.below)
    rows = (max(1, ceil(len(click.unstyle(line)) / columns)) for line in text.splitlines())
    return sum(rows) >= lines


def _show(words: list[str], env: Mapping[str, str], text: str, stream: SafeStream) -> bool:
    """Whether the pager showed it; an interrupt is the pager's own."""
    from provisioner.base.child_process import own_environment, show_on_terminal  # noqa: PLC0415 (few need it)

    its = {name: value for name, value in own_environment(env).items() if not name.startswith(_NOT_ITS_OWN)}
    stream.flush()
    before = signal.signal(signal.SIGINT, _left_to_the_pager)
    try:
        code = show_on_terminal(words, {"LESS": _LESS, **its}, text.encode(stream.encoding, "backslashreplace"))
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return code == 0


def _left_to_the_pager(_number: int, _frame: object) -> None:
    """Do nothing: whoever interrupts means the search or the way that the pager is on."""
