"""Tests of rules, each with the plan that it is about. Pure.

A test says its plan by `with input as`. regopy 1.5.2 ends by a segmentation fault on many such texts; so the plan is
worked out first, as a rule of its own, and the test is evaluated on it without these words. That comes to the same
where a test is about one plan, which is why it has to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.rego.module import RegoFault, RegoModule, RegoRule, fault_at
from provisioner.rego.words import RegoWord, RegoWordKind

_ENDS: Final = frozenset({";", "with"})
_ONE: Final = "a test is about one plan: write a test for each"


@dataclass(frozen=True, slots=True)
class RegoCase:
    """A test.

    Attributes:
        rule: the test as it is written.
        plan: the rule of the text that comes to its plan; empty where it is about none.
    """

    rule: RegoRule
    plan: str = ""


@dataclass(frozen=True, slots=True)
class RegoCases:
    """The tests of a file.

    Attributes:
        text: the file's, with each plan as a rule of its own.
        cases: in their order.
        faults: what keeps a test from being taken apart.
    """

    text: str = field(repr=False)
    cases: tuple[RegoCase, ...] = ()
    faults: tuple[RegoFault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Replacement:
    """`with input as` and what follows, from its first to its last word."""

    first: RegoWord
    words: tuple[RegoWord, ...]

    @property
    def expression(self) -> tuple[RegoWord, ...]:
        return self.words[3:]

    @property
    def end(self) -> int:
        return self.words[-1].offset + len(self.words[-1].text)


def cases_of(module: RegoModule) -> RegoCases:
    """The tests of a file, each apart from its plan."""
    text, faults = module.text, list[RegoFault]()
    cases, plans = list[RegoCase](), list[str]()
    cut: list[_Replacement] = []
    for rule in module.rules:
        replaced = list(_replacements(rule.words))
        cut += replaced
        faults += _faults(rule, replaced, is_test=rule in module.tests)
        if rule not in module.tests:
            continue
        name = f"plan_at_{rule.head.line}" if replaced else ""
        cases.append(RegoCase(rule, name))
        if replaced and len(replaced[0].expression):
            expression = replaced[0].expression
            plans.append(f"{name} := {text[expression[0].offset : replaced[0].end]}")
    for one in reversed(cut):
        # Its lines stay, so that all that comes after stays where it is.
        lines = "\n" * text[one.first.offset : one.end].count("\n")
        text = text[: one.first.offset] + lines + text[one.end :]
    return RegoCases("\n".join((text, *plans, "")), tuple(cases), tuple(faults))


def _replacements(words: Sequence[RegoWord]) -> Iterator[_Replacement]:
    for number, word in enumerate(words):
        if word.text != "with" or word.kind is not RegoWordKind.NAME:
            continue
        end = number + 1
        while end < len(words) and not _ends(words[end], word):
            end += 1
        yield _Replacement(word, tuple(words[number:end]))


def _ends(word: RegoWord, begun: RegoWord) -> bool:
    """Whether an expression is over: at a bracket around it, at a line of its own, or at what divides."""
    if word.depth < begun.depth:
        return True
    if word.depth > begun.depth or word.text in {"]", ")"}:
        return False
    closes = word.text == "}"
    return (
        word.text in _ENDS
        or (word.begins_line and not closes)
        or (closes and word.begins_line and word.depth < begun.depth)
    )


def _faults(rule: RegoRule, replaced: Sequence[_Replacement], *, is_test: bool) -> Iterator[RegoFault]:
    for one in replaced:
        beginning = [word.text for word in one.words[:3]]
        if beginning != ["with", "input", "as"] or not one.expression:
            hint = "write `with input as`, and the whole plan after it"
            yield fault_at(one.first, "it replaces something else than input", hint)
        elif not is_test:
            yield fault_at(one.first, f"{rule.name} is no test, and says a plan", "say it in the test itself")
    said = {tuple(word.text for word in one.expression) for one in replaced}
    if len(said) > 1:
        yield fault_at(replaced[1].first, f"{rule.name} is about several plans", _ONE)
    own = {word.text for one in replaced for word in one.expression if word.kind is RegoWordKind.NAME}
    for number, word in enumerate(rule.words[:-1]):
        if rule.words[number + 1].text == ":=" and word.text in own:
            hint = "make it a rule of the file of tests"
            yield fault_at(word, f"the plan of {rule.name} is made of its own {word.text}", hint)
