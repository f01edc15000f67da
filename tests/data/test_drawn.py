"""Sets that are drawn: their law, their spaces, and splits that share a space but no example."""

from typing import Any

import pytest
import torch

from veridical.config import DataConfig
from veridical.data import drawn
from veridical.data.drawn import LAWS, SUMMARIES, draw, is_drawn
from veridical.data.errors import DataError
from veridical.data.sources import load
from veridical.targets import CorrelatedMixture, GaussianMixture
from veridical.targets.bars import BarsAndStripes
from veridical.targets.ising import Ising


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_DRAWS", "_SHAPES", "_TONES", "_LATTICES"):
        monkeypatch.setattr(drawn, name, {"train": (600, 0), "test": (300, 1)})


def test_names() -> None:
    assert all(is_drawn(name) for name in (*LAWS, "shapes", "tones", "ising:4", "ising:4x6", "bars:4"))
    assert not is_drawn("digits") and set(LAWS) < set(SUMMARIES)


@pytest.mark.parametrize("name", [*LAWS, "tones", "ising:4x6", "bars:5"])
def test_splits_share_the_space_and_no_example(name: str) -> None:
    train, test = draw(DataConfig(source=name), "train"), draw(DataConfig(source=name), "test")
    assert train.space == test.space and train.name == test.name and (len(train), len(test)) == (600, 300)
    x, y = train.batch(torch.arange(300)).x, test.batch(torch.arange(300)).x
    assert not torch.equal(x, y)
    again = draw(DataConfig(source=name), "train").batch(torch.arange(300)).x
    assert torch.equal(x, again)


def test_points_lie_near_the_modes_of_their_law() -> None:
    data = draw(DataConfig(source="ring"), "train")
    assert isinstance(data.target, GaussianMixture)
    x = data.batch(torch.arange(600)).x
    nearest = torch.cdist(x.double(), data.target.means).min(1).values
    assert float(nearest.max()) < 0.01 * 6  # a Gaussian radius beyond 6 sigma: 600 * exp(-18) = 1e-5
    assert data.space.support is None


def test_drawn_digits_are_images_of_a_known_density() -> None:
    """Real digits have the same nats as drawn ones, up to what Gaussians cannot be: they are no worse than 40 off."""
    data = draw(DataConfig(source="drawn-digits"), "train")
    assert (data.space.kind, data.space.shape, data.space.levels) == ("image", (1, 8, 8), None)
    assert isinstance(data.target, CorrelatedMixture) and len(data.target.means) == 10
    law = data.target
    real = load(DataConfig(source="digits"), "test")
    batch = real.batch(torch.arange(len(real)))
    assert batch.c is not None and float((law.component(batch.x.double()) == batch.c).double().mean()) > 0.95
    gap = law.log_prob(batch.x.double()).mean() - law.log_prob(data.batch(torch.arange(600)).x.double()).mean()
    assert -40 < float(gap) < 0
    assert abs(data.space.mean - real.space.mean) < 0.02 and abs(data.space.std - real.space.std) < 0.02


def test_lattices_are_spins_of_exact_moments() -> None:
    data = draw(DataConfig(source="ising:4x6"), "train")
    assert isinstance(data.target, Ising) and data.space.kind == "lattice"
    assert (data.space.shape, data.space.mean, data.space.std) == ((1, 4, 6), 0.0, 1.0)
    assert set(data.batch(torch.arange(600)).x.unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"source": "ring", "size": 8}, "are points"),
        ({"source": "shapes", "channels": "colour"}, "are grey"),
        ({"source": "tones", "size": 8}, "are sequences"),
        ({"source": "ising:4", "size": 8}, "are lattices"),
        ({"source": "ising:1"}, "names no lattice"),
        ({"source": "ising:4x4x4"}, "names no lattice"),
    ],
)
def test_choices_without_use_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        draw(DataConfig(**choices), "train")


def test_bars_and_stripes_have_their_law() -> None:
    data = draw(DataConfig(source="bars:3"), "train")
    assert (data.space.shape, data.space.levels, data.name) == ((1, 3, 3), 2, "bars-3")
    assert isinstance(data.target, BarsAndStripes)
    assert data.target.log_prob(data.batch(torch.arange(600)).x).isfinite().all()
    for source in ("bars:1", "bars:31", "bars:x", "bars:"):
        with pytest.raises(DataError, match="side from 2 to 30"):
            draw(DataConfig(source=source), "train")
    with pytest.raises(DataError, match="Leave out size"):
        draw(DataConfig(source="bars:3", size=8), "train")
