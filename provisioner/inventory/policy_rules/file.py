"""Files of Rego rules, taken apart into words and rules. Pure.

The form of our rules is narrower than Rego, so that a slip of the pen is seen before it lets a plan pass: one package,
no other file's rules, every name declared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from provisioner.base.errors import REGO_RULES
from provisioner.base.text import DEVICE_NAMES, msg

_PATTERN: Final = re.compile(
    r"(?P<space>[ \t]+)|(?P<line>\n)|(?P<comment>#[^\n]*)"
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<raw>`[^`]*`)'
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>:=|==|!=|<=|>=|[=<>+\-*/%&|;,.:()\[\]{}])"
)
_CLOSES: Final = {"(": ")", "[": "]", "{": "}"}
_SHOWN: Final = 20
_NO_WORDS: Final = frozenset({"space", "line", "comment"})
_DEEPEST: Final = 40
DENY: Final = "deny"
WARN: Final = "warn"
JUDGING: Final = (DENY, WARN)
"""The rules that judge a plan."""
TEST: Final = "test_"
"""How the name of a rule begins that tests others."""
PACKAGE: Final = "provisioner"
"""The package of every file is this one's part of the file's own name."""
_PLACED: Final = re.compile(r"(deny|warn|plan)_at_[0-9]+")
KEYWORDS: Final = frozenset(
    [
        "as",
        "contains",
        "data",
        "default",
        "else",
        "every",
        "false",
        "if",
        "import",
        "in",
        "input",
        "not",
        "null",
        "package",
        "some",
        "true",
        "with",
    ]
)
_FORM: Final = "the form that rules have: provisioner policy --help"
FOLDER: Final = REGO_RULES
ENDING: Final = ".rego"
MOST_FILES: Final = 40
"""Rules and tests together."""
MOST_BYTES: Final = 64 * 1024
_TEST: Final = "_test"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")


class RegoWordKind(StrEnum):
    """What a word is."""

    TEXT = "text"
    NUMBER = "number"
    NAME = "name"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class RegoWord:
    """A word.

    Attributes:
        text: as it stands there.
        offset: how many characters come before it.
        line: its line, the first one is 1.
        column: where it begins in it, from 1.
        depth: in how many brackets it stands; a bracket stands where what is around it does.
        begins_line: whether it is the first word of its line.
        touches: whether nothing is between it and the word before.
    """

    kind: RegoWordKind
    text: str
    offset: int
    line: int
    column: int
    depth: int
    begins_line: bool
    touches: bool

    @property
    def value(self) -> str | None:
        """What a text says; None of any other word, and of one that cannot be read."""
        if self.kind is not RegoWordKind.TEXT:
            return None
        if self.text.startswith("`"):
            return self.text[1:-1]
        try:
            return str(json.loads(self.text))
        except ValueError:
            return None


class RegoTextError(Exception):
    """A text that cannot be taken apart: what is wrong, and where."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class RegoFault:
    """What is wrong with a file of rules.

    Attributes:
        line: 0 where it is about the whole file.
        code: the kind of problem.
        message: what is wrong, a sentence without its object.
        hint: what to do next.
    """

    line: int
    column: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RegoRule:
    """One rule: a head with its bodies.

    Attributes:
        name: what it is called.
        words: all of it.
        arguments: those of a function, as they stand between its brackets; None where it is none.
        is_default: whether it says what holds where no other one does.
    """

    name: str
    words: tuple[RegoWord, ...] = field(repr=False)
    arguments: tuple[RegoWord, ...] | None = field(default=None, repr=False)
    is_default: bool = False

    @property
    def head(self) -> RegoWord:
        """The word that names it."""
        return self.words[1] if self.is_default else self.words[0]

    @property
    def is_function(self) -> bool:
        """Whether it takes arguments."""
        return self.arguments is not None


