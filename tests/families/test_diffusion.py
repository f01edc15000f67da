"""Diffusion models with the best network of a known mixture, and trained ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.families.exact_denoisers import THREE, BestDiffusion, mode_as_class, space_of
from tests.mutants import is_noticed
from torch import Tensor, nn

from veridical.config.families.diffusion import DiffusionConfig, DiffusionSampling
from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.families.diffusion import Diffusion
from veridical.families.guided import Guided
from veridical.families.probability_flow import ProbabilityFlow
from veridical.model import Batch, Denoiser
from veridical.noise import SampleNoise
from veridical.statistics import chi_square_test
from veridical.targets import GaussianMixture

pytestmark = pytest.mark.usefixtures("double_precision")

CONFIG = DiffusionConfig(sigma_min=0.05, sigma_max=80.0, likelihood_steps=60, evaluations=80)
ONE = Space((1,), kind="vector", support=None, levels=None, mean=2.0, std=0.3)


def exact(config: DiffusionConfig = CONFIG, labels: bool = False) -> Diffusion:
    space = space_of(THREE, classes=3 if labels else None)
    return Diffusion(config, space, network=BestDiffusion(THREE, space, labels))


def of_gaussian_data() -> Diffusion:
    """The model at the start: its network is 0, the best one for Gaussian data."""
    return Diffusion(DiffusionConfig(width=8, likelihood_steps=2), ONE)


def check_loss_of_gaussian_data() -> None:
    """With the best network the loss of N(mean, std^2) is 1 at every sigma, and 1 in all."""
    model, n = of_gaussian_data(), 40_000
    x, eps = torch.randn(n, 1), torch.randn(n, 1)
    for sigma in (0.01, 0.3, 1.0, 4.0, 50.0):
        error = model.errors(x, torch.full((n, 1), sigma), eps, None).detach()
        assert float(error.mean()) == pytest.approx(1.0, abs=4 * (2 / n) ** 0.5)  # four standard errors
    batch = Batch(ONE.mean + ONE.std * x, torch.arange(n))
    terms = model.loss(batch, player="model", step=0).terms
    for name in ("loss", "loss_low", "loss_high"):
        assert float(terms[name].detach()) == pytest.approx(1.0, abs=8 * (2 / n) ** 0.5)


def check_loss_is_that_of_the_paper() -> None:
    """The error of the target is the weighted error of the denoiser, for any network."""
    torch.manual_seed(0)
    model = perturbed(Diffusion(DiffusionConfig(width=8), ONE))
    x, eps, sigma = torch.randn(9, 1), torch.randn(9, 1), 3 * torch.rand(9, 1)
    found = model.errors(x, sigma, eps, None)
    clean = model.denoised(x + sigma * eps, sigma.flatten(), None)
    weight = (sigma**2 + 1) / sigma**2
    torch.testing.assert_close(found, (weight * (clean - x) ** 2).mean(1))


def check_denoiser() -> None:
    """With the best network it is the mean of clean data: x + sigma^2 grad log p_sigma, by automatic derivatives."""
    model = exact()
    assert isinstance(model, Denoiser)
    x, sigma = THREE.sample(50) + torch.randn(50, 2), 0.05 + 3 * torch.rand(50)
    x.requires_grad_()
    (score,) = torch.autograd.grad(THREE.log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(model.denoise(x, sigma), x + sigma[:, None] ** 2 * score, rtol=1e-6, atol=1e-8)


def check_density() -> None:
    """The likelihood of the probability flow is the density of the mixture with the least noise."""
    model = exact()
    x = torch.cat([THREE.sample(60), THREE.sample(20) + 0.5 * torch.randn(20, 2)])
    expected = THREE.log_prob(x, model.sigma_min * model.space.std)
    torch.testing.assert_close(model.log_prob(x), expected, rtol=0, atol=5e-3)


def check_gaussian_density() -> None:
    """At the start it is that of N(mean, std^2) with the least noise, in data space, after any number of steps."""
    model, x = of_gaussian_data(), 2 + torch.randn(8, 1)
    width = 0.3 * (1 + model.sigma_min**2) ** 0.5
    torch.testing.assert_close(model.log_prob(x), torch.distributions.Normal(2.0, width).log_prob(x)[:, 0])


def check_samples() -> None:
    """Samples have the shares of the modes, and their widths within what the solver and 4,000 samples leave."""
    torch.manual_seed(1)
    for method in ("heun", "sde"):
        x = exact(DiffusionConfig(sigma_min=0.01, evaluations=100)).sample(
            4_000, options=DiffusionSampling(method=method)
        )
        mode, distance = THREE.nearest_mode(x)
        shares = torch.bincount(mode, minlength=3)
        assert chi_square_test(shares.numpy(), (4_000 * THREE.weights).numpy()).p_value > 1e-4
        assert float((distance.square().mean() / 2).sqrt()) == pytest.approx(1, abs=0.04)


def check_guidance() -> None:
    """Weight 1 is the denoiser of the class, 0 that of all; others lie on the line through both."""
    model = exact(labels=True, config=DiffusionConfig(labels=True, sigma_max=30.0))
    x, sigma, c = torch.randn(6, 2), torch.tensor(0.8), torch.tensor([0, 1, 2, 0, 1, 2])
    std, mean = model.space.std, model.space.mean
    network = BestDiffusion(THREE, model.space)
    none = network.clean(x, sigma.expand(6), None)
    data = mean + std * x
    given = torch.stack(
        [
            row + (0.8 * std) ** 2 * mode_as_class(THREE, int(k)).score(row, 0.8 * std)
            for row, k in zip(data, c, strict=True)
        ]
    )
    given = (given - mean) / std
    torch.testing.assert_close(model.denoised(x, sigma, c, 1.0), given)
    torch.testing.assert_close(model.denoised(x, sigma, c, 0.0), none)
    torch.testing.assert_close(model.denoised(x, sigma, model.label_rows(6, None), 1.0), none)
    torch.testing.assert_close(model.denoised(x, sigma, c, 3.0), none + 3 * (given - none))


def check_labels_are_dropped() -> None:
    """A share of the labels is replaced by the one that stands for none, and no other."""
    model = exact(labels=True, config=DiffusionConfig(labels=True, label_dropout=0.25))
    c = torch.randint(3, (20_000,))
    found = model.training_labels(Batch(torch.zeros(20_000, 2), torch.arange(20_000), c))
    assert found is not None
    share = float((found == 3).double().mean())
    assert abs(share - 0.25) < 3.9 * (0.25 * 0.75 / 20_000) ** 0.5 and bool(((found == c) | (found == 3)).all())


def check_levels() -> None:
    """On a discrete law the bound is below log P, and close to it when the denoiser is exact."""
    grid = torch.tensor([[-1.0, -1.0], [-1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    p = torch.tensor([0.1, 0.2, 0.3, 0.4])
    law = GaussianMixture(grid, 1e-4, p)
    mean = float((p @ grid).mean())
    std = float(((p @ (grid - mean) ** 2).mean()) ** 0.5)
    space = Space((2,), kind="vector", support=(-1.0, 1.0), levels=3, mean=mean, std=std)
    config = DiffusionConfig(likelihood_steps=24, evaluations=60)
    model = Diffusion(config, space, network=BestDiffusion(law, space))
    log_p, copies = p.log() - log_det(space), 25
    elbo = model.elbo(grid.repeat(copies, 1)).reshape(copies, 4)
    error = 4 * elbo.std(0) / copies**0.5 + 0.02  # four standard errors, and what the solver leaves
    assert ((elbo.mean(0) <= log_p + error) & (elbo.mean(0) > log_p - 0.1 - error)).all()
    bound = model.dequantised_bound(grid, 5)
    assert ((bound < log_p + 0.1) & (bound > log_p - 0.2)).all()
    x = model.sample(1_000)
    counts = [int((x == row).all(1).sum()) for row in grid]
    assert sum(counts) > 950  # levels are drawn one by one, given the noisy values of all
    assert chi_square_test(torch.tensor(counts).numpy(), (sum(counts) * p).numpy()).p_value > 1e-4


def perturbed(model: Diffusion) -> Diffusion:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def test_every_sampler_draws_from_the_noise_of_its_row() -> None:
    model = exact(DiffusionConfig(sigma_max=10.0))
    for method in ("heun", "euler", "ddim", "sde"):
        options = DiffusionSampling(method=method, evaluations=6)
        whole = model.sample(4, noise=SampleNoise(0, 0, 4), options=options)
        alone = model.sample(1, noise=SampleNoise(0, 2, 1), options=options)
        torch.testing.assert_close(alone, whole[2:3])


def test_evaluations_are_counted() -> None:
    model, calls = exact(), 0

    class Counted(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, *given: Any) -> Tensor:
            nonlocal calls
            calls += 1
            return self.network(*given)

    model.network = Counted(model.network)
    for method in ("heun", "euler", "ddim", "sde"):
        calls = 0
        model.sample(2, options=DiffusionSampling(method=method, evaluations=12))
        assert calls == 12
    calls = 0
    model.sample(2)
    assert calls == CONFIG.evaluations


def test_it_learns_a_mixture() -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    law = GaussianMixture(torch.tensor([[-1.0], [1.0]]), 0.1)
    model = Diffusion(DiffusionConfig(width=16, depth=2), space_of(law))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    x, losses = law.sample(4_096), []
    for step in range(120):
        batch = Batch(x[torch.randint(len(x), (256,))], torch.arange(256))
        optimizer.zero_grad()
        loss = model.loss(batch, player="model", step=step).loss
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / 120)
        optimizer.step()
    assert sum(losses[-20:]) / 20 < 0.8 * losses[0]
    with torch.no_grad():
        drawn, nats = model.sample(1_000), model.log_prob(x[:500])
    assert 0.4 < float((drawn > 0).float().mean()) < 0.6
    assert float((drawn.abs() - 1).abs().mean()) < 0.15
    shortfall = law.log_prob(x[:500]) - nats
    assert -0.1 < float(shortfall.mean()) < 0.3  # nats; it does not beat the law


def test_what_it_cannot_do_is_refused() -> None:
    model = exact()
    with pytest.raises(ValueError, match="without labels"):
        model.sample(2, torch.zeros(2).long())
    with pytest.raises(ValueError, match="this model removes noise from"):
        model.denoise(torch.zeros(1, 2), torch.tensor(1e6))
    with pytest.raises(ValueError, match="no class is given"):
        model.sample(2, options=DiffusionSampling(guidance=2.0))
    with pytest.raises(ValueError, match="the data have no labels"):
        Diffusion(DiffusionConfig(labels=True), space_of(THREE))
    labelled = exact(DiffusionConfig(labels=True, label_dropout=0.0), labels=True)
    with pytest.raises(ValueError, match="label_dropout is 0"):
        labelled.sample(2)
    with pytest.raises(ValueError, match="has not learned p"):
        labelled.sample(1, torch.tensor([0]), options=DiffusionSampling(guidance=2.0))
    with pytest.raises(ValueError, match="expected 2 labels from 0 to 2"):
        labelled.sample(2, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="no labels, and this model learns"):
        labelled.loss(Batch(torch.zeros(2, 2), torch.arange(2)), player="model", step=0)
    with pytest.raises(ValueError, match="expected \\(C, H, W\\)"):
        Diffusion(DiffusionConfig(network="unet"), ONE)
    with pytest.raises(ValueError, match="noise, and levels"):
        model.noise_log_weights(torch.zeros(1, 2), 1)
    levels = Space((2,), kind="vector", support=(0.0, 1.0), levels=2)
    with pytest.raises(ValueError, match="density of continuous values only"):
        Diffusion(DiffusionConfig(width=8), levels).log_prob(torch.zeros(1, 2))


CHECKS = (
    check_loss_of_gaussian_data,
    check_loss_is_that_of_the_paper,
    check_denoiser,
    check_density,
    check_gaussian_density,
    check_samples,
    check_guidance,
    check_labels_are_dropped,
    check_levels,
)
MUTANTS = [
    (Diffusion, "errors", "sigma * s.into * x - s.into * eps", "sigma * s.into * x", check_loss_of_gaussian_data),
    (
        Diffusion,
        "errors",
        "sigma * s.into * x - s.into * eps",
        "s.into * x - sigma * s.into * eps",
        check_loss_is_that_of_the_paper,
    ),
    (
        Diffusion,
        "loss",
        "(error * low).sum() / low.sum()",
        "(error * low).sum() / low.numel() / low.sum()",
        check_loss_of_gaussian_data,
    ),
    (ProbabilityFlow, "to_standard", " / self.space.std", "", check_loss_of_gaussian_data),
    (Diffusion, "denoised", "s.out * self", "s.out * 0.9 * self", check_denoiser),
    (ProbabilityFlow, "denoise", "sigma / self.space.std", "sigma", check_denoiser),
    (Diffusion, "velocity", "-self.guided", "self.guided", check_density),
    (Diffusion, "times", ".flip(0)", "", check_density),
    (Diffusion, "velocity", "t.tan().log() / 4", "t.log() / 4", check_density),
    (ProbabilityFlow, "_nats", "+ expansion", "- expansion", check_density),
    (ProbabilityFlow, "_nats", "+ self.space.dim * math.log(scale)", "", check_gaussian_density),
    (ProbabilityFlow, "_nats", "self.shrinkage / self.space.std", "1 / self.space.std", check_gaussian_density),
    (Diffusion, "sample", "(1 + most**2) ** 0.5", "0.5 * most", check_samples),
    (ProbabilityFlow, "to_data", "self.space.std * x", "x", check_samples),
    (Guided, "guided", "none + guidance *", "guidance *", check_guidance),
    (Guided, "guided", "torch.full_like(c, self.classes)", "torch.full_like(c, 0)", check_guidance),
    (Guided, "training_labels", "< self.label", "> self.label", check_labels_are_dropped),
    (ProbabilityFlow, "_log_weight", "- log_q", "", check_levels),
    (ProbabilityFlow, "last_mean", "self.noise_range[0]", "2 * self.noise_range[0]", check_levels),
    (
        ProbabilityFlow,
        "from_standard",
        "self.last_mean(x, c)",
        "self.last_mean(x, c) + self.cells.width",
        check_levels,
    ),
]


@pytest.mark.parametrize("check", CHECKS)
def test_known_answers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("owner", "function", "before", "after", "check"), MUTANTS)
def test_a_wrong_line_is_noticed(
    owner: type, function: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, owner, function, before, after)
