"""What is known of every law: abilities, entropies against -E log p, and laws of no class of this package."""

import ast
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

import veridical
from veridical.config.families.table import FAMILIES as MODELS
from veridical.targets import GaussianMixture, correlated, grid, heavy_tailed, principal_mixture, ring, simplex
from veridical.targets.categorical import zipf, zipf_bits
from veridical.targets.ising import Ising
from veridical.targets.law import (
    HasDensity,
    HasEntropy,
    HasFactors,
    HasLevels,
    HasLogPartition,
    HasModes,
    HasOutcomes,
    HasScore,
    Law,
)
from veridical.targets.shapes import Shapes
from veridical.targets.tones import Tones
from veridical.targets.wells import forty, many_well

ABILITIES = (
    HasDensity,
    HasEntropy,
    HasFactors,
    HasLevels,
    HasLogPartition,
    HasModes,
    HasOutcomes,
    HasScore,
)
KNOWN = [
    (ring(), {HasDensity, HasEntropy, HasModes, HasScore}),
    (grid(), {HasDensity, HasEntropy, HasModes, HasScore}),
    (simplex(), {HasDensity, HasEntropy, HasModes, HasScore}),
    (correlated(), {HasDensity, HasEntropy, HasScore}),
    (principal_mixture(torch.eye(12).repeat(4, 1), torch.arange(48) % 2, 3), {HasDensity, HasEntropy, HasScore}),
    (heavy_tailed(), {HasDensity, HasEntropy}),
    (forty(), {HasDensity, HasEntropy, HasModes, HasScore}),
    (many_well(), {HasDensity, HasEntropy, HasLogPartition}),
    (Tones(12), {HasDensity, HasEntropy}),
    (zipf(), {HasDensity, HasEntropy, HasLevels, HasOutcomes}),
    (zipf_bits(), {HasDensity, HasEntropy, HasLevels, HasOutcomes}),
    (Ising(4), {HasDensity, HasEntropy, HasLevels, HasLogPartition}),
    (Shapes(12), {HasFactors}),
]


@pytest.mark.parametrize(("law", "abilities"), KNOWN, ids=lambda value: getattr(value, "name", ""))
def test_every_law_has_the_abilities_that_it_is_said_to_have(law: object, abilities: set[type]) -> None:
    assert isinstance(law, Law)
    assert {ability for ability in ABILITIES if isinstance(law, ability)} == abilities


@pytest.mark.parametrize("law", [law for law, _ in KNOWN], ids=lambda law: law.name)
def test_samples_have_the_type_that_is_asked_for_and_repeat_with_their_generator(law: Law) -> None:
    assert law.name and law.version >= 1
    for dtype in (torch.float32, torch.float64):
        a, b = (law.sample(3, torch.Generator().manual_seed(5), dtype) for _ in range(2))
        assert len(a) == 3 and a.dtype is dtype and torch.equal(a, b)
    assert law.sample(2).dtype is torch.get_default_dtype()
    if isinstance(law, HasLevels):
        x, (low, high) = law.sample(200, torch.Generator().manual_seed(0), torch.float64), law.support
        step = (x - low) / (high - low) * (law.levels - 1)
        assert torch.equal(step, step.round()) and float(x.min()) >= low and float(x.max()) <= high


@pytest.mark.parametrize(
    "law",
    [
        *(ring(), simplex(), correlated(), heavy_tailed(), Tones(12), zipf(), zipf_bits(), Ising(4)),
        GaussianMixture(torch.ones(1, 3), 0.5),
    ],
    ids=repr,
)
def test_entropy_is_the_mean_of_minus_log_p(law: Law) -> None:
    assert isinstance(law, HasDensity) and isinstance(law, HasEntropy)
    surprise = -law.log_prob(law.sample(20_000, torch.Generator().manual_seed(1), torch.float64))
    entropy = law.entropy()
    error = math.hypot(float(surprise.std()) / math.sqrt(len(surprise)), entropy.standard_error)
    assert abs(float(surprise.mean()) - entropy.value) < 5 * error  # false alarm: 6e-7
    assert (entropy.standard_error > 0) == (isinstance(law, GaussianMixture) and len(law.modes) > 1)
    assert law.entropy() == entropy  # the estimate does not depend on torch's global generator


def test_a_law_of_ones_own_needs_no_base_class() -> None:
    class Coin:
        """Names, and samples: no more."""

        name, version = "coin", 1

        def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
            return torch.randint(2, (n, 1), generator=generator).to(dtype or torch.get_default_dtype())

    coin: Law = Coin()
    assert isinstance(coin, Law) and not any(isinstance(coin, ability) for ability in ABILITIES)


def test_the_partition_function_normalises() -> None:
    law = Ising(3)
    assert isinstance(law, HasLogPartition) and not isinstance(law, HasModes)
    states = (torch.arange(512)[:, None] >> torch.arange(9)) & 1
    x = (2.0 * states.double() - 1).reshape(-1, 1, 3, 3)
    assert float(torch.logsumexp(-law.energy(x), 0)) == pytest.approx(law.log_partition, abs=1e-10)
    assert all(a.name != b.name for a, b in pairwise(law for law, _ in KNOWN))


def test_no_one_asks_for_the_class_of_a_law() -> None:
    """Outside targets, laws are asked for what they know; families of models likewise in the evaluation."""
    root = Path(veridical.__file__).parent
    laws, models = (
        {"GaussianMixture", "CorrelatedMixture", "Student", "Categorical", "Ising", "Shapes", "StackedDigits"},
        {*MODELS.values()},
    )

    def asked(file: Path) -> set[str]:
        calls = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
        kinds = [c.args[1] for c in calls if isinstance(c.func, ast.Name) and c.func.id == "isinstance"]
        return {name.id for kind in kinds for name in ast.walk(kind) if isinstance(name, ast.Name)}

    files = [file for file in root.rglob("*.py") if not {"targets", "families"} & {*file.relative_to(root).parts}]
    assert {file.name: found for file in files if (found := asked(file) & laws)} == {}
    evaluation = root / "evaluation"
    assert {file.name: found for file in evaluation.rglob("*.py") if (found := asked(file) & models)} == {}
    assert "HasModes" in asked(Path(__file__))  # this file asks, and is seen to
