"""The table of commands: name, where its click command is, and its line in `--help`.

A command's module is imported when the command is run, never before: `--help` stays fast.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A command: the module and attribute of its click object, and one line of help."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Entry] = {
    "allocate": Entry("provisioner.cli.allocate", "allocate", "Record tunnel addresses and ports of what is new."),
    "validate": Entry("provisioner.cli.validate", "validate", "Check the inventory and list every problem."),
}
