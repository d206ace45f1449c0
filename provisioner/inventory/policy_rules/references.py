"""Undeclared and forbidden names in Rego rules. Pure.

A reference to a missing name is no error in Rego: a condition with a typo is never true, and its rule never refuses. So
each name must be declared, each field must be in the document's JSON Schema, and each comparison must be with a
possible value. Rules may call only deterministic functions without outside access.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from provisioner.base.errors import Problem
from provisioner.base.text import Document, msg, nearest, which_was_meant
from provisioner.inventory.policy_rules.file import (
    JUDGING,
    KEYWORDS,
    RegoModule,
    RegoRule,
    RegoWord,
    RegoWordKind,
    fault_at,
)

_FUNCTIONS: Final = """
abs array.concat array.flatten array.reverse array.slice ceil concat contains count endswith floor format_int
glob.match indexof intersection is_array is_boolean is_null is_number is_object is_set is_string lower max min
numbers.range object.filter object.get object.keys object.remove object.subset object.union product regex.is_valid
regex.match round sort split sprintf startswith strings.any_prefix_match strings.any_suffix_match strings.count
strings.reverse substring sum time.add_date time.clock time.date time.diff time.format time.parse_rfc3339_ns
time.weekday to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union upper
"""
ALLOWED: Final = frozenset(_FUNCTIONS.split())  #: Functions that rules may call.
FieldSchema = Document
_COMPARES: Final = frozenset({"==", "!=", "<", ">", "<=", ">=", "="})
_ENDS: Final = frozenset({";", "}", ")", "]", "|", ","})
_LITERALS: Final = {"integer": RegoWordKind.NUMBER, "string": RegoWordKind.TEXT}
_OWN_FIELDS: Final = frozenset({"message", "hint"})  #: Fields of a rule's message.
_REFERENCE: Final = "rego-reference"
_MOST_LISTED: Final = 12
_MOST_FAULTS: Final = 50
_SCHEMA: Final = "see provisioner schema policy-input"
_WHY_NOT: Final = {
    "http.": "it asks other machines",
    "net.": "it asks other machines",
    "providers.": "it asks other machines",
    "opa.": "it gives the environment away",
    "rand.": "it comes to something else each time",
    "uuid.": "it comes to something else each time",
    "time.now_ns": "the moment is input.now, so that tests can say which one",
    "trace": "its output is not read",
    "print": "its output is not read",
    "io.jwt.": "plans hold no tokens",
    "crypto.": "plans hold no secrets",
}
_Types = dict[str, FieldSchema | None]
_A_KIND: Final = {"integer": "a number", "string": "a text", "boolean": "true or false", "array": "a list"}


@dataclass(frozen=True)
class InputFields:
    """Schema of the rules' input."""

    schema: FieldSchema

    @property
    def root(self) -> FieldSchema:
        """The whole document."""
        return self.schema

    def field(self, node: FieldSchema, name: str) -> FieldSchema | None:
        """Return a field of an object, or `None`."""
        below: Mapping[str, FieldSchema] = node.get("properties", {})
        return below.get(name)

    def element(self, node: FieldSchema) -> FieldSchema | None:
        """Return the element of an array, or `None`."""
        items: FieldSchema | None = node.get("items")
        return items

    def names(self, node: FieldSchema) -> tuple[str, ...]:
        """Return the fields of an object."""
        return tuple(node.get("properties", {}))

    def kind(self, node: FieldSchema) -> str:
        """Return the type: `object`, `array`, `string`, `integer`, `boolean`."""
        values = node.get("enum", [node.get("const")])
        return str(node.get("type") or ("string" if isinstance(values[0], str) else "integer"))

    def values(self, node: FieldSchema) -> tuple[str, ...]:
        """Return all values of an enumeration; empty for other texts."""
        return tuple(node.get("enum", ()))

    @property
    def all_names(self) -> frozenset[str]:
        """Names of all fields at any level."""
        return frozenset(self._all_names(self.schema))

    def _all_names(self, node: FieldSchema) -> Iterator[str]:
        for name, below in node.get("properties", {}).items():
            yield name
            yield from self._all_names(below)
        if "items" in node:
            yield from self._all_names(node["items"])


