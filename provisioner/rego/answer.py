"""What a query of rules came to. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegoAnswer:
    """What a query came to.

    Attributes:
        value: as JSON has it; None where nothing was said.
        error: why it came to nothing; empty where it did.
        is_defined: whether there is a value.
        never: whether the error is there whatever is asked, as the text cannot be evaluated at all.
    """

    value: object = None
    error: str = ""
    is_defined: bool = False
    never: bool = False
