"""An option's or argument's word out of a list; a mistyped one is answered with the one that it is like."""

from __future__ import annotations

import click

from provisioner.base.nearest import did_you_mean


class UnknownWordError(click.BadParameter):
    """A word that is not on the list.

    Attributes:
        hint: what may have been meant; empty where nothing is like it.
    """

    def __init__(self, message: str, hint: str, ctx: click.Context | None, param: click.Parameter | None) -> None:
        super().__init__(message, ctx, param)
        self.hint = hint


class Word(click.Choice[str]):
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