@dataclass(frozen=True, slots=True)
class _Chain:
    """A name with its steps, e.g. `input.changes[_].impact`."""

    base: RegoWord
    steps: tuple[tuple[str | None, RegoWord], ...]  #: Fields with their words; `None` for an index other than a text.
    begin: int  #: Index of the name's word.
    end: int  #: Index of the next word.
    is_call: bool

    @property
    def dotted(self) -> str:
        return ".".join((self.base.text, *(step or "[]" for step, _ in self.steps)))


def reference_faults(module: RegoModule, fields: InputFields, tested: RegoModule | None = None) -> list[Problem]:
    """Return a file's first undeclared or forbidden names; `tested` has its rules."""
    listed = (*module.rules, *(tested.rules if tested else ()))
    scope = _Scope(
        module,
        fields,
        rules=frozenset(rule.name for rule in listed),
        functions=frozenset(rule.name for rule in listed if rule.arguments is not None),
        known=fields.all_names | _OWN_FIELDS | _keys(module) | (_keys(tested) if tested else frozenset()),
    )
    faults = (fault for rule in module.rules for fault in scope.reference_problems(rule))
    return list(dict.fromkeys(islice(faults, _MOST_FAULTS)))


def _keys(module: RegoModule) -> frozenset[str]:
    return frozenset(key for rule in module.rules for key, _ in _object_keys(rule.words))


def _object_keys(words: Sequence[RegoWord]) -> Iterator[tuple[str, RegoWord]]:
    for word, after in pairwise(words):
        if word.kind is RegoWordKind.TEXT and after.text == ":" and word.value is not None:
            yield word.value, word


