r"""Inception score: how certain a classifier is of each sample, times how evenly it uses the classes.

$$ \mathrm{IS} = \exp \frac1n\sum_i \mathrm{KL}\big(p(c\mid x_i)\,\big\|\,\bar p\big), \qquad
   \bar p = \frac1n\sum_i p(c\mid x_i), $$

between 1 and the number of classes. Every row of probabilities counts once and all rows form one group: published
scores are means over ten groups in the order of the samples, which a sorted file changes (`splits`; rows are shuffled
first). The score knows nothing of the data but its classes: one sample of each class, repeated, scores the maximum.
Here the probabilities are those of the linear discriminant of labelled training examples (`evaluation.linear`), so
that values are not comparable with published ones, which use the 1,000 classes of ImageNet.

References:
    Salimans et al., Improved Techniques for Training GANs (2016). https://arxiv.org/abs/1606.03498
    Barratt & Sharma, A Note on the Inception Score (2018). https://arxiv.org/abs/1801.01973
"""

import math
import time

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.compared import compared, scaled
from veridical.evaluation.exchange import Exchange, exchange_test
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.linear import LinearDiscriminant
from veridical.evaluation.measurement import Measurement


def inception_score(log_p: Float[Tensor, "n K"], splits: int = 1, seed: int = 0) -> float:
    """Inception score of rows of log-probabilities, the mean over groups of shuffled rows.

    Args:
        log_p: log-probabilities of the classes; minus infinity for probability 0.
        splits: number of groups; 10 in publications.
        seed: of the shuffling.

    Raises:
        ValueError: rows that do not sum to 1 (logits, or probabilities).

    Examples:
        >>> round(inception_score(torch.eye(4).log().repeat(3, 1)), 6)
        4.0
    """
    if not torch.allclose(log_p.double().exp().sum(dim=1), torch.ones(len(log_p), dtype=torch.float64), atol=1e-4):
        raise ValueError("the exponentials of a row do not sum to 1; pass log-probabilities (`logits.log_softmax(1)`).")
    rows = log_p.double()[torch.randperm(len(log_p), generator=torch.Generator().manual_seed(seed))]
    scores = [informations(part, torch.ones(1, len(part)))[0].exp() for part in rows.tensor_split(splits)]
    return float(torch.stack(scores).mean())


def informations(log_p: Float[Tensor, "n K"], weights: Float[Tensor, "labellings n"]) -> Float[Tensor, " labellings"]:
    """Logarithm of the inception score of weighted rows: entropy of the mean less mean entropy, in nats.

    Args:
        log_p: log-probabilities of the classes.
        weights: of the rows, for every labelling; scaled to sum to 1.
    """
    p = log_p.exp()
    weights = weights.to(log_p.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True)
    mean = weights @ p
    return -torch.special.xlogy(mean, mean).sum(dim=1) - weights @ entropies(log_p)


def entropies(log_p: Float[Tensor, "n K"]) -> Float[Tensor, " n"]:
    """Entropy of every row, in nats."""
    p = log_p.exp()
    return -torch.special.xlogy(p, p).sum(dim=1)


def measure_inception_score(features: FeatureSets, labels: Int[Tensor, " N"], classes: int) -> list[Measurement]:
    """Inception score of the samples, by the discriminant of labelled training examples.

    Args:
        features: of the samples, of all training examples, and of real ones in the place of samples.
        labels: of the training examples.
        classes: their number.
    """
    began, e = time.perf_counter(), features.exchange
    log_p = LinearDiscriminant(features.train, labels, classes).log_probabilities(features.pool)
    value = inception_score(log_p[: e.n], seed=features.seed)
    test = exchange_test(_differences(log_p, e), e)
    error = 1.96 * _standard_error(log_p[: e.n])
    return [
        compared(
            features,
            "inception_score",
            value,
            "classes",
            scaled(test, value),
            higher_is_better=True,
            interval=(max(1.0, value * math.exp(-error)), min(float(classes), value * math.exp(error))),
            method="delta method",
            began=began,
            detail={"probabilities": "linear discriminant of training examples", "of": classes, "splits": 1},
        )
    ]


def _differences(log_p: Tensor, exchange: Exchange) -> Tensor:
    """Log score of the rows that count as samples, less that of the others."""
    parts = exchange.labels.split(64)
    return torch.cat([informations(log_p, part) - informations(log_p, ~part) for part in parts])


def _standard_error(log_p: Tensor) -> float:
    """Of the log score: the spread of each row's divergence from the mean, to first order."""
    p = log_p.exp()
    divergence = -entropies(log_p) - p @ p.mean(dim=0).clamp(min=1e-300).log()
    return float(divergence.std()) / math.sqrt(len(p))
