"""Vietnamese text: cleaned, compared, and read from wrong encodings. Pure.

It is outside `geography`, because spreadsheet import and the inventory must fold with the same function.

Provinces' spreadsheets still hold text for fonts of the 1990s (TCVN3, VNI, VISCII), where Latin letters or signs stand
for Vietnamese letters, and CSV files opened in a wrong encoding. This module never changes such a text: a person
confirms the guess.

Single characters do not decide: `é` is Vietnamese and is VNI. So a text is read in each encoding. A reading counts if
it turns impossible syllables into possible ones: `Bắc` is a syllable, `B¾c` and `Baéc` are not.
"""

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache, partial
from typing import NamedTuple

# --- the form that is kept, and the key that is compared --------------------------------------------
#: Letters like đ without a decomposition; ð is the lower case of Ð (U+00D0).
_D = str.maketrans({"đ": "d", "ð": "d", "ɖ": "d"})


class _Without(dict[int, int | None]):
    """A cached table for `str.translate` that removes characters."""

    def __init__(self, leaves_out: Callable[[str], bool]) -> None:
        super().__init__()
        self._leaves_out = leaves_out

    def __missing__(self, code: int) -> int | None:
        """Decide on a new character."""
        self[code] = None if self._leaves_out(chr(code)) else code
        return self[code]


_INVISIBLE = _Without(lambda c: unicodedata.category(c) in {"Cf", "Cc"} and not c.isspace())
_MARKS = _Without(lambda c: unicodedata.category(c).startswith("M"))
_BETWEEN = re.compile(r"[^a-z0-9]+")


def clean(text: str) -> str:
    """Return the stored form: NFC, no invisible characters, single spaces.

    Letters and marks stay as written: `Hoà` does not become `Hòa`.
    """
    return " ".join(unicodedata.normalize("NFC", _visible(text)).split())


def fold(text: str) -> str:
    """Return the comparison key, also a slug: `[a-z0-9]` and single hyphens.

    `Đắk Lắk` becomes `dak-lak` in any case, composition (NFC, NFD) and spacing, with any letter like Đ, wherever tone
    marks stand (`Hoà`, `Hòa`). The key may be empty.
    """
    if text.isascii():
        bare = _visible(text).lower()
    else:
        lowered = unicodedata.normalize("NFC", _visible(text)).casefold().translate(_D)
        bare = unicodedata.normalize("NFD", lowered).translate(_MARKS)
    return _BETWEEN.sub("-", bare).strip("-")


def _visible(text: str) -> str:
    return text if text.isprintable() else text.translate(_INVISIBLE)


# --- syllables -------------------------------------------------------------------------------------
_ONSETS = "ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|b|c|d|đ|g|h|k|l|m|n|p|r|s|t|v|x"
_OPEN = (
    "a ai ao au ay âu ây e eo ê êu i ia iêu iu o oa oai oao oay oe oeo oi ô ôi ơ ơi u ua uây uê ui uôi uơ uy uya uyu"
    " ư ưa ưi ưu ươi ươu y yêu"
)
_NASAL = (
    "am ăm âm em êm im iêm om ôm ơm um uôm ươm yêm oam oăm"
    " an ăn ân en ên in iên on ôn ơn un uôn ươn yên oan oăn oen uân uyên uyn"
    " ang ăng âng eng iêng ong ông ung uông ưng ương oang oăng oong uâng"
    " anh ênh inh oanh uênh uynh"
)
_STOPPED = (
    "ap ăp âp ep êp ip iêp op ôp ơp up ươp oap oăp uyp"
    " at ăt ât et êt it iêt ot ôt ơt ut uôt ưt ươt yêt oat oăt oet uât uyêt uyt"
    " ac ăc âc ec iêc oc ôc uc uôc ưc ươc oac oăc ooc"
    " ach êch ich oach uêch uych"
)
_HIGHLAND = "ak ăk âk ek êk ik ok ôk uk"  #: Rimes of names from the Central Highlands (Đắk, Đăk), with or without tone.

