"""The small classifiers of 28x28 grey images that ship: four convolutions and the mean over places."""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn


class Classifier(nn.Module):
    """Classifier without batch normalisation: what remains after folding.

    Args:
        channels: of the input and after every 3x3 convolution.
        strides: of the convolutions.
        classes: number of logits.
        normalised: keep a batch normalisation after every convolution, for training.
    """

    def __init__(
        self, channels: tuple[int, ...], strides: tuple[int, ...], classes: int = 10, normalised: bool = False
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride, padding=1, bias=not normalised)
            for i, o, stride in zip(channels[:-1], channels[1:], strides, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) if normalised else nn.Identity() for o in channels[1:])
        self.head = nn.Linear(channels[-1], classes)

    def features(self, x: Float[Tensor, "B 1 28 28"]) -> Float[Tensor, "B F"]:
        """Return the mean over positions after the last convolution."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(convolution(x)).relu()
        return x.mean(dim=(2, 3))

    def forward(self, x: Float[Tensor, "B 1 28 28"]) -> Float[Tensor, "B K"]:
        """Return logits of the classes."""
        return self.head(self.features(x))


def read_weights(network: Classifier, weights: Path, device: torch.device) -> dict[str, str]:
    """Put shipped weights into a network, ready to judge; return their metadata, SHA-256 included."""
    with safe_open(weights, framework="pt") as file:
        metadata = dict(file.metadata())
        network.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})
    metadata["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    network.eval().requires_grad_(False)
    return metadata
