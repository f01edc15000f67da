r"""Batch normalisation and its replacements: layer, reference and virtual batch normalisation.

Batch normalisation divides by statistics of the batch, so that the output for an example depends on the other examples
of its batch. In a generator the images of one batch then share features that their codes do not contain; in a
discriminator the gradient of one example is a function of the others. `batch_correlation` measures both.

Three replacements, in which examples are independent of each other (`replace_batch_norm`):

| kind | an example is normalised by the mean and variance of |
|---|---|
| layer | its own components, over channels and places |
| reference | a fixed reference batch, chosen once |
| virtual | the reference batch of B examples and itself, each of the B + 1 counting the same |

The reference batch passes through the network together with the batch at every call, with the present weights, and
gradients flow through it (`ReferenceBatch`, which wraps the whole network).

References:
    Salimans et al., Improved Techniques for Training GANs (2016), §3.5. https://arxiv.org/abs/1606.03498
    Goodfellow, NIPS 2016 Tutorial: Generative Adversarial Networks, §4.3. https://arxiv.org/abs/1701.00160
    Ba, Kiros & Hinton, Layer Normalization (2016). https://arxiv.org/abs/1607.06450
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from veridical.nn.buffers import BufferRole
from veridical.nn.minibatch import batch_dependent_layers
from veridical.nn.precision import at_least_single

KINDS = ("none", "layer", "reference", "virtual")
"""The replacements that `replace_batch_norm` offers."""


class ReferenceNorm(nn.Module):
    r"""Reference or virtual batch normalisation of (R + B, C, ...), of which the first R are the reference batch.

    With mean $\mu_r$ and variance $\sigma_r^2$ of the reference batch in a channel, and $\mu_x, \sigma_x^2$ those of
    an example over its places, the example is normalised by

    $$ \mu = w\mu_x + (1 - w)\mu_r, \qquad \sigma^2 = w\,\mathrm E_x[h^2] + (1 - w)\,\mathrm E_r[h^2] - \mu^2
    = w\sigma_x^2 + (1 - w)\sigma_r^2 + w(1 - w)(\mu_x - \mu_r)^2, $$

    where the last form loses no digits; $w = 1/(R + 1)$ if virtual, $w = 0$ otherwise. The reference batch itself is
    normalised by its own statistics.

    Args:
        channels: C.
        virtual: let an example contribute to its statistics.
        eps: added to the variance.

    References:
        Salimans et al. (2016), §3.5; the weights as in the authors' code, github.com/openai/improved-gan.
    """

    def __init__(self, channels: int, virtual: bool, eps: float = 1e-5) -> None:
        super().__init__()
        self.virtual, self.eps = virtual, eps
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.references = 0
        """Number of examples of the reference batch at the start of the input; set by `ReferenceBatch`."""

    def forward(self, h: Tensor) -> Tensor:
        """Normalise (R + B, C, ...).

        Raises:
            ValueError: called outside a `ReferenceBatch`.
        """
        r = self.references
        if not 0 < r <= len(h):
            raise ValueError(
                f"The reference batch has {r} of {len(h)} examples; a network with reference or virtual batch "
                "normalisation works inside ReferenceBatch(network, ...) only."
            )
        x = at_least_single(h).flatten(2) if h.dim() > 2 else h[..., None]
        mean, variance = x.mean(-1), x.var(-1, correction=0)  # (R + B, C), each over its places
        mean_r = mean[:r].mean(0)
        variance_r = variance[:r].mean(0) + mean[:r].var(0, correction=0)
        share = 1 / (r + 1) if self.virtual else 0.0
        w = torch.cat([x.new_zeros(r, 1), x.new_full((len(x) - r, 1), share)])
        mu = torch.lerp(mean_r, mean, w)
        var = torch.lerp(variance_r, variance, w) + w * (1 - w) * (mean - mean_r).square()
        gain = self.weight * (var + self.eps).rsqrt()
        return ((x - mu[..., None]) * gain[..., None] + self.bias[:, None]).reshape(h.shape).to(h.dtype)


class ReferenceBatch(nn.Module):
    """A network with a reference batch in every call; its `ReferenceNorm` layers normalise by it.

    The reference batch is a buffer: saved, copied and moved with the network. Either it is given (codes drawn for a
    generator), or it is the head of the first batch that the network sees in training mode, which for a discriminator
    must be real examples; with several processes that of the first process serves all.

    Args:
        network: maps (B, *event) to (B, ...), without layers through which examples depend on each other.
        reference: (R, *event) reference batch; None: the first batch seen.
        shape: shape of one example, needed if `reference` is None.
        size: largest size of the reference batch, if it is the first batch seen.

    Raises:
        ValueError: neither or both of `reference` and `shape` are given; or a layer mixes the examples of a batch.

    Examples:
        >>> network = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        >>> network = ReferenceBatch(replace_batch_norm(network, "virtual"), torch.randn(64, 2))
        >>> network(torch.zeros(5, 2)).shape
        torch.Size([5, 1])
    """

    buffer_roles: ClassVar = {"reference": BufferRole.LIVE, "count": BufferRole.LIVE}
    reference: Tensor
    count: Tensor

    def __init__(
        self,
        network: nn.Module,
        reference: Tensor | None = None,
        *,
        shape: tuple[int, ...] | None = None,
        size: int = 64,
    ) -> None:
        super().__init__()
        if (reference is None) == (shape is None):
            raise ValueError("Pass either the reference batch, or the shape of an example to take the first batch.")
        if mixing := batch_dependent_layers(network):
            raise ValueError(
                f"The network mixes the reference with the batch in {', '.join(mixing)}. Replace batch normalisation "
                'by replace_batch_norm(network, "virtual") first, and leave layers that compare examples outside.'
            )
        self.network = network
        given = torch.zeros(size, *shape) if reference is None else reference.detach().clone()  # type: ignore[misc]
        self.register_buffer("reference", given)
        self.size = 0 if reference is None else len(given)
        """The examples of the reference batch so far, as the buffer `count` has them; not read back at every call."""
        self.register_buffer("count", torch.tensor(self.size))
        self.register_load_state_dict_post_hook(ReferenceBatch._read_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's output for (B, *event), computed together with the reference batch.

        Raises:
            ValueError: no reference batch was given, and none has been seen in training mode.
        """
        r = self.size or self._take(x.detach())
        for module in self.network.modules():
            if isinstance(module, ReferenceNorm):
                module.references = r
        return self.network(torch.cat([self.reference[:r].to(x.dtype), x]))[r:]

    def _read_size(self, *_: object) -> None:
        self.size = int(self.count)

    @torch.no_grad()
    def _take(self, x: Tensor) -> int:
        if not self.training:
            raise ValueError("There is no reference batch yet; pass a batch in training mode first (network.train()).")
        r = min(len(x), len(self.reference))
        self.reference[:r] = x[:r]  # in place: averages of the weights hold on to the tensor
        self.count.fill_(r)
        self.size = r
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.broadcast(self.reference, 0)
        return r


