"""Parser of Rego files into words and rules. Pure.

Our rules are a subset of Rego, so that a typo is found before it lets a plan pass: one package, no references to other
files, every name declared.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from provisioner.base.errors import REGO_RULES, Problem
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
JUDGING: Final = (DENY, WARN)  #: Names of rules that judge a plan.
TEST: Final = "test_"  #: Prefix of a test rule's name.
PACKAGE: Final = "provisioner"  #: Prefix of each file's package; the file's name follows.
_PLACED: Final = re.compile(r"(deny|warn|plan)_at_[0-9]+")
KEYWORDS: Final = frozenset(
    [
        *("as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "not"),
        *("null", "package", "some", "true", "with"),
    ]
)
_FORM: Final = "the form that rules have: provisioner policy --help"
FOLDER: Final = REGO_RULES
ENDING: Final = ".rego"
MOST_FILES: Final = 40  #: Rules and tests together.
MOST_BYTES: Final = 64 * 1024
_TEST: Final = "_test"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")


class RegoWordKind(StrEnum):
    """Kind of a word."""

    TEXT = "text"
    NUMBER = "number"
    NAME = "name"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class RegoWord:
    """A word of a Rego text."""

    kind: RegoWordKind
    text: str
    offset: int  #: Number of characters before it; `line` and `column` begin with 1.
    line: int
    column: int
    depth: int  #: Number of brackets around it; a bracket itself does not count.
    begins_line: bool  #: Whether it is the first word of its line.
    touches: bool  #: Whether it directly follows the previous word.

    @property
    def value(self) -> str | None:
        """Value of a text; `None` for other words and invalid texts."""
        if self.kind is not RegoWordKind.TEXT:
            return None
        if self.text.startswith("`"):
            return self.text[1:-1]
        try:
            return str(json.loads(self.text))
        except ValueError:
            return None


class RegoTextError(Exception):
    """A text cannot be parsed: message and position."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class RegoRule:
    """A rule: a head with its bodies; only a function has `arguments`."""

    name: str
    words: tuple[RegoWord, ...] = field(repr=False)
    arguments: tuple[RegoWord, ...] | None = field(default=None, repr=False)
    is_default: bool = False

    @property
    def head(self) -> RegoWord:
        """Word with the rule's name."""
        return self.words[1] if self.is_default else self.words[0]


@dataclass(frozen=True, slots=True)
class RegoModule:
    """A parsed file; tests have the name of their rules' file."""

    name: str
    text: str = field(repr=False)
    rules: tuple[RegoRule, ...] = ()
    is_test: bool = False
    faults: tuple[Problem, ...] = ()

    @property
    def package(self) -> str:
        """Package of the file."""
        return f"{PACKAGE}.{self.name}"

    @property
    def judging(self) -> tuple[RegoRule, ...]:
        """Rules that judge a plan."""
        return tuple(rule for rule in self.rules if rule.name in JUDGING)

    @property
    def tests(self) -> tuple[RegoRule, ...]:
        """Test rules."""
        return tuple(rule for rule in self.rules if rule.name.startswith(TEST))

    @property
    def names(self) -> frozenset[str]:
        """Names of rules and functions."""
        return frozenset(rule.name for rule in self.rules)

    def text_with_rule_names(self) -> tuple[str, dict[str, RegoRule]]:
        """Return the text with unique names of judging rules, and the rules."""
        text, rules_by_name = self.text, {}
        for rule in reversed(self.judging):
            text = _renamed(text, rule)
            rules_by_name[_name_by_position(rule)] = rule
        return text, dict(reversed(rules_by_name.items()))

    def without(self, rule: RegoRule) -> str:
        """Return the text with one rule renamed, i.e. without effect."""
        siblings = (sibling for sibling in self.judging if sibling is not rule and sibling.name == rule.name)
        # A name of which there is no rule left is no error of a test's, but an empty set.
        nothing = (
            ""
            if any(siblings)
            else f"\n{rule.name} contains message if {{\n\tmessage := input.inventory\n\tfalse\n}}\n"
        )
        return _renamed(self.text, rule) + nothing


