"""The VAE where its evidence is known: linear (closed form), one latent unit (quadrature), few data (all of them)."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from veridical.config import OptimizerConfig, VAEConfig
from veridical.families.vae import VAE
from veridical.families.variational import LOG_VAR_BOUND
from veridical.model import Batch, Encoder, LatentVariable, LikelihoodBound, Sampler, Space, Trainable
from veridical.training.fit import State, fit

PLANE = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=5.0)
SPINS = Space((4,), kind="lattice", levels=2)
GREY = Space((2,), kind="vector", levels=5)
IMAGES = Space((1, 8, 8), levels=17, mean=-0.4, std=0.75)
SMALL = VAEConfig(latent_dim=1, width=8)


pytestmark = pytest.mark.usefixtures("double_precision")


def vector(d: int) -> Space:
    return Space((d,), kind="vector", support=None, levels=None)


def batch(x: Tensor) -> Batch:
    return Batch(x, torch.arange(len(x)))


def all_examples(space: Space) -> Tensor:
    assert space.support is not None and space.levels is not None
    levels = torch.linspace(*space.support, space.levels).tolist()
    return torch.tensor(list(itertools.product(levels, repeat=space.dim))).reshape(-1, *space.shape)


def prior_grid() -> tuple[Tensor, Tensor]:
    """Codes (4001, 1) and weights of the trapezoid rule for the standard normal; converges exponentially."""
    z = torch.linspace(-10, 10, 4001)
    return z[:, None], torch.softmax(-z.square() / 2, 0)


def log_probability(model: VAE, x: Tensor) -> Tensor:
    """log P(x) of two-valued or quantised data under a model with one latent unit, by quadrature over z."""
    z, weight = prior_grid()
    mean, width = model.decode(z).detach()[:, None].flatten(2), model.space.bin_width
    assert width is not None and model.space.support is not None
    low, high = model.space.support
    x = x.flatten(1)
    if model.bernoulli:
        p = torch.where(x > low, mean - low, high - mean) / (high - low)
    else:
        normal = torch.distributions.Normal(mean, model.sigma.detach())
        upper = torch.where(x > high - width / 2, torch.inf, x + width / 2)
        lower = torch.where(x < low + width / 2, -torch.inf, x - width / 2)
        p = normal.cdf(upper) - normal.cdf(lower)
    return (weight[:, None] * p.prod(-1)).sum(0).log()


def linear_model(d: int = 5, latent: int = 2, sigma: float = 0.6) -> tuple[VAE, MultivariateNormal]:
    """A linear VAE whose encoder is the exact posterior, and its evidence. The decoder's columns are orthogonal."""
    W = torch.linalg.qr(torch.randn(d, latent)).Q * torch.tensor([2.0, 1.0])
    b = torch.randn(d)
    encoder, decoder = nn.Linear(d, 2 * latent), nn.Linear(latent, d)
    model = VAE(VAEConfig(latent_dim=latent), vector(d), encoder=encoder, decoder=decoder)
    variance = sigma**2 / (W.square().sum(0) + sigma**2)
    with torch.no_grad():
        decoder.weight.copy_(W)
        decoder.bias.copy_(b)
        encoder.weight.zero_()
        encoder.weight[:latent] = variance[:, None] * W.T / sigma**2
        encoder.bias[:latent] = -encoder.weight[:latent] @ b
        encoder.bias[latent:] = LOG_VAR_BOUND * torch.atanh(variance.log() / LOG_VAR_BOUND)
        model.log_scale.fill_(0.5 * math.log(sigma**2 - 1e-6))  # the floor is 1e-3
    return model, MultivariateNormal(b, W @ W.T + sigma**2 * torch.eye(d))


def evidence(model: VAE) -> MultivariateNormal:
    """p(x) of a VAE whose decoder is affine."""
    with torch.no_grad():
        codes = torch.cat([torch.zeros(1, model.latent_dim), torch.eye(model.latent_dim)])
        b, *columns = model.decode(codes)
        W = torch.stack(columns, 1) - b[:, None]
        return MultivariateNormal(b, W @ W.T + model.sigma**2 * torch.eye(len(b)))


