"""A discriminator of noise levels against laws whose scores at every level are known."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from scipy import stats
from tests.mutants import is_noticed
from torch import Tensor, nn

from veridical.config import NoiseLevelConfig
from veridical.data.dataset import ArrayData
from veridical.data.space import Space
from veridical.families import noise_level
from veridical.families.noise_level import EnergyDiscriminator, LevelDiscriminator, NoiseLevel, log_prior
from veridical.model import Batch, Denoiser, Sampler
from veridical.nn.level_energy import LevelEnergy
from veridical.nn.level_network import UNet
from veridical.statistics import chi_square_test, kolmogorov_smirnov_test
from veridical.targets import GaussianMixture

MIXTURE = GaussianMixture(
    torch.tensor([[-2.0, 0.0], [1.5, 1.5], [1.0, -2.0]]), 0.15, torch.tensor([0.2, 0.5, 0.3]), name="three"
)
CONFIG = NoiseLevelConfig(levels=24, sigma_min=0.03, sigma_max=4.0, langevin_steps=2)


class Posterior(nn.Module):
    """The best discriminator for a mixture: Bayes' rule, with an arbitrary function of x added to all logits."""

    def __init__(self, law: GaussianMixture, sigmas: Tensor, mean: float, variance: float) -> None:
        super().__init__()
        self.law, self.sigmas, self.mean, self.variance = law, sigmas.tolist(), mean, variance
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.law.log_prob(x, sigma) for sigma in self.sigmas]
        noise = -0.5 * (x - self.mean).square().sum(dim=1) / self.variance
        noise = noise - 0.5 * self.law.dim * math.log(2 * math.pi * self.variance)
        return torch.stack([*levels, noise], dim=1) + (3 * x.sin().sum(dim=1) + self.unused)[:, None]


def space_of(law: GaussianMixture) -> Space:
    x = law.sample(100_000, torch.Generator().manual_seed(0))
    return Space((law.dim,), kind="vector", support=None, levels=None, mean=float(x.mean()), std=float(x.std()))


def exact(law: GaussianMixture = MIXTURE, config: NoiseLevelConfig = CONFIG, space: Space | None = None) -> NoiseLevel:
    space = space or space_of(law)
    levels = NoiseLevel(config, space, discriminator=nn.Identity())
    posterior = Posterior(law, levels.sigmas, space.mean, levels.variance)
    return NoiseLevel(config, space, discriminator=posterior)


def noisy(model: NoiseLevel, k: int, n: int = 500) -> Tensor:
    generator = torch.Generator().manual_seed(k)
    sigma = float(model.sigmas[k])
    return MIXTURE.sample(n, generator, torch.float64) + sigma * torch.randn(n, 2, generator=generator).double()


@pytest.mark.parametrize("k", [0, 11, 23])
def test_the_gradient_of_the_best_discriminator_is_the_score(k: int) -> None:
    model = exact()
    x, sigma = noisy(model, k), model.sigmas[k]
    torch.testing.assert_close(model.score(x, sigma), MIXTURE.score(x, float(sigma)), rtol=1e-5, atol=1e-6)


def test_it_denoises_to_the_mean_of_clean_data() -> None:
    model = exact()
    assert isinstance(model, Denoiser) and isinstance(model, Sampler)
    x = torch.cat([noisy(model, k, 50) for k in (3, 20)])
    sigma = model.sigmas[[3, 20]].repeat_interleave(50).double()
    # E[x0 | x_t] by hand: responsibilities of the modes, and the mean within each.
    v = (MIXTURE.sigma**2 + sigma**2)[:, None]
    square = torch.cdist(x, MIXTURE.means).square()
    share = (MIXTURE.weights.log() - square / (2 * v)).softmax(dim=1)
    within = (x[:, None] * MIXTURE.sigma**2 + MIXTURE.means * sigma[:, None, None] ** 2) / v[:, None]
    torch.testing.assert_close(model.denoise(x, sigma), (share[..., None] * within).sum(dim=1), rtol=1e-4, atol=1e-5)


def test_between_levels_it_interpolates_and_beyond_them_it_refuses() -> None:
    model = exact()
    sigma = (model.sigmas[10] * model.sigmas[11]).sqrt()
    x = noisy(model, 10)
    error = sigma * (model.score(x, sigma) - MIXTURE.score(x, float(sigma)))
    assert float(error.square().mean()) < 1e-3  # of a quantity of order 1
    with pytest.raises(ValueError, match="this model was trained for"):
        model.denoise(x, model.sigmas[-1] * 2)