@dataclass(frozen=True, slots=True, order=True)
class RegoFile:
    """A file, e.g. `policy/elections.rego`, with rules or tests."""

    path: str
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the rules that it has or tests."""
        return self._stem.removesuffix(_TEST)

    @property
    def is_test(self) -> bool:
        """Whether it is a file of tests."""
        return self._stem.endswith(_TEST)

    @property
    def _stem(self) -> str:
        return self.path.removeprefix(f"{FOLDER}/").removesuffix(ENDING)

    @property
    def module(self) -> RegoModule:
        """The parsed file."""
        return parsed_module(self.name, self.text, is_test=self.is_test)

    @property
    def mark(self) -> str:
        """Its name and content digest, as hosts remember them."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return f"{self.path.removeprefix(f'{FOLDER}/')} sha256:{digest}"


def words_of(text: str) -> tuple[RegoWord, ...]:
    """Return a text's words, without comments, or raise `RegoTextError`."""
    return tuple(_words_in(text))


def _words_in(text: str) -> Iterator[RegoWord]:
    brackets = _Brackets()
    position, line, start, end, begins = 0, 1, 0, -1, True
    while position < len(text):
        column = position - start + 1
        match = _PATTERN.match(text, position)
        if match is None:
            raise RegoTextError(msg("{text} is not understood", _readable_character(text[position])), line, column)
        kind, word, position = str(match.lastgroup), match.group(), match.end()
        _refuse_unprintable(word, line, column)
        if kind not in _NO_WORDS:
            made = RegoWord(_kind(kind), word, match.start(), line, column, 0, begins, match.start() == end)
            yield brackets.with_depth(made)
            begins, end = False, position
        if "\n" in word:
            line, start = line + word.count("\n"), match.start() + word.rindex("\n") + 1
            begins = begins or kind == "line"
    brackets.close()


class _Brackets:
    def __init__(self) -> None:
        self._opened: list[RegoWord] = []

    def with_depth(self, word: RegoWord) -> RegoWord:
        """Return a word with its depth; wrong brackets raise `RegoTextError`."""
        if word.text in _CLOSES.values():
            if not self._opened or _CLOSES[self._opened[-1].text] != word.text:
                raise RegoTextError(msg("this {text} is not opened", word.text), word.line, word.column)
            self._opened.pop()
        made = replace(word, depth=len(self._opened))
        if word.text in _CLOSES:
            self._opened.append(made)
            if len(self._opened) > _DEEPEST:
                raise RegoTextError(msg("it is more than {deepest} brackets deep", _DEEPEST), word.line, word.column)
        return made

    def close(self) -> None:
        """Raise `RegoTextError` if a bracket is open."""
        if self._opened:
            last = self._opened[-1]
            raise RegoTextError(msg("this {text} is not closed", last.text), last.line, last.column)


def _kind(group: str) -> RegoWordKind:
    return RegoWordKind.TEXT if group == "raw" else RegoWordKind(group)


def _refuse_unprintable(word: str, line: int, column: int) -> None:
    """Refuse invisible characters, which reviewers would miss (`RegoTextError`)."""
    for number, character in enumerate(word):
        if not character.isprintable() and character not in "\n\t":
            raise RegoTextError(
                msg("{character} cannot be seen", _readable_character(character)), line, column + number
            )


def _readable_character(character: str) -> str:
    return character if character.isprintable() else f"U+{ord(character):04X}"[:_SHOWN]


def parsed_module(name: str, text: str, *, is_test: bool = False) -> RegoModule:
    """Parse a file; `name` is without `.rego` and `_test`."""
    try:
        words = words_of(text)
    except RegoTextError as error:
        fault = Problem("", error.line, error.column, "rego-form", error.message, _FORM)
        return RegoModule(name, text, is_test=is_test, faults=(fault,))
    rules: list[RegoRule] = []
    faults: list[Problem] = []
    statements = list(_statements(words))
    faults += _beginning_problems(name, statements)
    for statement in statements:
        if statement[0].text in {"package", "import"}:
            continue
        made = _rule_of(statement)
        if isinstance(made, RegoRule):
            rules.append(made)
        else:
            faults.append(made)
    module = RegoModule(name, text, tuple(rules), is_test=is_test)
    faults += _rule_problems(module)
    return RegoModule(name, text, tuple(rules), is_test=is_test, faults=tuple(faults))


