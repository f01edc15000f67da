"""Samples refined or conditioned: they rise in what guides them, and what cannot guide is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from veridical.config.families.adversarial import AdversarialSampling
from veridical.config.families.gan import GANConfig
from veridical.config.families.vae import VAEConfig, VAESampling
from veridical.data.space import Space
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.latent.guidance import calibration
from veridical.sampling import draw

PLANE = Space((2,), kind="vector", support=None, levels=None)
GUIDES = {
    "kl": AdversarialSampling(refine="kl", refine_steps=5),
    "js": AdversarialSampling(refine="js", refine_steps=5),
    "logd": AdversarialSampling(refine="logd", refine_steps=5),
    "codes": AdversarialSampling(refine="js", refine_in="latent", refine_steps=5),
    "data": AdversarialSampling(condition="data", condition_steps=10),
}


@pytest.fixture(scope="module")
def game() -> GAN:
    torch.manual_seed(0)
    return GAN(GANConfig(width=8, depth=2, fourier_octaves=0), PLANE).eval()


@pytest.mark.parametrize("guide", GUIDES)
def test_guided_samples_rise_in_what_guides_them(game: GAN, guide: str) -> None:
    plain, guided = (draw(game, 256, seed=5, options=options) for options in (None, GUIDES[guide]))
    with torch.no_grad():
        assert float(game.logits(guided).mean()) > float(game.logits(plain).mean())


def test_the_constant_makes_the_mean_ratio_one_and_is_that_of_the_seed(game: GAN) -> None:
    constant = calibration(game, 3, None, False)
    with torch.no_grad():
        log_ratio = game.logits(draw(game, 20_000, seed=9)) - constant
    relative = float(log_ratio.double().exp().std()) * (1 / 1024 + 1 / 20_000) ** 0.5
    assert float(log_ratio.double().exp().mean()) == pytest.approx(1, abs=4 * relative)  # false alarm 6e-5
    assert torch.equal(constant, calibration(game, 3, None, False))
    assert not torch.equal(constant, calibration(game, 4, None, False))


def test_codes_drawn_for_a_class_look_like_it_to_any_classifier() -> None:
    torch.manual_seed(0)
    model = VAE(VAEConfig(network="mlp", width=8, latent_dim=3), Space((1, 8, 8))).eval()
    for parameter in model.parameters():
        parameter.data.mul_(4)  # images that differ

    def logits(x: Tensor) -> Tensor:
        left = x[..., :4].flatten(1).mean(dim=1) * 30
        return torch.stack([left, -left], dim=1)

    plain = draw(model, 64, seed=1)
    guided = draw(model, 64, seed=1, options=VAESampling(condition="1", condition_steps=20), classifier=logits)
    means = [float(logits(x).log_softmax(dim=1)[:, 1].mean()) for x in (guided, plain)]
    assert means[0] > means[1] + 0.1
    with pytest.raises(ValueError, match="classes 0 to 1"):
        draw(model, 3, options=VAESampling(condition="7", condition_steps=4), classifier=logits)


def test_what_cannot_guide_is_refused(game: GAN) -> None:
    critic = GAN(GANConfig(objective="wasserstein", width=8, depth=2), PLANE)
    with pytest.raises(ValueError, match="estimate the ratio of the densities"):
        draw(critic, 3, options=GUIDES["kl"])
    whole = GAN(GANConfig(minibatch="stddev", r1=0.0, r2=0.0, width=8, depth=2), PLANE)
    with pytest.raises(ValueError, match="judges a batch as a whole"):
        draw(whole, 3, options=GUIDES["data"])
    boxed = GAN(GANConfig(latent="uniform", width=8, depth=2), PLANE)
    with pytest.raises(ValueError, match=r"this model's are uniform on \[-1, 1\]; choose refine_in 'data'"):
        draw(boxed, 3, options=GUIDES["codes"])
    assert all(draw(boxed, 3, options=GUIDES[guide]).isfinite().all() for guide in ("kl", "data"))
    images = VAE(VAEConfig(network="mlp", width=8), Space((1, 8, 8)))
    with pytest.raises(ValueError, match="VAE has no discriminator"):
        draw(images, 3, options=VAESampling(condition="data"))
