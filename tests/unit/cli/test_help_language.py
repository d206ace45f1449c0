"""`--help` and wrong usage in Vietnamese; the list of texts that have no Vietnamese yet."""

import re
import unicodedata

import polib
import pytest

from provisioner.cli.main import run
from provisioner.cli.support.commands import EXAMPLE
from tests.command_tree import every_command
from tests.help_texts import catalogue, help_msgids, renewed

_KEPT = re.compile(r"`[^`]+`|--[a-z]+(?:-[a-z]+)*|[a-z_]+\.(?:yml|json|html|xlsx|log)|PROVISIONER_[A-Z_]+")
#: Paragraphs of help that may stay English while their translation is awaited.
MOST_ENGLISH = 0
_HEADINGS = {"Usage:", "Options:", "Commands:", "Example:", "Show this message", "[default:", "required]"}


def _help(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words, "--help"], {}) == 0
    return capsys.readouterr().out


def test_the_catalogue_has_each_text_of_help_and_no_other() -> None:
    assert [entry.msgid for entry in catalogue()] == list(help_msgids()), "python -m tests.help_texts --write"
    assert str(renewed(catalogue())) == str(catalogue())


@pytest.mark.parametrize("entry", catalogue().translated_entries(), ids=lambda entry: entry.msgid[:30])
def test_a_translation_keeps_commands_options_and_files(entry: polib.POEntry) -> None:
    assert unicodedata.is_normalized("NFC", entry.msgstr)
    assert entry.msgstr.isprintable()
    assert sorted(_KEPT.findall(entry.msgstr)) == sorted(_KEPT.findall(entry.msgid))


def test_short_texts_are_all_translated_and_few_long_ones_are_not() -> None:
    english = [entry.msgid for entry in catalogue() if not entry.msgstr]
    assert [text for text in english if len(text.split()) < 26] == []
    assert len(english) <= MOST_ENGLISH


@pytest.mark.parametrize("name", ["", *every_command()])
def test_help_has_no_english_heading_and_the_same_options_and_example(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    english = _help(capsys, *name.split())
    vietnamese = _help(capsys, *name.split(), "--language", "vi")
    assert not [heading for heading in _HEADINGS if heading in vietnamese]
    head, _, listed = english.partition("\n\nOptions:\n")
    other, _, translated = vietnamese.partition("\n\nTùy chọn:\n")
    option = re.compile(r"^  (-[^ ]+(?:, --[a-z-]+)?)", re.MULTILINE)
    assert option.findall(listed) == option.findall(translated)
    examples = (head.partition(EXAMPLE)[2], other.partition("Ví dụ:")[2])
    assert len({"".join(example.split()) for example in examples}) == 1


def test_the_variable_counts_for_help_and_english_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--help"], {"PROVISIONER_LANGUAGE": "vi"}) == 0
    assert capsys.readouterr().out.startswith("Cách dùng: provisioner plan")
    assert _help(capsys, "plan", "--language", "en").startswith("Usage: provisioner plan")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["foo"], "Không có lệnh 'foo'."),
        (["statu"], "có phải ý bạn là status?"),
        (["camera", "add"], "Thiếu đối số 'FACILITY[/CAMERA]'."),
        (["relay", "drain", "relay-vnpt-1"], "Thiếu tùy chọn '--to'."),
        (["plan", "--detials"], "Không có tùy chọn --detials"),
        (["verify", "--level", "x"], "'x' không phải là một số nguyên."),
        (["verify", "--level", "9"], "9 không nằm trong khoảng 1<=x<=7."),
        (["validate", "--as-of", "soon"], "'soon' không phải là ngày: "),
        (["validate", "more"], "Thừa đối số (more)"),
        (["status", "--language"], "Tùy chọn '--language' cần một giá trị."),
        (["status", "-q", "-v"], "--quiet và --verbose loại trừ nhau"),
        (["status", "-i", "a", "-i", "b"], "-i được nêu hai lần"),
    ],
)
def test_wrong_usage_is_told_in_vietnamese(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, {"PROVISIONER_LANGUAGE": "vi"}) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "lỗi:" in err
    assert not re.search(r"\b(?:see|did you mean|Missing|No such|Invalid value|Try)\b", err), err
