r"""Losses of reconstruction: how far a restored example is from the original, one number for each example.

All are means over the components, so that a number has the same meaning at any size; $D$ times it is the sum.

| loss | unit | what leaves it unchanged | gradient in the restored image $\hat x$ |
|---|---|---|---|
| `squared_error` | $x^2$ | signs and permutations of $x - \hat x$ | $2(\hat x - x)/D$: large errors count most |
| `absolute_error` | $x$ | signs and permutations of $x - \hat x$ | $\mathrm{sign}(\hat x - x)/D$: all count alike |
| `laplacian_l1` | $x$ | the sign of $x-\hat x$; transposition; mirroring at odd sizes | signs at every scale, added |
| `perceptual` | of the features | whatever leaves the features unchanged | through the network, to $\hat x$ alone |

Log-likelihoods with a scale that is learned (Gaussian, Laplace, Bernoulli) are in `objectives/likelihoods.py`.

**Laplacian pyramid.** With $G_0 = x$, $G_{j+1} = \mathrm{down}(G_j)$ and $L_j = G_j - \mathrm{up}(G_{j+1})$, the levels
$L_0, \dots, L_{J-1}, G_J$ rebuild the image exactly, $G_j = L_j + \mathrm{up}(G_{j+1})$, whatever *down* and *up* are.
Here both use the binomial filter $(1, 4, 6, 4, 1)/16$ of Burt and Adelson; beyond the border the last row is repeated,
and *down* keeps every second row, $\lceil H/2 \rceil$ of $H$. Both map a constant image to the same constant, so that
adding a constant changes the coarsest level only.

**References.** Burt & Adelson, The Laplacian Pyramid as a Compact Image Code (1983). Bojanowski, Joulin, Lopez-Paz &
Szlam, Optimizing the Latent Space of Generative Networks (2018), Eq. 4. Johnson, Alahi & Fei-Fei, Perceptual Losses for
Real-Time Style Transfer and Super-Resolution (2016), Eq. 2.
"""

from abc import ABC
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Features = Callable[[Tensor], Tensor | Sequence[Tensor]]
"""(B, *event) → features of every example, or a sequence of them, one for each layer that is compared."""

_BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
COARSEST = 4
"""The pyramid ends where the shorter side is at most this."""


def squared_error(x: Float[Tensor, "B *event"], restored: Float[Tensor, "B *event"]) -> Float[Tensor, "B"]:
    r"""Return (B,) the mean squared error $\frac1D \sum_i (x_i - \hat x_i)^2$, in units of $x^2$.

    Examples:
        >>> squared_error(torch.zeros(1, 2), torch.tensor([[0.0, 2.0]]))
        tensor([2.])
    """
    return (x - restored).square().flatten(1).mean(1)


def absolute_error(x: Float[Tensor, "B *event"], restored: Float[Tensor, "B *event"]) -> Float[Tensor, "B"]:
    r"""Return (B,) the mean absolute error $\frac1D \sum_i |x_i - \hat x_i|$, in units of $x$."""
    return (x - restored).abs().flatten(1).mean(1)


def laplacian_pyramid(x: Float[Tensor, "B C H W"], levels: int | None = None) -> list[Tensor]:
    """Return the levels of the Laplacian pyramid, the finest first; `rebuild` inverts it.

    Args:
        x: images of any size.
        levels: how many, the coarsest included; 1: the image itself. None: until the shorter side is at most 4.

    Returns:
        (B, C, H_j, W_j) each, with sides halved and rounded up.

    Raises:
        ValueError: x holds no images, or a number of levels below 1.
    """
    if x.dim() != 4:
        raise ValueError(f"x has shape {tuple(x.shape)}; a pyramid expects images (B, C, H, W).")
    count = default_levels(x.shape[-2], x.shape[-1]) if levels is None else levels
    if count < 1:
        raise ValueError(f"levels is {count}; expected at least 1.")
    bands = []
    for _ in range(count - 1):
        coarse = down(x)
        bands.append(x - up(coarse, x.shape[-2], x.shape[-1]))
        x = coarse
    return [*bands, x]


