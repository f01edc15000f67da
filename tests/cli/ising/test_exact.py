"""The exact table on the command line, against the sum over the sixteen configurations of a 2 x 2 torus."""

import itertools
import json
import math

import pytest

from veridical.cli import run


def test_the_smallest_torus(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ising", "exact", "2", "--temperature", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    spins = list(itertools.product((-1, 1), repeat=4))
    weights = [math.exp(0.5 * 2 * (a * b + c * d + a * c + b * d)) for a, b, c, d in spins]  # every bond twice
    assert found["coupling"] == 0.5
    assert found["rows"][0]["log_partition"] == pytest.approx(math.log(sum(weights)), rel=1e-12)
    square = sum(w * sum(s) ** 2 for w, s in zip(weights, spins, strict=True)) / sum(weights) / 16
    assert found["rows"][0]["magnetization_squared"] == pytest.approx(square, rel=1e-9)


@pytest.mark.parametrize("arguments", [["1"], ["4x"], ["4", "--temperature", "0"]])
def test_wrong_sizes_and_temperatures(arguments: list[str]) -> None:
    assert run(["ising", "exact", *arguments]) == 2
