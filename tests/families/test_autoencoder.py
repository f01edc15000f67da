"""The autoencoder where the answer is known: principal components, the rank of linear data, a table of examples."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.autoencoder import AutoencoderConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.autoencoder import Autoencoder
from veridical.model import Batch, Encoder, Facts, LatentVariable, Restorer, Sampler, Space
from veridical.training.fit import State, fit

IMAGES = Space((1, 8, 8), levels=17, mean=-0.4, std=0.75)
ADAM = OptimizerConfig(lr=3e-3, schedule="cosine")


def linear_data(rank: int, dim: int, n: int = 1000, dtype: torch.dtype = torch.float32) -> Tensor:
    """Gaussian data (n, dim) in a subspace of this rank."""
    random = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(dim, rank, generator=random, dtype=dtype)).Q
    return torch.randn(n, rank, generator=random, dtype=dtype) @ directions.T


def trained(x: Tensor, steps: int, batch: int = 100, optimizer: OptimizerConfig = ADAM, **choices: Any) -> Autoencoder:
    data = ArrayData(x)
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(optimizer=optimizer, **choices), Facts(data.space, len(data)))
    fit(State(model, steps=steps), Loader(data, batch), log_every=steps)
    return model.eval()


def dimension(spectrum: Tensor) -> int:
    return int((spectrum > 0.01 * spectrum[0]).sum())


def codes_of(model: Autoencoder, x: Tensor) -> Tensor:
    """The spectrum of the codes of all examples, with the final weights."""
    with torch.no_grad():
        model.keep(model.encode(x), torch.arange(len(x)))
    return model.spectrum()


def test_abilities() -> None:
    model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8), IMAGES)
    assert all(isinstance(model, ability) for ability in (Sampler, LatentVariable, Encoder, Restorer))


def test_affine_maps_and_squared_errors_are_principal_components() -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(300, 6, generator=random) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3]) + 0.5
    x = x @ torch.linalg.qr(torch.randn(6, 6, generator=random)).Q
    left_out = torch.linalg.svdvals(x - x.mean(0)).square()[2:].sum() / x.numel()
    choices: dict[str, Any] = {"latent_dim": 2, "depth": 0, "reconstruction": "squared"}
    model = trained(x, 500, batch=300, optimizer=OptimizerConfig(lr=2e-2, schedule="cosine"), **choices)
    error = (model.reconstruct(x) - x).square().mean().detach()
    assert left_out * (1 - 1e-5) <= error <= left_out * 1.01


@pytest.mark.parametrize("rank", [1, 4])
def test_codes_of_affine_maps_have_exactly_the_rank_of_the_data(rank: int) -> None:
    torch.manual_seed(0)
    x = linear_data(rank, 10, dtype=torch.float64)
    space = Space((10,), kind="vector", support=None, levels=None)
    model = Autoencoder(AutoencoderConfig(latent_dim=8, depth=0, linear_layers=3), Facts(space, len(x))).double()
    spectrum = codes_of(model, x)
    assert (spectrum[:rank] > 1e-6 * spectrum[0]).all() and (spectrum[rank:] < 1e-20 * spectrum[0]).all()


def test_linear_layers_find_the_rank_and_without_them_codes_spread() -> None:
    x = linear_data(3, 16)
    found = {}
    for layers in (0, 4):
        model = trained(x, 800, latent_dim=8, width=32, depth=1, linear_layers=layers, reconstruction="squared")
        assert (model.reconstruct(x) - x).square().mean() < 0.02 * x.var()
        found[layers] = dimension(codes_of(model, x))
    assert found[4] == 3 and found[0] > 3


def test_linear_layers_are_square_without_offsets() -> None:
    model = Autoencoder(AutoencoderConfig(latent_dim=5, width=8, linear_layers=3), IMAGES)
    extra = list(model.encoder)[1:]  # type: ignore[arg-type]
    assert [(m.in_features, m.out_features, m.bias) for m in extra] == [(5, 5, None)] * 3


# One-hot codes.


def one_hot(n: int = 5, **choices: Any) -> Autoencoder:
    torch.manual_seed(0)
    config = AutoencoderConfig(
        code="one-hot", latent_dim=6, width=8, network="mlp", reconstruction="squared", **choices
    )
    return Autoencoder(config, Facts(IMAGES, n))


def test_a_one_hot_code_decodes_its_row() -> None:
    model, x = one_hot(), torch.zeros(5, *IMAGES.shape)
    assert model.latent_shape == (5,) and torch.equal(model.known_codes(), torch.eye(5))
    rows = torch.tensor([3, 0])
    torch.testing.assert_close(model.restore(Batch(x[:2], rows)), model.decode(torch.eye(5)[rows]))


def test_any_example_gets_the_code_of_the_nearest_restored_one() -> None:
    model = one_hot()
    restored = model.decode(torch.eye(5)).detach()
    codes = model.encode(restored[[4, 2]] + 1e-3)
    assert torch.equal(codes, torch.eye(5)[[4, 2]])
    torch.testing.assert_close(model.reconstruct(restored), restored)


def test_a_table_restores_every_example_and_samples_them() -> None:
    x = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)).clamp(-0.9, 0.9)
    choices: dict[str, Any] = {"code": "one-hot", "latent_dim": 16, "width": 64, "depth": 1, "network": "mlp"}
    model = trained(x, 500, batch=6, reconstruction="squared", **choices)
    batch = Batch(x, torch.arange(12))
    assert model.fidelity(x, model.restore(batch)).min() > 35
    drawn = model.sample(8).detach()
    assert (torch.cdist(drawn.flatten(1), x.flatten(1)).amin(1) < 0.5).all()  # examples differ by about 9


def test_rows_outside_the_batch_stay_to_the_bit() -> None:
    x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    data, model = ArrayData(x), one_hot(8)
    loader, state = Loader(data, 2), State(model, steps=6)
    for step in range(6):
        before, state.steps = model.table.detach().clone(), step + 1
        fit(state, loader, log_every=100)
        absent = torch.ones(8, dtype=torch.bool)
        absent[loader.batch(step).index] = False
        assert torch.equal(model.table[absent], before[absent]) and not torch.equal(model.table, before)


# Codes that are kept, features, and what is refused.


def test_the_newest_code_of_every_example_is_kept() -> None:
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8, kept=16), Facts(IMAGES, 6))
    x = torch.rand(6, *IMAGES.shape)
    assert len(model.known_codes()) == 0 and len(model.codes) == 6
    model.loss(Batch(x[4:], torch.tensor([4, 5])), player="model", step=0)
    torch.testing.assert_close(model.known_codes(), model.encode(x[4:]).detach())
    model.loss(Batch(x, torch.arange(6)), player="model", step=0)
    torch.testing.assert_close(model.known_codes(), model.encode(x).detach())


def test_no_more_codes_are_kept_than_asked_for() -> None:
    model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8, kept=3), Facts(IMAGES, 6))
    model.keep(torch.arange(12.0).reshape(6, 2), torch.arange(6))
    assert len(model.known_codes()) == 3


def test_features_add_their_distance_and_do_not_learn() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    config = AutoencoderConfig(latent_dim=2, width=8, reconstruction="squared", perceptual_weight=2.0)
    model = Autoencoder(config, Facts(IMAGES, 4), features=network)
    batch = Batch(torch.rand(4, *IMAGES.shape), torch.arange(4))
    loss, terms = model.loss(batch, player="model", step=0)
    restored = model.decoder_output(model.encode(batch.x))
    distance = (network(batch.x) - network(restored)).square().mean()
    torch.testing.assert_close(terms["perceptual"], distance, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(loss, (batch.x - restored).square().mean() / 0.75**2 + 2 * distance)
    learning = {id(p) for group in model.player_parameters("model") for p in group["params"]}
    assert not learning & {id(p) for p in network.parameters()}
    before = [p.clone() for p in network.parameters()]
    fit(State(model, steps=2), Loader(ArrayData(batch.x), 4), log_every=2)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))


def test_without_features_the_loss_says_where_to_get_them() -> None:
    model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8, perceptual_weight=1.0), Facts(IMAGES, 4))
    assert model.wants_features
    with pytest.raises(ValueError, match=r"no features.*extractor_for\(space\)"):
        model.loss(Batch(torch.rand(4, *IMAGES.shape), torch.arange(4)), player="model", step=0)
    model.use_features(nn.Flatten())
    assert not model.wants_features
    assert (
        "perceptual" in model.loss(Batch(torch.rand(4, *IMAGES.shape), torch.arange(4)), player="model", step=0).terms
    )


def test_your_own_networks() -> None:
    encoder, decoder = (
        nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
        nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8))),
    )
    model = Autoencoder(AutoencoderConfig(latent_dim=3), IMAGES, encoder=encoder, decoder=decoder)
    x = torch.rand(2, *IMAGES.shape)
    torch.testing.assert_close(model.reconstruct(x), decoder(encoder(x)))


@pytest.mark.parametrize(
    ("choices", "networks", "words"),
    [
        ({"code": "one-hot"}, {}, "number of examples is not known"),
        ({}, {"features": nn.Identity()}, "perceptual_weight is 0"),
    ],
)
def test_choices_that_do_not_fit_are_refused(choices: dict[str, Any], networks: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Autoencoder(AutoencoderConfig(**choices), IMAGES, **networks)


def test_networks_of_another_size_are_refused() -> None:
    model = Autoencoder(AutoencoderConfig(latent_dim=3), IMAGES, encoder=nn.Flatten(), decoder=nn.Identity())
    with pytest.raises(ValueError, match="encoder returned"):
        model.encode(torch.zeros(2, *IMAGES.shape))
    with pytest.raises(ValueError, match="decoder returned"):
        model.decode(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="was built for"):
        model.encode(torch.zeros(2, 3))


def test_the_learned_scale_follows_the_error() -> None:
    x = linear_data(2, 6)
    choices: dict[str, Any] = {"latent_dim": 1, "depth": 0, "reconstruction": "gaussian"}
    model = trained(x, 900, batch=500, optimizer=OptimizerConfig(lr=1e-2, schedule="cosine"), **choices)
    error = (model.reconstruct(x) - x).square().mean().sqrt().item()
    assert model.sigma.item() == pytest.approx(error, rel=0.02)
    assert math.isfinite(error)
