"""Growing GANs: who learns when, what a stage shows, and what the information about the codes is."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.config import DataConfig, ProgressiveGANConfig
from veridical.data.loader import Loader
from veridical.data.sources import load as load_data
from veridical.families.progressive_gan import ProgressiveGAN, inconsistency
from veridical.model import Batch, Space
from veridical.nn.progressive import Growth, down
from veridical.objectives.game import discriminator_turn, generator_turn
from veridical.training import checkpoint
from veridical.training.fit import Callback, State, fit

SPACE = Space((1, 16, 16))  # stages 4, 8, 16
SMALL = ProgressiveGANConfig(latent_dim=3, width=4, stage_steps=4, codes_per_scale=2, consistency=1.0)


def build(seed: int = 0, space: Space = SPACE, **changes: Any) -> ProgressiveGAN:
    torch.manual_seed(seed)
    return ProgressiveGAN(dataclasses.replace(SMALL, **changes), space)


def images(n: int = 6, space: Space = SPACE) -> Batch:
    x = torch.randn(n, *space.shape, generator=torch.Generator().manual_seed(7)).clamp(-1, 1)
    return Batch(x, torch.arange(n))


def loss(model: ProgressiveGAN, player: str, step: int) -> Tensor:
    torch.manual_seed(5)
    return model.loss(images(space=model.space), player=player, step=step).loss


def learners(model: ProgressiveGAN, player: str, step: int) -> set[str]:
    """Names, up to the number of a stage, of the player's parameters that receive a gradient."""
    model.zero_grad(set_to_none=True)
    for other in model.players:
        model.get_submodule(other).requires_grad_(other == player)
    loss(model, player, step).backward()
    module = model.get_submodule(player)
    for parameter in module.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()
    names = {name: p.grad is not None for name, p in module.named_parameters()}
    learning = {".".join(name.split(".")[:2]) for name, learns in names.items() if learns}
    assert not learning & {".".join(name.split(".")[:2]) for name, learns in names.items() if not learns}
    return {name for name in learning if name.split(".")[1].isdigit()}


@pytest.mark.parametrize(
    ("step", "blocks", "seen"),
    [
        (0, 1, {0}),  # the coarsest stage needs no fading
        (4, 2, {0, 1}),  # stage 1 fades in over the image of stage 0
        (5, 2, {1}),
        (8, 3, {1, 2}),
        (99, 3, {2}),
    ],
)
def test_exactly_the_blocks_of_the_stage_learn(step: int, blocks: int, seen: set[int]) -> None:
    model = build(consistency=0.0)
    expected = {f"blocks.{stage}" for stage in range(blocks)}
    assert learners(model, "generator", step) == expected | {f"to_image.{s}" for s in seen}
    # The discriminator's coarsest block is its trunk; every stage so far reads its codes.
    judged = {f"blocks.{stage - 1}" for stage in range(1, blocks)} | {f"readers.{stage}" for stage in range(blocks)}
    assert learners(model, "discriminator", step) == judged | {f"from_image.{s}" for s in seen}


def test_consistency_lets_all_images_so_far_learn() -> None:
    assert {f"to_image.{s}" for s in (0, 1, 2)} <= learners(build(), "generator", 99)


@pytest.mark.parametrize(("step", "now"), [(0, Growth(0, 1.0)), (4, Growth(1, 0.5)), (30, Growth(2, 1.0))])
def test_without_codes_it_is_the_game_on_coarse_images(step: int, now: Growth) -> None:
    model = build(codes_per_scale=0, consistency=0.0)
    assert model.growth(step) == now
    torch.manual_seed(5)
    z = model.prior(6)
    x, x_fake = model.show(images().x, now), model.generator(z, now)
    assert x.shape == x_fake.shape == (6, 1, *model.pyramid.sizes[now.stage])

    def logits(x: Tensor) -> Tensor:
        return model.discriminator(x, now).flatten()

    for player, turn in (("discriminator", discriminator_turn), ("generator", generator_turn)):
        expected = turn(model.game, logits, x, x_fake, step=step).loss
        assert torch.equal(loss(model, player, step), expected)


