r"""Shares of cells: where the samples fall, against where real examples do.

A cell is a class (as labels define it, read off samples by `evaluation.linear`), or, where there are none, one of K
cells of the feature space by k-means of training examples. With $a_c$ of n samples and $b_c$ of m held-out examples in
cell c,

$$ z_c = \frac{a_c/n - b_c/m}{\sqrt{p_c(1-p_c)(1/n+1/m)}}, \qquad p_c = \frac{a_c+b_c}{n+m} $$

is the test of two proportions. Four numbers:

- total variation $\frac12\sum_c |a_c/n - b_c/m|$: the share of samples that would have to move to another cell;
- NDB: the share of cells with $|z_c| > 1.96$, of which a perfect model has 5 %;
- the Jensen-Shannon divergence of both shares, in nats;
- the largest $|z_c|$ and $\sum_c z_c^2(1-p_c)$, on which the test of the shares is built: the first sees one wrong
  class, the second many slightly wrong cells; the larger of both, each on the scale of its null, decides.

None of them is 0 for a perfect model at finite n. Its scores are known under exchanged labels, exactly, because the
cell of an example does not depend on whether it is called a sample.

References:
    Richardson & Weiss, On GANs and GMMs (2018), Sec. 3.2 (NDB). https://arxiv.org/abs/1805.12462
"""

import math
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import Exchange, Null, exchange_test, extremities, rank_p_value, scale
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.halves import normal_interval, sampling_variance
from veridical.evaluation.linear import LinearDiscriminant
from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.evaluation.plug_in import METHOD, js_interval
from veridical.statistics import wilson_interval
from veridical.verdict import Test

SIGNIFICANT = 1.959963984540054
"""|z| above which NDB calls a cell different, at 5 % each."""

CELLS, CELLS_OF_NDB = 25, 100
"""Cells whose shares are compared where there are no classes; cells of NDB, as published."""

PER_CELL = 20
"""Real examples in a cell on average, at least: with fewer there are fewer cells."""

MEANS_OF = 20_000
"""Training examples of which cells are made, at most."""

TOLERANCE = 0.05
"""Total variation beyond that of a perfect model that counts as none."""

_ROUNDS, _SHOWN = 50, 50


class CellShares(NamedTuple):
    """Statistics of the shares of cells under every labelling."""

    total_variation: Float[Tensor, " labellings"]
    different: Float[Tensor, " labellings"]
    """NDB / K."""

    js: Float[Tensor, " labellings"]
    largest: Float[Tensor, " labellings"]
    """Largest |z|."""

    chi_square: Float[Tensor, " labellings"]


def cell_shares(cells: Int[Tensor, " pool"], exchange: Exchange, count: int) -> CellShares:
    """Compare the shares of cells in samples and held-out examples, under every labelling.

    Args:
        cells: 0..count-1 of every example of the pool.
        exchange: the labellings of the pool.
        count: number K of cells; those without any example have no part in it.

    Examples:
        >>> from veridical.evaluation.exchange import exchange
        >>> found = cell_shares(torch.tensor([0, 0, 0, 1]), exchange(2, 2, seed=0, draws=9), 2)
        >>> found.total_variation[0].item(), round(found.largest[0].item(), 4)
        (0.5, 1.1547)
    """
    total = torch.bincount(cells, minlength=count).double()
    inside = exchange.sums(torch.nn.functional.one_hot(cells, count))
    kept = total > 0
    inside, total = inside[:, kept], total[kept]
    p, q = inside / exchange.n, (total - inside) / exchange.m
    z = z_scores(p, q, exchange)
    return CellShares(
        (p - q).abs().sum(dim=1) / 2,
        (z.abs() > SIGNIFICANT).double().sum(dim=1) / count,
        jensen_shannon(p, q),
        z.abs().amax(dim=1),
        (z.square() * (1 - total / total.sum())).sum(dim=1),
    )


def variation_interval(cells: Int[Tensor, " pool"], exchange: Exchange, count: int, value: float) -> Interval:
    """95 % interval of the total variation over draws of both, from halves and quarters.

    Args:
        cells: 0..count-1 of every example of the pool; the cells themselves are given.
        exchange: n and m.
        count: number K of cells.
        value: the total variation.
    """
    sides = cells[: exchange.n], cells[exchange.n :]

    def statistic(x: Tensor, y: Tensor, parts: int) -> Float[Tensor, "parts 1"]:
        p, q = (
            torch.bincount(part * count + side, minlength=parts * count).double().reshape(parts, count)
            for part, side in zip((x, y), sides, strict=True)
        )
        p, q = p / p.sum(dim=1, keepdim=True), q / q.sum(dim=1, keepdim=True)
        return (p - q).abs().sum(dim=1, keepdim=True) / 2

    variance = sampling_variance(statistic, exchange.n, exchange.m, seed=0)
    return normal_interval(value, variance[0], least=0.0)