@dataclass(frozen=True, slots=True)
class RegoModule:
    """A file of rules.

    Attributes:
        name: the file's, without its ending; of tests, that of the rules that they are for.
        text: what stands in it.
        rules: in their order.
        is_test: whether it tests the rules of the other file of its name.
        faults: what is wrong with its form.
    """

    name: str
    text: str = field(repr=False)
    rules: tuple[RegoRule, ...] = ()
    is_test: bool = False
    faults: tuple[RegoFault, ...] = ()

    @property
    def package(self) -> str:
        """Its package."""
        return f"{PACKAGE}.{self.name}"

    @property
    def judging(self) -> tuple[RegoRule, ...]:
        """The rules that judge a plan."""
        return tuple(rule for rule in self.rules if rule.name in JUDGING)

    @property
    def tests(self) -> tuple[RegoRule, ...]:
        """The rules that test others."""
        return tuple(rule for rule in self.rules if rule.name.startswith(TEST))

    @property
    def names(self) -> frozenset[str]:
        """The names of its rules and functions."""
        return frozenset(rule.name for rule in self.rules)

    def placed(self) -> tuple[str, dict[str, RegoRule]]:
        """Its text with a name of its own for each rule that judges, so that it is known which one spoke."""
        text, named = self.text, {}
        for rule in reversed(self.judging):
            text = _renamed(text, rule)
            named[_name_by_place(rule)] = rule
        return text, dict(reversed(named.items()))

    def without(self, rule: RegoRule) -> str:
        """Its text with one of its rules under a name that nobody asks for."""
        others = (one for one in self.judging if one is not rule and one.name == rule.name)
        # A name of which there is no rule left is no error of a test's, but an empty set.
        nothing = (
            "" if any(others) else f"\n{rule.name} contains message if {{\n\tmessage := input.inventory\n\tfalse\n}}\n"
        )
        return _renamed(self.text, rule) + nothing


@dataclass(frozen=True, slots=True, order=True)
class RegoFile:
    """A file of rules or of tests.

    Attributes:
        path: where it is in the inventory, e.g. `policy/elections.rego`.
        text: what stands in it.
    """

    path: str
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the rules that it holds or tests."""
        return self._stem.removesuffix(_TEST)

    @property
    def is_test(self) -> bool:
        """Whether it holds tests."""
        return self._stem.endswith(_TEST)

    @property
    def _stem(self) -> str:
        return self.path.removeprefix(f"{FOLDER}/").removesuffix(ENDING)

    @property
    def module(self) -> RegoModule:
        """The file taken apart."""
        return parsed_module(self.name, self.text, is_test=self.is_test)

    @property
    def mark(self) -> str:
        """What hosts remember of it: its name, and the digest of what stands in it."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return f"{self.path.removeprefix(f'{FOLDER}/')} sha256:{digest}"


def words_of(text: str) -> tuple[RegoWord, ...]:
    """The words of a text, without its comments.

    Raises:
        RegoTextError: something in it is no word, or a bracket has no other.
    """
    return tuple(_words(text))


def _words(text: str) -> Iterator[RegoWord]:
    brackets = _Brackets()
    position, line, start, end, begins = 0, 1, 0, -1, True
    while position < len(text):
        column = position - start + 1
        match = _PATTERN.match(text, position)
        if match is None:
            raise RegoTextError(msg("{text} is not understood", _shown(text[position])), line, column)
        kind, word, position = str(match.lastgroup), match.group(), match.end()
        _refuse_unprintable(word, line, column)
        if kind not in _NO_WORDS:
            made = RegoWord(_kind(kind), word, match.start(), line, column, 0, begins, match.start() == end)
            yield brackets.placed(made)
            begins, end = False, position
        if "\n" in word:
            line, start = line + word.count("\n"), match.start() + word.rindex("\n") + 1
            begins = begins or kind == "line"
    brackets.close()


