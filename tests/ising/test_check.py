"""The check passes what follows the law, and names what is wrong with what does not.

Seeds are fixed. True configurations are refused with a probability of at most 1 % by design; here that rate itself is
tested, on exact draws of a lattice small enough to enumerate.
"""

import json

import numpy as np
import pytest

from veridical.ising import CRITICAL_COUPLING, sample
from veridical.ising.check import check
from veridical.ising.comparisons import Order, compare, find_order, holm, solve
from veridical.ising.exact import enumerate_spins
from veridical.ising.files import ConfigurationsError, as_configurations
from veridical.ising.measurements import measure


def failed(report):
    return {t.name for t in report.tests if t.corrected < report.level}


@pytest.fixture(scope="module")
def critical():
    return sample(16, 8000, seed=11, threads=1)


@pytest.fixture(scope="module")
def report(critical):
    return check(critical)


def test_true_configurations_follow_the_law(report):
    assert report.outcome == "consistent" and len(report.tests) == 13
    assert "follow the exact law of the 16 x 16 torus at K = 0.440687 (critical)" in report.verdict
    assert report.estimate.low < CRITICAL_COUPLING < report.estimate.high
    assert report.estimate.high - report.estimate.low < 0.003


def test_the_report_is_plain_json(report):
    read = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert read["outcome"] == "consistent" and len(read["tests"]) == 13
    assert read["tests"][0]["name"] == "energy" and 0 <= read["tests"][0]["p_value"] <= 1


def test_every_writing_of_the_spins_gives_the_same_report(critical, report):
    for same in (2.0 * critical - 1, critical.astype(bool), 255 * critical, critical[:, None]):
        assert check(same).tests == report.tests


@pytest.mark.parametrize(
    ("size", "coupling"), [((5, 7), 0.5), ((4, 6), -0.4), ((2, 3), 0.3), ((8, 8), 0.0), ((24, 8), 0.6)]
)
def test_other_laws(size, coupling):
    assert check(sample(size, 4000, coupling, seed=3, threads=1), coupling).outcome == "consistent"


def test_true_configurations_are_seldom_refused():
    """200 exact draws of 500 configurations: more than 9 refusals at 1 % come by chance in 2 of 10,000 tests."""
    states = enumerate_spins(9).reshape(-1, 3, 3)
    energy = -(states * (np.roll(states, 1, 1) + np.roll(states, 1, 2))).sum((1, 2))
    law = np.exp(-0.35 * energy.astype(float))
    rng = np.random.default_rng(0)
    drawn = [states[rng.choice(len(states), 500, p=law / law.sum())] for _ in range(200)]
    solution = solve(3, 3, 0.35)
    tests = [compare(measure(as_configurations(x), threads=1), solution, Order(1)) for x in drawn]
    refused = sum(min(t.corrected for t in holm(found)) < 0.01 for found in tests)
    assert refused <= 9
    for i in range(8):  # each test alone: its p-values are uniform, or larger
        p = np.array([found[i].p_value for found in tests])
        assert (p < 0.05).sum() <= 24  # expected 10, sigma 3: P < 1e-4
        assert (p < 0.5).sum() <= 130  # expected 100, sigma 7: P < 1e-4


def test_another_temperature_is_named():
    found = check(sample(16, 4000, 0.42, seed=1, threads=1))
    assert found.outcome == "inconsistent" and "they look like K = 0.4" in found.verdict
    assert found.estimate.low < 0.42 < found.estimate.high
    assert check(sample(16, 4000, 0.42, seed=1, threads=1), 0.42).outcome == "consistent"


def test_bonds_counted_twice_give_another_coupling_and_no_copies():
    """Cold lattices repeat by chance; at their own coupling they are as they should be."""
    found = check(sample(16, 2000, 2 * CRITICAL_COUPLING, seed=1, threads=1))
    assert "they look like K = 0.8" in found.verdict and "Is every bond counted twice?" in found.verdict
    assert "copies" not in failed(found)


