"""The smallest dimension where it is known: images in a plane, of which an affine decoder needs two coordinates."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.mutants import mutated
from tests.workflows.runs import silent
from veridical.config import OptimizerConfig
from veridical.config.families.glo import GLOConfig
from veridical.data.dataset import ArrayData
from veridical.data.space import Space
from veridical.errors import OutputExistsError
from veridical.workflows import latent_dim
from veridical.workflows.latent_dim import Goal, chosen, find_latent_dim, principal_curve, smallest, summary

SPACE = Space((1, 8, 8), levels=None, mean=0.0, std=0.3)
AFFINE = GLOConfig(
    network="mlp",
    depth=0,
    reconstruction="squared",
    code_lr=0.02,
    optimizer=OptimizerConfig(lr=5e-2, schedule="cosine"),
)


def plane(n: int = 40, rank: int = 2) -> ArrayData:
    """Images in a subspace of this rank, within [-1, 1]."""
    random = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(64, rank, generator=random)).Q
    x = (torch.randn(n, rank, generator=random) @ directions.T).reshape(n, 1, 8, 8)
    return ArrayData(0.9 * x / x.abs().max(), space=SPACE)


@pytest.mark.parametrize("most", [1, 6, 64])
def test_the_search_finds_every_threshold_with_few_trials(most: int) -> None:
    for threshold in range(1, most + 2):
        tried: list[int] = []

        def suffices(dim: int, threshold: int = threshold, tried: list[int] = tried) -> bool:
            tried.append(dim)
            return dim >= threshold

        assert smallest(suffices, most) == (threshold if threshold <= most else None)
        assert len(set(tried)) == len(tried) <= 13 and max(tried) <= most
        if 1 < threshold <= most:
            assert {threshold, threshold - 1} <= set(tried)  # the answer, and that one less does not suffice


def test_an_affine_decoder_needs_the_rank_of_the_images(tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "search"
    found = find_latent_dim(plane(), config=AFFINE, n=40, steps=400, out=out, say=said.append)
    assert found.dim == found.principal == 2 and found.n == 40
    assert [(trial.dim, trial.suffices) for trial in found.trials] == [(1, False), (2, True)]
    assert found.intrinsic is not None and 1.2 < found.intrinsic.likelihood < 3.5
    assert json.loads((out / "latent-dim.json").read_text()) == json.loads(json.dumps(found.to_json()))
    with Image.open(out / "restored.png") as panel, Image.open(out / "latent-dim.png") as curve:
        assert panel.width > 7 * panel.height and curve.width > 500
    assert len(said) == 2 and "2 dimensions: 100.0 % of the images with 35 dB" in said[1]
    assert summary(found)[0] == "2 dimensions restore all 40 images with 35 dB; fewer do not, at this budget."
    with pytest.raises(OutputExistsError):
        find_latent_dim(plane(), config=AFFINE, out=out, say=silent)


def test_a_search_without_success_says_so() -> None:
    found = find_latent_dim(plane(rank=5), config=AFFINE, steps=2, most=1, n=20, say=silent)
    assert found.dim is None and found.principal == 5
    assert summary(found)[0].startswith("None of the dimensions up to 1 restores all 20 images with 35 dB.")
    assert "Principal components: 5 are needed." in summary(found)


def test_repeated_images_are_no_neighbours() -> None:
    repeated = plane(n=40).subset(torch.arange(40) % 3)
    found = find_latent_dim(repeated, config=AFFINE, steps=2, most=1, n=40, say=silent)
    assert found.intrinsic is None and found.principal == 2 and len(summary(found)) == 2


def test_the_curve_of_principal_components_is_that_of_the_singular_values() -> None:
    random = torch.Generator().manual_seed(1)
    x = 0.2 * torch.randn(30, 1, 8, 8, generator=random).clamp(-4, 4)
    curve, enough = principal_curve(ArrayData(x, space=SPACE), Goal(20.0), 16)
    flat = x.flatten(1).double()
    left = flat - flat.mean(0)
    axes = torch.linalg.svd(left, full_matrices=False).Vh
    for k, worst, median in curve[:20]:
        mse = (left - left @ axes[:k].T @ axes[:k]).square().mean(1)
        ratios = 10 * torch.log10(4 / mse)
        assert (worst, median) == pytest.approx((float(ratios.min()), float(ratios.median())), abs=1e-6)
    assert enough == next(k for k, worst, _ in curve if worst >= 20)


def test_images_are_chosen_by_the_seed() -> None:
    data = plane()
    first = chosen(data, 7, 3)
    assert len(first) == 7 and first.digest == chosen(data, 7, 3).digest != chosen(data, 7, 4).digest
    assert chosen(data, 99, 0) is data


def test_a_share_of_the_images_can_be_enough() -> None:
    ratios = torch.tensor([20.0, 36.0, 40.0, 35.0])
    assert Goal(35.0, 0.75).met(ratios) and not Goal(35.0, 0.76).met(ratios) and not Goal().met(ratios)


def test_data_without_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="has no bounds"):
        find_latent_dim(ArrayData(torch.randn(20, 3)), say=silent)


def thresholds() -> None:
    test_the_search_finds_every_threshold_with_few_trials(64)


MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "the last that failed": (
        "smallest", "    return high", "    return low", thresholds
    ),
    "one in between is left out": (
        "smallest", "high - low > 1", "high - low > 2", thresholds
    ),
    "half of the span": (
        "principal_curve", "high - low", "high",
        test_the_curve_of_principal_components_is_that_of_the_singular_values,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after, test = MUTANTS[name]
    monkeypatch.setitem(globals(), function, mutated(getattr(latent_dim, function), before, after))
    with pytest.raises(AssertionError):
        test()
