"""The sentences that pages say, read out of the calls that say them: in templates and in the package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import jinja2
from jinja2 import nodes

from provisioner import web

FOLDER = Path(web.__file__).parent
Pair = tuple[str, str]


def said() -> dict[str, str]:
    """Every msgid with its plural; empty where it has none."""
    pairs: dict[str, str] = {}
    for template in sorted((FOLDER / "templates").glob("*.j2")):
        pairs |= dict(_in_template(template.read_text(encoding="utf-8")))
    for module in sorted(FOLDER.glob("*.py")):
        pairs |= dict(_in_module(module.read_text(encoding="utf-8")))
    return pairs


def _in_template(text: str) -> Iterator[Pair]:
    for call in jinja2.Environment(autoescape=True).parse(text).find_all(nodes.Call):
        texts = [one.value for one in call.args if isinstance(one, nodes.Const) and isinstance(one.value, str)]
        if isinstance(call.node, nodes.Getattr) and call.node.attr == "plural":
            yield texts[0], texts[1]
        elif _is_t(call.node) and texts:
            yield texts[0], ""


def _is_t(node: nodes.Node) -> bool:
    return (isinstance(node, nodes.Name) and node.name == "t") or (isinstance(node, nodes.Getattr) and node.attr == "t")


def _in_module(text: str) -> Iterator[Pair]:
    for call in ast.walk(ast.parse(text)):
        if not isinstance(call, ast.Call):
            continue
        texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "plural" and texts:
            yield texts[0], texts[1]
        elif name in {"t", "translate"} and texts:
            yield texts[0], ""
