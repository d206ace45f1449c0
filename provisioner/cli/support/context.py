"""Input of every command: inventory folder, output form, environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from provisioner.base.errors import StateError, UsageError
from provisioner.base.files import is_tracked_path, refuse_tracked_link
from provisioner.base.language import ENGLISH, Language, Translator, translator
from provisioner.base.text import VIETNAM
from provisioner.cli.support.configuration import Configuration
from provisioner.cli.support.onlookers import Progress, ProgressForm
from provisioner.record.state_folder import VARIABLE, state_folder


@dataclass(frozen=True)
class Invocation:
    """One call of the program."""

    chosen: Path | None  #: The folder in `-i`, or `None`.
    json: bool
    env: Mapping[str, str] = field(repr=False)
    markdown: bool = False  #: Whether to print a Markdown comment, for commands that have one.
    language: Language = Language.EN
    chose_language: bool = False  #: Whether somebody chose it.
    configuration: Configuration = field(default_factory=Configuration, repr=False)
    verbose: bool = False
    progress: Progress = field(
        default_factory=lambda: Progress(ENGLISH, ProgressForm.NOTHING), repr=False, compare=False
    )

    @property
    def say(self) -> Translator:
        """The language's translator."""
        return translator(self.language)

    @property
    def inventory(self) -> Path:
        """The inventory's folder; `UsageError` if none is named."""
        if (named := self.named_inventory) is None:
            hint = "name its folder: -i DIR, before or after the command, or PROVISIONER_INVENTORY in the environment"
            raise UsageError("no inventory is named", hint=hint)
        return named

    @property
    def named_inventory(self) -> Path | None:
        """The inventory's folder; `None` if none is named."""
        variable = self.env.get("PROVISIONER_INVENTORY")
        return self.chosen or (Path(variable) if variable else None)

    def refuse_tracked_links(self, *paths: Path | None, here: bool = False) -> None:
        """Refuse a person's paths over links of the inventory's checkout.

        Others may choose such a link's target. `-` is no path. `here` counts the present folder's checkout if no
        inventory is named.
        """
        for path in paths:
            if path is not None and str(path) != "-" and (self.named_inventory or here):
                refuse_tracked_link(path, self.named_inventory or Path())

    def refuse_inside(self, folder: Path | None) -> None:
        """Refuse an output folder inside the inventory, or raise `UsageError`."""
        if folder is not None and self.named_inventory and folder.resolve().is_relative_to(self.inventory.resolve()):
            message = f"{folder} is inside the inventory {self.inventory}, which its files would make invalid"
            raise UsageError(message, hint="name a folder outside of it")

    def refuse_tracked_state(self) -> None:
        """Raise `StateError` for a state folder in Git, which may be forged."""
        if not self.named_inventory or "://" in self.env.get(VARIABLE, ""):
            return
        if is_tracked_path(folder := state_folder(self.env), self.inventory):
            hint = f"name a folder in {VARIABLE} that Git does not have, and take this one out of Git"
            raise StateError(f"{folder} is a part of the inventory's checkout: its history may be made up", hint=hint)

    def refuse_tracked_configuration(self) -> None:
        """Raise `UsageError` for a configuration file in Git: others propose it."""
        file = self.configuration.file
        if file is not None and self.named_inventory and is_tracked_path(file, self.inventory):
            message = (
                f"{file} is a part of the inventory's checkout: whoever proposes a change would choose what it says"
            )
            raise UsageError(message, hint="keep the file outside of the checkout, and take this one out of Git")

    @property
    def color(self) -> bool | None:
        """Click's colour option: never with NO_COLOR, else by terminal."""
        return False if self.env.get("NO_COLOR") else None


def now() -> datetime:
    """Return the time in Vietnam."""
    return datetime.now(VIETNAM)


def today() -> date:
    """Return the day in Vietnam."""
    return now().date()


def state_dir(env: Mapping[str, str]) -> Path:
    """Return the program's state folder, also if PROVISIONER_STATE is a database URL."""
    return state_folder(env)
