r"""Classes of features by a linear discriminant: Gaussian classes with one covariance.

$$ \log p(c\mid x) = x^\top \Sigma^{-1}\mu_c - \tfrac12\mu_c^\top\Sigma^{-1}\mu_c + \log\pi_c + \text{const} $$

with the means of labelled training examples and their pooled covariance, shrunk towards a multiple of the identity by
$d/(n+d)$ so that it is invertible with any number of examples. On features of a network (`extractors`) this is as good
as the network's own last layer, and it serves any labels: classes of samples are read by it where a metric needs them.

References:
    Friedman, Regularized Discriminant Analysis (1989).
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor


@final
class LinearDiscriminant:
    """A linear classifier of features.

    Args:
        features: labelled training examples.
        labels: their classes, from 0.
        classes: number of classes; one without examples is never chosen.
    """

    def __init__(self, features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], classes: int) -> None:
        if len(features) != len(labels):
            raise ValueError(f"{len(features)} rows and {len(labels)} labels; expected one label for each row.")
        rows = features.double()
        self.middle = rows.mean(dim=0)
        rows = rows - self.middle
        counts = torch.bincount(labels, minlength=classes)
        means = rows.new_zeros(classes, rows.shape[1]).index_add_(0, labels, rows) / counts.clamp(min=1)[:, None]
        within = rows - means[labels]
        self.weight = torch.linalg.solve(_shrunk(within.T @ within / len(rows), len(rows)), means.T)  # (d, classes)
        self.bias = (counts.double() / len(rows)).log() - (means * self.weight.T).sum(dim=1) / 2

    def log_probabilities(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n classes"]:
        """Return log p(c | x) in nats."""
        logits = (features.double() - self.middle) @ self.weight + self.bias
        return logits.log_softmax(dim=1)

    def classify(self, features: Float[Tensor, "n d"]) -> Int[Tensor, " n"]:
        """Return the most probable class of every row.

        Examples:
            >>> x = torch.tensor([[0.0], [1.0], [9.0], [10.0]])
            >>> LinearDiscriminant(x, torch.tensor([0, 0, 1, 1]), 2).classify(torch.tensor([[2.0], [7.0]])).tolist()
            [0, 1]
        """
        return self.log_probabilities(features).argmax(dim=1)


def _shrunk(covariance: Tensor, n: int) -> Tensor:
    d = len(covariance)
    size = float(covariance.diagonal().mean()) or 1.0
    return (n * covariance + d * size * torch.eye(d, dtype=covariance.dtype)) / (n + d)
