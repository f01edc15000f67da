"""Likelihoods: known laws as ceilings, bits per dimension of a uniform density, overfit that is planted."""

import math
from dataclasses import replace

import pytest
import torch

from tests.evaluation.models import Bounded, Law, Uniform, data_of
from veridical.data.dataset import ArrayData
from veridical.evaluation.density import Density, density_of, score
from veridical.evaluation.likelihood import measure_likelihood, reaching
from veridical.evaluation.measurement import Measurement
from veridical.model import Space
from veridical.targets import GaussianMixture
from veridical.verdict import NO_FAULT

UNIT = GaussianMixture(torch.zeros(1, 3), 1.0)


def named(measured: list[Measurement]) -> dict[str, Measurement]:
    return {m.name: m for m in measured}


def test_known_laws_are_ceilings_and_a_loose_bound_shows_nothing() -> None:
    train, test = data_of(UNIT, 3000, 0), data_of(UNIT, 3000, 1)
    found = named(measure_likelihood(Law(UNIT), train, test, 10_000, seed=0))
    assert list(found) == ["nats_train", "nats_test", "overfit_nats"]
    entropy = 1.5 * math.log(2 * math.pi * math.e)
    assert found["nats_test"].value == pytest.approx(-entropy, abs=0.1)
    assert found["nats_test"].reference == pytest.approx(found["nats_test"].value, abs=1e-6)
    assert {found[name].verdict for name in ("nats_test", "overfit_nats")} <= set(NO_FAULT)
    short = named(measure_likelihood(Bounded(UNIT, 0.5), train, test, 10_000, seed=0))
    assert short["nats_test"].verdict == "undecided" and short["nats_test"].test is not None
    assert short["nats_test"].test.p_value < 1e-9 and short["nats_test"].bound == "lower"
    worse = named(measure_likelihood(Law(GaussianMixture(torch.zeros(1, 3), 1.2)), train, test, 10_000, seed=0))
    assert worse["nats_test"].verdict == "short of perfect"


def test_examples_are_compared_one_by_one() -> None:
    """A model 0.02 nats short is seen where the mean of its nats is known to 0.05: both share the examples."""
    law = GaussianMixture(torch.zeros(1, 8), 1.0)
    train, test = data_of(law, 3000, 0), data_of(law, 3000, 1)
    found = named(measure_likelihood(Law(GaussianMixture(torch.full((1, 8), 0.07), 1.0)), train, test, 3000, seed=0))
    of_test = found["nats_test"]
    assert of_test.test is not None and of_test.interval is not None and of_test.test.interval is not None
    assert of_test.verdict == "short of perfect" and -0.04 < of_test.test.difference < -0.01
    assert of_test.interval[1] - of_test.interval[0] > 5 * (of_test.test.interval[1] - of_test.test.interval[0])


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1])
def test_no_model_beats_the_entropy(scale: float) -> None:
    """Nats of draws of the law lie below those of the law by the divergence, and nothing is called suspicious."""
    law, model = GaussianMixture(torch.zeros(1, 3), 1.0), Law(GaussianMixture(torch.zeros(1, 3), scale))
    found = named(measure_likelihood(model, data_of(law, 3000, 2), data_of(law, 3000, 3), 3000, seed=0))["nats_test"]
    assert found.test is not None and found.test.interval is not None
    kl = 3 * (math.log(scale) + 0.5 / scale**2 - 0.5)
    assert found.test.interval[0] - 0.02 < -kl < found.test.interval[1] + 0.02 and found.test.difference < 1e-9
    assert found.verdict != "suspicious"


