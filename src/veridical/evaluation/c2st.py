r"""Can a classifier, or the nearest neighbour, tell samples from real examples? One half is what chance scores.

- c2st: accuracy of a classifier on examples that it was not fitted on. Five folds; the classifier is the linear
  discriminant of the standardised features, their squares and a fixed layer of random rectified units, so that it
  sees shifts, spreads and some shapes.
- nearest_neighbour: share of examples whose nearest other example of the pool has the same label. Copies and missing
  spread both raise it; values below one half mean that samples lie nearer to real examples than to one another, as
  copies do.

Accuracies are means over both labels, so that one half is chance for unequal numbers too. Labels enter the discriminant
only through the right side of one linear system per fold: all relabellings are solved at once, and the null is that of
the whole procedure, fitting included. (The binomial null N(1/2, 1/4n) of the publication holds for one split only, not
for folds whose fits share examples.)

References:
    Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests (2017). https://arxiv.org/abs/1610.06545
    Xu et al., An empirical study on evaluation metrics of generative adversarial networks (2018), Sec. 3 (1-NN).
"""

import time

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import Exchange, exchange_test
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.neighbours import nearest
from veridical.statistics import wilson_interval

FOLDS, UNITS = 5, 128
WIDEST = 256
"""Features beyond which random projections take their place."""

TOLERANCE = 0.02
"""Accuracy above chance that counts as none."""

_RIDGE = 1e-3


def accuracies(pool: Float[Tensor, "n+m d"], exchange: Exchange, seed: int) -> Float[Tensor, " 1+draws"]:
    """Cross-fitted accuracy of the discriminant under every labelling (module docstring).

    Args:
        pool: n samples followed by m real examples.
        exchange: the labellings.
        seed: of folds and random units.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = _lifted(pool, generator)
    fold = torch.randperm(len(rows), generator=generator) % FOLDS
    a = exchange.labels.T.to(torch.float32)  # (pool, labellings)
    right = torch.zeros(2, a.shape[1])
    for k in range(FOLDS):
        outside, inside = fold != k, fold == k
        weight, bias = _discriminant(rows[outside], a[outside])
        named, truth = rows[inside] @ weight + bias > 0, a[inside] > 0.5
        right += torch.stack([(named & truth).sum(dim=0), (~named & ~truth).sum(dim=0)])
    return (right[0] / exchange.n + right[1] / exchange.m).double() / 2


def same_label(neighbour: Int[Tensor, " n+m"], exchange: Exchange) -> Float[Tensor, " 1+draws"]:
    """Share of rows whose neighbour has their label, mean over both labels, under every labelling.

    Args:
        neighbour: of every row of the pool, a row of the pool.
        exchange: the labellings.
    """
    a = exchange.labels
    same = a[:, neighbour] == a
    return ((same & a).sum(dim=1) / exchange.n + (same & ~a).sum(dim=1) / exchange.m).double() / 2


def nearest_neighbour_accuracy(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """Return the share of rows of two sets whose nearest other row is of their own, mean over both sets.

    Examples:
        >>> nearest_neighbour_accuracy(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [6.0]]))
        1.0
    """
    pool = torch.cat([x, y])
    rows = torch.arange(len(pool))
    labels = Exchange(len(x), len(y), rows[None] < len(x))
    return float(same_label(nearest(pool, pool, rows).index, labels)[0])


def measure_c2st(features: FeatureSets) -> list[Measurement]:
    """Accuracy of a classifier of samples and real examples; one half for a perfect model."""
    began = time.perf_counter()
    values = accuracies(features.pool, features.exchange, features.seed)
    detail = {"classifier": f"linear discriminant of features, squares and {UNITS} random units", "folds": FOLDS}
    return [_accuracy(features, "c2st", values, began, "high", detail)]


def measure_nearest_neighbour(features: FeatureSets) -> list[Measurement]:
    """Share of examples whose nearest neighbour has the same label; one half for a perfect model."""
    began = time.perf_counter()
    neighbour = features.neighbours.index[:, 0]
    return [_accuracy(features, "nearest_neighbour", same_label(neighbour, features.exchange), began, "both", {})]


def _accuracy(features: FeatureSets, name: str, values: Tensor, began: float, bad: str, detail: dict) -> Measurement:  # type: ignore[type-arg]
    test = exchange_test(values, features.exchange, bad=bad, tolerance=TOLERANCE)  # type: ignore[arg-type]
    effective = 0.25 / max(test.null.spread, 1e-6) ** 2 if test.null is not None else float(features.exchange.n)
    value = float(values[0])
    return compared(
        features,
        name,
        value,
        "share",
        test,
        higher_is_better=False,
        interval=wilson_interval(value * effective, effective),
        method="Wilson, as many examples as have the spread under exchange",
        began=began,
        detail=detail,
    )


def _lifted(pool: Tensor, generator: torch.Generator) -> Tensor:
    """Standardised features, their squares, and random rectified units, float32 (n+m, p)."""
    rows = pool.double()
    if rows.shape[1] > WIDEST:
        rows = rows @ torch.randn(rows.shape[1], WIDEST, generator=generator, dtype=torch.float64)
    rows = (rows - rows.mean(dim=0)) / rows.std(dim=0).clamp(min=1e-12)
    weight = torch.randn(rows.shape[1], UNITS, generator=generator, dtype=torch.float64) / rows.shape[1] ** 0.5
    units = (rows @ weight * 2 + torch.randn(UNITS, generator=generator, dtype=torch.float64)).relu()
    return torch.cat([rows, rows.square() - 1, units - units.mean(dim=0)], dim=1).float()


def _discriminant(rows: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (p, labellings) and thresholds midway between the means, from one factorisation for all labellings.

    The covariance of all rows instead of that within labels changes the length of the weights, not their direction.
    """
    n, m = a.sum(dim=0), (1 - a).sum(dim=0)
    sum_n, total = rows.T @ a, rows.sum(dim=0)[:, None]
    mean_n, mean_m = sum_n / n.clamp(min=1), (total - sum_n) / m.clamp(min=1)
    gram = (rows.T @ rows).double() / len(rows)
    gram.diagonal().add_(_RIDGE * float(gram.diagonal().mean()))
    weight = torch.cholesky_solve((mean_n - mean_m).double(), torch.linalg.cholesky(gram)).float()
    return weight, -(weight * (mean_n + mean_m)).sum(dim=0) / 2