_STOPPED_RIMES = frozenset(_STOPPED.split())
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_STOPPED_TONES = frozenset("\u0301\u0323")
_HATTED = frozenset("ăâêôơư")
_EITHER = frozenset({"oa", "oe", "uy"})  #: Rimes whose tone may stand on either letter: hòa and hoà.

_TRIPLE = 3
_FRONT = tuple("eêiy")


def _any_of(rimes: str) -> str:
    return "|".join(sorted(rimes.split(), key=len, reverse=True))


_SYLLABLE = re.compile(f"({_ONSETS})?({_any_of(f'{_OPEN} {_NASAL} {_STOPPED} {_HIGHLAND}')})")


class Syllable(NamedTuple):
    """A syllable's onset (may be empty) and rime, without tone."""

    onset: str
    rime: str


def syllable(word: str) -> Syllable | None:
    """Parse a word as a Vietnamese syllable; `None` if impossible."""
    composed = unicodedata.normalize("NFC", word)
    if not (composed.islower() or composed.isupper() or composed.istitle()):
        return None
    lowered = composed.casefold()
    letters = ["".join(c for c in unicodedata.normalize("NFD", letter) if c not in _TONES) for letter in lowered]
    match = _SYLLABLE.fullmatch(unicodedata.normalize("NFC", "".join(letters)))
    if match is None:
        return None
    read = Syllable(match[1] or "", match[2])
    toned = [(index, _tone(letter)) for index, letter in enumerate(lowered) if _tone(letter)]
    return read if _fits(read) and _tone_fits(read, toned) else None


def _tone(letter: str) -> str:
    return next((c for c in unicodedata.normalize("NFD", letter) if c in _TONES), "")


def _fits(read: Syllable) -> bool:
    """Check onset against vowel: gh, ngh only before e, ê, i, y.

    c, g, ng do not stand before these. k should follow the rule, but names like Bắc Kạn and Kon Tum do not.
    """
    if read.onset in {"gh", "ngh"}:
        return read.rime.startswith(_FRONT)
    if read.onset in {"c", "ng"}:
        return not read.rime.startswith(_FRONT)
    if read.onset == "g":
        return not read.rime.startswith(_FRONT) or read.rime.startswith("i")  # gì, gìn
    return read.onset != "qu" or not read.rime.startswith(("o", "u", "ư"))


def _tone_fits(read: Syllable, toned: list[tuple[int, str]]) -> bool:
    """Check the tone: at most one, on an allowed letter.

    Only the acute and the dot are possible before a stop.
    """
    if not toned:
        return read.rime not in _STOPPED_RIMES
    (index, tone), *more = toned
    if more or (read.rime in _STOPPED_RIMES and tone not in _STOPPED_TONES):
        return False
    return index - len(read.onset) in _places(read.rime)


def _places(rime: str) -> set[int]:
    """Return the letters of a rime that may carry the tone."""
    vowels = rime.rstrip("cghkmnpt")
    hatted = [index for index, letter in enumerate(vowels) if letter in _HATTED]
    if hatted:
        return {hatted[-1]}
    if rime in _EITHER:
        return {0, 1}
    if vowels != rime:
        return {len(vowels) - 1}
    return {1 if len(rime) == _TRIPLE else 0}


# --- texts in another encoding ---------------------------------------------------------------------
_PROOF = 3
#: Runs of letters and non-ASCII characters: any sign may be a letter.
_WORD = re.compile(r"[^\x00-\x40\x5b-\x60\x7b-\x7f]+")

#: Words that would be a syllable in some encoding: `m²` would be `mỗ` in VISCII.
_UNITS = frozenset({"m²", "km²", "cm²", "mm²", "m³", "µm", "n°", "nº"})


class LegacyEncoding(StrEnum):
    """An encoding by its usual name."""

    TCVN3 = "TCVN3"
    VNI = "VNI"
    VISCII = "VISCII"
    WINDOWS_1258 = "Windows-1258"
    MOJIBAKE = "UTF-8 read as Windows-1252"


class Legacy(NamedTuple):
    """A guessed encoding and its reading; U+FFFD is a lost letter."""

    encoding: LegacyEncoding
    reading: str