def test_following_the_best_discriminator_generates_the_mixture() -> None:
    torch.manual_seed(1)
    x = exact().sample(3_000).double()
    mode, distance = MIXTURE.nearest_mode(x)
    # Shares: false alarm 1e-4. Law within the modes: steps of finite size leave less than 3 % of the width.
    assert chi_square_test(torch.bincount(mode, minlength=3).numpy(), MIXTURE.weights.numpy()).p_value > 1e-4
    width = (distance.square().mean() / 2).sqrt()
    assert float(width) == pytest.approx(1, abs=0.03 + 4 / (4 * 3_000) ** 0.5)


def test_a_langevin_step_mends_a_coarse_ladder() -> None:
    few = {"levels": 6, "sigma_min": 0.1, "sigma_max": 4.0}
    errors = []
    for steps in (0, 10):
        torch.manual_seed(2)
        x = exact(config=NoiseLevelConfig(**few, langevin_steps=steps)).sample(2_000).double()
        shares = torch.bincount(MIXTURE.nearest_mode(x)[0], minlength=3) / 2_000
        errors.append(float((shares - MIXTURE.weights).abs().sum()))
    assert errors[1] < errors[0]


def test_the_loss_is_least_at_the_best_discriminator_and_counts_what_it_says() -> None:
    model, n = exact(), 4_000
    batch = Batch(MIXTURE.sample(n, torch.Generator().manual_seed(3)), torch.arange(n))

    def terms(bend: float) -> dict[str, Tensor]:
        def bent(x: Tensor) -> Tensor:
            logits = posterior(x)
            return logits + bend * x[:, :1].cos() * torch.linspace(-1, 1, logits.shape[1])

        model.discriminator = Bent(bent)
        torch.manual_seed(4)
        return model.loss(batch, player="model", step=0).terms

    posterior = model.discriminator
    best, worse, other = terms(0.0), terms(0.3), terms(-0.3)
    for name in ("cross_entropy", "denoising"):
        assert best[name] < min(worse[name], other[name])
    assert best["cross_entropy"] < math.log(25) and 0 < best["denoising"] < 1
    assert best["accuracy"] > 1 / 25 and best["level_error"] < 1.5
    torch.testing.assert_close(best["loss"], best["cross_entropy"] + best["denoising"])


class Bent(nn.Module):
    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_what_starts_is_the_best_discriminator_of_gaussian_data() -> None:
    torch.manual_seed(0)
    space = Space((1,), kind="vector", support=None, levels=None, mean=3.0, std=2.0)
    model = NoiseLevel(NoiseLevelConfig(width=8, langevin_steps=2), space)
    for parameter in model.parameters():
        parameter.data.zero_()
    x = model.sample(2_000)[:, 0].double().numpy()
    assert kolmogorov_smirnov_test(x, stats.norm(3, 2).cdf).p_value > 1e-4  # false alarm 1e-4
    one = torch.full((1, 1), 5.0)
    found = model.logits(one).softmax(dim=1)[0]
    density = torch.tensor([stats.norm.pdf(5.0, 3, (4 + s**2) ** 0.5) for s in [*model.sigmas.tolist(), 8.0]])
    torch.testing.assert_close(found, (density / density.sum()).float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("d, near", [(1, False), (400, True)])
def test_the_estimated_level_is_the_distance_to_the_data_in_many_dimensions_only(d: int, near: bool) -> None:
    # Data at one point: P(k | x) is known, the estimate is |x| / sqrt(d), and x - d/2 grad of its square is the point.
    # Levels must be close enough to be confused, or the estimate is a staircase.
    space = Space((d,), kind="vector", support=None, levels=None)
    model = exact(
        GaussianMixture(torch.zeros(1, d), 1e-6), NoiseLevelConfig(levels=60, sigma_min=0.3, sigma_max=1.5), space
    )
    x = (0.7 * torch.randn(20, d, generator=torch.Generator().manual_seed(5))).double().requires_grad_()
    estimate = model.noise_level(x)
    (slope,) = torch.autograd.grad(estimate.square().sum(), x)
    left = (x - d / 2 * slope).norm(dim=1) / x.norm(dim=1)
    distance = x.norm(dim=1) / d**0.5
    assert bool((left < 0.15).all()) == near, left
    assert bool(((estimate / distance - 1).abs() < 0.05).all()) == near


def test_it_learns_two_points_from_their_noise() -> None:
    torch.manual_seed(0)
    law = GaussianMixture(torch.tensor([[-1.0], [1.0]]), 0.1)
    model = NoiseLevel(NoiseLevelConfig(levels=12, sigma_min=0.05, width=32, fourier_octaves=5), space_of(law))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    x = law.sample(4_096)
    before = score_error(model, law)
    for step in range(150):
        batch = Batch(x[torch.randint(len(x), (128,))], torch.arange(128))
        optimizer.zero_grad()
        model.loss(batch, player="model", step=step).loss.backward()
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 150)
        optimizer.step()
    assert score_error(model, law) < min(0.15, before / 3)
    x = model.sample(1_000)
    assert 0.4 < float((x > 0).float().mean()) < 0.6
    assert float((x.abs() - 1).abs().mean()) < 0.15


