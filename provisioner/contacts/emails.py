"""The reader of e-mail addresses as provinces write them. Nothing is asked of the network."""

from __future__ import annotations

import re
import unicodedata

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from provisioner.base.secret import Secret
from provisioner.contacts.field import FieldReading, refused, visible, warning

_MOST_CHARACTERS = 320
_NAMED = re.compile(r"[^<>@]*<([^<>]+)>")


def read_email(value: object) -> FieldReading:
    """Read one e-mail address. Never raises.

    Args:
        value: a text, also one with `mailto:` or with a name before `<…>`.

    Returns:
        The address with its domain in small letters, with warnings; or the one error that stands against it.
    """
    if value is None:
        return refused("email-empty")
    if not isinstance(value, str):
        return refused("email-not-text")
    text = _bare(visible(unicodedata.normalize("NFKC", value)))
    if not any(c.isalnum() for c in text):
        return refused("email-empty")
    wrong = _wrong_form(text)
    if wrong:
        return wrong
    address = _normal(text)
    if address is None:
        return refused("email-reserved" if _is_reserved(text) else "email-invalid")
    return FieldReading(Secret(address), () if address.isascii() else (warning("email-accents"),))


def _bare(text: str) -> str:
    named = _NAMED.fullmatch(text)
    text = named[1] if named else text
    return text.removeprefix("mailto:").strip(" ;,")


def _wrong_form(text: str) -> FieldReading | None:
    """The error of a text that is not one address alone, with what may have been meant."""
    if text.count("@") != 1:
        return refused("email-several" if "@" in text else "email-no-at")
    if re.search(r"[;/|\n\r]", text):
        return refused("email-several")
    mended = {
        "email-spaces": "".join(text.split()),
        "email-comma": text.replace(",", "."),
        "email-dot": text.strip("."),
    }
    return next((refused(code, _normal(better)) for code, better in mended.items() if better != text), None)


def _normal(text: str) -> str | None:
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


def _is_reserved(text: str) -> bool:
    domain = text.rpartition("@")[2].casefold()
    return any(domain == name or domain.endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)