def test_sets_of_several_couplings_are_named():
    """In one file, one after the other or mixed, and however far apart in coupling."""
    parts = [sample(16, 500, k, seed=1, threads=1) for k in (0.66, 0.5, 0.4, 0.33)]
    found = check(np.concatenate(parts))
    assert "the file is not one set: its 4 parts of 500 look like K = 0.66" in found.verdict
    found = check(np.random.default_rng(0).permutation(np.concatenate(parts)))
    assert "they look like a mixture of couplings" in found.verdict and "copies" not in failed(found)


def test_a_mixture_of_two_per_cent_is_seen():
    parts = [sample(16, 1500, k * CRITICAL_COUPLING, seed=2, threads=1) for k in (1.02, 0.98)]
    assert "one set" in failed(check(np.concatenate(parts)))
    found = check(np.random.default_rng(0).permutation(np.concatenate(parts)))
    assert "one coupling" in failed(found) and "differ by 2." in found.verdict
    assert any("would probably be seen" in note for note in found.notes)


def test_exchanged_rows_and_columns_are_named():
    x = sample((6, 12), 3000, 0.4, seed=1, threads=1)
    found = check(x.reshape(-1, 12, 6), 0.4)
    assert "rows and columns exchanged (--size 6x12), at K = 0.4" in found.verdict


def test_antiperiodic_boundaries_are_named():
    """A row whose bonds over the edge have the other sign."""
    rng, k, n = np.random.default_rng(0), 0.35, 2000
    x = rng.choice([-1, 1], (n, 8, 8))
    sign = np.ones((8, 8))
    sign[:, 0] = -1
    for _ in range(60):
        for colour in (0, 1):
            around = (
                np.roll(x, 1, 1)
                + np.roll(x, -1, 1)
                + np.roll(x, 1, 2) * sign
                + np.roll(x, -1, 2) * np.roll(sign, -1, 1)
            )
            here = np.add.outer(np.arange(8), np.arange(8)) % 2 == colour
            x = np.where(here & (rng.random(x.shape) < 1 / (1 + np.exp(-2 * k * around))), 1, np.where(here, -1, x))
    assert "antiperiodic boundaries" in check(x, k).verdict


def test_free_boundaries_are_named():
    found = check(sample(32, 2000, seed=1, threads=1)[:, :16, :16])
    assert "free or fixed boundaries" in found.verdict and "boundaries" in failed(found)


def test_helical_boundaries_are_named():
    """Rows of 15 follow each other in one line: the right neighbour of the last spin is the first of the next row."""
    rng, (height, width), k = np.random.default_rng(0), (8, 8), 0.35
    n, sites = 3000, 64
    x = rng.choice([-1, 1], (n, sites))
    for _ in range(60):
        for i in range(sites):
            around = sum(x[:, (i + d) % sites] for d in (1, -1, width, -width))
            x[:, i] = np.where(rng.random(n) < 1 / (1 + np.exp(-2 * k * around)), 1, -1)
    found = check(x.reshape(n, height, width), k)
    assert "helical boundaries, shifted by one over rows" in found.verdict


def test_a_missing_sign_is_named(critical):
    up = np.where(critical.mean((1, 2), keepdims=True) < 0.5, 1 - critical, critical)
    found = check(up)
    assert "the two signs are not equally frequent" in found.verdict
    assert failed(found) == {"both signs"}


def test_copies_are_named(critical):
    found = check(critical[np.random.default_rng(0).integers(0, 800, 8000)])
    assert "configurations are copies of others" in found.verdict and "copies" in failed(found)


def test_copies_on_a_lattice_with_few_states_are_no_fault():
    x = sample((3, 3), 2000, seed=2, threads=1)
    assert len(np.unique(x.reshape(len(x), -1), axis=0)) < 500
    assert check(x).outcome == "consistent"


