r"""The network of NADE: one hidden layer whose pre-activation is a running sum over the sites.

$$ a_1 = c, \qquad h_i = \sigma(a_i), \qquad o_i = V_i h_i + b_i, \qquad a_{i+1} = a_i + W_i x_i $$

All S outputs cost O(S H) together. In a loop over sites that is S small steps, and as one array the activations take
B S H numbers. Here T sites are done at a time: within a block

$$ a_{i} = a_{\text{start}} + \sum_{j < i} W_j x_j $$

is a product of a (B T, T) with a (T, H) matrix, and the backward pass computes the activations of a block again from
its stored start, so that memory is B S H / T.

References:
    Larochelle & Murray, The Neural Autoregressive Distribution Estimator (2011), Alg. 1.
        https://proceedings.mlr.press/v15/larochelle11a.html
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from veridical.nn.heads import Features

BLOCK = 8
"""T, sites done at a time."""

Activation = Literal["sigmoid", "relu"]


class RunningSum(nn.Module):
    """The network of the module docstring, from sites to their numbers.

    Args:
        sites: S, number of sites.
        features: what is seen of a site, F numbers.
        outputs: P, numbers for one site at the output.
        width: H, hidden units.
        activation: of the hidden units.
        classes: number of labels, each with biases of its own; 0: none.
    """

    def __init__(
        self, sites: int, features: Features, outputs: int, *, width: int, activation: Activation, classes: int = 0
    ) -> None:
        super().__init__()
        self.features = features
        self.activation: Activation = activation
        self.shape = (sites, outputs)
        size = sites * features.count
        self.weight = nn.Parameter(torch.empty(sites, features.count, width).uniform_(-1, 1) / math.sqrt(size))
        self.bias = nn.Parameter(torch.zeros(width))
        self.out = nn.Parameter(torch.empty(sites, outputs, width).uniform_(-1, 1) / math.sqrt(width))
        self.out_bias = nn.Parameter(torch.zeros(sites, outputs))
        self.labels = nn.Embedding(classes, width + sites * outputs) if classes else None
        if self.labels is not None:
            nn.init.zeros_(self.labels.weight)

    def forward(self, sites: Tensor, order: Tensor, c: Tensor | None = None) -> Tensor:
        """Return numbers (B, S, P), in their places, for sites (B, S, 1), their order (S,) and labels (B,)."""
        start, bias = self.biases(len(sites), c)
        with torch.autocast(sites.device.type, enabled=False):  # a long sum
            x = self.features(sites)[:, order].to(self.weight.dtype)
            found = Blocks.apply(x, self.weight[order], start, self.out[order], self.activation)
        return found[:, order.argsort()] + bias  # type: ignore[index]

    def steps(self, order: Tensor, n: int, c: Tensor | None = None) -> Generator[Tensor, Tensor, None]:
        """Yield numbers (n, P) of one site after another; receives the value (n, 1) of the site just given."""
        total, bias = self.biases(n, c)
        for site in order.tolist():
            x = yield torch.addmm(bias[:, site], activated(total, self.activation), self.out[site].T)
            total = torch.addmm(total, self.features(x), self.weight[site])

    def biases(self, n: int, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the start of the sum (n, H) and the biases of the numbers (n, S, P)."""
        start, bias = self.bias.expand(n, -1), self.out_bias.expand(n, -1, -1)
        if c is None or self.labels is None:
            return start, bias
        shift = self.labels(c)
        return start + shift[:, : len(self.bias)], bias + shift[:, len(self.bias) :].unflatten(1, self.shape)


