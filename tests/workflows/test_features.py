"""Features for the losses of models: by default, by name, one's own; through resuming."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import veridical as vd
from tests.workflows.runs import Press, digest
from veridical.evaluation.extractors import Fashion28, NoSuchExtractorError
from veridical.families.autoencoder import Autoencoder
from veridical.families.vae import VAE
from veridical.model import Space
from veridical.objectives.reconstruction import ComparesFeatures
from veridical.workflows.features import give_features
from veridical.workflows.job import Interrupted

CPU = torch.device("cpu")
GREY, SMALL = Space((1, 28, 28)), Space((1, 8, 8))
QUICK = vd.TrainingConfig(steps=4, batch_size=4, device="cpu")


def quiet(line: str) -> None:
    pass


def weighted(name: str = "autoencoder", **choices: object) -> vd.RunConfig:
    """A small configuration whose loss compares features."""
    config = vd.preset(name)
    small = {"latent_dim": 2, "width": 8, "network": "mlp", "perceptual_weight": 3.0}
    return replace(config, training=QUICK, model=replace(config.model, **small | choices))


def given(space: Space, name: str | None = None) -> ComparesFeatures:
    """An autoencoder with the features that it wants."""
    config = vd.AutoencoderConfig(latent_dim=2, width=8, network="mlp", perceptual_weight=1.0, perceptual_features=name)
    model = Autoencoder(config, space)
    give_features(model, CPU, quiet)
    return model


def test_the_default_is_that_of_an_evaluation() -> None:
    assert isinstance(given(GREY).features, Fashion28)
    assert [given(SMALL).features.name, given(SMALL, "pixels-projection-256").features.name] == [  # pyright: ignore
        "pixels",
        "pixels-projection-256",
    ]
    with pytest.raises(NoSuchExtractorError, match="Did you mean pixels"):
        given(SMALL, "pixles")


def test_a_model_without_the_loss_stays_as_it_is() -> None:
    model = Autoencoder(vd.AutoencoderConfig(latent_dim=2, width=8, network="mlp"), SMALL)
    give_features(model, CPU, quiet)
    assert model.features is None


class Halves:
    """One's own extractor: the mean of the upper and of the lower half."""

    name, version, dim = "halves", "1", 2

    def __call__(self, images: Tensor) -> Tensor:
        return torch.stack([half.flatten(1).mean(1) for half in images.chunk(2, dim=2)], 1)


@pytest.mark.parametrize("importance_samples", [1, 3])
def test_the_loss_of_a_vae_is_its_bound_plus_the_distance(importance_samples: int) -> None:
    torch.manual_seed(0)
    config = vd.VAEConfig(latent_dim=2, width=8, network="mlp", importance_samples=importance_samples)
    plain = VAE(config, SMALL)
    model = VAE(replace(config, perceptual_weight=2.0), SMALL, features=Halves())
    model.load_state_dict(plain.state_dict())
    batch = vd.Batch(torch.rand(4, 1, 8, 8), torch.arange(4))
    torch.manual_seed(1)
    bound = plain.loss(batch, player="model", step=0).loss
    torch.manual_seed(1)
    found = model.loss(batch, player="model", step=0)
    torch.manual_seed(1)
    z = model.draw_codes(*model.encode(batch.x), importance_samples)
    halves = Halves()
    distances = [(halves(batch.x) - halves(model.decode(part))).square().mean() for part in z]
    torch.testing.assert_close(found.terms["perceptual"], torch.stack(distances).mean())
    torch.testing.assert_close(found.loss, bound + 2 * found.terms["perceptual"])


@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_every_likelihood_passes_the_distance_on_to_its_decoder(likelihood: str) -> None:
    torch.manual_seed(0)
    space = Space((1, 8, 8), levels=5, mean=0.0, std=0.5)
    config = vd.VAEConfig(latent_dim=2, width=8, network="mlp", likelihood=likelihood, perceptual_weight=1.0)  # pyright: ignore
    model = VAE(config, space, features=Halves())
    batch = vd.Batch(torch.randint(5, (4, 1, 8, 8)) / 2 - 1.0, torch.arange(4))
    model.loss(batch, player="model", step=0).terms["perceptual"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.decoder.parameters())


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_a_run_that_is_interrupted_and_resumed_equals_one_that_is_not(name: str, tmp_path: Path) -> None:
    x = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = vd.train(weighted(name), data=x, out=tmp_path / "whole", say=quiet)
    with pytest.raises(Interrupted):
        vd.train(weighted(name), data=x, out=tmp_path / "parts", say=quiet, callbacks=[Press(2)])
    said = list[str]()
    parts = vd.resume(tmp_path / "parts", data=x, say=said.append)
    assert "features   pixels 1, weight 3" in said
    a, b = digest(whole), digest(parts)
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    assert not any("features" in key for key in a)
    assert "model/perceptual" in (parts.path / "metrics.jsonl").read_text()