class _Brackets:
    """The brackets that are open at a place of a text."""

    def __init__(self) -> None:
        self._opened: list[RegoWord] = []

    def placed(self, word: RegoWord) -> RegoWord:
        """A word with its depth.

        Raises:
            RegoTextError: it closes what is not open, or opens too much.
        """
        if word.text in _CLOSES.values():
            if not self._opened or _CLOSES[self._opened[-1].text] != word.text:
                raise RegoTextError(msg("nothing opens this {text}", word.text), word.line, word.column)
            self._opened.pop()
        made = replace(word, depth=len(self._opened))
        if word.text in _CLOSES:
            self._opened.append(made)
            if len(self._opened) > _DEEPEST:
                raise RegoTextError(msg("it is more than {deepest} brackets deep", _DEEPEST), word.line, word.column)
        return made

    def close(self) -> None:
        """See that nothing is open.

        Raises:
            RegoTextError: something is.
        """
        if self._opened:
            last = self._opened[-1]
            raise RegoTextError(msg("nothing closes this {text}", last.text), last.line, last.column)


def _kind(group: str) -> RegoWordKind:
    return RegoWordKind.TEXT if group == "raw" else RegoWordKind(group)


def _refuse_unprintable(word: str, line: int, column: int) -> None:
    """Refuse characters that are not what they look like: whoever reads the text has to see what is evaluated.

    Raises:
        RegoTextError: there is one.
    """
    for number, character in enumerate(word):
        if not character.isprintable() and character not in "\n\t":
            raise RegoTextError(msg("{character} cannot be seen", _shown(character)), line, column + number)


def _shown(character: str) -> str:
    return character if character.isprintable() else f"U+{ord(character):04X}"[:_SHOWN]


def parsed_module(name: str, text: str, *, is_test: bool = False) -> RegoModule:
    """A file's text taken apart.

    Args:
        name: the file's, without `.rego` and `_test`.
        text: what stands in it.
        is_test: whether it holds tests.
    """
    try:
        words = words_of(text)
    except RegoTextError as error:
        fault = RegoFault(error.line, error.column, "rego-form", error.message, _FORM)
        return RegoModule(name, text, is_test=is_test, faults=(fault,))
    rules: list[RegoRule] = []
    faults: list[RegoFault] = []
    statements = list(_statements(words))
    faults += _of_beginning(name, statements)
    for statement in statements:
        if statement[0].text in {"package", "import"}:
            continue
        made = _rule(statement)
        if isinstance(made, RegoRule):
            rules.append(made)
        else:
            faults.append(made)
    module = RegoModule(name, text, tuple(rules), is_test=is_test)
    faults += _of_rules(module)
    return RegoModule(name, text, tuple(rules), is_test=is_test, faults=tuple(faults))


def _renamed(text: str, rule: RegoRule) -> str:
    return text[: rule.head.offset] + _name_by_place(rule) + text[rule.head.offset + len(rule.name) :]


def _name_by_place(rule: RegoRule) -> str:
    return f"{rule.name}_at_{rule.head.line}"


def fault_at(word: RegoWord, message: str, hint: str, code: str = "rego-form") -> RegoFault:
    """A fault at a word."""
    return RegoFault(word.line, word.column, code, message, hint)


def _statements(words: Sequence[RegoWord]) -> Iterator[tuple[RegoWord, ...]]:
    """What stands in no bracket, each from the beginning of a line on; an `else` belongs to the rule before it."""
    statement: list[RegoWord] = []
    for word in words:
        if statement and word.depth == 0 and word.begins_line and word.text not in {"else", *")]}"}:
            yield tuple(statement)
            statement = []
        statement.append(word)
    if statement:
        yield tuple(statement)


