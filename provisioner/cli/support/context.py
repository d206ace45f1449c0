"""What every command gets: the inventory's folder, the format of its output, and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from provisioner.base.errors import StateError, UsageError
from provisioner.base.files import is_proposed, refuse_proposed_link
from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.base.text import VIETNAM
from provisioner.cli.support.configuration import Configuration
from provisioner.cli.support.onlookers import Progress, ProgressForm
from provisioner.record.place import VARIABLE, state_folder


@dataclass(frozen=True)
class Invocation:
    """One call of the program.

    Attributes:
        chosen: the folder named by `-i`, or None.
        json: whether standard output is one JSON document.
        env: the environment, with what the user's configuration file says of variables that are not set.
        markdown: whether it is one comment in Markdown; only for commands that have one.
        language: of texts for people.
        configuration: what of the environment is the caller's, and what the file's.
        verbose: whether each event is told, and plans list every change.
        progress: whoever looks on.
    """

    chosen: Path | None
    json: bool
    env: Mapping[str, str] = field(repr=False)
    markdown: bool = False
    language: Language = Language.EN
    configuration: Configuration = field(default_factory=Configuration, repr=False)
    verbose: bool = False
    progress: Progress = field(
        default_factory=lambda: Progress(ENGLISH, ProgressForm.NOTHING), repr=False, compare=False
    )

    @property
    def say(self) -> Translator:
        """Whoever speaks that language."""
        return translator(self.language)

    @property
    def inventory(self) -> Path:
        """The inventory's folder.

        Raises:
            UsageError: none was named.
        """
        named = self.chosen or (
            Path(self.env["PROVISIONER_INVENTORY"]) if self.env.get("PROVISIONER_INVENTORY") else None
        )
        if named is None:
            hint = "name its folder: -i DIR, before or after the command, or PROVISIONER_INVENTORY in the environment"
            raise UsageError("no inventory is named", hint=hint)
        return named

    def refuse_proposed(self, *paths: Path | None) -> None:
        """Refuse paths that a person named, to be read or written, where a link of the inventory's checkout leads.

        Raises:
            UsageError: one is such a path: somebody else would have chosen the place.
        """
        named = self.chosen or self.env.get("PROVISIONER_INVENTORY")
        for path in paths:
            if path is not None and named:
                refuse_proposed_link(path, self.inventory)

    def refuse_proposed_state(self) -> None:
        """Refuse a state folder that Git has in the inventory's checkout: whoever proposes it makes up the history.

        Raises:
            StateError: it is such a one.
        """
        named = self.chosen or self.env.get("PROVISIONER_INVENTORY")
        if not named or "://" in self.env.get(VARIABLE, ""):
            return
        if is_proposed(folder := state_folder(self.env), self.inventory):
            hint = f"name a folder in {VARIABLE} that Git does not have, and take this one out of Git"
            raise StateError(f"{folder} is a part of the inventory's checkout: its history may be made up", hint=hint)

    def refuse_proposed_configuration(self) -> None:
        """Refuse a configuration file that Git has in the inventory's checkout: whoever proposes it chooses all in it.

        Raises:
            UsageError: it is such a one.
        """
        named, file = self.chosen or self.env.get("PROVISIONER_INVENTORY"), self.configuration.file
        if file is not None and named and is_proposed(file, self.inventory):
            message = (
                f"{file} is a part of the inventory's checkout: whoever proposes a change would choose what it says"
            )
            raise UsageError(message, hint="keep the file outside of the checkout, and take this one out of Git")

    @property
    def color(self) -> bool | None:
        """What click should do about colour: never with NO_COLOR, else as the terminal asks."""
        return False if self.env.get("NO_COLOR") else None


def now() -> datetime:
    """The moment, in Vietnam's time."""
    return datetime.now(VIETNAM)


def today() -> date:
    """The day in Vietnam."""
    return now().date()


def state_dir(env: Mapping[str, str]) -> Path:
    """The folder of the program's own state; PROVISIONER_STATE may be a database URL, which is no folder."""
    return state_folder(env)
