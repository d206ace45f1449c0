"""docs/reference/problems.md has a line on every code, and the catalogue behind it is what the code uses."""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from provisioner.base.language import Language
from provisioner.importing.contacts.fields import FIELD_SENTENCES
from provisioner.report.problem_catalogue import CATALOGUE, SECTIONS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/problems.md"
GUARDS = tuple(f"provisioner/plan/guards/{name}.py" for name in ("reachability", "policy_rules"))
PLACES = ("provisioner/inventory", "provisioner/importing/contacts", "provisioner/operations/edit/validate.py", *GUARDS)
NO_PLACE = ROOT / "provisioner/inventory/geography.py"  #: Names of provinces have the form of codes.
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+\Z")
# Words of the same form that are something else; each with what it is.
NO_CODES = {
    "br-lan": "an interface",
    "cat-file": "Git",
    "e-mail": "a word",
    "gso-2021": "a list of provinces",
    "gso-2025": "a list of provinces",
    "ssh-keygen": "OpenSSH",
    "secrets-salt": "a file of the cache",
    "ls-files": "Git",
    "ls-tree": "Git",
    "policy-input": "a document",
    "rev-list": "Git",
    "rev-parse": "Git",
    "site-package": "a command",
    "sign-off": "a command",
    "utf-8": "an encoding",
    "utf-8-sig": "an encoding",
}

HEAD = """\
# Problems

Each problem that `validate` finds has a code, and so has what `plan` and `drift` see of machines (`warnings` of their
documents). Codes never change their meaning: pipelines may filter by them, in the document of `--output json`, or in
the SARIF file that `validate --sarif FILE` writes for merge requests. The message of a problem names the object, its
file, line and column; the hint below it says what to write or to run.

An **error** ends `validate` with exit code 3. One that is about a single facility holds that facility: what hosts have
of it stays as it is, and other commands go on with all others; any other error stops every command, but those of
receivers and of rules (`policy/`), which stop what needs them. A **warning** does neither. Some codes are one or the
other, by how bad the single case is.

Below, each code has its meaning, and after the arrow what mends it. This page is made from
`provisioner/report/problem_catalogue.py`; a test holds both against the code.
"""


def page() -> str:
    """The page as it has to be."""
    parts = [HEAD]
    for title, entries in SECTIONS.items():
        parts.append(section(title, ((code, entry.meaning, entry.mending) for code, entry in entries.items())))
    fields = ((code, said.message, said.hint) for code, said in FIELD_SENTENCES[Language.EN].items())
    return "\n".join([*parts, section("Single fields of contacts", fields)])


def section(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A heading and a list of codes, each wrapped like prose."""
    lines = [line for row in rows for line in wrapped(*row)]
    return "\n".join([f"## {title}", "", *lines, ""])


def wrapped(code: str, meaning: str, mending: str) -> list[str]:
    """One code's entry."""
    text = f"- `{code}`: {meaning} → {mending}"
    return textwrap.wrap(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def test_the_page_is_what_the_catalogue_says(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run pytest --update-golden and read the diff"


def literals() -> Iterator[tuple[str, bool]]:
    """Every text in the code that has the form of a code, or, in f-strings, of the end of one."""
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if file == NO_PLACE:
                continue
            tree = ast.parse(file.read_text(encoding="utf-8"))
            inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    if id(node) not in inside and CODE.match(node.value):
                        yield node.value, True
                    elif id(node) in inside and re.fullmatch(r"(-[a-z]+)+", node.value):
                        yield node.value, False


def test_every_code_in_the_code_is_in_the_catalogue_and_the_other_way_round() -> None:
    known = set(CATALOGUE) | set(FIELD_SENTENCES[Language.EN])
    texts = list(literals())
    whole = {text for text, complete in texts if complete} - set(NO_CODES)
    ends = {text for text, complete in texts if not complete}
    assert whole - known == set(), "add them to provisioner/report/problem_catalogue.py, or to NO_CODES"
    assert {end for end in ends if not any(code.endswith(end) for code in known)} == set()
    made = {code for code in known if code in whole or any(code.endswith(end) for end in ends)}
    assert known - made == set(), "nothing has these codes any more"


def test_no_code_stands_in_two_sections() -> None:
    assert sum(map(len, SECTIONS.values())) == len(CATALOGUE)
    assert set(CATALOGUE).isdisjoint(FIELD_SENTENCES[Language.EN])


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_an_entry_is_two_sentences_in_plain_words(code: str) -> None:
    assert CODE.match(code)
    for sentence in CATALOGUE[code]:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not set("|→") & set(sentence)
