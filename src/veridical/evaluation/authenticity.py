r"""Authenticity: the share of samples that are farther from their nearest training example than that one from others.

A sample j with the nearest training example r counts as authentic if $d(r, \text{other training examples}) < d(j, r)$.
Copies are not authentic. **A perfect model does not score one half**: r and j are then two draws of one distribution,
and j is inauthentic only where j is nearer to r than all other training examples are, which depends on the dimension
(.333, .379 and .407 in 1, 2 and 3 dimensions, one minus Cox's probability of reflexive neighbours; .61 and more from
ten on). Held-out examples in the place of samples score the same as a perfect model and are the reference. Junk is
authentic too, so that a high value is no merit.

References:
    Alaa, van Breugel, Saveliev & van der Schaar, How Faithful is your Synthetic Data? (2022), Sec. 3.3.
        https://arxiv.org/abs/2102.08921
    Cox, Reflexive nearest neighbours (1981).
"""

import time

from jaxtyping import Bool, Float
from torch import Tensor

from veridical.evaluation.compared import compared
from veridical.evaluation.exchange import exchange_test, mean_differences
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.neighbours import nearest
from veridical.statistics import wilson_interval

TOLERANCE = 0.05
"""Difference of shares that counts as none."""


def authentic(x: Float[Tensor, "n d"], train: Float[Tensor, "N d"]) -> Bool[Tensor, " n"]:
    """Return whether each example is authentic with respect to training examples (module docstring).

    Args:
        x: examples that are not in the training data.
        train: at least two training examples.

    Examples:
        >>> import torch
        >>> authentic(torch.tensor([[0.1], [0.9]]), torch.tensor([[0.0], [0.5], [0.6]])).tolist()
        [False, True]
    """
    found = nearest(x, train)
    rows, place = found.index.unique(return_inverse=True)
    own = nearest(train[rows], train, exclude=rows).distance
    return own[place] < found.distance


def measure_authenticity(features: FeatureSets) -> list[Measurement]:
    """Share of authentic samples; a perfect model scores what real examples in the place of samples score."""
    began, e = time.perf_counter(), features.exchange
    scores = authentic(features.pool, features.reference)
    right = int(scores[: e.n].sum())
    test = exchange_test(mean_differences(scores.double(), e), e, tolerance=TOLERANCE)
    return [
        compared(
            features,
            "authenticity",
            right / e.n,
            "share",
            test,
            higher_is_better=True,
            interval=wilson_interval(right, e.n),
            method="Wilson",
            began=began,
            detail={"n_reference": len(features.reference)},
        )
    ]
