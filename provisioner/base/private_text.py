"""Detect passwords, phone numbers and e-mail addresses in plain text. Pure.

Spreadsheet cells, free texts and RTSP paths of the inventory are checked. The check finds usual ways of writing, not
deliberate hiding. It sees through full-width characters, characters without width, and percent-encoding.
"""

import re
import unicodedata
from base64 import b64decode
from binascii import Error as Base64Error
from functools import lru_cache

_TELLING = r"(?:mật\s*khẩu|mat\s*khau|mật\s*mã|password|passwd|passcode|\bpass\b|\bpwd\b|\bmk\b|\bpw\b)"
_QUANTITY = r"[0-9]+(?:[.,][0-9]+)?(?:km|m2?|cm|mm|kw|w|v|gb|tb|mb|mbps|fps|h|%)(?!\w)"
#: A text may say that passwords are missing, a usual obstacle, but not what they are.
_PASSWORD_TOLD = re.compile(
    rf"{_TELLING}(?:(?:\s+\w+){{0,3}}\s*[:=]\s*\S|(?:\s+\w+){{0,2}}\s+(?:là|is)\s+\S|\s+(?!{_QUANTITY})\S*(?=\S{{3}})[0-9]\S*)",
    re.IGNORECASE,
)
_LOGIN_IN_URL = re.compile(r"//[^/\s@]*@|[/?&_](?:user|usr|password|passwd|pwd|pass)=", re.IGNORECASE)
#: A comma and a word of letters continue a sentence; anything else after such a name is its password.
_LOGIN_PAIR = re.compile(
    r"\b(?:admin|root|user|administrator)\s*(?:[/:|]\s*\S|[,;](?:\S|\s+(?=\S*[0-9@!#$%^&*])\S))", re.IGNORECASE
)
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>|<!--|-->|&(?:[a-z]{2,8}|#[0-9]{1,6});")
_FORMULA = re.compile(
    r"[=+@-][A-Za-z]{2,12}\|(?:'[^'@#$%^&*]*'![A-Z]{1,3}[0-9]{1,7}(?!\w))?|[=+@-]?[A-Z]{2,12}\([^()]*\)|=[A-Z]{1,3}[0-9]{1,7}(?:[-+*/:;,][A-Z]{0,3}[0-9]{1,7})*(?!\w)"
)
_FORMULA_ERROR = re.compile(r"#(?:REF|VALUE|NAME|NUM|N/A|NULL|DIV/0)[!?]?")
#: Ranges of rooms, P.201~P.210, and sums, 3x4=12.
_ORDINARY = re.compile(
    r"(?P<before>[^\W\d_]{0,4}[.-]?)[0-9]{1,4}~(?:(?P=before))?[0-9]{1,4}"
    r"|[0-9.,]{1,12}(?:(?:[x\u00d7*+=]|m2?|cm)[0-9.,]{0,12}){1,9}"
)
_ODD_SIGNS = frozenset("@!#$%^&*?~=<>\\")
_SHORTEST_PASSWORD = 5

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_EMAIL_WITHIN = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}\.[^\s@]")
_BETWEEN = r"[ .()_\u00b7\u2010-\u2015-]{0,2}"
_PHONE = re.compile(rf"(?<![0-9.])(?:\+?84|0){_BETWEEN}[0-9](?:{_BETWEEN}[0-9]){{7,9}}(?![0-9])")
#: Dates with an hour are no phone numbers.
_DAY = re.compile(
    r"(?<![0-9])(?:[0-9]{1,2}[-./][0-9]{1,2}[-./](?:19|20)|(?:19|20)[0-9]{2}[-./][0-9]{1,2}[-./])[0-9]{1,2}(?![0-9])"
)
#: No phone numbers: labelled numbers, and ten digits that begin with 01.
_TAX_NUMBER = re.compile(
    r"(?:\b(?:MST|mã\s*số(?:\s*thuế)?|ma\s*so(?:\s*thue)?|S/N|serial)\s*[:.]?\s*[0-9]{9,13}|(?<![0-9+.])01[0-9]{8})(?![0-9])",
    re.IGNORECASE,
)
#: The part of a serial number before digits like a phone number: `DS-2CD…E0…`, `4J0…`.
_SERIAL_BEFORE = re.compile(r"[0-9][A-Za-z0-9]*$|[A-Z]-?$")
_PHONE_BEFORE = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:s?đ[td]|s?[dđ]tdd|sdt|dt|tel|phone|zalo|mobile|hotline)-?$", re.IGNORECASE
)

