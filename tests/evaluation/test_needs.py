"""Every need that is not met is said in one plain line, and every metric lists what it needs."""

import pytest
import torch
from torch import Tensor

from tests.evaluation.models import Bounded, Known, Law, data_of
from veridical.config import DataConfig, GANConfig, InfoGANConfig, ProgressiveGANConfig, VAEConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.evaluation import METRICS, needs
from veridical.evaluation.subject import Subject
from veridical.evaluation.target import Target
from veridical.families.gan import GAN
from veridical.families.infogan import InfoGAN
from veridical.families.progressive_gan import ProgressiveGAN
from veridical.families.vae import VAE
from veridical.model import GenerativeModel, Space
from veridical.targets import GaussianMixture
from veridical.targets.categorical import zipf

LAW = GaussianMixture(torch.zeros(1, 2), 1.0, name="cloud")
VECTOR = Space((2,), "vector", None, None)
SMALL = GANConfig(latent_dim=2, width=4)


def subject(
    model: GenerativeModel | None = None, samples: Tensor | None = None, data: ArrayData | None = None, n: int = 100
) -> Subject:
    data = data_of(LAW, n, 0) if data is None else data
    return Subject(model, samples, data, None, 50, 0, None, lambda line: None)


def labelled() -> ArrayData:
    x, c = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 2
    return ArrayData(x, c, name="pairs")


def growing(codes: int) -> ProgressiveGAN:
    return ProgressiveGAN(ProgressiveGANConfig(codes_per_scale=codes, width=4), Space((1, 8, 8)))


CASES = [
    (needs.SAMPLES, subject(Bounded(LAW, 0.1)), "Bounded cannot sample"),
    (needs.LIKELIHOOD, subject(GAN(SMALL, VECTOR)), "GAN has no likelihood"),
    (needs.LIKELIHOOD, subject(samples=torch.zeros(9, 2)), "only samples are given, and samples have no likelihood"),
    (needs.ENOUGH, subject(samples=torch.zeros(9, 2)), "9 samples are too few; at least 20 are needed"),
    (needs.ENOUGH, subject(samples=torch.zeros(90, 2), n=10), "10 training examples are too few; at least 20"),
    (needs.MODES, subject(data=data_of(LAW, 9, 0, False)), "the distribution of the data is not known, so it has no"),
    (needs.DIGITS, subject(), "cloud has no channels of digits that can be read"),
    (needs.ENCODER, subject(GAN(SMALL, VECTOR)), "GAN has no encoder"),
    (needs.ENCODER, subject(samples=torch.zeros(9, 2)), "only samples are given, not the model that made them"),
    (needs.DENOISER, subject(GAN(SMALL, VECTOR)), "GAN is no denoiser"),
    (needs.CLASSES, subject(), "the data have no class labels"),
    (needs.CONDITIONAL, subject(GAN(SMALL, VECTOR), data=labelled()), "GAN cannot draw a given class"),
    (
        needs.JUDGED_ALONE,
        subject(GAN(GANConfig(latent_dim=2, width=4, pack=2, r1=0.0, r2=0.0), VECTOR)),
        "the discriminator of GAN judges packs of 2 examples, not single examples",
    ),
    (needs.CODES, subject(VAE(VAEConfig(width=4), VECTOR)), None),
    (needs.CODES, subject(growing(0)), "this ProgressiveGAN was built without codes"),
]


@pytest.mark.parametrize(("need", "given", "reason"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_reason_is_one_plain_line(need: needs.Need, given: Subject, reason: str | None) -> None:
    said = need.missing(given)
    assert said is None if reason is None else said is not None and said.startswith(reason)
    assert said is None or "\n" not in said


MET = [
    (needs.SAMPLES, subject(samples=torch.zeros(9, 2))),
    (needs.ENOUGH, subject(samples=torch.zeros(20, 2), n=40)),
    (needs.CODES, subject(growing(2))),
    (needs.LIKELIHOOD, subject(Law(LAW))),
    (needs.LIKELIHOOD, subject(Bounded(LAW, 0.1))),
    (needs.DENSITY, subject()),
    (needs.MODES, subject()),
    (needs.ENTROPY, subject()),
    (needs.ENCODER, subject(VAE(VAEConfig(width=4), VECTOR))),
    (needs.LATENT, subject(GAN(SMALL, VECTOR))),
    (needs.DISCRIMINATOR, subject(GAN(SMALL, VECTOR))),
    (needs.JUDGED_ALONE, subject(GAN(SMALL, VECTOR))),
    (needs.CODED, subject(InfoGAN(InfoGANConfig(latent_dim=2, width=4), VECTOR))),
    (needs.CODES, subject(InfoGAN(InfoGANConfig(latent_dim=2, width=4), VECTOR))),
    (needs.CLASSES, subject(data=labelled())),
    (needs.LABELS, subject(data=labelled())),
]


@pytest.mark.parametrize(("need", "given"), MET)
def test_what_is_there_is_not_missing(need: needs.Need, given: Subject) -> None:
    assert need.missing(given) is None


def test_a_law_of_other_levels_is_not_that_of_the_data() -> None:
    data = ArrayData(torch.randn(30, 1), space=Space((1,), "vector", None, None), target=zipf())
    assert needs.OUTCOMES.missing(subject(data=data)) == "categorical has 32 levels and the data have continuous ones"
    assert subject(data=data).target is None


def test_rows_of_a_subset_have_no_known_factors() -> None:
    data = load(DataConfig(source="shapes", size=16))
    assert needs.KNOWN_ROWS.missing(subject(data=data)) is None
    part = data.subset(torch.arange(5, 40))
    assert "is it a subset?" in str(needs.KNOWN_ROWS.missing(subject(data=part)))


def test_the_first_need_that_is_not_met_is_the_reason() -> None:
    given = subject(GAN(SMALL, VECTOR), data=data_of(LAW, 9, 0, False))
    metric = METRICS["divergence"]
    assert metric.unmet(given) == (metric.needs[0], metric.needs[0].missing(given))
    assert metric.needs[0].missing(given) != metric.needs[1].missing(given)
    known = Known(Target(LAW, VECTOR))
    assert METRICS["divergence"].unmet(subject(known)) is None
    assert all(metric.needs for metric in METRICS.values())
