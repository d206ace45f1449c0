"""The rules and tests of `docs/operate/policy.md`, as they stand in the page."""

import re
from pathlib import Path
from typing import Final

from provisioner.inventory.policy_rules.file import RegoFile

PAGE: Final = Path(__file__).parents[1] / "docs/operate/policy.md"
_BLOCK: Final = re.compile(r"^```rego\n(package provisioner\.(\w+)\n.*?)^```$", re.MULTILINE | re.DOTALL)


def page_files() -> tuple[RegoFile, ...]:
    """Every file that the page shows."""
    return tuple(
        RegoFile(f"policy/{name}{'_test' if 'test_' in text else ''}.rego", text)
        for text, name in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    )


def page_file(path: str) -> RegoFile:
    """One of them."""
    return next(file for file in page_files() if file.path == f"policy/{path}")
