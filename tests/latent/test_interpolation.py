"""Ways between codes: ends, norms and great circles, where well-known code fails."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.mutants import mutated
from torch import Tensor

from veridical.config.families.glo import GLOConfig
from veridical.config.families.hierarchical_vae import HierarchicalVAEConfig
from veridical.config.families.vae import VAEConfig
from veridical.families.glo import GLO
from veridical.families.hierarchical_vae import HierarchicalVAE
from veridical.families.vae import VAE
from veridical.latent import interpolation
from veridical.latent.interpolation import between, codes_of, interpolated, slerp
from veridical.model import Facts, Space

GREY = Space((1, 4, 4), levels=17, mean=-0.4, std=0.75)
SHARES = [0.0, 0.1, 0.5, 0.77, 1.0]


def codes(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_ends_are_exact() -> None:
    a, b = codes(5, 8), 3 * codes(5, 8, seed=1)
    assert torch.equal(slerp(a, b, 0.0), a) and torch.equal(slerp(a, b, 1.0), b)


@pytest.mark.parametrize("t", SHARES)
def test_norms_change_linearly_and_angles_too(t: float) -> None:
    a, b = codes(50, 8).double(), (3 * codes(50, 8, seed=1)).double()
    point = slerp(a, b, t)
    torch.testing.assert_close(point.norm(dim=1), (1 - t) * a.norm(dim=1) + t * b.norm(dim=1))

    def angle(x: Tensor, y: Tensor) -> Tensor:
        return torch.nn.functional.cosine_similarity(x, y).clamp(-1, 1).acos()

    torch.testing.assert_close(angle(a, point), t * angle(a, b), rtol=0, atol=1e-6)
    torch.testing.assert_close(angle(point, b), (1 - t) * angle(a, b), rtol=0, atol=1e-6)


def test_the_middle_of_two_axes() -> None:
    middle = slerp(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]]), 0.5)
    torch.testing.assert_close(middle, 3 * torch.tensor([[1.0, 1.0]]) / math.sqrt(2))


@pytest.mark.parametrize("scale", [1.0, 1.0 + 1e-7, 2.0])
def test_parallel_codes_have_the_straight_line(scale: float) -> None:
    v = codes(3, 6)
    for t in SHARES:
        torch.testing.assert_close(slerp(v, scale * v, t), (1 - t + t * scale) * v, rtol=1e-5, atol=1e-6)


def test_small_angles_keep_their_digits() -> None:
    a = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for angle in (1e-3, 1e-5, 1e-7, 1e-9):
        b = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
        assert slerp(a, b, 0.5)[0, 1].item() == pytest.approx(math.sin(angle / 2), rel=1e-6)


def test_opposite_codes_are_refused() -> None:
    v = codes(3, 6)
    with pytest.raises(ValueError, match="opposite"):
        slerp(v, -2 * v, 0.5)


def test_codes_on_the_way_stay_on_the_shell() -> None:
    """In 64 dimensions the middle of straight lines has norms near 5.7, that of great circles near 8, as the prior."""
    model = VAE(VAEConfig(latent_dim=64, width=8), GREY)
    a, b = codes(200, 64), codes(200, 64, seed=1)
    middle = between(model, a, b, 3)[1]
    assert middle.norm(dim=1).mean().item() == pytest.approx(8.0, abs=0.1)
    assert torch.lerp(a, b, 0.5).norm(dim=1).mean().item() == pytest.approx(5.7, abs=0.1)


@pytest.mark.parametrize(
    "model",
    [
        VAE(VAEConfig(latent_dim=3, width=8), GREY),
        HierarchicalVAE(HierarchicalVAEConfig(upper_dim=2, lower_dim=3, width=8, features=8), GREY),
    ],
    ids=["vae", "hierarchical-vae"],
)
def test_examples_are_decoded_from_end_to_end(model: VAE | HierarchicalVAE) -> None:
    model.eval()
    x = model.sample(4)
    z = codes_of(model, x, torch.arange(4))
    torch.testing.assert_close(z, model.posterior(x).mean.detach())
    way = interpolated(model, z[:-1], z[1:], 5)
    assert way.shape == (5, 3, 1, 4, 4) and not way.requires_grad
    torch.testing.assert_close(way[0], model.decode(z[:-1]).detach())
    torch.testing.assert_close(way[-1], model.decode(z[1:]).detach())


def test_a_model_with_codes_of_its_own_uses_them_and_its_way() -> None:
    model = GLO(GLOConfig(latent_dim=3, width=8), Facts(GREY, 6)).eval()
    z = codes_of(model, torch.zeros(2, *GREY.shape), torch.tensor([4, 1]))
    assert torch.equal(z, model.known_codes()[[4, 1]])
    torch.testing.assert_close(interpolated(model, z[:1], z[1:], 4), model.interpolate(z[:1], z[1:], 4))
    with pytest.raises(ValueError, match="row 6 has no code"):
        codes_of(model, torch.zeros(1, *GREY.shape), torch.tensor([6]))


def test_codes_of_one_number_have_the_straight_line_through_0() -> None:
    model = VAE(VAEConfig(latent_dim=1, width=8), GREY)
    way = between(model, torch.tensor([[-1.0]]), torch.tensor([[2.0]]), 4)
    torch.testing.assert_close(way.flatten(), torch.tensor([-1.0, 0.0, 1.0, 2.0]))


def test_fewer_than_two_points_are_refused() -> None:
    model = VAE(VAEConfig(latent_dim=3, width=8), GREY)
    with pytest.raises(ValueError, match="at least 2"):
        between(model, codes(1, 3), codes(1, 3), 1)


MUTANTS: dict[str, tuple[str, str, Callable[[], None]]] = {
    "a straight line": (
        "(share * safe).sin() / safe.sin()",
        "share + 0 * safe",
        lambda: test_norms_change_linearly_and_angles_too(0.5),
    ),
    "the ends are swapped": (
        "for share in (1 - t, t)",
        "for share in (t, 1 - t)",
        lambda: test_norms_change_linearly_and_angles_too(0.1),
    ),
    "norms are lost": ("(direction * length)", "direction", test_the_middle_of_two_axes),
    "half the angle": ("angle = 2 * torch.atan2", "angle = torch.atan2", test_the_middle_of_two_axes),
    "parallel codes divide by 0": (
        "near = angle < PARALLEL",
        "near = angle < -1",
        lambda: test_parallel_codes_have_the_straight_line(1.0),
    ),
    "coarse parallels": (
        "near = angle < PARALLEL",
        "near = angle < 1.0",
        lambda: test_norms_change_linearly_and_angles_too(0.5),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, test = MUTANTS[name]
    wrong = mutated(interpolation.slerp, before, after)
    monkeypatch.setattr(interpolation, "slerp", wrong)
    monkeypatch.setattr(f"{__name__}.slerp", wrong)
    with pytest.raises(AssertionError):
        test()
