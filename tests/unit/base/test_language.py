"""The catalogue: none missing, nothing too many, nothing half done; the glossary; which language is spoken."""

import ast
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import polib
import pytest

from provisioner.base.language import ENGLISH, Language, UnknownLanguageError, catalogue_file, language_of, translator
from provisioner.base.text import places_of
from provisioner.importing.report.messages import CATALOGUE
from provisioner.inventory.model.facility import BlockReason
from provisioner.record.labels import LABELS
from provisioner.record.lifecycle.state import FacilityState
from provisioner.verify.result import Cause, Verdict
from tests.catalogue import ELSEWHERE, PACKAGE, UNNAMED, catalogue, msgids, renewed, words

PAGE = Path(__file__).parents[3] / "docs/reference/glossary.md"
VI = translator(Language.VI)
# Verbs that agree with a number: Vietnamese has none of that.
_VERBS = ("are", "were")
# Where an English word is meant in another sense, or is said without its word.
_OTHER_SENSES = {
    "carrier": {"the carrier: the line's MTU", "write carrier, {of_broker} too"},
    "order": {"a facility stands twice, or is out of order"},
    "province": {"it has keys, provinces, withdrawn, hours and begins"},
    "host": {"{network} has host bits set"},
    "inventory": {
        "the camera: restart it; then its settings, and the port in the inventory",
        "the camera's settings, or the inventory",
        "the recorder's settings, or the inventory",
        "the inventory: channel and make",
    },
    "login": {
        "it refused the login: no key of this machine is one of that user's",
        "it refused the login: too many keys were tried",
    },
    "path": {
        *("the path has a zero byte, which no file's name has", "the path is longer than any file's"),
        "write release, an https:// address, or file: and a path",
        "name a mirror without a login, or file: and a path. {git}change the password of the mirror",
        "path or credentials of the source differ",
        (
            "write rtsp_path: the path and query of the device's RTSP address, without host and login"
            " (provisioner camera add: --sub-path, --main-path)"
        ),
    },
    "key": {
        "it has keys, provinces, withdrawn, hours and begins",
        'e.g. [controllers.north] with keys = ["ssh-ed25519 AAAA…"]',
        'e.g. key = "report.key" and folder = "/srv/reports"',
        "{file}: key is missing",
        "{again} of {keys} key pictures are repetitions, byte for byte",
        "{known} of {keys} key pictures came before, byte for byte",
    },
    "password": {"username: … and password: …"},
    "cause": {"see what its SSH server's log says; a full disk, no memory, or a reboot are the usual causes"},
    "secret": {
        (
            "set ANSIBLE_VAULT_PASSWORD_FILE to the password's file or program, or ANSIBLE_VAULT_IDENTITY_LIST to"
            " secrets@FILE,secrets-CARRIER@FILE,contacts-PROVINCE@FILE"
        ),
        "one for all, or a list if they differ: secrets set --from FILE",
    },
    "viewer": {"find out why its Control API does not answer; or, if this is meant, add --allow viewers=NUMBER"},
    "rule": {"the gateway: IP forwarding, and its own rules"},
    "reader": {
        "an address with a login may hold a secret, and every reader of the page sees it",
        "{field}; with a leading zero it is a text here (older readers take it for octal)",
        "{field}; {text} is a text here (older readers of YAML count it in sixties)",
    },
}

#: Terms that messages have as verbs or for something else, too.
_OTHER_WORDS = {"head", "level", "lock", "record", "run", "zone"}
#: Terms that no message has.
_OF_COMMANDS_AND_DOCS = {
    "availability", "dead man's switch", "frozen facility", "guard", "journal", "lease", "mark",
    "measurement", "notice", "path gate", "quarantined path", "receipt", "transaction", "wanted",
}  # fmt: skip


def entries() -> Iterator[tuple[polib.POEntry, str]]:
    for entry in catalogue():
        yield entry, entry.msgstr_plural[0] if entry.msgid_plural else entry.msgstr


def test_every_sentence_of_the_code_is_translated_and_nothing_else_is() -> None:
    wanted, have = msgids(), {entry.msgid for entry, _ in entries() if not entry.msgctxt}
    assert [one for one in wanted if UNNAMED in one] == [], "an f-string has no msgid: write msg(…)"
    assert sorted(wanted.keys() - have) == [], "python -m tests.catalogue --write adds them"
    assert sorted(have - wanted.keys()) == [], "they are said nowhere any more"
    assert {(entry.msgctxt, entry.msgid) for entry, _ in entries() if entry.msgctxt} == words()


def test_the_extraction_sees_what_is_said() -> None:
    wanted = msgids()
    assert len(wanted) > 1000
    for sentence in (
        *("host {name}: {address} is also the address of {hosts}", "{count} of {paths} {verdict} on {relays}; {step}"),
        *("the login is refused", "No incidents.", "… and {number} more"),
    ):
        assert sentence in wanted
    assert wanted["{n} path"][0] == "{n} paths"


