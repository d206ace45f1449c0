"""The page on provinces says what the program does."""

import re
from pathlib import Path

from provisioner.base.vietnamese import legacy_encoding
from provisioner.inventory.geography import by_code, collisions

PAGE = (Path(__file__).parents[3] / "docs/reference/geography.md").read_text(encoding="utf-8")


def test_the_table_of_codes_with_two_names_is_whole() -> None:
    rows = re.findall(r"^\| (\d\d) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(code, by_code(code, "gso-2021").name, by_code(code, "gso-2025").name) for code in collisions()]


def test_the_examples_of_other_encodings_are_told() -> None:
    examples = re.findall(r"([A-Z][\w -]+)\s\(`([^`]*[^\x00-\x7f][^`]*)`\)", PAGE.partition("that is not Unicode")[2])
    assert len(examples) == 3
    assert {name: legacy_encoding(text) for name, text in examples} == {name: name for name, _ in examples}
