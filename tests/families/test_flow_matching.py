"""Flow matching with the best network of a known mixture, and trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.families.exact_denoisers import THREE, BestFlow, mode_as_class, space_of
from tests.mutants import is_noticed

from veridical.config.families.flow_matching import FlowMatchingConfig, FlowMatchingSampling
from veridical.data.space import Space
from veridical.families.flow_matching import FlowMatching
from veridical.model import Batch, Denoiser
from veridical.noise import SampleNoise
from veridical.statistics import chi_square_test
from veridical.targets import GaussianMixture

pytestmark = pytest.mark.usefixtures("double_precision")

CONFIG = FlowMatchingConfig(sigma_min=0.05, likelihood_steps=60, evaluations=80)
ONE = Space((1,), kind="vector", support=None, levels=None, mean=2.0, std=0.3)


def exact(config: FlowMatchingConfig = CONFIG, labels: bool = False) -> FlowMatching:
    space = space_of(THREE, classes=3 if labels else None)
    assert config.sigma_min is not None
    return FlowMatching(config, space, network=BestFlow(THREE, space, config.sigma_min, labels))


def of_gaussian_data() -> FlowMatching:
    """The model at the start: its network is 0, the best one for Gaussian data."""
    return FlowMatching(FlowMatchingConfig(width=8, likelihood_steps=16), ONE)


def check_loss_of_gaussian_data() -> None:
    """With the best network the loss at time t is 1 / (a^2 + t^2), and pi / 2 in all; lines have the length 2."""
    model, n = of_gaussian_data(), 40_000
    x, z = torch.randn(n, 1), torch.randn(n, 1)
    for t in (0.0, 0.2, 0.5, 0.9):
        error = model.errors(x, torch.full((n, 1), t), z, None)[0].detach()
        expected = 1 / ((1 - (1 - 0.002) * t) ** 2 + t**2)
        assert float(error.mean()) == pytest.approx(expected, rel=4 * (2 / n) ** 0.5)  # four standard errors
    terms = model.loss(Batch(2 + 0.3 * x, torch.arange(n)), player="model", step=0).terms
    assert float(terms["loss"].detach()) == pytest.approx(math.pi / 2, rel=0.03)
    assert float(terms["length"]) == pytest.approx(2, rel=0.03)


def check_denoiser() -> None:
    """With the best network it is the mean of clean data: x + sigma^2 grad log p_sigma, by automatic derivatives."""
    model = exact()
    assert isinstance(model, Denoiser)
    x, sigma = THREE.sample(50) + torch.randn(50, 2), 0.1 + 3 * torch.rand(50)
    x.requires_grad_()
    (score,) = torch.autograd.grad(THREE.log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(model.denoise(x, sigma), x + sigma[:, None] ** 2 * score, rtol=1e-6, atol=1e-8)


def check_density() -> None:
    """The likelihood is the density of the mixture with the least noise."""
    model = exact()
    x = torch.cat([THREE.sample(60), THREE.sample(20) + 0.5 * torch.randn(20, 2)])
    expected = THREE.log_prob(x, model.sigma_min * model.space.std)
    torch.testing.assert_close(model.log_prob(x), expected, rtol=0, atol=5e-3)


def check_gaussian_density() -> None:
    """At the start it is that of N(mean, std^2) with the least noise, in data space."""
    model, x = of_gaussian_data(), 2 + torch.randn(8, 1)
    width = 0.3 * (1 + model.sigma_min**2) ** 0.5
    expected = torch.distributions.Normal(2.0, width).log_prob(x)[:, 0]
    torch.testing.assert_close(model.log_prob(x), expected, rtol=1e-5, atol=1e-5)


def check_samples() -> None:
    """Samples have the shares of the modes, and their widths within what the solver and 4,000 samples leave."""
    torch.manual_seed(1)
    model = exact(FlowMatchingConfig(sigma_min=0.01))
    for options in (FlowMatchingSampling(), FlowMatchingSampling(method="rk4", evaluations=40)):
        mode, distance = THREE.nearest_mode(model.sample(4_000, options=options))
        shares = torch.bincount(mode, minlength=3)
        assert chi_square_test(shares.numpy(), (4_000 * THREE.weights).numpy()).p_value > 1e-4
        assert float((distance.square().mean() / 2).sqrt()) == pytest.approx(1, abs=0.04)


def check_guidance() -> None:
    """Weight 1 is the velocity of the class, 0 that of all."""
    model = exact(FlowMatchingConfig(labels=True, sigma_min=0.05), labels=True)
    x, sigma, c = torch.randn(6, 2), torch.tensor(0.8), torch.tensor([0, 1, 2, 0, 1, 2])
    given = torch.stack(
        [row + 0.8**2 * mode_as_class(THREE, int(k)).score(row, 0.8) for row, k in zip(x, c, strict=True)]
    )
    torch.testing.assert_close(model.denoise(x, sigma, c), given)
    torch.testing.assert_close(model.denoise(x, sigma), x + 0.8**2 * THREE.score(x, 0.8))
    y, t = torch.randn(6, 2), torch.full((6, 1), 0.4)
    none, of_class = model.moving(y, t, model.label_rows(6, None)), model.moving(y, t, c)
    for weight in (0.0, 1.0, 3.0):
        torch.testing.assert_close(model.moving(y, t, c, weight), none + weight * (of_class - none))


def test_optimal_pairs_shorten_the_lines() -> None:
    space, x = space_of(THREE), THREE.sample(256)
    lengths = []
    for coupling in ("independent", "optimal"):
        torch.manual_seed(3)
        model = FlowMatching(FlowMatchingConfig(width=8, coupling=coupling), space)  # type: ignore[arg-type]
        torch.manual_seed(4)
        lengths.append(float(model.loss(Batch(x, torch.arange(256)), player="model", step=0).terms["length"]))
        assert (model.pattern(3) is None) == (coupling == "optimal")
    assert lengths[1] < 0.5 * lengths[0]


def test_every_sampler_draws_from_the_noise_of_its_row_and_counts_its_evaluations() -> None:
    model, calls = exact(), 0
    network = model.network.forward

    def counted(*given: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return network(*given)

    model.network.forward = counted  # type: ignore[method-assign]
    for method in ("euler", "heun", "rk4"):
        calls, options = 0, FlowMatchingSampling(method=method, evaluations=8)
        whole = model.sample(4, noise=SampleNoise(0, 0, 4), options=options)
        assert calls == 8
        torch.testing.assert_close(model.sample(1, noise=SampleNoise(0, 2, 1), options=options), whole[2:3])


def test_it_learns_a_mixture() -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    law = GaussianMixture(torch.tensor([[-1.0], [1.0]]), 0.1)
    model = FlowMatching(FlowMatchingConfig(width=16, depth=2, coupling="optimal"), space_of(law))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    x = law.sample(4_096)
    for step in range(120):
        batch = Batch(x[torch.randint(len(x), (256,))], torch.arange(256))
        optimizer.zero_grad()
        model.loss(batch, player="model", step=step).loss.backward()
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / 120)
        optimizer.step()
    with torch.no_grad():
        drawn, nats = model.sample(1_000), model.log_prob(x[:500])
    assert 0.4 < float((drawn > 0).float().mean()) < 0.6
    assert float((drawn.abs() - 1).abs().mean()) < 0.2
    shortfall = law.log_prob(x[:500]) - nats
    assert -0.1 < float(shortfall.mean()) < 0.5  # nats; it does not beat the law


def test_what_it_cannot_do_is_refused() -> None:
    model = exact()
    with pytest.raises(ValueError, match="without labels"):
        model.sample(2, torch.zeros(2).long())
    with pytest.raises(ValueError, match="this model removes noise from"):
        model.denoise(torch.zeros(1, 2), torch.tensor(1e-3))
    with pytest.raises(ValueError, match="rk4 takes 4 for each step"):
        model.sample(2, options=FlowMatchingSampling(method="rk4", evaluations=10))


CHECKS = (
    check_loss_of_gaussian_data,
    check_denoiser,
    check_density,
    check_gaussian_density,
    check_samples,
    check_guidance,
)
MUTANTS = [
    ("errors", "x - (1 - self.sigma_min) * z", "x + z", check_loss_of_gaussian_data),
    ("errors", "self.share_of_noise(t) * z + t * x", "t * z + self.share_of_noise(t) * x", check_loss_of_gaussian_data),
    ("loss", "self.to_standard(batch.x)", "batch.x", check_loss_of_gaussian_data),
    ("moving", "(t - s * a) / variance", "(t + s * a) / variance", check_loss_of_gaussian_data),
    ("moving", "+ scale * self.guided", "+ self.guided", check_density),
    ("moving", "self.guided(scale * y", "self.guided(y", check_density),
    ("denoised", "+ 1 - self.sigma_min)", "+ 1)", check_denoiser),
    ("denoised", "self.moving(t * x", "self.moving(x", check_denoiser),
    ("denoised", "self.share_of_noise(t) * v", "t * v", check_denoiser),
    ("times", "torch.linspace(1, 0", "torch.linspace(0, 1", check_density),
    ("sample", ".flip(0)", "", check_samples),
    ("sample", "chosen.method)", "'euler')", check_samples),
]


@pytest.mark.parametrize("check", CHECKS)
def test_known_answers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("function", "before", "after", "check"), MUTANTS)
def test_a_wrong_line_is_noticed(
    function: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, FlowMatching, function, before, after)
