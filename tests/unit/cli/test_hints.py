"""What a message tells people to do can be done: commands, options and paths that it names are there.

Who installed the program from a wheel has no checkout: no page, no example inventory and no script of ours.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from provisioner.cli.main import cli, run
from tests import inventories as make
from tests.command_tree import every_command

PACKAGE = Path(__file__).parents[3] / "provisioner"
# Programs of others whose options and files our messages name.
_FOREIGN = re.compile(
    r"ssh-key(gen|scan)|ansible-vault|git |setfacl|systemctl|nft |wg |apt|dnf|pip|gst-|runuser|firewall-cmd"
)
_OURS = re.compile(r"\b(?:docs|inventories|scripts|tests|playbooks|mediamtx-templates)/[\w.-]+|(?:README|CHANGELOG)\b")
_COMMAND = re.compile(r"(?<![\w/.-])provisioner((?: (?:-i DIR|--output \w+))*(?: [a-z][a-z-]*)+)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# Words behind `provisioner` that make a sentence of it, e.g. "provisioner again".
_PROSE = frozenset(
    ["again", "that", "does", "is", "has", "of", "and", "or", "in", "which", "without", "names", "from", "to", "as"]
)
#: Modules whose words are arguments of other programs, beside a few messages.
_NO_TEXTS = {"base/child_process.py", "hosts/ansible/play.py", "base/git.py", "inventory/files/revision.py"}


@cache
def _options() -> frozenset[str]:
    known = {"--help", "--version"}
    for command in (cli, *every_command().values()):
        known |= {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return frozenset(known)


def _docstrings(tree: ast.Module) -> set[int]:
    with_body = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, with_body)]
    statements = [statement for body in bodies for statement in body]
    return {id(s.value) for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)}


@cache
def _texts() -> tuple[tuple[str, str], ...]:
    return tuple(_read_texts())


def _read_texts() -> Iterator[tuple[str, str]]:
    """Every text of the package that may be printed, with its place; what a command's help says is one."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        hidden = _docstrings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in hidden:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.value
    for name, command in every_command().items():
        yield f"{name} --help", command.help or ""


def test_no_message_leads_to_a_file_that_only_a_checkout_has() -> None:
    found = [f"{place}: {match[0]}" for place, text in _texts() for match in _OURS.finditer(text)]
    # The templates' folder is looked for under its name in the wheel, too: it is no message.
    assert [line for line in found if not line.startswith("render/templates.py")] == []


def test_every_command_that_a_message_names_is_one() -> None:
    named = [(place, match[1]) for place, text in _texts() for match in _COMMAND.finditer(text)]
    assert len(named) > 20
    for place, words in named:
        first, *more = re.sub(r" (?:-i DIR|--output \w+)", "", words).split()
        if first in _PROSE:
            continue
        assert first in every_command(), f"{place}: provisioner{words}"
        command = every_command()[first]
        is_group = isinstance(command, click.Group) and not command.invoke_without_command
        if is_group and more and more[0] not in _PROSE:
            assert f"{first} {more[0]}" in every_command(), f"{place}: provisioner{words}"


def test_every_option_that_a_message_names_is_one() -> None:
    named = 0
    for place, text in _texts():
        if place.partition(":")[0] in _NO_TEXTS or _FOREIGN.search(text) or " " not in text:
            continue
        for match in _OPTION.finditer(text):
            named += 1
            assert match[0] in _options(), f"{place}: {match[0]} in {text!r}"
    assert named > 40


def test_errors_come_before_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = make.facility("kcl-bg-002") | {"kind": "palace"}
    root = make.write_inventory(tmp_path, {"facilities/bac-giang/kcl-bg-002.yml": broken})
    assert run(["validate", "-i", str(root)], {}) == 3
    out = capsys.readouterr().out
    heads = [line.partition(":")[0] for line in out.splitlines() if line.startswith(("error:", "warning:"))]
    assert {"error", "warning"} == set(heads)
    assert heads == sorted(heads)
