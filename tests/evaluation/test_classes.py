"""A model that draws the class asked for, another one, or only its middle: what nearest neighbours find."""

import pytest
import torch
from torch import Tensor

from veridical.config.sampling import SamplingOptions
from veridical.data.dataset import ArrayData
from veridical.evaluation.classes import draw_of, measure_accuracy, measure_class_match
from veridical.evaluation.extractors import Values
from veridical.evaluation.features import FeatureSets
from veridical.evaluation.measurement import Measurement
from veridical.model import Classifier, Sampler, Space
from veridical.noise import Noise, noise_for
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
