"""Recall, coverage and the others under every labelling are those of the labelled rows, computed from scratch."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from veridical.evaluation import relabelled as page
from veridical.evaluation.exchange import Exchange, exchange, mean_differences
from veridical.evaluation.manifold import Sample, manifold
from veridical.evaluation.neighbours import neighbours
from veridical.evaluation.relabelled import Relabelled, listed

N, M, R, D = 60, 40, 50, 3


def drawn(shift: float, lattice: bool) -> tuple[torch.Tensor, torch.Tensor, Exchange]:
    g = torch.Generator().manual_seed(0)
    reference, pool = torch.randn(R, D, generator=g), torch.randn(N + M, D, generator=g)
    pool[:N] += shift
    if lattice:
        reference, pool = reference.round(), pool.round()
    return reference, pool, exchange(N, M, 0, draws=40)


def agrees(shift: float = 0.5, lattice: bool = False, kept: int | None = None) -> bool:
    reference, pool, e = drawn(shift, lattice)
    real = Sample(reference)
    by = Relabelled(real, pool, neighbours(pool, kept or listed(N, M, 3)))
    columns = (
        mean_differences(by.precise.double(), e),
        by.recall(e),
        mean_differences(by.inside, e),
        by.coverage(e),
    )
    scored = [[manifold(real, Sample(pool[row])) for row in (labels, ~labels)] for labels in e.labels]
    expected = np.array([np.array(of) - np.array(rest) for of, rest in scored])
    return np.allclose(torch.stack(columns, dim=1).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.5, 5.0])
def test_every_labelling_scores_as_its_rows_do(shift: float) -> None:
    assert agrees(shift)


def test_every_labelling_scores_as_its_rows_do_where_distances_are_tied() -> None:
    assert agrees(lattice=True, kept=N + M - 1)


MUTANTS: dict[str, tuple[Any, str, str]] = {
    "balls of all rows, whatever their label": (
        page._recalled,
        "same += labels[b, index[j, p]] == labels[b, j]",
        "same += 1",
    ),
    "one neighbour more": (page._recalled, "reach[j] = p - 1", "reach[j] = p"),
    "the labels are swapped": (page._covered, "found |= 1 << labels[b, j]", "found |= 2 >> labels[b, j]"),
    "examples at the radius are inside": (page._covered, "1.0 - none", "1.0 * (s > 0)"),
    "points count as their own neighbours": (neighbours, "block.scatter_(1, own[:, None], torch.inf)", "pass"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after = MUTANTS[mutant]
    plain: Callable[..., Any] = getattr(function, "py_func", function)
    source = inspect.getsource(plain).replace("@kernel\n", "")
    assert before in source
    namespace = dict(vars(page)) | {"range": range}
    name = source.partition("def ")[2].partition("(")[0]
    exec(source.replace(before, after), namespace)
    monkeypatch.setattr(page, name, namespace[name], raising=False)
    if name == "neighbours":
        monkeypatch.setitem(globals(), "neighbours", namespace[name])
    assert not (agrees() and agrees(lattice=True, kept=N + M - 1))


def test_lists_are_long_enough_for_the_rarer_label() -> None:
    assert listed(1000, 1000, 3) == 20 and listed(1000, 200, 3) == 60 and listed(10**4, 100, 3) == 128
    assert listed(5, 6, 3) == 10
