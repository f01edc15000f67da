"""The table of metrics: which are measured of what, in which order, and why others are not."""

import torch

from tests.evaluation.models import Law, data_of
from veridical.evaluation.metrics import METRICS, Metric, Subject
from veridical.evaluation.needs import ENOUGH, LIKELIHOOD, MODES, SAMPLES
from veridical.targets import GaussianMixture, ring

CLOUD = GaussianMixture(torch.zeros(1, 2), 1.0, name="cloud")


def subject(law: GaussianMixture, samples: bool = True) -> Subject:
    x = law.sample(200, torch.Generator().manual_seed(1), torch.float32) if samples else None
    return Subject(Law(law), x, data_of(law, 200, 0), None, 100, 0, None, lambda line: None)


def test_the_first_need_that_is_not_met_is_the_reason() -> None:
    metric = Metric((SAMPLES, LIKELIHOOD), lambda s: [])
    assert metric.unmet(subject(CLOUD)) is None
    without = subject(CLOUD, samples=False)
    assert metric.unmet(without) == (SAMPLES, SAMPLES.missing(without))


def test_features_give_way_to_modes_that_can_be_counted() -> None:
    metric = Metric((SAMPLES, ENOUGH), lambda s: [], (MODES,))
    assert "counted" in (metric.unasked(subject(ring())) or "")
    assert Metric((SAMPLES,), lambda s: []).unasked(subject(ring())) is None


def test_exact_numbers_come_first_and_features_after_counts() -> None:
    order = list(METRICS)
    assert order[0] == "divergence"
    assert max(map(order.index, ("coverage", "stacks", "outcomes"))) < min(map(order.index, ("fid", "kid", "prdc")))


def test_a_known_model_is_measured_by_what_is_known_of_it() -> None:
    measured = {name for name, metric in METRICS.items() if metric.unmet(subject(ring())) is None}
    assert {"divergence", "typicality", "coverage", "likelihood"} <= measured
    assert not measured & {"stacks", "outcomes", "factors", "class_accuracy", "discrimination", "denoising", "codes"}
    (kl,) = [m for m in METRICS["divergence"].measure(subject(ring())) if m.reference is not None][:1]
    assert abs(float(kl.value)) < 1e-9  # the model is the law
