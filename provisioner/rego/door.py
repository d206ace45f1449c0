"""The one door to regopy: a question goes into a process of its own, and answers come back, or a failure. Never less.

Rules are anybody's who may propose an edit, and the library is a large program in C++ that ends a process where
memory is short. So each file of rules is asked about in a process of its own: an empty folder, an environment that
says nothing, bounded time and memory, which are watched from here.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from provisioner.base.child_process import Running, start_module
from provisioner.base.counted import counted
from provisioner.base.printable import printable
from provisioner.rego.answer import RegoAnswer
from provisioner.rego.child import QUESTION, Written, WrittenAnswer

_MOMENT_S: Final = 0.01
_MOST_ANSWERED: Final = 16 * 1024 * 1024
_LONGEST: Final = 300
_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8"}

MOST_SECONDS: Final = 300
"""How long all files of an inventory may take together."""


@dataclass(frozen=True, slots=True)
class RegoBounds:
    """How long an evaluation may take, in seconds, and how much memory, in MiB."""

    seconds: int
    mib: int

    def until(self, end: float) -> RegoBounds:
        """These, and no longer than up to a moment of the monotonic clock.

        Raises:
            RegoFailureError: it is over.
        """
        left = math.ceil(end - time.monotonic())
        if left <= 0:
            raise RegoFailureError("all rules together take too long")
        return RegoBounds(min(self.seconds, left), self.mib)


CHECKED: Final = RegoBounds(20, 512)
"""A file that is evaluated on no plan at all."""
TESTED: Final = RegoBounds(60, 512)
"""A file's tests."""
JUDGED: Final = RegoBounds(90, 1536)
"""A file on a plan: with one of twenty thousand changes takes some 550 MiB and a second a rule."""


class RegoQuery(NamedTuple):
    """An expression, and the number of the document that it sees as `input`."""

    expression: str
    document: int = 0


class RegoFailureError(Exception):
    """An evaluation that did not come to its end."""


class RegoUnloadedError(RegoFailureError):
    """regopy is there and cannot be loaded: a library of the machine's is missing."""


class RegoTextFaultError(Exception):
    """A text that the library does not take: which one, how many characters come before the place, and why."""

    def __init__(self, text: int, offset: int, message: str) -> None:
        super().__init__(message)
        self.text = text
        self.offset = offset
        self.message = message


def is_installed() -> bool:
    """Whether regopy is there: it is an extra, as it has no build for every machine."""
    return find_spec("regopy") is not None


def ask_rego(
    texts: Sequence[str], queries: Sequence[RegoQuery], documents: Sequence[object], bounds: RegoBounds
) -> tuple[RegoAnswer, ...]:
    """What queries of some texts come to, in their order.

    Args:
        texts: modules.
        queries: what is asked.
        documents: what they see as `input`.
        bounds: how long it may take, and how much memory.

    Raises:
        RegoFailureError: it took too long or too much, ended by itself, or wrote what is no answer.
        RegoTextFaultError: a text is no Rego.
        RegoUnloadedError: regopy cannot be loaded.
    """
    question = {"texts": texts, "queries": queries, "documents": documents, "seconds": bounds.seconds}
    with tempfile.TemporaryDirectory(prefix="provisioner-rego-") as name, tempfile.TemporaryFile() as written:
        folder = Path(name)
        (folder / QUESTION).write_text(json.dumps(question), encoding="utf-8")
        child = start_module("provisioner.rego.child", [], _ENVIRONMENT, folder, written)
        try:
            _watch(child, bounds)
        finally:
            child.kill()
            child.wait()
            if child.stdin is not None:
                with suppress(OSError):
                    child.stdin.close()
        written.seek(0)
        return answers_in(written.read(_MOST_ANSWERED + 1), len(queries))


def _watch(child: Running, bounds: RegoBounds) -> None:
    """Wait for the process to end.

    Raises:
        RegoFailureError: it had to be ended, or ended otherwise than by an answer.
    """
    until = time.monotonic() + bounds.seconds
    while (code := child.poll()) is None:
        if time.monotonic() > until:
            raise RegoFailureError(f"it takes longer than {counted(bounds.seconds, 'second')}")
        if _resident_mib(child.pid) > bounds.mib:
            raise RegoFailureError(f"it takes more than {bounds.mib} MiB of memory")
        time.sleep(_MOMENT_S)
    if code != 0:
        ending = f"signal {-code}" if code < 0 else f"code {code}"
        raise RegoFailureError(f"the process that evaluates it ended by {ending}")


def _resident_mib(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0  # it ends just now
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def answers_in(written: bytes, asked: int) -> tuple[RegoAnswer, ...]:
    """The answers in what the process wrote, which may be anything.

    Raises:
        RegoFailureError: it is no answer.
        RegoTextFaultError: it says that a text is no Rego.
        RegoUnloadedError: it says that regopy cannot be loaded.
    """
    try:
        answered: Written = json.loads(written) if len(written) <= _MOST_ANSWERED else {}
        if "unloaded" in answered:
            why = printable(str(answered["unloaded"]), _LONGEST)
            raise RegoUnloadedError(f"regopy is there and cannot be loaded: {why}")
        if "fault" in answered:
            fault = answered["fault"]
            raise RegoTextFaultError(
                int(fault["text"]), int(fault["offset"]), printable(str(fault["message"]), _LONGEST)
            )
        answers = tuple(_answer(one) for one in answered["answers"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise RegoFailureError("the process that evaluates it gave no answer") from None
    if len(answers) != asked:
        raise RegoFailureError("the process that evaluates it gave another number of answers")
    return answers


def _answer(one: WrittenAnswer) -> RegoAnswer:
    error = printable(str(one.get("error", "")), _LONGEST)
    return RegoAnswer(one.get("value"), error, "value" in one and not error, one.get("never") is True)
