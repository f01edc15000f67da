"""Restored training examples: errors that are set by hand, what is stated of each, and what is left out."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.mutants import mutated
from veridical.data.dataset import ArrayData
from veridical.evaluation import evaluate, restoration
from veridical.evaluation.evaluate import NoSuchMetricError
from veridical.evaluation.restoration import measure_restoration
from veridical.model import Batch, Facts, GenerativeModel, Loss, Restorer, Space

IMAGES = Space((1, 8, 8), levels=None, mean=0.0, std=0.5)
CPU = torch.device("cpu")


class Off(GenerativeModel, Restorer):
    """Restores example i with an error of errors[i] everywhere, or blurred."""

    def __init__(self, facts: Facts, errors: Tensor, blur: bool = False) -> None:
        super().__init__(facts)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.errors, self.blur = errors, blur

    def restore(self, batch: Batch) -> Tensor:
        if self.blur:
            return batch.x.mean((2, 3), keepdim=True).expand_as(batch.x)
        return batch.x + self.errors[batch.index].reshape(-1, 1, 1, 1)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        raise NotImplementedError

    def optimizer(self, player: str) -> Any:
        raise NotImplementedError


def data_of(n: int = 6) -> ArrayData:
    x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    return ArrayData(x, space=IMAGES)


ERRORS = torch.tensor([0.2, 0.02, 0.02, 0.0, 0.002, 0.2])
"""Of 20, 40, 40, any number of, 60 and 20 dB at a span of 2."""


def measured(rows: Tensor | None = None, **choices: Any) -> dict[str, Any]:
    data = data_of()
    model = Off(Facts(IMAGES, 6), ERRORS, **choices)
    rows = torch.arange(6) if rows is None else rows
    return {m.name: m for m in measure_restoration(model, data, rows, CPU)}


def test_every_example_has_its_ratio() -> None:
    found = measured()
    assert found["restored"].value == pytest.approx(4 / 6)
    assert found["restored_psnr"].value == pytest.approx(40, abs=1e-3)  # the lower of the two in the middle
    assert found["restored_worst"].value == pytest.approx(20, abs=1e-3)
    assert found["restored_worst"].detail["row"] in (0, 5)
    listed = dict(found["restored"].detail["row_and_dB_from_the_worst"])
    assert listed == pytest.approx({0: 20, 5: 20, 1: 40, 2: 40, 4: 60, 3: 150}, abs=0.02)
    assert all(found[name].interval is None for name in found)  # all examples were restored: nothing was drawn
    assert all(m.verdict == "no reference" for m in found.values())


def test_of_some_examples_there_are_intervals() -> None:
    found = measured(torch.tensor([1, 4]))
    assert found["restored"].value == 1.0 and found["restored"].interval[0] < 0.5
    assert found["restored_psnr"].interval == pytest.approx((40, 60), abs=1e-3)


def test_a_shift_leaves_the_detail_and_blur_takes_it() -> None:
    assert measured()["restored_detail"].value == pytest.approx(1.0, abs=1e-6)
    assert measured(blur=True)["restored_detail"].value == pytest.approx(0.0, abs=1e-6)


def test_vectors_have_no_detail() -> None:
    space = Space((3,), kind="vector", levels=None)
    data = ArrayData(torch.zeros(4, 3), space=space)

    class Same(Off):
        def restore(self, batch: Batch) -> Tensor:
            return batch.x + 0.02

    found = measure_restoration(Same(Facts(space, 4), ERRORS), data, torch.arange(4), CPU)
    assert [m.name for m in found] == ["restored", "restored_psnr", "restored_worst"]


def test_it_belongs_to_the_table_and_says_so_in_words() -> None:
    data = data_of()
    found = evaluate(Off(Facts(IMAGES, 6), ERRORS), data, None, metrics=["restoration"])
    assert found["restored"].value == pytest.approx(4 / 6)
    assert any("restores 4 of 6 training examples with at least 35 dB" in line for line in found.summary())


@pytest.mark.parametrize(
    ("facts", "space", "words"),
    [
        (Facts(IMAGES, 7), IMAGES, "was trained on 7 examples, and these data have 6"),
        (
            Facts(Space((1, 8, 8), support=None, levels=None), 6),
            Space((1, 8, 8), support=None, levels=None),
            "no bounds",
        ),
    ],
)
def test_what_cannot_be_restored_is_said(facts: Facts, space: Space, words: str) -> None:
    data = ArrayData(data_of().batch(torch.arange(6)).x, space=space)
    with pytest.raises(NoSuchMetricError, match=words):
        evaluate(Off(facts, ERRORS), data, None, metrics=["restoration"])


MUTANTS = {
    "half of the span": ("restored", "high - low", "(high - low) / 2"),
    "more than the limit": ("measure_restoration", "ratios >= ENOUGH", "ratios >= 45"),
    "the best is called the worst": ("measure_restoration", "values[int(order[0])]", "values[int(order[-1])]"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after = MUTANTS[name]
    wrong = mutated(getattr(restoration, function), before, after)
    monkeypatch.setattr(restoration, function, wrong)
    if function in globals():
        monkeypatch.setitem(globals(), function, wrong)
    with pytest.raises(AssertionError):
        test_every_example_has_its_ratio()
    assert math.isfinite(restoration.ENOUGH)
