r"""Pairs of noise and examples: which noise goes to which example of a batch.

The noise of a batch is drawn on its own and then permuted so that the sum of squared distances is least,

$$ \min_{\pi} \sum_i |z_{\pi(i)} - x_i|^2 , $$

an assignment problem (Kuhn 1955). A permutation keeps every number of the batch, so that the noise of all examples
together stays normal, and the pairs only change *which* normal number an example gets. With labels noise is permuted
within each class: otherwise the noise of a class would no longer be normal, and samples of a class would start in the
wrong place (so it happens in published code).

The assignment of a batch is not that of the whole data; its bias towards shorter paths falls as batches grow.

References:
    Tong et al., Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (2024).
        https://arxiv.org/abs/2302.00482
    Pooladian et al., Multisample Flow Matching (2023). https://arxiv.org/abs/2304.14772
"""

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def optimal_pairs(
    z: Float[Tensor, "B *event"], x: Float[Tensor, "B *event"], c: Int[Tensor, " B"] | None = None
) -> Int[Tensor, " B"]:
    """Return the permutation (B,) with the least sum of |z[p] - x|^2, of noise within each class; computed on the CPU.

    Args:
        z: noise.
        x: examples.
        c: classes; None: there are none.
    """
    if c is None:
        return _assigned(z, x)
    permutation = torch.arange(len(x), device=x.device)
    for label in c.unique():
        rows = torch.nonzero(c == label)[:, 0]
        permutation[rows] = rows[_assigned(z[rows], x[rows])]
    return permutation


def _assigned(z: Tensor, x: Tensor) -> Tensor:
    distances = torch.cdist(x.flatten(1).double(), z.flatten(1).double()).square()
    _, columns = linear_sum_assignment(distances.cpu().numpy())
    return torch.from_numpy(columns).to(x.device)
