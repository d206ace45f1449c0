"""A saved plan as a file that a command names: its bytes, and what it says, without the vault."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from provisioner.base.errors import StalePlanError
from provisioner.base.printable import printable
from provisioner.base.regular_file import read_regular
from provisioner.plan import MAX_PLAN_BYTES, WrittenPlan, written_plan

_SHOWN: Final = 200


class PlanFile(NamedTuple):
    """A saved plan: what it says, and the bytes that say it."""

    plan: WrittenPlan
    content: bytes


def read_plan(path: Path) -> PlanFile:
    """The plan of a file, read once.

    Raises:
        StalePlanError: it cannot be read, or is none.
    """
    try:
        content = read_regular(path, most=MAX_PLAN_BYTES)
    except OSError as error:
        hint = "name a file that provisioner plan --out FILE wrote"
        raise StalePlanError(f"{path} cannot be read: {error.strerror}", hint=hint) from None
    return PlanFile(written_plan(content, printable(str(path), _SHOWN)), content)
