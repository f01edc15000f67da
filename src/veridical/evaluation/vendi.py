r"""Vendi score: the number of different examples that would be as diverse as the sample.

With the eigenvalues $\lambda$ of $K/n$ for a kernel with $k(x,x)=1$ (here the cosine of features),

$$ V_1 = e^{-\sum\lambda\log\lambda}, \qquad V_2 = 1/\textstyle\sum\lambda^2, \qquad V_\infty = 1/\max\lambda : $$

n identical examples score 1, n orthogonal ones n. The d x d matrix $X^\top X/n$ of normalised features has the same
eigenvalues, so that the cost grows with n only linearly. The score depends on n; it is compared with that of as many
real examples. Diversity alone can be too high as well: junk is diverse.

**Test and error.** A change of one example changes $\log V_1$ by $f_i/n$, $f_i = -x_i^\top(\log\rho)x_i$ with
$\rho = X^\top X/n$. With $\rho$ of the whole pool, $f_i$ does not depend on the labels, and the difference of its means
is tested by exchange.

References:
    Friedman & Dieng, The Vendi Score (2023). https://arxiv.org/abs/2210.02410
    Pasarkar & Dieng, Cousins of the Vendi Score (2024), orders q. https://arxiv.org/abs/2310.12952
"""

import math
import time
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.compared import compared, scaled
from veridical.evaluation.exchange import exchange_test, mean_differences
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement

_SPLITS = 4
"""Random halves."""

_LEAST = 1e-14
"""Eigenvalues below are taken as this: their share of the entropy is less than 1e-12."""


class Vendi(NamedTuple):
    """Effective numbers of examples, by order q."""

    one: float
    two: float
    infinite: float


def vendi(rows: Float[Tensor, "n d"]) -> Vendi:
    """Vendi scores of orders 1, 2 and infinity with the cosine as kernel.

    Args:
        rows: features, none of them zero.

    Examples:
        >>> [round(v, 6) for v in vendi(torch.eye(4))]
        [4.0, 4.0, 4.0]
        >>> [round(v, 6) for v in vendi(torch.ones(5, 3))]
        [1.0, 1.0, 1.0]
    """
    x = normalised(rows)
    gram = x.T @ x if x.shape[1] < len(x) else x @ x.T
    values = torch.linalg.eigvalsh(gram / len(x)).clamp(min=0.0)
    entropy = -torch.special.xlogy(values, values).sum()
    return Vendi(math.exp(entropy), 1 / float(values.square().sum()), 1 / float(values.max()))


def influences(rows: Float[Tensor, "n d"], of: Float[Tensor, "N d"]) -> Float[Tensor, " n"]:
    r"""Influence $-x^\top(\log\rho)x$ of every row on log V_1, in nats, with $\rho$ of other rows.

    Args:
        rows: features.
        of: rows that define $\rho$.
    """
    x, y = normalised(rows), normalised(of)
    values, vectors = torch.linalg.eigh(y.T @ y / len(y))
    return -((x @ vectors).square() @ values.clamp(min=_LEAST).log())


def log_error(rows: Float[Tensor, "n d"], seed: int) -> float:
    r"""Standard error of log V_1, in nats.

    With $\rho$ of the rows themselves the variance W of their influences contains the noise of $\rho$: where all
    directions are equally frequent the first order vanishes and W is twice the variance. The covariance C of the
    influences with $\rho$ of two halves is without it, so the variance is (W + C)/2.

    Args:
        rows: features.
        seed: of the halves.
    """
    generator, whole, first = torch.Generator().manual_seed(seed), float(influences(rows, rows).var()), 0.0
    for _ in range(_SPLITS):
        halves = rows[torch.randperm(len(rows), generator=generator)].tensor_split(2)
        first += float(torch.stack([influences(rows, half) for half in halves]).cov()[0, 1]) / _SPLITS
    return math.sqrt((whole + min(max(first, 0.0), whole)) / (2 * len(rows)))


def normalised(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return rows of length 1 in float64.

    Raises:
        ValueError: a row is zero and has no direction.
    """
    length = torch.linalg.vector_norm(rows.double(), dim=1, keepdim=True)
    if not (length > 0).all():
        raise ValueError("a row of features is zero, so it has no cosine with others; choose another extractor.")
    return rows.double() / length


def measure_vendi(features: FeatureSets) -> list[Measurement]:
    """Vendi score of order 1 of the samples; orders 2 and infinity in the details."""
    began, e = time.perf_counter(), features.exchange
    samples, real = features.pool[: e.n], features.pool[e.n :]
    found, held_out = vendi(samples), vendi(real)
    error = 1.96 * log_error(samples, features.seed)
    test = exchange_test(mean_differences(influences(features.pool, features.pool), e), e)
    return [
        compared(
            features,
            "vendi",
            found.one,
            "examples",
            scaled(test, found.one),
            higher_is_better=True,
            interval=(found.one * math.exp(-error), found.one * math.exp(error)),
            method="delta method, directions of halves",
            began=began,
            detail={
                "kernel": "cosine of features",
                "order_2": found.two,
                "order_infinity": found.infinite,
                "held_out": held_out._asdict(),
            },
        )
    ]
