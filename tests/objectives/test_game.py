"""A turn of each player: passes that may be joined, weights that decay, noise that is annealed, batches of one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from veridical.clock import Clock
from veridical.objectives.game import Game, decay, diagnose, discriminator_turn, generator_turn, view

GAMES = {
    "default": Game("nonsaturating", relativistic=True, r1=0.1, r2=0.1),
    "roots": Game("nonsaturating", noise_penalty=0.3, unit=2.0),
    "one penalty": Game("hinge", r1=0.5),
    "line": Game("wasserstein", gradient_penalty=10.0, one_sided=True),
    "packed": Game("least-squares", r1=0.1, r2=0.2, pack=2),
    "smooth": Game("nonsaturating", smoothing=0.1, dragan=1.0),
}


def discriminator(inputs: int) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def batches() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x, x_fake = torch.randn(2, 20, 3, generator=generator, dtype=torch.float64)
    return x, 2 * x_fake + 1


@pytest.mark.parametrize("name", GAMES)
def test_joining_the_passes_changes_nothing(name: str) -> None:
    outcomes = []
    for joint in (False, True):
        game, (x, x_fake) = replace(GAMES[name], joint=joint), batches()
        network = discriminator(3 * game.pack)
        calls: list[int] = []

        def logits(v: Tensor, network: nn.Module = network, calls: list[int] = calls) -> Tensor:
            calls.append(len(v))
            return network(v)[:, 0]

        torch.manual_seed(3)
        turn = discriminator_turn(game, logits, x, x_fake, step=0)
        turn.loss.backward()
        gradients = torch.cat([p.grad.reshape(-1) for p in network.parameters()])  # type: ignore[union-attr]
        outcomes.append((turn, gradients, calls[0]))
    (apart, slope, alone), (together, joint_slope, both) = outcomes
    assert both == (alone if name == "one penalty" else 2 * alone)  # one penalty needs the slope at half of them only
    torch.testing.assert_close(together.loss, apart.loss, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(joint_slope, slope, rtol=1e-11, atol=1e-13)
    assert together.terms.keys() == apart.terms.keys()
    for term in apart.terms:
        torch.testing.assert_close(together.terms[term], apart.terms[term], rtol=1e-11, atol=1e-13)


def test_a_linear_discriminator_pays_half_its_squared_slope() -> None:
    x, x_fake = batches()
    w = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64, requires_grad=True)
    game = Game("wasserstein", r1=0.4, r2=0.2, unit=3.0, penalty_half_life=10)
    for joint in (False, True):
        terms = discriminator_turn(replace(game, joint=joint), lambda v: v @ w, x, x_fake, step=20).terms
        assert float(terms["penalty_r1"]) == pytest.approx(0.4 / 2 * 9 * 3**2 / 4)
        assert float(terms["penalty_r2"]) == pytest.approx(0.2 / 2 * 9 * 3**2 / 4)


def test_what_changes_smoothly_follows_the_tensor_of_the_clock() -> None:
    clock = Clock(0, torch.tensor(30.0))  # recorded at step 0, replayed at step 30
    assert float(decay(10, clock, torch.device("cpu"))) == pytest.approx(1 / 8)
    game = Game("nonsaturating", instance_noise=1.0, instance_noise_steps=40)
    torch.manual_seed(0)
    seen = view(torch.zeros(40_000, 1), game, clock)
    assert float(seen.std()) == pytest.approx(0.25, rel=0.02)  # 5 standard errors: fails once in two million
    assert not game.noisy(40)
    stays = replace(game, instance_noise_steps=None)
    assert stays.noisy(10**12) and float(view(torch.zeros(40_000, 1), stays, clock).std()) == pytest.approx(1, rel=0.02)


def test_a_batch_of_one_has_no_diversity_and_equal_examples_have_a_finite_one() -> None:
    one, network = torch.zeros(1, 3, dtype=torch.float64), discriminator(3)
    turn = discriminator_turn(GAMES["default"], lambda v: network(v)[:, 0], one, one + 1, step=1)
    assert "diversity" not in turn.terms and all(term.isfinite() for term in turn.terms.values())
    same = torch.zeros(4)
    assert diagnose(torch.zeros(4, 3), torch.rand(4, 3), same, same, relativistic=False, step=1)["diversity"].isfinite()


def test_the_generator_is_judged_against_its_partners() -> None:
    x, x_fake = batches()
    network = discriminator(3)
    with torch.no_grad():
        expected = nn.functional.softplus(network(x) - network(x_fake)).mean()
    turn = generator_turn(GAMES["default"], lambda v: network(v)[:, 0], x, x_fake, step=0)
    torch.testing.assert_close(turn.loss.detach(), expected)
