"""Features without a network: the values themselves, or random projections of them.

Distances of pixels depend on blur, contrast and position, not on content. They suit small images, lattices and vectors,
and are a last resort for large images.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

PROJECTED = 256
LARGEST = 512
"""Components up to which the values themselves are the features."""


@final
class Values:
    """The components of an example, in data space.

    Args:
        shape: of one example.
        name: "pixels" of images and lattices, "coordinates" of vectors.

    Examples:
        >>> Values((1, 2, 2))(torch.ones(3, 1, 2, 2)).shape
        torch.Size([3, 4])
    """

    version = "1"

    def __init__(self, shape: tuple[int, ...], name: str = "pixels") -> None:
        self.shape, self.name, self.dim = shape, name, math.prod(shape)

    def __call__(self, images: Float[Tensor, "B *event"]) -> Float[Tensor, "B d"]:
        """Return the components in order."""
        return _checked(images, self.shape).flatten(1).float()


@final
class Projection:
    r"""Random projections of all components, $R x$ with Gaussian R of 256 rows; keeps distances to about 6 %.

    The matrix is drawn from a fixed seed, so that numbers of different runs are comparable.

    Args:
        shape: of one example.
    """

    name = f"pixels-projection-{PROJECTED}"
    version = "1"
    dim = PROJECTED

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        generator = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(math.prod(shape), PROJECTED, generator=generator, dtype=torch.float32) / 16.0

    def __call__(self, images: Float[Tensor, "B *event"]) -> Float[Tensor, "B d"]:
        """Return the projections."""
        return _checked(images, self.shape).flatten(1).float() @ self.matrix


def _checked(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    if images.shape[1:] != shape:
        raise ValueError(f"images has shape {tuple(images.shape)}; this extractor was made for (B, {shape}).")
    return images
