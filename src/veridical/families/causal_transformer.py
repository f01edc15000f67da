r"""Causal transformer: the distribution of an example as a product over its components, by attention to those before.

**Model.** $p(x) = \prod_i p(x_i \mid x_{<i})$ over components in the order in which they are stored, for images row by
row (one colour after another). Position $i$ of the sequence receives the value of component $i - 1$ (position 0 a
learned vector, which depends on the label) and learned vectors of its own place, one for each axis: row and column
for images. Blocks of attention to this and earlier positions follow (`nn/causal_attention.py`), then one linear layer
to the numbers of the head: Bernoulli, categorical, or for continuous data a mixture of Gaussians.

Values with levels enter by a learned vector of every level, continuous ones linearly.

**What to expect.** Exact likelihoods and no assumption about which components are neighbours: better than convolutions
on much data, worse on little. Time and memory of training grow with the square of the number of components. Sampling
keeps keys and values of earlier positions.

References:
    Vaswani et al., Attention Is All You Need (2017). https://arxiv.org/abs/1706.03762
    Child, Gray, Radford & Sutskever, Generating Long Sequences with Sparse Transformers (2019), on images as sequences
        with positions of rows and columns. https://arxiv.org/abs/1904.10509
    Chen et al., Generative Pretraining from Pixels (2020). https://proceedings.mlr.press/v119/chen20s.html
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.causal_transformer import CausalTransformerConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.causal_attention import CausalTransformerNetwork
from veridical.nn.default_heads import grid_of, interval_of, scalar_head
from veridical.nn.triangular import Steps


class CausalTransformer(Autoregressive, Cached):
    """A decoder-only transformer over components (module docstring).

    Args:
        config: the choices.
        facts: of any data.

    Raises:
        ValueError: labels are to be learned that the data do not have.

    Examples:
        >>> model = CausalTransformer(CausalTransformerConfig(width=8, layers=1, heads=2), Space((1, 4, 4), levels=2))
        >>> model.sample(3).shape
        torch.Size([3, 1, 4, 4])
    """

    papers = (
        "Vaswani et al., Attention Is All You Need, NeurIPS 2017. https://arxiv.org/abs/1706.03762",
        "Chen et al., Generative Pretraining from Pixels, ICML 2020. https://proceedings.mlr.press/v119/chen20s.html",
    )

    def __init__(self, config: CausalTransformerConfig, facts: Facts | Space) -> None:
        head = scalar_head(Facts.of(facts).space, config.components)
        super().__init__(facts, head=head, labels=config.labels)
        self.config, width = config, config.width
        self.value = Value(self.space, width)
        self.places = nn.ParameterList([0.02 * torch.randn(side, width) for side in self.space.shape if side > 1])
        self.start = nn.Parameter(0.02 * torch.randn(max(self.classes, 1), width))
        self.network = CausalTransformerNetwork(
            width, head.parameters, layers=config.layers, heads=config.heads, dropout=config.dropout
        )

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all components."""
        before = self.value(x.flatten(1)[:, :-1])  # (B, S - 1, d)
        sequence = torch.cat([self.first(len(x), c)[:, None], before], 1)
        return self.network(sequence + self.positions())

    def first(self, n: int, c: Tensor | None) -> Tensor:
        """Return (n, d) what the first position receives."""
        return self.start.expand(n, -1) if c is None else self.start[c]

    def positions(self) -> Tensor:
        """Return (S, d) the sum of the learned vectors of every axis."""
        total = self.start.new_zeros(1, self.config.width)
        for table in self.places:
            total = (total[:, None] + table).flatten(0, 1)
        return total

    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Start n examples with labels (n,), component by component."""
        steps, places, x = self.network.steps(n, self.sites), self.positions(), self.first(n, c)
        for place in places:
            x = self.value((yield steps(x + place)))[:, 0]

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer


class Value(nn.Module):
    """A vector for the value of a component: learned for every level, linear for continuous data.

    Args:
        space: of the examples.
        width: d of the vector.
    """

    def __init__(self, space: Space, width: int) -> None:
        super().__init__()
        self.grid = None if space.levels is None else grid_of(space)
        low, high = interval_of(space)
        self.middle, self.half_width = (low + high) / 2, (high - low) / 2
        self.table = nn.Linear(1, width) if self.grid is None else nn.Embedding(self.grid.levels, width)
        nn.init.normal_(self.table.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Map values (...) in data space to vectors (..., d)."""
        if self.grid is not None:
            return self.table(self.grid.index(x))
        return self.table(((x - self.middle) / self.half_width)[..., None])
