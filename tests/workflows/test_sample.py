from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config import VAEConfig
from veridical.data.space import Space
from veridical.families.vae import VAE
from veridical.workflows import sample


@pytest.fixture(scope="module")
def model() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig(network="mlp", width=8, latent_dim=3), Space((1, 8, 8))).eval()


def test_the_same_seed_gives_the_same_numbers_however_many_are_drawn(model: VAE) -> None:
    many = sample.draw(model, 150, seed=3)
    torch.manual_seed(77)
    assert torch.equal(sample.draw(model, 10, seed=3), many[:10])
    assert torch.equal(sample.draw(model, 65, seed=3), many[:65])
    assert not torch.equal(sample.draw(model, 10, seed=4), many[:10])


def test_drawing_leaves_the_global_generator_alone(model: VAE) -> None:
    before = torch.get_rng_state()
    sample.draw(model, 5)
    assert torch.equal(before, torch.get_rng_state())


def test_truncated_codes_are_a_truncated_normal(model: VAE) -> None:
    torch.manual_seed(1)
    z = sample.truncated(model, 20_000, 0.8)
    assert float(z.abs().max()) <= 0.8
    cdf = torch.distributions.Normal(0.0, 1.0).cdf
    low, high = cdf(torch.tensor(-0.8)), cdf(torch.tensor(0.8))
    u = ((cdf(z.flatten()) - low) / (high - low)).sort().values
    distance = (u - (torch.arange(len(u)) + 0.5) / len(u)).abs().max()
    assert distance < 1.95 / len(u) ** 0.5  # Kolmogorov-Smirnov, false alarm 1e-3


def test_a_grid_an_array_and_a_folder(model: VAE, tmp_path: Path) -> None:
    for out in (tmp_path / "grid.png", tmp_path / "array.npz", tmp_path / "folder"):
        sample.save(sample.draw_blocks(model, 70), 70, model, out, print)
    x = np.load(tmp_path / "array.npz", allow_pickle=False)["x"]
    assert x.shape == (70, 1, 8, 8)
    files = sorted((tmp_path / "folder").iterdir())
    assert [file.name for file in files[:2]] == ["00.png", "01.png"]
    assert len(files) == 70
    pixels = np.asarray(Image.open(files[69]))
    assert np.array_equal(pixels, np.clip(np.round((x[69, 0] + 1) * 127.5), 0, 255).astype(np.uint8))
    with pytest.raises(sample.OutputExistsError, match="nothing is overwritten"):
        sample.require_free(tmp_path / "grid.png")


def test_what_cannot_be_asked_is_refused(model: VAE, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no labels"):
        sample.draw(model, 3, label=1)
    with pytest.raises(ValueError, match="above 0"):
        sample.draw(model, 3, truncation=-1.0)
    with pytest.raises(ValueError, match=r"expected a \.png"):
        sample.require_free(tmp_path / "x.gif")