def score_error(model: NoiseLevel, law: GaussianMixture) -> float:
    """Mean squared error of the noise that the scores imply, over all levels."""
    errors = []
    for sigma in model.sigmas:
        x = law.sample(400, torch.Generator().manual_seed(6))
        x = x + sigma * torch.randn(400, 1, generator=torch.Generator().manual_seed(7))
        error = sigma * (model.score(x, sigma) - law.score(x.double(), float(sigma)).float())
        errors.append(float(error.square().mean()))
    return sum(errors) / len(errors)


def test_what_it_cannot_do_is_refused() -> None:
    model = exact()
    with pytest.raises(ValueError, match="without labels"):
        model.sample(2, torch.zeros(2))
    with pytest.raises(ValueError, match=r"shape \(4, 2\) for 4 examples; expected \(4, 25\)"):
        NoiseLevel(CONFIG, space_of(MIXTURE), discriminator=nn.Linear(2, 2)).logits(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="levels is 1"):
        NoiseLevelConfig(levels=1)
    with pytest.raises(ValueError, match="expected the first smaller"):
        NoiseLevelConfig(sigma_min=5.0)
    with pytest.raises(ValueError, match="at least 8"):
        NoiseLevel(NoiseLevelConfig(network="conv"), Space((1, 5, 5)))


IMAGES = Space((1, 8, 8), support=None, levels=None, mean=0.2, std=0.6)
SMALL = NoiseLevelConfig(levels=6, sigma_min=0.1, sigma_max=10.0, noise_mean=-0.5, width=8)


def energy_of(model: NoiseLevel) -> LevelEnergy:
    assert isinstance(model.discriminator, EnergyDiscriminator)
    return model.discriminator.energy


def waves(n: int = 400) -> Tensor:
    """Gaussian images of mean 0.2 and deviation 0.6 with correlations and a mean image."""
    random = torch.Generator().manual_seed(8)
    mix = torch.randn(64, 64, generator=random) * torch.linspace(2, 0, 64)
    x = torch.randn(n, 64, generator=random) @ mix.T + torch.randn(64, generator=random)
    return ((x - x.mean()) / x.std() * 0.6 + 0.2).reshape(n, 1, 8, 8)


def check_images_start_at_the_best_gaussian() -> None:
    model, x = NoiseLevel(SMALL, IMAGES), waves()
    model.start_from(ArrayData(x, space=IMAGES))
    flat = x.flatten(1).double()
    mean, covariance = flat.mean(dim=0), flat.T.cov(correction=0)
    for sigma in model.sigmas:
        at = x[:20] + sigma * torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(9))
        inverse = torch.linalg.inv(covariance + float(sigma) ** 2 * torch.eye(64).double())
        score = -((at.flatten(1) - mean) @ inverse).reshape(at.shape).float()
        torch.testing.assert_close(sigma * model.score(at, sigma), sigma * score, rtol=1e-3, atol=1e-3)
        law = torch.distributions.MultivariateNormal(mean, precision_matrix=inverse)
        ratio = law.log_prob(at.flatten(1).double()) - torch.distributions.Normal(
            model.space.mean, model.variance**0.5
        ).log_prob(at.flatten(1).double()).sum(dim=1)
        logits = model.logits(at)[:, [int((model.sigmas < sigma).sum()), -1]]
        torch.testing.assert_close(logits[:, 0] - logits[:, 1], ratio.float(), rtol=1e-3, atol=0.02)


