"""`python -m tests.words`: how plain the English of docs, docstrings and messages is, held against pyproject.toml.

Two rates per 1,000 words: negative nouns ("nobody", "nothing", "nowhere", "none") and clauses that stand for a noun
("what is", "who has", "where it"). Code spans and code blocks do not count. A sentence ends at a full stop, a colon
that ends a line, a cell of a table or an empty line. A docstring's first line has at most 12 words.
"""

import ast
import re
import statistics
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

import polib

ROOT = Path(__file__).parents[1]
_CODE: Final = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_NEGATIVE: Final = re.compile(r"\b(?:[Nn]obody|[Nn]othing|[Nn]owhere|none|None of)\b")
_CLAUSE: Final = re.compile(
    r"\b(?:what|who|whose|where|whatever|whoever|wherever)\s+(?:is|are|was|were|has|have|had|it|they|there)\b",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[.!?](?=\s|$)|:\s*\n|\n\s*\n|\n\s*(?:[-*#>]|\d+\.)\s|\|")
_FIRST_LINE_WORDS: Final = 12
_SHORTEST_SENTENCE: Final = 3


def figures_of(texts: Iterable[str]) -> dict[str, float]:
    """Count the rates per 1,000 words, and the median and ninth decile of the words in a sentence."""
    plain = [_CODE.sub("x", text) for text in texts]
    words = sum(len(text.split()) for text in plain) or 1
    lengths = [n for text in plain for part in _SENTENCE.split(text) if (n := len(part.split())) >= _SHORTEST_SENTENCE]
    return {
        "words": words,
        "negative": round(1000 * sum(len(_NEGATIVE.findall(text)) for text in plain) / words, 1),
        "clauses": round(1000 * sum(len(_CLAUSE.findall(text)) for text in plain) / words, 1),
        "median": statistics.median(lengths or [0]),
        "decile": statistics.quantiles(lengths or [0, 0], n=10)[-1] if len(lengths) > 1 else 0,
    }


def docs(root: Path) -> Iterator[str]:
    """Yield the text of the README and of each page of the docs."""
    for path in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        yield path.read_text(encoding="utf-8")


def docstrings(root: Path) -> Iterator[str]:
    """Yield the docstrings of the package and the host program."""
    for source in _sources(root):
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield cleandoc(text)


def notes(root: Path) -> Iterator[str]:
    """Yield the notes (`#:`) of fields and constants."""
    for text in _sources(root):
        for lines in re.findall(r"(?m)(?:^ *#: .*\n)+|  #: .*$", text):
            yield " ".join(line.partition("#:")[2].strip() for line in lines.splitlines())


def _sources(root: Path) -> Iterator[str]:
    for folder in ("provisioner", "playbooks"):
        yield from (path.read_text(encoding="utf-8") for path in sorted((root / folder).rglob("*.py")))


def messages(root: Path) -> Iterator[str]:
    """Yield the English of each message that has a translation, without those of old records."""
    for path in sorted((root / "provisioner").rglob("vi.po")):
        yield from (entry.msgid for entry in polib.pofile(str(path)) if ("(records)", "") not in entry.occurrences)


def counted(root: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each part of the project's English."""
    written = list(docstrings(root))
    long = sum(len(text.partition("\n")[0].split()) > _FIRST_LINE_WORDS for text in written)
    return {
        "docs": figures_of(docs(root)),
        "docstrings": {**figures_of([*written, *notes(root)]), "long": long},
        "messages": figures_of(messages(root)),
    }


def breaches(figures: Mapping[str, Mapping[str, float]], limits: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield a sentence with the next step for each figure above its limit."""
    for part, allowed in limits.items():
        for name, limit in allowed.items():
            if figures[part][name] > limit:
                yield (
                    f"{part}: {name} is {figures[part][name]:g}, pyproject.toml allows {limit:g}: write the new"
                    " sentences by docs/internals/words.md"
                )


def main() -> int:
    """Print the table and the breaches; return 1 if there are any."""
    limits: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["words"]
    figures = counted(ROOT)
    names = ("words", "negative", "clauses", "median", "decile", "long")
    sys.stdout.write(f"{'':<12}" + "".join(f"{name:>10}" for name in names) + "\n")
    for part, of_part in figures.items():
        sys.stdout.write(f"{part:<12}" + "".join(f"{of_part.get(name, 0):>10g}" for name in names) + "\n")
    wrong = list(breaches(figures, limits))
    sys.stderr.writelines(f"error: {sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
