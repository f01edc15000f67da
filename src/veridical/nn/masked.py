r"""A perceptron whose weights are masked, so that the numbers of a site depend on earlier sites alone.

Every unit has a *degree*. That of an input is the place $r$ of its site in the order, from 0; a hidden unit of degree
$m$ sees the sites of degree at most $m$, in every layer; the outputs of the site of degree $r$ see units of degree
below $r$:

$$ \text{hidden: } m_{\ell}(k) \ge m_{\ell-1}(j), \qquad \text{output: } r(i) > m_L(k). $$

Hidden degrees run from 0 to S - 2: a unit of degree S - 1 would be seen by nobody. Direct connections from inputs to
outputs, $r(i) > r(j)$, leave no earlier site unseen even if there are fewer hidden units than sites.

`steps` computes the network site by site: once the site of degree m is known, the units of degree m are final, so that
all steps together cost one pass.

References:
    Germain, Gregor, Murray & Larochelle, MADE: Masked Autoencoder for Distribution Estimation (2015), Eq. 8-13.
        https://arxiv.org/abs/1502.03509
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.heads import Features


@final
@dataclass(frozen=True)
class Degrees:
    """The degrees of all units."""

    sites: Tensor
    """(S,) place of each site in the order, from 0."""

    hidden: Tensor
    """(L, H) of the hidden units."""


class MaskedLinear(nn.Module):
    """An affine map with masked weights, and a bias for every label.

    Args:
        before: number of inputs.
        after: number of outputs.
        classes: number of labels; 0: none.
    """

    def __init__(self, before: int, after: int, classes: int = 0) -> None:
        super().__init__()
        linear = nn.Linear(before, after)
        self.weight, self.bias = linear.weight, linear.bias
        self.labels = nn.Embedding(classes, after) if classes else None
        if self.labels is not None:
            nn.init.zeros_(self.labels.weight)

    def masked(self, before: Tensor, after: Tensor, *, strict: bool = False) -> Tensor:
        """Return the weights (out, in), 0 where the degree after is below (if strict, not above) the one before."""
        mask = after[:, None] > before if strict else after[:, None] >= before
        return self.weight * mask

    def shift(self, c: Tensor | None) -> Tensor:
        """Return the biases (out,), or with labels (B, out)."""
        return self.bias if c is None or self.labels is None else self.bias + self.labels(c)


class MaskedMLP(nn.Module):
    """A masked perceptron, for any degrees.

    Args:
        sites: S, number of sites.
        features: what is seen of a site, F numbers.
        outputs: P, numbers for one site at the output.
        width: units of a hidden layer.
        depth: hidden layers; 0: direct connections alone.
        classes: number of labels, each with a bias of its own in every layer; 0: none.
    """

    def __init__(
        self, sites: int, features: Features, outputs: int, *, width: int, depth: int, classes: int = 0
    ) -> None:
        super().__init__()
        self.features, self.outputs = features, outputs
        sizes = [sites * features.count, *[width] * depth]
        self.hidden = nn.ModuleList(MaskedLinear(*pair, classes) for pair in itertools.pairwise(sizes))
        self.last = MaskedLinear(sizes[-1], sites * outputs, classes)
        self.direct = nn.Linear(sizes[0], sites * outputs, bias=False) if depth else None

    def forward(self, sites: Tensor, degrees: Degrees, c: Tensor | None = None) -> Tensor:
        """Return numbers (B, S, P) for sites (B, S, 1) and labels (B,)."""
        x = self.features(sites).flatten(1)
        hidden, last, direct = self.weights(degrees)
        h = x
        for layer, weight in zip(self.layers, hidden, strict=True):
            h = (F.linear(h, weight) + layer.shift(c)).relu()
        h = F.linear(h, last) + self.last.shift(c)
        if direct is not None:
            h = h + F.linear(x, direct)
        return h.unflatten(1, (-1, self.outputs))

    def steps(self, degrees: Degrees, n: int, c: Tensor | None = None) -> Generator[Tensor, Tensor, None]:
        """Yield numbers (n, P) of one site after another; receives the value (n, 1) of the site just given."""
        hidden, last, direct = self.weights(degrees)
        shifts = [layer.shift(c).expand(n, -1) for layer in self.layers]
        bias, size, P = self.last.shift(c).expand(n, -1), self.features.count, self.outputs
        x = last.new_zeros(n, len(degrees.sites) * size)
        units = [x, *[last.new_zeros(n, len(weight)) for weight in hidden]]
        ready = [units_by_degree(layer, len(degrees.sites)) for layer in degrees.hidden]
        for place, site in enumerate(degrees.sites.argsort().tolist()):
            rows = slice(site * P, (site + 1) * P)
            h = bias[:, rows] + F.linear(units[-1], last[rows])
            value = yield h if direct is None else h + F.linear(x, direct[rows])
            x[:, site * size : (site + 1) * size] = self.features(value)
            for depth, weight in enumerate(hidden):
                own = ready[depth][place]
                units[depth + 1][:, own] = (F.linear(units[depth], weight[own]) + shifts[depth][:, own]).relu()

    @property
    def layers(self) -> list[MaskedLinear]:
        """The hidden layers."""
        return [layer for layer in self.hidden if isinstance(layer, MaskedLinear)]

    def weights(self, degrees: Degrees) -> tuple[list[Tensor], Tensor, Tensor | None]:
        """Return the masked weights of the hidden layers, of the last one, and of the direct connections."""
        inputs = degrees.sites.repeat_interleave(self.features.count)
        outputs = degrees.sites.repeat_interleave(self.outputs)
        seen = [inputs, *degrees.hidden]
        hidden = [layer.masked(*pair) for layer, pair in zip(self.layers, itertools.pairwise(seen), strict=True)]
        last = self.last.masked(seen[-1], outputs, strict=True)
        return hidden, last, None if self.direct is None else self.direct.weight * (outputs[:, None] > inputs)


def units_by_degree(hidden: Tensor, sites: int) -> tuple[Tensor, ...]:
    """Return for each degree below `sites` the units of a layer (H,) that have it; read from the device once.

    Examples:
        >>> [units.tolist() for units in units_by_degree(torch.tensor([1, 0, 1]), 3)]
        [[1], [0, 2], []]
    """
    return hidden.argsort(stable=True).split(torch.bincount(hidden, minlength=sites).tolist())


def even_degrees(sites: int, width: int, depth: int) -> Tensor:
    """Return (depth, width) hidden degrees that share the sites evenly.

    Examples:
        >>> even_degrees(4, 6, 1)
        tensor([[0, 0, 1, 1, 2, 2]])
    """
    highest = max(sites - 1, 1)
    degrees = torch.div(torch.arange(width) * highest, width, rounding_mode="floor")
    return degrees.expand(depth, -1).clone()


def random_degrees(sites: int, width: int, depth: int, generator: torch.Generator) -> Tensor:
    """Return (depth, width) random hidden degrees, in each layer none below the least of the layer before.

    Without that, units of low degree would see nothing.

    Args:
        sites: S, number of sites.
        width: units of a layer.
        depth: layers.
        generator: of the random numbers.
    """
    degrees, least = [], 0
    for _ in range(depth):
        degrees.append(torch.randint(least, max(sites - 1, least + 1), (width,), generator=generator))
        least = int(degrees[-1].min())
    return torch.stack(degrees) if degrees else torch.empty(0, width, dtype=torch.long)
