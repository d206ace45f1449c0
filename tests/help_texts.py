"""The English texts of `--help`, read from the commands themselves, for their catalogue.

python -m tests.help_texts --write  adds new ones to `vi.po` of the command line, untranslated, and removes others
"""

import re
import sys
from inspect import cleandoc

import click
import polib

from provisioner.cli.main import cli
from provisioner.cli.support.commands import CATALOGUE, COMMANDS, EXAMPLE
from tests.command_tree import every_command

_LISTS = re.compile(r"abs, array\.concat")  #: Names of functions alone.
#: Headings and words of click.
_OF_CLICK = ("Usage:", "Options", "Commands", EXAMPLE, "default", "required", "Show this message and exit.")


def help_msgids() -> dict[str, str]:
    """Return each text of help, with the command that shows it first."""
    texts = dict.fromkeys(_OF_CLICK, "")
    for name, command in (("", cli), *every_command().items()):
        paragraphs = cleandoc(command.help or "").split("\n\n")
        options = [param.help or "" for param in command.params if isinstance(param, click.Option)]
        shown = (*paragraphs, command.get_short_help_str(1_000), *options, command.epilog or "")
        for text in shown:
            sentence = re.sub(r"  \[.*\]$", "", text, flags=re.DOTALL)
            texts.setdefault(" ".join(sentence.split()), name)
    for name, entry in COMMANDS.items():
        texts.setdefault(entry.section, "")
        texts.setdefault(entry.help, name)
    return {text: name for text, name in texts.items() if text and not text.startswith(f"{EXAMPLE} ")}


def catalogue() -> polib.POFile:
    """Return the catalogue of help."""
    return polib.pofile(str(CATALOGUE), encoding="utf-8", wrapwidth=100)


def renewed(file: polib.POFile) -> polib.POFile:
    """Return the catalogue with all texts and no other one."""
    old = {entry.msgid: entry.msgstr for entry in file}
    new = polib.POFile(wrapwidth=100)
    new.metadata = file.metadata
    for text, command in help_msgids().items():
        new.append(polib.POEntry(msgid=text, msgstr=old.get(text, ""), occurrences=[(command, "")] if command else []))
    return new


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        renewed(catalogue()).save(str(CATALOGUE))
