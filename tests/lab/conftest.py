"""The lab and a deployment in it, one of each for a session. Where they cannot start, tests fail; none is skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .deployment import Deployment
from .engine import Engine, find_engine
from .lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running lab, removed at the end of the session."""
    with Lab.start() as running:
        yield running


@pytest.fixture(scope="session")
def engine() -> Engine:
    """MediaMTX where one can be had, else the stand-in."""
    return find_engine()


@pytest.fixture(scope="session")
def _deployed(lab: Lab, engine: Engine) -> Deployment:
    deployment = Deployment(lab, engine)
    deployment.prepare()
    assert deployment.deploy()["outcome"] == "applied"
    return deployment


@pytest.fixture
def deployment(_deployed: Deployment) -> Iterator[Deployment]:
    """The lab's inventory, deployed. What a test breaks on hosts or in the inventory is mended after it."""
    yield _deployed
    _deployed.git("reset", "--quiet", "--hard")
    _deployed.git("clean", "--quiet", "--force", "-d")
    _deployed.document("apply", "--yes")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the engine that the lab ran with: a stand-in's green is not the real relay's."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.getreports(outcome)]
    if any("/lab/" in report.nodeid for report in reports):
        terminalreporter.write_line(f"lab engine: {find_engine().name}")