def legacy_encoding(text: str) -> str | None:
    """Guess a text's legacy encoding; `None` for Unicode or if undecidable.

    Pass the raw text: a soft hyphen is a letter in TCVN3. A short word that is possible both ways (TCVN3 `cã` for `có`)
    is undecidable. If two encodings fit equally well, the more common one wins.
    """
    legacy = read_legacy(text)
    return str(legacy.encoding) if legacy else None


@lru_cache(maxsize=4096)
def read_legacy(text: str) -> Legacy | None:
    """Return the guessed encoding and reading of a text; as `legacy_encoding`."""
    if text.isascii():
        return None
    composed = unicodedata.normalize("NFC", text)
    repaired = _read_mojibake(composed)
    if repaired is not None:
        return Legacy(LegacyEncoding.MOJIBAKE, repaired)
    # A line end that these code pages lack must not hide the rest.
    composed = "".join(" " if letter.isspace() and letter not in _LATIN else letter for letter in composed)
    if not _LATIN.issuperset(composed):
        return None  # a letter that no 8-bit code page of these holds: it is Unicode
    words = [word for word in _WORD.findall(composed) if not word.isascii() and word.casefold() not in _UNITS]
    score, encoding = max(((_score(words, read), name) for name, read in _READERS.items()), key=lambda pair: pair[0])
    return Legacy(encoding, _read(composed, encoding)) if score else None


def possible_readings(text: str) -> tuple[Legacy, ...]:
    """Return a text's reading in each encoding, likely or not."""
    composed = unicodedata.normalize("NFC", text)
    if composed.isascii() or not _LATIN.issuperset(composed):
        return ()
    return tuple(Legacy(name, _read(composed, name)) for name in _READERS)


def _score(words: list[str], read: Callable[[str], str]) -> int:
    pairs = [(syllable(word), syllable(read(word)), word) for word in words if any(map(str.isalpha, read(word)))]
    # A lone sign is a vowel in some encoding (a half is ẵ in TCVN3), so it is no proof.
    proved = any(new and not old and (new.onset or len(word) >= _PROOF) for old, new, word in pairs)
    before, after = (sum(bool(pair[side]) for pair in pairs) for side in (0, 1))
    return after if proved and after > before and after * 2 > len(pairs) else 0


def _read(text: str, encoding: LegacyEncoding) -> str:
    read = _READERS[encoding]
    return _WORD.sub(lambda word: word[0] if word[0].casefold() in _UNITS else read(word[0]), text)


# --- UTF-8 that was read byte by byte -------------------------------------------------------------
def _bytes_by_character(page: str) -> dict[str, int]:
    """Return a code page's upper half; undefined bytes map to control characters."""
    table = {}
    for number in range(0x80, 0x100):
        try:
            table[bytes([number]).decode(page)] = number
        except UnicodeDecodeError:
            table[chr(number)] = number
    return table


_WINDOWS_1252 = _bytes_by_character("cp1252")
_LATIN = frozenset(map(chr, range(0x80))) | frozenset(_WINDOWS_1252)
_PAGES = (_WINDOWS_1252, _bytes_by_character("cp1258"))
#: Beginnings of Vietnamese letters in UTF-8, for texts that lost a byte.
_SCATTERED = re.compile("á[º»]|Ä[\u2018\x90]|Æ[°¡]|[ÃĂ][¡-¿]")


def _read_mojibake(text: str) -> str | None:
    lossy = None
    for page in _PAGES:
        if not all(c < "\xa0" or c in page for c in text):
            continue
        data = bytes(page.get(c) or ord(c) for c in text)  # below 0xA0 control characters stand for themselves
        try:
            return _latin(data.decode("utf-8"))
        except UnicodeDecodeError:
            lossy = lossy or data.decode("utf-8", "replace")
    return lossy if _SCATTERED.search(text) else None


def _latin(reading: str) -> str | None:
    """Refuse another script: two VISCII letters are one Cyrillic in UTF-8."""
    foreign = any(c.isalpha() and not unicodedata.name(c, "").startswith("LATIN") for c in reading if not c.isascii())
    return None if foreign else reading