@dataclass(frozen=True)
class _Scope:
    module: RegoModule
    fields: InputFields
    rules: frozenset[str]
    functions: frozenset[str]
    known: frozenset[str]

    def reference_problems(self, rule: RegoRule) -> Iterator[Problem]:
        words = rule.words
        declared = _declared_names(rule)
        for word in declared.values():
            if word.text in {"input", *self.rules}:
                yield fault_at(word, msg("{text} is declared anew", word.text), "use another name")
        types = self._schemas_of_names(rule)
        if self.module.is_test:
            yield from self._test_document_problems(words)
        number = 2 if rule.is_default else 1
        while number < len(words):
            word = words[number]
            if (
                word.kind is RegoWordKind.NAME
                and word.text not in KEYWORDS - {"input", "data"}
                and not _is_step(words, number)
            ):
                yield from self._chain_problems(_chain_at(words, number), words, declared, types)
            elif word.text == "with" and not self.module.is_test:
                yield fault_at(word, "it puts something in the place of the plan: only tests do", "take `with` out")
            number += 1

    def _schemas_of_names(self, rule: RegoRule) -> _Types:
        types: _Types = {}
        words = rule.words
        for number, word in enumerate(words):
            if word.text in {"some", "every"} and word.kind is RegoWordKind.NAME:
                names, index = _names_after(words, number)
                if index < len(words) and words[index].text == "in" and names:
                    self._note(types, names[-1], self._element(words, index + 1, types))
                    for key in names[:-1]:
                        self._note(types, key, None)
            elif word.kind is RegoWordKind.NAME and number + 1 < len(words) and words[number + 1].text == ":=":
                self._note(types, word.text, self._expression_schema(words, number + 2, types))
        return types

    @staticmethod
    def _note(types: _Types, name: str, node: FieldSchema | None) -> None:
        """Record a name's schema; unknown if two declarations differ."""
        types[name] = node if name not in types or types[name] == node else None

    def _element(self, words: Sequence[RegoWord], number: int, types: _Types) -> FieldSchema | None:
        node = self._expression_schema(words, number, types)
        return self.fields.element(node) if node is not None else None

    def _expression_schema(self, words: Sequence[RegoWord], number: int, types: _Types) -> FieldSchema | None:
        if number >= len(words) or words[number].kind is not RegoWordKind.NAME:
            return None
        chain = _chain_at(words, number)
        after = words[chain.end] if chain.end < len(words) else None
        if chain.is_call or not (after is None or after.begins_line or after.text in _ENDS or after.text == "{"):
            return None
        return self._chain_schema(chain, types)

    def _chain_schema(self, chain: _Chain, types: _Types) -> FieldSchema | None:
        node = self.fields.root if chain.base.text == "input" else types.get(chain.base.text)
        for step, _ in chain.steps:
            if node is None:
                return None
            node = self.fields.element(node) if step is None else self.fields.field(node, step)
        return node

    def _chain_problems(
        self, chain: _Chain, words: Sequence[RegoWord], declared: Mapping[str, RegoWord], types: _Types
    ) -> Iterator[Problem]:
        base = chain.base.text
        if chain.is_call:
            yield from self._call_problems(chain)
            return
        if base == "data":
            hint = "use input, and rules of this file"
            yield fault_at(chain.base, "it reads data: a file of rules stands alone", hint, _REFERENCE)
        elif base != "input" and base not in declared and base not in self.rules and base != "_":
            close = which_was_meant(nearest(base, sorted({*declared, *self.rules, "input"})))
            hint = msg("{close} declare it: some {base} in …, or {base_2} := …", close, base, base).lstrip()
            yield fault_at(chain.base, msg("{base} is not declared", base), hint, _REFERENCE)
        elif base in JUDGING and not self.module.is_test:
            yield fault_at(chain.base, msg("a rule reads {base}: only tests do", base), "judge by the plan", _REFERENCE)
        yield from self._step_problems(chain, types)
        node = self._chain_schema(chain, types)
        if node is not None:
            yield from self._comparison_problems(chain, node, words)

    def _call_problems(self, chain: _Chain) -> Iterator[Problem]:
        name = chain.dotted
        if name in self.functions or name in ALLOWED or name == "set":
            return
        message = msg("rules cannot call {name}: {name_2}", name, _why_not(name))
        hint = (
            which_was_meant(nearest(name, sorted(ALLOWED | self.functions)))
            or "what rules may call: provisioner policy --help"
        )
        yield fault_at(chain.base, message, hint, "rego-function")

    def _step_problems(self, chain: _Chain, types: _Types) -> Iterator[Problem]:
        node = self.fields.root if chain.base.text == "input" else types.get(chain.base.text)
        for step, word in chain.steps:
            if node is None:
                if step is not None and step not in self.known:
                    yield self._unknown_field(step, word, self.known)
                continue
            kind = self.fields.kind(node)
            if step is None and kind != "array":
                yield fault_at(word, msg("an index into {kind}", kind), "only lists have numbers", _REFERENCE)
                return
            if step is None:
                node = self.fields.element(node)
                continue
            below = self.fields.field(node, step)
            if below is None:
                yield self._unknown_field(step, word, self.fields.names(node))
                return
            node = below

    @staticmethod
    def _unknown_field(step: str, word: RegoWord, names: Sequence[str] | frozenset[str]) -> Problem:
        listed = sorted(names)
        close = which_was_meant(nearest(step, listed))
        hint = close or (msg("there are {listed}", ", ".join(listed)) if len(listed) <= _MOST_LISTED else _SCHEMA)
        return fault_at(
            word, msg("the plan has no {step} there, so that this never holds", step[:60]), hint, _REFERENCE
        )

    def _comparison_problems(self, chain: _Chain, node: FieldSchema, words: Sequence[RegoWord]) -> Iterator[Problem]:
        """Check that a field is compared with possible values."""
        for operand in self._compared_with(chain, words):
            kind, values = self.fields.kind(node), self.fields.values(node)
            wanted = _LITERALS.get(kind)
            if operand.kind in _LITERALS.values() and operand.kind is not wanted:
                message = msg(
                    "{dotted} is {kind}, and is compared with {text}",
                    chain.dotted,
                    _A_KIND.get(kind, kind),
                    operand.text[:40],
                )
                yield fault_at(operand, message, "compare it with a possible value", _REFERENCE)
            elif values and operand.value is not None and operand.value not in values:
                close = which_was_meant(nearest(operand.value, values))
                hint = msg("{close} it is one of {values}", close, ", ".join(values)).lstrip()
                yield fault_at(
                    operand, msg("{dotted} is never {text}", chain.dotted, operand.text[:40]), hint, _REFERENCE
                )

    @staticmethod
    def _compared_with(chain: _Chain, words: Sequence[RegoWord]) -> Iterator[RegoWord]:
        end, first = chain.end, chain.begin
        if end + 1 < len(words) and words[end].text in _COMPARES:
            yield words[end + 1]
        if first > 1 and words[first - 1].text in _COMPARES:
            yield words[first - 2]
        if end + 1 < len(words) and words[end].text == "in" and words[end + 1].text in {"{", "["}:
            inner = words[end + 1].depth
            for word in words[end + 2 :]:
                if word.depth <= inner:
                    break
                if word.kind is RegoWordKind.TEXT:
                    yield word

    def _test_document_problems(self, words: Sequence[RegoWord]) -> Iterator[Problem]:
        """Check the keys of tests' plans; unknown keys make a test worthless."""
        names = self.fields.all_names | _OWN_FIELDS
        for key, word in _object_keys(words):
            if key not in names:
                yield self._unknown_field(key, word, names)


