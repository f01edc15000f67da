r"""Dilated causal convolutions over a sequence, and the same network one step at a time.

Input: what is known of steps, (B, T, F). Output: numbers (B, T, P), of which those at step t depend on steps before t
alone. The input is shifted by one step; then comes a causal convolution with K taps, then layers of gated units,

$$ z = \tanh(W_f * h) \odot \sigma(W_g * h), \qquad h \leftarrow h + V z, \qquad s \leftarrow s + U z, $$

whose convolutions are dilated by 1, 2, 4, ..., 2^{L-1}, in several blocks; and from the sum $s$ two affine maps after a
rectifier each. The receptive field, the number of earlier steps that an output sees, is

$$ R = 1 + (K - 1)\Big(1 + \text{blocks}\sum_{\ell<L} 2^\ell\Big). $$

One step at a time, every convolution keeps the inputs that its later taps will need in a queue of $d(K-1)$ steps.

References:
    van den Oord et al., WaveNet: A Generative Model for Raw Audio (2016), Sec. 2. https://arxiv.org/abs/1609.03499
    Le Paine et al., Fast Wavenet Generation Algorithm (2016). https://arxiv.org/abs/1611.09482
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalConv1d(nn.Module):
    """A convolution whose output at step t sees the steps t, t - d, ..., t - d (K - 1).

    Args:
        before: channels of the input.
        after: channels of the output.
        kernel: K, number of taps.
        dilation: d, distance of neighbouring taps.
    """

    def __init__(self, before: int, after: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, dilation=dilation)
        self.memory = dilation * (kernel - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, T) to (B, after, T)."""
        return self.conv(F.pad(x, (self.memory, 0)))

    def queue(self, n: int) -> Queue:
        """Return the queue of n sequences before their first step."""
        return Queue(self, n)


class Queue:
    """The inputs of a causal convolution that later steps will see; at first zeros, as the padding."""

    def __init__(self, layer: CausalConv1d, n: int) -> None:
        weight = layer.conv.weight  # (after, before, K)
        self.weight, self.bias = weight.flatten(1), layer.conv.bias
        self.dilation = layer.conv.dilation[0]
        zero = weight.new_zeros(n, weight.shape[1])
        self.past = deque([zero] * (layer.memory + 1), maxlen=layer.memory + 1)

    def push(self, x: Tensor) -> Tensor:
        """Return the output (n, after) at the step whose input (n, before) is given."""
        self.past.append(x)
        taps = [self.past[place] for place in range(0, len(self.past), self.dilation)]
        return F.linear(torch.stack(taps, dim=2).flatten(1), self.weight, self.bias)


class GatedLayer(nn.Module):
    """A gated unit with a residual and a skip connection.

    Args:
        width: channels of the residual stream.
        skip: channels of the sum.
        kernel: K, taps of the convolution.
        dilation: of the convolution.
        classes: number of labels, each with a bias of filter and gate; 0: none.
    """

    def __init__(self, width: int, skip: int, kernel: int, dilation: int, classes: int = 0) -> None:
        super().__init__()
        self.conv = CausalConv1d(width, 2 * width, kernel, dilation)
        self.out = nn.Linear(width, width + skip)
        self.labels = nn.Embedding(classes, 2 * width) if classes else None
        if self.labels is not None:
            nn.init.zeros_(self.labels.weight)

    def gated(self, h: Tensor, convolved: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the next residual stream and what is added to the sum; channels are last.

        Args:
            h: (B, ..., width) the residual stream.
            convolved: (B, ..., 2 width) its convolution.
            c: (B,) labels.
        """
        if c is not None and self.labels is not None:
            shift = self.labels(c)
            convolved = convolved + (shift if convolved.ndim == 2 else shift[:, None])
        filtered, gate = convolved.chunk(2, dim=-1)
        out = self.out(filtered.tanh() * gate.sigmoid())
        return h + out[..., : h.shape[-1]], out[..., h.shape[-1] :]


class DilatedStack(nn.Module):
    """The network of the module docstring.

    Args:
        features: F, numbers that describe a step.
        outputs: P, numbers for a step.
        width: channels of the residual stream; the sum has twice as many.
        layers: L, layers of a block.
        blocks: in each of which the dilations start at 1.
        kernel: K, taps of a convolution.
        classes: number of labels; 0: none.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        width: int,
        layers: int,
        blocks: int = 1,
        kernel: int = 2,
        classes: int = 0,
    ) -> None:
        super().__init__()
        skip, self.features = 2 * width, features
        dilations = [2**layer for _ in range(blocks) for layer in range(layers)]
        self.first = CausalConv1d(features, width, kernel)
        self.stack = nn.ModuleList(GatedLayer(width, skip, kernel, dilation, classes) for dilation in dilations)
        self.last = nn.Sequential(nn.ReLU(), nn.Linear(skip, skip), nn.ReLU(), nn.Linear(skip, outputs))
        self.receptive_field = 1 + (kernel - 1) * (1 + sum(dilations))

    @property
    def layers(self) -> list[GatedLayer]:
        """The gated layers."""
        return [layer for layer in self.stack if isinstance(layer, GatedLayer)]

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return numbers (B, T, P) for features (B, T, F) and labels (B,)."""
        h = self.first(F.pad(x.transpose(1, 2), (1, -1)))
        total = None
        for layer in self.layers:
            stream, added = layer.gated(h.transpose(1, 2), layer.conv(h).transpose(1, 2), c)
            h, total = stream.transpose(1, 2), added if total is None else total + added
        return self.last(total)

    def steps(self, n: int, c: Tensor | None = None) -> Generator[Tensor, Tensor, None]:
        """Yield numbers (n, P) of one step after another; receives the features (n, F) of the step just given."""
        first, queues = self.first.queue(n), [layer.conv.queue(n) for layer in self.layers]
        x = self.first.conv.weight.new_zeros(n, self.features)
        while True:
            h, total = first.push(x), None
            for layer, queue in zip(self.layers, queues, strict=True):
                h, added = layer.gated(h, queue.push(h), c)
                total = added if total is None else total + added
            x = yield self.last(total)
