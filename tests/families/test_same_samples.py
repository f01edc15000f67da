"""Every autoregressive family, as its smallest model: all samplers solve the same equations, whatever is kept."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from veridical.config.families.autoregressive import AutoregressiveSampling, Method
from veridical.config.families.table import find_family
from veridical.families import FAMILIES, unmet
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.triangular import from_sites
from veridical.noise import SampleNoise

pytestmark = pytest.mark.usefixtures("double_precision")

SMALL = {
    "bits": Space((1, 4, 3), kind="lattice", levels=2, classes=3),
    "thumbnail": Space((1, 3, 4), levels=17, classes=4),
    "colour": Space((3, 3, 3), levels=64),
    "vector": Space((3,), kind="vector", support=None, levels=None, mean=30.0, std=5.0),
    "box": Space((2,), kind="vector", support=(0.0, 10.0), levels=11, mean=4.0, std=3.0, classes=3),
    "sequence": Space((1, 9), kind="sequence", levels=64),
}
METHODS: tuple[Method, ...] = ("auto", "naive", "jacobi", "cached")
N = 3


def autoregressive() -> list[str]:
    return [name for name, family in FAMILIES.items() if issubclass(family, Autoregressive)]


def variations(name: str) -> list[dict[str, Any]]:
    """The smallest model, with labels, and in a random order, where the family can."""
    names = {field.name for field in fields(find_family(name).config)}
    found: list[dict[str, Any]] = [{}]
    if "labels" in names:
        found.append({"labels": True})
    if "order" in names:
        found.append({"order": "random"})
    if {"order", "masks"} <= names:
        found.append({"order": "any", "masks": 2})
    return found


CASES = [
    pytest.param(name, space, choices, id="-".join([name, space, *map(str, choices.values())]))
    for name in autoregressive()
    for space in SMALL
    for choices in variations(name)
    if ("labels" not in choices or SMALL[space].classes) and not unmet(name, Facts(SMALL[space], 6))
]


def build(name: str, space: str, choices: dict[str, Any]) -> Autoregressive:
    torch.manual_seed(0)
    config = replace(find_family(name).smallest, **choices)
    model = FAMILIES[name](config, Facts(SMALL[space], 6)).eval()
    with torch.no_grad():  # initial weights are often nearly those of independent sites
        for parameter in model.parameters():
            parameter.mul_(2).add_(0.1 * torch.randn_like(parameter))
    return model


def prefix(model: Autoregressive, count: int) -> Tensor:
    sites = torch.zeros(1, model.sites, model.head.size, dtype=torch.bool)
    sites[:, model.order[:count]] = True
    return from_sites(sites, model.space.shape)[0]


@pytest.mark.parametrize(("name", "space", "choices"), CASES)
def test_all_samplers_give_the_same(name: str, space: str, choices: dict[str, Any]) -> None:
    model = build(name, space, choices)
    c = torch.arange(N) % model.classes if model.classes else None
    for known in (prefix(model, 0), prefix(model, max(1, model.sites // 3))):
        x = model.sample(N, c, noise=SampleNoise(1, 0, N))
        expected = model.completed(
            x, known, c, noise=SampleNoise(2, 0, N), options=AutoregressiveSampling(method="naive")
        )
        for method in METHODS if isinstance(model, Cached) else METHODS[:3]:
            for _ in range(2):  # a second call starts afresh
                drawn = model.completed(
                    x, known, c, noise=SampleNoise(2, 0, N), options=AutoregressiveSampling(method=method)
                )
                torch.testing.assert_close(drawn.x, expected.x, rtol=1e-7, atol=1e-7 * model.space.std)
                torch.testing.assert_close(drawn.log_prob, expected.log_prob, rtol=1e-6, atol=1e-6)
                if method == "jacobi":
                    assert drawn.evaluations <= model.sites * min(N, len(model.chains()))
        assert torch.equal(expected.x[:, known], x[:, known])


@pytest.mark.parametrize(("name", "space", "choices"), CASES)
def test_the_running_sum_is_a_score(name: str, space: str, choices: dict[str, Any]) -> None:
    model = build(name, space, choices)
    if len(model.chains()) > 1:
        pytest.skip("each row is drawn by one chain of several")
    c = torch.arange(N) % model.classes if model.classes else None
    drawn = model.drawn(N, c, noise=SampleNoise(2, 0, N))
    torch.testing.assert_close(drawn.log_prob, model.log_prob(drawn.x, c).detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "space", "choices"), CASES)
def test_a_sample_does_not_depend_on_its_batch(name: str, space: str, choices: dict[str, Any]) -> None:
    model = build(name, space, choices)
    together = model.sample(N, noise=SampleNoise(2, 0, N))
    for i in range(N):
        alone = model.sample(1, noise=SampleNoise(2, i, 1))[0]
        torch.testing.assert_close(alone, together[i], rtol=1e-7, atol=1e-7 * model.space.std)


@pytest.mark.parametrize(("name", "space", "choices"), CASES)
def test_no_site_depends_on_a_later_one(name: str, space: str, choices: dict[str, Any]) -> None:
    """Changing the later ones changes nothing, to the bit."""
    model = build(name, space, choices)
    x = model.sample(N, noise=SampleNoise(1, 0, N))
    other = model.sample(N, noise=SampleNoise(5, 0, N))
    c = torch.arange(N) % model.classes if model.classes else None
    chain = model.chains()[0]
    h = chain.conditionals(x, c)
    for rank in range(model.sites):
        known = torch.zeros(model.sites, dtype=torch.bool)
        known[chain.order[:rank]] = True
        mixed = torch.where(known[:, None], model.to_sites(x), model.to_sites(other))
        changed = chain.conditionals(model.from_sites(mixed), c)
        assert torch.equal(changed[:, chain.order[: rank + 1]], h[:, chain.order[: rank + 1]])
