"""Two levels of codes where the evidence is known: linear levels in closed form, one unit each by quadrature."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.mutants import mutated
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from veridical.config.families.hierarchical_vae import HierarchicalVAEConfig
from veridical.evaluation.importance import can_be_weighted, importance_bound
from veridical.families.hierarchical_vae import HierarchicalVAE
from veridical.families.variational import LOG_VAR_BOUND
from veridical.model import Batch, Space

PLANE = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=5.0)
SPINS = Space((4,), kind="lattice", levels=2)
GREY = Space((2,), kind="vector", levels=5)
IMAGES = Space((1, 8, 8), levels=17, mean=-0.4, std=0.75)
SMALL = HierarchicalVAEConfig(upper_dim=1, lower_dim=1, width=8, features=8)


pytestmark = pytest.mark.usefixtures("double_precision")


def batch(x: Tensor) -> Batch:
    return Batch(x, torch.arange(len(x)))


def all_examples(space: Space) -> Tensor:
    assert space.support is not None and space.levels is not None
    levels = torch.linspace(*space.support, space.levels).tolist()
    return torch.tensor(list(itertools.product(levels, repeat=space.dim)))


def random_model(space: Space, config: HierarchicalVAEConfig = SMALL) -> HierarchicalVAE:
    """Weights that use both levels, with an encoder that knows of them."""
    model = HierarchicalVAE(config, space)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def log_probability(model: HierarchicalVAE, x: Tensor) -> Tensor:
    """log P(x) of a model with one unit on each level, by quadrature over both."""
    axis = torch.linspace(-7, 7, 141)
    z = torch.cartesian_prod(axis, axis)
    weight = torch.log_softmax(-z.square().sum(1) / 2, 0)
    with torch.no_grad():
        nats = model.log_likelihood(x, z[:, None].expand(-1, len(x), 2))
    return (nats + weight[:, None]).logsumexp(0)


class Linear(nn.Module):
    """x = A z + b from z_1 before z_2, and features that are the example itself."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.layer.weight.copy_(weight)
            self.layer.bias.copy_(bias)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z)


def linear_model(sigma: float = 0.6) -> tuple[HierarchicalVAE, MultivariateNormal, MultivariateNormal]:
    """A model whose levels are linear, its evidence, and the joint of x and codes (x, z_2, e_1)."""
    d, upper, lower = 4, 1, 2
    config = HierarchicalVAEConfig(upper_dim=upper, lower_dim=lower, features=d, depth=0)
    space = Space((d,), kind="vector", support=None, levels=None)
    weight, bias = torch.randn(d, lower + upper), torch.randn(d)
    model = HierarchicalVAE(config, space, encoder=nn.Identity(), decoder=Linear(weight, bias))
    M, scale = torch.tensor([[1.2], [-0.7]]), torch.tensor([0.8, 1.5])
    W = torch.cat([weight[:, :lower] @ M + weight[:, lower:], weight[:, :lower] * scale], 1)  # x = W (z_2, e_1) + b
    evidence = MultivariateNormal(bias, W @ W.T + sigma**2 * torch.eye(d))
    posterior = torch.linalg.inv(torch.eye(3) + W.T @ W / sigma**2)
    gain = posterior @ W.T / sigma**2  # the mean of (z_2, e_1) given x is gain (x - b)
    with torch.no_grad():
        set_affine(
            model.lower_prior,
            torch.cat([M, torch.zeros(lower, 1)]),
            torch.cat([torch.zeros(lower), raw(2 * scale.log())]),
        )
        top = posterior[:1, :1]
        set_affine(
            model.upper, torch.cat([gain[:1], torch.zeros(1, d)]), torch.cat([-gain[:1] @ bias, raw(top[0].log())])
        )
        slope = posterior[1:, :1] / top
        given = posterior[1:, 1:] - slope @ posterior[:1, 1:]
        rest = gain[1:] - slope @ gain[:1]
        set_affine(
            model.lower,
            torch.cat([torch.cat([rest, slope], 1), torch.zeros(lower, d + 1)]),
            torch.cat([-rest @ bias, raw(given.diag().log())]),
        )
        model.log_scale.fill_(0.5 * math.log(sigma**2 - 1e-6))
    return model, evidence, MultivariateNormal(torch.zeros(lower), given)


def raw(log_var: Tensor) -> Tensor:
    """The network's output of a log variance."""
    return LOG_VAR_BOUND * torch.atanh(log_var / LOG_VAR_BOUND)


