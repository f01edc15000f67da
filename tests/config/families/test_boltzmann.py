"""What Boltzmann machines share: sampling, and numbers of chains that are refused."""

from typing import Any

import pytest

from veridical.config.families.boltzmann import BoltzmannSampling, check_chains
from veridical.config.families.dbm import DBMSampling
from veridical.config.families.rbm import RBMSampling


@pytest.mark.parametrize("kind", [BoltzmannSampling, RBMSampling, DBMSampling])
@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"method": "exact"}, "method is 'exact'"),
        ({"output": "map"}, "output is 'map'"),
        ({"steps": 0}, "steps is 0"),
        ({"replicas": 1}, "replicas is 1"),
    ],
)
def test_sampling_that_means_nothing_is_refused(
    kind: type[BoltzmannSampling], choices: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**choices)


@pytest.mark.parametrize(
    ("numbers", "words"), [((0, 1, 2), "sweeps is 0"), ((1, 0, 2), "chains is 0"), ((1, 1, 1), "replicas is 1")]
)
def test_chains_that_mean_nothing_are_refused(numbers: tuple[int, int, int], words: str) -> None:
    check_chains(1, 1, 2)
    with pytest.raises(ValueError, match=words):
        check_chains(*numbers)
