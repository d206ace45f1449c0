"""The generator of a country gives the same one for the same seed, of exactly the size wanted, and nothing is wrong."""

from pathlib import Path

import pytest

from provisioner.inventory.files import revision
from provisioner.inventory.files.layout import LOCK_NAME
from provisioner.inventory.loader.load import check, load
from provisioner.inventory.loader.site import MAX_LOCK_BYTES
from provisioner.operations.edit.validate import validate
from tests.national import TODAY, Country, generate


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.yml")}


def test_a_country_is_right_and_of_the_size_wanted(tmp_path: Path) -> None:
    generate(tmp_path / "a", Country(facilities=130, cameras=900, seed=3))
    loaded = load(tmp_path / "a", today=TODAY)
    assert check(loaded) == ()
    outlines = loaded.outlines.values()
    assert len(outlines) == 130
    assert sum(outline.cameras for outline in outlines) == 900
    assert len({outline.province for outline in outlines}) == 63
    assert {outline.operating.value for outline in outlines} == {"open", "standby", "closed"}
    generate(tmp_path / "b", Country(facilities=130, cameras=900, seed=3))
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_million_cameras_are_within_the_bounds_of_files(tmp_path: Path) -> None:
    generate(tmp_path, Country(facilities=1_000, cameras=1_000, seed=5))
    times = 100  # a hundred thousand facilities
    sizes = {path.name: path.stat().st_size for path in tmp_path.rglob("*.yml")}
    assert sizes[LOCK_NAME] * times < MAX_LOCK_BYTES < revision.MOST_BYTES_OF_ONE + 1
    assert len(sizes) * times < revision.MOST_FILES


def test_a_changed_copy_has_the_relays_of_its_own_carriers(tmp_path: Path) -> None:
    generate(tmp_path, Country(facilities=130, cameras=300, seed=6))
    frame = load(tmp_path, today=TODAY).frame
    assert frame
    assert frame.relays is frame.relays
    name, carrier = next(iter(frame.carriers.items()))
    other = frame.model_copy(update={"carriers": {name: carrier}})
    assert set(other.relays) == {relay.id for relay in carrier.relays} < set(frame.relays)
    assert other == frame.model_copy(update={"carriers": {name: carrier}})


@pytest.mark.parametrize("apart", [False, True])
def test_its_vault_is_complete(tmp_path: Path, *, apart: bool) -> None:
    (tmp_path / "password").write_text("invented", encoding="utf-8")
    country = Country(facilities=80, cameras=400, seed=4, password=b"invented", apart=apart)
    generate(tmp_path / "inv", country)
    env = {"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
    validation = validate(tmp_path / "inv", env, today=TODAY, cached=False)
    assert validation.problems == ()
    assert min(validation.sign_offs.values()) > 0
    assert bool(list(tmp_path.glob("inv/secrets/cameras/viettel/*.yml"))) == apart
