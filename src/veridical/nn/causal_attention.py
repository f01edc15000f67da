r"""A decoder-only transformer over a sequence, and the same one position at a time.

Blocks are $x \mapsto x + \mathrm{attention}(\mathrm{norm}(x))$, then $x + \mathrm{mlp}(\mathrm{norm}(x))$, where a
position attends to itself and those before it. One position at a time, keys and values of the positions before are
kept in memory that is allocated once, so that a step costs one product with each weight matrix and attention over what
has been kept.

References:
    Vaswani et al., Attention Is All You Need (2017). https://arxiv.org/abs/1706.03762
    Radford et al., Language Models are Unsupervised Multitask Learners (2019), for the norm before each part.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config import checks


class CausalBlock(nn.Module):
    """Attention to the positions up to the present one, then a network of each position.

    Args:
        width: d of a position.
        heads: of the attention; they divide the width.
        dropout: share of what is added that is dropped, and of the attention weights.

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        checks.divides("heads", heads, "width", width)
        self.heads, self.rate = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (B, heads, T, d / heads) of (B, T, d)."""
        q, k, v = self.queries_keys_values(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)

    def finish(self, x: Tensor, seen: Tensor) -> Tensor:
        """Add what attention has seen (B, heads, T, d / heads) to (B, T, d), then the network of each position."""
        x = x + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.norm2(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, d) to the same shape."""
        rate = self.rate if self.training else 0.0
        return self.finish(x, F.scaled_dot_product_attention(*self.split(x), dropout_p=rate, is_causal=True))


class CausalTransformerNetwork(nn.Module):
    """Blocks between an embedding and a last linear layer, both of the caller's sequence.

    Args:
        width: d of a position.
        outputs: numbers for every position.
        layers: blocks.
        heads: of the attention; they divide the width.
        dropout: see `CausalBlock`.
    """

    def __init__(self, width: int, outputs: int, *, layers: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.blocks = nn.ModuleList(CausalBlock(width, heads, dropout) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, outputs)
        for block in self.blocks:
            assert isinstance(block, CausalBlock)
            last = block.mlp[2]
            assert isinstance(last, nn.Linear)
            for layer in (block.out, last):  # as in GPT-2: the sum of all blocks has the scale of one
                nn.init.normal_(layer.weight, std=0.02 * layers**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map embeddings (B, T, d) to numbers (B, T, outputs); those of a position see the positions up to it."""
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x))

    def steps(self, n: int, length: int) -> CausalSteps:
        """Return the network for n sequences of a length, position by position."""
        return CausalSteps(self, n, length)


class CausalSteps:
    """A `CausalTransformerNetwork`, position by position.

    Args:
        network: whose weights are used; dropout is left out.
        n: sequences.
        length: positions for which memory is allocated.
    """

    def __init__(self, network: CausalTransformerNetwork, n: int, length: int) -> None:
        self.network, self.position = network, 0
        self.blocks = [block for block in network.blocks if isinstance(block, CausalBlock)]
        weight, heads = network.out.weight, network.heads  # (outputs, d)
        self.keys = weight.new_zeros(len(self.blocks), n, heads, length, weight.shape[1] // heads)
        self.values = torch.zeros_like(self.keys)

    def __call__(self, x: Tensor) -> Tensor:
        """Map the embedding (n, d) of the next position to its numbers (n, outputs)."""
        x, here, seen = x[:, None], self.position, self.position + 1
        for block, keys, values in zip(self.blocks, self.keys, self.values, strict=True):
            q, keys[:, :, here:seen], values[:, :, here:seen] = block.split(x)
            x = block.finish(x, F.scaled_dot_product_attention(q, keys[:, :, :seen], values[:, :, :seen]))
        self.position = seen
        return self.network.out(self.network.norm(x))[:, 0]