def _renamed(text: str, rule: RegoRule) -> str:
    return text[: rule.head.offset] + _name_by_position(rule) + text[rule.head.offset + len(rule.name) :]


def _name_by_position(rule: RegoRule) -> str:
    return f"{rule.name}_at_{rule.head.line}"


def fault_at(word: RegoWord, message: str, hint: str, code: str = "rego-form") -> Problem:
    """Return a fault at a word's position."""
    return Problem("", word.line, word.column, code, message, hint)


def _statements(words: Sequence[RegoWord]) -> Iterator[tuple[RegoWord, ...]]:
    """Split words into statements, which start lines outside brackets."""
    # An `else` belongs to the rule before it.
    statement: list[RegoWord] = []
    for word in words:
        if statement and word.depth == 0 and word.begins_line and word.text not in {"else", *")]}"}:
            yield tuple(statement)
            statement = []
        statement.append(word)
    if statement:
        yield tuple(statement)


def _beginning_problems(name: str, statements: Sequence[tuple[RegoWord, ...]]) -> Iterator[Problem]:
    """Check that a file has its own package and imports only `rego.v1`."""
    package, first_lines = (
        f"{PACKAGE}.{name}",
        msg("begin the file with `package {package}.{name}` and `import rego.v1`", PACKAGE, name),
    )
    texts = ["".join(word.text for word in statement[1:]) for statement in statements]
    heads = [statement[0] for statement in statements]
    if not heads or heads[0].text != "package" or texts[0] != package:
        yield Problem(
            "",
            heads[0].line if heads else 1,
            1,
            "rego-form",
            msg("the file is not of the package {own}", package),
            first_lines,
        )
    imports = [(head, text) for head, text in zip(heads, texts, strict=True) if head.text == "import"]
    if not any(text == "rego.v1" for _, text in imports):
        yield Problem("", 1, 1, "rego-form", "the file does not import rego.v1", first_lines)
    for head, text in imports:
        if text != "rego.v1":
            yield fault_at(
                head,
                msg("it imports {text}: a file of rules stands alone", text[:60]),
                "write input.… instead of the imported name",
            )
    for head, statement in zip(heads[1:], statements[1:], strict=True):
        if head.text == "package":
            yield fault_at(statement[0], "it names a second package", "a file is of one package: take this line out")


def _rule_of(statement: tuple[RegoWord, ...]) -> RegoRule | Problem:
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


def _rule_problems(module: RegoModule) -> Iterator[Problem]:
    if not module.is_test and not module.judging:
        yield Problem(
            "", 1, 1, "rego-form", "it has no rule named deny or warn, and so no effect", "write `deny contains …`"
        )
    earlier: set[str] = set()
    for rule in module.rules:
        yield from _name_problems(module, rule, earlier)
        earlier.add(rule.name)
    used = {word.text for rule in module.rules for word in rule.words if word is not rule.head}
    for rule in module.rules:
        if rule.name not in used and rule.name not in JUDGING and not rule.name.startswith(TEST):
            hint = "rules that judge are called deny and warn; take it out, or use it"
            yield fault_at(rule.head, msg("{name} is unused", rule.name), hint)


def _name_problems(module: RegoModule, rule: RegoRule, earlier: set[str]) -> Iterator[Problem]:
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
    elif rule.name in earlier or rule.is_default or [w.text for w in rule.words[1:2]] != ["if"]:
        hint = "write `test_NAME if { … }`, each name once"
        yield fault_at(rule.head, msg("{name} is there twice, or is more than its conditions", rule.name), hint)


def is_rego_name(name: str) -> bool:
    """Return whether a file of rules may have this name."""
    stem = name.removesuffix(ENDING)
    if stem in DEVICE_NAMES:
        return False
    return name.endswith(ENDING) and _NAME.fullmatch(stem) is not None and stem.removesuffix(_TEST) != ""