def test_noise_fits_no_coupling(critical):
    noisy = critical ^ (np.random.default_rng(0).random(critical.shape) < 0.02)
    found = check(noisy)
    assert "they fit no coupling" in found.verdict and {"energy", "local law"} <= failed(found)


def test_shuffled_rows_are_found(critical):
    """Magnetization and bonds along rows stay as they are."""
    rng = np.random.default_rng(0)
    found = check(np.stack([x[rng.permutation(16)] for x in critical]))
    assert {"directions", "local law", "correlation"} <= failed(found)
    assert not {"magnetization", "both signs"} & failed(found)


def slow_chain(records: int, seed: int = 0) -> np.ndarray:
    """A chain of single sweeps over half of an 8 x 8 lattice: it moves little from one record to the next."""
    rng, chosen = np.random.default_rng(seed), np.add.outer(np.arange(8), np.arange(8)) % 2 == 0
    x, found = sample(8, 1, 0.35, seed=seed, threads=1)[0] * 2.0 - 1, []
    for t in range(records):
        around = sum(np.roll(x, shift, axis) for shift in (1, -1) for axis in (0, 1))
        here = (chosen ^ bool(t % 2)) & (rng.random((8, 8)) < 0.4)
        x = np.where(here, np.where(rng.random((8, 8)) < 1 / (1 + np.exp(-0.7 * around)), 1.0, -1.0), x)
        found.append(x)
    return np.array(found)


def test_a_slow_chain_is_not_taken_for_many_configurations():
    found = check(slow_chain(8000), 0.35)
    assert found.tau_energy > 3 and found.effective < 2000
    assert found.outcome == "consistent"  # although it stands still now and then
    assert any("are correlated" in note for note in found.notes)


def test_too_little_is_undecided():
    found = check(slow_chain(300, seed=1), 0.35)
    assert found.outcome == "undecided" and "Too few to judge" in found.verdict


def test_a_chain_written_several_times_is_not_a_slow_chain(critical):
    for times in (2, 40):
        found = check(critical[: 2000 // times].repeat(times, 0))
        assert "copies" in failed(found) and "are copies of others" in found.verdict


def test_equal_configurations_all_over():
    found = check(np.ones((50, 8, 8)))
    assert found.outcome == "inconsistent"
    assert str(found.estimate).startswith("K of 3 or more")


def test_chains_in_turn_are_recognised():
    rng = np.random.default_rng(0)
    chains = np.zeros((300, 64))
    for t in range(1, 300):
        chains[t] = 0.9 * chains[t - 1] + rng.normal(size=64)
    energy = (1000 * chains).astype(np.int64).ravel()
    order = find_order(energy)
    assert order.stride == 64
    assert order.tau(energy) == pytest.approx(9.5, rel=0.15)  # (1 + 0.9) / 2 (1 - 0.9)
    assert Order(1).tau(energy) < 1  # what would be believed otherwise
    assert find_order(energy.reshape(300, 64).T.ravel()).stride == 1  # one chain after the other
    assert find_order(rng.permutation(energy)).stride == 1


def test_arguments(critical):
    with pytest.raises(ConfigurationsError, match="19 configurations; expected at least 20"):
        check(critical[:19])
    with pytest.raises(ConfigurationsError, match=r"numpy\.moveaxis"):
        check(np.moveaxis(critical[:50], 0, -1))
    with pytest.raises(ValueError, match="level is 2"):
        check(critical, level=2)
    with pytest.raises(ValueError, match="frustrated"):
        check(critical[:, :15], -0.4)


def test_beyond_the_exact_distribution_the_rest_is_tested():
    found = check(sample((2, 33_000), 40, 0.3, seed=1, threads=1, method="cluster"), 0.3)
    assert found.outcome == "consistent"
    assert {t.name for t in found.tests} == {
        "energy",
        "directions",
        "boundaries",
        "local law",
        "copies",
        "entropy from below",
        "entropy from above",
    }
    assert any("beyond 256 x 256 spins" in note for note in found.notes)