def test_a_density_that_does_not_integrate_to_one_is_suspicious() -> None:
    class TooLarge(Law):
        def log_prob(self, x: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
            return super().log_prob(x) + 0.05

    found = named(measure_likelihood(TooLarge(UNIT), data_of(UNIT, 500, 2), data_of(UNIT, 500, 3), 500, seed=0))
    assert found["nats_test"].verdict == "suspicious"


@pytest.mark.parametrize("missed", [0.0, 3.0])
def test_annealed_nats_reach_down_to_what_chains_that_go_back_score(missed: float) -> None:
    """Chains lose all but exp(-3) of the model: 3 nats too high forward, .1 too low backward, with little scatter.

    The interval of the weights' own standard error, .02, does not hold the truth.
    """
    law = Law(UNIT)
    exact, noise = law.log_prob, torch.Generator().manual_seed(0)

    def below(x: torch.Tensor) -> torch.Tensor:
        return exact(x).double() - 0.1 + 0.2 * torch.randn(len(x), generator=noise)

    density = Density(lambda x: exact(x) + missed, "annealed estimate", 0.02, "energy", below=below)
    train, test = data_of(UNIT, 3000, 0), data_of(UNIT, 3000, 1)
    found = named(measure_likelihood(law, train, test, 3000, seed=0, density=density))
    truth = -1.5 * math.log(2 * math.pi * math.e)
    for name in ("nats_train", "nats_test"):
        low, high = found[name].interval or (math.nan, math.nan)
        assert low < truth < high + 1e-9 and high - found[name].value < 0.1, name
        assert found[name].value - low < missed + 0.25 and "chains that go back" in str(found[name].method)
    assert found["overfit_nats"].interval == pytest.approx((-0.07, 0.07), abs=0.1)


def test_bits_reach_up_where_nats_reach_down() -> None:
    m = Measurement("bits_per_dim", 1.0, "bits", 100, higher_is_better=False, interval=(0.99, 1.01), method="Student")
    assert reaching(m, 0.5).interval == pytest.approx((0.99, 1.5))
    assert reaching(m, -1.0).interval == reaching(m, math.nan).interval == (0.99, 1.01)
    assert reaching(replace(m, higher_is_better=True), 0.5).interval == pytest.approx((0.5, 1.01))


def test_overfit_is_the_gap() -> None:
    train, test = data_of(GaussianMixture(torch.zeros(1, 3), 0.8), 1000, 0, False), data_of(UNIT, 1000, 1, False)
    gap = named(measure_likelihood(Law(UNIT), train, test, 1000, seed=0))["overfit_nats"]
    assert gap.verdict == "short of perfect"
    assert gap.value == pytest.approx(1.5 * (1 - 0.64), abs=0.2)
    assert named(measure_likelihood(Law(UNIT), test, train, 1000, seed=0))["overfit_nats"].verdict == "suspicious"


@pytest.mark.parametrize("levels", [2, 256])
@pytest.mark.parametrize("support", [(-1.0, 1.0), (0.0, 1.0)])
def test_bits_per_dimension_do_not_depend_on_scale(levels: int, support: tuple[float, float]) -> None:
    # Levels that are all equally likely have log2(levels) bits, however data space is scaled.
    space = Space((1, 4, 4), levels=levels, support=support)
    raw = torch.randint(0, levels, (50, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    data = ArrayData(raw, space=space)
    bits = named(measure_likelihood(Uniform(space), data, data, 50, seed=0))["bits_per_dim"]
    assert bits.value == pytest.approx(math.log2(levels), rel=1e-6)
    assert bits.verdict == "no reference"


def test_without_held_out_data_only_training_is_scored() -> None:
    assert list(named(measure_likelihood(Law(UNIT), data_of(UNIT, 100, 0), None, 50, seed=0))) == ["nats_train"]


def test_an_impossible_example_is_shown_as_such() -> None:
    def log_prob(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, 0] > 0, 0.0, -torch.inf)

    class Impossible(Law):
        def log_prob(self, x: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
            return log_prob(x)

    found = named(measure_likelihood(Impossible(UNIT), data_of(UNIT, 50, 0), data_of(UNIT, 50, 1), 50, seed=0))
    assert found["nats_test"].value == -math.inf and found["nats_test"].interval is None
    assert found["nats_test"].verdict == "short of perfect"


def test_scores_repeat_and_leave_the_generator_alone() -> None:
    model, x = Bounded(UNIT, 0.3), data_of(UNIT, 300, 0).batch(torch.arange(300)).x
    before = torch.get_rng_state()
    first = score(model.elbo, x, torch.device("cpu"), 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(score(model.elbo, x, torch.device("cpu"), 5), first)
    assert not torch.equal(score(model.elbo, x, torch.device("cpu"), 6), first)


def test_models_without_likelihood_are_refused() -> None:
    law = Law(UNIT)
    assert density_of(law) is not None
    from veridical.config import GANConfig
    from veridical.families.gan import GAN

    gan = GAN(GANConfig(latent_dim=2, width=4), law.space)
    assert density_of(gan) is None
    with pytest.raises(ValueError, match="no likelihood"):
        measure_likelihood(gan, data_of(UNIT, 10, 0), None, 10, seed=0)


def test_nats_on_a_lattice_stand_beside_its_exact_law() -> None:
    """The bound of an untrained model is below what the law itself scores on the same configurations."""
    from veridical.config import DataConfig, VAEConfig
    from veridical.data.sources import load
    from veridical.families.vae import VAE

    train, test = (load(DataConfig(source="ising:4"), split) for split in ("train", "test"))
    torch.manual_seed(0)
    model = VAE(VAEConfig(network="mlp", width=8, latent_dim=2), train.space).eval()
    (nats,) = (m for m in measure_likelihood(model, train, test, 10_000, 0) if m.name == "nats_test")
    entropy = 0.404199854249 * 16 * math.log(2)  # Kaufman, 4 x 4 at the critical coupling
    assert nats.reference is not None and nats.reference_interval is not None
    low, high = nats.reference_interval
    assert low - (high - low) < -entropy < high + (high - low)  # three times the half-width: false alarm 1e-8
    assert nats.value < nats.reference
