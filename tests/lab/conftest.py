"""The lab and a deployment in it, one of each for a session. Where they cannot start, tests fail; none is skipped."""

from collections.abc import Iterator

import pytest

from .deployment import Deployment
from .docker_cli import compose_command
from .engine import Engine, find_engine
from .lab import Lab


@pytest.fixture(scope="session")
def prepared() -> Iterator[Lab]:
    """A run that was drawn, without hosts yet; its compose project is pytest-docker's to create and remove."""
    lab = Lab.prepare()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.compose_environment.items():
            patch.setenv(name, value)
        yield lab
    lab.stop()


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """Compose as this machine has it: the plugin, or the older program of its own."""
    return " ".join(compose_command())


@pytest.fixture(scope="session")
def docker_compose_file(prepared: Lab) -> list[str]:
    """The lab's compose files."""
    return [str(path) for path in prepared.compose_files]


@pytest.fixture(scope="session")
def docker_compose_project_name(prepared: Lab) -> str:
    """The run's own project."""
    return prepared.project


@pytest.fixture(scope="session")
def docker_setup() -> str:
    """Create only: the hosts are seeded before their first boot."""
    return "up --no-start"


@pytest.fixture(scope="session")
def docker_cleanup() -> str:
    """End all hosts at once: what is left of them is removed with the run, in a fifth of the time of `down`."""
    return "kill"


@pytest.fixture(scope="session")
def lab(prepared: Lab, docker_services: object) -> Lab:
    """A running lab, removed at the end of the session."""
    assert docker_services
    prepared.boot()
    return prepared


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
    _deployed.restore()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the engine that the lab ran with: a stand-in's green is not the real relay's."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.getreports(outcome)]
    if any("/lab/" in report.nodeid for report in reports):
        terminalreporter.write_line(f"lab engine: {find_engine().name}")
