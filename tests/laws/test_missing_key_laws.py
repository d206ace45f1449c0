"""No code takes a key that a typed dictionary may lack without asking for it first."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = [*(ROOT / "provisioner").rglob("*.py"), *(ROOT / "playbooks").rglob("*.py")]


def dictionaries(trees: Mapping[Path, ast.Module]) -> dict[str, set[str]]:
    """Return the keys that each typed dictionary may lack, by its name, with those of its bases."""
    classes = {node.name: node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def lacking(name: str) -> set[str] | None:
        node = classes.get(name)
        bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases] if node else []
        known = [keys for base in bases if base != name and (keys := lacking(base)) is not None]
        if node is None or not ("TypedDict" in bases or known):
            return None
        partial = any(word.arg == "total" for word in node.keywords)
        own = (
            (ast.unparse(one.target), ast.unparse(one.annotation))
            for one in node.body
            if isinstance(one, ast.AnnAssign)
        )
        may = {
            key
            for key, kind in own
            if kind.startswith("NotRequired[") or (partial and not kind.startswith("Required["))
        }
        return may.union(*known)

    return {name: keys for name in classes if (keys := lacking(name))}


def unasked(tree: ast.Module, lacking: Mapping[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Yield each key that a function takes of a name with such a type, and names nowhere else, outside of a `try`."""
    any_of_them = set[str]().union(*lacking.values())
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        inside = list(ast.walk(function))
        if not any(isinstance(one, ast.Constant) and one.value in any_of_them for one in inside):
            continue
        kinds = {one.arg: one.annotation for one in inside if isinstance(one, ast.arg) and one.annotation}
        kinds |= {ast.unparse(one.target): one.annotation for one in inside if isinstance(one, ast.AnnAssign)}
        named = {name: ast.unparse(kind).removesuffix(" | None").rpartition(".")[2] for name, kind in kinds.items()}
        subscripts = [one for one in inside if isinstance(one, ast.Subscript) and isinstance(one.ctx, ast.Load)]
        taken = [(one, one.slice.value) for one in subscripts if isinstance(one.slice, ast.Constant)]
        slices = {id(one.slice) for one in subscripts}
        tried = {id(one) for block in inside if isinstance(block, ast.Try) for one in ast.walk(block)}
        asked = {one.value for one in inside if isinstance(one, ast.Constant) and id(one) not in slices}
        for one, key in taken:
            may = lacking.get(named.get(ast.unparse(one.value), ""), set())
            if key in may - asked and id(one) not in tried:
                yield one.lineno, ast.unparse(one)


def test_a_key_that_may_be_missing_is_asked_for_before_it_is_taken() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in MODULES}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    lacking = dictionaries(trees)
    takes = re.compile("|".join(rf"\[\s*[\"']{key}[\"']\s*\]" for key in sorted(set[str]().union(*lacking.values()))))
    assert "following" in lacking["KeysAnswer"]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path, tree in trees.items()
        if takes.search(texts[path])
        for line, what in unasked(tree, lacking)
    ]
    assert found == []
