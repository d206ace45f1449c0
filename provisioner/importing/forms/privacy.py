"""What may not be written into the inventory, and what may not be shown: passwords and people's data.

A sheet's cells hold anything. A report lands in logs and in merge requests, so a cell's value is shown
only where its form can hold neither a password nor a person; row and column find it in any case.
"""

from __future__ import annotations

import re
import unicodedata

from provisioner.base.vietnamese import clean, fold

_PASSWORD_HEADERS = ("matkhau", "password", "passwd", "passcode", "pwd", "matma", "maxacminh", "safetycode")
_TELLING = r"(?:mật\s*khẩu|mat\s*khau|mật\s*mã|password|passwd|passcode|\bpass\b|\bpwd\b|\bmk\b|\bpw\b)"
_PASSWORD_TOLD = re.compile(
    rf"{_TELLING}(?:(?:\s+\w+){{0,3}}\s*[:=]\s*\S|(?:\s+\w+){{0,2}}\s+(?:là|is)\s+\S|\s+\S*(?=\S{{3}})[0-9]\S*)",
    re.IGNORECASE,
)
"""That passwords are missing is a usual obstacle and may be written; what they are may not."""
_LOGIN_IN_URL = re.compile(r"//[^/\s@]*@|[/?&_](?:user|usr|password|passwd|pwd|pass)=", re.IGNORECASE)
_LOGIN_PAIR = re.compile(r"\b(?:admin|root|user|administrator)\s*[/:|,;]\s*\S", re.IGNORECASE)
_ODD_SIGNS = frozenset("@!#$%^&*?~=<>\\")
_SHORTEST_PASSWORD = 5
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_PHONE = re.compile(r"(?<![0-9.])(?:\+?84|0)[ .()-]{0,2}[0-9](?:[ .()-]{0,2}[0-9]){7,9}(?![0-9])")

_SAFE_NUMBER = re.compile(r"[+-]?[0-9]{1,5}(?:[.,][0-9]{1,4})?")
_SAFE_ADDRESS = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{0,3}){1,4}(?:/[0-9]{1,2})?")
_SAFE_DAY = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}")
_SAFE_ID = re.compile(r"[a-z]{2,5}(?:-[a-z]{2,4})?-[0-9]{1,4}", re.IGNORECASE)
_MOST_SHOWN = 60


def is_password_header(header: str) -> bool:
    """Tell whether a column's header asks for a password."""
    key = fold(header).replace("-", "")
    words = fold(header).split("-")
    return any(part in key for part in _PASSWORD_HEADERS) or "pass" in words or "mk" in words


def holds_login(text: str) -> bool:
    """Tell whether a text seems to hold a password: by its words, as part of an address, or by its looks."""
    return states_login(text) or any(_looks_made_up(word) for word in text.split() if not _EMAIL.fullmatch(word))


def states_login(text: str) -> bool:
    """Tell whether a text says by words or as part of an address that it holds a password; signs alone do not count."""
    composed = unicodedata.normalize("NFC", text)
    return bool(_PASSWORD_TOLD.search(composed) or _LOGIN_IN_URL.search(composed) or _LOGIN_PAIR.search(composed))


def _looks_made_up(word: str) -> bool:
    """Tell a word of letters, digits and odd signs: no make, model, place or provider is written so."""
    kinds = (any(map(str.isalpha, word)), any(map(str.isdigit, word)), any(c in _ODD_SIGNS for c in word))
    return len(word) >= _SHORTEST_PASSWORD and all(kinds)


def holds_personal_data(text: str) -> bool:
    """Tell whether a text holds a phone number or an e-mail address: facility files have neither."""
    return bool(_PHONE.search(text) or _EMAIL.search(text))


def safe_number(text: str) -> str:
    """A number, address or day for a report; nothing where the text is something else, or a longer number."""
    written = text.strip()
    forms = (_SAFE_NUMBER, _SAFE_ADDRESS, _SAFE_DAY)
    return written if any(form.fullmatch(written) for form in forms) else ""


def safe_words(text: str) -> str:
    """Words of letters for a report; nothing where there is a digit or sign, or one word alone.

    Passwords of letters alone are one word; what is chosen from a list has several, or is known.
    """
    written = clean(text)
    if len(written) > _MOST_SHOWN or not all(
        c.isalpha() or c in " ,;/()." or unicodedata.combining(c) for c in written
    ):
        return ""
    return written if len(written.split()) > 1 else ""


def safe_id(text: str) -> str:
    """An id for a report, where it has the form that ids have here, e.g. kcl-bg-001."""
    written = clean(text)
    return written if _SAFE_ID.fullmatch(written) else ""


def masked(text: str) -> str:
    """The last three digits of a phone number, so that its cell is recognised; nothing of any other text."""
    digits = [c for c in text if c.isdigit()]
    others = sum(c.isalpha() for c in text)
    return "…" + "".join(digits[-3:]) if len(digits) >= 8 and not others else ""  # noqa: PLR2004 (a phone number's least)
