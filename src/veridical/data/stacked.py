r"""Stacked MNIST: images of three random digits, one per channel, whose thousand modes can be counted.

A stack shows digits $a, b, c$ in its first, second and third channel and belongs to mode $100a + 10b + c$. The triple
of rows of MNIST behind every stack is a pure function of its index: a counter-based generator (Philox, key of the
split) draws them independently and uniformly. Only MNIST itself is held in memory; stacks are gathered when a batch is
requested. Of 128,000 training stacks the rarest mode has 69.

References:
    Metz, Poole, Pfau & Sohl-Dickstein, Unrolled Generative Adversarial Networks (2017), Section 3.3.1.
        https://arxiv.org/abs/1611.02163
    Srivastava et al., VEEGAN (2017), Section 4.2. https://arxiv.org/abs/1705.07761
    Lin, Khetan, Fanti & Oh, PacGAN (2018), Section 4.2. https://arxiv.org/abs/1712.04086
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.named import find, how_to_get, read_named
from veridical.targets.stacked import StackedDigits

STACKED = "stacked-mnist"
SUMMARY = "128,000 + 26,000 colour 28x28 stacks of three digits of mnist, one per channel; 1,000 modes; needs mnist"
DIGITS = 3
"""Digits of a stack."""

MODES = 10**DIGITS

_SPLITS = {"train": (128_000, 0), "test": (26_000, 1)}
"""Size and key of each split; training stacks are made of training digits only, test stacks of test digits."""


def read_stacked(split: Literal["train", "test"], *, labels: bool = True) -> ArrayData:
    """Return a split of Stacked MNIST; labels are its modes 0..999.

    Raises:
        DataError: mnist, of which the stacks are made, is not on this machine.
    """
    if find("mnist") is None:
        raise DataError(
            f"{STACKED} is made of mnist, which is not on this machine.", f"Get it with: {how_to_get('mnist')}"
        )
    x, y = read_named("mnist", split)
    space = None if split == "train" else ArrayData(read_named("mnist", "train")[0]).space
    n, key = _SPLITS[split]
    triples = draw_triples(n, len(x), key)
    modes = mode_of(torch.from_numpy(y.astype(np.int64))[triples])
    data = ArrayData(x, space=space, name="mnist", target=StackedDigits(x, y))
    return data.stack(triples, modes if labels else None, name=STACKED)


def draw_triples(n: int, rows: int, key: int) -> torch.Tensor:
    """Return (n, 3) rows, independent and uniform; the first n of any longer draw with the same key.

    Examples:
        >>> bool((draw_triples(5, 60_000, 0) == draw_triples(9, 60_000, 0)[:5]).all())
        True
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([key, 0], np.uint64)))
    return torch.from_numpy(generator.integers(rows, size=(n, DIGITS)))


def mode_of(digits: torch.Tensor) -> torch.Tensor:
    """Return the mode 100a + 10b + c of digits (..., 3).

    Examples:
        >>> mode_of(torch.tensor([[3, 1, 4], [0, 0, 7]])).tolist()
        [314, 7]
    """
    return (digits * torch.tensor([100, 10, 1])).sum(-1)
