"""Inputs and output of an exported sampler: its random numbers, recorded in one run of the sampler."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from veridical.noise import FreshNoise, Noise


@dataclass(frozen=True)
class Input:
    """An input of an exported sampler."""

    kind: Literal["normal", "uniform", "integers"]
    """Standard normal numbers; uniform ones in [0, 1); or whole numbers from 0 to high - 1 (class labels)."""

    shape: tuple[int, ...]
    """Shape of one row."""

    high: int | None = None
    """Exclusive upper bound of whole numbers."""

    dtype: str | None = None
    """Type of the numbers, such as "float64"; None: float32, or int64 of whole numbers."""

    def __str__(self) -> str:
        """Return torch code that draws this input for n rows."""
        size = ", ".join(["n", *map(str, self.shape)])
        if self.kind == "integers":
            return f"torch.randint({self.high}, (n,))"
        of_type = f", dtype=torch.{self.dtype}" if self.dtype else ""
        return f"torch.{'randn' if self.kind == 'normal' else 'rand'}({size}{of_type})"


class RecordedNoise(Noise):
    """New random numbers, which are recorded.

    Args:
        n: number of rows.
        device: device of the numbers.
    """

    def __init__(self, n: int, device: torch.device) -> None:
        self.n, self.device, self.fresh = n, device, FreshNoise(n, device)
        self.inputs: list[Input] = []
        self.drawn: list[Tensor] = []

    def _note(self, noted: Input, drawn: Tensor) -> Tensor:
        usual = drawn.dtype in (torch.float32, torch.int64)
        self.inputs.append(noted if usual else replace(noted, dtype=str(drawn.dtype).removeprefix("torch.")))
        self.drawn.append(drawn)
        return drawn

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) standard normal numbers."""
        return self._note(Input("normal", shape), self.fresh.normal(*shape, dtype=dtype))

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return (n, *shape) uniform numbers in [0, 1)."""
        return self._note(Input("uniform", shape), self.fresh.uniform(*shape, dtype=dtype))

    def integers(self, high: int) -> Tensor:
        """Return (n,) whole numbers below `high`."""
        return self._note(Input("integers", (), high), self.fresh.integers(high))


class GivenNoise(Noise):
    """Given numbers, in the order in which they were recorded.

    Args:
        given: (n, *shape) each.
    """

    def __init__(self, given: Sequence[Tensor]) -> None:
        self.given = iter(given)
        self.n, self.device = given[0].shape[0], given[0].device

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return the next numbers."""
        return next(self.given)

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return the next numbers."""
        return next(self.given)

    def integers(self, high: int) -> Tensor:
        """Return the next numbers."""
        return next(self.given)


class Exported(nn.Module):
    """A sampler as a function of its random numbers.

    Args:
        model: in evaluation mode, with the weights to export.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *given: Tensor) -> Tensor:
        """Return (n, *event) examples in data space."""
        noise = GivenNoise(given)
        return self.model.sample(noise.n, noise=noise).float()


@dataclass(frozen=True)
class Manifest:
    """Description of an exported file for its users."""

    inputs: tuple[Input, ...]
    shape: tuple[int, ...]
    """Shape of one example."""

    support: tuple[float, float] | None
    """Range of the values; None: unbounded."""

    family: str
    rows: int | None
    """Number of examples in a call; None: any."""

    def usage(self, file: str | os.PathLike[str]) -> str:
        """Return Python code that draws examples from the file."""
        name, n = os.fspath(file), self.rows or 64
        if name.endswith(".onnx"):
            values = ", ".join(
                f'"{name}": {noted}.numpy()' for name, noted in zip(self.names, self.inputs, strict=True)
            )
            return (
                f'import onnxruntime, torch; n = {n}\nx, = onnxruntime.InferenceSession("{name}").run(None, '
                f"{{{values}}})"
            )
        drawn = ", ".join(map(str, self.inputs))
        return f'import torch; n = {n}\nx = torch.export.load("{name}").module()({drawn})'

    @property
    def names(self) -> list[str]:
        """Names of the inputs."""
        return [f"{noted.kind}_{i}" for i, noted in enumerate(self.inputs)]
