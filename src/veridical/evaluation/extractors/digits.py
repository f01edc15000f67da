"""A small classifier of 28x28 grey digits, shipped with the package, by which the modes of Stacked MNIST are counted.

Four 3x3 convolutions and the mean over positions; trained on the 60,000 training images of MNIST by
`scripts/train_digit_classifier.py`, batch normalisation folded into the convolutions, stored in half precision. The
metadata of the file state the accuracy on the 10,000 test images. The weights are our own; the images do not ship.

Its output for an image that is not a digit has no meaning: counts of modes are valid only for samples that look like
data.
"""

from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.extractors.classifier import Classifier, read_weights

WEIGHTS = Path(__file__).with_name("digits_28.safetensors")
CHANNELS = (1, 16, 32, 64, 64)
STRIDES = (2, 1, 2, 1)
CLASSES = 10
CACHED = 256
"""Images at a time: their activations stay in the cache."""


def digits_network(normalised: bool = False) -> Classifier:
    """Build the untrained network; with a batch normalisation after every convolution for training."""
    return Classifier(CHANNELS, STRIDES, normalised=normalised)


@torch.no_grad()
def classify_digits(images: Float[Tensor, "B 1 28 28"]) -> Int[Tensor, " B"]:
    """Return the digit that the shipped classifier sees in each image in [-1, 1], on the CPU.

    Raises:
        ValueError: the images are not grey images of 28x28.

    Examples:
        >>> classify_digits(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """
    if images.shape[1:] != (1, 28, 28):
        raise ValueError(f"images has shape {tuple(images.shape)}; the classifier of digits sees (B, 1, 28, 28).")
    if not len(images):
        return torch.empty(0, dtype=torch.int64)
    network = load()[0]
    parts = images.to("cpu", torch.float32).split(CACHED)
    return torch.cat([network(x.contiguous(memory_format=torch.channels_last)).argmax(1) for x in parts])


@cache
def load() -> tuple[Classifier, dict[str, str]]:
    """Return the shipped network and its metadata: version, test accuracy, what it was trained on, SHA-256."""
    network = digits_network()
    return network, read_weights(network, WEIGHTS, torch.device("cpu"))