def set_affine(network: nn.Module, weight: Tensor, bias: Tensor) -> None:
    (layer,) = [module for module in network.modules() if isinstance(module, nn.Linear)]
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def test_with_linear_levels_the_bound_misses_by_the_divergence_of_the_lower_level() -> None:
    """All of the inference is exact but that the lower codes are independent given the upper one."""
    model, evidence, lower = linear_model()
    x = evidence.sample((6,))
    diagonal = MultivariateNormal(lower.loc, lower.covariance_matrix.diagonal().diag())
    expected = evidence.log_prob(x) - kl_divergence(diagonal, lower)
    with torch.no_grad():
        draws = model.elbo(x.repeat(4_000, 1)).reshape(-1, 6)
    # Six comparisons at five standard errors: false-alarm rate 3e-6.
    assert ((draws.mean(0) - expected).abs() < 5 * draws.std(0) / math.sqrt(4_000)).all()
    assert float(kl_divergence(diagonal, lower)) > 0.01


def test_importance_weights_close_the_gap_on_linear_levels() -> None:
    model, evidence, _ = linear_model()
    x = evidence.sample((6,))
    own = model.iwae(x, 5_000)
    assert can_be_weighted(model)
    for bound in (own, importance_bound(model, x, 5_000)):
        # The variance of a weight is below 1 here, so that 5,000 leave errors of 0.014 at one standard error.
        assert (bound - evidence.log_prob(x)).abs().max() < 0.07


@pytest.mark.parametrize("space", [SPINS, GREY], ids=["spins", "grey"])
def test_elbo_then_iwae_then_evidence(space: Space) -> None:
    config = SMALL if space is SPINS else replace(SMALL, likelihood="categorical")
    model = random_model(space, config)
    x = all_examples(space)
    log_p = log_probability(model, x)
    delta = 0.0 if space is SPINS else 2 * math.log(space.bin_width or 1.0)
    assert (log_p + delta).exp().sum().item() == pytest.approx(1, abs=1e-6)
    rows = x.repeat_interleave(300, 0)
    with torch.no_grad():
        bounds = torch.stack([model.elbo(rows), model.iwae(rows, 1), model.iwae(rows, 30)]).reshape(3, len(x), 300)
    mean, error = bounds.mean(-1), bounds.std(-1) / math.sqrt(300)
    # 3 x 25 comparisons at six standard errors, and 2 at five: false-alarm rate below 1e-6.
    assert (mean <= log_p + 6 * error + 1e-9).all()
    average, spread = mean.mean(1), error.square().sum(1).sqrt() / len(x)
    assert abs(average[0] - average[1]) < 5 * (spread[0] + spread[1])
    assert average[2] > average[1] + 5 * spread[1]


def test_the_lower_code_has_its_prior_given_the_upper_one() -> None:
    model = random_model(PLANE, replace(SMALL, lower_dim=3, upper_dim=2))
    upper = torch.randn(1, 2)
    z = torch.cat([upper.expand(20_000, 2), torch.randn(20_000, 3)], 1)
    with torch.no_grad():
        inputs = model.decoder_input(z)
        m, log_var = model.lower_prior(upper).chunk(2, 1)
        scale = (0.5 * LOG_VAR_BOUND * torch.tanh(log_var / LOG_VAR_BOUND)).exp()
    assert torch.equal(inputs[:, 3:], z[:, :2])
    standard = (inputs[:, :3] - m) / scale
    torch.testing.assert_close(standard, z[:, 2:])


def test_the_divergence_of_the_lower_level_is_that_in_its_own_units() -> None:
    model = random_model(PLANE, replace(SMALL, lower_dim=3, upper_dim=2))
    x = torch.randn(5, 2)
    with torch.no_grad():
        encoded = model.encode(x)
        z, _ = model.propose(encoded, 1)
        upper = z[0, :, :2]
        mu, log_var = model.given_upper(encoded[0], upper)
        m, s = model.lower_prior(upper).chunk(2, 1)
        s = (0.5 * LOG_VAR_BOUND * torch.tanh(s / LOG_VAR_BOUND)).exp()
        q = Independent(Normal(m + s * mu, s * (0.5 * log_var).exp()), 1)
        expected = kl_divergence(q, Independent(Normal(m, s), 1))
        torch.testing.assert_close(model.divergences(encoded, z)[0, :, 1], expected)


