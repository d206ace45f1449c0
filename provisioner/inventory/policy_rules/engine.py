"""Evaluation of Rego rules by regopy in processes (docs/internals/inventory.md)."""

import json
import math
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import PlainSerializer

from provisioner.base.document import Count
from provisioner.base.processes import Running, start_module
from provisioner.base.text import counted, msg, printable
from provisioner.inventory.policy_rules.evaluator import QUESTION, Written, WrittenAnswer
from provisioner.inventory.policy_rules.file import DENY, RegoRule

_LONGEST: Final = 400
_MOST_FINDINGS: Final = 50
_FIELDS: Final = frozenset({"message", "hint"})
_MEND: Final = "mend the rule, and try it: provisioner policy test; a plan that was not judged is not applied"
_MESSAGES: Final = 'a rule\'s message is a text, or {"message": text, "hint": text}'
_MOMENT_S: Final = 0.01
_MOST_ANSWERED: Final = 16 * 1024 * 1024
_LONGEST_ERROR: Final = 300
_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8"}

MOST_SECONDS: Final = 300  #: Maximum time for all files of an inventory together.
_MOST_OF_ONE_S: Final = 5.0
MOST_CPU_S: Final = 16.0  #: Maximum processor time to check all files together; a file of 40 KiB takes 0.25 s.


@dataclass(frozen=True, slots=True)
class RegoAnswer:
    """Result of a query."""

    value: object = None  #: The value, as in JSON.
    error: str = ""  #: Why there is no value.
    is_defined: bool = False
    is_unevaluable: bool = False  #: Whether the text cannot be evaluated at all, whatever the query.


@dataclass(frozen=True, slots=True, order=True)
class RegoFinding:
    """A rule's finding about a plan; line 0 means the whole file."""

    file: str
    line: int
    message: str
    hint: str = ""

    @property
    def position(self) -> str:
        """Position of the rule."""
        return f"{self.file}:{self.line}" if self.line else self.file


#: Findings, of which documents have the number.
Findings = Annotated[tuple[RegoFinding, ...], PlainSerializer(len, return_type=Count)]


@dataclass(frozen=True, slots=True)
class RegoVerdict:
    """Result of all rules for a plan."""

    files: Count = 0  #: Number of files; `rules` is the number of evaluated rules.
    rules: Count = 0
    denied: Findings = ()  #: Findings that refuse the plan.
    warned: Findings = ()  #: Findings for people to read.
    failed: Findings = ()  #: Rules without a result; they also refuse the plan.

    @property
    def words(self) -> str:
        """Summary in one sentence."""
        rules = msg("{rego_rules} of {files}", counted(self.rules, "Rego rule"), counted(self.files, "file"))
        return msg(
            "{which} judged this plan: {denied} deny, {warned} warn, {failed} failed",
            rules,
            len(self.denied),
            len(self.warned),
            len(self.failed),
        )

    def joined(self, other: "RegoVerdict") -> "RegoVerdict":
        """Return the sum of two verdicts."""
        return RegoVerdict(
            self.files + other.files,
            self.rules + other.rules,
            self.denied + other.denied,
            self.warned + other.warned,
            self.failed + other.failed,
        )


@dataclass(frozen=True, slots=True)
class RegoBounds:
    """Limits of an evaluation: seconds, memory in MiB, processor seconds."""

    seconds: int
    mib: int
    cpu_s: float = math.inf

    def until(self, end: float) -> "RegoBounds":
        """Return these limits, cut at a monotonic time; `RegoFailureError` if over."""
        remaining_s = math.ceil(end - time.monotonic())
        if remaining_s <= 0:
            raise RegoFailureError("all rules together take too long")
        return replace(self, seconds=min(self.seconds, remaining_s))


@dataclass(slots=True)
class RegoShares:
    """Processor time, `left` seconds, shared fairly among the `files` not yet evaluated."""

    files: int
    left: float

    @contextmanager
    def next_share(self) -> Iterator[float]:
        """Yield the next file's seconds; the rest is for later files."""
        before = _cpu_of_children()
        try:
            yield min(self.left / self.files, _MOST_OF_ONE_S)
        finally:
            self.left, self.files = self.left - (_cpu_of_children() - before), self.files - 1


CHECKED: Final = RegoBounds(20, 512)  #: A file without a plan.
TESTED: Final = RegoBounds(60, 512)  #: A file's tests.
#: A file with a plan: twenty thousand changes take some 550 MiB, and a second a rule.
JUDGED: Final = RegoBounds(90, 1536)


class RegoQuery(NamedTuple):
    """An expression, and the index of its `input` document."""

    expression: str
    document: int = 0


class RegoFailureError(Exception):
    """An evaluation did not finish."""


class RegoUnloadedError(RegoFailureError):
    """regopy is installed but cannot be loaded: a system library is missing."""


class RegoTextFaultError(Exception):
    """A text that regopy refuses: index, offset in bytes, message."""

    def __init__(self, text: int, offset: int, message: str) -> None:
        super().__init__(message)
        self.text = text
        self.offset = offset
        self.message = message


def verdict_of(file: str, rules: Sequence[RegoRule], answers: Sequence[RegoAnswer]) -> RegoVerdict:
    """Return the verdict of one file from its rules' answers."""
    denied: list[RegoFinding] = []
    warned: list[RegoFinding] = []
    failed: list[RegoFinding] = []
    for rule, answer in zip(rules, answers, strict=True):
        line = rule.head.line
        if not (answer.is_defined and isinstance(answer.value, list)):
            failed.append(RegoFinding(file, line, f"{rule.name} {_no_answer(answer)}", _MEND))
            continue
        findings = list(_findings_in(file, line, answer.value))
        if any(finding is None for finding in findings):
            failed.append(RegoFinding(file, line, msg("{name} returns an invalid message", rule.name), _MESSAGES))
        valid = [finding for finding in findings if finding is not None]
        (denied if rule.name == DENY else warned).extend(_first_findings(valid))
    return RegoVerdict(1, len(rules), tuple(denied), tuple(warned), tuple(failed))