class Blocks(torch.autograd.Function):
    """Numbers (B, S, P) without biases, for features (B, S, F) in order, block by block."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, start: Tensor, out: Tensor, activation: Activation) -> Tensor:
        """Compute the numbers.

        Args:
            ctx: what the backward pass needs.
            x: (B, S, F).
            weight: (S, F, H).
            start: (B, H).
            out: (S, P, H).
            activation: of the hidden units.
        """
        totals, found = [start], []
        for block in blocks(len(weight)):
            h = hidden(before(x[:, block]), weight[block], totals[-1], activation)
            found.append(torch.bmm(h, out[block].transpose(1, 2)))
            totals.append(totals[-1] + x[:, block].flatten(1) @ weight[block].flatten(0, 1))
        ctx.save_for_backward(x, weight, out, *totals[:-1])
        ctx.activation = activation
        return torch.cat(found).transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *slopes: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients by x, weight, start and out; from the last block to the first."""
        x, weight, out, *totals = ctx.saved_tensors
        slope = slopes[0].transpose(0, 1).contiguous()  # (S, B, P)
        later = torch.zeros_like(totals[0])  # gradient by all pre-activations after the block
        by_x, by_weight, by_out = torch.zeros_like(x), torch.empty_like(weight), torch.empty_like(out)
        for block, total in zip(reversed(blocks(len(weight))), reversed(totals), strict=True):
            seen, own = x[:, block], weight[block].flatten(0, 1)
            earlier = before(seen)
            h = hidden(earlier, weight[block], total, ctx.activation)
            torch.bmm(slope[block].transpose(1, 2), h, out=by_out[block])
            by_total = through(ctx.activation, h, times(slope[block], out[block]))  # (T, B, H)
            by_own = by_weight[block].flatten(0, 1)
            torch.mm(earlier.flatten(0, 1).T, by_total.flatten(0, 1), out=by_own)
            by_own.addmm_(seen.flatten(1).T, later)
            if ctx.needs_input_grad[0]:
                pairs = (by_total @ own.T).unflatten(2, (-1, seen.shape[2]))  # (T, B, T, F)
                by_x[:, block] = (pairs * below(seen)[:, None]).sum(0) + (later @ own.T).view_as(seen)
            later += by_total.sum(0)
        return by_x, by_weight, later, by_out, None


def blocks(sites: int) -> list[slice]:
    """Return the blocks of sites."""
    return [slice(start, min(start + BLOCK, sites)) for start in range(0, sites, BLOCK)]


def below(x: Tensor) -> Tensor:
    """Return (T, T, 1): whether the site j of the second axis comes before the site i of the first, for x (B, T, F)."""
    return torch.ones(x.shape[1], x.shape[1], dtype=x.dtype, device=x.device).tril(-1)[..., None]


def before(x: Tensor) -> Tensor:
    """Return (T, B, T F): for each site the features of the earlier ones of its block, else 0; for x (B, T, F)."""
    return (x * below(x)[:, None]).flatten(2)


def hidden(earlier: Tensor, weight: Tensor, start: Tensor, activation: Activation) -> Tensor:
    """Return the hidden units (T, B, H) of a block; in place, so that what is read stays in the cache.

    Args:
        earlier: (T, B, T F) what `before` returns.
        weight: (T, F, H).
        start: (B, H) pre-activations at its first site.
        activation: of the units.
    """
    total = (earlier.flatten(0, 1) @ weight.flatten(0, 1)).unflatten(0, earlier.shape[:2]).add_(start)
    return total.sigmoid_() if activation == "sigmoid" else total.relu_()


def times(slope: Tensor, out: Tensor) -> Tensor:
    """Return (T, B, H) the gradient by hidden units, for that by the numbers (T, B, P) and weights (T, P, H)."""
    return slope * out if out.shape[1] == 1 else torch.bmm(slope, out)


def through(activation: Activation, h: Tensor, by_h: Tensor) -> Tensor:
    """Return the gradient by pre-activations for that by the hidden units h, which it overwrites."""
    if activation == "relu":
        return torch.ops.aten.threshold_backward.grad_input(by_h, h, 0, grad_input=by_h)
    return torch.ops.aten.sigmoid_backward.grad_input(by_h, h, grad_input=by_h)


def activated(total: Tensor, activation: Activation) -> Tensor:
    """Return hidden units for their pre-activations."""
    return total.sigmoid() if activation == "sigmoid" else total.relu()
