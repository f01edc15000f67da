r"""Differentiable augmentation: random transformations of the discriminator's real and generated images.

With few images a discriminator memorises them, and its gradient is of no use to the generator. If only the real images
were transformed, the generator would learn the transformations. Here both are changed by the same random
transformations $T$, and the generator's gradient passes through them,

$$ L_D = \mathrm E_x f_D(D(T(x))) + \mathrm E_z g_D(D(T(G(z)))), \qquad L_G = \mathrm E_z f_G(D(T(G(z)))). $$

If $T$ is invertible on distributions, the distributions of $T(x)$ and $T(G(z))$ agree only if those of $x$ and $G(z)$
do. The strengths are those of the paper: shifts of at most 1/8 of a side, a square of half a side cut out, brightness
moved by at most half the distance from mid grey to white, saturation times 0 to 2, contrast times 1/2 to 3/2.

References:
    Zhao, Liu, Lin, Zhu & Han, Differentiable Augmentation for Data-Efficient GAN Training (2020), §3.2 and App. B.
        https://arxiv.org/abs/2006.10738
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.config.families.adversarial import AugmentationName

_SHIFT = 1 / 8  # of a side
_CUT = 1 / 2  # of a side


def augment(
    x: Float[Tensor, "n c h w"], kinds: tuple[AugmentationName, ...], strength: float = 1.0
) -> Float[Tensor, "n c h w"]:
    """Change every image by transformations of its own, in the order colour, translation, cutout.

    Args:
        x: images in [-1, 1].
        kinds: which transformations.
        strength: 1 as in the paper; 0 changes nothing.
    """
    n, _, height, width = x.shape

    def uniform() -> Tensor:
        return torch.rand(n, device=x.device, dtype=x.dtype)

    def integers(most: int) -> Tensor:
        return torch.randint(-most, most + 1, (n,), device=x.device)

    if "colour" in kinds:
        brightness, saturation, contrast = (strength * (uniform() - 0.5) for _ in range(3))
        x = recolour(x, brightness, 1 + 2 * saturation, 1 + contrast)
    if "translation" in kinds:
        x = translate(x, *(integers(int(strength * _SHIFT * side + 0.5)) for side in (height, width)))
    if "cutout" in kinds:
        tall, wide = (int(strength * _CUT * side + 0.5) for side in (height, width))
        top = (uniform() * (height + 1)).long() - tall // 2
        left = (uniform() * (width + 1)).long() - wide // 2
        x = cut_out(x, top, left, (tall, wide))
    return x


def recolour(
    x: Float[Tensor, "n c h w"],
    brightness: Float[Tensor, " n"],
    saturation: Float[Tensor, " n"],
    contrast: Float[Tensor, " n"],
) -> Float[Tensor, "n c h w"]:
    """Change brightness, then saturation, then contrast of every image; linear in x up to a constant.

    Args:
        x: images.
        brightness: is added.
        saturation: scales the distance of every pixel from its grey, the mean of its channels.
        contrast: scales the distance of every value from the mean of the image.
    """
    brightness, saturation, contrast = (v[:, None, None, None] for v in (brightness, saturation, contrast))
    x = x + brightness
    grey = x.mean(1, keepdim=True)
    x = grey + saturation * (x - grey)
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + contrast * (x - middle)


def translate(
    x: Float[Tensor, "n c h w"], down: Int[Tensor, " n"], right: Int[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Shift every image by whole pixels; new pixels at the border are 0, mid grey.

    The adjoint is the shift by the opposite.
    """
    return _shift(_shift(x, down, 2), right, 3)


def cut_out(
    x: Float[Tensor, "n c h w"], top: Int[Tensor, " n"], left: Int[Tensor, " n"], size: tuple[int, int]
) -> Float[Tensor, "n c h w"]:
    """Set a rectangle of every image to 0, mid grey; the part of it that lies outside has no effect.

    Args:
        x: images.
        top: first row of each rectangle.
        left: first column.
        size: its rows and columns.
    """
    row = torch.arange(x.shape[2], device=x.device) - top[:, None]
    column = torch.arange(x.shape[3], device=x.device) - left[:, None]
    rows, columns = (row >= 0) & (row < size[0]), (column >= 0) & (column < size[1])
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return x * (~inside).to(x.dtype)


def _shift(x: Tensor, by: Tensor, axis: int) -> Tensor:
    """Move along an axis, with a shift of its own for every image."""
    length = x.shape[axis]
    source = torch.arange(length, device=x.device) - by[:, None]  # (n, length)
    shape = [len(x), 1, 1, 1]
    shape[axis] = length
    known = ((source >= 0) & (source < length)).reshape(shape).to(x.dtype)
    index = source.clamp(0, length - 1).reshape(shape).expand_as(x)
    return x.gather(axis, index) * known
