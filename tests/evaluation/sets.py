"""Features of any rows, as metrics of features take them."""

import torch

from veridical.evaluation.extractors import Values
from veridical.evaluation.features import FeatureSets


def sets(generated: torch.Tensor, train: torch.Tensor, test: torch.Tensor | None = None, seed: int = 0) -> FeatureSets:
    return FeatureSets(Values(tuple(generated.shape[1:]), "coordinates"), generated, train, test, seed)


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