# --- one byte a letter ----------------------------------------------------------------------------
#: TCVN 5712:1993, third set (ABC fonts). Capitals are another font, so the text shows small letters.
_TCVN3 = {
    "¡¢£¤¥¦§": "ĂÂÊÔƠƯĐ",
    "¨©ª«¬\u00ad®": "ăâêôơưđ",
    "µ¶·¸¹": "àảãáạ",  # noqa: RUF001 (this table is about signs that look like others)
    "»¼½¾Æ": "ằẳẵắặ",
    "ÇÈÉÊË": "ầẩẫấậ",
    "ÌÎÏÐÑ": "èẻẽéẹ",
    "ÒÓÔÕÖ": "ềểễếệ",
    "×ØÜÝÞ": "ìỉĩíị",  # noqa: RUF001 (the same)
    "ßáâãä": "òỏõóọ",
    "åæçèé": "ồổỗốộ",
    "êëìíî": "ờởỡớợ",
    "ïñòóô": "ùủũúụ",
    "õö÷øù": "ừửữứự",
    "úûüýþ": "ỳỷỹýỵ",
}

#: Upper half of VISCII (RFC 1456), from 0x80.
_VISCII_80 = (
    "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲ"
    "ÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯ"
    "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡư"
    "àáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ"
)


def _by_letter(table: dict[str, str]) -> Callable[[str], str]:
    """Read letter by letter; unmapped punctuation stays, other signs are lost."""
    signs = {c: c for c in _LATIN if c.isascii() or unicodedata.category(c)[0] in "PZ"}
    return lambda text: "".join(table.get(c) or signs.get(c, "\ufffd") for c in text)


def _windows_1258(text: str) -> str:
    return unicodedata.normalize(
        "NFC", bytes(_WINDOWS_1252.get(c, ord(c) & 0x7F) for c in text).decode("cp1258", "replace")
    )


# --- VNI: a letter and the sign for its marks -----------------------------------------------------
_VNI_TONES = {"ù": "\u0301", "ø": "\u0300", "û": "\u0309", "õ": "\u0303", "ï": "\u0323"}
_VNI_HATS = dict(zip("âáàåãä", ("", *_VNI_TONES.values()), strict=True))
_VNI_BOWS = dict(zip("êéèúüë", ("", *_VNI_TONES.values()), strict=True))
_VNI_MARKS = (
    _VNI_TONES | {c: "\u0302" + t for c, t in _VNI_HATS.items()} | {c: "\u0306" + t for c, t in _VNI_BOWS.items()}
)
_VNI_LETTERS = {"ñ": "đ", "ô": "ơ", "ö": "ư", "í": "í", "ì": "ì", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}
_VNI_PAIR = re.compile(f"([aeouyôö])([{''.join(_VNI_MARKS)}])|([^\x00-\x7f])", re.IGNORECASE)


def _vni_letter(match: re.Match[str]) -> str:
    letter = match[1] or match[3]
    if unicodedata.category(letter)[0] in "PZ":
        return letter
    plain = _VNI_LETTERS.get(letter.lower(), letter.lower() if letter.isascii() else "\ufffd")
    marks = _VNI_MARKS[match[2].lower()] if match[2] else ""
    composed = unicodedata.normalize("NFC", plain + marks)
    if len(composed) > 1:
        return "\ufffd"
    return composed.upper() if letter.isupper() else composed


# In the order in which they are met in files.
_READERS: dict[LegacyEncoding, Callable[[str], str]] = {
    LegacyEncoding.TCVN3: _by_letter(
        {c: v for signs, letters in _TCVN3.items() for c, v in zip(signs, letters, strict=True)}
    ),
    LegacyEncoding.VNI: partial(_VNI_PAIR.sub, _vni_letter),
    LegacyEncoding.VISCII: _by_letter({c: _VISCII_80[b - 0x80] for c, b in _WINDOWS_1252.items()}),
    LegacyEncoding.WINDOWS_1258: _windows_1258,
}
