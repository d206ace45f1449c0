"""Facilities that are held, as every command shows them: why, where that is mended, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from provisioner.base.errors import InventoryError
from provisioner.base.exit_codes import worst_of
from provisioner.base.held import HeldFacility
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.printable import printable

HOSTS_KEEP = marked("hosts keep what they have")


def held_lines(held: Sequence[HeldFacility], what: str = HOSTS_KEEP, say: Translator = ENGLISH) -> Iterator[str]:
    """Who is held, with why and where that is mended.

    Args:
        held: the facilities.
        what: what that means for the command.
        say: whoever says it.
    """
    if not held:
        return
    facilities = say.counted(len(held), "facility")
    line = say("HELD: {facilities} with errors: {what}", facilities=facilities, what=say.restated(what))
    yield click.style(line, fg="red", bold=True)
    for one in held:
        yield f"  {one.id}: {printable(say.restated(one.reason))}"
        if one.place:
            yield f"    {printable(one.place)}"
        if one.hint:
            yield f"    {say('hint')}: {printable(say.restated(one.hint))}"


def print_held(held: Sequence[HeldFacility], *, color: bool | None, what: str, say: Translator = ENGLISH) -> None:
    """Say on standard error who is held."""
    for line in held_lines(held, what, say):
        click.echo(line, err=True, color=color)


def held_documents(held: Sequence[HeldFacility]) -> list[dict[str, object]]:
    """What a document says of who is held."""
    return [one.document for one in held]


def code_with_held(code: int, held: Sequence[object]) -> int:
    """The exit code: 3 where something is held, unless something worse happened."""
    return worst_of(code, InventoryError.exit_code) if held else code
