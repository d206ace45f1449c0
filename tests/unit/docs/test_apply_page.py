"""docs/internals/apply.md draws the states of one host's change, from their table."""

import re
from pathlib import Path

import pytest

from provisioner.operations.rollout.states import TABLE, State

PAGE = Path(__file__).parents[3] / "docs/internals/apply.md"
DIAGRAM = re.compile(r"```mermaid\nstateDiagram-v2\n.*?```\n", re.DOTALL)


def diagram() -> str:
    """The states, and between two of them the events that lead from one to the other."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {state.name}' for state in State if state.value != state.name.lower()]
    lines += [f"    [*] --> {state.name}" for state in (State.START, State.STATUS)]
    for state, events in TABLE.items():
        for after in dict.fromkeys(events.values()):
            words = ", ".join(event.value for event in events if events[event] is after)
            lines.append(f"    {state.name} --> {after.name}: {words}")
    return "\n".join([*lines, f"    {State.END.name} --> [*]", "```", ""])


def test_the_page_draws_what_the_table_says(request: pytest.FixtureRequest) -> None:
    there = PAGE.read_text(encoding="utf-8")
    (drawn,) = DIAGRAM.findall(there)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(there.replace(drawn, diagram()), encoding="utf-8")
        return
    assert drawn == diagram(), "run pytest --update-golden tests/unit/docs/test_apply_page.py, and read the diff"