def different_interval(z: Float[np.ndarray, " K"]) -> Interval:
    r"""95 % interval of the expected share of cells with |z| > 1.96.

    A cell whose true difference is $\mu$ standard errors is called different with the probability
    $\pi(\mu) = P(|N(\mu, 1)| > 1.96)$, almost independently of the others, so that the variance of NDB / K is the sum
    of $\pi(1-\pi)/K^2$: that of K equal cells where the model is perfect, less where some cells are surely different.
    The $\mu$ are taken to be normal with the variance of the z beyond 1 (empirical Bayes), and the interval is Wilson's
    with as many independent cells as have that variance.

    Args:
        z: of every cell.

    Examples:
        >>> [round(side, 3) for side in different_interval(np.zeros(50))]  # as many as in 0 of 50
        [0.0, 0.071]
    """
    tau = max(0.0, float(np.square(z).mean()) - 1)
    shrink = tau / (1 + tau)
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    mu = shrink * z[:, None] + math.sqrt(shrink) * nodes
    pi = special.ndtr(mu - SIGNIFICANT) + special.ndtr(-mu - SIGNIFICANT)
    expected, variance = (float((x @ weights).mean() / weights.sum()) for x in (pi, pi * (1 - pi)))
    independent = max(1.0, len(z) * expected * (1 - expected) / max(variance, 1e-12))
    return wilson_interval(float((np.abs(z) > SIGNIFICANT).mean()) * independent, independent)


def z_scores(p: Float[Tensor, "*rows K"], q: Float[Tensor, "*rows K"], exchange: Exchange) -> Float[Tensor, "*rows K"]:
    """Test of two proportions for each cell; 0 where both shares are 0 or both 1.

    Args:
        p: shares of n samples.
        q: shares of m held-out examples.
        exchange: n and m.
    """
    n, m = exchange.n, exchange.m
    pooled = (n * p + m * q) / (n + m)
    error = (pooled * (1 - pooled) * (1 / n + 1 / m)).sqrt()
    return torch.where(error > 0, (p - q) / error.clamp(min=1e-300), 0.0)


def jensen_shannon(p: Float[Tensor, "*rows K"], q: Float[Tensor, "*rows K"]) -> Float[Tensor, "*rows"]:
    """Jensen-Shannon divergence of two rows of shares, in nats, at most log 2.

    Examples:
        >>> round(jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).item(), 4)
        0.6931
    """
    middle = (p + q) / 2
    entropy = [-torch.special.xlogy(shares, shares).sum(dim=-1) for shares in (middle, p, q)]
    return entropy[0] - (entropy[1] + entropy[2]) / 2


def centres_of(rows: Float[Tensor, "n d"], count: int, seed: int) -> Float[Tensor, "count d"]:
    """Centres of k-means cells, in float64; the same for the same seed.

    The first centres are drawn far apart (k-means++); a cell that loses all its rows keeps its centre.

    Args:
        rows: training examples, of which the cells are made.
        count: number of cells.
        seed: of the first centres.

    Raises:
        ValueError: fewer rows than cells.

    Examples:
        >>> centres_of(torch.tensor([[0.0], [0.0], [6.0], [8.0]]), 2, seed=0).sort(dim=0).values[:, 0].tolist()
        [0.0, 7.0]
    """
    if not 1 <= count <= len(rows):
        raise ValueError(f"{count} cells of {len(rows)} rows; expected at most one cell for each row.")
    rows = rows.double()
    centres = _far_apart(rows, count, torch.Generator().manual_seed(seed))
    cells = torch.full((len(rows),), -1)
    for _ in range(_ROUNDS):
        before, cells = cells, cell_of(rows, centres)
        if torch.equal(before, cells):
            break
        sizes = torch.bincount(cells, minlength=count)
        means = torch.zeros_like(centres).index_add_(0, cells, rows) / sizes.clamp(min=1)[:, None]
        centres = torch.where(sizes[:, None] > 0, means, centres)
    return centres


def cell_of(rows: Float[Tensor, "n d"], centres: Float[Tensor, "count d"]) -> Int[Tensor, " n"]:
    """Return the nearest centre of every row."""
    middle = centres.mean(dim=0)
    centres, norm = centres - middle, (centres - middle).square().sum(dim=1)
    parts = (rows[i : i + 4096].double() - middle for i in range(0, len(rows), 4096))
    return torch.cat([torch.addmm(norm, part, centres.T, alpha=-2.0).argmin(dim=1) for part in parts])


