"""What to write instead of a value that another reader of YAML, or another country, would have taken.

YAML 1.1 makes numbers of `010` (8) and `1:30` (90) and truth values of `no` and `on`; Vietnamese writes
the day before the month and a comma in a fraction. Here such a value is a text, and a field that wants
something else refuses it: each correction names the field and what to write into it. Pure.

Fields are named by their last key; an item of a list has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from provisioner.base.nearest import nearest

_YES = frozenset({"yes", "y", "on", "true", "1", "có"})
_NO = frozenset({"no", "n", "off", "false", "0", "không"})
_ALIKE = 0.7
_LONGEST = 64
"""No number, day or address that can be corrected is longer; of thousands of digits Python makes no number at all."""


def ask(field: str, what: str) -> str:
    """Say what kind of value to write."""
    return f"write {what} for {field}" if field else f"write {what}"


def for_number(field: str, value: object, *, whole: bool) -> str:
    """Say how to write a number; `whole` is whether a fraction is not allowed."""
    kind = "a whole number" if whole else "a number"
    if isinstance(value, float) and whole and value.is_integer():
        return _write(field, int(value))
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= _LONGEST:
        return ask(field, kind)
    if re.fullmatch(r"[-+]?[0-9]+(:[0-5]?[0-9])+", text):
        return f"{ask(field, kind)}; {text} is a text here (older readers of YAML count it in sixties)"
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        return f"{_write(field, int(text))}; with a leading zero it is a text here (older readers take it for octal)"
    number, rest = _number_in(text, whole=whole)
    if not number or rest[:1].isdigit():
        return f"{ask(field, kind)}, without quotes"
    return f"{_write(field, number)}, without {rest!r}" if rest else f"{_write(field, number)}, without quotes"


def _number_in(text: str, *, whole: bool) -> tuple[str, str]:
    """The number that a text begins with, and the rest of it: thousands apart, a comma for the fraction."""
    plain = re.sub(r"(?<=[0-9])[_ ](?=[0-9]{3})", "", text)
    if not whole:
        plain = re.sub(r"(?<=[0-9]),(?=[0-9]+\b)", ".", plain)
    match = re.match(r"[-+]?[0-9]+\b" if whole else r"[-+]?[0-9]+(\.[0-9]+)?\b", plain)
    return (match[0], plain[match.end() :].strip()) if match else ("", "")


def for_truth(field: str, value: object) -> str:
    """Say how to write a truth value: YAML 1.2 knows two words."""
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return f"{_write(field, 'true' if text in _YES else 'false')}, without quotes"
    return ask(field, "true or false")


def for_text(field: str, written: str) -> str:
    """Say how to write a text that looks like a number or a truth value.

    Args:
        field: the field.
        written: what stands there, letter by letter: of 1.20 the number would be 1.2.
    """
    return _write(field, json.dumps(written, ensure_ascii=False))


def for_day(field: str, value: object) -> str:
    """Say how to write a day; two readings of one text are not chosen between."""
    text = str(value).strip()[: _LONGEST + 1]
    if re.fullmatch(r"[0-9]{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    parts = [int(part) for part in re.findall(r"[0-9]+", text)[:3]] if len(text) <= _LONGEST else []
    readings: list[date] = []
    if re.match(r"[0-9]{4}\D", text):
        readings = _days(parts)
    elif re.fullmatch(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}", text):
        day, month, year = parts
        readings = _days([year, month, day], [year, day, month])
    if readings:
        among = " or ".join(map(str, readings))
        return _write(field, among) + (", whichever is meant" if len(readings) > 1 else "")
    return f"write {field or 'it'} as YYYY-MM-DD, a day that exists, e.g. 2021-05-10"


def _days(*candidates: Sequence[int]) -> list[date]:
    """The days that exist among some readings of one text, each once."""
    days: dict[date, None] = {}
    for parts in candidates:
        with suppress(ValueError, TypeError, OverflowError):
            days[date(*parts)] = None
    return list(days)


def for_choice(field: str, value: object, choices: Sequence[str]) -> str:
    """Say which of the known values is meant, if that can be seen, and which there are."""
    if len(choices) == 1:
        return _write(field, choices[0])
    text = str(value).strip().lower().replace("-", "_").replace(" ", "_")
    close = [text] if text in choices else nearest(text, choices, most=1, alike=_ALIKE)
    listed = f"one of {', '.join(choices)}"
    return f"{_write(field, close[0])}; it is {listed}" if close and isinstance(value, str) else listed


def for_address(field: str, value: object, *, network: bool) -> str:
    """Say how to write an IPv4 address or network."""
    numbers = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})(/[0-9]{1,2})?", str(value).strip())
    if numbers:
        plain = ".".join(str(int(number)) for number in numbers.groups()[:4])
        with suppress(ValueError):  # a number is too large: which one is meant cannot be seen
            if network:
                return _write(field, IPv4Network(plain + (numbers[5] or "/24"), strict=False))
            return _write(field, IPv4Address(plain))
    if network:
        return f"write {field or 'it'} as a network's first address and its length, e.g. 192.168.1.0/24"
    return f"write {field or 'it'} as four numbers from 0 to 255 with dots between, e.g. 192.168.1.10"


_OUTER = re.compile(r"\[?(?P<plain>[0-9A-Fa-f:.]+)(?:%[^/\]]*)?\]?(?::[0-9]+)?(?P<length>/[0-9]{1,3})?")
"""An IPv6 address as URLs, ssh or a machine's own programs have it: in brackets, with a port, with a zone."""


def for_either_address(field: str, value: object, *, network: bool, name: bool) -> str:
    """Say how to write an address or network of either family; `name` is whether a host name may stand there."""
    text = str(value).strip()
    outer = _OUTER.fullmatch(text) if len(text) <= _LONGEST and text.count(":") > 1 else None
    if outer:
        with suppress(ValueError):
            if network:
                return _write(field, _plain_network(outer["plain"] + (outer["length"] or "/64")))
            address = IPv6Address(outer["plain"])
            return _write(field, address.ipv4_mapped or address)
    elif re.match(r"[0-9]+\.", text):
        return for_address(field, value, network=network)
    if network:
        return f"write {field or 'it'} as a network's first address and its length, e.g. 192.0.2.0/24 or 2001:db8::/48"
    examples = "192.0.2.10, 2001:db8::10 or relay.example.com" if name else "192.0.2.10 or 2001:db8::10"
    return f"write {field or 'it'} like one of these: {examples}"


def _plain_network(text: str) -> IPv4Network | IPv6Network:
    """The network that an address is in; one of IPv4 in IPv6's form as what it is."""
    network = IPv6Network(text, strict=False)
    mapped, length = network.network_address.ipv4_mapped, network.prefixlen - 96
    return IPv4Network((int(mapped), length)) if mapped is not None and length >= 0 else network


def _write(field: str, value: object) -> str:
    return f"write {field}: {value}" if field else f"write {value}"