_KEYS = (
    "user(?:name|id)?|usr|uid|login|account|pass(?:word|wd|code|phrase|w)?|pwd|psw|psd|pw|mk|auth[a-z_]*|(?:access|api)?_?token"
    "|api_?key|key|secret|cred(?:ential)?s?|session(?:_?id)?|sign(?:ature)?|digest|hash|md5|basic|bearer|jwt"
)
_LOGIN_KEY = re.compile(rf"(?<![a-z])(?:{_KEYS})\s*[=:]\s*(?=(?P<value>[^&;/?]*))")
_SHORT_KEY = re.compile(r"(?<![a-z0-9])([unp])=([^&;/?]*)")
_REFERENCE = re.compile(r"\{(?:username|password)\}")
_ANY_REFERENCE = re.compile(r"\{([A-Za-z_]+)\}")
_PATH_PAIR = re.compile(r"(?<![a-z0-9])(?:admin|administrator|root|operator|supervisor|666666|888888)[/:|,;][^/]")
_USER_PAIR = re.compile(r"[/?&](?:user|guest|viewer|view|service|ubnt|default)[:|,;][^/]")
_PATH_ODD_SIGNS = frozenset("!#$^*~<>\\|\"'`")
_PATH_WORDS = re.compile(r"[/?&=:;_,]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_MOST_ENCODED = 8
_LONGEST_REPEATED = 300
#: Keys whose values are shown: those in makes' RTSP paths.
SHOWN_KEYS = frozenset({"camera", "channel", "streamprofile", "subtype"})
_PAIR = re.compile(r"[^/;&=]*=[^/;&]*")
_QUERY_PART = re.compile(r"[^&;]+")
_PLAIN_KEY = re.compile(r"[A-Za-z_]{0,20}")
_PLAIN_VALUE = re.compile(r"[A-Za-z]{1,12}|[0-9]{1,4}")
_WITHHELD = "***"


def holds_login(text: str) -> bool:
    """Return whether a text seems to hold a password."""
    return states_login(text) or holds_made_up_word(text)


def holds_made_up_word(text: str) -> bool:
    """Return whether a word of a text looks like a password."""
    words = _without_markup(as_read(text)).split()
    return any(_looks_made_up(word) and not _is_ordinary(word) for word in words)


def holds_markup(text: str) -> bool:
    """Return whether a text holds HTML tags or a spreadsheet formula."""
    readable = as_read(text)
    return _without_markup(readable) != readable


def states_login(text: str) -> bool:
    """Return whether words or an address in a text state a password."""
    readable = as_read(text)
    return bool(_PASSWORD_TOLD.search(readable) or _LOGIN_IN_URL.search(readable) or _LOGIN_PAIR.search(readable))


def holds_personal_data(text: str) -> bool:
    """Return whether a text holds a phone number or an e-mail address."""
    readable = _TAX_NUMBER.sub("|", _DAY.sub("|", as_read(text)))
    return bool(_EMAIL_WITHIN.search(readable)) or any(
        _is_phone(readable, number.start()) for number in _PHONE.finditer(readable)
    )


def is_private(text: str) -> bool:
    """Return whether a text may hold private data that messages must omit."""
    # Too long to read in a message, and slow to search.
    return len(text) > _LONGEST_REPEATED or holds_login(text) or holds_personal_data(text) or path_holds_login(text)


def path_holds_login(path: str) -> bool:
    """Return whether an RTSP path or query holds a real login."""
    readable = _REFERENCE.sub("", unquoted := path_as_read(path))
    low = readable.casefold()
    return (
        "@" in readable
        or any(not _is_reference(match["value"]) for match in _LOGIN_KEY.finditer(unquoted.casefold()))
        or _is_short_login(low)
        or bool(_PATH_PAIR.search(low) or _USER_PAIR.search(low))
        or any(_looks_made_up(word, _PATH_ODD_SIGNS) for word in _PATH_WORDS.split(readable))
        or any(_is_pair_in_base64(word[0]) for word in _BASE64.finditer(readable))
    )


def _is_short_login(low: str) -> bool:
    keys = {match[1]: match[2] for match in _SHORT_KEY.finditer(low)}
    return bool(keys.keys() & {"u", "n"} and keys.get("p"))


def address_without_login(source: str) -> str:
    """Return a stream's address without credentials, as the on-host program does.

    If the path or query holds the login too, or a key that looks like one, the whole path is masked; else the values of
    unknown keys are.
    """
    scheme, _, rest = source.partition("://")
    head, slash, tail = rest.partition("/")
    login, _, address = head.rpartition("@")
    return f"{scheme}://{address}{slash}{_WITHHELD if tail and _address_holds_login(tail, login) else _shown(tail)}"


def _shown(tail: str) -> str:
    path, mark, query = tail.partition("?")
    return _PAIR.sub(_shown_pair, path) + mark + _QUERY_PART.sub(_shown_pair, query)


def _shown_pair(part: re.Match[str]) -> str:
    key, is_pair, value = part[0].partition("=")
    key = key if _PLAIN_KEY.fullmatch(key) else _WITHHELD
    shows_value = key.casefold() in SHOWN_KEYS and _PLAIN_VALUE.fullmatch(value)
    return f"{key}={value if shows_value else _WITHHELD}" if is_pair else key


def _address_holds_login(tail: str, login: str) -> bool:
    plain = _percent_decoded(tail)
    if "@" in plain or _LOGIN_KEY.search(plain.casefold()):
        return True
    password = _percent_decoded(login.partition(":")[2])
    return bool(password) and password in plain


def unknown_references(path: str) -> tuple[str, ...]:
    """Return the `{name}` placeholders of an RTSP path that have no value."""
    return tuple(name for name in _ANY_REFERENCE.findall(path) if name not in {"username", "password"})


def _is_reference(value: str) -> bool:
    rest = _REFERENCE.sub("", value, count=1) if _REFERENCE.match(value) else value
    # Addresses like `/user=…_password=…_channel=1` separate by what a value may hold as well.
    return not rest or (rest != value and rest[0] == "_" and "=" in rest)


@lru_cache(maxsize=256)  # one text is asked for by several rules, one after the other
def as_read(text: str) -> str:
    """Return a text in plain characters, without those of no width."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text)
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in plain)
    return "".join(c for c in digits if unicodedata.category(c) != "Cf")


def path_as_read(text: str) -> str:
    """Normalize a path, without percent-encoding."""
    return as_read(_percent_decoded(text))


def _percent_decoded(text: str) -> str:
    for _ in range(_MOST_ENCODED):
        if "%" not in text:
            break
        plain = _ENCODED.sub(lambda code: chr(int(code[1], 16)), text)
        if plain == text:
            break
        text = plain
    return text


def _without_markup(text: str) -> str:
    if not any(sign in text for sign in "<=#&(>|"):
        return text
    return _FORMULA_ERROR.sub(" ", _FORMULA.sub(" ", _TAG.sub(" ", text)))


def _is_ordinary(word: str) -> bool:
    if _EMAIL.fullmatch(word) or _ORDINARY.fullmatch(word):
        return True
    return word.endswith("?") and not _looks_made_up(word[:-1])


def _looks_made_up(word: str, signs: frozenset[str] = _ODD_SIGNS) -> bool:
    if len(word) < _SHORTEST_PASSWORD or signs.isdisjoint(word):
        return False
    return any(map(str.isalpha, word)) and any(map(str.isdigit, word))


def _is_phone(text: str, start: int) -> bool:
    before = text[:start]
    return not _SERIAL_BEFORE.search(before) or bool(_PHONE_BEFORE.search(before))


def _is_pair_in_base64(word: str) -> bool:
    """Return whether a word is a login of HTTP basic authentication."""
    padded = word.rstrip("=").replace("-", "+").replace("_", "/")
    for part in {padded, *padded.split("/")}:
        try:
            plain = b64decode(part + "=" * (-len(part) % 4), validate=True).decode("ascii")
        except (Base64Error, ValueError):
            continue
        if plain.isprintable() and 0 < plain.find(":") < len(plain) - 1:
            return True
    return False