def _why_not(function: str) -> str:
    """Return why rules may not call a function, as a sentence's end."""
    return next((why for name, why in _WHY_NOT.items() if function.startswith(name)), "no rule has needed it yet")


def _is_step(words: Sequence[RegoWord], number: int) -> bool:
    return words[number - 1].text == "." and words[number].touches


def _chain_at(words: Sequence[RegoWord], number: int) -> _Chain:
    base, index = words[number], number + 1
    steps: list[tuple[str | None, RegoWord]] = []
    while index < len(words) and words[index].touches:
        if words[index].text == "." and index + 1 < len(words):
            steps.append((words[index + 1].text, words[index + 1]))
            index += 2
        elif words[index].text == "[":
            end = next(n for n in range(index + 1, len(words)) if words[n].depth == words[index].depth)
            inside = words[index + 1 : end]
            steps.append((inside[0].value if len(inside) == 1 else None, words[index]))
            index = end + 1
        else:
            break
    is_call = index < len(words) and words[index].text == "(" and words[index].touches
    return _Chain(base, tuple(steps), number, index, is_call)


def _names_after(words: Sequence[RegoWord], number: int) -> tuple[list[str], int]:
    """Return the names after `some` or `every`, and the next word's index."""
    names, index = [], number + 1
    while (
        index < len(words) and words[index].kind is RegoWordKind.NAME and words[index].text not in KEYWORDS - {"input"}
    ):
        names.append(words[index].text)
        index += 1
        if index < len(words) and words[index].text == ",":
            index += 1
    return names, index


def _declared_names(rule: RegoRule) -> dict[str, RegoWord]:
    words = rule.words
    declared = {word.text: word for word in rule.arguments or () if word.kind is RegoWordKind.NAME}
    for number, word in enumerate(words):
        if word.text in {"some", "every"} and word.kind is RegoWordKind.NAME:
            names, _ = _names_after(words, number)
            declared |= {name: words[number + 1] for name in names if name != "_"}
        elif word.text == ":=" and number and word is not words[0]:
            declared |= _assigned_names(words, number)
    declared.pop(rule.name, None)
    return {name: word for name, word in declared.items() if name not in KEYWORDS - {"input"}}


def _assigned_names(words: Sequence[RegoWord], number: int) -> dict[str, RegoWord]:
    before = words[number - 1]
    if before.kind is RegoWordKind.NAME:
        return {before.text: before}
    if before.text not in {"]", "}"}:
        return {}
    names = {}
    for word in reversed(words[: number - 1]):
        if word.depth <= before.depth:
            break
        if word.kind is RegoWordKind.NAME:
            names[word.text] = word
    return names
