"""What all tests share: `--update-golden`, `--examples`, and golden trees."""

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from hypothesis import is_hypothesis_test

from provisioner.base import vault
from provisioner.base.text import indented_parts
from provisioner.cli.support import onlookers
from provisioner.operations.pipeline import stages
from provisioner.operations.rollout import job
from provisioner.verify.path_history import Timepiece
from tests.document_schemas import schema_faults

# How long an example takes depends on what else this machine does; how many there are bounds the whole. Where a
# variable `CI` stands the library would draw the same examples every time: here the share says that, see `drawn`.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=False)
hypothesis.settings.load_profile("ours")
# What a password comes to with a salt takes as long as it is meant to, and tests ask for the same few all the time.
vault._derive = cache(vault._derive)  # noqa: SLF001 (no seam of the package's: nothing else may keep keys)
# A shell has what it starts in the background ignore an interrupt, and so would all that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The collector would look through ten thousand tests again and again.
gc.set_threshold(100_000, 20, 20)
# Whatever a developer has set for himself is none of the tests'.
os.environ["PROVISIONER_CONFIG"] = ""

# Where the library keeps what `@settings` says of a test; `given` reads it when the test is called.
_SETTINGS = "_hypothesis_internal_use_settings"
FEWEST = 10
GOLDEN = Path(__file__).parent / "golden"
_MEMORY = Path("/dev/shm")  # noqa: S108 (pytest makes a private folder in it)
_ENOUGH_MEMORY = 8 << 30


def in_memory(stat: os.statvfs_result) -> bool:
    """Whether tests' folders go to a file system in memory: it has enough space, and programs may start from it."""
    return not stat.f_flag & os.ST_NOEXEC and stat.f_bavail * stat.f_frsize >= _ENOUGH_MEMORY


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption("--update-golden", action="store_true", help="write golden trees anew instead of comparing")
    parser.addoption("--examples", type=float, default=1.0, help="so many times the examples that each law asks for")


def pytest_configure() -> None:
    """Put tests' folders into memory: a disk takes longer to delete all copies of the example than tests to run."""
    if _MEMORY.is_dir() and in_memory(os.statvfs(_MEMORY)):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every law run through fewer examples or more: a merge waits for it, a soak does not.

    Fewer are the same ones every time: a merge is not refused for what another drew. Whoever runs a law alone, and
    the soak, draw anew, and find what nobody has thought of.
    """
    share = config.getoption("--examples")
    for law in {id(test): test for item in items if is_hypothesis_test(test := getattr(item, "obj", None))}.values():
        own = getattr(law, _SETTINGS, None) or hypothesis.settings()
        setattr(law, _SETTINGS, drawn(own, share))
    gc.freeze()


def examples(asked: int, share: float) -> int:
    """How many examples a law runs through; as many as it asks for, or a few, are not made fewer."""
    return max(round(asked * share), min(asked, FEWEST))


def drawn(own: hypothesis.settings, share: float) -> hypothesis.settings:
    """The settings of a law at a share of its examples."""
    of_share = hypothesis.settings(own, max_examples=examples(own.max_examples, share))
    return hypothesis.settings(of_share, derandomize=True, database=None) if share < 1 else of_share


class QuickClock:
    """A clock of which waiting is a jump, so that no test waits for a second look or a gate's seconds."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> datetime:
        """The time, with all that was waited for."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead_s)

    def monotonic(self) -> float:
        """Seconds, likewise."""
        return time.monotonic() + self._ahead_s

    def sleep(self, seconds: float) -> None:
        """Jump."""
        self._ahead_s += seconds


@pytest.fixture(scope="session", autouse=True)
def _folder_of_prepared_states(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the states that tests share beside their own folders."""
    from tests import prepared  # noqa: PLC0415 (the host program's folder is on the path of pytest alone)

    prepared.FOLDER = tmp_path_factory.mktemp("prepared")


@pytest.fixture(autouse=True)
def _no_waiting_for_hosts_in_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands on hosts that are in memory jump over a second look's minute and a gate's seconds.

    Hosts of a lab are really waited for, and so is a change that the program of a contract is given.
    """
    if request.node.get_closest_marker("lab") is None:
        quick = QuickClock()
        monkeypatch.setattr(stages, "WATCH", Timepiece(quick.now, quick.sleep))
        if "contract" not in request.path.parts:
            monkeypatch.setattr(job, "time", QuickClock())


@pytest.fixture(autouse=True)
def _mask_of_files() -> Iterator[None]:
    """Let no test leave another mask of files behind: the host's program takes one of its own, in this process too."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _no_lines_of_progress(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command in this process say how far it is because this machine is busy; tests of that say so."""
    if request.node.get_closest_marker("lab") is None:
        monkeypatch.setattr(onlookers, "PATIENCE_S", 600.0)


@pytest.fixture(autouse=True)
def _documents_are_as_their_schemas_say(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold every document that a command prints in this process against its schema, which describes every field."""
    parts, faults = indented_parts, []

    def checked(document: Mapping[str, object]) -> Iterator[str]:
        text = "".join(parts(document))
        faults.extend(schema_faults(text))
        yield text

    monkeypatch.setattr("provisioner.cli.support.context.indented_parts", checked)
    yield
    assert faults == []


@pytest.fixture
def golden_tree(request: pytest.FixtureRequest) -> Callable[[str, Mapping[str, bytes]], None]:
    """A check that a whole tree of files is as the golden one: no file more, none less, the same bytes."""

    def check(name: str, tree: Mapping[str, bytes]) -> None:
        folder = GOLDEN / name
        if request.config.getoption("--update-golden"):
            _update(folder, tree)
        found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        assert sorted(found) == sorted(tree), f"run pytest --update-golden and read the diff of {folder}"
        for path, content in tree.items():
            assert found[path].decode() == content.decode(), f"{path}: run pytest --update-golden and read the diff"

    return check


def _update(folder: Path, tree: Mapping[str, bytes]) -> None:
    for old in [p for p in folder.rglob("*") if p.is_file()] if folder.exists() else []:
        old.unlink()
    for path, content in tree.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
