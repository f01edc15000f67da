"""The game: who moves, what it minimises, and what is watched."""

import cmath
import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import integrate, stats
from tests.mutants import is_noticed
from torch import Tensor, nn

import veridical.objectives.game as played
from veridical.config import GANConfig, OptimizerConfig
from veridical.families.gan import GAN
from veridical.health import LargeSteps
from veridical.model import Batch, LatentVariable, Sampler, Space, Trainable
from veridical.training.fit import Callback, State, fit
from veridical.training.movement import Movement
from veridical.training.terms import Row

IMAGES = Space((1, 12, 12))
PLANE = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=5.0)
SMALL = GANConfig(latent_dim=4, width=8)
PLAIN = replace(SMALL, relativistic=False, r1=0.0, r2=0.0)
VARIANTS = {
    "default": (SMALL, IMAGES),
    "plane": (SMALL, PLANE),
    "minimax": (replace(PLAIN, objective="minimax"), IMAGES),
    "hinge": (replace(SMALL, objective="hinge", r2=0.0), IMAGES),
    "wasserstein": (replace(PLAIN, objective="wasserstein", gradient_penalty=10.0), IMAGES),
    "dcgan": (replace(PLAIN, network="dcgan", width=4), Space((1, 28, 28))),
    "mlp": (replace(SMALL, network="mlp"), IMAGES),
    "packed": (replace(SMALL, pack=4), PLANE),
    "noisy": (replace(SMALL, instance_noise=1.0), IMAGES),
    "smoothed": (replace(PLAIN, smoothing=0.1), IMAGES),
    "spectral": (replace(PLAIN, objective="hinge", spectral_norm=True), IMAGES),
    "clipped": (replace(PLAIN, objective="wasserstein", clip_weights=0.01), PLANE),
    "virtual": (replace(PLAIN, network="dcgan", normalization="virtual", width=4), Space((1, 28, 28))),
    "layer": (replace(SMALL, network="dcgan", normalization="layer", width=4), Space((1, 28, 28))),
    "minibatch": (replace(PLAIN, minibatch="discrimination"), PLANE),
    "stddev": (replace(PLAIN, minibatch="stddev", pack=2), IMAGES),
    "historical": (replace(SMALL, historical_averaging=0.1), PLANE),
    "dragan": (replace(PLAIN, dragan=10.0), IMAGES),
    "roth": (replace(PLAIN, noise_penalty=0.1), IMAGES),
    "one-sided": (replace(PLAIN, objective="wasserstein", gradient_penalty=10.0, one_sided=True, pack=2), PLANE),
    "paper": (replace(PLAIN, network="dcgan-paper", latent="uniform", width=4), Space((1, 28, 28))),
    "sngan": (replace(PLAIN, network="sngan", width=4, spectral_norm=True), Space((3, 32, 32))),
    "biggan": (replace(PLAIN, network="biggan", width=4, latent_dim=8), Space((1, 28, 28))),
    "f": (replace(PLAIN, objective="f-hellinger", r1=0.1), IMAGES),
    "toy": (replace(PLAIN, network="tanh-mlp", latent="uniform"), PLANE),
}


def examples(space: Space, n: int = 8) -> Batch:
    x = torch.randn(n, *space.shape, generator=torch.Generator().manual_seed(0))
    x = space.mean + space.std * x if space.support is None else x.clamp(*space.support)
    return Batch(x, torch.arange(n))


class Fixed:
    """The same batch at every step."""

    def __init__(self, batch: Batch) -> None:
        self.always = batch

    def batch(self, step: int) -> Batch:
        return self.always


def freeze_all_but(model: GAN, player: str) -> None:
    for name in model.players:
        for parameter in model.get_submodule(name).parameters():
            parameter.requires_grad_(name == player)


@pytest.fixture(params=list(VARIANTS))
def game(request: pytest.FixtureRequest) -> GAN:
    torch.manual_seed(0)
    return GAN(*VARIANTS[request.param])