def _of_beginning(name: str, statements: Sequence[tuple[RegoWord, ...]]) -> Iterator[RegoFault]:
    """A file begins with its own package, and imports `rego.v1` and nothing else."""
    own, beginning = (
        f"{PACKAGE}.{name}",
        msg("begin the file with `package {package}.{name}` and `import rego.v1`", PACKAGE, name),
    )
    texts = ["".join(word.text for word in statement[1:]) for statement in statements]
    heads = [statement[0] for statement in statements]
    if not heads or heads[0].text != "package" or texts[0] != own:
        yield RegoFault(
            heads[0].line if heads else 1, 1, "rego-form", msg("the file is not of the package {own}", own), beginning
        )
    imports = [(head, text) for head, text in zip(heads, texts, strict=True) if head.text == "import"]
    if not any(text == "rego.v1" for _, text in imports):
        yield RegoFault(1, 1, "rego-form", "the file does not import rego.v1", beginning)
    for head, text in imports:
        if text != "rego.v1":
            yield fault_at(
                head,
                msg("it imports {text}: a file of rules stands alone", text[:60]),
                "write input.… where it is meant",
            )
    for head, statement in zip(heads[1:], statements[1:], strict=True):
        if head.text == "package":
            yield fault_at(statement[0], "it names a second package", "a file is of one package: take this line out")


def _rule(statement: tuple[RegoWord, ...]) -> RegoRule | RegoFault:
    is_default = statement[0].text == "default"
    words = statement[1:] if is_default else statement
    if not words or words[0].kind is not RegoWordKind.NAME or words[0].text in KEYWORDS:
        return fault_at(statement[0], msg("{text} begins no rule", statement[0].text[:40]), _FORM)
    name, rest = words[0], words[1:]
    follows = rest[0].text if rest else ""
    if follows in {".", "["}:
        return fault_at(
            name,
            msg("{text} has more than a name as its head", name.text),
            msg("write `{text} contains …`, or one name", name.text),
        )
    arguments = None
    if follows == "(" and rest[0].touches:
        end = next(n for n, word in enumerate(rest) if word.text == ")" and word.depth == rest[0].depth)
        arguments = rest[1:end]
    return RegoRule(name.text, statement, arguments, is_default)


def _of_rules(module: RegoModule) -> Iterator[RegoFault]:
    if not module.is_test and not module.judging:
        yield RegoFault(
            1, 1, "rego-form", "it has no rule named deny or warn, and judges nothing", "write `deny contains …`"
        )
    seen: set[str] = set()
    for rule in module.rules:
        yield from _of_name(module, rule, seen)
        seen.add(rule.name)
    used = {word.text for rule in module.rules for word in rule.words if word is not rule.head}
    for rule in module.rules:
        if rule.name not in used and rule.name not in JUDGING and not rule.name.startswith(TEST):
            hint = "rules that judge are called deny and warn; take it out, or use it"
            yield fault_at(rule.head, msg("nothing uses {name}", rule.name), hint)


def _of_name(module: RegoModule, rule: RegoRule, seen: set[str]) -> Iterator[RegoFault]:
    if _PLACED.fullmatch(rule.name):
        yield fault_at(rule.head, msg("{name} is a name of provisioner's own", rule.name), "give it another one")
    if rule.name in JUDGING and module.is_test:
        yield fault_at(
            rule.head, msg("tests have no {name}: it would be another one than is tested", rule.name), "take it out"
        )
    elif rule.name in JUDGING and (rule.is_default or [w.text for w in rule.words[1:2]] != ["contains"]):
        hint = msg("write `{name} contains message if { … }`", rule.name)
        yield fault_at(rule.head, msg("{name} is no set of messages", rule.name), hint)
    if not rule.name.startswith(TEST):
        return
    if not module.is_test:
        hint = msg("put it into {name}_test.rego", module.name)
        yield fault_at(rule.head, msg("{name} is a test, and stands among rules", rule.name), hint)
    elif rule.name in seen or rule.is_default or [w.text for w in rule.words[1:2]] != ["if"]:
        hint = "write `test_NAME if { … }`, each name once"
        yield fault_at(rule.head, msg("{name} is there twice, or is more than its conditions", rule.name), hint)


def is_rego_name(name: str) -> bool:
    """Whether a file of rules may have such a name: a package's, with the ending."""
    stem = name.removesuffix(ENDING)
    if stem in DEVICE_NAMES:
        return False
    return name.endswith(ENDING) and _NAME.fullmatch(stem) is not None and stem.removesuffix(_TEST) != ""
