"""What a drain may let go of, for all evidence, and in which waves."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from provisioner.operations.drain.drain import site_proofs, waves_of_sites
from provisioner.verify.result import Cause, Finding, PathVerdict, Verdict

OLD, NEW = "relay-a", "relay-b"
SITES = ("kcl-1", "kcl-2", "kcl-3")
RANKS = {Verdict.UP: 2, Verdict.DEGRADED: 1}


@st.composite
def path_verdicts(draw: st.DrawFn) -> list[PathVerdict]:
    """What a verification says of the paths of some sites, over one relay or both."""
    drawn = []
    for site in SITES:
        for number in range(draw(st.integers(0, 3))):
            for relay in draw(st.sampled_from([(OLD, NEW), (NEW,)])):
                verdict = draw(st.sampled_from(Verdict))
                passed = (1, 2) if draw(st.booleans()) else ()
                name = f"bac-giang/{site}/cam-{number}/sub"
                words = (name, "viettel", "bac-giang", site, f"cam-{number}", relay, verdict)
                drawn.append(
                    PathVerdict(
                        *words, level=len(passed), finding=Finding(Cause.UNKNOWN), checked_at=None, passed=passed
                    )
                )
    return drawn


@given(path_verdicts())
def test_nothing_is_let_go_that_would_come_worse_or_was_not_reached(verdicts: list[PathVerdict]) -> None:
    before = {v.path: RANKS.get(v.verdict, 0) for v in verdicts if v.relay == OLD}
    for site, proof in site_proofs(verdicts, SITES, NEW).items():
        own = [v for v in verdicts if v.relay == NEW and v.facility == site]
        if proof.is_given:
            assert own, "of what nobody looked at nothing is proved"
            assert any(2 in v.passed or v.verdict in RANKS for v in own)
            assert all(RANKS.get(v.verdict, 0) >= before.get(v.path, 2) for v in own)


@given(path_verdicts(), st.randoms())
def test_a_better_picture_over_the_new_relay_takes_no_proof_away(verdicts: list[PathVerdict], chance: Random) -> None:
    proofs = site_proofs(verdicts, SITES, NEW)
    better = [replace(v, verdict=Verdict.UP) if v.relay == NEW and chance.random() > 0.5 else v for v in verdicts]
    after = site_proofs(better, SITES, NEW)
    assert all(after[site].is_given for site, proof in proofs.items() if proof.is_given)


@given(path_verdicts(), st.permutations(SITES))
def test_a_site_s_proof_is_its_own(verdicts: list[PathVerdict], order: list[str]) -> None:
    proofs = site_proofs(verdicts, SITES, NEW)
    for site in order:
        alone = [v for v in verdicts if v.facility == site]
        assert site_proofs(alone, [site], NEW)[site] == proofs[site]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 9), max_size=60))
def test_waves_take_each_site_once_and_begin_with_one_of_the_fewest_paths(paths: dict[str, int]) -> None:
    waves = waves_of_sites(paths)
    listed = [site for wave in waves for site in wave]
    assert (sorted(listed), all(waves)) == (sorted(paths), True)
    if paths:
        assert len(waves[0]) == 1
        assert paths[waves[0][0]] == min(paths.values())
    done = 0
    for wave in waves[:-1]:
        done += len(wave)
        assert done <= max(1, -(-len(paths) // 2)), "half of them at most before the last wave"
