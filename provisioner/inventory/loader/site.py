"""What one facility's file says and what is wrong with it, as far as it is needed without its cameras."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from pydantic_core import from_json

from provisioner.base.diagnostics import Problem
from provisioner.inventory import rules
from provisioner.inventory.files.layout import File
from provisioner.inventory.loader.file_content import as_json, bytes_of, content_of_value, read
from provisioner.inventory.model import Facility
from provisioner.inventory.outline import Outline, outline_of


class Site(NamedTuple):
    """What one facility's file says, in outline, and its problems.

    Attributes:
        digest: the SHA-256 of its bytes; empty where it cannot be read.
        outline: what the rest of the inventory needs to know; None where the file cannot be understood.
        faults: why it cannot be understood, or that it stands in the wrong place.
        problems: what the rules on single files find wrong.
        since: the first day on which the rules find the same, and `before` the first day after those.
        text: what it says, as JSON; empty where it is not understood, or was not read anew.
        content: the SHA-256 of what it says; comments and the order of keys do not count.
        brief: what it says in brief, as JSON, like `text`.
    """

    digest: str
    outline: Outline | None
    faults: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    since: date
    before: date
    text: str = ""
    content: str = ""
    brief: str = ""

    def holds_on(self, today: date) -> bool:
        """Tell whether the rules find the same on a day."""
        return self.since <= today < self.before


def read_site(file: File, today: date) -> Site:
    """Read one facility's file and judge it by the rules on single files; never raises for what a file is."""
    try:
        data = bytes_of(file)
    except OSError as error:
        return Site("", None, (unreadable(file, error),), (), date.min, date.max)
    return site_of(file, data, today)


def site_of(file: File, data: bytes, today: date) -> Site:
    """As `read_site`, of what a file says or is to say."""
    content = read(file, data)
    if not isinstance(content.model, Facility):
        return Site(content.digest, None, content.problems, (), date.min, date.max)
    days = rules.Days(today)
    outline = outline_of(content.model)
    problems = rules.check_site(rules.SiteView(content.model, days, content.source, outline))
    days_and_text = (days.since, days.before, content.text, content_of_value(content.value, content.digest))
    return Site(content.digest, outline, content.problems, problems, *days_and_text, brief_of(content.value))


def brief_text(text: str) -> str:
    """What a facility's file says but for its recorders, its cameras and signatures, as JSON; `text` is all of it."""
    return brief_of(from_json(text))


def brief_of(value: object) -> str:
    """As `brief_text`, of plain values; empty of what is no mapping."""
    if not isinstance(value, dict):
        return ""
    brief = {key: below for key, below in value.items() if key not in _WITHOUT}
    for key in _PLANS:
        if isinstance(below := brief.get(key), dict):
            offs = [{k: v for k, v in one.items() if k != "signature"} for one in below.get("sign_offs", ())]
            brief[key] = below | {"sign_offs": offs}
    return as_json(brief)


_WITHOUT: Final = frozenset({"recorders", "cameras"})
_PLANS: Final = ("plan", "successor")


def unreadable(file: File, error: OSError) -> Problem:
    """Say that a file cannot be read."""
    message = f"cannot be read: {error.strerror}"
    return Problem(file.shown, 0, 0, "file-unreadable", message, "correct its permissions", file.owner)