def test_images_start_at_the_best_discriminator_of_gaussian_data() -> None:
    check_images_start_at_the_best_gaussian()


def check_the_errors() -> None:
    """At the best Gaussian both errors are those of EDM's target, 1 for isotropic data."""
    space = Space((1, 8, 8), support=None, levels=None, mean=3.0, std=2.0)
    model = NoiseLevel(SMALL, space)
    torch.manual_seed(10)
    terms = model.loss(Batch(3 + 2 * torch.randn(400, 1, 8, 8), torch.arange(400)), player="model", step=0).terms
    # 400 squared errors, each a mean of 64 squared normals: five standard deviations are 0.044. The inner denoiser has
    # an estimate of the level, which errs between the levels.
    assert float(terms["denoising"]) == pytest.approx(1, abs=0.044)
    assert 0.96 < float(terms["inner_denoising"]) < 2
    whole = terms["cross_entropy"] + terms["denoising"] + terms["inner_denoising"]
    torch.testing.assert_close(terms["loss"], whole)


def test_errors_are_1_at_every_level_for_isotropic_data() -> None:
    check_the_errors()


def check_the_classes() -> None:
    model = NoiseLevel(SMALL, IMAGES)
    shares = log_prior(SMALL).exp()
    assert float(shares.sum()) == pytest.approx(1) and float(shares[-1]) == pytest.approx(1 / 7)
    # Levels half a standard deviation about the mean have exp(-1/8) of its share, apart from the even part of 0.1 / 7.
    logs = torch.linspace(math.log(0.1), math.log(10.0), 6)
    normal = (shares[:-1] - 0.1 / 7) / (-0.5 * ((logs + 0.5) / 1.2) ** 2).exp()
    torch.testing.assert_close(normal, normal[:1].expand(6))
    # Logits that know nothing leave the entropy of the probabilities.
    model.discriminator = Bent(lambda x: 0 * x.flatten(1)[:, :7])
    terms = model.loss(Batch(torch.zeros(700, 1, 8, 8), torch.arange(700)), player="model", step=0).terms
    entropy = -float((shares * shares.log()).sum())
    assert float(terms["cross_entropy"]) == pytest.approx(entropy, abs=0.01) and entropy < math.log(7) - 0.1
    counts = torch.bincount(model._classes(10_000), minlength=7)
    assert float((counts - 10_000 * shares).abs().max()) <= 1.01


def test_levels_are_drawn_by_their_probabilities() -> None:
    check_the_classes()


def test_images_are_learned_by_an_energy_and_the_network_of_earlier_versions_remains() -> None:
    assert isinstance(NoiseLevel(NoiseLevelConfig(), IMAGES).discriminator, EnergyDiscriminator)
    before = NoiseLevel(NoiseLevelConfig(network="auto", width=8), IMAGES)
    assert isinstance(before.discriminator, LevelDiscriminator) and "discriminator.variances" in before.state_dict()
    x = torch.zeros(2, 1, 8, 8)
    before.start_from(ArrayData(x, space=IMAGES))
    assert "inner_denoising" not in before.loss(Batch(x, torch.arange(2)), player="model", step=0).terms
    vector = Space((3,), kind="vector", support=None, levels=None)
    for network in (None, "auto"):
        assert isinstance(NoiseLevel(NoiseLevelConfig(network=network), vector).discriminator, LevelDiscriminator)
    with pytest.raises(ValueError, match="sides of at least 8"):
        NoiseLevel(NoiseLevelConfig(network="unet"), Space((1, 5, 5)))


def check_leading_axes() -> None:
    model, x = NoiseLevel(SMALL, IMAGES), waves()
    data = ArrayData(x, space=Space((1, 8, 8), support=None, levels=None, mean=float(x.mean()), std=float(x.std())))
    model.start_from(data)
    gaussian = energy_of(model).gaussian
    total = x.flatten(1).double().var(dim=0, correction=0).sum()
    assert len(gaussian.variances) == 5
    assert float(gaussian.variances.sum() + 59 * gaussian.rest) == pytest.approx(float(total), rel=1e-3)


def test_large_images_start_with_their_leading_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_level, "EXACT", 10)
    monkeypatch.setattr(noise_level, "AXES", 5)
    check_leading_axes()


