"""What a new user does first, as a script that runs wherever the program is installed, and what has to come of it."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = Path(__file__).parent / "journey.sh"
RULES: Final = Path(__file__).parent / "rules.sh"
EXAMPLE: Final = ROOT / "inventories/example"
_SAID: Final = (
    "provisioner 0.",
    "valid: ",
    "wrote ",
    "worst impact: path",
    "next: provisioner ",
    "ansible-playbook [core ",
    "psycopg binary",
)


def assert_came_far(said: str) -> None:
    """Each command did its work."""
    for beginning in _SAID:
        assert f"\n{beginning}" in f"\n{said}", said


def assert_has_rules(said: str) -> None:
    """A rule of the site's own was tested, and it held back a plan."""
    for part in (
        "passed: 2 tests, 1 Rego rule",
        "rego: policy/never.rego:5: bac-giang is closed",
        "the plan ended with 6",
    ):
        assert part in said, said