def test_each_place_of_a_sentence_gets_a_value() -> None:
    seen = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "msg":
                seen += 1
                msgid, *values = node.args
                assert isinstance(msgid, ast.Constant), f"{path}:{node.lineno}: its msgid is no literal"
                assert not any(isinstance(value, ast.Starred) for value in values)
                assert len(places_of(str(msgid.value))) == len(values), f"{path}:{node.lineno}"
    assert seen > 100


def test_what_is_said_elsewhere_is_still_said() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py")))
    source += "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((PACKAGE.parent / "playbooks").rglob("*.py"))
    )
    source += "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(click.__file__).parent.glob("*.py")))
    source = re.sub(r'"\s*f?"', "", source)
    ours = [
        one
        for one in ELSEWHERE
        if not re.match(r"day is|hour|minute|month|\{network\}|Invalid value|No such|.* is not a valid", one)
    ]
    for one in ours:
        longest = max(re.split(r"\{\w+\}", one), key=len).strip()
        assert longest in source, f"{one!r} is said nowhere"


def test_no_translation_is_empty_fuzzy_or_written_in_loose_marks() -> None:
    for entry, text in entries():
        assert text.strip(), entry.msgid
        assert not entry.fuzzy, entry.msgid
        assert not entry.obsolete, entry.msgid
        assert unicodedata.is_normalized("NFC", text), entry.msgid
        assert (entry.msgid[:1] == " ", entry.msgid[-1:] == " ") == (text[:1] == " ", text[-1:] == " "), entry.msgid


def test_both_sides_have_the_same_places() -> None:
    for entry, text in entries():
        english = set(places_of(entry.msgid)) | set(places_of(entry.msgid_plural))
        needed = {place for place in english if not place.startswith(_VERBS)}
        assert needed <= set(places_of(text)) <= english, entry.msgid


def test_plurals_are_of_one_form_as_the_header_says() -> None:
    assert catalogue().metadata["Plural-Forms"] == "nplurals=1; plural=0;"
    for entry, _ in entries():
        assert set(entry.msgstr_plural) == ({0} if entry.msgid_plural else set()), entry.msgid
    assert [VI.counted(number, "path") for number in (0, 1, 2)] == [
        "0 luồng camera",
        "1 luồng camera",
        "2 luồng camera",
    ]
    assert [ENGLISH.counted(number, "path") for number in (0, 1, 2)] == ["0 paths", "1 path", "2 paths"]


def test_the_file_is_as_its_tool_writes_it() -> None:
    assert str(renewed(catalogue(), msgids())) == catalogue_file(Language.VI).read_text(encoding="utf-8")


def test_commands_and_names_of_files_are_the_same_on_both_sides() -> None:
    commands = "keys|apply|verify|plan|status|validate|drift|history|quarantine|site-package|sign-off"
    kept = re.compile(rf"`[^`]+`|(?<!/)provisioner (?:{commands})|--[a-z]+(?:-[a-z]+)*|[a-z_]+\.yml|[a-z]+/(?=\s|$)")
    for entry, text in entries():
        for word in kept.findall(entry.msgid):
            assert word in text, f"{entry.msgid!r} has {word!r}"


# --- the glossary ---------------------------------------------------------------------------------
def glossary() -> dict[str, list[str]]:
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| [^|]+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {english: vietnamese.split(" / ") for english, vietnamese in rows if english != "English"}


def uses(term: str, sentence: str) -> bool:
    """Whether a sentence has a word of the glossary; commands, options, places and quoted names have none."""
    many = f"{term[:-1]}ies" if term.endswith("y") else f"{term}s"
    plain = re.sub(r"`[^`]*`|provisioner [a-z-]+( [a-z-]+)?|--[a-z-]+|\{[a-z_0-9]+\}|'[^' ]+'", " ", sentence)
    return bool(re.search(rf"(?<![\w./{{-])(?:{re.escape(term)}|{re.escape(many)})(?![\w./}}_-])", plain))


@pytest.mark.parametrize("term", sorted(glossary().keys() - _OTHER_WORDS))
def test_a_term_has_one_word(term: str) -> None:
    longer = [other for other in glossary() if term in other and other != term]
    for entry, text in entries():
        if entry.msgctxt or not uses(term, entry.msgid) or any(uses(other, entry.msgid) for other in longer):
            continue
        if entry.msgid not in _OTHER_SENSES.get(term, ()):
            assert any(word.lower() in text.lower() for word in glossary()[term]), f"{entry.msgid!r} is {text!r}"


