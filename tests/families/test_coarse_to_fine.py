"""The coarse-to-fine model: sums over all states, the exact conditional of the finest level, symmetry, both KLs."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.families.proofs import all_examples
from tests.mutants import mutated

from veridical.config import OptimizerConfig
from veridical.config.families.coarse_to_fine import FAMILY, CoarseToFineConfig, CoarseToFineSampling
from veridical.config.training import EnergyConfig
from veridical.data.source import EnergySource
from veridical.families import coarse_to_fine
from veridical.families.coarse_to_fine import CoarseToFine, levels_of
from veridical.model import Batch, Space
from veridical.nn.coarse_to_fine import HeatBath
from veridical.noise import SampleNoise
from veridical.targets.ising import Ising
from veridical.training.energy import EnergyGame
from veridical.training.fit import State, fit

pytestmark = pytest.mark.usefixtures("double_precision")

SPINS = Space((1, 4, 4), "lattice", (-1.0, 1.0), 2, mean=0.0, std=1.0)
STRIP = Space((1, 2, 4), "lattice", (-1.0, 1.0), 2, mean=0.0, std=1.0)
SMALL = replace(FAMILY.smallest, width=6, depth=2, reach=2.0)


def random_model(config: CoarseToFineConfig, space: Space) -> CoarseToFine:
    model = CoarseToFine(config, space)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.mark.parametrize(
    ("choices", "space"), [({}, SPINS), ({"last": "network"}, STRIP), ({"coupling": 0.44}, STRIP)], ids=str
)
def test_probabilities_of_all_states_sum_to_one_and_are_symmetric(choices: dict[str, Any], space: Space) -> None:
    model, x = random_model(replace(SMALL, **choices), space), all_examples(space)
    with torch.no_grad():
        log_p = model.log_prob(x)
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
        assert torch.equal(log_p, model.log_prob(-x))


@pytest.mark.parametrize(
    "space",
    [
        Space((1, 3, 4), "image", levels=2),
        Space((2, 2, 3), "image", levels=2),
        Space((1, 2, 3), "image", levels=3),
    ],
    ids=str,
)
def test_probabilities_sum_to_one_on_images_too(space: Space) -> None:
    model = random_model(SMALL, space)
    with torch.no_grad():
        assert model.log_prob(all_examples(space)).exp().sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("space", [SPINS, Space((3, 4, 6), "image", levels=256)], ids=["spins", "colours"])
def test_every_sampler_draws_the_same_and_knows_its_probability(space: Space) -> None:
    model = random_model(SMALL, space)
    drawn = [
        model.drawn(6, noise=SampleNoise(0, 0, 6), options=CoarseToFineSampling(method=method))
        for method in ("cached", "naive", "jacobi")
    ]
    for each in drawn:
        assert torch.equal(each.x, drawn[0].x)
        torch.testing.assert_close(each.log_prob, model.log_prob(each.x).detach())
    assert drawn[2].evaluations < space.dim / 2  # sweeps: stages, not sites


def finest_is_exact(model: CoarseToFine) -> bool:
    """Whether the probability of the dark fields given the light ones is that of the law, for all states."""
    (_, height, width), x = model.space.shape, all_examples(model.space)
    dark = torch.cartesian_prod(torch.arange(height), torch.arange(width)).sum(1) % 2 == 1
    log_p = Ising(height, width, coupling=0.37).log_prob(x)
    key = (x.flatten(1)[:, ~dark] > 0).long() @ (2 ** torch.arange(height * width // 2))
    light = torch.zeros(2 ** (height * width // 2)).index_add(0, key, log_p.exp()).log()
    with torch.no_grad():
        missing = model.log_prob_missing(x, (~dark).reshape(1, height, width))
    return torch.allclose(missing, log_p - light[key], atol=1e-9)


@pytest.mark.parametrize("space", [SPINS, STRIP], ids=["4x4", "2x4"])
def test_the_finest_level_is_the_exact_conditional_of_the_ising_model(space: Space) -> None:
    assert finest_is_exact(random_model(replace(SMALL, coupling=0.37), space))


def test_mutants_of_the_finest_level_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not finest_is_exact(random_model(replace(SMALL, coupling=0.38), STRIP))
    monkeypatch.setattr(coarse_to_fine, "NEAREST", torch.tensor([(-1, 0), (0, -1), (0, 1), (0, 1)]))
    assert not finest_is_exact(random_model(replace(SMALL, coupling=0.37), STRIP))
    monkeypatch.undo()
    monkeypatch.setattr(HeatBath, "forward", mutated(HeatBath.forward, "2 * self", "1 * self"))
    assert not finest_is_exact(random_model(replace(SMALL, coupling=0.37), STRIP))


def sees_the_past_alone(wrong: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether numbers depend on earlier sites alone, by the Jacobian of all of them."""
    if wrong:
        source = mutated(levels_of, "< stage[own]", "<= stage[own]")
        monkeypatch.setattr(coarse_to_fine, "levels_of", source)
    model = random_model(replace(SMALL, last="network", depth=1), Space((1, 4, 6), "image", levels=2))
    x = torch.randn(1, 24, requires_grad=True)
    state = torch.cat([x.T[:, None], torch.zeros(1, 1, 1)])
    numbers = torch.cat([level(state, slice(None)).flatten(0, 1) for level in model.levels])[:, 0, 0]
    jacobian = torch.stack([torch.autograd.grad(n, x, retain_graph=True)[0][0] for n in numbers])
    return bool((jacobian[:, model.order].triu() == 0).all()) and bool((jacobian != 0).any())


