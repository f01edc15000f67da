"""One drawing function: example i of a seed is the same whoever draws it, from every family, chains included."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from veridical.config.families.adversarial import AdversarialSampling
from veridical.config.families.conditional_gan import ConditionalGANSampling
from veridical.config.families.discrete_gan import DiscreteGANSampling
from veridical.config.families.gan import GANConfig
from veridical.config.families.made import MADEConfig, MADESampling
from veridical.config.families.noise_level import NoiseLevelSampling
from veridical.config.families.table import find_family
from veridical.config.families.vae import VAEConfig, VAESampling
from veridical.config.sampling import SamplingOptions
from veridical.data.space import Space
from veridical.families import FAMILIES, unmet
from veridical.families.gan import GAN
from veridical.families.made import MADE
from veridical.families.vae import VAE
from veridical.model import Facts, GenerativeModel, Sampler
from veridical.noise import FreshNoise, Noise, SampleNoise
from veridical.sampling import Given, block_size, draw, draw_blocks, labels_at

PLANE = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=2.0, classes=3)
IMAGES = Space((1, 8, 8), levels=17, classes=4)
ADVERSARIAL: dict[str, SamplingOptions] = {
    "truncated": AdversarialSampling(truncation=0.5),
    "refined": AdversarialSampling(refine="js", refine_steps=3),
    "refined-codes": AdversarialSampling(refine="kl", refine_in="latent", refine_steps=3),
    "conditioned": AdversarialSampling(condition="data", condition_steps=6),
    "classified": AdversarialSampling(condition="1", condition_steps=6),
}
OPTIONS: dict[str, dict[str, SamplingOptions]] = {
    "gan": ADVERSARIAL,
    "unrolled-gan": {"conditioned": ADVERSARIAL["conditioned"]},
    "infogan": {"truncated": ADVERSARIAL["truncated"], "refined-codes": ADVERSARIAL["refined-codes"]},
    "discrete-gan": {"cold": DiscreteGANSampling(temperature=0.3)},
    "conditional-gan": {
        "truncated": ConditionalGANSampling(truncation=0.5),
        "refined": ConditionalGANSampling(refine="logd", refine_in="data", refine_steps=3),
    },
    "noise-level": {"fewer": NoiseLevelSampling(noise_levels=3, langevin_steps=2)},
    "vae": {
        "drawn": VAESampling(output="draw", temperature=0.5),
        "classified": VAESampling(condition="1", condition_steps=6),
    },
}
CASES = [(name, "default") for name in FAMILIES] + [(name, way) for name, ways in OPTIONS.items() for way in ways]


def classifier(x: Tensor) -> Tensor:
    """Logits of two classes."""
    mean = x.flatten(1).mean(dim=1)
    return torch.stack([-mean, mean], dim=1)


def build(name: str) -> GenerativeModel:
    torch.manual_seed(0)
    space = PLANE if not unmet(name, Facts(PLANE, 100)) and name != "vae" else IMAGES
    model = FAMILIES[name](find_family(name).smallest, Facts(space, 100))
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[GenerativeModel, dict[str, Any]]:
    name, way = request.param
    options = None if way == "default" else OPTIONS[name][way]
    return build(name), {"options": options, "classifier": classifier}


def same_to_the_bit(model: GenerativeModel, how: dict[str, Any]) -> bool:
    size = block_size(model)
    many = draw(model, size + 9, seed=3, **how)
    torch.manual_seed(77)
    places = ((0, 5), (size - 4, 7), (size + 8, 1))
    return all(torch.equal(draw(model, n, seed=3, first=at, **how), many[at : at + n]) for at, n in places)


def same_to_rounding(model: GenerativeModel, how: dict[str, Any]) -> bool:
    """In double precision, since chains along steep discriminators magnify rounding a million times."""
    torch.set_default_dtype(torch.float64)
    try:
        exact = copy.deepcopy(model).double()
        one, two = (torch.cat(list(draw_blocks(exact, 40, seed=3, block=block, **how))) for block in (32, 7))
        return bool(((one - two).abs() < 1e-4 * model.space.std).all())
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_example_depends_on_seed_and_index_alone(case: tuple[GenerativeModel, dict[str, Any]]) -> None:
    model, how = case
    x = draw(model, 8, seed=3, **how)
    assert x.shape == (8, *model.space.shape) and x.dtype == torch.float32 and x.device.type == "cpu"
    assert x.isfinite().all()
    assert same_to_the_bit(model, how)
    assert same_to_rounding(model, how)
    other = draw(model, 8, seed=4, **how)
    assert not torch.equal(x, other)
    assert torch.equal(draw(model, 8, seed=3, **how), x)  # seeds in any order


def test_drawing_changes_nothing(case: tuple[GenerativeModel, dict[str, Any]]) -> None:
    model, how = case
    model.train()
    before, weights = torch.get_rng_state(), {key: value.clone() for key, value in model.state_dict().items()}
    x = draw(model, 3, **how)
    assert torch.equal(before, torch.get_rng_state()) and model.training
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(x, draw(model.eval(), 3, **how))


@pytest.mark.parametrize("name", FAMILIES)
def test_all_randomness_is_taken_from_the_noise(name: str) -> None:
    model = build(name).eval()
    assert isinstance(model, Sampler)
    before = torch.get_rng_state()
    x = model.sample(6, noise=SampleNoise(1, 0, 6))
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(model.sample(2, noise=SampleNoise(1, 3, 2)), x[3:5], rtol=1e-4, atol=1e-4)
    torch.manual_seed(5)
    fresh = model.sample(6)
    torch.manual_seed(5)
    assert torch.equal(fresh, model.sample(6, noise=FreshNoise(6))) and not torch.equal(before, torch.get_rng_state())


class OfTheBlock(SampleNoise):
    """A mutant: the streams belong to places in the block."""

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        super().__init__(seed, 0, n, device)


class OfTheSize(SampleNoise):
    """A mutant: the numbers depend on how many are drawn together."""

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        super().__init__(seed + n, first, n, device)


class SeedOnly(SampleNoise):
    """A mutant: the seed does not matter."""

    def __init__(self, seed: int, first: int, n: int, device: torch.device | str = "cpu") -> None:
        super().__init__(0, first, n, device)


@pytest.fixture
def game() -> Iterator[GenerativeModel]:
    yield build("gan")


@pytest.mark.parametrize("mutant", [OfTheBlock, OfTheSize, SeedOnly])
def test_mutants_are_found(mutant: type[SampleNoise], game: GenerativeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veridical.sampling.SampleNoise", mutant)
    x = draw(game, 512, seed=3)
    found = {
        "repeats": torch.equal(x[:256], x[256:]),
        "block": not same_to_rounding(game, {"options": None, "classifier": None}),
        "seed": torch.equal(x, draw(game, 512, seed=4)),
    }
    assert [name for name, wrong in found.items() if wrong] == {
        OfTheBlock: ["repeats", "block"],
        OfTheSize: ["block"],
        SeedOnly: ["seed"],
    }[mutant]


def test_whoever_ignores_the_noise_still_repeats() -> None:
    class Careless(GAN):
        def sample(
            self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
        ) -> Tensor:
            return torch.randn(n, 2)

    model = Careless(GANConfig(width=8, depth=1), PLANE)
    assert torch.equal(draw(model, 300)[:5], draw(model, 5))
    assert torch.equal(draw(model, 300)[3:8], draw(model, 5, first=3))
    assert not torch.equal(draw(model, 9), draw(model, 9, first=block_size(model)))


def test_a_sampler_without_noise_is_refused_with_what_to_do() -> None:
    class Deaf(GAN):
        def sample(self, n: int, c: Tensor | None = None) -> Tensor:  # type: ignore[override]
            return torch.zeros(n, 2)

    with pytest.raises(ValueError, match=r"Deaf\.sample takes no noise.*declare"):
        draw(Deaf(GANConfig(width=8, depth=1), PLANE), 3)


def test_truncation_is_a_truncation() -> None:
    model = GAN(GANConfig(width=8, depth=1, latent_dim=2), PLANE)
    model.decode = lambda z, c=None: z  # type: ignore[method-assign]
    x, cut = draw(model, 200), draw(model, 200, options=AdversarialSampling(truncation=0.5))
    assert float(cut.abs().max()) <= 0.5 < float(x.abs().max())
    assert float(draw(model, 200, options=AdversarialSampling(truncation=1e-6)).abs().max()) <= 1e-6
    with pytest.raises(ValueError, match="truncation is nan"):
        AdversarialSampling(truncation=float("nan"))


def test_a_layer_that_is_frozen_stays_so() -> None:
    model = build("gan").train()
    frozen = model.get_submodule("discriminator").eval()
    draw(model, 3)
    assert model.training and not frozen.training


def test_fewer_levels_cost_fewer_evaluations() -> None:
    model, calls = build("noise-level"), []
    model.get_submodule("discriminator").register_forward_hook(lambda *_: calls.append(1))
    for options, expected in (
        (NoiseLevelSampling(), 8),
        (NoiseLevelSampling(noise_levels=2), 4),
        (NoiseLevelSampling(noise_levels=3, langevin_steps=0), 3),
    ):
        calls.clear()
        draw(model, 4, options=options)
        assert len(calls) == expected
    same = NoiseLevelSampling(noise_levels=4)
    torch.testing.assert_close(draw(model, 4, options=same), draw(model, 4), rtol=1e-4, atol=1e-3)


def test_temperature_and_output_of_a_vae() -> None:
    torch.manual_seed(0)
    model = VAE(VAEConfig(network="mlp", width=8, latent_dim=3), IMAGES).eval()
    z = model.prior(64, SampleNoise(0, 0, 64))
    mean = draw(model, 64)
    torch.testing.assert_close(mean, model.decode(z).detach())
    torch.testing.assert_close(draw(model, 64, options=VAESampling(temperature=0.5)), model.decode(0.5 * z).detach())
    assert not torch.equal(draw(model, 64, options=VAESampling(output="draw")), mean)
    assert torch.equal(draw(model, 64, options=VAESampling(output="mean")), mean)


def test_levels_of_a_cold_discrete_generator_are_the_most_probable() -> None:
    model = build("discrete-gan")
    assert isinstance(model, Sampler)
    cold = draw(model, 64, options=DiscreteGANSampling(temperature=1e-6))
    z = model.prior(64, SampleNoise(0, 0, 64))  # type: ignore[attr-defined]
    torch.testing.assert_close(cold, model.decode(z).detach())  # type: ignore[attr-defined]


def test_labels_are_drawn_or_given() -> None:
    model = build("conditional-gan")
    seen: list[Tensor] = []
    model.get_submodule("generator").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    any_class = draw(model, 64)
    assert set(seen[-1].tolist()) == {0, 1, 2}
    assert torch.equal(any_class, draw(model, 64, options=ConditionalGANSampling()))
    draw(model, 64, label=2)
    assert set(seen[-1].tolist()) == {2}


def test_what_cannot_be_asked_is_refused_before_anything_is_drawn() -> None:
    vae, game = VAE(VAEConfig(network="mlp", width=8, latent_dim=3), IMAGES), build("gan")
    cases: list[tuple[GenerativeModel, dict[str, Any], str]] = [
        (vae, {"label": 4}, "labels 0 to 3"),
        (VAE(VAEConfig(network="mlp", width=8), Space((1, 8, 8))), {"label": 0}, "no labels"),
        (game, {"options": AdversarialSampling(condition="3")}, "there is no classifier"),
        (build("infogan"), {"options": ADVERSARIAL["conditioned"]}, "codes of several distributions"),
        (game, {"first": -1}, "first -1"),
    ]
    for model, how, message in cases:
        with pytest.raises(ValueError, match=message):
            draw_blocks(model, 3, **how)
    with pytest.raises(ValueError, match="options are VAESampling; expected AdversarialSampling for this family"):
        draw(game, 3, options=VAESampling())
    assert draw(game, 0).shape == (0, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_gpu_draws_the_same_examples(name: str) -> None:
    model = build(name)
    x = draw(model, 20)
    torch.testing.assert_close(draw(model.cuda(), 20), x, rtol=1e-2, atol=1e-2 * model.space.std)


def test_labels_are_drawn_at_the_shares_that_are_given() -> None:
    """20:1:1 classes are drawn as 20:1:1, within 5 standard errors (false alarms below 1e-5)."""
    shares = torch.tensor([20.0, 1.0, 1.0]) / 22
    labels = labels_at(shares, SampleNoise(0, 0, 4000))
    seen = torch.bincount(labels, minlength=3) / 4000
    assert ((seen - shares).abs() < 5 * (shares * (1 - shares) / 4000).sqrt()).all()
    equal = labels_at(torch.full((3,), 1 / 3), SampleNoise(0, 0, 4000))
    assert torch.equal(equal, SampleNoise(0, 0, 4000).integers(3))  # as before, where classes are equally frequent


def test_shares_belong_to_conditional_models_alone() -> None:
    conditional, plain = build("conditional-gan"), build("gan")
    shares = torch.ones(4 if conditional.space.classes == 4 else 3)
    assert draw(conditional, 2, shares=shares).shape == (2, *conditional.space.shape)
    with pytest.raises(ValueError, match="draws no given class"):
        draw(plain, 2, shares=shares)
    with pytest.raises(ValueError, match="one label is given as well"):
        draw(conditional, 2, shares=shares, label=0)
    with pytest.raises(ValueError, match="probabilities"):
        draw(conditional, 2, shares=torch.ones(7))


def test_sample_i_completes_example_i() -> None:
    """Whatever is drawn together, and again from the first example after the last."""
    model = MADE(MADEConfig(width=8), Space((1, 2, 3), levels=2)).eval()
    x, known = draw(model, 4, seed=1), torch.tensor([[[True] * 3, [False] * 3]])
    given = Given(x, known)
    completed = draw(model, 10, seed=2, given=given)
    assert torch.equal(completed[:, known], x[torch.arange(10) % 4][:, known])
    assert torch.equal(draw(model, 5, seed=2, given=given, first=3), completed[3:8])
    with pytest.raises(ValueError, match="VAE does not know the distribution of missing components"):
        draw(VAE(VAEConfig(latent_dim=2, width=8), Space((1, 2, 3), levels=2)), 4, given=given)
    with pytest.raises(ValueError, match="expected at least one example"):
        Given(x[:0], known)


def test_an_example_is_completed_in_the_class_of_its_known_part() -> None:
    """Which a drawn label would not be."""
    model = MADE(MADEConfig(width=8, labels=True), Space((1, 2, 3), levels=2, classes=2)).eval()
    with torch.no_grad():
        assert model.network.last.labels is not None
        model.network.last.labels.weight.copy_(torch.tensor([[-30.0], [30.0]]).expand(-1, 6))
    known = torch.tensor([[[True] * 3, [False] * 3]])
    given = Given(torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 3), known)
    for options in (None, MADESampling()):
        assert torch.equal(draw(model, 20, given=given, options=options), given.rows(0, 20))
    assert draw(model, 20, given=given, options=MADESampling(), label=1)[..., 1, :].min() == 1


def test_a_family_that_may_use_labels_is_given_them_only_if_it_does() -> None:
    space = Space((1, 2, 3), levels=2, classes=3)
    plain, labelled = (MADE(MADEConfig(width=8, labels=labels), space).eval() for labels in (False, True))
    assert draw(plain, 5, options=MADESampling()).shape == (5, 1, 2, 3)
    assert draw(labelled, 5, label=2, options=MADESampling()).shape == (5, 1, 2, 3)
    with pytest.raises(ValueError, match="label is 2; this model was trained without labels"):
        draw(plain, 5, label=2, options=MADESampling())
    with pytest.raises(ValueError, match="MADE draws no given class"):
        draw(plain, 5, shares=torch.ones(3))
