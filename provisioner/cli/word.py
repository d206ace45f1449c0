"""What an option or an argument may be: a word out of a list, a place in the file system, a share or a time.

A mistyped word is answered with the one that it is like; what no machine could do anything with is refused here.
"""

from __future__ import annotations

import os

import click

from provisioner.base.nearest import did_you_mean

DAY = click.DateTime(["%Y-%m-%d"])
"""A day, as files have it."""


class UnknownWordError(click.BadParameter):
    """A word that is not on the list.

    Attributes:
        hint: what may have been meant; empty where nothing is like it.
    """

    def __init__(self, message: str, hint: str, ctx: click.Context | None, param: click.Parameter | None) -> None:
        super().__init__(message, ctx, param)
        self.hint = hint


class ListedWord(click.Choice[str]):
    """One of the words of a list."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take a word.

        Raises:
            UnknownWordError: it is not on the list.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise UnknownWordError(error.message, did_you_mean(value, self.choices, ""), ctx, param) from None


_LONGEST_NAME, _LONGEST_PATH = 255, 4095


class Place(click.Path):
    """A path that a file system can have."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Take a path.

        Raises:
            click.BadParameter: no file can be called so.
        """
        name = os.fsencode(value)
        if b"\0" in name:
            self.fail("the path has a zero byte, which no file's name has", param, ctx)
        if len(name) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in name.split(b"/")):
            self.fail("the path is longer than any file's", param, ctx)
        return super().convert(value, param, ctx)


class Amount(click.FloatRange):
    """A number between two bounds; "nan" is between none."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Take a number.

        Raises:
            click.BadParameter: it is none, or out of bounds.
        """
        number = float(super().convert(value, param, ctx))
        if number != number:  # noqa: PLR0124 (only "nan" is not itself)
            self.fail("nan is not a number", param, ctx)
        return number