def rebuild(pyramid: Sequence[Tensor]) -> Float[Tensor, "B C H W"]:
    """Return the images of which `laplacian_pyramid` returned the levels."""
    *bands, x = pyramid
    for band in reversed(bands):
        x = band + up(x, band.shape[-2], band.shape[-1])
    return x


def laplacian_l1(
    x: Float[Tensor, "B C H W"], restored: Float[Tensor, "B C H W"], levels: int | None = None
) -> Float[Tensor, "B"]:
    r"""Return the absolute error of all levels of the Laplacian pyramid, in units of $x$.

    $$ \mathrm{Lap}_1(x, \hat x) = \sum_j \frac{1}{D_j} \lVert L_j(x) - L_j(\hat x) \rVert_1, $$

    with $D_j$ the components of level $j$. Where sides are divisible by $2^J$ this is $\frac1D \sum_j 4^j \lVert
    \cdot\rVert_1$, the weights of Bojanowski et al. An error at a coarse scale counts once for its scale and not once
    for every pixel that it covers, so that a blurred image is a poor restoration although most of its pixels are right.

    Args:
        x: images.
        restored: the same images, restored.
        levels: of the pyramid, the coarsest included; None: until the shorter side is at most 4.

    Returns:
        (B,); for $\hat x = x + c$ it is $|c|$.

    Examples:
        >>> x = torch.zeros(1, 1, 9, 7)
        >>> laplacian_l1(x, x + 0.5)
        tensor([0.5000])
    """
    bands = laplacian_pyramid(x - restored, levels)  # the pyramid is linear
    return torch.stack([band.abs().flatten(1).mean(1) for band in bands]).sum(0)


def perceptual(x: Float[Tensor, "B *event"], restored: Float[Tensor, "B *event"], features: Features) -> Tensor:
    r"""Return (B,) the distance of features, $\sum_l \frac{1}{D_l} \lVert \phi_l(x) - \phi_l(\hat x) \rVert^2$.

    The features are those of any network, for example an extractor of `evaluation/extractors`; nothing of the network
    is learned here, and gradients reach the restored example alone.

    Args:
        x: examples.
        restored: the same, restored.
        features: (B, *event) → (B, ...), or a sequence of such tensors, one for each layer.

    Raises:
        ValueError: the features pass on no gradient, so that nothing would be learned.
    """
    with torch.no_grad():
        goals = _layers(features(x))
    found = _layers(features(restored))
    if restored.requires_grad and torch.is_grad_enabled() and not any(layer.requires_grad for layer in found):
        raise ValueError(
            "features pass on no gradient (are they computed under torch.no_grad?); the restored example would learn "
            "nothing. Pass a network whose output can be differentiated."
        )
    return torch.stack([squared_error(goal, layer) for goal, layer in zip(goals, found, strict=True)]).sum(0)


class ComparesFeatures(ABC):
    """Can also compare restored examples with examples by the features of a network, which does not learn.

    `workflows.train` and `resume` give the features that are wanted and not there, by `use_features`.
    """

    features: Features | None  # without a default here, which would hide a module of this name
    """(B, *event) → (B, ...), or a sequence of such."""

    config: Any
    """Configuration with `perceptual_weight` and `perceptual_features`."""

    @property
    def perceptual_weight(self) -> float:
        """Weight of the distance of features in the loss; 0: features are not used."""
        return self.config.perceptual_weight

    @property
    def perceptual_features(self) -> str | None:
        """Name of the extractor that is wanted; None: the default of the data."""
        return self.config.perceptual_features

    @property
    def wants_features(self) -> bool:
        """Whether features are used and not there yet."""
        return self.perceptual_weight > 0 and self.features is None

    def use_features(self, features: Features | None) -> None:
        """Compare by these features, whose weights will not learn.

        Raises:
            ValueError: features that have no weight in the loss.
        """
        if features is not None and not self.perceptual_weight:
            raise ValueError("perceptual_weight is 0 and features are given; give a weight, or no features.")
        self.features = features.requires_grad_(False) if isinstance(features, nn.Module) else features

    def feature_distance(self, x: Tensor, restored: Tensor) -> Tensor:
        """Return () the mean distance of the features of examples (B, *event) and restored ones.

        Raises:
            ValueError: there are no features yet.
        """
        if self.features is None:
            raise ValueError(
                f"perceptual_weight is {self.perceptual_weight:g} and there are no features. Train with "
                "veridical.train, or give them: features=veridical.evaluation.extractors.extractor_for(space)."
            )
        return perceptual(x.to(restored.dtype), restored, self.features).mean()


