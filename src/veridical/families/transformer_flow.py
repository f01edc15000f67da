r"""Transformer autoregressive flow: causal transformers over patches, one after the other in alternating order.

**Model.** An image is cut into patches, the tokens; a vector into groups of components. Every block maps the tokens by
shifts and scales that a causal transformer computes from the tokens before (`nn/transformer_flow.py`),

$$ z_t = (x_t - \mu(x_{<t}))\, e^{-a(x_{<t})}, $$

and the next block reads them in the opposite order. Before the first block every token is standardised by the first
batch (ActNorm). The codes of the last block are standard normal. A single block makes every token normal given those
before; several blocks make a rich density. The last layer of every transformer is zero at the start, so that training
begins with independent tokens.

**Objective.** The mean of $-\log p(x) = -\log \mathcal N(z; 0, I) + \sum a$ in nats. Data with levels get noise within
the cells of their levels, uniform or learned, and a lower bound, as in `flow`.

**Samples.** Training needs one pass, the inverse one step for each token and block: with kept keys and values
(*cached*), from the start (*naive*), or by whole passes until no token changes (*jacobi*), which is exact after as many
sweeps as there are tokens.

**What to expect.** Every component sees all before it, and nothing is built in of the neighbourhood of pixels: with
many images and steps the published likelihoods are the best among flows, with few the couplings of `flow` learn faster
(docs/families/transformer-flow.md has numbers). Samples are slower.

References:
    Zhai et al., Normalizing Flows are Capable Generative Models (2024). https://arxiv.org/abs/2412.06329
    Papamakarios, Pavlakou & Murray, Masked Autoregressive Flow (2017). https://arxiv.org/abs/1705.07057
    Liu & Qin, Accelerate TarFlow Sampling with GS-Jacobi Iteration (2025). https://arxiv.org/abs/2505.12849
"""

from __future__ import annotations

import math

from torch import Tensor

from veridical.config.families.normalizing import NormalizingSampling
from veridical.config.families.transformer_flow import TransformerFlowConfig, TransformerFlowSampling
from veridical.families.normalizing import NormalizingFlow
from veridical.model import Facts, Space
from veridical.nn.invertible import ActNorm, Chain, Reshape
from veridical.nn.transformer_flow import Patches, TransformerBlock, TransformerFlowNetwork

MOST_TOKENS = 64
"""Tokens of an example, where the size of a token is not chosen."""


class TransformerFlow(NormalizingFlow[TransformerFlowConfig]):
    """Causal transformers over tokens (module docstring: model, objective, units).

    Args:
        config: blocks, transformers, tokens, noise.
        facts: of the data.

    Examples:
        >>> import torch
        >>> space = Space((4,), kind="vector", support=None, levels=None)
        >>> model = TransformerFlow(TransformerFlowConfig(width=8, heads=2), space)
        >>> model.log_prob(torch.zeros(5, 4)).shape, model.sample(3).shape
        (torch.Size([5]), torch.Size([3, 4]))
    """

    flow: TransformerFlowNetwork
    sampling_options = TransformerFlowSampling
    papers = (
        "Zhai et al., Normalizing Flows are Capable Generative Models, ICML 2025. https://arxiv.org/abs/2412.06329",
        "Papamakarios, Pavlakou & Murray, Masked Autoregressive Flow for Density Estimation, NeurIPS 2017. "
        "https://arxiv.org/abs/1705.07057",
        "Song, Meng, Liao & Ermon, Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving, "
        "ICML 2021. https://arxiv.org/abs/2002.03629",
    )

    def __init__(self, config: TransformerFlowConfig, facts: Facts | Space) -> None:
        super().__init__(config, facts, build_flow(config, Facts.of(facts).space))

    def decode_with(self, z: Tensor, options: NormalizingSampling) -> Tensor:
        """Decode codes by the method of the options."""
        assert isinstance(options, TransformerFlowSampling)
        return self.units.inverse(self.flow.invert(z, options.method)[0])[0]


def build_flow(config: TransformerFlowConfig, space: Space) -> TransformerFlowNetwork:
    """Build the network (B, *event) → (B, D).

    Raises:
        ValueError: the size of a token does not divide the example.
    """
    size = config.patch or token_size(space)
    if len(space.shape) == 3:
        cut = Patches(space.shape, size)
        tokens = cut.tokens
    elif space.dim % size:
        raise ValueError(f"patch is {size} and an example has {space.dim} components; expected a divisor.")
    else:
        tokens = (space.dim // size, size)
        cut = Reshape(space.shape, tokens)
    blocks = [
        TransformerBlock(tokens, config.width, config.layers, config.heads, config.dropout, bool(i % 2))
        for i in range(config.blocks)
    ]
    return TransformerFlowNetwork(Chain([cut, ActNorm(tokens[0])]), blocks, tokens)


def token_size(space: Space) -> int:
    """Return the smallest patch, or number of components of a token, with which there are at most 64 tokens.

    Examples:
        >>> token_size(Space((1, 28, 28))), token_size(Space((1, 9, 12))), token_size(Space((1, 8, 8)))
        (4, 3, 1)
    """
    sides = space.shape[1:] if len(space.shape) == 3 else (space.dim,)
    for size in range(1, max(sides) + 1):
        tokens = [side // size for side in sides]
        if all(side % size == 0 for side in sides) and math.prod(tokens) <= MOST_TOKENS:
            return size
    return 1
