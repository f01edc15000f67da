"""Importance sampling against a linear decoder, whose likelihood is a Gaussian's; mutants are found."""

import inspect

import pytest
import torch

from tests.evaluation.models import Bounded, LinearVAE, data_of
from veridical.config import DataConfig
from veridical.config.families.vae import VAEConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.evaluation import importance
from veridical.evaluation.density import density_of, score
from veridical.evaluation.evaluate import evaluate
from veridical.evaluation.importance import (
    can_be_weighted,
    examples_scored,
    importance_bound,
    log_weights,
)
from veridical.families.vae import VAE
from veridical.mcmc.annealing import effective_size
from veridical.model import Space
from veridical.targets import CorrelatedMixture, GaussianMixture

CPU = torch.device("cpu")


def known(model: LinearVAE, n: int = 2000, seed: int = 0) -> ArrayData:
    """Draws of the density of a linear decoder."""
    covariance = (model.W.T @ model.W).detach() + model.sigma**2 * torch.eye(model.space.dim).double()
    law = CorrelatedMixture(torch.zeros(1, model.space.dim), covariance[None], name="linear")
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    return ArrayData(x, space=model.space, name="linear", target=law)


def examples(model: LinearVAE) -> torch.Tensor:
    return known(model).batch(torch.arange(2000)).x


def mean(model: LinearVAE, k: int, bound=importance_bound) -> float:
    return float(score(lambda x: bound(model, x, k), examples(model), CPU, 0).mean())


def test_the_exact_posterior_gives_the_exact_likelihood_from_one_code() -> None:
    model, x = LinearVAE(), examples(LinearVAE())
    torch.testing.assert_close(importance_bound(model, x, 1), model.exact(x).detach())
    torch.testing.assert_close(effective_size(log_weights(model, x[:5], 8).T), torch.full((5,), 8.0).double())


def test_bounds_rise_with_k_from_the_elbo_to_the_likelihood() -> None:
    model = LinearVAE(widened=2.0)
    exact = float(model.exact(examples(model)).detach().mean())
    elbo = float(score(model.elbo, examples(model), CPU, 1).mean())
    bounds = [mean(model, k) for k in (1, 4, 16, 64, 256)]
    assert bounds == sorted(bounds) and bounds[-1] < exact + 0.005
    assert bounds[0] == pytest.approx(elbo, abs=0.08)  # KL(q || p) is 0.31 nats; the error of a mean 0.02
    assert elbo < exact - 0.2 and bounds[-1] == pytest.approx(exact, abs=0.01)


def test_chunks_of_codes_are_one_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = LinearVAE(widened=2.0), examples(LinearVAE())[:10]
    torch.manual_seed(0)
    whole = importance_bound(model, x, 12)
    monkeypatch.setattr(importance, "_DECODES", 40)
    torch.manual_seed(0)
    torch.testing.assert_close(importance_bound(model, x, 12), whole)
    with pytest.raises(ValueError, match="at least one"):
        log_weights(model, x, 0)


MUTANTS = {
    "no density of the codes": (" - q.log_prob(z).double()", ""),
    "no prior": (" + log_prior(z)", ""),
    "prior twice": (" + log_prior(z)", " + 2 * log_prior(z)"),
    "sum for a mean": ("iwae_bound(log_weights(model, x, k))", "torch.logsumexp(log_weights(model, x, k), 1)"),
    "mean of logarithms": ("iwae_bound(log_weights(model, x, k))", "log_weights(model, x, k).mean(1)"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    source = inspect.getsource(importance)
    assert before in source
    namespace: dict = {"__name__": "mutant"}
    exec(source.replace(before, after), namespace)
    model = LinearVAE(widened=2.0)
    exact = float(model.exact(examples(model)).detach().mean())
    assert abs(mean(model, 256, namespace["importance_bound"]) - exact) > 0.1


def test_a_perfect_vae_with_a_loose_elbo_is_not_called_short_of_perfect() -> None:
    """The elbo is .3 nats loose; the bound of 64 codes shows that the model is as good as the law."""
    model = LinearVAE(widened=2.0)
    train, test = known(model, seed=1), known(model, seed=2)
    found = evaluate(model, train, test, n=2000, metrics=["divergence", "likelihood"])
    assert found["kl_forward"].bound == "upper" and found["kl_forward"].verdict == "as good as perfect"
    assert found["nats_test"].bound == "lower" and found["nats_test"].verdict in ("as good as perfect", "undecided")
    assert found["nats_test"].detail["source"] == "importance sampling, 64 codes per example"
    assert 20 < float(str(found["nats_test"].detail["effective_codes"])) < 60


def test_models_with_all_abilities_are_weighted_and_others_are_not() -> None:
    vae = VAE(VAEConfig(latent_dim=2, width=8), Space((3,), "vector", None, None))
    density = density_of(vae)
    assert density is not None and density.kind == "lower bound" and density.limit(10**6) < 10**6
    assert can_be_weighted(vae) and can_be_weighted(LinearVAE())
    assert not can_be_weighted(Bounded(GaussianMixture(torch.zeros(1, 3), 1.0), 0.1))


def test_the_bound_of_a_vae_is_its_own_with_the_same_codes() -> None:
    vae = VAE(VAEConfig(latent_dim=2, width=8), Space((3,), "vector", None, None))
    x = data_of(GaussianMixture(torch.zeros(1, 3), 1.0), 20, 0).batch(torch.arange(20)).x
    torch.manual_seed(3)
    ours = importance_bound(vae, x, 16)
    torch.manual_seed(3)
    torch.testing.assert_close(ours.float(), vae.iwae(x, 16), atol=1e-4, rtol=1e-5)
    assert ours.dtype is torch.float64


def test_large_examples_are_scored_less_often() -> None:
    digits = load(DataConfig(source="digits")).space
    assert examples_scored(digits, 64) == 8192 and examples_scored(Space((3, 256, 256))) == 500