@pytest.fixture(params=["spins", "grey"])
def small(request: pytest.FixtureRequest) -> VAE:
    """A VAE with one latent unit whose code matters, on data of which there are 16 or 25."""
    model = VAE(SMALL, {"spins": SPINS, "grey": GREY}[request.param])
    with torch.no_grad():
        last_layer(model.decoder).weight.mul_(2)
        last_layer(model.encoder).weight.mul_(0.3)  # near the prior, where importance sampling is easy
        if not model.bernoulli:
            model.log_scale.fill_(math.log(0.3))
    return model


def last_layer(network: nn.Module) -> nn.Linear:
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


# The bound.


@pytest.mark.parametrize("k", [1, 7, 100])
def test_with_the_exact_posterior_the_bound_is_the_evidence(k: int) -> None:
    model, exact = linear_model()
    x = exact.sample((20,))
    torch.testing.assert_close(model.iwae(x, k, decodes=60), exact.log_prob(x), rtol=0, atol=1e-10)


def test_with_the_exact_posterior_the_elbo_is_the_evidence_on_average() -> None:
    model, exact = linear_model()
    x = exact.sample((1,))
    with torch.no_grad():
        draws = model.elbo(x.expand(20_000, -1))
    # Five standard errors: false-alarm rate 6e-7.
    assert abs(draws.mean() - exact.log_prob(x)) < 5 * draws.std() / math.sqrt(20_000)


def test_probabilities_sum_to_one(small: VAE) -> None:
    assert log_probability(small, all_examples(small.space)).exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_elbo_then_iwae_then_evidence(small: VAE) -> None:
    x = all_examples(small.space).repeat_interleave(400, 0)
    with torch.no_grad():
        bounds = torch.stack([small.elbo(x), *(small.iwae(x, k) for k in (1, 10, 200))]).reshape(4, -1, 400)
    if not small.bernoulli:  # from densities to probabilities
        assert small.space.bin_width is not None
        bounds += small.space.dim * math.log(small.space.bin_width)
    mean, error = bounds.mean(-1), bounds.std(-1) / 20
    log_p = log_probability(small, all_examples(small.space))
    # 4 x 25 comparisons at six standard errors, and 3 at five: false-alarm rate below 1e-6.
    assert (mean <= log_p + 6 * error + 1e-9).all()
    average, spread = mean.mean(1), error.square().sum(1).sqrt() / len(log_p)
    assert abs(average[0] - average[1]) < 5 * (spread[0] + spread[1])  # one bound, the divergence known or sampled
    assert average[2] > average[1] + 5 * spread[1] and average[3] > average[2]
    if small.bernoulli:
        assert (log_p - mean[3]).abs().max() < 0.05


def test_one_bin_of_noise_costs_little_where_bins_are_fine() -> None:
    space = Space((2,), kind="vector", levels=65)
    model = VAE(SMALL, space)
    nn.init.constant_(model.log_scale, math.log(0.3))
    x, (z, weight) = all_examples(space)[::7], prior_grid()
    assert space.bin_width is not None
    log_p = log_probability(model, x)
    with torch.no_grad():
        nats = model.log_likelihood(x, z[:, None].expand(-1, len(x), -1))
    gap = log_p - (nats + weight.log()[:, None]).logsumexp(0) - 2 * math.log(space.bin_width)
    assert gap.min() > 0
    inner = (x.abs() < 0.99).all(1)  # the levels at the ends also hold what lies beyond the support
    assert gap[inner].max() < 0.02  # about (width (x - mu) / sigma^2)^2 / 24 per component


@pytest.mark.parametrize("space", [PLANE, IMAGES], ids=["continuous", "quantised"])
def test_nats_are_those_of_data_space(space: Space) -> None:
    a = 127.5
    support = None if space.support is None else (a * space.support[0], a * space.support[1])
    scaled = replace(space, support=support, mean=a * space.mean, std=a * space.std)
    model, twin = VAE(SMALL, space), VAE(SMALL, scaled)
    weights = model.state_dict()
    twin.load_state_dict(weights | {"log_scale": weights["log_scale"] + math.log(a)})
    x = model.sample(6)
    for evaluate in (lambda m, x: m.elbo(x), lambda m, x: m.iwae(x, 5)):
        torch.manual_seed(1)
        nats = evaluate(model, x)
        torch.manual_seed(1)
        torch.testing.assert_close(evaluate(twin, a * x), nats - space.dim * math.log(a))