def test_it_declares_what_it_can(game: GAN) -> None:
    assert isinstance(game, Trainable) and isinstance(game, Sampler) and isinstance(game, LatentVariable)
    assert game.papers and game.optimizer("generator") == game.config.generator_optimizer
    assert game.optimizer("discriminator") == game.config.discriminator_optimizer


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_reach_the_moving_player(game: GAN, player: str, frozen: bool) -> None:
    if frozen:
        freeze_all_but(game, player)
    outcome = game.loss(examples(game.space), player=player, step=0)
    assert outcome.loss.shape == () and outcome.loss.isfinite()
    assert all(t.shape == () and not t.requires_grad and t.isfinite() for t in outcome.terms.values())
    outcome.loss.backward()
    moving = [p.grad is not None for p in game.own_parameters(player)]
    assert all(moving)
    others = [q.grad for name in game.players if name != player for q in game.own_parameters(name)]
    if frozen or player == "discriminator":
        assert all(grad is None for grad in others)


def test_the_generator_moves_after_the_turns_of_the_discriminator() -> None:
    model = GAN(replace(SMALL, discriminator_turns=3), PLANE)
    assert [model.turns(step) for step in range(6)] == [
        *[("discriminator",), ("discriminator",), ("discriminator", "generator")] * 2
    ]


def test_samples_live_in_data_space_and_follow_the_seed(game: GAN) -> None:
    game.eval()
    torch.manual_seed(1)
    x = game.sample(6)
    torch.manual_seed(1)
    torch.testing.assert_close(x, game.sample(6), rtol=0, atol=0)
    assert x.shape == (6, *game.space.shape) and x.dtype == torch.float32 and not x.requires_grad
    if game.space.support is not None:
        assert x.abs().max() <= 1
    torch.manual_seed(1)
    torch.testing.assert_close(x, game.decode(game.prior(6)))