def forbidden() -> list[str]:
    """The words of the glossary's page that no message has."""
    paragraph = PAGE.read_text(encoding="utf-8").partition("No message has these words:")[2].partition("\n\n")[0]
    return [" ".join(word.split()) for word in re.findall(r"\*([^*]+)\* \(", paragraph)]


def test_no_message_has_a_word_that_the_glossary_forbids() -> None:
    messages = [text for _, text in entries()]
    pages = polib.pofile(str(PACKAGE / "web/vi.po"))
    messages += [text for entry in pages for text in (entry.msgstr, *entry.msgstr_plural.values())]
    messages += [part for wording in CATALOGUE[Language.VI].values() for part in wording]
    assert len(forbidden()) > 3
    assert [(word, text) for word in forbidden() for text in messages if word in text.lower()] == []


def test_a_sentence_is_said_whole_or_not_at_all() -> None:
    """A form whose place takes more English than the form has is no reading."""
    assert VI.restated("there is no such wonderful thing as this") == "there is no such wonderful thing as this"
    assert VI.restated("--limit province=x: there is no such province") == "--limit province=x: không có tỉnh này"
    assert VI.restated("there is no acceptance record of kcl-1: it has no connection plan") == (
        "không có biên bản nghiệm thu của kcl-1: chưa có phương án kết nối"
    )


def test_most_terms_stand_in_a_message() -> None:
    sentences = [entry.msgid for entry, _ in entries() if not entry.msgctxt]
    unused = {term for term in glossary() if not any(uses(term, sentence) for sentence in sentences)}
    assert unused == _OF_COMMANDS_AND_DOCS


def test_the_page_says_the_verdicts_as_they_are_said() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for verdict in Verdict:
        assert f"{verdict.value} *{VI.word(verdict)}*" in page


def test_states_are_called_as_in_spreadsheets() -> None:
    for listed in (FacilityState, BlockReason):
        for value in listed:
            assert VI.word(value).lower() == LABELS[listed][value.value].lower()


# --- speaking -------------------------------------------------------------------------------------
def test_the_option_comes_before_the_environment_and_english_after_all() -> None:
    assert language_of(None, {}) is Language.EN
    assert language_of(None, {"LANG": "vi_VN.UTF-8", "LC_ALL": "vi_VN.UTF-8"}) is Language.EN
    assert language_of(None, {"PROVISIONER_LANGUAGE": ""}) is Language.EN
    assert language_of(None, {"PROVISIONER_LANGUAGE": "vi"}) is Language.VI
    assert language_of("en", {"PROVISIONER_LANGUAGE": "vi"}) is Language.EN
    with pytest.raises(UnknownLanguageError, match="PROVISIONER_LANGUAGE is 'fr'"):
        language_of(None, {"PROVISIONER_LANGUAGE": "fr"})


def test_english_reads_no_catalogue() -> None:
    program = (
        "import sys; from provisioner.base.language import *; import provisioner.cli.main;"
        "say = translator(Language.EN); assert say('no path was checked') == 'no path was checked';"
        "assert 'polib' not in sys.modules; translator(Language.VI); assert 'polib' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_word_is_said_by_the_list_that_it_is_of() -> None:
    assert VI.word(Verdict.UNKNOWN) == "chưa rõ"
    assert VI.word(Cause.NONE) == ""
    assert ENGLISH.word(FacilityState.PLAN_AGREED, "plan agreed") == "plan agreed"


AGAIN = {
    "relay r-1 does not exist": "không có máy chủ chuyển tiếp r-1",
    "facility kcl-1: camera cam-1: address: '1' is not an IPv4 address": (
        "cơ sở kcl-1: camera cam-1: address: '1' không phải là một địa chỉ IPv4"
    ),
    "10.0.0.1:554 takes the connection and does not answer": ("10.0.0.1:554 nhận kết nối mà không trả lời"),
    "carrier a is designated for b (formerly c) no longer (designated: d)": (
        "doanh nghiệp viễn thông a không còn được chỉ định cho b (trước đây là c) (được chỉ định: d)"
    ),
    "3 of 5 cameras are not up: see provisioner verify --details": (
        "3 trong 5 camera không hoạt động: xem provisioner verify --details"
    ),
    "the host does not have it; 2 hosts would change": "máy chủ chưa có; 2 máy chủ sẽ thay đổi",
}


@pytest.mark.parametrize(("english", "vietnamese"), AGAIN.items(), ids=range(len(AGAIN)))
def test_a_finished_sentence_is_said_again(english: str, vietnamese: str) -> None:
    assert VI.restated(english) == vietnamese
    assert ENGLISH.restated(english) == english


@pytest.mark.parametrize(
    "text", ["down", "camera", "zone", "kcl-bg-001", "", " ", "Trường Tiểu học Số 1", "what is this"]
)
def test_what_is_no_sentence_of_ours_stays(text: str) -> None:
    assert VI.restated(text) == text