def test_probabilities_do_not_depend_on_what_the_two_values_are() -> None:
    other = replace(SPINS, support=(0.1, 0.7), mean=0.4, std=0.3)
    model, twin = VAE(SMALL, SPINS), VAE(SMALL, other)
    twin.load_state_dict(model.state_dict())
    x = model.sample(50)
    torch.manual_seed(1)
    nats = model.elbo(x)
    torch.manual_seed(1)
    torch.testing.assert_close(twin.elbo(0.4 + 0.3 * x), nats)


def test_the_density_of_one_repeated_example_stays_finite() -> None:
    """On quantised data the noise of one bin bounds it, on continuous data the floor of the scale."""
    for space in (IMAGES, replace(IMAGES, levels=None)):
        model = VAE(SMALL, space, encoder=ZeroEncoder(), decoder=Constant(torch.zeros(space.shape)))
        width = space.bin_width or 0.0
        smallest = width / math.sqrt(12) if width else 1e-3 * space.std
        most = -space.dim / 2 * (math.log(2 * math.pi * smallest**2) + (1 if width else 0))
        for log_scale in torch.linspace(-30, 0, 61):
            nn.init.constant_(model.log_scale, log_scale.item())
            assert model.elbo(torch.zeros(1, *space.shape)) <= most + 1e-9


class ZeroEncoder(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 2)


class Constant(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, z: Tensor) -> Tensor:
        return self.value.expand(len(z), *self.value.shape)


# Training.


