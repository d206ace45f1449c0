"""The lab as a fixture, one for a session. Where it cannot start, the tests fail; they are never skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running lab, removed at the end of the session."""
    with Lab.start() as running:
        yield running
