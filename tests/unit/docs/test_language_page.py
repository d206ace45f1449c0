"""docs/reference/language.md lists what has no Vietnamese yet, as the code has it; the list only shrinks."""

from collections import Counter
from pathlib import Path

import pytest

from tests.catalogue import untranslated

PAGE = Path(__file__).parents[3] / "docs/reference/language.md"
BEGIN = "list is made from the code; a test fails if it grows.\n"
END = "\n## How it is made\n"
#: Translate some, then write the smaller number.
MOST = 1426


def table() -> str:
    """The page's table as it has to be."""
    rows: Counter[str] = Counter()
    for file, texts in untranslated().items():
        folder, _, rest = file.partition("/")
        part = rest.partition("/")[0] if folder == "operations" else rest
        rows[f"{folder}/{part}" if folder in {"cli", "operations"} else f"{folder}/"] += len(texts)
    counts = [f"| `provisioner/{place}` | {number} |" for place, number in sorted(rows.items())]
    return "\n".join(["", "| place | sentences |", "|---|---|", *counts, f"| all | {rows.total()} |", ""])


def test_the_page_has_the_list_of_the_code(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(f"{head}{BEGIN}{table()}{end}{tail}", encoding="utf-8")
        return
    assert f"{head}{BEGIN}{table()}{end}{tail}" == text, "write it anew: .venv/bin/pytest --update-golden"


def test_the_list_does_not_grow() -> None:
    assert sum(map(len, untranslated().values())) <= MOST


def test_a_sentence_without_an_entry_is_found() -> None:
    found = [text for texts in untranslated().values() for text in texts]
    assert not [text for text in found if text == "no inventory is named"]
    assert [text for text in found if text.startswith("this is a defect of provisioner")]
