"""Misfits, the fitted density of codes and what is decoded from it, on models whose codes are set by hand."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.autoencoder import AutoencoderConfig
from veridical.config.families.glo import GLOConfig
from veridical.config.sampling import CodeSampling
from veridical.data.dataset import ArrayData
from veridical.families import fitted_codes
from veridical.families.autoencoder import Autoencoder
from veridical.families.fitted_codes import MISFITS, FittedCodes
from veridical.families.glo import GLO
from veridical.model import Facts, Space
from veridical.noise import SampleNoise
from veridical.objectives.likelihoods import bernoulli_log_prob, dequantised_gaussian_log_prob, gaussian_log_prob
from veridical.objectives.reconstruction import laplacian_l1

PLANE = Space((2,), kind="vector", support=None, levels=None)
IMAGES = Space((1, 9, 8), levels=17, mean=-0.4, std=0.75)
SPINS = Space((1, 8, 8), kind="lattice", levels=2)


def model_of(space: Space, codes: Tensor | None = None, **choices: Any) -> Autoencoder:
    """An autoencoder whose codes of training examples are these, and whose decoder is the identity of a plane."""
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8, **choices), Facts(space, 400))
    if space is PLANE:
        model.decoder = nn.Identity()
    if codes is not None:
        model.keep(codes, torch.arange(len(codes)))
    return model.eval()


def codes_of(n: int = 400) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(n, 2, generator=random) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]]) + torch.tensor([3.0, -1.0])


def test_misfits_are_those_of_their_names() -> None:
    x, h = torch.rand(4, 1, 9, 8) * 2 - 1, torch.rand(4, 1, 9, 8)
    squared = (x - h).square().mean((1, 2, 3)) / 0.75**2
    torch.testing.assert_close(model_of(IMAGES, reconstruction="squared").misfit(x, h), squared)
    laplacian = model_of(IMAGES, reconstruction="laplacian").misfit(x, h)
    torch.testing.assert_close(laplacian, laplacian_l1(x, h) / 0.75 + squared)
    gaussian = model_of(IMAGES, reconstruction="gaussian")
    log_var = 2 * torch.tensor([math.log(0.75 / 2)])
    nats = dequantised_gaussian_log_prob(x.flatten(1), h.flatten(1), log_var, 2 / 16)
    torch.testing.assert_close(gaussian.misfit(x, h), -nats)
    plane = model_of(PLANE, reconstruction="laplace")
    x, h = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    b = math.hypot(0.5, 1e-3)
    torch.testing.assert_close(plane.misfit(x, h), torch.tensor([3 / b + 2 * math.log(2 * b)]))
    plane = model_of(PLANE, reconstruction="gaussian")
    torch.testing.assert_close(plane.misfit(x, h), -gaussian_log_prob(x, h, torch.tensor([2 * math.log(b)])))


def test_of_two_values_it_is_their_probability() -> None:
    model, x, h = model_of(SPINS), torch.randn(3, 1, 8, 8).sign(), torch.randn(3, 1, 8, 8)
    assert model.misfit_name == "bernoulli"
    bits = (x.flatten(1) + 1) / 2
    torch.testing.assert_close(model.misfit(x, h), -bernoulli_log_prob(h.flatten(1), bits))
    torch.testing.assert_close(model.as_data(h), 2 * h.sigmoid() - 1)
    assert set(model.sample(20).unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("name", MISFITS)
def test_a_perfect_restoration_has_the_least_misfit(name: str) -> None:
    space = SPINS if name == "bernoulli" else IMAGES
    model = model_of(space, reconstruction=name)
    x = torch.randn(3, 1, 9, 8).clamp(-1, 1) if space is IMAGES else torch.randn(3, 1, 8, 8).sign()
    best = 9 * x if name == "bernoulli" else x
    others = [model.misfit(x, best + 0.1 * torch.randn_like(x)) for _ in range(3)]
    if name != "bernoulli":
        assert all((model.misfit(x, best) < other).all() for other in others)
    assert (model.misfit(x, best) < model.misfit(x, -best)).all()


def test_draws_have_the_moments_of_the_known_codes() -> None:
    codes, n = codes_of(), 20_000
    drawn = model_of(PLANE, codes).prior(n, SampleNoise(0, 0, n)).double()
    cov = codes.T.double().cov(correction=0)
    # Five standard errors each: false-alarm rate of all six comparisons below 1e-5.
    assert ((drawn.mean(0) - codes.double().mean(0)).abs() < 5 * (cov.diagonal() / n).sqrt()).all()
    spread = ((cov.diagonal()[:, None] * cov.diagonal() + cov**2) / n).sqrt()
    assert ((drawn.T.cov() - cov).abs() < 5 * spread).all()


def test_codes_can_be_those_of_training_examples() -> None:
    codes = codes_of(7)
    drawn = model_of(PLANE, codes).sample(40, options=CodeSampling(codes="training"))
    assert (drawn[:, None] == codes).all(2).any(1).all() and len(drawn.unique(dim=0)) == 7


def test_points_between_two_examples_are_on_their_line() -> None:
    codes = torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    drawn = model_of(PLANE, codes).sample(60, options=CodeSampling(codes="between"))
    torch.testing.assert_close(drawn[:, 1], 2 * drawn[:, 0])
    assert drawn.min() >= 0 and drawn[:, 0].max() <= 2 and len(drawn.unique(dim=0)) > 10


def test_a_mixture_keeps_apart_what_a_gaussian_fills() -> None:
    codes = torch.cat([codes_of(200), codes_of(200) + 100.0])
    model = model_of(PLANE, codes)
    inside = {}
    for kind in ("gaussian", "mixture"):
        drawn = model.sample(300, options=CodeSampling(codes=kind, components=2))  # type: ignore[arg-type]
        inside[kind] = float(((drawn[:, 0] > 20) & (drawn[:, 0] < 85)).double().mean())
    assert inside["mixture"] == 0 and inside["gaussian"] > 0.2


def test_the_fit_follows_the_codes() -> None:
    model = model_of(PLANE, codes_of())
    first = model.density()
    assert model.density() is first
    model.keep(codes_of() + 5, torch.arange(400))
    second = model.density()
    assert first is not None and second is not None
    torch.testing.assert_close(second.means, first.means + 5, rtol=1e-6, atol=1e-6)


def test_while_no_code_is_known_they_are_standard_normal() -> None:
    model = model_of(PLANE)
    assert model.density() is None
    torch.testing.assert_close(model.prior(3, SampleNoise(1, 0, 3)), SampleNoise(1, 0, 3).normal(2))


@pytest.mark.parametrize("kind", ["auto", "gaussian", "mixture", "training", "between"])
def test_a_sample_depends_on_its_own_noise_alone(kind: Any) -> None:
    model = model_of(PLANE, codes_of(50))
    options = CodeSampling(codes=kind, components=3)
    many = model.sample(5, noise=SampleNoise(2, 0, 5), options=options)
    torch.testing.assert_close(model.sample(2, noise=SampleNoise(2, 3, 2), options=options), many[3:])


def test_a_way_between_two_codes_has_both_ends() -> None:
    model = model_of(PLANE, codes_of(5))
    first, second = codes_of(5)[:2], codes_of(5)[3:]
    way = model.interpolate(first, second, 5)
    assert way.shape == (5, 2, 2)
    torch.testing.assert_close(way[0], first)
    torch.testing.assert_close(way[-1], second)
    torch.testing.assert_close(way[2], (first + second) / 2)
    with pytest.raises(ValueError, match="at least 2"):
        model.interpolate(first, second, 1)


def test_fidelity_is_in_decibels_of_the_support() -> None:
    model, x = model_of(IMAGES), torch.zeros(2, 1, 9, 8)
    torch.testing.assert_close(model.fidelity(x, x + 0.2), torch.full((2,), 20.0))
    terms = model.accuracy_terms(x, x + 0.2)
    assert terms["psnr"].item() == pytest.approx(20, abs=1e-4)
    assert terms["error"].item() == pytest.approx(0.04 / 0.75**2)
    with pytest.raises(ValueError, match="unbounded"):
        model_of(PLANE).fidelity(torch.zeros(1, 2), torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("space", "misfit"),
    [(IMAGES, "bernoulli"), (SPINS, "gaussian"), (SPINS, "laplace"), (PLANE, "laplacian")],
)
def test_misfits_without_a_meaning_are_refused(space: Space, misfit: Any) -> None:
    with pytest.raises(ValueError, match=f"reconstruction is '{misfit}'"):
        model_of(space, reconstruction=misfit)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_a_new_decoder_returns_nearly_the_mean_of_the_data(network: Any) -> None:
    """With the usual first weights the outputs deviate by more than the data do, and by 0.2 of them at a tenth."""
    model = model_of(IMAGES, network=network, reconstruction="squared")
    h = model.decoder_output(torch.randn(200, 2))
    assert (h - IMAGES.mean).square().mean().sqrt() < 0.4 * IMAGES.std


class Mutant(NamedTuple):
    """A wrong line, and the test that notices it."""

    owner: Any
    function: str
    before: str
    after: str
    test: Callable[..., None]


MUTANTS = {
    "codes are drawn once for both ends": Mutant(
        FittedCodes, "draw_codes", "torch.lerp(first, known[noise.integers(len(known))], share)", "first",
        test_points_between_two_examples_are_on_their_line,
    ),
    "a Gaussian although a mixture was asked for": Mutant(
        FittedCodes, "draw_codes", 'options.components if kind == "mixture" else 1', "1",
        test_a_mixture_keeps_apart_what_a_gaussian_fills,
    ),
    "a fit for ever": Mutant(FittedCodes, "density", "self._fit[0] != key", "False", test_the_fit_follows_the_codes),
    "the way starts one step late": Mutant(
        FittedCodes, "interpolate", "step / (steps - 1)", "(step + 1) / steps",
        test_a_way_between_two_codes_has_both_ends,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    wrong = mutated_method(mutant.owner, mutant.function, mutant.before, mutant.after)
    monkeypatch.setattr(mutant.owner, mutant.function, wrong)
    with pytest.raises(AssertionError):
        mutant.test()


def mutated_method(owner: type, name: str, before: str, after: str) -> Callable[..., Any]:
    """Return a method with a part of its source replaced."""
    import inspect
    import textwrap

    source = textwrap.dedent(inspect.getsource(vars(owner)[name]))
    assert before in source
    namespace = dict(vars(fitted_codes))
    exec(source.replace(before, after), namespace)
    return namespace[name]


AUTOENCODER = AutoencoderConfig(latent_dim=4, width=8, kept=6)
GLO_CONFIG = GLOConfig(latent_dim=4, width=8)
CHANGES: dict[str, Any] = {
    "code": "one-hot",
    "reconstruction": "laplace",
    "linear_layers": 1,
    "network": "mlp",
    "latent_dim": 3,
    "width": 4,
    "depth": 3,
    "kept": 2,
    "optimizer": OptimizerConfig(lr=0.5),
    "codes": "sphere",
    "start": "random",
    "code_lr": 0.5,
}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (config, field.name)
        for config in (AUTOENCODER, GLO_CONFIG)
        for field in fields(config)
        if not field.name.startswith("perceptual")  # test_autoencoder.py, workflows/test_features.py
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_choice_has_an_effect(config: Any, name: str) -> None:
    """A setting that is accepted and never used is found here."""
    other = replace(config, **{name: CHANGES[name]})
    if name == "depth":
        config, other = replace(config, network="mlp"), replace(other, network="mlp")
    assert effect(config) != effect(other)


def effect(config: Any) -> tuple[Any, ...]:
    """What can be seen of a configuration: the loss, the weights, the rates, the known codes."""
    torch.manual_seed(0)
    images = ArrayData(torch.rand(6, 1, 9, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    kind: Any = Autoencoder if isinstance(config, AutoencoderConfig) else GLO
    model = kind(config, Facts(images.space, 6))
    if isinstance(model, GLO):
        model.start_from(images)
    loss = model.loss(images.batch(torch.arange(6)), player="model", step=0).loss
    rates = [group.get("lr", model.optimizer("model").lr) for group in model.player_parameters("model")]
    codes = model.known_codes().detach()
    return loss.item(), [p.shape for p in model.parameters()], rates, codes.shape, float(codes.norm())