def two_images() -> tuple[ArrayData, Tensor]:
    cross = torch.ones(1, 8, 8)
    cross[..., 3:5] = cross[:, 3:5] = -1
    return ArrayData(torch.stack([cross, -cross]), space=Space((1, 8, 8), levels=None, mean=0.0, std=1.0)), cross


def first_slopes(weight: float) -> tuple[Tensor, Tensor]:
    """Return the slopes of the loss by the last layer of the U-Net, of the fields h and g, at the start."""
    torch.manual_seed(12)
    data, _ = two_images()
    model = NoiseLevel(replace(SMALL, denoising_weight=weight), data.space)
    model.start_from(data)
    model.loss(data.batch(torch.arange(32) % 2, "cpu"), player="model", step=0).loss.backward()
    network = energy_of(model).network
    assert isinstance(network, UNet)
    slope = network.last.weight.grad
    assert slope is not None
    return slope[:1], slope[1:]


def check_what_moves() -> None:
    h, g = first_slopes(0.0)
    assert float(h.abs().max()) == 0 < float(g.abs().max())
    h, _ = first_slopes(1.0)
    assert float(h.abs().max()) > 1e-3


def test_its_denoiser_moves_an_energy_that_is_stationary() -> None:
    check_what_moves()


class Fields(nn.Module):
    """In the place of the U-Net: a perceptron of one number of the linear estimate, and of the level."""

    def __init__(self, cross: Tensor, outputs: int) -> None:
        super().__init__()
        self.cross, self.first, self.last = cross, nn.Linear(2, 32), nn.Linear(32, 64 * outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        along = (x[:, 1] * self.cross).mean(dim=(1, 2))
        h = self.first(torch.stack([10 * along, level], dim=1))
        return self.last(h.tanh()).reshape(len(x), -1, 8, 8)


def test_it_learns_two_images_that_no_gaussian_tells_from_all_between() -> None:
    torch.manual_seed(0)
    data, cross = two_images()
    config = NoiseLevelConfig(levels=12, sigma_min=0.5, sigma_max=10.0, noise_mean=1.0, denoising_weight=30.0, width=8)
    model = NoiseLevel(config, data.space)
    model.start_from(data)
    energy_of(model).network = Fields(cross, 13)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2, betas=(0.9, 0.99))

    def error(sigma: Tensor) -> float:
        """Squared distance from E[x | x_t] = x tanh(<x, x_t> / sigma^2)."""
        x = cross + sigma * torch.randn(500, 1, 8, 8, generator=torch.Generator().manual_seed(11))
        best = cross * ((x * cross).sum(dim=(1, 2, 3), keepdim=True) / sigma**2).tanh()
        return float((model.denoise(x, sigma) - best).square().mean())

    before = error(model.sigmas[7])  # 3.4, at which the sign is often wrong
    for step in range(120):
        optimizer.zero_grad()
        model.loss(data.batch(torch.arange(64) % 2, "cpu"), player="model", step=step).loss.backward()
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 120)
        optimizer.step()
    assert error(model.sigmas[7]) < before / 3
    along = (model.sample(60)[:, 0] * cross).mean(dim=(1, 2))
    # Of samples of a Gaussian 18 of 60 are so near the middle; a fair coin is outside 12 to 48 with probability 2e-6.
    assert int((along.abs() < 0.4).sum()) < 6 and 12 <= int((along > 0).sum()) <= 48


MUTANTS = [
    ("_loss", "logits + self.log_prior", "logits", check_the_classes),
    ("_loss", "(inner - x) / sigma", "(inner - x)", check_the_errors),
    ("_loss", "for name, error in errors.items()", "for name, error in list(errors.items())[:1]", check_what_moves),
    ("_weights", "1 + (sigma / self.space.std) ** 2", "1 + sigma ** 2", check_the_errors),
    ("_classes", "self.log_prior.exp().cumsum(0)", "torch.arange(1, 8) / 7", check_the_classes),
    ("start_from", "found.variances", "found.variances * 1.1", check_images_start_at_the_best_gaussian),
    ("start_from", ".square().sum()", ".sum()", check_leading_axes),
]


@pytest.mark.parametrize(("name", "before", "after", "check"), MUTANTS)
def test_a_planted_mistake_is_found(
    name: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if check is check_leading_axes:
        monkeypatch.setattr(noise_level, "EXACT", 10)
        monkeypatch.setattr(noise_level, "AXES", 5)
    is_noticed(check, monkeypatch, NoiseLevel, name, before, after)