def _far_apart(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = [int(torch.randint(len(rows), (), generator=generator))]
    square = (rows - rows[chosen[0]]).square().sum(dim=1)
    for _ in range(count - 1):
        weights = square if float(square.sum()) > 0 else torch.ones_like(square)  # all rows equal a centre
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
        square = torch.minimum(square, (rows - rows[chosen[-1]]).square().sum(dim=1))
    return rows[chosen]


def share_test(shares: CellShares, exchange: Exchange, tolerance: float = TOLERANCE) -> Test:
    """Test the shares of cells: p-value of the larger of both statistics (module docstring), size in total variation.

    Args:
        shares: under every labelling.
        exchange: the labellings.
        tolerance: total variation beyond that of a perfect model that counts as none.
    """
    sides = [extremities(np.asarray(x), "high") for x in (shares.largest, shares.chi_square)]
    extremity = np.maximum(*sides)
    test = exchange_test(shares.total_variation, exchange, bad="high", tolerance=tolerance)
    spread = float(shares.total_variation[1:].std())
    return replace(test, p_value=rank_p_value(extremity), null=Null(exchange.key, extremity, spread, sides=1))


def scale_of_largest(shares: CellShares) -> list[JSON]:
    """Return the middle and the scale of the largest |z| of a perfect model, in whose units it is judged."""
    largest = np.asarray(shares.largest)
    middle = float(np.median(largest))
    return [middle, scale(largest - middle)]


def measure_shares(
    features: FeatureSets, labels: Int[Tensor, " N"] | None, classes: int, names: tuple[str, ...] | None = None
) -> list[Measurement]:
    """Total variation of the shares of classes, or of cells of the features where there are no classes.

    Args:
        features: of samples, all training examples, and real ones in the place of samples.
        labels: classes of the training examples; None: there are none.
        classes: their number.
        names: of the classes; None: their numbers.
    """
    began, e = time.perf_counter(), features.exchange
    if labels is None:
        cells, count, what = *_cells(features, CELLS), f"k-means of training examples, seed {features.seed}"
    else:
        read = LinearDiscriminant(features.train, labels, classes)
        cells, count, what = read.classify(features.pool), classes, "linear discriminant of training examples"
    shares = cell_shares(cells, e, count)
    test = share_test(shares, e)
    name = "cell_shares" if labels is None else "class_shares"
    detail = _most_different(cells, e, count, None if labels is None else names)
    detail |= {"cells": count, "read_by": what, "largest_z": scale_of_largest(shares)}
    value = float(shares.total_variation[0])
    interval = variation_interval(cells, e, count, value)
    return [_measured(features, name, value, "share", test, interval, began, detail)]


def measure_ndb(features: FeatureSets) -> list[Measurement]:
    """Share of statistically different bins (NDB / K) of k-means cells, and the divergence of their shares."""
    began, e = time.perf_counter(), features.exchange
    cells, count = _cells(features, CELLS_OF_NDB)
    shares = cell_shares(cells, e, count)
    detail: dict[str, JSON] = {"cells": count}
    different = exchange_test(shares.different, e, bad="high", tolerance=TOLERANCE)
    js = exchange_test(shares.js, e, bad="high")
    counts = [torch.bincount(side, minlength=count) for side in (cells[: e.n], cells[e.n :])]
    z = z_scores(counts[0].double() / e.n, counts[1].double() / e.m, e).numpy()
    of_different, of_js = different_interval(z), js_interval(*(of.numpy() for of in counts))
    found = float(shares.different[0]), float(shares.js[0])
    return [
        _measured(features, "ndb", found[0], "share", different, of_different, began, detail, 2, "Wilson, of cells"),
        _measured(features, "cell_js", found[1], "nats", js, of_js, began, detail, 2, METHOD),
    ]


def _cells(features: FeatureSets, most: int) -> tuple[Int[Tensor, " pool"], int]:
    """Return the cell of every example of the pool, and the number of cells."""
    count = max(2, min(most, min(features.exchange.n, features.exchange.m) // PER_CELL, len(features.reference)))
    centres = centres_of(features.reference[:MEANS_OF], count, features.seed)
    return cell_of(features.pool, centres), count


def _most_different(cells: Tensor, exchange: Exchange, count: int, names: tuple[str, ...] | None) -> dict[str, JSON]:
    """Shares of all cells in samples and in real examples, the most different first."""
    p = torch.bincount(cells[: exchange.n], minlength=count).double() / exchange.n
    q = torch.bincount(cells[exchange.n :], minlength=count).double() / exchange.m
    order = z_scores(p, q, exchange).abs().argsort(descending=True, stable=True)[:_SHOWN].tolist()
    label = [str(c) if names is None or len(names) <= c else names[c] for c in range(count)]
    return {"shares": [[label[c], float(p[c]), float(q[c])] for c in order]}


def _measured(
    features: FeatureSets,
    name: str,
    value: float,
    unit: str,
    test: Test,
    interval: Interval,
    began: float,
    detail: dict[str, JSON],
    share: int = 1,
    method: str = "variance from halves and quarters",
) -> Measurement:
    return compared(
        features,
        name,
        value,
        unit,
        test,
        higher_is_better=False,
        interval=interval,
        method=method,
        began=began,
        detail=detail,
        share=share,
    )