def failed_verdict(file: str, rules: Sequence[RegoRule], reason: str) -> RegoVerdict:
    """Return the verdict of a file whose evaluation did not finish."""
    return RegoVerdict(
        1, len(rules), failed=(RegoFinding(file, 0, msg("its rules came to no answer: {why}", reason), _MEND),)
    )


def _no_answer(answer: RegoAnswer) -> str:
    if answer.error:
        return msg("came to no answer: {error}", answer.error)
    return "came to no answer" if not answer.is_defined else "returned no set of messages"


def _findings_in(file: str, line: int, values: Sequence[object]) -> Iterator[RegoFinding | None]:
    for value in values:
        if isinstance(value, str) and value.strip():
            yield RegoFinding(file, line, printable(value, _LONGEST))
        elif isinstance(value, Mapping) and _is_message(value):
            yield RegoFinding(
                file, line, printable(value["message"], _LONGEST), printable(value.get("hint", ""), _LONGEST)
            )
        else:
            yield None


def _is_message(value: Mapping[str, object]) -> bool:
    texts = all(isinstance(text, str) for text in value.values())
    return texts and set(value) <= _FIELDS and bool(str(value.get("message", "")).strip())


def _first_findings(findings: Sequence[RegoFinding]) -> list[RegoFinding]:
    ordered = sorted(findings)
    if len(ordered) <= _MOST_FINDINGS:
        return ordered
    more = msg("and {more_messages} of this rule", counted(len(ordered) - _MOST_FINDINGS, "more message"))
    return [*ordered[:_MOST_FINDINGS], RegoFinding(ordered[0].file, ordered[0].line, more)]


def is_installed() -> bool:
    """Return whether regopy is installed; it is not available for every machine."""
    return find_spec("regopy") is not None


def ask_rego(
    texts: Sequence[str], queries: Sequence[RegoQuery], documents: Sequence[object], bounds: RegoBounds
) -> tuple[RegoAnswer, ...]:
    """Evaluate queries of modules, in their order.

    A text that is no Rego raises `RegoTextFaultError`, a missing regopy `RegoUnloadedError`, exceeded limits or an
    invalid answer `RegoFailureError`.
    """
    question = {"texts": texts, "queries": queries, "documents": documents, "seconds": bounds.seconds}
    with tempfile.TemporaryDirectory(prefix="provisioner-rego-") as name, tempfile.TemporaryFile() as written:
        folder = Path(name)
        (folder / QUESTION).write_text(json.dumps(question), encoding="utf-8")
        child = start_module("provisioner.inventory.policy_rules.evaluator", [], _ENVIRONMENT, folder, written)
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
    """Wait for the process; a limit or a failure raises `RegoFailureError`."""
    until = time.monotonic() + bounds.seconds
    while (code := child.poll()) is None:
        if time.monotonic() > until:
            raise RegoFailureError(msg("it takes longer than {seconds}", counted(bounds.seconds, "second")))
        if _cpu_of(child.pid) > bounds.cpu_s:
            raise RegoFailureError(msg("it takes more than {cpu_s} s, its share of the time", f"{bounds.cpu_s:.1f}"))
        if _number_of(child.pid, "statm", 1) * os.sysconf("SC_PAGE_SIZE") >> 20 > bounds.mib:
            raise RegoFailureError(msg("it takes more than {mib} MiB of memory", bounds.mib))
        time.sleep(_MOMENT_S)
    if code != 0:
        ending = msg("signal {value}", -code) if code < 0 else msg("code {code}", code)
        raise RegoFailureError(msg("the process that evaluates it ended by {ending}", ending))


def _cpu_of(process: int) -> float:
    # The name in `stat` could contain spaces, but an interpreter's does not.
    return sum(_number_of(process, "stat", field) for field in (13, 14)) / os.sysconf("SC_CLK_TCK")


def _cpu_of_children() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _number_of(process: int, file: str, field: int) -> int:
    try:
        return int(Path(f"/proc/{process}/{file}").read_text(encoding="ascii").split()[field])
    except (OSError, ValueError, IndexError):
        return 0  # it ends just now


def answers_in(written: bytes, expected: int) -> tuple[RegoAnswer, ...]:
    """Parse the process's untrusted output; errors are as of `ask_rego`."""
    try:
        document: Written = json.loads(written) if len(written) <= _MOST_ANSWERED else {}
        if "unloaded" in document:
            reason = printable(str(document["unloaded"]), _LONGEST_ERROR)
            raise RegoUnloadedError(msg("regopy is there and cannot be loaded: {why}", reason))
        if "fault" in document:
            fault = document["fault"]
            raise RegoTextFaultError(
                int(fault["text"]), int(fault["offset"]), printable(str(fault["message"]), _LONGEST_ERROR)
            )
        answers = tuple(_answer(item) for item in document["answers"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise RegoFailureError("the process that evaluates it gave no answer") from None
    if len(answers) != expected:
        raise RegoFailureError("the process that evaluates it gave another number of answers")
    return answers


def _answer(written: WrittenAnswer) -> RegoAnswer:
    error = printable(str(written.get("error", "")), _LONGEST_ERROR)
    return RegoAnswer(written.get("value"), error, "value" in written and not error, written.get("never") is True)