class Everything:
    """The whole data at every step."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def batch(self, step: int) -> Batch:
        return batch(self.x)


def test_training_finds_probabilistic_pca() -> None:
    """The optimum of a linear VAE is known (Tipping & Bishop 1999, Eq. 12-15; Lucas et al. 2019)."""
    d, latent = 6, 2
    x = linear_model(d, latent)[1].sample((400,))
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    noise = eigenvalues[latent:].mean()
    best = -0.5 * (d * math.log(2 * math.pi) + eigenvalues[:latent].log().sum() + (d - latent) * noise.log() + d)

    optimizer = OptimizerConfig(lr=0.03, schedule="cosine")
    config = VAEConfig(latent_dim=latent, depth=0, optimizer=optimizer)
    model = VAE(config, replace(vector(d), mean=x.mean().item(), std=x.std().item()))
    fit(State(model, steps=2500), Everything(x), log_every=2500)

    log_p = evidence(model).log_prob(x).mean()
    elbo = model.elbo(x.repeat(20, 1)).mean()
    assert best - 0.005 < log_p  # seeds 0, 1, 2 end 0.0004, 0.0000, 0.0009 nats below
    assert log_p <= best + 1e-9
    assert log_p - 0.05 < elbo
    assert model.sigma.item() == pytest.approx(noise.sqrt().item(), rel=0.02)


def test_kl_weight_weighs_the_divergence() -> None:
    x = VAE(SMALL, PLANE).sample(5)
    losses = []
    for weight in (0.0, 1.0, 4.0):
        torch.manual_seed(1)
        model = VAE(replace(SMALL, kl_weight=weight), PLANE)
        losses.append(model.loss(batch(x), player="model", step=0))
        torch.testing.assert_close(
            losses[-1].loss, losses[-1].terms["reconstruction"] + weight * losses[-1].terms["kl"]
        )
    torch.manual_seed(1)
    elbo = VAE(replace(SMALL, kl_weight=4.0), PLANE).elbo(x).mean()
    torch.testing.assert_close(elbo, -losses[1].loss)  # the elbo does not depend on the weight in training


def first_unit_alone(model: VAE) -> None:
    """Let the first of two units depend on x, and the second hardly."""
    with torch.no_grad():
        last_layer(model.encoder).weight.mul_(torch.tensor([6.0, 0.1, 0.1, 0.1])[:, None])


def test_units_below_the_free_bits_are_not_drawn_to_the_prior() -> None:
    x, grads = VAE(SMALL, PLANE).sample(30), {}
    for free in (0.0, 0.5, 1e3):
        torch.manual_seed(1)
        model = VAE(replace(SMALL, latent_dim=2, free_bits=free), PLANE)
        first_unit_alone(model)
        loss, terms = model.loss(batch(x), player="model", step=0)
        loss.backward()
        grads[free] = (last_layer(model.encoder).weight.grad, loss.detach(), terms)
    torch.manual_seed(1)
    model = VAE(replace(SMALL, latent_dim=2, kl_weight=0.0), PLANE)
    first_unit_alone(model)
    model.loss(batch(x), player="model", step=0).loss.backward()
    torch.testing.assert_close(grads[1e3][0], last_layer(model.encoder).weight.grad)  # no divergence at all
    first, second = (slice(0, None, 2), slice(1, None, 2))  # rows of the first and of the second unit
    torch.testing.assert_close(grads[0.5][0][first], grads[0.0][0][first])
    torch.testing.assert_close(grads[0.5][0][second], grads[1e3][0][second])
    torch.testing.assert_close(grads[1e3][1], grads[0.0][1] - grads[0.0][2]["kl"] + 2e3)
    assert grads[0.5][2]["kl"] == grads[0.0][2]["kl"]  # what is logged is the divergence


def test_terms_say_what_they_name() -> None:
    model, exact = linear_model()
    nn.init.zeros_(last_layer(model.encoder).weight[1])  # the second unit forgets x
    terms = model.loss(batch(exact.sample((500,))), player="model", step=0).terms
    assert terms["active_units"] == 1
    assert terms["sigma"].item() == pytest.approx(0.6)
    assert "sigma" not in VAE(SMALL, SPINS).loss(batch(VAE(SMALL, SPINS).sample(3)), player="model", step=0).terms


def test_the_scale_has_its_own_step_size() -> None:
    model = VAE(SMALL, PLANE)
    weights, scale = model.player_parameters("model")
    assert isinstance(weights, dict) and isinstance(scale, dict)
    assert scale["params"] == [model.log_scale] and scale["lr"] == 10 * SMALL.optimizer.lr
    assert {id(p) for p in (*weights["params"], *scale["params"])} == {id(p) for p in model.parameters()}


# Samples and codes.


def test_samples_follow_the_exact_probabilities(small: VAE) -> None:
    n, everything = 20_000, all_examples(small.space)
    torch.manual_seed(3)
    x = small.sample(n)
    index = (x[:, None] - everything).abs().flatten(2).sum(2)
    assert index.min(1).values.max() < 1e-9  # every sample is one of the levels
    counts = torch.bincount(index.argmin(1), minlength=len(everything)).numpy()
    expected = n * log_probability(small, everything).exp().numpy()
    rare = expected < 5
    observed, expected = np.append(counts[~rare], counts[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    observed, expected = observed[expected > 0], expected[expected > 0]
    # False-alarm rate 1e-6.
    assert stats.chisquare(observed, expected * n / expected.sum()).pvalue > 1e-6


def test_samples_of_a_linear_model_have_its_covariance() -> None:
    model, exact = linear_model()
    x = model.sample(20_000)
    error = torch.cov(x.T) - exact.covariance_matrix
    # Var of a sample covariance: (C_ii C_jj + C_ij^2) / n; 15 entries at six standard errors: rate 3e-8.
    C = exact.covariance_matrix
    assert (error.abs() < 6 * ((C.diag()[:, None] * C.diag() + C.square()) / 20_000).sqrt()).all()


def test_sampling_says_draw_or_mean() -> None:
    for space, draws in ((PLANE, True), (SPINS, True), (replace(SPINS, shape=(1, 2, 2), kind="image"), True)):
        assert VAE(SMALL, space).draws is draws
    assert not VAE(SMALL, IMAGES).draws
    for sampling in ("mean", "draw"):
        model = VAE(replace(SMALL, sampling=sampling), IMAGES)
        torch.manual_seed(1)
        x = model.sample(4)
        torch.manual_seed(1)
        mean = model.decode(model.prior(4))
        assert torch.equal(x, mean) is (sampling == "mean")
        assert ((x >= -1) & (x <= 1)).all()


def test_the_posterior_is_what_the_bound_uses() -> None:
    model, exact = linear_model()
    x = exact.sample((3,))
    q = model.posterior(x)
    W, b = last_layer(model.decoder).weight, last_layer(model.decoder).bias
    precision = W.T @ W / 0.36 + torch.eye(2)
    torch.testing.assert_close(q.mean, (x - b) @ W / 0.36 @ torch.linalg.inv(precision))
    torch.testing.assert_close(q.variance, (1 / precision.diag()).expand(3, 2))
    assert q.batch_shape == (3,) and q.event_shape == (2,)


@pytest.mark.parametrize("output", [-1e6, 1e6])
def test_the_posterior_cannot_run_away(output: float) -> None:
    encoder = nn.Linear(2, 2)
    nn.init.constant_(encoder.weight, 0.0)
    nn.init.constant_(encoder.bias, output)
    model = VAE(SMALL, PLANE, encoder=encoder)
    log_var = model.posterior(torch.zeros(3, 2)).variance.log()
    torch.testing.assert_close(log_var, torch.full((3, 1), math.copysign(LOG_VAR_BOUND, output)))


def test_sizes_follow_the_data() -> None:
    assert VAE(VAEConfig(), PLANE).latent_shape == (2,)
    assert VAE(VAEConfig(), IMAGES).latent_shape == (32,)
    assert VAE(VAEConfig(latent_dim=5), PLANE).latent_shape == (5,)
    kinds = {type(m).__name__ for m in VAE(VAEConfig(width=4), IMAGES).modules()}
    assert "ConvEncoder" in kinds and "ConvDecoder" in kinds and "MLP" not in kinds
    kinds = {type(m).__name__ for m in VAE(VAEConfig(network="mlp"), IMAGES).modules()}
    assert "ConvEncoder" not in kinds


def test_it_declares_what_it_can() -> None:
    model = VAE(SMALL, PLANE)
    for ability in (Trainable, Sampler, LatentVariable, Encoder, LikelihoodBound):
        assert isinstance(model, ability)
    assert model.optimizer("model") == SMALL.optimizer


# Refusals.


def test_grey_data_are_no_bits_and_bits_are_not_grey() -> None:
    with pytest.raises(ValueError, match="likelihood is 'gaussian' and the data have two levels"):
        VAE(replace(SMALL, likelihood="gaussian"), SPINS)
    with pytest.raises(ValueError, match="likelihood is 'bernoulli' and the data have 17 levels"):
        VAE(replace(SMALL, likelihood="bernoulli"), IMAGES)
    with pytest.raises(ValueError, match="continuous levels"):
        VAE(replace(SMALL, likelihood="bernoulli"), PLANE)
    with pytest.raises(ValueError, match=r"x holds 0\.5; this model has probabilities of the values -1 and 1"):
        VAE(SMALL, SPINS).elbo(torch.tensor([[1.0, 1.0, -1.0, 0.5]]))


def test_refusals_say_what_to_do() -> None:
    model = VAE(SMALL, PLANE)
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\); this VAE was built for \(2,\). Pass a batch \(B, 2\)"):
        model.elbo(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="without labels"):
        model.sample(3, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="at least one code"):
        model.iwae(torch.zeros(4, 2), 0)
    with pytest.raises(ValueError, match=r"encoder returned \(4, 5\).*expected \(4, 2\)"):
        VAE(SMALL, PLANE, encoder=nn.Linear(2, 5)).elbo(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"decoder returned \(4, 5\).*expected \(4, 2\): means in data space"):
        VAE(SMALL, PLANE, decoder=nn.Linear(1, 5)).elbo(torch.zeros(4, 2))


@pytest.mark.parametrize(
    "wrong",
    [{"likelihood": "poisson"}, {"sampling": "noisy"}, {"network": "resnet"}, {"kl_weight": -1.0}, {"latent_dim": 0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_choices_are_refused(wrong: dict[str, str | float]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} is .*{value}.*; expected"):
        VAEConfig(**wrong)  # type: ignore[arg-type]