def replace_batch_norm(network: nn.Module, kind: str) -> nn.Module:
    """Replace every layer of batch normalisation, keeping its gains and offsets.

    Args:
        network: rewritten in place.
        kind: "none" leaves the layer out (a convolution before it without offsets stays without); "layer";
            "reference" and "virtual", for which `ReferenceBatch` must then surround the network.

    Returns:
        The network, or what replaces it if it is itself such a layer.

    Raises:
        ValueError: there is no such kind, or a layer has no gains and offsets.

    Examples:
        >>> [type(layer).__name__ for layer in replace_batch_norm(nn.Sequential(nn.BatchNorm1d(4)), "layer")]
        ['GroupNorm']
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}.")
    if isinstance(network, _BatchNorm):
        return _replacement(network, kind)
    for name, child in network.named_children():
        setattr(network, name, replace_batch_norm(child, kind))
    return network


def _replacement(layer: _BatchNorm, kind: str) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if not layer.affine:
        raise ValueError(f"{layer} has affine=False; only batch normalisation with gains and offsets is replaced.")
    # One group of all channels is layer normalisation with a gain per channel.
    channels, eps = layer.num_features, layer.eps
    norm = nn.GroupNorm(1, channels, eps) if kind == "layer" else ReferenceNorm(channels, kind == "virtual", eps)
    norm.to(layer.weight).load_state_dict({"weight": layer.weight, "bias": layer.bias})
    return norm


class BatchCorrelation(NamedTuple):
    """How much the outputs of a batch depend on each other."""

    companions: float
    """Share of the variance of an example's output that is due to the others of its batch; 0: independent."""

    correlation: float
    """Correlation of the outputs of two examples of one batch, from -1/(B - 1) to 1; 0 for independent ones."""


@torch.no_grad()
def batch_correlation(
    network: nn.Module, draw: Callable[[int], Tensor], batch_size: int = 64, batches: int = 50
) -> BatchCorrelation:
    r"""Measure how much the output for one example depends on the others of its batch, in the network's present mode.

    One example is evaluated in two batches of fresh examples; with $o, o'$ its two outputs, `companions` is
    $\mathrm E\lVert o - o' \rVert^2 / \mathrm E\lVert o - \tilde o \rVert^2$, with $\tilde o$ the output of another
    example of another batch. `correlation` is the intra-class correlation of outputs within batches (by the analysis of
    variance), positive where the images of a batch resemble each other.

    Args:
        network: maps (B, ...) to (B, ...); a copy is used, running statistics stay as they are.
        draw: returns n fresh independent inputs.
        batch_size: examples B of a batch.
        batches: batches drawn, each example of which is evaluated with two sets of other examples.

    Returns:
        Both numbers, dimensionless, over all components of the output.

    References:
        Goodfellow (2016), §4.3, Fig. 21, for the phenomenon; Fisher, Statistical Methods for Research Workers (1925),
        ch. 7, for the correlation.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> batch_correlation(nn.Linear(3, 3), lambda n: torch.randn(n, 3), batch_size=8).companions
        0.0
    """
    network = copy.deepcopy(network)
    kept, all_outputs, moved = draw(batches), [], 0.0
    for example in kept:
        pair = [network(torch.cat([example[None], draw(batch_size - 1)])).flatten(1).double() for _ in range(2)]
        moved += (pair[0][0] - pair[1][0]).square().sum().item() / batches
        all_outputs.append(pair[0])
    outputs = torch.stack(all_outputs)  # (batches, B, components)
    total = 2 * outputs[:, 0].var(0).sum().item()
    between = batch_size * outputs.mean(1).var(0).sum().item()
    within = outputs.var(1).mean(0).sum().item()
    return BatchCorrelation(moved / total, (between - within) / (between + (batch_size - 1) * within))