def test_a_site_sees_what_was_drawn_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sees_the_past_alone(False, monkeypatch)
    assert not sees_the_past_alone(True, monkeypatch)


class Everything:
    """All states of the law, each as often as it is probable."""

    def __init__(self) -> None:
        self.x = Ising(4).sample(4000, torch.Generator().manual_seed(0))

    def batch(self, step: int) -> Batch:
        first = 256 * step % 3840
        return Batch(self.x[first : first + 256], torch.arange(256))


def divergences(model: CoarseToFine) -> tuple[float, float]:
    """Return KL(q||p) and KL(p||q) over all states, nats."""
    x = all_examples(SPINS)
    with torch.no_grad():
        log_q, log_p = model.log_prob(x), Ising(4).log_prob(x)
    return float((log_q.exp() * (log_q - log_p)).sum()), float((log_p.exp() * (log_p - log_q)).sum())


@pytest.mark.parametrize("by", ["data", "energy"])
def test_both_divergences_fall_from_data_and_from_the_energy(by: str) -> None:
    optimizer = OptimizerConfig(lr=1e-2, schedule="cosine")
    model = CoarseToFine(replace(SMALL, coupling=Ising(4).coupling, period=4, optimizer=optimizer), SPINS)
    before = max(divergences(model))
    game = EnergyGame(model, Ising(4).log_prob, "reverse-kl", EnergyConfig()) if by == "energy" else None
    source = EnergySource(SPINS, 128) if by == "energy" else Everything()
    fit(State(model, game=game, steps=100), source)
    assert before > 1.0 and max(divergences(model)) < 0.05


@pytest.mark.parametrize(
    ("choices", "space", "words"),
    [
        ({"last": "heat-bath"}, Space((1, 5, 4), "lattice", (-1.0, 1.0), 2), "even sides"),
        ({"last": "heat-bath"}, Space((1, 4, 4), "image", levels=2), "of kind image"),
        ({"symmetric": True}, Space((1, 4, 4), "image", levels=3), "3 levels"),
        ({}, Space((4,), "vector", levels=2), "channels, height, width"),
    ],
)
def test_what_a_space_does_not_have_is_refused(choices: dict[str, Any], space: Space, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CoarseToFine(replace(SMALL, **choices), space)
