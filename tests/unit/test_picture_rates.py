"""How often the checks of pictures err: a sample keeps what the page promises, and the page has what is stored."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.pictures import kept, rates
from tests.pictures.cameras import Light, accepted, camera_of
from tests.pictures.collecting import Look, Size, collect
from tests.pictures.faults import HARD, Fault, trouble_of
from tests.pictures.film import Shot, film
from tests.pictures.rates import Night, figures, judge_all, page, per_thousand, share, share_at_least, together
from tests.pictures.sending import Sent, sent
from tests.unit.docs.pages import text_of
from tests.unit.verify import world

STORED = Path(rates.__file__).with_name("rates.json")
#: Faults of which 99 of 100 are found, where there is light.
PROMISED = {
    *(Fault.BLACK, Fault.CARD, Fault.FLAT, Fault.REPEAT, Fault.SLICES, Fault.LOSS_QUARTER, Fault.HALF, Fault.STUCK),
    Fault.SWAPPED,
}


@pytest.fixture(scope="module")
def stored() -> Any:
    return json.loads(STORED.read_text(encoding="utf-8"))


@pytest.mark.soak
def test_a_sample_finds_every_hard_fault_and_no_healthy_one() -> None:
    nights = judge_all(list(collect(Size(seed=11, cameras=1, nights=3, hard=1, soft=0), workers=1)))
    healthy = [night for night in nights if night.look.fault == Fault.NONE.value]
    assert [(night.name, night.lasting) for night in healthy] == [("", frozenset())] * 3
    missed = {night.look.fault for night in nights if night.look.fault != Fault.NONE.value and not night.name}
    assert not missed & {fault.value for fault in PROMISED}, missed
    assert {night.look.fault for night in nights} == {fault.value for fault in (Fault.NONE, *HARD)}


def test_a_broken_off_run_goes_on_with_the_camera_it_was_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size, file, asked = Size(seed=11, cameras=3, nights=1, hard=0, soft=0), tmp_path / "looks", []

    def look(number: int, night: int) -> Look:
        return Look(number, night, "", False, 0.5, True, "day", "clear", 1, 6, 5, 0.0, 0, None, 0.1)  # noqa: FBT003

    def collected(size: Size, _workers: int, begin: int = 0) -> Iterator[Look]:
        asked.append(begin)
        return (look(number, night) for number in range(begin, size.cameras) for night in (0, 1))

    monkeypatch.setattr(kept, "collect", collected)
    kept.keep(file, size, 1)
    whole = file.read_text()
    assert [(one.camera, one.night) for one in kept.read(file)] == [(n, night) for n in range(3) for night in (0, 1)]
    # Broken off in the middle of a line of the third camera's.
    file.write_text(whole[:-100])
    kept.keep(file, size, 1)
    assert (file.read_text(), asked) == (whole, [0, 2])
    with pytest.raises(kept.OtherSizeError, match="another file"):
        kept.keep(file, replace(size, seed=12), 1)
    assert file.read_text() == whole


def test_the_same_seed_sends_the_same_bytes_and_another_one_others() -> None:
    def stream(seed: int, fault: Fault) -> Sent:
        camera = camera_of(seed, 0)
        shot = Shot(camera, accepted(camera, Light.IR), 0.4, trouble_of(fault, seed, 0))
        with TemporaryDirectory() as folder:
            return sent(shot, film(shot, Path(folder)))

    assert stream(1, Fault.NONE) == stream(1, Fault.NONE)
    assert stream(1, Fault.NONE) != stream(2, Fault.NONE)
    assert stream(1, Fault.LOSS_QUARTER).damaged


@pytest.mark.parametrize("name", ["rates.json", "rates-footage.json", "rates-drawn.json"])
def test_the_page_has_the_tables_that_are_stored(name: str) -> None:
    printed = page(json.loads(STORED.with_name(name).read_text(encoding="utf-8")))
    assert "\n".join(printed) in text_of("docs/reference/picture.md")


def test_what_is_stored_is_as_much_as_is_promised(stored: Any) -> None:
    healthy, faults = stored["healthy"], stored["faults"]
    assert 24 * healthy["days"] >= 2_000
    assert healthy["faults"] == {}
    assert sum(healthy["lasted"].values()) <= healthy["days"] / 1_000
    for fault in PROMISED:
        found = faults[fault.value]
        assert found["spells"] >= 8
        # Of what can be told at all: without light nothing is said of a picture that repeats.
        assert found["found"] >= 0.99 * (found["spells"] - found["undecided"]), fault


@pytest.mark.parametrize(("count", "of", "shown"), [(2999, 3000, "99.9"), (0, 3000, "0"), (1, 1, "100"), (0, 0, "-")])
def test_what_is_less_than_the_whole_never_reads_as_the_whole(count: int, of: int, shown: str) -> None:
    assert share(count, of) == shown


@pytest.mark.parametrize(
    ("count", "of", "shown"),
    # Clopper and Pearson's bound of all in n is the n-th root of a twentieth; the others are of published tables.
    [(300, 300, "100 (≥ 99)"), (1, 1, "100 (≥ 5)"), (8, 10, "80 (≥ 49.3)"), (90, 100, "90 (≥ 83.6)"), (0, 9, "0")],
)
def test_a_share_has_the_bound_above_which_it_is(count: int, of: int, shown: str) -> None:
    assert share_at_least(count, of) == shown


@pytest.mark.parametrize(
    ("count", "days", "shown"),
    # Poisson's bound of none is the logarithm of twenty, of one it is 4.74, of ten 16.96.
    [(0, 3000, "0 (≤ 1.0)"), (1, 1000, "1.0 (≤ 4.7)"), (10, 1000, "10.0 (≤ 17.0)"), (0, 0, "-")],
)
def test_a_rate_has_the_bound_below_which_it_is(count: int, days: int, shown: str) -> None:
    assert per_thousand(count, days) == shown


@pytest.mark.parametrize(
    ("whole", "early", "lost", "said"),
    [
        # Nothing is in doubt: what the whole look would have seen later is not seen.
        (["a", "b", "a", "b"], {}, 0, ""),
        # Where it shows a fault, or the relay misses a part of a picture, the whole look counts.
        (["a", "b", "a", "b"], {"step_s": 0.2}, 0, "picture repeats"),
        (["a", "b", "a", "b"], {}, 1, "picture repeats"),
        (["a", "b", "c", "d"], {"step_s": 0.2}, 0, ""),
        # Where it went on by itself as well.
        (["a", "b", "a", "b"], None, 0, "picture repeats"),
    ],
)
def test_a_look_that_ends_early_counts_where_nothing_is_in_doubt(
    whole: list[str], early: dict[str, Any] | None, lost: int, said: str
) -> None:
    keys = [one * 16 for one in whole]
    seen = world.picture(packets=world.packets(keys=keys))
    brief = (
        None
        if early is None
        else world.picture(looked_s=1.1, packets=world.packets(keys=keys[:2], key_count=2, **early))
    )
    one = replace(night(1).look, picture=seen, early=brief, early_damaged=lost)
    (found,) = judge_all([one], early=True)
    assert found.fault == said
    (before,) = judge_all([one])
    assert before.fault == ("picture repeats" if whole[0] in whole[1:] else "")


def test_several_seeds_are_added_up() -> None:
    one, other = figures([night(1), night(2, "view")], 3), figures([night(1, "view")], 11)
    both = together([one, other])
    assert both["seeds"] == [3, 11]
    assert both["healthy"]["days"] == 3
    assert both["healthy"]["once"] == {"view": 3}
    assert both["healthy"]["lasted"] == {"view": 2}
    assert set(both["faults"]) == set(one["faults"])
    assert page(both)[0].startswith("Seeds 3 and 11: 3 healthy camera-days")


def night(number: int, *lasting: str) -> Night:
    look = Look(0, number, Fault.NONE.value, False, 3.0, False, "infrared", "clear", 2, 15, 3, 0.0, 0, None, 0.1)  # noqa: FBT003
    seen = frozenset(lasting) or frozenset({"view"})
    return Night(look, error=False, fault="", dark=False, suspects=seen, lasting=frozenset(lasting), undecided=())


def test_a_suspicion_that_stands_counts_once_and_again_when_it_comes_back() -> None:
    nights = [night(1), night(2, "view"), night(3, "view"), night(4), night(5, "view", "blurred")]
    healthy = figures(nights, 1)["healthy"]
    assert healthy["lasted"] == {"blurred": 1, "view": 2}
    assert healthy["once"] == {"blurred": 1, "view": 5}
    assert (healthy["days"], healthy["faults"]) == (5, {})