def test_free_bits_are_those_of_a_level() -> None:
    x = torch.randn(40, 2)
    losses = {}
    for free in (0.0, 100.0):
        torch.manual_seed(1)
        model = HierarchicalVAE(replace(SMALL, free_bits=free), PLANE)
        losses[free] = model.loss(batch(x), player="model", step=0)
    terms = losses[0.0].terms
    assert terms["kl_upper"] < 100 and terms["kl_lower"] < 100
    torch.testing.assert_close(losses[100.0].loss, losses[0.0].loss - terms["kl"] + 200.0)


def test_sizes_follow_the_data() -> None:
    assert HierarchicalVAE(HierarchicalVAEConfig(), PLANE).latent_shape == (4,)
    assert HierarchicalVAE(HierarchicalVAEConfig(), IMAGES).latent_shape == (48,)
    kinds = {type(m).__name__ for m in HierarchicalVAE(HierarchicalVAEConfig(width=4), IMAGES).modules()}
    assert "ConvEncoder" in kinds and "ConvDecoder" in kinds


def test_features_are_left_out_in_training_only() -> None:
    model = HierarchicalVAE(replace(SMALL, dropout=0.5), PLANE)
    x = torch.randn(3, 2)
    assert not torch.equal(model.encode(x)[1], model.encode(x)[1])
    model.eval()
    assert torch.equal(model.encode(x)[1], model.encode(x)[1])


def test_refusals_say_what_to_do() -> None:
    model = HierarchicalVAE(SMALL, PLANE)
    with pytest.raises(ValueError, match=r"this HierarchicalVAE was built for \(2,\). Pass a batch \(B, 2\)"):
        model.elbo(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="without labels"):
        model.sample(3, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"encoder returned \(4, 5\).*expected \(4, 8\)"):
        HierarchicalVAE(SMALL, PLANE, encoder=nn.Linear(2, 5)).elbo(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"decoder returned \(4, 5\).*expected \(4, 2\): means in data space"):
        HierarchicalVAE(SMALL, PLANE, decoder=nn.Linear(2, 5)).elbo(torch.zeros(4, 2))


def test_your_own_networks() -> None:
    model = HierarchicalVAE(SMALL, PLANE, encoder=nn.Linear(2, 8), decoder=nn.Linear(2, 2))
    assert model.elbo(model.sample(5)).shape == (5,)


LINEAR = test_with_linear_levels_the_bound_misses_by_the_divergence_of_the_lower_level
MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "the lower level costs nothing": (
        "divergences",
        "gaussian_kl(*self.given_upper(features, z[..., : self.upper_dim]))",
        "0 * upper",
        LINEAR,
    ),
    "the upper level costs nothing": (
        "divergences",
        "gaussian_kl(mu, log_var)",
        "0 * gaussian_kl(mu, log_var)",
        LINEAR,
    ),
    "the lower code forgets the upper one": ("given_upper", "[features, upper]", "[features, 0 * upper]", LINEAR),
    "the variance for the standard deviation": (
        "decoder_input",
        "(0.5 * bounded_log_var(log_var))",
        "bounded_log_var(log_var)",
        test_the_lower_code_has_its_prior_given_the_upper_one,
    ),
    "levels in the other order": (
        "decoder_input",
        "[self.upper_dim, self.lower_dim]",
        "[self.lower_dim, self.upper_dim]",
        test_with_linear_levels_the_bound_misses_by_the_divergence_of_the_lower_level,
    ),
    "the divergence has the other sign": (
        "divergences",
        "gaussian_kl(mu, log_var)",
        "(-gaussian_kl(mu, log_var))",
        LINEAR,
    ),
    "log q of the upper level alone": (
        "propose",
        "q.log_prob(z)",
        "q.log_prob(z) - gaussian_log_prob(z[..., 1:], *q.lower(z[..., :1]))",
        test_importance_weights_close_the_gap_on_linear_levels,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, before, after, test = MUTANTS[name]
    from veridical.objectives.likelihoods import gaussian_log_prob

    monkeypatch.setattr("veridical.families.hierarchical_vae.gaussian_log_prob", gaussian_log_prob, raising=False)
    function: Any = getattr(HierarchicalVAE, method)
    monkeypatch.setattr(HierarchicalVAE, method, mutated(function, before, after))
    with pytest.raises((AssertionError, RuntimeError)):
        test()