def test_coarse_real_images_are_means_and_full_ones_are_themselves() -> None:
    model, x = build(), images().x
    assert torch.equal(model.show(x, Growth(2, 1.0)), x)
    assert torch.equal(model.show(x, Growth(1, 1.0)), down(x))
    torch.testing.assert_close(model.show(x, Growth(0, 1.0)), x.unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5)))


def test_belief_in_the_prior_and_exact_knowledge_give_the_known_nats() -> None:
    model = build()
    assert model.discriminator.readers is not None
    for reader in model.discriminator.readers.parameters():
        nn.init.zeros_(reader)
    z, now = model.prior(5), Growth(2, 1.0)
    x = model.generator(z, now)
    codes = torch.stack([model.generator.code(z, stage) for stage in range(3)], 1)
    assert codes.shape == (5, 3, 2)
    # mu = 0, sigma = 1: E[1 - c^2] / 2, which is 0 on average over the prior.
    torch.testing.assert_close(model.information(z, x, now), (1 - codes.square()).mean((0, 2)) / 2)
    for reader in model.discriminator.readers:
        nn.init.constant_(reader.bias[2:], -4.0)  # type: ignore[index]
    narrow = (1 + 4 - codes.square() * torch.tensor(4.0).exp()).mean((0, 2)) / 2
    torch.testing.assert_close(model.information(z, x, now), narrow)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize(("step", "stages"), [(2, 1), (9, 3)])
def test_both_players_gain_by_the_weighted_information(player: str, step: int, stages: int) -> None:
    weights = (0.5, 2.0, 3.0)
    plain = loss(build(information_weight=0.0), player, step)
    model = build(information_weight=0.1, scale_weights=weights)
    gain = plain - loss(model, player, step)
    torch.manual_seed(5)
    z, now = model.prior(6), model.growth(step)
    nats = model.information(z, model.generator(z, now), now)
    assert len(nats) == stages
    torch.testing.assert_close(gain, 0.1 * (nats * torch.tensor(weights[:stages])).sum(), rtol=1e-4, atol=1e-5)


def test_a_scale_without_emphasis_is_not_restored() -> None:
    model = build(scale_weights=(1.0, 0.0, 1.0))
    loss(model, "discriminator", 99).backward()
    assert model.discriminator.readers is not None
    gradients = [reader.weight.grad.abs().sum() for reader in model.discriminator.readers]  # type: ignore[union-attr]
    assert gradients[1] == 0 and gradients[0] > 0 and gradients[2] > 0


def test_inconsistency_is_what_a_coarse_image_would_have_to_change() -> None:
    coarse, fine = torch.zeros(2, 1, 4, 4), torch.randn(2, 1, 8, 8)
    assert inconsistency([coarse, fine]) == down(fine).square().mean()
    hidden = fine - torch.nn.functional.interpolate(down(fine), scale_factor=2.0)
    assert inconsistency([coarse, hidden]) < 1e-12
    model = build(information_weight=0.0)
    gap = loss(model, "generator", 99) - loss(build(information_weight=0.0, consistency=0.0), "generator", 99)
    torch.manual_seed(5)
    features = model.generator.features(model.prior(6), 2)
    expected = inconsistency([model.generator.image(features, stage) for stage in range(3)])
    torch.testing.assert_close(gap, expected, rtol=1e-4, atol=1e-5)


def test_samples_are_as_coarse_as_the_networks_have_grown() -> None:
    model = build()
    for step, block in ((0, 4), (3, 4), (7, 2)):
        loss(model, "generator", step)
        x = model.sample(3)
        corners = x[..., ::block, ::block].repeat_interleave(block, 2).repeat_interleave(block, 3)
        assert x.shape == (3, *SPACE.shape) and torch.equal(x, corners)
        assert torch.equal(model.logits(x), model.logits(corners))
    loss(model, "generator", 40)
    x = model.sample(3)
    assert not torch.equal(x[..., ::2, ::2], x[..., 1::2, ::2])


def test_a_checkpoint_knows_how_far_the_networks_have_grown() -> None:
    model, other = build(), build(seed=1)
    loss(model, "generator", 5)
    other.load_state_dict(model.state_dict())
    assert other.growth() == model.growth() == Growth(1, 1.0)
    z = model.prior(2)
    assert torch.equal(model.decode(z), other.decode(z))


