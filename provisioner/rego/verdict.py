"""What rules said of a plan, from what their evaluation came to. Pure.

Whatever is no clear answer is a refusal: an error, a value of another form, nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from provisioner.base.counted import counted
from provisioner.base.printable import printable
from provisioner.rego.answer import RegoAnswer
from provisioner.rego.module import DENY, RegoRule

_LONGEST: Final = 400
_MOST: Final = 50
_FIELDS: Final = frozenset({"message", "hint"})


@dataclass(frozen=True, slots=True, order=True)
class RegoFinding:
    """What one rule has against a plan.

    Attributes:
        file: the rule's, as the inventory has it.
        line: the rule's; 0 where it is about the whole file.
        message: what is wrong.
        hint: what to do next.
    """

    file: str
    line: int
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """Where the rule stands."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class RegoVerdict:
    """What all rules said of a plan.

    Attributes:
        files: how many files of rules there are.
        rules: how many rules judged.
        denied: why the plan is refused.
        warned: what people should look at.
        failed: rules that came to no answer, each with why: the plan is refused as well.
    """

    files: int = 0
    rules: int = 0
    denied: tuple[RegoFinding, ...] = ()
    warned: tuple[RegoFinding, ...] = ()
    failed: tuple[RegoFinding, ...] = ()

    @property
    def words(self) -> str:
        """What was evaluated and what came of it, in a sentence."""
        which = f"{counted(self.rules, 'Rego rule')} of {counted(self.files, 'file')}"
        return f"{which} judged this plan: {len(self.denied)} deny, {len(self.warned)} warn, {len(self.failed)} failed"

    def joined(self, other: RegoVerdict) -> RegoVerdict:
        """This and another file's."""
        return RegoVerdict(
            self.files + other.files,
            self.rules + other.rules,
            self.denied + other.denied,
            self.warned + other.warned,
            self.failed + other.failed,
        )


def verdict_of(file: str, rules: Sequence[RegoRule], answers: Sequence[RegoAnswer]) -> RegoVerdict:
    """What one file's rules said.

    Args:
        file: their file.
        rules: those that judge.
        answers: what each came to.
    """
    denied: list[RegoFinding] = []
    warned: list[RegoFinding] = []
    failed: list[RegoFinding] = []
    for rule, answer in zip(rules, answers, strict=True):
        line = rule.head.line
        if not (answer.is_defined and isinstance(answer.value, list)):
            failed.append(RegoFinding(file, line, f"{rule.name} {_no_answer(answer)}", _MEND))
            continue
        findings = list(_findings(file, line, answer.value))
        if any(one is None for one in findings):
            failed.append(RegoFinding(file, line, f"{rule.name} says what is no message", _MESSAGES))
        said = [one for one in findings if one is not None]
        (denied if rule.name == DENY else warned).extend(_few(said))
    return RegoVerdict(1, len(rules), tuple(denied), tuple(warned), tuple(failed))


def failed_verdict(file: str, rules: Sequence[RegoRule], why: str) -> RegoVerdict:
    """The verdict of a file whose evaluation did not come to its end."""
    return RegoVerdict(1, len(rules), failed=(RegoFinding(file, 0, f"its rules came to no answer: {why}", _MEND),))


_MEND: Final = "mend the rule, and try it: provisioner policy test; a plan that was not judged is not applied"
_MESSAGES: Final = 'a rule\'s message is a text, or {"message": text, "hint": text}'


def _no_answer(answer: RegoAnswer) -> str:
    if answer.error:
        return f"came to no answer: {answer.error}"
    return "came to no answer" if not answer.is_defined else "came to what is no set of messages"


def _findings(file: str, line: int, values: Sequence[object]) -> Iterator[RegoFinding | None]:
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
    texts = all(isinstance(one, str) for one in value.values())
    return texts and set(value) <= _FIELDS and bool(str(value.get("message", "")).strip())


def _few(findings: Sequence[RegoFinding]) -> list[RegoFinding]:
    """The first of very many, and how many there are more."""
    ordered = sorted(findings)
    if len(ordered) <= _MOST:
        return ordered
    more = f"and {counted(len(ordered) - _MOST, 'more message')} of this rule"
    return [*ordered[:_MOST], RegoFinding(ordered[0].file, ordered[0].line, more)]
