from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.data.space import Space
from veridical.workflows import images

SPACES = [
    Space((1, 8, 8)),
    Space((3, 8, 6), levels=None),
    Space((2, 4, 4), support=None, levels=None),
    Space((1, 6, 6), "lattice", (-1.0, 1.0), 2),
    Space((1, 12), "lattice", (-1.0, 1.0), 2),
    Space((2, 50), "sequence", levels=None),
    Space((1, 50), "sequence", levels=None, sample_rate=8000.0),
    Space((1,), "vector", None, None),
    Space((5,), "vector", (-1.0, 1.0), 2),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.kind}{space.shape}")
@pytest.mark.parametrize("n", [1, 3])
def test_every_kind_of_space_is_drawn(space: Space, n: int, tmp_path: Path) -> None:
    x = torch.rand(n, *space.shape) * 2 - 1
    images.draw(x, space, tmp_path / "x.png", behind=torch.rand(4, *space.shape))
    with Image.open(tmp_path / "x.png") as image:
        assert min(image.size) > 0
    assert images.how_many(space) >= 16


def test_one_image_alone_is_drawn_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 60, 70), dtype=np.uint8)
    x = torch.from_numpy(pixels).float()[None] / 127.5 - 1
    images.draw(x, Space((3, 60, 70)), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        assert (np.asarray(image) == pixels.transpose(1, 2, 0)).all()


def test_a_lattice_of_one_dimension_is_a_row_per_example(tmp_path: Path) -> None:
    x = torch.tensor([[1.0, -1, -1], [-1, 1, -1]])[:, None]
    images.draw(x, Space((1, 3), "lattice", (-1.0, 1.0), 2), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        small = np.asarray(image)[:: image.size[1] // 2, :: image.size[0] // 3]
    assert (small == [[255, 0, 0], [0, 255, 0]]).all()


def test_real_examples_alone_have_the_colour_they_have_behind_samples(tmp_path: Path) -> None:
    """Mutant: real examples drawn as if they were a model's."""
    reals, space = torch.randn(50, 2), Space((2,), kind="vector", support=None, levels=None)
    images.draw(reals, space, tmp_path / "reals.png", behind=reals)
    with Image.open(tmp_path / "reals.png") as image:
        colours = np.asarray(image.convert("RGB")).astype(int)
    assert (np.ptp(colours, axis=-1) < 5).all()
