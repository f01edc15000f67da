r"""Images of one white shape on black with known factors, which a disentangled model should recover.

An image is rendered from five independent factors, each uniform over its range:

| factor | range | meaning |
|---|---|---|
| shape | square, ellipse, triangle | of equal area at equal scale |
| scale | 0.20 to 0.32 | square root of the area |
| orientation | -pi/4 to pi/4 | angle from upright, clockwise as seen |
| x, y | -0.16 to 0.16 | centroid, rightwards and downwards from the middle |

Lengths are shares of the side of the image, so the factors mean the same at any size. The ranges are such that no
shape leaves the image and no two factors give the same image (a square turned by pi/2 is itself; the ellipse has
axes 2:1; the triangle is isosceles, its height 5/4 of its base). Edges are anti-aliased by the signed distance $d$ of a
pixel's centre to each edge, in pixels: a pixel is covered by $\mathrm{clip}(1/2 - d, 0, 1)$, at a corner by the
product.

There is no `log_prob`: five numbers span the images, so that in the space of pixels their law has no density, and the
probabilities of the images rounded to 8 bits are not known.

The factors of the i-th example are a pure function of (seed, i): a hash (SplitMix64), not a stream. So no split of the
data has to store them.

References:
    Matthey, Higgins, Hassabis & Lerchner, dSprites (2017), for the idea. https://github.com/deepmind/dsprites-dataset
    Steele, Lea & Flood, Fast Splittable Pseudorandom Number Generators (2014), Fig. 4, for the hash.
"""

from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.targets.measure_shapes import measure_shapes
from veridical.targets.render_shapes import FACTORS, RANGES, SHAPES, render_shapes

__all__ = ["FACTORS", "RANGES", "SHAPES", "Shapes"]


@final
class Shapes:
    """The law of the images, or of a sub-family of them in which only some factors vary.

    Args:
        size: side of the image in pixels.
        vary: the factors that vary; the others stay in the middle of their range, shape at the square.
        seed: of the factors of the i-th example.

    Raises:
        ValueError: a side below 8 pixels, where shapes cannot be distinguished, or factors that do not exist.

    Examples:
        >>> Shapes(vary=("x", "y"))
        Shapes(28 x 28; x, y vary)
        >>> Shapes().sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 1, 28, 28])
    """

    name = "shapes"
    """Name of the law in reports."""

    version = 1
    """Of the definition; numbers of different versions are not comparable."""

    factor_names = FACTORS
    """Names of the columns of `factors`."""

    def __init__(self, size: int = 28, vary: tuple[str, ...] = FACTORS, *, seed: int = 0) -> None:
        if size < 8:
            raise ValueError(f"size is {size}; expected at least 8 pixels, below which the shapes look alike.")
        unknown = [name for name in vary if name not in FACTORS]
        if unknown or len(set(vary)) != len(vary):
            raise ValueError(f"vary is {vary}; expected different names among {', '.join(FACTORS)}.")
        self.size, self.seed = size, seed
        self.vary = tuple(name for name in FACTORS if name in vary)

    def __repr__(self) -> str:
        """Size and the factors that vary."""
        return f"Shapes({self.size} x {self.size}; {', '.join(self.vary) or 'nothing'} vary)"

    def factors(self, index: Int[Tensor, " n"]) -> Float[Tensor, "n 5"]:
        """Factors of some examples, a pure function of the seed and each index; columns as in `FACTORS`.

        Examples:
            >>> law, index = Shapes(), torch.arange(10)
            >>> torch.equal(law.factors(index)[7:], law.factors(index[7:]))
            True
        """
        return self._scaled(torch.from_numpy(_hashed(index.cpu().numpy(), len(FACTORS), self.seed)))

    def draw_factors(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 5"]:
        """Draw the factors of n images, float64; columns as in `FACTORS`."""
        return self._scaled(torch.rand(n, len(FACTORS), generator=generator, dtype=torch.float64))

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 1 size size"]:
        """Draw n images in [-1, 1], in torch's default type unless another is given."""
        return self.render(self.draw_factors(n, generator), dtype)

    def render(self, factors: Float[Tensor, "n 5"], dtype: torch.dtype | None = None) -> Float[Tensor, "n 1 size size"]:
        """Draw the images of given factors: 1 within the shape, -1 outside, between them at its edge.

        Raises:
            ValueError: not five factors, or a shape that does not exist.
        """
        return render_shapes(factors, self.size, dtype)

    def measure(self, x: Float[Tensor, "n 1 size size"]) -> tuple[Float[Tensor, "n 5"], Float[Tensor, " n"]]:
        """Measure the factors of any images, and how far these are from a shape; see `targets.measure_shapes`."""
        return measure_shapes(x)

    def _scaled(self, unit: Float[Tensor, "n 5"]) -> Float[Tensor, "n 5"]:
        """Stretch uniform numbers to the ranges; factors that do not vary are put in the middle."""
        low, high = torch.tensor([*RANGES.values()], dtype=torch.float64).T
        still = torch.tensor([name not in self.vary for name in FACTORS])
        factors = low + (high - low) * torch.where(still, 0.5, unit)
        factors[:, 0] = 0 if still[0] else factors[:, 0].floor()
        return factors


def _hashed(index: Int[np.ndarray, " n"], columns: int, seed: int) -> Float[np.ndarray, "n columns"]:
    """Numbers uniform in [0, 1), each a function of (seed, row, column) alone."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    start = _mixed(np.array([seed % 2**64], np.uint64) + golden)
    position = index.astype(np.uint64)[:, None] * np.uint64(columns) + np.arange(1, columns + 1, dtype=np.uint64)
    return (_mixed(start + position * golden) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
