"""Stacked MNIST as a law: three digits, drawn independently and uniformly from the rows of MNIST, one per channel.

The appearance of the digits is known from examples only, so there is no density; their frequencies are known exactly.
"""

from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

CHANNELS = 3
"""Digits of a stack."""


@final
class StackedDigits:
    """The law of stacks of digits.

    Args:
        images: (N, H, W) or (N, 1, H, W) digits, 8 bits.
        labels: (N,) of the digits, 0 to 9.

    Raises:
        ValueError: there are no digits, or not as many labels.
    """

    name, version = "stacked-mnist", 1

    def __init__(self, images: np.ndarray | UInt8[Tensor, "N *image"], labels: np.ndarray | Tensor) -> None:
        if len(images) == 0 or len(images) != len(labels):
            raise ValueError(
                f"there are {len(images)} images and {len(labels)} labels; expected as many, at least one."
            )
        self._images = torch.as_tensor(images).reshape(len(images), *images.shape[-2:])
        self._labels = torch.as_tensor(labels).long()

    def __repr__(self) -> str:
        """Name and size."""
        return f"StackedDigits({CHANNELS} of {len(self._images):,})"

    @property
    def digit_shares(self) -> Float[Tensor, "10"]:
        """Probabilities of the digits in every channel, exact."""
        return self._labels.bincount(minlength=10).double() / len(self._labels)

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 3 H W"]:
        """Draw n stacks in [-1, 1], in torch's default type unless another is given."""
        rows = torch.randint(len(self._images), (n, CHANNELS), generator=generator)
        return self._images[rows].to(dtype or torch.get_default_dtype()) / 127.5 - 1
