"""Settings of a service in a file of TOML: every one has a name that is known."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.json_document import Document
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable

_SHOWN: Final = 80


def toml_settings(text: str, file: str, known: Collection[str], example: str) -> Document:
    """The settings of a file by their names; what their values are nobody has looked at.

    Args:
        text: what the file says.
        file: its name.
        known: the names that there are.
        example: what a hint shows, e.g. `e.g. branch = "main"`.

    Raises:
        UsageError: it is no TOML, or has another name.
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message, hint = f"{file}: {printable(str(error), _SHOWN)}", f"write it in TOML, {example}"
        raise UsageError(message, hint=hint) from None
    for name in values:
        if name not in known:
            hint = did_you_mean(name, sorted(known), f"the settings are: {', '.join(sorted(known))}")
            raise UsageError(f"{file}: {printable(name, _SHOWN)} is no setting", hint=hint)
    return values
