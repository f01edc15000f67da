r"""MADE: a perceptron with masked weights, whose outputs are the conditional distributions of all components.

**Model.** In an order $\pi$ of the components,

$$ p(x) = \prod_i p\big(x_{\pi(i)} \mid x_{\pi(1)}, \dots, x_{\pi(i-1)}\big), $$

and the numbers of all factors come from one pass of a perceptron in which every path from a component to itself or an
earlier one is masked (`nn/masked.py`). The factors are Bernoulli for bits, categorical for up to 32 levels, mixtures of
logistic distributions on the levels for more, and mixtures of Gaussians for continuous data (`nn/heads.py`).

**Objective.** The mean of $-\log p(x)$, exactly.

**Orders and masks.** The masks are made from the order and the hidden units' degrees, so one set of weights serves any
order. With several masks the model is the mixture with equal weights

$$ \log p(x) = \log \frac1M \sum_{m=1}^M p_m(x) \;\ge\; \frac1M \sum_{m=1}^M \log p_m(x), $$

of which a training step minimises one term of the right-hand side, chosen at random. Averaging logits instead gives no
distribution: its probabilities do not sum to 1. With `order="any"` every step has a new order; then the known
components of any example can be put first, and the others follow their exact conditional distribution in that order.
The orders of one model are in general different distributions.

**What to expect.** Exact likelihoods at the cost of one pass; sampling in order at the cost of one pass, too, since a
hidden unit is computed as soon as the components that it sees are known. Nearby pixels share no weights: on images
larger than about 28x28 convolutions are better. Small data sets are overfitted soon; `--evaluate-every` keeps the best
weights.

References:
    Germain, Gregor, Murray & Larochelle, MADE: Masked Autoencoder for Distribution Estimation (2015).
        https://arxiv.org/abs/1502.03509
    Uria, Murray & Larochelle, A Deep and Tractable Density Estimator (2014). https://arxiv.org/abs/1310.1757
    Frey, Hinton & Dayan, Does the Wake-sleep Algorithm Produce Good Density Estimators? (1996), for depth 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.made import PAPER, MADEConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.buffers import BufferRole
from veridical.nn.default_heads import compact_head, features_for
from veridical.nn.masked import Degrees, MaskedMLP, even_degrees, random_degrees
from veridical.nn.triangular import Chain, Steps

SEED = 0
"""Of the random orders and degrees, which belong to the model and not to the run."""


class MADE(Autoregressive, Cached):
    """A masked autoencoder (module docstring: model, objective, units).

    Args:
        config: the choices.
        facts: of the data; a space alone is accepted too.

    Raises:
        ValueError: labels are to be learned, and the data have none.

    Examples:
        >>> model = MADE(MADEConfig(width=8), Space((3,), kind="vector", levels=2))
        >>> model.log_prob(torch.ones(1, 3)).shape
        torch.Size([1])
    """

    papers = (PAPER,)
    buffer_roles: ClassVar = {"orders": BufferRole.LIVE, "degrees": BufferRole.LIVE}
    orders: Tensor
    degrees: Tensor

    def __init__(self, config: MADEConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        orders, degrees = masks_of(config, space.dim)
        head = compact_head(space, config.components)
        super().__init__(facts, head=head, order=orders[0], labels=config.labels)
        self.config = config
        self.register_buffer("orders", orders)
        self.register_buffer("degrees", degrees)
        self.network = MaskedMLP(
            self.sites,
            features_for(space),
            head.parameters,
            width=config.width,
            depth=config.depth,
            classes=self.classes,
        )

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of the components under the first mask."""
        return self.masked(Degrees(self.order.argsort(), self.degrees[0]), x, c)

    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Compute the numbers of one component after another under the first mask."""
        return self.network.steps(Degrees(self.order.argsort(), self.degrees[0]), n, c)

    def masked(self, degrees: Degrees, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all components for the masks of these degrees."""
        return self.network(self.to_sites(x), degrees, c)

    def chain(self, order: Tensor, hidden: Tensor) -> Chain:
        """Return the factorisation in an order (S,), with hidden units of these degrees (L, H)."""
        degrees = Degrees(order.argsort(), hidden)
        return Chain(order, partial(self.masked, degrees), partial(self.network.steps, degrees))

    def chains(self) -> Sequence[Chain]:
        """Return one factorisation for every mask."""
        return [self.chain(order, hidden) for order, hidden in zip(self.orders, self.degrees, strict=True)]

    def training_chain(self) -> Chain:
        """Return the factorisation of a training step: one of the masks, or a new order; chosen on the device."""
        which = torch.randint(len(self.orders), (1,), device=self.device)
        order, hidden = self.orders[which][0], self.degrees[which][0]
        if self.config.order == "any":
            order = torch.rand(self.sites, device=self.device).argsort()
        return self.chain(order, hidden)

    def leading(self, share: float) -> Tensor:
        """Return (*event) bool: this share of the components, from the first in the order.

        A model of any order can begin anywhere: it begins with the first as they are stored (images: from the top).
        """
        if self.config.order != "any":
            return super().leading(share)
        return self.components_of(torch.arange(round(share * self.sites)))

    def chains_after(self, known: Tensor) -> Sequence[Chain]:
        """Return the factorisations in which the known components come first; a model of any order has all of them.

        Raises:
            ValueError: there are none.
        """
        if self.config.order != "any":
            return super().chains_after(known)
        ranks = self.orders.argsort(1) + self.sites * ~known
        return [self.chain(rank.argsort(), hidden) for rank, hidden in zip(ranks, self.degrees, strict=True)]


def masks_of(config: MADEConfig, sites: int) -> tuple[Tensor, Tensor]:
    """Return orders (M, S) and hidden degrees (M, L, H) of the masks of a configuration.

    The degrees of a single mask share the components evenly, those of several are random.
    """
    random, masks = torch.Generator().manual_seed(SEED), range(config.masks)
    stored = config.order == "stored"
    orders = [torch.arange(sites) if stored else torch.randperm(sites, generator=random) for _ in masks]
    if config.masks == 1:
        return torch.stack(orders), even_degrees(sites, config.width, config.depth)[None]
    degrees = [random_degrees(sites, config.width, config.depth, random) for _ in masks]
    return torch.stack(orders), torch.stack(degrees)
