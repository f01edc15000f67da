from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config import GANConfig, VAEConfig
from veridical.data.space import Space
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.model import Discriminating
from veridical.workflows import sample
from veridical.workflows.guide import Guidance, log_garment


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


PLANE = Space((2,), kind="vector", support=None, levels=None)
LEADS = {
    "kl": Guidance(refine="kl", refine_steps=5),
    "js": Guidance(refine="js", refine_steps=5),
    "logd": Guidance(refine="logd", refine_steps=5),
    "codes": Guidance(refine="js", refine_in="latent", refine_steps=5),
    "data": Guidance(condition="data", condition_steps=10),
}


@pytest.fixture(scope="module")
def game() -> GAN:
    torch.manual_seed(0)
    return GAN(GANConfig(width=8, depth=2, fourier_octaves=0), PLANE).eval()


@pytest.mark.parametrize("lead", LEADS)
def test_led_samples_are_the_same_however_many_are_drawn(game: GAN, lead: str) -> None:
    many = sample.draw(game, 130, seed=3, guidance=LEADS[lead])
    torch.manual_seed(77)
    assert torch.equal(sample.draw(game, 10, seed=3, guidance=LEADS[lead]), many[:10])
    assert not torch.equal(sample.draw(game, 10, seed=3), many[:10])
    assert all(parameter.grad is None for parameter in game.parameters())


@pytest.mark.parametrize("lead", LEADS)
def test_leading_raises_what_leads_them(game: GAN, lead: str) -> None:
    assert isinstance(game, Discriminating)
    plain, led = (sample.draw(game, 256, seed=5, guidance=g) for g in (Guidance(), LEADS[lead]))
    with torch.no_grad():
        assert float(game.logits(led).mean()) > float(game.logits(plain).mean())


def test_codes_drawn_for_a_garment_look_like_it() -> None:
    torch.manual_seed(0)
    model = VAE(VAEConfig(network="mlp", width=8, latent_dim=3), Space((1, 28, 28))).eval()
    for parameter in model.parameters():
        parameter.data.mul_(4)  # pictures that differ
    judge = log_garment(model, 8)
    plain = sample.draw(model, 64, seed=1)
    led = sample.draw(model, 64, seed=1, guidance=Guidance(condition="8", condition_steps=20))
    assert float(judge(led).mean()) > float(judge(plain).mean())


def test_what_cannot_lead_is_refused(model: VAE, game: GAN) -> None:
    with pytest.raises(ValueError, match="choose one"):
        Guidance(refine="kl", condition="3")
    with pytest.raises(ValueError, match="expected one of kl, js, logd"):
        Guidance(refine="hellinger")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="number of a class"):
        Guidance(condition="boots")
    with pytest.raises(ValueError, match="refine_steps is 0"):
        Guidance(refine="kl", refine_steps=0)
    with pytest.raises(ValueError, match="beside refine or condition"):
        sample.draw(game, 3, truncation=1.0, guidance=LEADS["kl"])
    with pytest.raises(ValueError, match="VAE has no discriminator"):
        sample.draw(model, 3, guidance=LEADS["kl"])
    with pytest.raises(ValueError, match=r"sees pictures \(1, 28, 28\)"):
        sample.draw(game, 3, guidance=Guidance(condition="3"))
    critic = GAN(GANConfig(objective="wasserstein", width=8, depth=2), PLANE).eval()
    with pytest.raises(ValueError, match="estimates the ratio of the densities"):
        sample.draw(critic, 3, guidance=LEADS["kl"])
    boxed = GAN(GANConfig(latent="uniform", width=8, depth=2), PLANE).eval()
    with pytest.raises(ValueError, match="this model's are uniform"):
        sample.draw(boxed, 3, guidance=LEADS["codes"])
    assert all(sample.draw(boxed, 3, guidance=LEADS[lead]).isfinite().all() for lead in ("kl", "data"))
