"""Every code has its sentences in both languages, with the same gaps, and no sentence is of a code that nobody uses."""

import re
import string
from pathlib import Path

from provisioner.base.language import Language
from provisioner.importing.contacts.fields import FIELD_SENTENCES, Wording
from provisioner.importing.grid import FindingLevel, Remark, error
from provisioner.importing.report.messages import ENGLISH, LEVELS, OF_RULES, VIETNAMESE, wording

SOURCES = Path(__file__).parents[3] / "provisioner"


def gaps(words: Wording) -> set[str]:
    return {name for text in words for _, name, _, _ in string.Formatter().parse(text) if name}


def raised() -> set[str]:
    """The codes that stand in the source of the importer and of its command."""
    files = [*(SOURCES / "importing").rglob("*.py"), SOURCES / "cli/import_.py"]
    code = "".join(path.read_text(encoding="utf-8") for path in files if not path.name.startswith("messages"))
    return set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))


def test_both_languages_say_the_same_things() -> None:
    assert set(ENGLISH) == set(VIETNAMESE)
    for code, words in ENGLISH.items():
        assert gaps(words) == gaps(VIETNAMESE[code]), code
        assert all(words), code
        assert all(VIETNAMESE[code]), code


def test_every_sentence_is_of_a_code_that_is_used() -> None:
    assert set(ENGLISH) - raised() == set()


def test_no_code_of_the_contacts_has_other_words_here() -> None:
    assert set(ENGLISH) & set(FIELD_SENTENCES[Language.EN]) == set()


def test_the_rules_of_the_inventory_are_told_in_both_languages() -> None:
    remark = Remark(
        "address-duplicate", FindingLevel.ERROR, (("message", "camera cam-01: also cam-02"), ("hint", "correct it"))
    )
    assert wording(remark, Language.EN) == ("camera cam-01: also cam-02", "correct it")
    assert wording(remark, Language.VI).message == "Hai thiết bị có cùng địa chỉ và cổng (camera cam-01: also cam-02)"
    unknown = Remark("some-new-rule", FindingLevel.ERROR, (("message", "wrong"), ("hint", "mend it")))
    assert wording(unknown, Language.VI) == ("Trái quy tắc của hệ thống: wrong", "mend it")
    assert all(gaps(words) <= {"message", "hint"} for words in OF_RULES.values())


def test_a_gap_is_filled_as_it_is_and_not_read_again() -> None:
    assert "{x}" in wording(error("file-unreadable", cause="{x}"), Language.EN).message


def test_every_level_has_a_word() -> None:
    assert all(set(words) == set(FindingLevel) for words in LEVELS.values())
