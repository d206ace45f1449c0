"""The words of the code: one name, one thing; no gerund is a module; docstrings say what a thing is or does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "provisioner", ROOT / "playbooks" / "provisioner_host"]
EMPTY_WORDS = {"found", "told"}
"""Names that say nothing of what they hold."""
ROOMS_WITH_A_GERUND = {"importing", "alerting", "monitoring"}
"""`import` is a keyword, and the room is as old as its command; alerting and monitoring are names of the field."""
NOUNS_IN_ING = {"spelling", "running", "signing"}
"""Nouns that only end like a gerund."""


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    paths = [path for source in SOURCES for path in sorted(source.rglob("*.py"))]
    return tuple((path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def names_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module gives: variables, parameters, attributes, functions, classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_no_module_or_folder_is_called_by_a_gerund() -> None:
    names = {part.removesuffix(".py") for path, _ in modules() for part in path.parts}
    assert {name for name in names if name.endswith("ing")} == ROOMS_WITH_A_GERUND | NOUNS_IN_ING


def test_no_name_says_nothing() -> None:
    empty = [
        f"{path}:{line} {name}" for path, tree in modules() for line, name in names_of(tree) if name in EMPTY_WORDS
    ]
    assert empty == []


def test_docstrings_say_what_a_thing_is() -> None:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    giving = [
        f"{path}:{getattr(node, 'lineno', 1)}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, kinds) and (ast.get_docstring(node) or "").startswith("Give ")
    ]
    assert giving == []


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


ANY_LEFT = 5