def test_labels_are_refused_rather_than_ignored() -> None:
    with pytest.raises(ValueError, match="without labels"):
        GAN(SMALL, PLANE).sample(3, torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize("name", ["default", "wasserstein", "dcgan"])
def test_half_precision_and_channels_last(name: str) -> None:
    torch.manual_seed(0)
    model = GAN(*VARIANTS[name]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = examples(model.space)
    batch = batch._replace(x=batch.x.to(memory_format=torch.channels_last))
    for player in model.players:
        freeze_all_but(model, player)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outcome = model.loss(batch, player=player, step=0)
        outcome.loss.backward()
        assert outcome.loss.dtype == torch.float32
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.player_parameters(player))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.sample(2).dtype == torch.float32


def test_vectors_are_never_rounded() -> None:
    torch.manual_seed(0)
    model, z = GAN(SMALL, PLANE), torch.randn(16, 4)
    exact = model.decode(z), model.discriminator(examples(PLANE).x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = model.decode(z), model.discriminator(examples(PLANE).x)
    torch.testing.assert_close(cast, exact, rtol=0, atol=0)


class Point(nn.Module):
    """A generator that knows one point."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


class Line(nn.Module):
    """D(x) = psi x."""

    def __init__(self, psi: float = 0.0) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.psi * x


REAL_LINE = Space((1,), kind="vector", support=None, levels=None)


@pytest.mark.parametrize("relativistic", [False, True])
@pytest.mark.parametrize("r1, r2", [(0.0, 0.0), (0.3, 0.0), (0.6, 0.4), (1.0, 1.0)])
def test_eigenvalues_of_the_dirac_gan(relativistic: bool, r1: float, r2: float) -> None:
    # Mescheder et al. (2018): -g/2 +- sqrt(g^2/4 - 1/4), where at the equilibrium g = r1 + r2.
    model = GAN(GANConfig(relativistic=relativistic, r1=r1, r2=r2), REAL_LINE, generator=Point(), discriminator=Line())
    batch = Batch(torch.zeros(4, 1, dtype=torch.float64), torch.arange(4))
    parameters: list[Any] = [model.generator.theta, model.discriminator.psi]
    rows = []
    for player, own in (("generator", 0), ("discriminator", 1)):
        loss = model.loss(batch, player=player, step=0).loss
        (slope,) = torch.autograd.grad(loss, parameters[own], create_graph=True)
        second = torch.autograd.grad(slope.sum(), parameters, allow_unused=True)
        # The discriminator's turn carries no graph to theta; its cross derivative is taken by a difference.
        rows.append([0.0 if g is None else -g.item() for g in second])
    rows[1][0] = -(discriminator_slope(model, batch, 1e-6) - discriminator_slope(model, batch, -1e-6)) / 2e-6
    gamma = r1 + r2
    root = cmath.sqrt(gamma**2 / 4 - 0.25)
    found = sorted(torch.linalg.eigvals(torch.tensor(rows)).tolist(), key=lambda v: (round(v.real, 4), v.imag))
    expected = sorted([-gamma / 2 - root, -gamma / 2 + root], key=lambda v: (v.real, v.imag))
    assert found == pytest.approx(expected, abs=1e-3 if gamma == 1 else 1e-6)


def discriminator_slope(model: GAN, batch: Batch, theta: float) -> float:
    with torch.no_grad():
        model.generator.theta.fill_(theta)  # type: ignore[union-attr,operator]
    loss = model.loss(batch, player="discriminator", step=0).loss
    (slope,) = torch.autograd.grad(loss, model.discriminator.psi)  # type: ignore[arg-type]
    with torch.no_grad():
        model.generator.theta.zero_()  # type: ignore[union-attr,operator]
    return slope.item()


def test_penalties_of_a_linear_discriminator() -> None:
    config = GANConfig(r1=0.5, r2=3.0, relativistic=False)
    space = replace(REAL_LINE, std=2.0)
    model = GAN(config, space, generator=Point(), discriminator=Line(4.0))
    terms = model.loss(examples(space)._replace(x=torch.zeros(8, 1).double()), player="discriminator", step=0).terms
    # gamma/2 (std psi)^2: the gradient is per standard deviation of the data.
    assert terms["penalty_r1"].item() == pytest.approx(0.5 / 2 * (2 * 4) ** 2)
    assert terms["penalty_r2"].item() == pytest.approx(3.0 / 2 * (2 * 4) ** 2)
    assert terms["loss"].item() == pytest.approx(2 * math.log(2) + 16 + 96)


@pytest.mark.parametrize("psi", [4.0, 0.25])
def test_the_other_penalties_of_a_linear_discriminator(psi: float) -> None:
    space = replace(REAL_LINE, std=2.0)
    excess = (2 * psi - 1) ** 2  # every slope is per standard deviation of the data
    expected = {
        "dragan": (GANConfig(relativistic=False, r1=0.0, r2=0.0, dragan=3.0), 3 * excess),
        "gradient": (GANConfig(relativistic=False, r1=0.0, r2=0.0, gradient_penalty=5.0), 5 * excess),
        # sigma(0) = 1/2 on both sides
        "noise": (GANConfig(relativistic=False, r1=0.0, r2=0.0, noise_penalty=0.7), 0.7 * (2 * psi) ** 2 / 4),
    }
    batch = examples(space)._replace(x=torch.zeros(8, 1).double())
    for name, (config, value) in expected.items():
        model = GAN(config, space, generator=Point(), discriminator=Line(psi))
        terms = model.loss(batch, player="discriminator", step=0).terms
        assert terms[f"penalty_{name}"].item() == pytest.approx(value), name
        assert terms["loss"].item() == pytest.approx(2 * math.log(2) + value), name
    one_sided = replace(expected["gradient"][0], one_sided=True)
    model = GAN(one_sided, space, generator=Point(), discriminator=Line(psi))
    terms = model.loss(batch, player="discriminator", step=0).terms
    assert terms["penalty_gradient"].item() == pytest.approx(5 * excess if 2 * psi > 1 else 0)


def test_weights_are_clipped_after_the_discriminators_update_alone() -> None:
    config = GANConfig(relativistic=False, r1=0.0, r2=0.0, clip_weights=0.01)
    model = GAN(config, REAL_LINE, generator=Point(), discriminator=Line(-4.0))
    model.after_update("generator")
    assert model.discriminator.psi.item() == -4  # type: ignore[union-attr, operator]
    model.after_update("discriminator")
    assert model.discriminator.psi.item() == -0.01  # type: ignore[union-attr, operator]


def test_both_players_are_held_to_the_average_of_their_past() -> None:
    config = GANConfig(relativistic=False, r1=0.0, r2=0.0, historical_averaging=0.5)
    model = GAN(config, REAL_LINE, generator=Point(), discriminator=Line(1.0))
    batch = examples(REAL_LINE)._replace(x=torch.zeros(8, 1).double())
    with torch.no_grad():
        model.discriminator.psi.fill_(4.0)  # type: ignore[union-attr, operator]
    terms = model.loss(batch, player="discriminator", step=0).terms
    assert terms["penalty_history"].item() == pytest.approx(0.5 * 3**2)
    model.after_update("discriminator")  # the average of 1 and 4
    terms = model.loss(batch, player="discriminator", step=0).terms
    assert terms["penalty_history"].item() == pytest.approx(0.5 * 1.5**2)
    assert model.loss(batch, player="generator", step=0).terms["penalty_history"].item() == 0


def test_by_default_the_generator_comes_to_rest_and_the_discriminator_goes_on() -> None:
    sizes: list[tuple[float, float]] = []

    class Sizes(Callback):
        def on_log(self, state: State, row: Row) -> None:
            sizes.append((row["generator/lr"], row["discriminator/lr"]))

    model = GAN(GANConfig(), REAL_LINE, generator=Point(), discriminator=Line(1.0)).double()
    fit(State(model, steps=8), Fixed(examples(REAL_LINE)), log_every=1, callbacks=[Sizes()])
    generator, discriminator = zip(*sizes, strict=True)
    assert discriminator == (0.01,) * 8
    assert generator == pytest.approx([0.01] * 5 + [0.0075, 0.005, 0.0025])


def test_the_step_asked_for_is_taken_and_none_in_three_decades_ends_in_nan() -> None:
    ends, found = [], []
    for scale in (0.1, 0.5, 2.0, 10.0, 100.0):
        torch.manual_seed(0)
        model = GAN(replace(SMALL, depth=1), PLANE)
        state = State(model, steps=60, lr_scale=scale)
        rows: list[Row] = []

        class Keep(Callback):
            def on_log(self, state: State, row: Row, rows: list[Row] = rows) -> None:
                rows.append(row)

        fit(state, Fixed(examples(PLANE, 32)), log_every=5, callbacks=[Movement(5), Keep()])  # NaN would be an error
        assert rows[0]["generator/lr"] == pytest.approx(0.01 * scale)
        ends.append(nn.utils.parameters_to_vector(model.parameters()).detach())
        monitor = LargeSteps("discriminator")
        found.append(any(monitor.observe(row) is not None for row in rows))
    assert all(torch.isfinite(end).all() for end in ends)
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(ends))
    assert found == [False] * 3 + [True] * 2  # beyond 0.05 of the weights, health says that the steps are too long


def test_penalties_halve_on_schedule() -> None:
    config = GANConfig(penalty_half_life=100)
    model = GAN(config, REAL_LINE, generator=Point(), discriminator=Line(1.0))
    batch = examples(REAL_LINE)._replace(x=torch.zeros(8, 1).double())
    losses = [model.loss(batch, player="discriminator", step=step).terms for step in (0, 100, 300)]
    for name, weight in (("penalty_r1", config.r1), ("penalty_r2", config.r2)):
        assert [terms[name].item() for terms in losses] == pytest.approx([weight / 2, weight / 4, weight / 16])


def penalties_follow_the_square_of_a_trapezoid() -> None:
    found: list[float] = []

    class Keep(Callback):
        def on_log(self, state: State, row: Row) -> None:
            found.append(row["discriminator/penalty_r1"])

    config = GANConfig(penalty_end=0.04, discriminator_optimizer=OptimizerConfig(lr=1e-12, trust=None))
    model = GAN(config, REAL_LINE, generator=Point(), discriminator=Line(1.0))
    batch = examples(REAL_LINE)._replace(x=torch.zeros(8, 1).double())
    fit(State(model, steps=20), Fixed(batch), log_every=1, callbacks=[Keep()])
    shares = [1.0] * 11 + [(2 * (20 - step) / 20) ** 2 for step in range(11, 18)] + [0.04, 0.04]
    assert found == pytest.approx([config.r1 / 2 * share for share in shares], rel=1e-5)


def test_penalties_follow_the_square_of_a_trapezoid() -> None:
    penalties_follow_the_square_of_a_trapezoid()


@pytest.mark.parametrize(
    ("before", "after"), [(".square()", ""), ("math.sqrt(end)", "end"), ("2 - 2 *", "1 -"), ("end == 1", "end < 1")]
)
def test_mutants_of_falling_penalties_are_seen(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_noticed(penalties_follow_the_square_of_a_trapezoid, monkeypatch, played, "fall", before, after)


def test_sizes_follow_the_data() -> None:
    assert GAN(GANConfig(), PLANE).latent_shape == (2,)
    assert GAN(GANConfig(), IMAGES).latent_shape == (64,)
    assert GAN(GANConfig(latent_dim=5), PLANE).latent_shape == (5,)
    assert GAN(GANConfig(), Space((1, 4, 4), kind="lattice")).sample(3).shape == (3, 1, 4, 4)  # too small for conv


def test_the_game_does_not_depend_on_the_units_of_the_data() -> None:
    losses = []
    for unit in (1.0, 1024.0):
        space = Space((2,), kind="vector", support=None, levels=None, mean=3.0 * unit, std=5.0 * unit)
        torch.manual_seed(0)
        model = GAN(SMALL, space)
        batch = examples(PLANE)._replace(x=examples(PLANE).x * unit)
        losses.append([model.loss(batch, player=player, step=0).loss for player in model.players])
    torch.testing.assert_close(losses[0], losses[1])


def test_a_run_does_not_depend_on_the_units_of_the_data() -> None:
    ends = []
    for unit in (1.0, 2.0**-10, 2.0**10):  # powers of two, so that not even the rounding differs
        space = Space((2,), kind="vector", support=None, levels=None, mean=3.0 * unit, std=5.0 * unit)
        torch.manual_seed(0)
        model = GAN(replace(SMALL, depth=1), space)
        batch = examples(PLANE)._replace(x=examples(PLANE).x * unit)
        state = State(model, steps=20, ema=0.9)
        fit(state, Fixed(batch))
        assert state.ema is not None
        ends.append(torch.cat([average.flatten() for average in state.ema.average]))
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


class Shift(nn.Module):
    """G(z) = mean + scale z."""

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.mean, self.scale = nn.Parameter(torch.tensor(mean)), nn.Parameter(torch.tensor(scale))

    def forward(self, z: Tensor) -> Tensor:
        return self.mean + self.scale * z


class Quadratic(nn.Module):
    """D(x) = a x + b x^2: contains the log ratio of any two Gaussians up to a constant."""

    def __init__(self, a: float = 0.0, b: float = 0.0) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x + self.b * x.square()


def test_js_term_is_the_divergence_when_the_discriminator_is_the_best() -> None:
    # p = N(1, 1) and q = N(-1, 1): log p/q = 2 x.
    config = GANConfig(latent_dim=1, relativistic=False, r1=0.0, r2=0.0)
    model = GAN(config, REAL_LINE, generator=Shift(-1.0, 1.0), discriminator=Quadratic(2.0))
    p: Any = stats.norm(1)
    q: Any = stats.norm(-1)
    js = integrate.quad(lambda x: p.pdf(x) * math.log(2 * p.pdf(x) / (p.pdf(x) + q.pdf(x))), -9, 9)[0]  # by symmetry
    torch.manual_seed(0)
    n = 100_000
    terms = model.loss(Batch(1 + torch.randn(n, 1), torch.arange(n)), player="discriminator", step=0).terms
    # One softplus has a standard deviation below 1/2: five standard errors, false-alarm rate below 1e-6.
    assert terms["js"].item() == pytest.approx(js, abs=5 * 0.5 / math.sqrt(2 * n))
    assert terms["loss"].item() == pytest.approx(2 * math.log(2) - 2 * terms["js"].item(), abs=1e-5)
    # P(2 x > 2 x') for x - x' ~ N(2, 2).
    assert terms["accuracy"].item() == pytest.approx(stats.norm.cdf(2 / math.sqrt(2)), abs=5 * 0.5 / math.sqrt(n))
    assert terms["diversity"].item() == pytest.approx(1, abs=0.02)


def test_js_saturates_at_log_2_and_diversity_sees_collapse() -> None:
    generator, discriminator = Shift(-1.0, 0.0), Line(100.0)
    model = GAN(GANConfig(latent_dim=1), REAL_LINE, generator=generator, discriminator=discriminator)
    batch = Batch(5 + torch.randn(64, 1, generator=torch.Generator().manual_seed(0)), torch.arange(64))
    terms = model.loss(batch, player="discriminator", step=0).terms
    assert terms["js"].item() == pytest.approx(math.log(2), abs=1e-6)
    assert terms["accuracy"].item() == 1 and terms["diversity"].item() == 0


def test_the_default_game_finds_a_gaussian() -> None:
    torch.manual_seed(0)
    config = replace(GANConfig(), latent_dim=1)
    model = GAN(config, REAL_LINE, generator=Shift(0.0, 1.0), discriminator=Quadratic())
    optimizers = {name: torch.optim.Adam(model.player_parameters(name), 0.02, (0.0, 0.99)) for name in model.players}
    for step in range(1200):
        x = 2.0 + 0.5 * torch.randn(256, 1)
        for player in model.turns(step):
            freeze_all_but(model, player)
            optimizers[player].zero_grad()
            model.loss(Batch(x, torch.arange(256)), player=player, step=step).loss.backward()
            optimizers[player].param_groups[0]["lr"] = 0.02 * (1 - step / 1200)
            optimizers[player].step()
    x = model.sample(50_000)
    assert x.mean().item() == pytest.approx(2, abs=0.05) and x.std().item() == pytest.approx(0.5, abs=0.05)


def test_shapes_of_foreign_networks_are_explained() -> None:
    batch = examples(PLANE)
    wide = GAN(SMALL, PLANE, generator=nn.Linear(4, 3))
    with pytest.raises(ValueError, match=r"generator returned shape \(8, 3\)"):
        wide.loss(batch, player="discriminator", step=0)
    two = GAN(SMALL, PLANE, discriminator=nn.Linear(2, 2))
    with pytest.raises(ValueError, match="one logit each"):
        two.loss(batch, player="discriminator", step=0)


def test_penalties_refuse_batch_normalisation() -> None:
    with pytest.raises(ValueError, match=r"r1, r2 > 0 with .*BatchNorm2d"):
        GAN(replace(SMALL, network="dcgan"), Space((1, 28, 28)))


def test_optimizers_are_the_configured_ones() -> None:
    config = GANConfig(generator_optimizer=OptimizerConfig(lr=1e-5), discriminator_optimizer=OptimizerConfig(lr=3e-5))
    model = GAN(config, PLANE)
    assert model.optimizer("generator").lr == 1e-5 and model.optimizer("discriminator").lr == 3e-5


def test_a_discriminator_that_ends_in_a_sigmoid_is_refused_with_the_remedy() -> None:
    logits = nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 1))
    space = Space((2,), "vector", None, None)
    GAN(GANConfig(latent_dim=2, width=8), space, discriminator=logits)  # between layers it is welcome
    with pytest.raises(ValueError, match=r"ends in Sigmoid; expected logits.*Remove the last layer, nn\.Sigmoid"):
        GAN(GANConfig(latent_dim=2, width=8), space, discriminator=nn.Sequential(*logits, nn.Sigmoid()))


def test_a_batch_of_one_is_trained_on() -> None:
    state = State(GAN(GANConfig(latent_dim=2, width=8), Space((2,), "vector", None, None)), steps=3)
    rows: list[Row] = []

    class Keep(Callback):
        def on_log(self, state: State, row: Row) -> None:
            rows.append(row)

    class One:
        def batch(self, step: int) -> Batch:
            return Batch(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64))

    fit(state, One(), callbacks=[Keep()])
    assert "discriminator/diversity" not in rows[-1] and rows[-1]["step"] == 3
