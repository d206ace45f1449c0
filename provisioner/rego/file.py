"""A file of Rego rules, as the inventory has it. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.diagnostics import REGO_RULES
from provisioner.rego.module import RegoModule, parsed_module

FOLDER: Final = REGO_RULES
ENDING: Final = ".rego"
MOST_FILES: Final = 40
"""Rules and tests together."""
MOST_BYTES: Final = 64 * 1024
_TEST: Final = "_test"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True, order=True)
class RegoFile:
    """A file of rules or of tests.

    Attributes:
        path: where it is in the inventory, e.g. `policy/elections.rego`.
        text: what stands in it.
    """

    path: str
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the rules that it holds or tests."""
        return self._stem.removesuffix(_TEST)

    @property
    def is_test(self) -> bool:
        """Whether it holds tests."""
        return self._stem.endswith(_TEST)

    @property
    def _stem(self) -> str:
        return self.path.removeprefix(f"{FOLDER}/").removesuffix(ENDING)

    @property
    def module(self) -> RegoModule:
        """The file taken apart."""
        return parsed_module(self.name, self.text, is_test=self.is_test)

    @property
    def mark(self) -> str:
        """What hosts remember of it: its name, and the digest of what stands in it."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return f"{self.path.removeprefix(f'{FOLDER}/')} sha256:{digest}"


def is_rego_name(name: str) -> bool:
    """Whether a file of rules may have such a name: a package's, with the ending."""
    stem = name.removesuffix(ENDING)
    return name.endswith(ENDING) and _NAME.fullmatch(stem) is not None and stem.removesuffix(_TEST) != ""
