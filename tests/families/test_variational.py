"""The likelihoods of a decoder: probabilities of levels that sum to 1, draws that follow them, means of both."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from scipy import stats
from tests.mutants import mutated

from veridical.config import OptimizerConfig, VAEConfig
from veridical.config.families.hierarchical_vae import HierarchicalVAEConfig
from veridical.config.families.variational import VAESampling
from veridical.families.hierarchical_vae import HierarchicalVAE
from veridical.families.vae import VAE
from veridical.families.variational import Variational, chosen_likelihood
from veridical.model import Batch, Space
from veridical.nn.default_heads import grid_of
from veridical.noise import SampleNoise

PAIR = Space((2,), kind="vector", support=(-1.0, 2.0), levels=7, mean=0.3, std=0.8)
IMAGES = Space((2, 8, 9), levels=17, mean=-0.4, std=0.75)
ON_LEVELS = ["categorical", "discretised-logistic"]


pytestmark = pytest.mark.usefixtures("double_precision")


def model_of(likelihood: str, space: Space = PAIR, **rest: Any) -> VAE:
    config = VAEConfig(likelihood=likelihood, latent_dim=2, width=8, **rest)  # type: ignore[arg-type]
    model = VAE(config, space)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def pairs() -> torch.Tensor:
    levels = torch.linspace(-1.0, 2.0, 7)
    return torch.cartesian_prod(levels, levels)


def probabilities(model: VAE, z: torch.Tensor) -> torch.Tensor:
    x = pairs()
    with torch.no_grad():
        nats = model.log_likelihood(x, z.expand(1, len(x), 2))[0]
    return (nats + 2 * math.log(0.5)).exp()


@pytest.mark.parametrize("likelihood", ON_LEVELS)
def test_levels_have_probabilities(likelihood: str) -> None:
    model = model_of(likelihood)
    for z in torch.randn(3, 2):
        assert probabilities(model, z).sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("likelihood", ON_LEVELS)
def test_the_mean_is_that_of_the_probabilities(likelihood: str) -> None:
    model = model_of(likelihood)
    z = torch.randn(1, 2)
    torch.testing.assert_close(model.decode(z)[0], probabilities(model, z) @ pairs())


@pytest.mark.parametrize("likelihood", ON_LEVELS)
def test_draws_follow_the_probabilities(likelihood: str) -> None:
    model = model_of(likelihood)
    n, z = 5_000, torch.randn(1, 2)
    with torch.no_grad():
        x = model.observe(z.expand(n, 2), SampleNoise(0, 0, n))
    which = (x[:, None] - pairs()).abs().sum(-1)
    assert which.min(1).values.max() < 1e-9
    counts, expected = torch.bincount(which.argmin(1), minlength=49).double(), n * probabilities(model, z)
    rare = expected < 5
    seen, wanted = (torch.cat([v[~rare], v[rare].sum()[None]]).numpy() for v in (counts, expected))
    # False-alarm rate 1e-4.
    assert stats.chi2.sf(((seen - wanted) ** 2 / wanted.clip(1e-9)).sum(), len(wanted) - 1) > 1e-4


@pytest.mark.parametrize("likelihood", ON_LEVELS)
def test_every_component_has_its_own_numbers(likelihood: str) -> None:
    """The numbers of a component are those of its place, whatever the number of channels and the network."""
    for network in ("mlp", "conv"):
        model = model_of(likelihood, IMAGES, network=network)
        z = torch.randn(1, 2)
        x = model.sample(1)
        with torch.no_grad():
            h = model.decoder_output(z)
            assert h.shape == (1, model.head.parameters * 2, 8, 9)  # type: ignore[union-attr]
            before = model.of_components(h)
            moved = h.clone()
            moved[0, 1::2, 3, 4] += 1.0  # every number of the second channel at (3, 4)
            changed = (model.of_components(moved) - before).abs().sum(-1)[0]
        assert torch.nonzero(changed)[:, 0].tolist() == [72 + 3 * 9 + 4]
        assert torch.equal(model.decode(z), model.means(model.decoder_output(z)))
        assert not bool(grid_of(IMAGES).between(x).any())


def test_blocks_give_the_same_nats(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("categorical")
    x, z = pairs(), torch.randn(3, 49, 2)
    with torch.no_grad():
        whole = model.log_likelihood(x, z)
        monkeypatch.setattr("veridical.families.variational._VALUES", 100)
        torch.testing.assert_close(model.log_likelihood(x, z), whole)


@pytest.mark.parametrize("likelihood", ON_LEVELS)
def test_values_between_the_levels_are_refused_or_have_no_nats(likelihood: str) -> None:
    model = model_of(likelihood)
    x, z = torch.tensor([[0.0, 0.2], [0.5, 2.0]]), torch.randn(1, 2, 2)
    with pytest.raises(ValueError, match=r"x holds 0\.2; this model has probabilities of the 7 levels.*Round x"):
        model.log_likelihood(x, z)
    nats = model.log_likelihood(x, z, check=False)[0]
    assert nats.isnan().tolist() == [True, False]
    with pytest.raises(ValueError, match=r"x holds 2\.5"):
        model.elbo(torch.tensor([[2.5, 0.0]]))


@pytest.mark.parametrize("likelihood", ON_LEVELS)
def test_it_is_trained_and_sampled_like_any_other(likelihood: str) -> None:
    model = model_of(likelihood)
    loss, terms = model.loss(Batch(pairs()[:20], torch.arange(20)), player="model", step=0)
    loss.backward()
    assert "sigma" not in terms and all(p.grad is not None for p in model.parameters())
    assert model.draws and list(model.player_parameters("model"))
    mean = model.sample(4, options=VAESampling(output="mean"))
    assert bool(grid_of(PAIR).between(mean).any()) and not bool(grid_of(PAIR).between(model.sample(4)).any())


def test_auto_is_what_it_was() -> None:
    continuous = Space((2,), kind="vector", support=None, levels=None)
    found = [chosen_likelihood("auto", space) for space in (PAIR, Space((2,), kind="vector", levels=2), continuous)]
    assert found == ["gaussian", "bernoulli", "gaussian"]
    assert not VAE(VAEConfig(width=8), IMAGES).draws


@pytest.mark.parametrize("likelihood", ON_LEVELS)
@pytest.mark.parametrize("levels", [2, 257, None])
def test_other_data_are_refused(likelihood: Any, levels: int | None) -> None:
    space = Space((2,), kind="vector", levels=levels)
    with pytest.raises(
        ValueError, match=f"likelihood is '{likelihood}' and the data have .* levels; expected 3 to 256"
    ):
        chosen_likelihood(likelihood, space)


MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "no width of a level": (
        "_log_probabilities",
        "- log_bin",
        "",
        lambda: test_levels_have_probabilities("categorical"),
    ),
    "the width of one component": (
        "_log_probabilities",
        "self.space.dim * math.log(self.space.bin_width or 1.0)",
        "math.log(self.space.bin_width or 1.0)",
        lambda: test_levels_have_probabilities("categorical"),
    ),
    "the mean over components": (
        "_log_probabilities",
        ".sum(1)",
        ".mean(1)",
        lambda: test_levels_have_probabilities("discretised-logistic"),
    ),
    "codes are paired with other examples": (
        "_log_probabilities",
        "x.expand(len(z), *x.shape).flatten(0, 1)",
        "x.repeat_interleave(len(z), 0)",
        lambda: test_codes_meet_their_examples(),
    ),
    "numbers of the neighbour": (
        "of_components",
        "h.unflatten(1, (self.head.parameters, -1)).movedim(1, -1)",
        "h.unflatten(1, (-1, self.head.parameters)).movedim(2, -1)",
        lambda: test_every_component_has_its_own_numbers("categorical"),
    ),
    "one uniform number for all": (
        "draw",
        "noise.uniform(h.shape[1], self.head.uniforms, dtype=h.dtype)",
        "noise.uniform(1, self.head.uniforms, dtype=h.dtype).expand(-1, h.shape[1], -1)",
        lambda: test_draws_follow_the_probabilities("categorical"),
    ),
    "the levels of another support": (
        "means",
        "*support(self.space)",
        "0.0, 1.0",
        lambda: test_the_mean_is_that_of_the_probabilities("categorical"),
    ),
}


def test_codes_meet_their_examples() -> None:
    model = model_of("categorical")
    x, z = pairs(), torch.randn(3, 49, 2)
    with torch.no_grad():
        each = torch.stack([model.log_likelihood(x[i : i + 1], z[:, i : i + 1])[:, 0] for i in range(49)], dim=1)
        torch.testing.assert_close(model.log_likelihood(x, z), each)


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, before, after, test = MUTANTS[name]
    monkeypatch.setattr(Variational, method, mutated(getattr(Variational, method), before, after))
    with pytest.raises(AssertionError):
        test()


# Every choice has an effect, and gradients are those of the loss.

CHOICES: dict[str, Any] = {
    "likelihood": "categorical",
    "sampling": "mean",
    "kl_weight": 3.0,
    "importance_samples": 3,
    "free_bits": 7.0,
    "network": "conv",
    "latent_dim": 5,
    "upper_dim": 5,
    "lower_dim": 5,
    "width": 12,
    "features": 12,
    "depth": 1,
    "dropout": 0.5,
    "optimizer": OptimizerConfig(lr=0.5),
}
SMALL: dict[str, Any] = {
    "vae": VAEConfig(latent_dim=2, width=8, sampling="draw", network="mlp"),
    "hierarchical-vae": HierarchicalVAEConfig(
        upper_dim=2, lower_dim=3, width=8, features=8, sampling="draw", network="mlp"
    ),
}
SPACES = {
    "plane": Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=5.0),
    "spins": Space((4,), kind="lattice", levels=2),
    "grey": Space((2,), kind="vector", levels=5),
    "images": Space((1, 8, 8), levels=17, mean=-0.4, std=0.75),
}


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [1, 5])
def test_the_loss_is_minus_the_bound(family: str, space: str, k: int) -> None:
    config = replace(SMALL[family], importance_samples=k, network="auto")
    model = (VAE if family == "vae" else HierarchicalVAE)(config, SPACES[space])
    x = model.sample(7)
    torch.manual_seed(1)
    loss, terms = model.loss(Batch(x, torch.arange(7)), player="model", step=0)
    torch.manual_seed(1)
    bound = model.elbo(x) if k == 1 else model.iwae(x, k)
    torch.testing.assert_close(loss, -bound.mean())
    torch.testing.assert_close(terms["loss"], loss)
    if k == 1:
        torch.testing.assert_close(terms["reconstruction"] + terms["kl"], loss)
    if family == "hierarchical-vae":
        torch.testing.assert_close(terms["kl"], terms["kl_upper"] + terms["kl_lower"])


def outcome(config: Any) -> list[Any]:
    """What follows from a configuration: loss, samples, weights, optimiser."""
    torch.manual_seed(0)
    kind = VAE if isinstance(config, VAEConfig) else HierarchicalVAE
    model = kind(config, IMAGES)
    x = torch.randint(17, (4, *IMAGES.shape)) / 8 - 1.0
    torch.manual_seed(1)
    loss = model.loss(Batch(x, torch.arange(4)), player="model", step=0).loss.item()
    shapes = [tuple(p.shape) for p in model.parameters()]
    return [loss, model.sample(2).tolist(), shapes, model.optimizer("model")]


@pytest.mark.parametrize("family", SMALL)
def test_every_choice_changes_something(family: str) -> None:
    before = outcome(SMALL[family])
    assert outcome(SMALL[family]) == before
    for field in fields(SMALL[family]):
        if field.name.startswith("perceptual"):  # workflows/test_features.py
            continue
        assert outcome(replace(SMALL[family], **{field.name: CHOICES[field.name]})) != before, field.name


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("k", [1, 3])
def test_gradients_are_those_of_the_loss_with_the_same_noise(family: str, k: int) -> None:
    """The weights of the importance-weighted bound move with the encoder: nothing of it is cut off."""
    config = replace(SMALL[family], importance_samples=k, likelihood="categorical")
    torch.manual_seed(0)
    model = (VAE if family == "vae" else HierarchicalVAE)(config, PAIR)
    batch = Batch(pairs()[::5], torch.arange(10))
    parameters = [p for p in model.parameters() if p.ndim > 1]

    def loss() -> torch.Tensor:
        torch.manual_seed(1)
        return model.loss(batch, player="model", step=0).loss

    found = torch.autograd.grad(loss(), parameters)
    for parameter, gradient in zip(parameters, found, strict=True):
        direction = torch.randn_like(parameter)
        with torch.no_grad():
            values = []
            for step in (1e-5, -2e-5, 1e-5):
                parameter.add_(step * direction)
                values.append(loss().item())
        expected = (values[0] - values[1]) / 2e-5
        assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-4, abs=1e-7)
