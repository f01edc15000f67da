r"""Orthogonal weights: initialisation and penalty.

Orthogonal rows preserve the norm of a layer's input, and its outputs are not redundant. Brock et al. penalise
only the angles between the rows, not their lengths, which gives smooth generators, suitable for the truncation trick:

$$ R(W) = \lVert W W^\top \odot (\mathbf 1 - I)\rVert_F^2, \qquad
   \nabla R = 4\,\big(W W^\top \odot (\mathbf 1 - I)\big)\,W. $$

References:
    Saxe, McClelland & Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear networks (2014).
        https://arxiv.org/abs/1312.6120
    Brock, Donahue & Simonyan, Large Scale GAN Training for High Fidelity Natural Image Synthesis (2019), Eq. 3 (there
        with W's columns). https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.nn.spectral import TRANSPOSED, as_matrix, learned_weight, weighted_layers


def start_orthogonal(module: nn.Module) -> nn.Module:
    """Draw every weighted layer's weight orthogonal, as a matrix by its output axis, and zero its bias, in place.

    Examples:
        >>> layer = start_orthogonal(nn.Linear(3, 2))
        >>> bool(torch.allclose(layer.weight @ layer.weight.T, torch.eye(2), atol=1e-6))
        True
    """
    for _, layer in weighted_layers(module):
        weight: Tensor = layer.weight  # type: ignore[assignment]
        with torch.no_grad():
            matrix = torch.empty_like(as_matrix(weight, transposed := isinstance(layer, TRANSPOSED)))
            nn.init.orthogonal_(matrix)
            shape = weight.transpose(0, 1).shape if transposed else weight.shape
            drawn = matrix.reshape(shape)
            weight.copy_(drawn.transpose(0, 1) if transposed else drawn)
            if isinstance(bias := getattr(layer, "bias", None), Tensor):
                bias.zero_()
    return module


def orthogonal_penalty(matrix: Tensor) -> Tensor:
    """Return () the sum of squared inner products of different rows (rows, columns).

    Examples:
        >>> orthogonal_penalty(torch.eye(3)), orthogonal_penalty(torch.ones(2, 3))
        (tensor(0.), tensor(18.))
    """
    gram = matrix @ matrix.T
    return gram.square().sum() - gram.diagonal().square().sum()


def orthogonal_penalties(module: nn.Module) -> Tensor:
    """Return () the sum of `orthogonal_penalty` over the parameters of all weighted layers but embeddings.

    Under spectral normalisation the parameter that is divided by its norm is taken, as in the authors' code.

    Raises:
        ValueError: the module has no weighted layer.
    """
    terms = []
    for _, layer in weighted_layers(module):
        if not isinstance(layer, nn.Embedding):
            terms.append(orthogonal_penalty(as_matrix(learned_weight(layer), isinstance(layer, TRANSPOSED))))
    if not terms:
        raise ValueError(f"{type(module).__name__} has no linear layer or convolution whose rows could be orthogonal.")
    return torch.stack(terms).sum()
