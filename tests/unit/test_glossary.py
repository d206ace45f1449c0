"""Names of the code: words of the glossary or ordinary English; no word of a private dialect."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "provisioner", ROOT / "playbooks" / "provisioner_host"]
#: Words that say nothing of what a thing is: for classes, functions and modules, whole or as a part of the name.
NOT_NAMES = {
    *("held", "seen", "told", "asked", "shown", "begun", "known", "standing", "wholes", "strays", "travel", "tidings"),
    *("sight", "way", "due", "kept", "course", "room", "door", "doors", "place", "found"),
}
#: Names with such a word that are not renamed yet; the figure may only fall.
LEFT = {"classes": 3, "functions": 11, "modules": 0}
#: `import` is a keyword; alerting and monitoring are names of the field.
ROOMS_WITH_A_GERUND = {"importing", "alerting", "monitoring"}
NOUNS_IN_ING = {"running", "signing"}  #: Nouns that only end like a gerund.
ANY_LEFT = 5


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    paths = [path for source in SOURCES for path in sorted(source.rglob("*.py"))]
    return tuple((path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def words_of(name: str) -> list[str]:
    """Split a name in snake or camel case into words in small letters."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def dialect() -> Iterator[tuple[str, str]]:
    """Yield the kind and place of each public name with a word that is no name."""
    for path, tree in modules():
        if NOT_NAMES & set(words_of(path.stem)):
            yield "modules", str(path)
        for node in ast.walk(tree):
            match node:
                case ast.ClassDef(name=name):
                    kind = "classes"
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    kind = "functions"
                case _:
                    continue
            if not name.startswith("_") and NOT_NAMES & set(words_of(name)):
                yield kind, f"{path}:{node.lineno} {name}"


def test_no_name_is_of_a_private_dialect() -> None:
    listed = list(dialect())
    for kind, most in LEFT.items():
        of_kind = [place for k, place in listed if k == kind]
        assert len(of_kind) <= most, of_kind


def test_the_page_has_each_word_once_and_few_of_them() -> None:
    page = (ROOT / "docs/reference/glossary.md").read_text(encoding="utf-8")
    words = [w for w in re.findall(r"^\| ([^|]+?) \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE) if w != "English"]
    assert sorted(set(words)) == sorted(words)
    assert 40 < len(words) <= 80


def test_no_module_or_folder_is_called_by_a_gerund() -> None:
    names = {part.removesuffix(".py") for path, _ in modules() for part in path.parts}
    assert {name for name in names if name.endswith("ing")} == ROOMS_WITH_A_GERUND | NOUNS_IN_ING


def test_any_stands_in_few_places() -> None:
    """`Any` switches the type checker off: each one left has its reason beside it."""
    places = [
        f"{path}:{node.lineno}"
        for path, tree in modules()
        if path.parts[0] == "provisioner"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert len(places) <= ANY_LEFT, places