def psnr(x: Float[Tensor, "B *event"], restored: Float[Tensor, "B *event"], span: float) -> Float[Tensor, "B"]:
    r"""Return (B,) peak signal-to-noise ratios $10 \log_{10}(\text{span}^2 / \text{mse})$ in dB; inf without error.

    Args:
        x: examples.
        restored: the same, restored.
        span: distance of the largest possible value from the smallest: 2 for images in [-1, 1].

    Examples:
        >>> psnr(torch.zeros(1, 4), torch.full((1, 4), 0.02), span=2.0)
        tensor([40.])
    """
    return decibels(squared_error(x, restored), span)


def decibels(mse: Tensor, span: float) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of mean squared errors; inf without error.

    Examples:
        >>> decibels(torch.tensor(0.0004), span=2.0)
        tensor(40.)
    """
    return 10 * torch.log10(span**2 / mse)


def kept_detail(x: Float[Tensor, "B C H W"], restored: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
    r"""Return (B,) $\langle L_0(x), L_0(\hat x)\rangle$ and (B,) $\lVert L_0(x)\rVert^2$, means over the components.

    $L_0$ is the finest level of the Laplacian pyramid. The sum of the first over the sum of the second is the share of
    the finest detail that is kept: 1 for the images themselves, 0 for images without detail, and in expectation also
    for noise, which has detail but not that of the images.
    """
    own, again = laplacian_pyramid(x, 2)[0], laplacian_pyramid(restored, 2)[0]
    return (own * again).flatten(1).mean(1), own.square().flatten(1).mean(1)


def default_levels(height: int, width: int) -> int:
    """Return the number of levels until the shorter side is at most 4.

    Examples:
        >>> default_levels(28, 28), default_levels(4, 9)
        (4, 1)
    """
    side, count = min(height, width), 1
    while side > COARSEST:
        side, count = (side + 1) // 2, count + 1
    return count


def down(x: Float[Tensor, "B C H W"]) -> Tensor:
    """Blur and keep every second row and column: (B, C, ceil(H / 2), ceil(W / 2)); a constant stays what it is."""
    planes = F.pad(x.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="replicate")
    return F.conv2d(planes, _kernel(x) / 256, stride=2)[:, 0].unflatten(0, x.shape[:2])


def up(x: Float[Tensor, "B C h w"], height: int, width: int) -> Float[Tensor, "B C height width"]:
    """Insert a row and a column after every one and interpolate; a constant stays what it is.

    Args:
        x: coarse images, of sides ceil(height / 2) and ceil(width / 2).
        height: of the fine images.
        width: of the fine images.
    """
    planes = F.pad(x.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    fine = F.conv_transpose2d(planes, _kernel(x) / 64, stride=2)  # the kernel sums to 4: one for each inserted pixel
    return fine[:, 0, 4 : 4 + height, 4 : 4 + width].unflatten(0, x.shape[:2])


def _kernel(x: Tensor) -> Tensor:
    """Return (1, 1, 5, 5) the binomial kernel, unnormalised."""
    row = torch.stack([torch.full((), weight, dtype=x.dtype, device=x.device) for weight in _BINOMIAL])
    return (row[:, None] * row)[None, None]


def _layers(found: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)
