"""Annealing against closed forms and quadrature: within .05 nats, from both sides, with mutants."""

import inspect
import math

import pytest
import torch
from torch import Tensor, nn

from tests.evaluation.models import Linear, LinearVAE
from tests.evaluation.test_importance import known
from veridical.config.families.gan import GANConfig
from veridical.config.families.vae import VAEConfig
from veridical.evaluation import annealed as page
from veridical.evaluation.annealed import Annealing, annealed, fitted_scale, measure_annealed
from veridical.evaluation.decoder import Decoder, simulate, why_not
from veridical.evaluation.evaluate import evaluate
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.model import Space

QUICK = Annealing(examples=16, chains=32, steps=150, leaps=3)
BITS = Space((4,), "vector", (0.0, 1.0), 2)


def off(model: LinearVAE | Linear, decoder: Decoder, estimate=annealed) -> tuple[float, float]:
    """How far the estimates from below and from above are from the closed form, on simulated examples."""
    torch.manual_seed(0)
    sigma = decoder.sigma or model.sigma
    u, x = simulate(decoder, model, QUICK.examples, 5)
    exact = model.exact(x, sigma).detach()
    below, above = estimate(decoder, x, QUICK, 1), estimate(decoder, x, QUICK, 2, u)
    return float((below.nats - exact).mean()), float((above.nats - exact).mean())


@pytest.mark.parametrize("own", [True, False])
def test_a_linear_decoder_has_its_closed_form_on_both_sides(own: bool) -> None:
    model = LinearVAE() if own else Linear()
    below, above = off(model, Decoder(model, model.space, None if own else 0.3))
    assert -0.05 < below < 0.03 and -0.03 < above < 0.05


MUTANTS = {
    "chains not averaged": ("combine(log_w, backward=ends is not None)", "torch.logsumexp(log_w, 0)"),
    "wrong end": ("combine(log_w, backward=ends is not None)", "combine(log_w, backward=ends is None)"),
    "transitions at another temperature": ("state, float(betas[t]), step", "state, float(betas[t]) / 2, step"),
    "ends that are not draws": ("else ends.repeat(", "else 0 * ends.repeat("),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    source = inspect.getsource(page)
    assert before in source
    namespace: dict = {"__name__": page.__name__}
    exec(source.replace(before, after), namespace)
    model = LinearVAE()
    below, above = off(model, Decoder(model, model.space), namespace["annealed"])
    assert not (-0.05 < below < 0.03 and -0.03 < above < 0.05)


def quadrature(model: VAE, x: Tensor) -> Tensor:
    """Log p(x) of a code of one component, by the trapezoidal rule."""
    z = torch.linspace(-9, 9, 2001)[:, None, None].expand(-1, len(x), -1)
    with torch.no_grad():
        log_joint = model.log_likelihood(x, z).double() - 0.5 * z[..., 0].double() ** 2 - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_joint, 0) + math.log(18 / 2000)


def test_a_decoder_of_bits_has_the_probabilities_of_all_states() -> None:
    torch.manual_seed(1)
    decoder = nn.Linear(1, 4)
    nn.init.normal_(decoder.weight, std=3.0)
    model = VAE(VAEConfig(latent_dim=1, width=8), BITS, decoder=decoder)
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    exact = quadrature(model, states)
    assert float(exact.exp().sum()) == pytest.approx(1, abs=1e-6)
    found = annealed(Decoder(model, BITS), states, QUICK, 0)
    assert float((found.nats.exp() * (found.nats - exact)).sum()) == pytest.approx(0, abs=0.05)
    assert float(found.nats.exp().sum()) == pytest.approx(1, abs=0.05)
    u, x = simulate(Decoder(model, BITS), model, 16, 0)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert float((annealed(Decoder(model, BITS), x, QUICK, 0, u).nats - quadrature(model, x)).mean()) < 0.05


def test_uniform_codes_are_as_likely_as_they_are() -> None:
    """One code on [-1, 1] and noise: the density is a difference of two normal distribution functions."""

    class Segment(Linear):
        @property
        def prior_kind(self):
            return "uniform"

    model = Segment(d=1, latent=1)
    nn.init.constant_(model.W, 2.0)
    x, sigma = torch.linspace(-2.5, 2.5, 16, dtype=torch.float64)[:, None], 0.4
    normal = torch.special.ndtr
    exact = (normal((x + 2) / sigma) - normal((x - 2) / sigma)).squeeze(1).log() - math.log(4)
    found = annealed(Decoder(model, model.space, sigma), x, QUICK, 0)
    assert float((found.nats - exact).abs().mean()) < 0.05


def test_the_scale_of_the_noise_is_fitted() -> None:
    model = Linear(d=8)
    x = model.sample(64).double()
    assert fitted_scale(model, model.space, x, Annealing(chains=8, steps=200, rounds=6), 0) == pytest.approx(0.5, 0.1)


def test_the_metric_is_measured_on_request_and_stands_beside_the_law() -> None:
    model = LinearVAE(widened=2.0)
    train, test = known(model, seed=1), known(model, seed=2)
    skipped = evaluate(model, train, test, n=200).skipped
    assert "request it by name" in skipped["annealed"]
    found = measure_annealed(
        model,
        train.batch(torch.arange(16)).x.double(),
        test.batch(torch.arange(16)).x.double(),
        model.space,
        0,
        settings=QUICK,
        log_prob=lambda x: model.exact(x).detach(),
    )
    nats, gap = found
    assert (nats.name, nats.bound, gap.name) == ("annealed_nats", "lower", "annealing_gap")
    assert nats.test is not None and abs(nats.test.difference) < 0.05 and nats.verdict != "short of perfect"
    assert -0.1 < gap.value < 0.2 and gap.verdict == "no reference"
    assert 0.5 < float(str(nats.detail["acceptance"])) <= 1


def test_what_cannot_be_annealed_is_refused_with_a_reason() -> None:
    class Labelled(Linear):
        @property
        def prior_kind(self):
            return "other"

    assert "two values" in str(why_not(Linear(), BITS))
    assert "not all continuous" in str(why_not(Labelled(), Linear().space))
    assert why_not(Linear(), Linear().space) is None and why_not(LinearVAE(), BITS) is None
    with pytest.raises(ValueError, match="leave this metric out"):
        measure_annealed(Labelled(), torch.zeros(2, 4), torch.zeros(2, 4), Linear().space, 0)


def test_a_gan_has_a_likelihood_with_the_noise_that_is_fitted() -> None:
    torch.manual_seed(2)
    space = Space((2,), "vector", None, None)
    model = GAN(GANConfig(latent_dim=2, width=8), space).eval()
    few = Annealing(examples=4, chains=8, steps=60, leaps=3, rounds=2)
    x = model.sample(8) + 0.1 * torch.randn(8, 2)
    nats, gap = measure_annealed(model, x[:4], x[4:], space, 0, settings=few)
    assert math.isfinite(nats.value) and nats.detail["sigma"] is not None and nats.verdict == "no reference"
    assert "Gaussian noise of sigma" in str(nats.detail["observation_model"]) and abs(gap.value) < 1.5
    again = measure_annealed(model, x[:4], x[4:], space, 0, settings=few)
    assert [m.value for m in again] == [nats.value, gap.value]
