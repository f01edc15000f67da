import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.loader import Loader

FALSE_ALARM = 1e-4  # of every statistical test below; seeds are fixed


def points(n: int) -> ArrayData:
    return ArrayData(np.arange(2.0 * n, dtype=np.float32).reshape(n, 2), np.arange(n))


def stream(loader: Loader, steps: int) -> np.ndarray:
    return torch.cat([loader.index(step) for step in range(steps)]).numpy()


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (12, 4), (7, 7), (5, 1), (101, 32)])
def test_every_epoch_is_a_permutation(n: int, batch_size: int) -> None:
    rows = stream(Loader(points(n), batch_size), 6 * n)
    epochs = rows[: len(rows) // n * n].reshape(-1, n)
    assert len(epochs) >= 6
    assert (np.sort(epochs, axis=1) == np.arange(n)).all()


def test_epochs_differ_from_each_other_and_between_seeds() -> None:
    first, second = stream(Loader(points(50), 50), 2).reshape(2, 50)
    assert (first != second).any()
    assert (first != stream(Loader(points(50), 50, seed=1), 1)).any()


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 40),
    batch_size=st.integers(1, 40),
    order=st.sampled_from(["epoch", "iid", "repeated"]),
    seed=st.integers(0, 2**64 - 1),
    steps=st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
)
def test_a_batch_depends_on_nothing_but_seed_order_and_step(n, batch_size, order, seed, steps) -> None:
    data = points(n)
    batch_size = min(batch_size, n)
    repeats = 3 if order == "repeated" else 1
    loader = Loader(data, batch_size, order=order, repeats=repeats, seed=seed)
    for step in steps:
        fresh = Loader(data, batch_size, order=order, repeats=repeats, seed=seed).batch(step)
        again = loader.batch(step)
        assert torch.equal(fresh.index, again.index)
        assert torch.equal(fresh.x, again.x)
        assert len(again.x) == batch_size


@pytest.mark.parametrize(("order", "repeats"), [("epoch", 1), ("iid", 1), ("repeated", 4)])
@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_slices_of_the_ranks_tile_the_global_batch(order, repeats: int, world_size: int) -> None:
    data = points(20)
    whole = Loader(data, 12, order=order, repeats=repeats, seed=4)
    ranks = [
        Loader(data, 12, order=order, repeats=repeats, seed=4, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for step in range(15):
        assert torch.equal(torch.cat([loader.batch(step).index for loader in ranks]), whole.batch(step).index)


def test_batch_holds_the_rows_it_names() -> None:
    batch = Loader(points(9), 4).batch(5)
    assert torch.equal(batch.x, torch.stack([2.0 * batch.index, 2.0 * batch.index + 1], dim=1))
    assert batch.c is not None and torch.equal(batch.c, batch.index)


def test_independent_draws_are_uniform_and_independent() -> None:
    n, steps, batch_size = 30, 400, 50
    rows = stream(Loader(points(n), batch_size, order="iid", seed=2), steps)
    assert scipy.stats.chisquare(np.bincount(rows, minlength=n)).pvalue > FALSE_ALARM
    pairs = rows[:-1:2] * n + rows[1::2]  # neighbours within a step
    assert scipy.stats.chisquare(np.bincount(pairs, minlength=n * n)).pvalue > FALSE_ALARM
    firsts = rows.reshape(steps, batch_size)
    across = firsts[:-1:2].ravel() * n + firsts[1::2].ravel()  # the same place in neighbouring steps
    assert scipy.stats.chisquare(np.bincount(across, minlength=n * n)).pvalue > FALSE_ALARM


def test_every_epoch_shows_every_row_as_often_and_draws_do_not() -> None:
    n, epochs = 40, 100
    rows = {order: stream(Loader(points(n), 10, order=order, seed=2), 4 * epochs) for order in ("epoch", "iid")}
    assert (np.bincount(rows["epoch"], minlength=n) == epochs).all()
    # Counts of independent draws spread as they must: neither more (a biased draw) nor less (a hidden epoch).
    spread = scipy.stats.chi2.cdf(scipy.stats.chisquare(np.bincount(rows["iid"], minlength=n)).statistic, n - 1)
    assert FALSE_ALARM / 2 < spread < 1 - FALSE_ALARM / 2


@pytest.mark.parametrize("repeats", [2, 5])
def test_repeated_draws_stay_for_their_steps_and_are_uniform_and_independent(repeats: int) -> None:
    n, draws, batch_size = 30, 400, 50
    rows = stream(Loader(points(n), batch_size, order="repeated", repeats=repeats, seed=2), draws * repeats)
    blocks = rows.reshape(draws, repeats, batch_size)
    assert (blocks == blocks[:, :1]).all()
    once = blocks[:, 0]
    assert scipy.stats.chisquare(np.bincount(once.ravel(), minlength=n)).pvalue > FALSE_ALARM
    across = once[:-1:2].ravel() * n + once[1::2].ravel()  # the same place in neighbouring draws
    assert scipy.stats.chisquare(np.bincount(across, minlength=n * n)).pvalue > FALSE_ALARM
    # As many steps hold repeats times fewer independent rows: their counts spread repeats times as much.
    statistic = scipy.stats.chisquare(np.bincount(rows, minlength=n)).statistic
    low, high = scipy.stats.chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], n - 1)
    assert low < statistic / repeats < high


def test_permutations_are_uniform_and_independent() -> None:
    n, epochs = 5, 12_000
    rows = stream(Loader(points(n), n, seed=3), epochs).reshape(epochs, n)
    which = (rows * n ** np.arange(n)).sum(1)
    counts = np.unique(which, return_counts=True)[1]
    assert len(counts) == 120  # every permutation occurs
    assert scipy.stats.chisquare(counts).pvalue > FALSE_ALARM
    pairs = rows[:-1:2, -1] * n + rows[1::2, 0]  # last of an epoch with first of the next
    assert scipy.stats.chisquare(np.bincount(pairs, minlength=n * n)).pvalue > FALSE_ALARM


def test_neighbouring_seeds_are_unrelated() -> None:
    n = 20
    one, two = (stream(Loader(points(n), 20, order="iid", seed=seed), 500) for seed in (6, 7))
    assert scipy.stats.chisquare(np.bincount(one * n + two, minlength=n * n)).pvalue > FALSE_ALARM


def test_seed_and_step_are_not_exchanged() -> None:
    later, other = Loader(points(1000), 50, order="iid", seed=6), Loader(points(1000), 50, order="iid", seed=7)
    blocks = [later.index(64 * k) for k in range(4)]
    assert not any(torch.equal(other.index(64 * k), block) for k in range(4) for block in blocks)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 11}, "10 examples"),
        ({"batch_size": 0}, "at least 1"),
        ({"batch_size": 5, "world_size": 2}, "multiple of 2"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, "rank is 2"),
        ({"batch_size": 4, "order": "random"}, "epoch"),
        ({"batch_size": 4, "seed": -1}, "seed"),
        ({"batch_size": 4, "repeats": 3}, "'epoch' with repeats = 3"),
        ({"batch_size": 4, "order": "repeated"}, "2 or more repeats"),
    ],
)
def test_refusals(arguments: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Loader(points(10), **arguments)


def test_draws_with_replacement_may_be_more_than_there_are_examples() -> None:
    assert len(Loader(points(3), 8, order="iid").batch(0).x) == 8