def test_grown_from_the_start_has_no_layers_for_coarse_images() -> None:
    model = build(stage_steps=None, consistency=0.0)
    assert list(model.generator.to_image) == list(model.discriminator.from_image) == ["2"]
    assert model.growth(0) == Growth(2, 1.0)
    assert list(build(stage_steps=None).generator.to_image) == ["0", "1", "2"]


def trained(folder: Path, stop: int, resume_from: Path | None = None) -> tuple[State, Path]:
    """Train on digits (4x4 for 4 steps, fading for 2, then 8x8) up to a step, from the start or a checkpoint."""
    data = load_data(DataConfig(source="digits"))
    model = build(space=data.space)
    torch.manual_seed(1)
    state = State(model, steps=9, ema=0.9)
    if resume_from is not None:
        checkpoint.load(resume_from, state, {}, rank=0)
    fit(state, Loader(data, 8, seed=0), log_every=100, callbacks=[StopAt(stop)])
    folder.mkdir()
    return state, checkpoint.save(folder, state, {}, [checkpoint.of_this_process(state)], keep=1)


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            state.stop = "asked to"


@pytest.mark.parametrize("stop", [3, 5, 7])
def test_a_run_resumed_while_growing_is_the_run_never_stopped(stop: int, tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole", 9)
    half, saved = trained(tmp_path / "half", stop)
    assert half.model.growth() == half.model.growth(stop - 1)  # type: ignore[attr-defined]
    parts, _ = trained(tmp_path / "parts", 9, saved)
    assert whole.ema is not None and parts.ema is not None
    other, average = parts.module.state_dict(), parts.ema.tensors()
    assert int(other["step"]) == 8
    assert all(torch.equal(tensor, other[name]) for name, tensor in whole.module.state_dict().items())
    assert all(torch.equal(tensor, average[name]) for name, tensor in whole.ema.tensors().items())


def test_a_few_steps_raise_the_information() -> None:
    space = Space((1, 4, 4))
    model = build(space=space, information_weight=1.0, width=16)
    optimizers = {p: torch.optim.Adam(model.player_parameters(p), 5e-3, (0.0, 0.99)) for p in model.players}
    z, now = model.prior(500), Growth(0, 1.0)

    def nats() -> float:
        with torch.no_grad():
            return float(model.information(z, model.generator(z, now), now)[0])

    before = nats()
    for step in range(60):
        for player, optimizer in optimizers.items():
            value = model.loss(images(32, space), player=player, step=step).loss
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    assert before < 0.1 and nats() > 0.5


def test_the_deviation_of_a_batch_can_be_shown_without_penalties() -> None:
    model = build(minibatch="stddev", r1=0.0, r2=0.0)
    assert loss(model, "discriminator", 9).isfinite()


def test_vectors_labels_and_wrong_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\); progressive growing needs images"):
        build(space=Space((2,), kind="vector", support=None, levels=None))
    with pytest.raises(ValueError, match="scale_weights has 2 entries, but these images have 3 stages"):
        build(scale_weights=(1.0, 1.0))
    model = build()
    with pytest.raises(ValueError, match="c is given"):
        model.decode(model.prior(2), torch.zeros(2))
    with pytest.raises(ValueError, match="c is given"):
        model.logits(images().x, torch.zeros(6))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "dcgan"}, "network is 'dcgan'"),
        ({"pack": 2}, "pack is 2"),
        ({"fourier_octaves": 3}, "fourier_octaves is 3"),
        ({"latent_octaves": 3}, "latent_octaves is 3"),
        ({"spectral_norm": True}, "spectral_norm is True"),
        ({"minibatch": "discrimination"}, "minibatch 'discrimination'"),
        ({"minibatch": "stddev"}, "r1, r2 > 0; the gradient of one example"),
        ({"stage_steps": 0}, "stage_steps is 0"),
        ({"consistency": -1.0}, "consistency is -1.0"),
        ({"scale_weights": (1.0, -1.0, 1.0)}, "scale_weights is -1.0"),
        ({"scale_weights": (1.0,), "codes_per_scale": 0}, "codes_per_scale 0"),
        ({"latent": "uniform"}, "standard normal codes"),
        ({"upsampling": "cubic"}, "upsampling is 'cubic'"),
    ],
)
def test_choices_that_cannot_be_honoured_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)
