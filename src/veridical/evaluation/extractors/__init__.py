"""Named extractors: they map images to vectors with meaningful distances.

| name | for | features |
|---|---|---|
| `fashion-28` | grey 28x28 | 128, shipped classifier of Fashion-MNIST |
| `efficientnet-lite0`, `efficientnet-lite0@SIDE` | images from 32x32 | 1280, ImageNet; extra `veridical[features]` |
| `inception:PATH` | images | 2048, TorchScript file of published FIDs |
| `pixels` | anything small | the values themselves |
| `pixels-projection-256` | anything | 256 random projections of the values |
| `coordinates` | vectors | the values themselves |

Anything callable on a batch will do as well. Numbers are comparable only between equal (name, version).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

from veridical.data.space import Space
from veridical.errors import RequestError
from veridical.evaluation.extractors.efficientnet import EfficientNetFeatures, installed, side_for
from veridical.evaluation.extractors.fashion import Fashion28
from veridical.evaluation.extractors.inception import InceptionFeatures
from veridical.evaluation.extractors.pixels import LARGEST, Projection, Values
from veridical.nearest import did_you_mean

__all__ = [
    "NoSuchExtractorError",
    "EfficientNetFeatures",
    "Extractor",
    "Fashion28",
    "FromCallable",
    "InceptionFeatures",
    "Projection",
    "Values",
    "check_name",
    "default_name",
    "extractor_for",
]

NAMES = ("fashion-28", "efficientnet-lite0", "inception:PATH", "pixels", "pixels-projection-256", "coordinates")


class NoSuchExtractorError(ValueError, RequestError):
    """There are no features of the requested name."""


@runtime_checkable
class Extractor(Protocol):
    """Maps examples to vectors with meaningful distances."""

    @property
    def name(self) -> str:
        """Name in reports; numbers are comparable only between equal (name, version)."""
        ...

    @property
    def version(self) -> str:
        """Of weights and preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Number of features."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, dim) float32 features of examples (B, *event) in data space."""
        ...


@final
class FromCallable:
    """Makes an extractor of any function or module; what it returns is flattened to (B, d).

    Args:
        function: from (B, *event) in data space to a tensor; a module is put into evaluation mode.
        space: where examples live, to find the number of features.
        name: in reports; None: the name of the function or of the module's class.
    """

    version = "unversioned"

    def __init__(self, function: Callable[[Tensor], Tensor], space: Space, name: str | None = None) -> None:
        self.function = function.eval() if isinstance(function, nn.Module) else function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        with torch.no_grad():
            self.dim = self(torch.full((2, *space.shape), space.mean)).shape[1]

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, d) float32 features."""
        return self.function(images).flatten(1).float()


def default_name(space: Space) -> str:
    """Name of the default extractor of the data.

    Examples:
        >>> default_name(Space((1, 28, 28))), default_name(Space((1, 8, 8)))
        ('fashion-28', 'pixels')
    """
    if space.kind == "vector":
        return "coordinates"
    if space.kind == "image" and space.shape == (1, 28, 28) and (space.levels or 256) > 2:
        return "fashion-28"
    if space.kind == "image" and space.shape[0] in (1, 3) and min(space.shape[1:]) >= 32 and installed():
        return "efficientnet-lite0"
    return "pixels" if space.dim <= LARGEST else "pixels-projection-256"


def extractor_for(
    space: Space,
    choice: str | Extractor | Callable[[Tensor], Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> Extractor:
    """Return the extractor of a name, an extractor as it is, or one made of a callable.

    Args:
        space: where examples live.
        choice: None: `default_name(space)`.
        device: where a named network runs; what you pass yourself is given batches on the CPU.

    Raises:
        ValueError: nothing has that name.
    """
    if choice is None:
        choice = default_name(space)
    if not isinstance(choice, str):
        return choice if isinstance(choice, Extractor) else FromCallable(choice, space)
    name, _, argument = choice.partition(":") if choice.startswith("inception") else choice.partition("@")
    match name:
        case "fashion-28":
            return Fashion28(device)
        case "efficientnet-lite0":
            return EfficientNetFeatures(int(argument) if argument else side_for(*space.shape[-2:]), device)
        case "inception" if argument:
            return InceptionFeatures(argument, device)
        case "pixels" | "coordinates":
            return Values(space.shape, name)
        case Projection.name:
            return Projection(space.shape)
    raise _unknown(choice)


def check_name(name: str | None) -> None:
    """Make sure that features have a name, before anything is loaded; None: they are chosen by the data.

    Raises:
        NoSuchExtractorError: they have not.
    """
    base, _, argument = (name or "pixels").partition("@")
    if base not in NAMES and not (base.startswith("inception:") and base != "inception:"):
        raise _unknown(str(name))
    if base.startswith("inception:") and not Path(base.removeprefix("inception:")).expanduser().is_file():
        raise NoSuchExtractorError(f"extractor is {name!r}; there is no file {base.removeprefix('inception:')}.")
    if argument and not (argument.isdecimal() and len(argument) < 6 and int(argument) > 0):
        raise NoSuchExtractorError(f"extractor is {name!r}; after @ expected the side of the images in pixels.")


def _unknown(name: str) -> NoSuchExtractorError:
    return NoSuchExtractorError(f"extractor is {name!r}. {did_you_mean(name, NAMES)}")
