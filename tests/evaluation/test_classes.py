"""A model that draws the class asked for, another one, or only its middle: what nearest neighbours find."""

import pytest
import torch
from torch import Tensor

from tests.evaluation.models import Law
from veridical.config.sampling import SamplingOptions
from veridical.data.dataset import ArrayData
from veridical.evaluation import evaluate
from veridical.evaluation.classes import class_shares, draw_of, measure_accuracy, measure_class_match
from veridical.evaluation.extractors import Values
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.model import Classifier, Conditional, Sampler, Space
from veridical.noise import Noise, noise_for
from veridical.targets import GaussianMixture
from veridical.verdict import NO_FAULT

CPU = torch.device("cpu")
SPACE = Space((2,), "vector", None, None, classes=3)
MEANS = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])


class Drawer(Sampler, Classifier):
    """Class k about its mean; `turn` draws the next class instead."""

    def __init__(self, turn: int = 0, spread: float = 1.0) -> None:
        self.turn, self.spread = turn, spread

    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        assert c is not None
        return MEANS[(c + self.turn) % 3] + self.spread * noise_for(n, CPU, noise).normal(2)

    def classify(self, x: Tensor) -> Tensor:
        return -torch.cdist(x, MEANS).roll(self.turn, 1)


def data(n: int, seed: int) -> ArrayData:
    random = torch.Generator().manual_seed(seed)
    c = torch.randint(3, (n,), generator=random)
    return ArrayData(MEANS[c] + torch.randn(n, 2, generator=random), c, space=SPACE)


TRAIN, TEST = data(3000, 0), data(1000, 1)


def measured(model: Drawer, test: ArrayData | None = TEST) -> Measurement:
    rows = torch.arange(1000)
    assert TEST.labels is not None
    features = FeatureSets(
        Values((2,), "coordinates"),
        torch.zeros(1, 2),
        TRAIN.batch(torch.arange(3000)).x,
        None if test is None else test.batch(rows).x,
        seed=0,
    )
    samples = draw_of(model, TEST.labels, CPU, seed=0)
    return measure_class_match(samples, TEST.labels, features, TRAIN, test)[0]


@pytest.mark.parametrize("test", [TEST, None], ids=["held out", "left out"])
def test_the_right_classes_match_as_often_as_real_ones(test: ArrayData | None) -> None:
    m = measured(Drawer(), test)
    assert m.verdict in NO_FAULT  # false alarm 0.6 %; a fixed seed
    assert 0.85 < m.value < 0.95 and m.reference == pytest.approx(m.value, abs=0.04)


def test_other_classes_and_too_typical_ones_are_found() -> None:
    assert measured(Drawer(turn=1)).verdict == "short of perfect" and measured(Drawer(turn=1)).value < 0.1
    assert measured(Drawer(spread=0.3)).verdict == "suspicious"


def test_draws_repeat_and_follow_their_labels() -> None:
    c = torch.arange(150) % 3
    a, b = draw_of(Drawer(), c, CPU, seed=4), draw_of(Drawer(), c[:70], CPU, seed=4)
    assert torch.equal(a[:70], b) and not torch.equal(a, draw_of(Drawer(), c, CPU, seed=5))


def test_accuracy_is_the_share_that_is_named_rightly() -> None:
    x, c = TEST.batch(torch.arange(1000)).x, TEST.labels
    assert c is not None
    right = float((torch.cdist(x, MEANS).argmin(1) == c).float().mean())
    (m,) = measure_accuracy(Drawer(), x, c, CPU)
    assert m.value == pytest.approx(right) and m.interval is not None and m.interval[0] < right < m.interval[1]
    assert measure_accuracy(Drawer(turn=1), x, c, CPU)[0].value < 0.15


class Conditioned(Law, Conditional):
    """Draws class k about its mean, and remembers the labels it was asked for."""

    def __init__(self) -> None:
        super().__init__(GaussianMixture(MEANS, 1.0))
        self.classes, self.asked = 3, torch.zeros(3)

    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        c = torch.arange(n) % 3 if c is None else c
        self.asked += torch.bincount(c, minlength=3)
        return MEANS[c] + noise_for(n, CPU, noise).normal(2)


def test_a_perfect_conditional_model_of_unequal_classes_is_drawn_at_their_frequencies() -> None:
    """Classes of 20:1:1; at equal labels 67 % of the samples would lie in the two rare ones."""
    c = torch.cat([torch.zeros(400), torch.ones(20), torch.full((20,), 2)]).long()
    x = MEANS[c] + torch.randn(440, 2, generator=torch.Generator().manual_seed(0))
    train, model = ArrayData(x, c, space=SPACE), Conditioned()
    found = evaluate(model, train, None, n=300, metrics=["fid"])
    assert model.asked[0] > 250 and found["fid"].verdict != "short of perfect"
    shares = class_shares(model, train)
    assert shares is not None and shares.tolist() == [400 / 440, 20 / 440, 20 / 440]
    assert class_shares(Law(model.law), train) is None  # draws no given class
    assert class_shares(model, ArrayData(x)) is None  # has no labels
