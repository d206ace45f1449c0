"""Law of two revisions compared where they differ: it is the document of comparing everything, byte for byte."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.vault import encrypt
from provisioner.desired.limit import Limit, parse_limits
from provisioner.operations.edit.validate import allocate
from provisioner.operations.pipeline.session import Session
from provisioner.operations.questions.compare import compare_all, compare_part
from provisioner.plan.document import CompareDocument, plan_document
from tests import inventories
from tests.national import TODAY, Country, generate

NOW = datetime(2021, 6, 15, tzinfo=UTC)
MAIN = re.compile(r"\n      main: [^\n]*")
Edit = Callable[[Path, int], None]


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("country")
    generate(top / "inv", Country(facilities=64, cameras=190, seed=7, password=b"invented"))
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "the country")
    return top / "inv"


def sampled(edits: Sequence[Edit]) -> list[ParameterSet]:
    """Every edit, each once: a merge waits for every second one."""
    marks = ((), pytest.mark.soak)
    return [pytest.param(edit, id=edit.__name__, marks=marks[number % 2]) for number, edit in enumerate(edits)]


def git(top: Path, *words: str) -> None:
    author = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "gc.auto=0"]
    subprocess.run(["git", "-C", str(top), *author, *words], check=True)


@pytest.fixture
def root(country: Path) -> Iterator[Path]:
    restored(country)
    yield country
    restored(country)


def restored(country: Path) -> None:
    git(country.parent, "checkout", "-q", "--", ".")
    git(country.parent, "clean", "-qfd")


# --- edits ----------------------------------------------------------------------------------------
def agreed(root: Path, number: int) -> Path:
    paths = sorted(root.glob("facilities/*/*.yml"))
    fit = [p for p in paths if "state: agreed" in (text := p.read_text("utf-8")) and "operating: open" in text]
    return fit[number % len(fit)]


def rewritten(path: Path, change: Callable[[str], str], *, signed: bool = True) -> None:
    path.write_text(change(path.read_text("utf-8")), encoding="utf-8")
    if signed:
        inventories.sign_file(path)


def without_a_stream(root: Path, number: int) -> None:
    rewritten(agreed(root, number), lambda text: MAIN.sub("", text, count=1))


def with_another_key(root: Path, number: int) -> None:
    key = inventories.public_key(f"new/{number}")
    rewritten(agreed(root, number), lambda text: re.sub(r"public_key: \S+", f"public_key: {key}", text), signed=False)


def closed(root: Path, number: int) -> None:
    text = "operating: closed\nclosed_on: 2021-06-10"
    rewritten(agreed(root, number), lambda was: was.replace("operating: open", text), signed=False)


def deleted(root: Path, number: int) -> None:
    agreed(root, number).unlink()


def on_another_port(root: Path, number: int) -> None:
    path = root / "allocations.lock.yml"
    ports = sorted(set(re.findall(r"cam-\d+: (\d+)", path.read_text("utf-8"))))
    rewritten(path, lambda text: text.replace(f": {ports[number % len(ports)]}\n", ": 19999\n", 1), signed=False)


def registered(root: Path, number: int) -> None:
    path = agreed(root, number)
    name = f"{path.stem}-new"
    key = inventories.public_key(name)
    text = re.sub(r"public_key: \S+", f"public_key: {key}", path.read_text("utf-8")).replace(
        f"id: {path.stem}", f"id: {name}"
    )
    copy = path.with_name(f"{name}.yml")
    copy.write_text(re.sub(r", signature: \{[^}]*\}", "", text), encoding="utf-8")
    inventories.sign_file(copy)


def protected(root: Path, number: int) -> None:
    rewritten(agreed(root, number), lambda text: text + "protected: true\n", signed=False)


def noted(root: Path, number: int) -> None:
    rewritten(agreed(root, number), lambda text: text + "contact_confirmed_on: 2021-06-01\n", signed=False)


def with_a_later_order(root: Path, number: int) -> None:
    path = root / "instructions.yml"
    rewritten(path, lambda text: text.replace("2021-06-30", f"2021-07-{number % 20 + 10}"), signed=False)


def with_other_secrets(root: Path, number: int) -> None:
    paths = sorted(root.glob("secrets/cameras/*.yml"))
    paths[number % len(paths)].write_text(encrypt(b"{}\n", b"invented", "secrets"), encoding="utf-8")


def managed_from_elsewhere(root: Path, number: int) -> None:
    path = sorted(root.glob("carriers/*.yml"))[number % 2]
    rewritten(path, lambda text: text.replace("198.51.100.0/27", "198.51.100.32/27"), signed=False)


def under_other_limits(root: Path, number: int) -> None:
    plain = json.loads((root / "inventory.yml").read_text("utf-8"))
    plain["policy"] = {"limits": {"deletions": number % 3, "deletion_percent": 1}}
    (root / "inventory.yml").write_text(json.dumps(plain), encoding="utf-8")


def moved(root: Path, number: int) -> None:
    """Another id for a facility, with the entry that says so."""
    path = agreed(root, number)
    name, province = f"{path.stem}-x", path.parent.name
    text = path.read_text("utf-8").replace(f"id: {path.stem}", f"id: {name}")
    path.unlink()
    copy = path.with_name(f"{name}.yml")
    copy.write_text(re.sub(r", signature: \{[^}]*\}", "", text), encoding="utf-8")
    inventories.sign_file(copy)
    plain = json.loads((root / "inventory.yml").read_text("utf-8"))
    entry = {"from": f"{province}/{path.stem}", "to": f"{province}/{name}", "until": "2021-07-01"}
    (root / "inventory.yml").write_text(json.dumps(plain | {"moved": [entry]}), encoding="utf-8")


def unreadable(root: Path, number: int) -> None:
    rewritten(agreed(root, number), lambda text: text + "{{ nothing }}\n", signed=False)


ALONE: tuple[Edit, ...] = (without_a_stream, with_another_key, closed, deleted, on_another_port, registered)
BESIDE: tuple[Edit, ...] = (noted, with_a_later_order, with_other_secrets)
WHOLE: tuple[Edit, ...] = (protected, managed_from_elsewhere, under_other_limits, moved, unreadable)


# --- the law --------------------------------------------------------------------------------------
def documents(root: Path, against: str = "HEAD", limit: Limit | None = None) -> tuple[str | None, str]:
    """Of the part and of the whole; an error is its words."""
    env = {"XDG_CACHE_HOME": str(root.parent.parent / "cache")}
    with_limit, kept = limit or Limit(), dict[str, int]()
    try:
        part = compare_part(Session(root, env, TODAY), against, with_limit, allow=kept, now=NOW)
    except (InventoryError, UsageError) as error:
        part = str(error)  # type: ignore[assignment]
    try:
        whole = compare_all(Session(root, env, TODAY), against, with_limit, allow=kept, now=NOW)
    except (InventoryError, UsageError) as error:
        return (part if isinstance(part, str) or part is None else "a plan"), str(error)
    if part is None or isinstance(part, str):
        return part, json.dumps(plan_document(whole, model=CompareDocument))
    return json.dumps(plan_document(part, model=CompareDocument)), json.dumps(
        plan_document(whole, model=CompareDocument)
    )


def allocated(root: Path) -> None:
    try:
        allocate(root, {}, today=TODAY)
    except InventoryError:
        return  # invalid, or too full: the comparison says so


@pytest.mark.parametrize("edit", sampled([*ALONE, *BESIDE]))
def test_of_one_edit_the_part_says_what_the_whole_says(root: Path, edit: Edit) -> None:
    edit(root, 11)
    allocated(root)
    part, whole = documents(root)
    assert part is not None
    assert part == whole


@pytest.mark.parametrize("edit", sampled(WHOLE))
def test_what_may_move_every_host_is_compared_as_a_whole(root: Path, edit: Edit) -> None:
    edit(root, 5)
    allocated(root)
    part, _ = documents(root)
    assert part is None


@pytest.mark.soak
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.sampled_from([*ALONE, *BESIDE, *WHOLE]), st.integers(0, 60)), min_size=2, max_size=4)
)
def test_of_several_edits_too(root: Path, edits: list[tuple[Edit, int]]) -> None:
    restored(root)
    # The other edits read what they change.
    for edit, number in sorted(edits, key=lambda drawn: drawn[0] is unreadable):
        edit(root, number)
    allocated(root)
    part, whole = documents(root)
    assert part in {None, whole}


def test_older_names_are_counted_where_they_are_served(root: Path) -> None:
    moved(root, 9)
    allocated(root)
    top = root.parent
    git(top, "checkout", "-q", "-b", "moved")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "moved")
    try:
        without_a_stream(root, 20)
        part, whole = documents(root)
        assert part is not None
        assert part == whole
    finally:
        git(top, "checkout", "-q", "-f", "main" if _has_main(top) else "master")


def _has_main(top: Path) -> bool:
    return subprocess.run(["git", "-C", str(top), "rev-parse", "-q", "--verify", "main"], check=False).returncode == 0


def test_with_a_limit_by_host_or_carrier_too(root: Path) -> None:
    without_a_stream(root, 3)
    part, whole = documents(root, limit=parse_limits(["carrier=viettel"]))
    assert part is not None
    assert part == whole
    part, _ = documents(root, limit=parse_limits(["province=bac-giang"]))
    assert part is None


@pytest.mark.parametrize("unknown", ["carrier=nowhere", "host=nowhere"])
def test_a_name_that_nothing_has_is_said_alike_beside_one_that_something_has(root: Path, unknown: str) -> None:
    without_a_stream(root, 3)
    known = {"carrier": "carrier=viettel", "host": "host=relay-viettel-1"}[unknown.partition("=")[0]]
    part, whole = documents(root, limit=parse_limits([known, unknown]))
    assert "there is no such" in whole
    assert part == whole


def test_a_revision_that_there_is_not_is_said_alike(root: Path) -> None:
    part, whole = documents(root, "nowhere")
    assert part == whole
    assert shutil.which("git")
