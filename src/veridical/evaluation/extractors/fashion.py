"""`fashion-28`: features of a small classifier of 28x28 grey images, shipped with the package.

Four 3x3 convolutions and the mean over positions give 128 features; trained on the 60,000 training images of
Fashion-MNIST by `scripts/train_features.py`, batch normalisation folded into the convolutions, stored in half
precision. The metadata of the file state the accuracy on the 10,000 test images. The features describe shape and
texture of garments; for digits and letters of the same size they are good enough to rank models, but numbers are
comparable only between equal (name, version).
"""

from functools import cache
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.extractors.classifier import Classifier, read_weights

WEIGHTS = Path(__file__).with_name("fashion_28.safetensors")
CHANNELS = (1, 32, 64, 128, 128)
STRIDES = (1, 2, 2, 1)
CLASSES = 10
CACHED = 64
"""Images at a time: their activations stay in the cache, which doubles the speed."""


def fashion_network(normalised: bool = False) -> Classifier:
    """Build the untrained network; with a batch normalisation after every convolution for training."""
    return Classifier(CHANNELS, STRIDES, normalised=normalised)


@final
class Fashion28:
    """The shipped extractor for grey images of 28x28.

    Args:
        device: where the network runs.

    Examples:
        >>> extractor = Fashion28()
        >>> extractor(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 128])
    """

    name = "fashion-28"
    dim = CHANNELS[-1]

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network, self.metadata = _load(self.device)
        self.version = self.metadata["version"]

    def __call__(self, images: Float[Tensor, "B 1 28 28"]) -> Float[Tensor, "B 128"]:
        """Return features of images in [-1, 1]."""
        return torch.cat([self.network.features(self._prepared(x)) for x in _checked(images).split(CACHED)])

    def logits(self, images: Float[Tensor, "B 1 28 28"]) -> Float[Tensor, "B 10"]:
        """Return logits of the ten classes of Fashion-MNIST."""
        return torch.cat([self.network(self._prepared(x)) for x in _checked(images).split(CACHED)])

    def _prepared(self, images: Tensor) -> Tensor:
        return images.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)


def _checked(images: Tensor) -> Tensor:
    if images.shape[1:] != (1, 28, 28):
        raise ValueError(
            f"images has shape {tuple(images.shape)}; fashion-28 sees (B, 1, 28, 28). "
            "Choose another extractor (pixels), or resize the images."
        )
    return images


@cache
def _load(device: torch.device) -> tuple[Classifier, dict[str, str]]:
    network = fashion_network()
    return network, read_weights(network, WEIGHTS, device)
