"""What a report may show of a cell, and which columns ask for passwords.

A sheet's cells hold anything; `provisioner.base.private_text` says what may not be taken over. A report lands
in logs and in merge requests, so a cell's value is shown only where its form can hold neither a password nor a
person; row and column find it in any case.
"""

from __future__ import annotations

import re
import unicodedata

from provisioner.base.vietnamese import clean, fold

_PASSWORD_HEADERS = ("matkhau", "password", "passwd", "passcode", "pwd", "matma", "maxacminh", "safetycode")
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
