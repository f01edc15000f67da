"""What can be done to a file is named; good samples and bad models are not taken for it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.evaluation import evaluate_samples
from veridical.evaluation.provenance import difference, energy_distance, explanations

TRAIN = load(DataConfig(source="fashion-mnist-10k"), "train")
TEST = load(DataConfig(source="fashion-mnist-10k"), "test").subset(torch.arange(500))
DATA, SAMPLES = TRAIN.subset(torch.arange(1000, 3000)), TRAIN.batch(torch.arange(500), "cpu").x
LABELS = TRAIN.batch(torch.arange(500), "cpu").c


def causes(x: Tensor) -> list[str]:
    return [found.cause for found in explanations(x, DATA, TEST)]


@pytest.mark.parametrize(
    ("cause", "change"),
    [
        ("range", lambda x: -x),
        ("range", lambda x: (x + 1) / 2),
        ("orientation", lambda x: x.flip(2)),
        ("orientation", lambda x: x.transpose(2, 3)),
        ("scale", lambda x: 0.7 * x + 0.2),
        ("detail", lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bicubic").clamp(-1, 1)),
    ],
)
def test_what_was_done_to_the_file_is_named(cause: str, change: Callable[[Tensor], Tensor]) -> None:
    assert causes(change(SAMPLES)) == [cause]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: (x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1),
        lambda x: x[:3].repeat(100, 1, 1, 1),
        lambda x: F.avg_pool2d(x, 3, 1, 1),
        lambda x: torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1),
    ],
    ids=["as they are", "noisy", "collapsed", "blurred", "noise"],
)
def test_faults_of_a_model_and_no_fault_are_left_to_the_verdict(change: Callable[[Tensor], Tensor]) -> None:
    assert causes(change(SAMPLES)) == []


def test_real_samples_are_seldom_accused() -> None:
    """20 splits of real images; one alarm or more has a probability below 10 % at the level of .005."""
    alarms = sum(
        bool(explanations(TRAIN.batch(torch.randperm(3000)[:200] + 3000, "cpu").x, DATA, TEST, seed=i))
        for i in range(20)
        if torch.manual_seed(i)
    )
    assert alarms <= 1


def test_the_first_classes_of_a_sorted_list_are_named() -> None:
    assert LABELS is not None
    found = explanations(SAMPLES[LABELS < 3], DATA, TEST)
    assert [f.cause for f in found] == ["classes"] and "sneaker" in found[0].says


def test_exchanged_channels_are_named() -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.rand(400, 3, 8, 8, generator=random) * torch.tensor([1.0, 0.6, 0.2])[:, None, None] * 2 - 1
    data = ArrayData(((x[200:] + 1) * 127.5).round().to(torch.uint8))
    assert [f.cause for f in explanations(x[:200].flip(1), data, None)] == ["channels"]


def test_few_values_are_named() -> None:
    assert "values" in causes(SAMPLES.sign())


def small(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 7).flatten(1)


def test_the_first_sentence_asks_about_the_file() -> None:
    found = evaluate_samples(SAMPLES[:300].flip(2), DATA.subset(torch.arange(300)), TEST, extractor=small)
    assert found.summary()[0].startswith("Ask about the file first: upside down")
    same = evaluate_samples(SAMPLES[:300], DATA.subset(torch.arange(300)), TEST, extractor=small)
    assert same.notes == ()


def test_the_energy_distance_is_the_known_one() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), rng.normal(1, 1, (40, 3))
    expected = 2 * cdist(x, y).mean() - cdist(x, x).sum() / (30 * 29) - cdist(y, y).sum() / (40 * 39)
    assert energy_distance(torch.from_numpy(x), torch.from_numpy(y)) == pytest.approx(expected)
    value, p = difference(torch.from_numpy(x), torch.from_numpy(y), torch.Generator().manual_seed(0))
    assert value == pytest.approx(expected) and p == 1 / 400
