"""JPEG is recognised by its grid, whatever the file it was stored in afterwards; nothing else looks like it."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.evaluation.compression import compressed, measure_grid


def pictures(first: int, n: int = 300) -> Tensor:
    return load(DataConfig(source="fashion-mnist-10k"), "test").batch(torch.arange(first, first + n), "cpu").x


def as_jpeg(x: Tensor, quality: int) -> Tensor:
    values = ((x[:, 0] + 1) * 127.5).round().numpy().astype(np.uint8)
    files = [BytesIO() for _ in values]
    for file, image in zip(files, values, strict=True):
        Image.fromarray(image).save(file, "JPEG", quality=quality)
    decoded = np.stack([np.asarray(Image.open(file)) for file in files])
    return torch.from_numpy(decoded).float()[:, None] / 127.5 - 1


def is_jpeg(x: Tensor) -> bool:
    mine, data = measure_grid(x), measure_grid(pictures(500))
    assert mine is not None and data is not None
    return compressed(mine, data)


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_compressed_images_are_recognised(quality: int) -> None:
    assert is_jpeg(as_jpeg(pictures(0), quality))


def test_colour_is_recognised_by_its_brightness() -> None:
    grey = as_jpeg(pictures(0), 75)
    mine, data = measure_grid(grey.expand(-1, 3, -1, -1)), measure_grid(pictures(500).expand(-1, 3, -1, -1))
    assert mine is not None and data is not None and compressed(mine, data) and not compressed(data, mine)


def test_other_images_are_not_accused() -> None:
    x, random = pictures(0), torch.Generator().manual_seed(0)
    others = {
        "as they are": x,
        "noisy": (x + 0.1 * torch.randn(x.shape, generator=random)).clamp(-1, 1),
        "noise": torch.rand(x.shape, generator=random) * 2 - 1,
        "of 16 values": ((x + 1) * 7.5).round() / 7.5 - 1,
        "of two values": x.sign(),
        "one image": x[:1].expand(300, -1, -1, -1),
        "shifted by one after JPEG": as_jpeg(x, 75).roll(1, 3),
    }
    assert [name for name, images in others.items() if is_jpeg(images)] == []
    assert measure_grid(x[:, :, :12]) is None
